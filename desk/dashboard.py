"""Whether phones are booting, at a glance: what the last hour and day of the access log and the tables say.

A fixed number of statements, each over a day of the log or over one table.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.db.models.functions import TruncMinute
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Group, User, block_horizon
from desk.story import COLORS, WORDS
from devices import mac
from devices.models import Access, AccessStatus, Device, Outcome

SHOWN = 10
MINUTES, HOURS = 60, 24


@dataclass(frozen=True)
class Chart:
    """Bars of requests by outcome over time: for the eye as JSON, for everybody as totals in words."""

    title: str
    labels: list[str]
    bars: dict[Outcome, list[int]]

    @property
    def data(self) -> str:
        """What the chart library draws."""
        datasets = [
            {"label": WORDS[outcome], "data": numbers, "backgroundColor": COLORS[outcome], "displayYAxis": True}
            for outcome, numbers in self.bars.items()
        ]
        return json.dumps({"labels": self.labels, "datasets": datasets})

    @property
    def totals(self) -> list[tuple[str, int]]:
        """Requests by outcome, those without any left out."""
        return [(WORDS[outcome], sum(numbers)) for outcome, numbers in self.bars.items() if sum(numbers)]

    @property
    def total(self) -> int:
        """All requests of the chart."""
        return sum(number for _, number in self.totals)


OPTIONS = json.dumps(
    {
        "responsive": True,
        "maintainAspectRatio": False,
        "animation": False,
        "plugins": {"legend": {"position": "bottom", "labels": {"boxWidth": 12}}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "ticks": {"maxTicksLimit": 12, "maxRotation": 0}},
            "y": {"stacked": True, "beginAtZero": True, "ticks": {"precision": 0}},
        },
    }
)


def content(request: HttpRequest) -> dict[str, Any]:
    """What the dashboard shows to this member of staff."""
    now = timezone.now()
    may = request.user.has_perm
    shown: dict[str, Any] = {"now": now, "chart_options": OPTIONS}
    if may("devices.view_access"):
        by_minute = _requests_by_minute(now)
        shown["charts"] = [
            _chart("Requests per minute, last hour", by_minute, now, timedelta(minutes=1), MINUTES, "%H:%M"),
            _chart("Requests per hour, last day", by_minute, now, timedelta(hours=1), HOURS, "%H:00"),
        ]
        shown["failing_groups"] = _failing_groups(now)
        shown["unknown_macs"] = _unknown_macs(now)
    if may("devices.view_device"):
        shown["devices"] = _devices()
        shown["failing_devices"] = _failing_devices(now)
    if may("accounts.view_user"):
        blocked = User.objects.get_queryset().filter(user_block_time__gt=block_horizon())
        shown["blocked_users"] = blocked.select_related("group").order_by("-user_block_time")[: SHOWN + 1]
    return shown


def _day(now: datetime) -> Any:
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    return Access.objects.filter(time__gte=start)


def _requests_by_minute(now: datetime) -> list[tuple[datetime, str, int]]:
    minutes = _day(now).annotate(minute=TruncMinute("time")).order_by()
    return list(minutes.values_list("minute", "outcome").annotate(requests=Count("pk")))


def _chart(
    title: str,
    by_minute: Iterable[tuple[datetime, str, int]],
    now: datetime,
    step: timedelta,
    steps: int,
    label: str,
) -> Chart:
    end = now.replace(second=0, microsecond=0)
    if step >= timedelta(hours=1):
        end = end.replace(minute=0)
    first = end - (steps - 1) * step
    bars = {outcome: [0] * steps for outcome in Outcome}
    for minute, outcome, requests in by_minute:
        place = (minute - first) // step
        if 0 <= place < steps:
            bars[Outcome(outcome)][place] += requests
    return Chart(title, [(first + n * step).strftime(label) for n in range(steps)], bars)


def _failing_groups(now: datetime) -> list[dict[str, Any]]:
    """The groups with the most requests that were not redirected."""
    failed = _day(now).exclude(outcome=Outcome.REDIRECTED).exclude(group_id=None).order_by()
    worst: dict[int, Counter[str]] = defaultdict(Counter)
    for group, outcome, requests in failed.values_list("group_id", "outcome").annotate(number=Count("pk")):
        worst[group][WORDS[Outcome(outcome)]] += requests
    ranked = sorted(worst.items(), key=lambda entry: (-entry[1].total(), entry[0]))[:SHOWN]
    groups = Group.objects.in_bulk([group for group, _ in ranked])
    return [
        {
            "id": group,
            "name": groups.get(group, "a group that is gone"),
            "requests": c.total(),
            "why": c.most_common(),
        }
        for group, c in ranked
    ]


def _unknown_macs(now: datetime) -> list[dict[str, Any]]:
    """The MACs that nobody owns and that asked most often."""
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
    failing = Device.objects.filter(last_access_status=AccessStatus.FAIL, last_access__gte=now - timedelta(days=1))
    return list(failing.select_related("group").order_by("-last_access", "pk")[:SHOWN])
