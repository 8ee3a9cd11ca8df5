"""The dashboard: whether phones boot, from the last hour and day of the access log and from the tables.

A fixed number of statements, each over a day of the log or over one table.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.db.models.functions import TruncMinute
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Group, User, block_horizon
from desk.charts import chart
from devices import mac
from devices.models import Access, AccessStatus, Device, Outcome

SHOWN = 10
MINUTES, HOURS = 60, 24
DAY = timedelta(days=1)


def content(request: HttpRequest) -> dict[str, Any]:
    """What the dashboard shows to this member of staff."""
    now = timezone.now()
    may = request.user.has_perm
    shown: dict[str, Any] = {"now": now}
    if may("devices.view_access"):
        by_minute = _requests_by_minute(now)
        by_hour = [(minute.replace(minute=0), outcome, number) for minute, outcome, number in by_minute]
        minute = now.replace(second=0, microsecond=0)
        minutes = [minute - timedelta(minutes=ago) for ago in reversed(range(MINUTES))]
        hours = [minute.replace(minute=0) - timedelta(hours=ago) for ago in reversed(range(HOURS))]
        shown["charts"] = [
            chart("Requests per minute, last hour", by_minute, minutes, "%H:%M", _window(minutes[0], now)),
            chart("Requests per hour, last day", by_hour, hours, "%H:00", _window(hours[0], now)),
        ]
        shown["day"] = _window(hours[0], now)
        shown["failing_groups"] = _failing_groups(now)
        shown["unknown_macs"] = _unknown_macs(now)
    if may("devices.view_device"):
        shown["devices"] = _devices()
        shown["failing_devices"] = _failing_devices(now)
        shown["since"] = (now - DAY).isoformat()
    if may("accounts.view_user"):
        blocked = User.objects.get_queryset().filter(user_block_time__gt=block_horizon())
        shown["blocked_users"] = blocked.select_related("group").order_by("-user_block_time")[:SHOWN]
    return shown


def _window(first: datetime, last: datetime) -> str:
    """For links to the list of requests, which then shows the very ones that were counted."""
    return f"{first:%Y-%m-%dT%H:%M:%S.%fZ}/{last:%Y-%m-%dT%H:%M:%S.%fZ}"


def _day(now: datetime) -> Any:
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    return Access.objects.filter(time__range=(start, now))


def _requests_by_minute(now: datetime) -> list[tuple[datetime, str, int]]:
    minutes = _day(now).annotate(minute=TruncMinute("time")).order_by()
    return list(minutes.values_list("minute", "outcome").annotate(requests=Count("pk")))


def _failing_groups(now: datetime) -> list[dict[str, Any]]:
    """The groups with the most requests that were not redirected."""
    failed = _day(now).exclude(outcome=Outcome.REDIRECTED).exclude(group_id=None).order_by()
    worst: dict[int, Counter[Outcome]] = defaultdict(Counter)
    for group, outcome, requests in failed.values_list("group_id", "outcome").annotate(number=Count("pk")):
        worst[group][Outcome(outcome)] += requests
    ranked = sorted(worst.items(), key=lambda entry: (-entry[1].total(), entry[0]))[:SHOWN]
    groups = Group.objects.in_bulk([group for group, _ in ranked])
    return [
        {
            "id": group,
            "group": groups.get(group),
            "requests": c.total(),
            "why": c.most_common(),
        }
        for group, c in ranked
    ]


def _unknown_macs(now: datetime) -> list[dict[str, Any]]:
    """The unknown MACs with the most requests."""
    unknown = _day(now).filter(device_id=None).exclude(Exists(Device.objects.filter(mac=OuterRef("mac"))))
    asked = unknown.order_by().values("mac").annotate(requests=Count("pk"), last=Max("time"))
    return [{**row, "mac": mac.display(row["mac"])} for row in asked.order_by("-requests", "-last", "mac")[:SHOWN]]


def _devices() -> dict[str, Any]:
    """How many devices there are, how many of them are in which state, and the largest groups."""
    by_group: list[Any] = list(
        Device.objects.order_by()
        .values("group_id")
        .annotate(
            devices=Count("pk"),
            awaiting=Count("pk", filter=Q(last_access_status=AccessStatus.AWAIT)),
            failing=Count("pk", filter=Q(last_access_status=AccessStatus.FAIL)),
            without_location=Count("pk", filter=Q(location=None)),
        )
    )
    largest = sorted(by_group, key=lambda row: (-row["devices"], row["group_id"]))[:SHOWN]
    groups = Group.objects.in_bulk([row["group_id"] for row in largest])
    states = ("devices", "awaiting", "failing", "without_location")
    return {
        "groups": len(by_group),
        "largest": [{**row, "group": groups[row["group_id"]]} for row in largest if row["group_id"] in groups],
        **{state: sum(row[state] for row in by_group) for state in states},
    }


def _failing_devices(now: datetime) -> list[Device]:
    """The devices whose last request failed, the latest first."""
    failing = Device.objects.filter(last_access_status=AccessStatus.FAIL, last_access__gte=now - DAY)
    return list(failing.select_related("group").order_by("-last_access", "pk")[:SHOWN])
