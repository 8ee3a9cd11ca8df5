"""The dashboard: whether phones boot, from the last hour and day of the access log and from the tables.

A fixed number of statements, each over sums of the log (devices/request_counts.py) or over one table.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Group, User, block_horizon
from desk.charts import chart
from devices import counts, mac, request_counts
from devices.models import AccessStatus, Device, Outcome
from redirect.db.arrays import ids

SHOWN = 10
MINUTES, HOURS = 60, 24
DAY = timedelta(days=1)


def content(request: HttpRequest) -> dict[str, Any]:
    """What the dashboard shows to this member of staff."""
    now = timezone.now()
    may = request.user.has_perm
    shown: dict[str, Any] = {"now": now}
    if may("devices.view_access"):
        minute = now.replace(second=0, microsecond=0)
        minutes = [minute - timedelta(minutes=ago) for ago in reversed(range(MINUTES))]
        hours = [minute.replace(minute=0) - timedelta(hours=ago) for ago in reversed(range(HOURS))]
        by_minute = request_counts.by_minute(hours[0], now)
        by_hour = [(minute.replace(minute=0), outcome, number) for minute, outcome, number in by_minute]
        shown["charts"] = [
            chart("Requests per minute, last hour", by_minute, minutes, "%H:%M", _window(minutes[0], now)),
            chart("Requests per hour, last day", by_hour, hours, "%H:00", _window(hours[0], now)),
        ]
        shown["day"] = _window(hours[0], now)
        shown["failing_groups"] = _failing_groups(hours[0], now)
        shown["unknown_macs"] = _unknown_macs(hours[0], now)
    if may("devices.view_device"):
        states = _states_by_group()
        shown["devices"] = _devices(states)
        shown["failing_devices"] = _failing_devices(states, now)
        shown["since"] = (now - DAY).isoformat()
    if may("accounts.view_user"):
        blocked = User.objects.get_queryset().filter(user_block_time__gt=block_horizon())
        shown["blocked_users"] = blocked.select_related("group").order_by("-user_block_time")[:SHOWN]
    return shown


def _window(first: datetime, last: datetime) -> str:
    """For links to the list of requests, which then shows the very ones that were counted."""
    return f"{first:%Y-%m-%dT%H:%M:%S.%fZ}/{last:%Y-%m-%dT%H:%M:%S.%fZ}"


def _failing_groups(start: datetime, now: datetime) -> list[dict[str, Any]]:
    """The groups with the most requests that were not redirected."""
    worst: dict[int, Counter[Outcome]] = defaultdict(Counter)
    for group, outcome, requests in request_counts.failures(start, now):
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


def _unknown_macs(start: datetime, now: datetime) -> list[dict[str, Any]]:
    """The unknown MACs with the most requests."""
    found = request_counts.of_unknown_macs(start, now, SHOWN)
    return [{"mac": mac.display(text), "requests": requests, "last": last} for text, requests, last in found]


STATES = ("awaiting", "failing", "without_location")


def _states_by_group() -> dict[int, dict[str, Any]]:
    """How many devices of a group are in which state, and when the last of those asked that fail.

    The one statement over all devices; most of them are in none of these states.
    """
    failing = Q(last_access_status=AccessStatus.FAIL)
    notable = Device.objects.filter(~Q(last_access_status=AccessStatus.SUCCESS) | Q(location=None)).order_by()
    found = notable.values("group_id").annotate(
        awaiting=Count("pk", filter=Q(last_access_status=AccessStatus.AWAIT)),
        failing=Count("pk", filter=failing),
        without_location=Count("pk", filter=Q(location=None)),
        last_failure=Max("last_access", filter=failing),
    )
    return {row["group_id"]: dict(row) for row in found}


def _devices(states: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """How many devices there are, how many of them are in which state, and the largest groups."""
    numbers = counts.by_group()
    largest = sorted(numbers, key=lambda group_id: (-numbers[group_id], group_id))[:SHOWN]
    groups = Group.objects.in_bulk(largest)
    none = dict.fromkeys(STATES, 0)
    return {
        "groups": len(numbers),
        "devices": sum(numbers.values()),
        "largest": [
            {**none, **states.get(pk, {}), "group_id": pk, "group": groups[pk], "devices": numbers[pk]}
            for pk in largest
            if pk in groups
        ],
        **{state: sum(row[state] for row in states.values()) for state in STATES},
    }


def _failing_devices(states: dict[int, dict[str, Any]], now: datetime) -> list[Device]:
    """The devices whose last request failed, the latest first.

    They are among those of the groups in which one failed last.
    """
    since = now - DAY
    failures = {pk: row["last_failure"] for pk, row in states.items() if row["last_failure"] is not None}
    latest = sorted((time for time in failures.values() if time >= since), reverse=True)[:SHOWN]
    groups = [pk for pk, time in failures.items() if latest and time >= latest[-1]]
    failing = Device.objects.filter(last_access_status=AccessStatus.FAIL, last_access__gte=since)
    of_groups = failing.filter(group_id__in=ids(groups)).select_related("group")
    return list(of_groups.order_by("-last_access", "pk")[:SHOWN])
