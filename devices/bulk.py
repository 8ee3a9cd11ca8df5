"""A list of MACs in one transaction: create, upsert, remove, associate, disassociate; moving.py: move.

Each call takes effect whole or not at all; its number of statements does not depend on the length of the list.
Every writer locks rows in the order of their MACs: no deadlock. Source: manual 8.3, 8.4, 11.1, 11.2; contract 6.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounts.models import Group
from audit.models import Changes, Event
from audit.recording import Part, parts_of, record_list
from devices import claims
from devices.mac import display, normalize, or_none, parse
from devices.models import AccessStatus, Device, DeviceQuerySet
from devices.reconcile import CurrentDevice, DesiredDevice, RowOutcome, apply, outcome_of
from locations.models import Location
from redirect.db.arrays import Kind, integers, table_of, table_of_rows, texts
from redirect.db.transactions import LostRace, in_transaction
from redirect.errors import ApiError, FieldError, bad_attribute, bad_request, not_found

UNSET: Any = object()


class UnknownDevices(ApiError):
    """400: MACs of the list that are not devices of the group, be they unknown or another group's."""


@dataclass
class Created:
    """Where each MAC of a list went, in the order sent; invalid ones as they were sent."""

    success: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    same_group: list[str] = field(default_factory=list)
    other_group: list[str] = field(default_factory=list)


def create(
    group: Group,
    mac_list: list[str],
    *,
    location_id: int | None,
    override: bool,
    description: str | None,
) -> Created:
    """Make devices of the group. Those it has already get the location, if `override` or they have none.

    A device of another group is never touched. A MAC of a maker that the group may not claim is invalid, unless it
    is the group's already. Raises ApiError 400 if the location is not the group's, 409 if the new devices are more
    than its quota, or its reseller's, has room for.
    """
    normalized = [or_none(normalize, sent) for sent in mac_list]
    macs = sorted({mac for mac in normalized if mac is not None})

    def work() -> tuple[set[str], dict[str, RowOutcome]]:
        limits = claims.lock([group.pk])
        lock_location_of(group, location_id)
        outside = limits.outside(group.pk, macs)
        refused = set(outside) - current_devices(outside).keys() if outside else set()
        new = _insert(group, [mac for mac in macs if mac not in set(outside)], location_id, description)
        met = [DesiredDevice(mac, group.pk, location_id) for mac in macs if mac not in new and mac not in refused]
        outcomes = _change(met, override=override)
        limits.check({group.pk: len(new)})
        foreign = [mac for mac, outcome in outcomes.items() if outcome is RowOutcome.OTHER_GROUP]
        claims.watch(group, new, foreign, len(macs))
        associated = [mac for mac, outcome in outcomes.items() if outcome is RowOutcome.MOVED]
        record_list(
            Event.DEVICES_CREATED if new else Event.DEVICES_ASSOCIATED,
            Device,
            [Part(group.pk, "Created", sorted(new)), Part(group.pk, "Associated", associated)],
            _given(location=location_id, description=description if new else None),
        )
        return new, outcomes

    claimed, outcomes = in_transaction(work)
    new, created = set(claimed), Created()
    for sent, mac in zip(mac_list, normalized, strict=True):
        if mac is None:
            created.invalid.append(sent)
        elif mac in new:
            created.success.append(display(mac))
            new.remove(mac)  # sent again, it is a duplicate
        elif outcomes.get(mac) is RowOutcome.OTHER_GROUP:
            created.other_group.append(display(mac))
        elif mac not in outcomes and mac not in claimed:
            created.invalid.append(sent)
        else:
            created.same_group.append(display(mac))
    return created


def upsert(devices: list[DesiredDevice], *, override: bool) -> dict[str, RowOutcome]:
    """Make or change each device, by the rules of `create` and `associate`; what became of each MAC.

    Within the caller's transaction, which has locked the locations, and which calls with lists in the order of
    MACs. A description is written to current devices as well.
    """
    new = _insert_each(devices)
    outcomes = _change([device for device in devices if device.mac not in new], override=override)
    return outcomes | dict.fromkeys(new, RowOutcome.CREATED)


def current_devices(macs: Iterable[str]) -> dict[str, CurrentDevice]:
    """Those of the MACs that are devices, without locking them."""
    return _by_mac(Device.objects.filter(mac__in=texts(list(macs))))


def lock_locations(ids: Iterable[int]) -> dict[int, int]:
    """Those of the locations that exist, with their groups; before their devices, in the order of ids."""
    locations = Location.objects.filter(pk__in=integers(list(ids))).order_by("pk")
    return dict(locations.select_for_update(of=("self",), no_key=True).values_list("pk", "group_id"))


def remove(visible: DeviceQuerySet, positions: dict[str, int]) -> int:
    """Delete these devices, all of them visible, or none; how many. Raises UnknownDevices naming the others."""

    def work() -> int:
        owners = dict(lock_in_order(visible, positions).values_list("mac", "group_id"))
        refuse_missing(positions, owners)
        deleted: int = Device.objects.filter(mac__in=texts(positions))._raw_delete(Device.objects.db)
        record_list(Event.DEVICES_REMOVED, Device, parts_of("Removed", owners))
        return deleted

    return in_transaction(work)


def associate(
    locations: QuerySet[Location],
    positions: dict[str, int],
    *,
    override: bool,
    description: str | None = UNSET,
) -> tuple[int, int]:
    """Give the devices the one location of a scoped queryset; how many got it, out of how many devices.

    Without `override` those that have a location keep it. `description`, if given, goes to all devices of the
    list. Raises ApiError 404 without a location, UnknownDevices naming MACs not of the location's group.
    """

    def work() -> int:
        location = _lock_location(locations, not_found())
        devices = lock_in_order(Device.objects.filter(group=location.group_id), positions)
        rows = list(devices.values_list("pk", "mac", "location_id", "description"))
        refuse_missing(positions, [mac for _, mac, _, _ in rows])
        chosen = [pk for pk, _, location_id, _ in rows if override or location_id is None]
        rest = {pk for pk, _, _, _ in rows} - set(chosen)
        described = {} if description is UNSET else {"description": description}
        if rest and described:
            Device.objects.filter(pk__in=integers(rest)).update(**described)
        changed = Device.objects.filter(pk__in=integers(chosen)).update(location=location, **described)
        moved = [mac for pk, mac, location_id, _ in rows if pk not in rest and location_id != location.pk]
        changed_text = {mac for _, mac, _, text in rows if text != description} if described else set()
        parts = [
            Part(location.group_id, "Associated", moved),
            Part(location.group_id, "Described", sorted(changed_text.difference(moved))),
        ]
        given = _given(location=location.pk if moved else None, **described)
        record_list(Event.DEVICES_ASSOCIATED, Device, parts, given)
        return changed

    return in_transaction(work), len(positions)


def disassociate(locations: QuerySet[Location], positions: dict[str, int]) -> tuple[int, int]:
    """Take the one location of a scoped queryset from the devices; how many, out of how many.

    Raises ApiError 404 without a location, 400 naming MACs that are not associated with it.
    """

    def work() -> int:
        location = _lock_location(locations, not_found())
        devices = lock_in_order(Device.objects.filter(group=location.group_id), positions)
        rows = list(devices.values_list("pk", "mac", "location_id"))
        refuse_missing(positions, [mac for _, mac, _ in rows])
        if elsewhere := [mac for _, mac, location_id in rows if location_id != location.pk]:
            errors = _errors(positions, elsewhere, "is not associated with the location")
            raise bad_request(errors[0].description, errors)
        parts = [Part(location.group_id, "Disassociated", [mac for _, mac, _ in rows])]
        record_list(Event.DEVICES_DISASSOCIATED, Device, parts, {"location": [location.pk, None]})
        return Device.objects.filter(pk__in=integers([pk for pk, _, _ in rows])).update(location=None)

    return in_transaction(work), len(positions)


def _given(**values: Any) -> Changes:
    """What the devices of a list got; what they had before differs from one to the next, and is left out."""
    return {name: [None, value] for name, value in values.items() if value is not None}


def take_away_locations(visible: DeviceQuerySet, positions: dict[str, int]) -> int:
    """Leave these devices, all of them visible, without a location, or none; how many. Raises as `remove` does."""

    def work() -> int:
        rows = list(lock_in_order(visible, positions).values_list("mac", "group_id", "location_id"))
        refuse_missing(positions, [mac for mac, _, _ in rows])
        located = {mac: group_id for mac, group_id, location_id in rows if location_id}
        record_list(Event.DEVICES_DISASSOCIATED, Device, parts_of("Disassociated", located))
        return Device.objects.filter(mac__in=texts(positions)).update(location=None)

    return in_transaction(work)


def positions_in(mac_list: list[str]) -> dict[str, int]:
    """The distinct MACs of a list, normalised, with the place where each stands first.

    Raises ApiError 400 naming malformed ones, before any look into the database.
    """
    positions, malformed = dict[str, int](), list[FieldError]()
    for index, sent in enumerate(mac_list):
        mac = or_none(parse, sent)
        if mac is None:
            malformed.append(FieldError(f"macList[{index}]", f"{sent[:40]} is not a MAC."))
        else:
            positions.setdefault(mac, index)
    if malformed:
        raise bad_request(malformed[0].description, malformed)
    return positions


def refuse_missing(positions: dict[str, int], found: Iterable[str]) -> None:
    """Raises UnknownDevices naming those of the MACs that were not found."""
    if missing := positions.keys() - set(found):
        errors = _errors(positions, missing, "is not defined for the group")
        raise UnknownDevices(400, errors[0].description, errors=errors)


def _errors(positions: dict[str, int], macs: Iterable[str], reason: str) -> list[FieldError]:
    wrong = sorted(macs, key=lambda mac: positions[mac])
    return [FieldError(f"macList[{positions[mac]}]", f"MAC {display(mac)} {reason}.") for mac in wrong]


def lock_location_of(group: Group, location_id: int | None) -> None:
    """Raises ApiError 400 for a location of another group."""
    if location_id is not None:
        missing = bad_attribute("locationId", "The location is not defined for the group.")
        _lock_location(Location.objects.filter(pk=location_id, group=group), missing)


def _lock_location(locations: QuerySet[Location], missing: ApiError) -> Location:
    """The location, before its devices: a transaction that deletes it takes the same order."""
    location = locations.select_for_update(of=("self",), no_key=True).first()
    if location is None:
        raise missing
    return location


def lock_in_order(devices: DeviceQuerySet, macs: Iterable[str]) -> DeviceQuerySet:
    """Those of the devices that are listed, locked in the order of MACs."""
    listed = devices.filter(mac__in=texts(list(macs)))
    return listed.order_by("mac").select_for_update(of=("self",), no_key=True)


def _by_mac(devices: DeviceQuerySet) -> dict[str, CurrentDevice]:
    rows = devices.values_list("mac", "group_id", "location_id", "description")
    return {row[0]: CurrentDevice(*row[1:]) for row in rows}


def _insert(group: Group, macs: list[str], location_id: int | None, description: str | None) -> set[str]:
    """Insert those that no group has, all alike; which these are."""
    source, listed = table_of(macs, "text")
    alike = "CAST(%s AS bigint) AS group_id, CAST(%s AS bigint) AS location_id, CAST(%s AS text) AS description"
    return _insert_from(
        f"(SELECT value AS mac, {alike} FROM {source}) AS listed",  # noqa: S608 - the text of a table expression
        [group.pk, location_id, description, listed],
    )


def _insert_each(devices: list[DesiredDevice]) -> set[str]:
    """Insert those that no group has, each with its own values; which these are."""
    columns: dict[str, Kind] = {"mac": "text", "group_id": "bigint", "location_id": "bigint"}
    return _insert_from(*table_of_rows(columns | {"description": "text"}, devices))


def _insert_from(source: str, parameters: list[Any]) -> set[str]:
    """The unique constraint decides which are new, not a look beforehand."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO devices_device
                (mac, group_id, location_id, description, last_access_status, num_requests)
            SELECT mac, group_id, location_id, description, %s, 0 FROM {source} WHERE true ORDER BY mac
            ON CONFLICT (mac) DO NOTHING
            RETURNING mac
            """,  # noqa: S608 - the text of a table expression, no value
            [AccessStatus.AWAIT, *parameters],
        )
        return {row[0] for row in cursor.fetchall()}


def _change(devices: list[DesiredDevice], *, override: bool) -> dict[str, RowOutcome]:
    """Change devices that exist: locked in the order of MACs, decided, written by one statement."""
    current = _by_mac(lock_in_order(Device.objects.all(), [device.mac for device in devices]))
    if len(current) < len(devices):
        raise LostRace  # one was deleted since the insert met it
    outcomes, changed = {}, []
    for desired in devices:
        before = current[desired.mac]
        outcomes[desired.mac] = outcome = outcome_of(desired, before, override=override)
        after = apply(desired, before, outcome)
        if after != before:
            changed.append((desired.mac, after.location_id, after.description))
    locations = {location_id for _, location_id, _ in changed}
    if len(locations) == 1 and all(device.description is None for device in devices):  # of `create`; it is faster
        Device.objects.filter(mac__in=texts([mac for mac, *_ in changed])).update(location=locations.pop())
    elif changed:
        _update_rows(changed)
    return outcomes


def _update_rows(rows: list[tuple[str, int | None, str | None]]) -> None:
    source, listed = table_of_rows({"mac": "text", "location_id": "bigint", "description": "text"}, rows)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE devices_device SET location_id = listed.location_id, description = listed.description
            FROM {source} WHERE devices_device.mac = listed.mac
            """,  # noqa: S608 - the text of a table expression, no value
            listed,
        )
