"""How many requests phones made in each minute, and how many of each group failed in each hour.

Sums of the log up to an id of it, kept by devices/request_upkeep.py; what came later is counted from the log. So
what is told is at any moment what counting the log would tell, whenever a row was logged: a request that is
recorded late has a new id, however old its time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import connection, models


class RequestCount(models.Model):
    """The requests of one outcome in one minute."""

    minute = models.DateTimeField()
    outcome = models.CharField(max_length=19)
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["minute", "outcome"], name="requestcount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M} {self.outcome}: {self.number}"


class FailureCount(models.Model):
    """The requests of a group's devices that were not redirected, of one outcome in one hour."""

    hour = models.DateTimeField()
    group_id = models.BigIntegerField()
    outcome = models.CharField(max_length=19)
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "group_id", "outcome"], name="failurecount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.group_id} {self.outcome}: {self.number}"


class CountedLog(models.Model):
    """The one row that says which rows of the log are in the sums: ids up to `read_to`, times from `since` on.

    All of them are from before `until`.
    """

    read_to = models.BigIntegerField()
    since = models.DateTimeField()  # a midnight
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M:%S}, id {self.read_to}"


@dataclass(frozen=True)
class Sums:
    """A table of sums: by which piece of time and which columns of the log, and of which of its rows."""

    table: str
    piece: str
    by: str
    rows: str

    @property
    def piece_of_row(self) -> str:
        """In SQL: the beginning of the minute or hour of a row of the log, in UTC."""
        if connection.vendor == "postgresql":
            return f"date_trunc('{self.piece}', time, 'UTC')"
        return {"minute": "substr(time, 1, 16) || ':00'", "hour": "substr(time, 1, 13) || ':00:00'"}[self.piece]

    @property
    def words(self) -> dict[str, str]:
        """What stands in statements for the names in braces."""
        return {**vars(self), "piece_of_row": self.piece_of_row}


REQUESTS = Sums("devices_requestcount", "minute", "outcome", "true")
FAILURES = Sums(
    "devices_failurecount", "hour", "group_id, outcome", "outcome <> 'Redirected' AND group_id IS NOT NULL"
)


def by_minute(start: datetime, now: datetime) -> list[tuple[datetime, str, int]]:
    """The number of requests from `start`, a whole minute, until now: by minute and outcome."""
    return [
        (_moment(minute), outcome, number)
        for minute, outcome, number in _read(REQUESTS, "minute, outcome", start, now)
    ]


def failures(start: datetime, now: datetime) -> list[tuple[int, str, int]]:
    """The number of requests of known devices that were not redirected: by group at that moment, and outcome.

    From `start`, a whole hour, until now.
    """
    return _read(FAILURES, "group_id, outcome", start, now)


# The order stands in it twice: so PostgreSQL looks for no more devices than it takes.
UNKNOWN = """
SELECT mac, requests, latest FROM (
    SELECT mac, count(*) AS requests, max(time) AS latest FROM devices_access
    WHERE device_id IS NULL AND time >= %s AND time <= %s GROUP BY mac ORDER BY requests DESC, latest DESC, mac
) AS asked WHERE NOT EXISTS (SELECT 1 FROM devices_device AS device WHERE device.mac = asked.mac)
ORDER BY requests DESC, latest DESC, mac LIMIT %s
"""


def of_unknown_macs(start: datetime, now: datetime, most: int) -> list[tuple[str, int, datetime]]:
    """The MACs that no device has with the most requests from `start` until now: their number, and the latest."""
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, [adapted(start), adapted(now), most])
        return [(mac, requests, _moment(latest)) for mac, requests, latest in cursor.fetchall()]


# The state and the sums are of one moment, as this is one statement. `read_to`, which grows, stands in it as a
# number as well: PostgreSQL must see it when it plans.
READ = """
SELECT counted.read_to, counted.since, counted.until, found.* FROM devices_countedlog AS counted LEFT JOIN (
    SELECT {shown}, sum(number) AS number FROM (
        SELECT {piece}, {by}, number FROM {table} WHERE {piece} >= %s
        UNION ALL
        SELECT {piece_of_row} AS {piece}, {by}, count(*) FROM devices_access
        WHERE {rows} AND time >= %s AND time <= %s
          AND id > %s AND id > (SELECT max(read_to) FROM devices_countedlog)
        GROUP BY 1, {by}
    ) AS part GROUP BY {shown} HAVING sum(number) > 0
) AS found ON true
"""

READ_LOG = """
SELECT {shown}, count(*) FROM (
    SELECT {piece_of_row} AS {piece}, {by} FROM devices_access WHERE {rows} AND time >= %s AND time <= %s
) AS part GROUP BY {shown}
"""


def _read(sums: Sums, shown: str, start: datetime, now: datetime) -> list[Any]:
    """The sums from `start` until now; from the log alone where they are of another time than that is asked about.

    That is so before the first upkeep, and while the clock is behind what it was.
    """
    words = {"shown": shown, **sums.words}
    first, last = adapted(start), adapted(now)
    state = CountedLog.objects.first()
    with connection.cursor() as cursor:
        if state is not None:
            cursor.execute(READ.format(**words), [first, first, last, state.read_to])
            found = cursor.fetchall()
            if found and _is_of(found[0], state, start, now):
                return [(*row[3:-1], int(row[-1])) for row in found if row[-1] is not None]
        cursor.execute(READ_LOG.format(**words), [first, last])
        return list(cursor.fetchall())


def _is_of(row: Any, read_before: CountedLog, start: datetime, now: datetime) -> bool:
    """Whether the sums of READ, by one of its rows, are complete from `start` until now."""
    read_to, since, until = row[:3]
    return read_to >= read_before.read_to and _moment(since) <= start and _moment(until) <= now


def adapted(moment: datetime) -> Any:
    """A moment as a parameter of a statement."""
    return connection.ops.adapt_datetimefield_value(moment)


def _moment(value: Any) -> datetime:
    """A moment of a result: SQLite has it without its zone, UTC, and where it was made of parts as text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
