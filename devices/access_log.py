"""The access log's days: on PostgreSQL a partition each, made ahead and dropped when they are old.

On SQLite it is one table, pruned row by row. Called by `manage.py housekeeping`.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction

from devices.hints import Hint
from devices.models import Access
from redirect.db.failures import MOMENTARY

logger = logging.getLogger(__name__)

DAYS_AHEAD = 7
PARTITION = "devices_access_{day:%Y%m%d}"

# A change of partitions waits for every reader of the log, and phones wait behind it. So it waits for less than a
# phone's timeout, and tries again.
PATIENCE = "100ms"
ATTEMPTS = 60
SECONDS_BETWEEN_ATTEMPTS = 0.5

SECONDS_OF_A_WRITER = 0.02
WRITERS_ATTEMPTS = 50

PAGES_A_STEP = 1_000  # of 8 kB
PAGES_MOVED_A_STEP = 200  # some 5,000 rows
SCANNED = f"devices_access_default{MOMENTARY}"


def make_partitions(today: date) -> list[str]:
    """Make the partitions of the coming week that are missing; their names.

    Today's is made as well while the default partition is empty, as after the first migration; later it has rows
    of today. A day of which it has rows already, from a clock that was ahead, stays there.
    """
    if connection.vendor != "postgresql":
        return []
    existing = _partitions()
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    if _default_has_rows():
        del days[0]
    missing = [day for day in days if PARTITION.format(day=day) not in existing]
    if not missing:
        return []
    with _scanned_before(missing[0], missing[-1] + timedelta(days=1)):
        return [name for day in missing if (name := _make_partition(day))]


def move_out_of_default(today: date) -> int:
    """Give the days that have rows in the default partition a partition of their own; how many rows were moved.

    They are there after weeks without housekeeping. Not today, whose rows go on to arrive there: tomorrow. While
    the rows of a day are moved, readers of the log do not see all of them; phones wait for nothing.
    """
    if connection.vendor != "postgresql":
        return 0
    last = today + timedelta(days=DAYS_AHEAD)
    days = _days_in_default() | _days_half_moved()
    return sum(_move(day) for day in sorted(days) if day != today and day <= last)


def days_ahead(today: date) -> int | None:
    """How many days from tomorrow on have a partition, without a gap; None where none is needed (SQLite)."""
    if connection.vendor != "postgresql":
        return None
    existing = _partitions()
    days = 0
    while PARTITION.format(day=today + timedelta(days=days + 1)) in existing:
        days += 1
    return days


def prune(today: date, days_kept: int) -> tuple[int, list[str]]:
    """Drop what is older than `days_kept` days: how many rows were deleted, and which partitions were dropped."""
    first_kept = today - timedelta(days=days_kept)
    dropped = []
    for name in _partitions():
        if name < PARTITION.format(day=first_kept):
            change(f"DROP TABLE {name}")
            dropped.append(name)
    moment = datetime(first_kept.year, first_kept.month, first_kept.day, tzinfo=UTC)
    Hint.objects.filter(time__lt=moment).delete()
    return _delete_before(moment), dropped


def _delete_before(moment: datetime) -> int:
    """Delete old rows one by one: in short steps on PostgreSQL, whose default partition may have weeks of them.

    A step is a range of the table's pages, as the time alone has no index.
    """
    old = Access.objects.filter(time__lt=moment)
    if connection.vendor != "postgresql":
        return int(old._raw_delete(Access.objects.db))
    deleted = 0
    with connection.cursor() as cursor:
        for page in range(0, _pages_of_default(cursor), PAGES_A_STEP):
            cursor.execute(
                "DELETE FROM devices_access_default WHERE time < %s AND ctid >= %s::tid AND ctid < %s::tid",
                [moment, f"({page},0)", f"({page + PAGES_A_STEP},0)"],
            )
            deleted += cursor.rowcount
    return deleted


def _make_partition(day: date) -> str | None:
    name = PARTITION.format(day=day)
    try:
        change(f"CREATE TABLE {name} PARTITION OF devices_access {_bounds(day)}")
    except IntegrityError as error:
        logger.warning("No partition for %s: %s", day, error)
        return None
    return name


def _bounds(day: date) -> str:
    return f"FOR VALUES FROM ('{day} 00:00Z') TO ('{day + timedelta(days=1)} 00:00Z')"


def _move(day: date) -> int:
    """Move the rows of a day from the default partition to one of its own, in short steps; go on where it stopped.

    The new table is attached when the default one has no row of this day any more.
    """
    name, end = PARTITION.format(day=day), day + timedelta(days=1)
    of_the_day = f"time >= '{day} 00:00Z' AND time < '{end} 00:00Z'"
    own = f"CONSTRAINT {name}_day CHECK ({of_the_day})"  # so that nothing is looked through when it is attached
    change(f"CREATE TABLE IF NOT EXISTS {name} (LIKE devices_access INCLUDING DEFAULTS INCLUDING INDEXES, {own})")
    moved = 0
    with connection.cursor() as cursor:
        for page in range(0, _pages_of_default(cursor), PAGES_MOVED_A_STEP):
            began = time.monotonic()
            cursor.execute(
                f"WITH gone AS (DELETE FROM devices_access_default WHERE {of_the_day}"  # noqa: S608 - dates
                f" AND ctid >= %s::tid AND ctid < %s::tid RETURNING *) INSERT INTO {name} SELECT * FROM gone",
                [f"({page},0)", f"({page + PAGES_MOVED_A_STEP},0)"],
            )
            moved += cursor.rowcount
            if cursor.rowcount:
                time.sleep(min(time.monotonic() - began, 1))  # phones have the disk and a core in between
    with _scanned_before(day, end):
        change(f"ALTER TABLE devices_access ATTACH PARTITION {name} {_bounds(day)}")
    change(f"ALTER TABLE {name} DROP CONSTRAINT {name}_day")
    return moved


def _pages_of_default(cursor: Any) -> int:
    cursor.execute("SELECT pg_relation_size('devices_access_default') / current_setting('block_size')::int")
    return int(cursor.fetchone()[0])


def _days_in_default() -> set[date]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT (time AT TIME ZONE 'UTC')::date FROM devices_access_default")
        return {row[0] for row in cursor.fetchall()}


def _days_half_moved() -> set[date]:
    """The days whose tables a run that was killed has left unattached."""
    unattached = [name for name, attached in tables_of_days().items() if not attached]
    return {datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for name in unattached}


def tables_of_days() -> dict[str, bool]:
    """The tables of days, and whether each is a part of the log: one whose rows are still moved is none yet."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relispartition FROM pg_class WHERE relname ~ '^devices_access_[0-9]{8}$'"
            " AND relkind = 'r' AND relnamespace ="
            " (SELECT relnamespace FROM pg_class WHERE oid = 'devices_access'::regclass)"
        )
        return dict(cursor.fetchall())


@contextmanager
def _scanned_before(first: date, end: date) -> Iterator[None]:
    """While this lasts, the default partition is known to have no rows from `first` until `end`.

    A new partition makes PostgreSQL look through the default one while phones wait, unless a constraint says that
    none of its rows belongs there. That is checked here, without a lock that a phone waits for; where it does not
    hold, PostgreSQL looks by itself. Source: PostgreSQL documentation, CREATE TABLE, "PARTITION OF".
    """
    check = f"CHECK (time < '{first} 00:00Z' OR time >= '{end} 00:00Z')"
    constraint = f"ALTER TABLE devices_access_default ADD CONSTRAINT {SCANNED} {check} NOT VALID"
    forget = f"ALTER TABLE devices_access_default DROP CONSTRAINT IF EXISTS {SCANNED}"
    change(forget)  # of a run that was killed
    now = datetime.now(UTC)
    if first <= (now + timedelta(minutes=10)).date() and now.date() < end:
        yield  # a constraint would refuse the rows of this day, which is here or near
        return
    change(constraint)
    try:
        with contextlib.suppress(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE devices_access_default VALIDATE CONSTRAINT {SCANNED}")
        yield
    finally:
        change(forget)


# Every statement that adds to the log locks the table, in a mode that hinders no other, before it takes an id.
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE relation = 'devices_access'::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def newest_id() -> int:
    """The newest id of the log that was given out, 0 if none was; its row may not be there yet."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM devices_access_id_seq")
        else:
            cursor.execute("SELECT coalesce(max(id), 0) FROM devices_access")
        return int(cursor.fetchone()[0])


def settled_id() -> int | None:
    """An id of the log up to which no row will come any more; None if a transaction that may add one goes on.

    Ids are given out in order, but transactions commit in any.
    """
    newest = newest_id()
    if connection.vendor != "postgresql":
        return newest  # there is one writer at a time
    writers = _writers()
    for _ in range(WRITERS_ATTEMPTS):
        if not writers:
            return newest
        time.sleep(SECONDS_OF_A_WRITER)
        writers &= _writers()
    return None


def _writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(WRITERS)
        return {name for (name,) in cursor.fetchall()}


def _default_has_rows() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM devices_access_default)")
        return bool(cursor.fetchone()[0])


def change(statement: str) -> None:
    """Change the table or its partitions without letting phones wait: tries again where others are in the way."""
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                cursor.execute(statement)
        except OperationalError as error:
            refusal = error
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        else:
            return
    raise refusal


def _partitions() -> list[str]:
    """The names of the partitions of a day; none on SQLite."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'devices_access'::regclass"
        )
        names = [row[0] for row in cursor.fetchall()]
    return sorted(name for name in names if name != "devices_access_default")
