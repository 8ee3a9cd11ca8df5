"""The rows of the access log that are not told of yet: the database looks through them and yields what can matter.

A storm of phones that boot as ever costs the worker nothing but that look.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from devices.access_log import newest_id
from redirect.db.arrays import table_of
from webhooks.models import EventType
from webhooks.outbox import Subscribers, from_database

AHEAD = 50_000  # rows behind these that are looked at to tell which devices are new
KNOWN_AGAIN = timedelta(hours=1)  # an address is written at most so often


class Row(NamedTuple):
    """A request of a phone, from the log."""

    pk: int
    time: datetime
    mac: str
    device_id: int | None
    group_id: int | None
    outcome: str
    address: str
    path: str | None


@dataclass(frozen=True)
class Unread:
    """The rows of the log behind one id, up to another; none is older than `since`."""

    after: int
    last: int
    since: datetime

    def parameters(self) -> dict[str, Any]:
        """For the statements that read them."""
        return {"after": self.after, "last": self.last, "since": _adapted(self.since)}


FIRST_SINCE = """
SELECT min(id) FROM devices_access WHERE id > %(after)s AND id <= %(last)s AND time >= %(moment)s
"""


def rows_before(moment: datetime, unread: Unread) -> Unread:
    """Those of the rows that are before the first that is no older than a moment.

    Ids are given out in the order of time, but for what is logged late: that is neither waited for nor looked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIRST_SINCE, {**unread.parameters(), "moment": _adapted(moment)})
        (first,) = cursor.fetchone()
        return unread if first is None else replace(unread, last=first - 1)


# A count of a device begins at zero in each group, and has what was logged while another transaction held the row
# as soon as that is `counted`. So a device is new if all that it has asked for lies behind the mark. Few have
# asked as seldom as that, and each of these is looked at.
NEW = """
SELECT d.id FROM (
    SELECT device_id, count(*) AS number FROM devices_access
    WHERE id > %(after)s AND id <= %(ahead)s AND time >= %(since)s AND device_id IS NOT NULL GROUP BY device_id
) asked JOIN devices_device d ON d.id = asked.device_id
WHERE d.num_requests <= asked.number + %(beyond)s AND d.num_requests <= (
    SELECT coalesce(sum(CASE WHEN a.id > %(after)s AND a.counted THEN 1
                        WHEN a.id <= %(after)s AND NOT a.counted THEN -1 ELSE 0 END), 0)
    FROM devices_access a
    WHERE a.mac = d.mac AND a.time >= %(since)s AND a.device_id = d.id AND a.group_id = d.group_id
)
"""


def new_devices(unread: Unread, subscribers: Subscribers) -> list[int]:
    """Devices that had never asked before the rows, if anything wants to know."""
    if not subscribers.want(EventType.FIRST_SEEN):
        return []
    ahead = unread.last + AHEAD
    with connection.cursor() as cursor:
        cursor.execute(NEW, {**unread.parameters(), "ahead": ahead, "beyond": max((newest_id() or 0) - ahead, 0)})
        return [pk for (pk,) in cursor.fetchall()]


# What can matter: not the many requests of devices that have asked before, never failed and are redirected.
ROWS = """
WITH unread AS (
    SELECT id, time, mac, device_id, group_id, outcome, address, path FROM devices_access
    WHERE id > %(after)s AND id <= %(last)s AND time >= %(since)s
)
SELECT * FROM unread
WHERE device_id IS NULL OR group_id IN (SELECT value FROM {watched}) AND (
    device_id IN (SELECT device_id FROM unread WHERE outcome <> 'Redirected' AND device_id IS NOT NULL)
    OR device_id IN (SELECT value FROM {new})
    OR EXISTS (
        SELECT 1 FROM webhooks_told told
        WHERE told.event = 'device.failing' AND told.group_id = unread.group_id
            AND told.key = CAST(unread.device_id AS text)
    )
)
ORDER BY id
"""


def rows_that_matter(unread: Unread, subscribers: Subscribers, new: Collection[int]) -> list[Row]:
    """The rows of unknown MACs, and of watched devices that fail, did so before, or are new."""
    table, groups = table_of(sorted(subscribers.groups), "bigint")
    _, devices = table_of(new, "bigint")
    statement = ROWS.format(**{name: table.replace("%s", f"%({name})s") for name in ("watched", "new")})
    with connection.cursor() as cursor:
        cursor.execute(statement, {**unread.parameters(), "watched": groups, "new": devices})
        return [Row(pk, from_database(moment), *more) for pk, moment, *more in cursor.fetchall()]


KNOW = """
INSERT INTO webhooks_knownaddress (address, group_id, seen)
SELECT address, group_id, %(now)s FROM (
    SELECT DISTINCT address, group_id FROM devices_access
    WHERE id > %(after)s AND id <= %(last)s AND time >= %(since)s
        AND outcome = 'Redirected' AND group_id IS NOT NULL
) asked
WHERE NOT EXISTS (
    SELECT 1 FROM webhooks_knownaddress k
    WHERE k.address = asked.address AND k.group_id = asked.group_id AND k.seen >= %(lately)s
)
ORDER BY address, group_id
ON CONFLICT (address, group_id) DO UPDATE SET seen = excluded.seen
"""


def keep_addresses(unread: Unread, now: datetime) -> None:
    """Keep from which addresses devices of which groups were redirected."""
    moments = {"now": _adapted(now), "lately": _adapted(now - KNOWN_AGAIN)}
    with connection.cursor() as cursor:
        cursor.execute(KNOW, {**unread.parameters(), **moments})


def _adapted(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
