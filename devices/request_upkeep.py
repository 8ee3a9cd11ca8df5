"""The sums of the access log (devices/request_counts.py): kept up, compared with the log, made right.

Called by the worker every few seconds, by `manage.py housekeeping` and by `manage.py check_counters`.
"""

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from devices import access_log
from devices.models import Access
from devices.request_counts import FAILURES, REQUESTS, CountedLog, FailureCount, RequestCount, adapted
from redirect.db.transactions import commit_without_waiting

TURN = 3.0  # seconds, in which a worker does nothing else
STEP = 100_000  # ids of the log that are added in one transaction
# A row is added when it is so old, so that a page which is made meanwhile is younger than all that the sums hold.
BEHIND = timedelta(seconds=30)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class LogIncomplete(Exception):
    """Rows of the log are being moved, or wait for it since housekeeping was stopped: they cannot be counted."""


class Difference(NamedTuple):
    """A sum that is not what the log has: what it is of, and both numbers."""

    what: str
    counted: int
    kept: int


def turn() -> None:
    """Add what is new in the log, for some seconds."""
    keep_up(TURN)


def keep_up(seconds: float = float("inf")) -> int:
    """Add what is new in the log to the sums, for so long; how many ids. Several processes may do so at once.

    A row whose time is still to come, from a clock that was ahead, waits for it, and those behind it wait as well.
    """
    end, now = time.monotonic() + seconds, timezone.now()
    state = CountedLog.objects.first()
    if state is not None and state.since > now:  # the clock was ahead when it began
        _forget_all()
        state = None
    if state is not None and access_log.newest_id() <= state.read_to:
        return 0
    settled = access_log.settled_id()
    if settled is None or (state is None and not _begin(settled, now)):
        return 0
    added = 0
    while step := _add_step(settled, now - BEHIND):
        added += step
        if time.monotonic() > end:
            break
    return added


def _forget_all() -> None:
    with transaction.atomic():
        for table in (CountedLog, RequestCount, FailureCount):
            table.objects.all().delete()


def _begin(settled: int, now: datetime) -> bool:
    """Count from yesterday's beginning on; whether that is known. No id that is not settled is passed over."""
    since = _midnight(now) - DAY
    tables = access_log.tables_of_days()
    oldest = Access.objects.filter(time__gte=since, pk__lte=settled).aggregate(pk=Min("pk"))["pk"]
    if not _is_whole(tables):
        return False
    read_to = settled if oldest is None else oldest - 1
    CountedLog.objects.get_or_create(pk=1, defaults={"read_to": read_to, "since": since, "until": since})
    return True


ADD = """
INSERT INTO {table} ({piece}, {by}, number)
SELECT {piece_of_row}, {by}, count(*) FROM devices_access
WHERE {rows} AND id > %s AND id <= %s AND time >= %s GROUP BY 1, {by}
ON CONFLICT ({piece}, {by}) DO UPDATE SET number = {table}.number + excluded.number
"""


def _add_step(settled: int, until: datetime) -> int:
    """Add the next ids, none of a row behind `until`; how many, 0 if there are none for now."""
    tables = access_log.tables_of_days()
    with transaction.atomic():
        state = CountedLog.objects.select_for_update(skip_locked=True).first()
        if state is None:  # another process is at it
            return 0
        last = min(settled, state.read_to + STEP)
        young = Access.objects.filter(pk__gt=state.read_to, pk__lte=last, time__gt=until)
        if (first := young.aggregate(pk=Min("pk"))["pk"]) is not None:
            last = first - 1
        if last <= state.read_to:
            return 0
        with connection.cursor() as cursor:
            for sums in (REQUESTS, FAILURES):
                cursor.execute(ADD.format(**sums.words), [state.read_to, last, adapted(state.since)])
        if not _is_whole(tables):
            transaction.set_rollback(True)
            return 0
        commit_without_waiting()  # the state is forgotten with what it says
        added = last - state.read_to
        state.read_to, state.until = last, max(state.until, until)
        state.save(update_fields=["read_to", "until"])
    return added


def _is_whole(tables: dict[str, bool]) -> bool:
    """Whether no row was missing from the log since its days had these tables.

    Rows that housekeeping moves to a table of their day are missing until that is attached.
    """
    return all(tables.values()) and access_log.tables_of_days() == tables


def forget_old() -> int:
    """Delete the sums of days that nothing tells of any more; how many."""
    since = _midnight(timezone.now()) - DAY
    with transaction.atomic():
        state = CountedLog.objects.select_for_update().first()
        if state is None or state.since >= since:
            return 0
        requests, _ = RequestCount.objects.filter(minute__lt=since).delete()
        failures, _ = FailureCount.objects.filter(hour__lt=since).delete()
        state.since = since
        state.save(update_fields=["since"])
    return requests + failures


# One statement, and so of one moment: what is added to the sums meanwhile changes neither side.
WRONG = """
SELECT {piece}, {by}, sum(counted) AS counted, sum(kept) AS kept FROM (
    SELECT {piece_of_row} AS {piece}, {by}, count(*) AS counted, 0 AS kept FROM devices_access
    WHERE {rows} AND time >= %s AND time < %s AND id <= (SELECT max(read_to) FROM devices_countedlog)
    GROUP BY 1, {by}
    UNION ALL
    SELECT {piece}, {by}, 0, number FROM {table} WHERE {piece} >= %s AND {piece} < %s
) AS side GROUP BY {piece}, {by} HAVING sum(counted) <> sum(kept)
"""

REPAIR = f"""
INSERT INTO {{table}} ({{piece}}, {{by}}, number)
SELECT {{piece}}, {{by}}, counted - kept FROM ({WRONG}) AS wrong WHERE true
ON CONFLICT ({{piece}}, {{by}}) DO UPDATE SET number = {{table}}.number + excluded.number
"""  # noqa: S608 - no value


def hours() -> list[datetime]:
    """The hours that the sums are of, each by its beginning."""
    state = CountedLog.objects.first()
    if state is None:
        return []
    return [state.since + number * HOUR for number in range(int((state.until - state.since) / HOUR) + 1)]


def wrong(hour: datetime) -> list[Difference]:
    """The sums of an hour that are not what the log has; raises LogIncomplete."""
    tables, found = access_log.tables_of_days(), []
    with connection.cursor() as cursor:
        for sums in (REQUESTS, FAILURES):
            cursor.execute(WRONG.format(**sums.words) + f" ORDER BY {sums.piece}, {sums.by}", _both_sides(hour))
            for moment, *of, counted, kept in cursor.fetchall():
                what = " ".join(str(each) for each in of)
                found.append(Difference(f"{str(moment)[:16]} {what}", int(counted), int(kept)))
    if not _is_whole(tables):
        raise LogIncomplete
    return found


def repair(hour: datetime) -> int:
    """Make the sums of an hour what the log has, while the service goes on; how many were wrong.

    Raises LogIncomplete.
    """
    tables, number = access_log.tables_of_days(), 0
    with transaction.atomic(), connection.cursor() as cursor:
        for sums in (REQUESTS, FAILURES):
            cursor.execute(REPAIR.format(**sums.words), _both_sides(hour))
            number += cursor.rowcount
        if not _is_whole(tables):
            raise LogIncomplete
    return number


def _both_sides(hour: datetime) -> list[Any]:
    return [adapted(hour), adapted(hour + HOUR)] * 2


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
