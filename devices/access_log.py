"""The access log's days: on PostgreSQL a partition each, made ahead and dropped when they are old.

On SQLite it is one table, pruned row by row. Called by `manage.py housekeeping`.
"""

import logging
import time
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


def make_partitions(today: date) -> list[str]:
    """Make the partitions of the coming week that are missing; their names.

    Today's rows are in the default partition already when there is none for today, so the first is tomorrow's.
    A day of which the default partition has rows already, from a clock that is ahead, stays there.
    """
    if connection.vendor != "postgresql":
        return []
    made = []
    existing = _partitions()
    for ahead in range(1, DAYS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        name = PARTITION.format(day=day)
        if name not in existing:
            bounds = f"FROM ('{day} 00:00Z') TO ('{day + timedelta(days=1)} 00:00Z')"
            try:
                _change(f"CREATE TABLE {name} PARTITION OF devices_access FOR VALUES {bounds}")
            except IntegrityError as error:
                logger.warning("No partition for %s: %s", day, error)
            else:
                made.append(name)
    return made


def prune(today: date, days_kept: int) -> tuple[int, list[str]]:
    """Drop what is older than `days_kept` days: how many rows were deleted, and which partitions were dropped."""
    first_kept = today - timedelta(days=days_kept)
    dropped = []
    for name in _partitions():
        if name < PARTITION.format(day=first_kept):
            _change(f"DROP TABLE {name}")
            dropped.append(name)
    midnight = datetime(first_kept.year, first_kept.month, first_kept.day, tzinfo=UTC)
    deleted = Access.objects.filter(time__lt=midnight)._raw_delete(Access.objects.db)
    return deleted, dropped


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
