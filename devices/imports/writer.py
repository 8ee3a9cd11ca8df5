"""The transaction of an import: each row to its own place, all of them or none."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from django.db.models import QuerySet

from accounts.models import Group
from audit.models import Event
from audit.recording import Part, record_list
from devices import bulk, claims
from devices.models import Device, Import, ImportRow
from devices.reconcile import CHANGING, DesiredDevice, RowOutcome
from redirect.db.arrays import integers

PIECE = 2_000  # rows for each statement: far below the deadlines of the database, and steps that one sees


class Changed(Exception):
    """Something is not as the preview had it; nothing is written."""


class Row(NamedTuple):
    """A row to be written: its line, the outcome that the preview showed, and the device that is wished for."""

    number: int
    verdict: str
    wish: DesiredDevice


def rows_of(good: QuerySet[ImportRow]) -> list[Row]:
    """Return these rows in the order of MACs, in which all writers lock them."""
    values = ("number", "verdict", "mac", "group_id", "location_id", "description_cell")
    return sorted(
        (
            Row(number, verdict, DesiredDevice(mac, group_id, location_id, description or None))
            for number, verdict, mac, group_id, location_id, description in good.values_list(*values)
        ),
        key=lambda row: row.wish.mac,
    )


def write(upload: Import, rows: Sequence[Row], report: Callable[[int], None]) -> None:
    """Write the rows inside the caller's transaction, and leave the one entry of the audit log.

    `report` is told how many are written. Raises Changed if an outcome would not be the one that was shown,
    Conflict if a group has no room for its devices.
    """
    report(0)  # a transaction that lost a race begins anew
    limits = claims.lock({row.wish.group_id for row in rows})
    _lock_ground(rows)
    created = [row for row in rows if row.verdict == RowOutcome.CREATED]
    _refuse_changed([row for row in created if limits.outside(row.wish.group_id, [row.wish.mac])])
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        outcomes = bulk.upsert([row.wish for row in piece], override=upload.move)
        _refuse_changed([row for row in piece if outcomes[row.wish.mac] != row.verdict])
        report(start + len(piece))
    limits.check(Counter(row.wish.group_id for row in created))
    foreign = upload.rows.filter(verdict=RowOutcome.OTHER_GROUP).values_list("group_id", "mac")
    claims.watch_groups(
        _by_group((row.wish.group_id, row.wish.mac) for row in created),
        _by_group((group_id, mac) for group_id, mac in foreign if group_id and mac),
    )
    _record(upload, rows)


def _by_group(macs: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for group_id, mac in macs:
        found[group_id].append(mac)
    return found


def _lock_ground(rows: Sequence[Row]) -> None:
    """The locations before all devices, as bulk calls do; and none of the groups may be gone."""
    places = bulk.lock_locations({row.wish.location_id for row in rows if row.wish.location_id is not None})
    wanted = integers(list({row.wish.group_id for row in rows}))
    groups = set(Group.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    _refuse_changed([row for row in rows if not _has_ground(row.wish, places, groups)])


def _has_ground(wish: DesiredDevice, places: dict[int, int], groups: set[int]) -> bool:
    return wish.group_id in groups and (wish.location_id is None or places.get(wish.location_id) == wish.group_id)


def _refuse_changed(rows: Sequence[Row]) -> None:
    if rows:
        numbers = sorted(row.number for row in rows)
        lines = ", ".join(map(str, numbers[:10])) + (" and others" if len(numbers) > 10 else "")
        raise Changed(f"It is about line {lines}.")


def _record(upload: Import, rows: Sequence[Row]) -> None:
    """Leave the one entry of the audit log, inside the transaction: what became of each MAC, by its group."""
    macs: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.verdict in CHANGING:
            macs[row.wish.group_id, DONE[RowOutcome(row.verdict)]].append(row.wish.mac)
    parts = [Part(group_id, done, listed) for (group_id, done), listed in macs.items()]
    record_list(Event.DEVICES_IMPORTED, Device, parts, upload=upload.pk, file=upload.file_name)


DONE = {
    RowOutcome.CREATED: "Created",
    RowOutcome.MOVED: "Associated",
    RowOutcome.CHANGED: "Described",
    RowOutcome.KEPT_AND_CHANGED: "Described",
}
