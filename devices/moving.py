"""Moving devices from one group to another: a MAC list in one transaction, as in bulk.py."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts.models import Group
from audit.models import Event
from audit.recording import parts_of, record_list
from devices import claims
from devices.bulk import lock_in_order, lock_location_of, lock_locations, refuse_missing
from devices.models import AccessStatus, Device, DeviceQuerySet
from locations.models import Location
from redirect.db.arrays import table_of_rows, texts
from redirect.db.transactions import LostRace, in_transaction


@dataclass(frozen=True)
class Moved:
    """How many devices came to another group, and how many of these have no location there."""

    moved: int
    without_location: int


def move(
    visible: DeviceQuerySet, positions: dict[str, int], *, group: Group, location_id: int | None, reason: str
) -> int:
    """Make these devices, all of them visible, the group's, with a location of it or none; how many.

    The history of the old and of the new group keeps it, with the reason for support staff. Description and
    counters begin anew: the new group may not see what the old one wrote, nor what the phones did for it.
    Raises as `bulk.remove` does, ApiError 400 if the location is not the group's, and 409 if the group may not
    claim them.
    """

    def work() -> int:
        limits = claims.lock([group.pk])
        lock_location_of(group, location_id)
        owners = dict(lock_in_order(visible, positions).values_list("mac", "group_id"))
        refuse_missing(positions, owners)
        _check(limits, owners, group)
        _record(owners, group, reason=reason)
        return _write(dict.fromkeys(owners, location_id), group, keep_description=False, keep_counters=False)

    return in_transaction(work)


def move_within_scope(
    visible: DeviceQuerySet,
    positions: dict[str, int],
    *,
    group: Group,
    location_id: int | None,
    keep_description: bool,
    keep_counters: bool,
) -> Moved:
    """Make these devices, all of them visible, the group's; those that it has already stay as they are.

    They get the named location. Without one, each gets the location of the group that has the URL of its current
    one, if there is such a location. Raises as `move` does.
    """

    def work() -> Moved:
        limits = claims.lock([group.pk])
        lock_location_of(group, location_id)
        twins = {} if location_id else _lock_twins(visible, positions, group)
        rows: list[Any] = list(lock_in_order(visible, positions).values_list("mac", "group_id", "location_id"))
        refuse_missing(positions, [mac for mac, _, _ in rows])
        coming = [(mac, owner, place) for mac, owner, place in rows if owner != group.pk]
        if not location_id and any(place is not None and place not in twins for _, _, place in coming):
            raise LostRace  # one got another location while those of the group were locked
        places = {mac: location_id or twins.get(place) for mac, _, place in coming}
        owners = {mac: owner for mac, owner, _ in coming}
        _check(limits, owners, group)
        _record(owners, group)
        _write(places, group, keep_description=keep_description, keep_counters=keep_counters)
        return Moved(len(places), sum(place is None for place in places.values()))

    return in_transaction(work)


def _check(limits: claims.Limits, owners: dict[str, int], group: Group) -> None:
    """Raises Conflict if the group may not claim these devices of other groups."""
    coming = [mac for mac, owner in owners.items() if owner != group.pk]
    limits.refuse_outside(group.pk, coming)
    gains = Counter({group.pk: len(coming)})
    gains.subtract(owner for owner in owners.values() if owner != group.pk)
    limits.check(gains, written=False)


def _record(owners: dict[str, int], group: Group, **more: Any) -> None:
    record_list(Event.DEVICES_MOVED, Device, parts_of("Moved", owners), other_group_id=group.pk, **more)


def _lock_twins(visible: DeviceQuerySet, macs: Iterable[str], group: Group) -> dict[int, int | None]:
    """By each location of these devices the one of the group with the same URL, locked, or None.

    Where the group has several, the one that also asks for the same certificate, and of these the first.
    """
    places = visible.filter(mac__in=texts(list(macs)), location__isnull=False).values("location")
    columns = ("pk", "url", "mutual_auth")
    current = list(Location.objects.filter(pk__in=places).values_list(*columns))
    urls = texts([url for _, url, _ in current])
    known: dict[tuple[str, bool], int] = {}
    of_group = Location.objects.filter(group=group, url__in=urls).order_by("-pk")
    for pk, url, mutual_auth in of_group.values_list(*columns):
        known[url, mutual_auth] = pk
    twins = {pk: known.get((url, auth), known.get((url, not auth))) for pk, url, auth in current}
    # Locations before their devices, in the order of ids, as everywhere.
    locked = lock_locations(twin for twin in set(twins.values()) if twin is not None)
    if any(twin is not None and locked.get(twin) != group.pk for twin in twins.values()):
        raise LostRace
    return dict(twins)


def _write(places: dict[str, int | None], group: Group, *, keep_description: bool, keep_counters: bool) -> int:
    """Give the devices to the group, each with its location: in one statement, since the database refuses a device
    with a location of another group even for a moment.
    """
    given: dict[str, Any] = {"group_id": group.pk}
    if not keep_description:
        given["description"] = None
    if not keep_counters:
        given |= {"last_access": None, "last_access_status": AccessStatus.AWAIT, "num_requests": 0}
        given |= {"certificate_seen": None}
    source, listed = table_of_rows({"mac": "text", "location_id": "bigint"}, list(places.items()))
    columns = ", ".join(f"{name} = %s" for name in given)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE devices_device SET location_id = listed.location_id, {columns}
            FROM {source} WHERE devices_device.mac = listed.mac
            """,  # noqa: S608 - names of columns and the text of a table expression, no value
            [*given.values(), *listed],
        )
        return int(cursor.rowcount)
