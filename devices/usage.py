"""What a group has used in a month: devices, requests, devices that were redirected. Exact against the tables.

Devices are counted by their claims, which are kept. The access log is not: `close_days` adds the days that are
over to the sums of their month, before their rows are dropped; `of_month` adds the days that are still open.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Min

from redirect.db.arrays import table_of

# A day is closed so long after its end: what a replica answered is logged later, with the time of the request.
OPEN_FOR = timedelta(days=3)


class UsageMonth(models.Model):
    """The closed days of a group's month. `redirected` is known when the month is whole."""

    month = models.DateField()
    group_id = models.BigIntegerField()
    requests = models.BigIntegerField(default=0)
    redirected = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["month", "group_id"], name="usage_month_once")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.group_id}"


class UsageDevice(models.Model):
    """A device that was redirected on a closed day of a month that is not whole yet."""

    month = models.DateField()
    group_id = models.BigIntegerField()
    mac = models.CharField(max_length=12)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["month", "group_id", "mac"], name="usage_device_once")
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.mac}"


class UsageState(models.Model):
    """The one row that says until when days are closed: the first open one."""

    open_from = models.DateField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"open from {self.open_from}"


@dataclass
class Usage:
    """Of one group in one month. `devices`: at its end, or now; `peak`: the most at any moment of it."""

    devices: int = 0
    peak: int = 0
    redirected: int = 0
    requests: int = 0


def of_month(first: date, group_ids: Collection[int]) -> dict[int, Usage]:
    """The usage of these groups in the month that begins on this day (UTC), in four statements."""
    usage = {pk: Usage() for pk in group_ids}
    begin, end = _adapted(first), _adapted(next_month(first))
    source, groups = table_of(list(usage), "bigint")
    of_groups = f"group_id IN (SELECT value FROM {source})"  # noqa: S608 - the text of a table expression
    log = f"{of_groups} AND time >= %s AND time < %s AND time >= {OPEN_FROM}"
    in_log = (groups, begin, end)
    for group_id, number in _rows(DEVICES_BEFORE.format(of_groups), groups, begin, groups, begin, begin):
        usage[group_id].devices = usage[group_id].peak = int(number)
    for group_id, step, level in _rows(CHANGES.format(of_groups), *in_log, *in_log, *in_log):
        usage[group_id].peak += max(int(level), 0)
        usage[group_id].devices += int(step)
    # One statement each: a day that is closed meanwhile is counted once.
    for group_id, number in _rows(REQUESTS.format(of_groups, log), groups, first, *in_log):
        usage[group_id].requests = int(number)
    for group_id, number in _rows(REDIRECTED.format(of_groups, log), groups, first, *in_log, groups, first):
        usage[group_id].redirected = int(number)
    return usage


DEVICES_BEFORE = """
SELECT group_id, sum(number) FROM (
    SELECT group_id, count(*) AS number FROM devices_device WHERE {0} AND claimed_at < %s GROUP BY group_id
    UNION ALL
    SELECT group_id, count(*) FROM devices_claim
    WHERE {0} AND (began IS NULL OR began < %s) AND (ended IS NULL OR ended >= %s) GROUP BY group_id
) AS part GROUP BY group_id
"""

# What is done at one moment counts as one step: a device that goes and one that comes are no peak.
CHANGES = """
SELECT group_id, sum(step), max(level) FROM (
    SELECT group_id, step, sum(step) OVER (PARTITION BY group_id ORDER BY moment) AS level FROM (
        SELECT group_id, moment, sum(step) AS step FROM (
            SELECT group_id, claimed_at AS moment, 1 AS step FROM devices_device
            WHERE {0} AND claimed_at >= %s AND claimed_at < %s
            UNION ALL
            SELECT group_id, began, 1 FROM devices_claim
            WHERE {0} AND began >= %s AND began < %s
            UNION ALL
            SELECT group_id, ended, -1 FROM devices_claim WHERE {0} AND ended >= %s AND ended < %s
        ) AS change GROUP BY group_id, moment
    ) AS net
) AS running GROUP BY group_id
"""

OPEN_FROM = "coalesce((SELECT max(open_from) FROM devices_usagestate), '1970-01-01')"

REQUESTS = """
SELECT group_id, sum(number) FROM (
    SELECT group_id, requests AS number FROM devices_usagemonth WHERE {0} AND month = %s
    UNION ALL
    SELECT group_id, count(*) FROM devices_access WHERE {1} GROUP BY group_id
) AS part GROUP BY group_id
"""

REDIRECTED = """
SELECT group_id, sum(number) FROM (
    SELECT group_id, count(*) AS number FROM (
        SELECT group_id, mac FROM devices_usagedevice WHERE {0} AND month = %s
        UNION
        SELECT group_id, mac FROM devices_access WHERE {1} AND outcome = 'Redirected'
    ) AS device GROUP BY group_id
    UNION ALL
    SELECT group_id, redirected FROM devices_usagemonth WHERE {0} AND month = %s AND redirected IS NOT NULL
) AS part GROUP BY group_id
"""


def close_days(today: date, days_kept: int) -> int:
    """Add the days that are over to the sums of their months, each in a transaction; how many days.

    Called before the rows of days older than `days_kept` are deleted.
    """
    until = today - min(OPEN_FOR, timedelta(days=days_kept))
    closed = 0
    while _close_next(until):
        closed += 1
    return closed


def _close_next(until: date) -> bool:
    """Close the first open day, if it is before `until`; with the last of a month, the month."""
    with transaction.atomic():
        state = UsageState.objects.select_for_update().first() or _begun(until)
        day = state.open_from
        if day >= until:
            return False
        month, begin, end = day.replace(day=1), _adapted(day), _adapted(day + timedelta(days=1))
        with connection.cursor() as cursor:
            cursor.execute(ADD_REQUESTS, [month, begin, end])
            cursor.execute(ADD_DEVICES, [month, begin, end])
            if day + timedelta(days=1) == next_month(month):
                cursor.execute(COUNT_DEVICES, [month])
                cursor.execute("DELETE FROM devices_usagedevice WHERE month = %s", [month])
        state.open_from = day + timedelta(days=1)
        state.save()
    return True


def _begun(until: date) -> UsageState:
    """The first time: the oldest day of the log is open."""
    log: Any = apps.get_model("devices", "Access")  # above this module
    oldest = log.objects.aggregate(oldest=Min("time"))["oldest"]
    UsageState.objects.get_or_create(pk=1, defaults={"open_from": min(oldest.date(), until) if oldest else until})
    return UsageState.objects.select_for_update().get(pk=1)


ADD_REQUESTS = """
INSERT INTO devices_usagemonth (month, group_id, requests)
SELECT %s, group_id, count(*) FROM devices_access
WHERE time >= %s AND time < %s AND group_id IS NOT NULL GROUP BY group_id
ON CONFLICT (month, group_id) DO UPDATE SET requests = devices_usagemonth.requests + excluded.requests
"""

ADD_DEVICES = """
INSERT INTO devices_usagedevice (month, group_id, mac)
SELECT DISTINCT %s, group_id, mac FROM devices_access
WHERE time >= %s AND time < %s AND group_id IS NOT NULL AND outcome = 'Redirected'
ON CONFLICT DO NOTHING
"""

COUNT_DEVICES = """
UPDATE devices_usagemonth SET redirected = (
    SELECT count(*) FROM devices_usagedevice d
    WHERE d.month = devices_usagemonth.month AND d.group_id = devices_usagemonth.group_id
) WHERE month = %s
"""


def next_month(first: date) -> date:
    """The first day of the month behind that of this day."""
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)


def _adapted(day: date) -> Any:
    """The beginning of a day, as a parameter of a statement."""
    return connection.ops.adapt_datetimefield_value(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _rows(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
