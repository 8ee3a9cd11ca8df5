"""The access log's days: on PostgreSQL a partition each, made ahead and dropped when they are old.

On SQLite it is one table, pruned row by row. Called by `manage.py housekeeping`.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction

from devices.models import Access

logger = logging.getLogger(__name__)

DAYS_AHEAD = 7
PARTITION = "devices_access_{day:%Y%m%d}"

# A change of partitions waits for every reader of the log, and phones wait behind it. So it waits for less than a
# phone's timeout, and tries again.
PATIENCE = "100ms"
ATTEMPTS = 60
SECONDS_BETWEEN_ATTEMPTS = 0.5

PAGES_A_STEP = 1_000  # of 8 kB
SCANNED = "devices_access_default_scanned"


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


def has_partition(day: date) -> bool:
    """Whether the rows of this day have a partition, or need none (SQLite)."""
    return connection.vendor != "postgresql" or PARTITION.format(day=day) in _partitions()


def prune(today: date, days_kept: int) -> tuple[int, list[str]]:
    """Drop what is older than `days_kept` days: how many rows were deleted, and which partitions were dropped."""
    first_kept = today - timedelta(days=days_kept)
    dropped = []
    for name in _partitions():
        if name < PARTITION.format(day=first_kept):
            _change(f"DROP TABLE {name}")
            dropped.append(name)
    return _delete_before(datetime(first_kept.year, first_kept.month, first_kept.day, tzinfo=UTC)), dropped


def _delete_before(moment: datetime) -> int:
    """Delete old rows one by one: in short steps on PostgreSQL, whose default partition may have weeks of them.

    A step is a range of the table's pages, as the time alone has no index.
    """
    old = Access.objects.filter(time__lt=moment)
    if connection.vendor != "postgresql":
        return int(old._raw_delete(Access.objects.db))
    deleted = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('devices_access_default') / current_setting('block_size')::int")
        for page in range(0, cursor.fetchone()[0], PAGES_A_STEP):
            cursor.execute(
                "DELETE FROM devices_access_default WHERE time < %s AND ctid >= %s::tid AND ctid < %s::tid",
                [moment, f"({page},0)", f"({page + PAGES_A_STEP},0)"],
            )
            deleted += cursor.rowcount
    return deleted


def _make_partition(day: date) -> str | None:
    name = PARTITION.format(day=day)
    bounds = f"FROM ('{day} 00:00Z') TO ('{day + timedelta(days=1)} 00:00Z')"
    try:
        _change(f"CREATE TABLE {name} PARTITION OF devices_access FOR VALUES {bounds}")
    except IntegrityError as error:
        logger.warning("No partition for %s: %s", day, error)
        return None
    return name


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
    _change(forget)  # of a run that was killed
    if datetime.now(UTC) + timedelta(minutes=10) > datetime(first.year, first.month, first.day, tzinfo=UTC):
        yield  # a constraint would refuse the rows of this day, which is here or near
        return
    _change(constraint)
    try:
        with contextlib.suppress(IntegrityError), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE devices_access_default VALIDATE CONSTRAINT {SCANNED}")
        yield
    finally:
        _change(forget)


def _default_has_rows() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM devices_access_default)")
        return bool(cursor.fetchone()[0])


def _change(statement: str) -> None:
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
