"""A list of MACs in one transaction: create, remove, associate, disassociate, move; put, each to its own place.

Each call takes effect as a whole or not at all, with a number of statements that does not depend on the length of
the list. Rows are locked in the order of their MACs, as every other writer does, so that two calls wait for each
other instead of deadlocking. Source: manual 8.3, 8.4, 11.1, 11.2; contract section 6.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounts.models import Group
from audit.models import Changes, Event
from audit.recording import Part, record_list
from devices import mac
from devices.models import AccessStatus, Device, DeviceQuerySet
from devices.reconcile import CurrentDevice, DesiredDevice, RowOutcome, apply, outcome_of
from locations.models import Location
from redirect.db.arrays import integers, table_of, table_of_rows, texts
from redirect.db.transactions import LostRace, in_transaction
from redirect.errors import ApiError, FieldError, bad_request, not_found

UNSET: Any = object()


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

    A device of another group is never touched. Raises ApiError 400 if the location is not the group's.
    """
    spelled = [_normalized(text) for text in mac_list]
    macs = sorted({text for text in spelled if text is not None})

    def work() -> tuple[set[str], dict[str, RowOutcome]]:
        if location_id is not None:
            _lock_location(Location.objects.filter(pk=location_id, group=group), _not_the_groups_location())
        new = _insert(group, macs, location_id, description)
        met = [DesiredDevice(text, group.pk, location_id) for text in macs if text not in new]
        verdicts = _settle(met, override=override)
        associated = [text for text, verdict in verdicts.items() if verdict is RowOutcome.MOVED]
        record_list(
            Event.DEVICES_CREATED if new else Event.DEVICES_ASSOCIATED,
            Device,
            [Part(group.pk, "Created", sorted(new)), Part(group.pk, "Associated", associated)],
            _given(location=location_id, description=description if new else None),
        )
        return new, verdicts

    new, verdicts = in_transaction(work)
    created = Created()
    for sent, text in zip(mac_list, spelled, strict=True):
        if text is None:
            created.invalid.append(sent)
        elif text in new:
            created.success.append(mac.display(text))
            new.remove(text)  # sent again, it is a duplicate
        elif verdicts.get(text) is RowOutcome.OTHER_GROUP:
            created.other_group.append(mac.display(text))
        else:
            created.same_group.append(mac.display(text))
    return created


def upsert(wishes: list[DesiredDevice], *, override: bool) -> dict[str, RowOutcome]:
    """Make or change a device for each wish, by the rules of `create` and `associate`; what became of each MAC.

    Within the caller's transaction, which has locked the locations, and which puts lists in the order of MACs.
    A description that is wished for goes to devices that exist as well.
    """
    new = _insert_each(wishes)
    verdicts = _settle([wish for wish in wishes if wish.mac not in new], override=override)
    return verdicts | dict.fromkeys(new, RowOutcome.CREATED)


def current_devices(macs: Iterable[str]) -> dict[str, CurrentDevice]:
    """Those of the MACs that are devices, without locking them."""
    return _as_current(Device.objects.filter(mac__in=texts(list(macs))))


def lock_locations(ids: Iterable[int]) -> dict[int, int]:
    """Those of the locations that exist, with their groups; before their devices, in the order of ids."""
    locations = Location.objects.filter(pk__in=integers(list(ids))).order_by("pk")
    return dict(locations.select_for_update(of=("self",), no_key=True).values_list("pk", "group_id"))


def remove(visible: DeviceQuerySet, positions: dict[str, int]) -> int:
    """Delete these devices, all of them visible, or none; how many. Raises ApiError 400 naming the others."""

    def work() -> int:
        owners = dict(_locked(visible, positions).values_list("mac", "group_id"))
        _refuse_missing(positions, owners)
        deleted: int = Device.objects.filter(mac__in=texts(positions))._raw_delete(Device.objects.db)
        record_list(Event.DEVICES_REMOVED, Device, _parts("Removed", owners))
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
    list. Raises ApiError 404 without a location, 400 naming MACs that are not devices of the location's group.
    """

    def work() -> int:
        location = _lock_location(locations, not_found())
        devices = _locked(Device.objects.filter(group=location.group_id), positions)
        rows = list(devices.values_list("pk", "mac", "location_id", "description"))
        _refuse_missing(positions, [text for _, text, _, _ in rows])
        chosen = [pk for pk, _, place, _ in rows if override or place is None]
        rest = {pk for pk, _, _, _ in rows} - set(chosen)
        described = {} if description is UNSET else {"description": description}
        if rest and described:
            Device.objects.filter(pk__in=integers(rest)).update(**described)
        changed = Device.objects.filter(pk__in=integers(chosen)).update(location=location, **described)
        moved = [text for pk, text, place, _ in rows if pk not in rest and place != location.pk]
        others = {text for _, text, _, words in rows if words != description} if described else set()
        parts = [
            Part(location.group_id, "Associated", moved),
            Part(location.group_id, "Described", sorted(others.difference(moved))),
        ]
        told = _given(location=location.pk if moved else None, **described)
        record_list(Event.DEVICES_ASSOCIATED, Device, parts, told)
        return changed

    return in_transaction(work), len(positions)


def disassociate(locations: QuerySet[Location], positions: dict[str, int]) -> tuple[int, int]:
    """Take the one location of a scoped queryset from the devices; how many, out of how many.

    Raises ApiError 404 without a location, 400 naming MACs that are not associated with it.
    """

    def work() -> int:
        location = _lock_location(locations, not_found())
        devices = _locked(Device.objects.filter(group=location.group_id), positions)
        rows = list(devices.values_list("pk", "mac", "location_id"))
        _refuse_missing(positions, [text for _, text, _ in rows])
        elsewhere = [text for _, text, place in rows if place != location.pk]
        _refuse(positions, elsewhere, "is not associated with the location")
        parts = [Part(location.group_id, "Disassociated", [text for _, text, _ in rows])]
        record_list(Event.DEVICES_DISASSOCIATED, Device, parts, {"location": [location.pk, None]})
        return Device.objects.filter(pk__in=integers([pk for pk, _, _ in rows])).update(location=None)

    return in_transaction(work), len(positions)


def _parts(done: str, owners: dict[str, int]) -> list[Part]:
    """The MACs by the group that has them, for the audit log."""
    by_group: dict[int, list[str]] = {}
    for text, owner in owners.items():
        by_group.setdefault(owner, []).append(text)
    return [Part(owner, done, listed) for owner, listed in by_group.items()]


def _given(**values: Any) -> Changes:
    """What the devices of a list got; what they had before differs from one to the next, and is not told."""
    return {name: [None, value] for name, value in values.items() if value is not None}


def take_away_locations(visible: DeviceQuerySet, positions: dict[str, int]) -> int:
    """Leave these devices, all of them visible, without a location, or none; how many. Raises as `remove` does."""

    def work() -> int:
        rows = list(_locked(visible, positions).values_list("mac", "group_id", "location_id"))
        _refuse_missing(positions, [text for text, _, _ in rows])
        had_one = {text: owner for text, owner, place in rows if place}
        record_list(Event.DEVICES_DISASSOCIATED, Device, _parts("Disassociated", had_one))
        return Device.objects.filter(mac__in=texts(positions)).update(location=None)

    return in_transaction(work)


def move(
    visible: DeviceQuerySet, positions: dict[str, int], *, group: Group, location_id: int | None, reason: str
) -> int:
    """Make these devices, all of them visible, the group's, with a location of it or none; how many.

    The history of the old and of the new group keeps it, for support staff with the reason.
    They begin anew, without a description: what they were and did for their old group is not the new one's to see.
    Raises as `remove` does, and ApiError 400 if the location is not the group's.
    """

    def work() -> int:
        if location_id is not None:
            _lock_location(Location.objects.filter(pk=location_id, group=group), _not_the_groups_location())
        owners = dict(_locked(visible, positions).values_list("mac", "group_id"))
        _refuse_missing(positions, owners)
        record_list(Event.DEVICES_MOVED, Device, _parts("Moved", owners), other_group_id=group.pk, reason=reason)
        # One statement: the database does not let a device have a location of another group in between.
        return Device.objects.filter(mac__in=texts(positions)).update(
            group=group,
            location=location_id,
            description=None,
            last_access=None,
            last_access_status=AccessStatus.AWAIT,
            num_requests=0,
        )

    return in_transaction(work)


def _normalized(text: str) -> str | None:
    try:
        return mac.normalize(text)
    except mac.InvalidMAC:
        return None


def positions_in(mac_list: list[str]) -> dict[str, int]:
    """The distinct MACs of a list, normalised, with the place where each stands first.

    Raises ApiError 400 naming malformed ones: this is known before anybody asks whose they are.
    """
    positions: dict[str, int] = {}
    malformed = []
    for index, sent in enumerate(mac_list):
        text = _normalized(sent)
        if text is None:
            malformed.append(FieldError(f"macList[{index}]", f"{sent[:40]} is not a MAC."))
        else:
            positions.setdefault(text, index)
    if malformed:
        raise bad_request(malformed[0].description, malformed)
    return positions


def _refuse_missing(positions: dict[str, int], found: Iterable[str]) -> None:
    """In the same words for a MAC that is unknown and for one that is another tenant's."""
    _refuse(positions, positions.keys() - set(found), "is not defined for the group")


def _refuse(positions: dict[str, int], macs: Iterable[str], reason: str) -> None:
    wrong = sorted(macs, key=lambda text: positions[text])
    errors = [FieldError(f"macList[{positions[text]}]", f"MAC {mac.display(text)} {reason}.") for text in wrong]
    if errors:
        raise bad_request(errors[0].description, errors)


def _not_the_groups_location() -> ApiError:
    reason = "The location is not defined for the group."
    return bad_request(f"locationId: {reason}", [FieldError("locationId", reason)])


def _lock_location(locations: QuerySet[Location], missing: ApiError) -> Location:
    """The location, before its devices: whoever deletes it takes the same order."""
    location = locations.select_for_update(of=("self",), no_key=True).first()
    if location is None:
        raise missing
    return location


def _locked(devices: DeviceQuerySet, macs: Iterable[str]) -> DeviceQuerySet:
    listed = devices.filter(mac__in=texts(list(macs)))
    return listed.order_by("mac").select_for_update(of=("self",), no_key=True)


def _as_current(devices: DeviceQuerySet) -> dict[str, CurrentDevice]:
    rows = devices.values_list("mac", "group_id", "location_id", "description")
    return {text: CurrentDevice(group_id, place, description) for text, group_id, place, description in rows}


def _insert(group: Group, macs: list[str], location_id: int | None, description: str | None) -> set[str]:
    """Insert those that no group has, all alike."""
    source, listed = table_of(macs, "text")
    alike = "CAST(%s AS bigint) AS group_id, CAST(%s AS bigint) AS location_id, CAST(%s AS text) AS description"
    return _insert_from(
        f"(SELECT value AS mac, {alike} FROM {source}) AS listed",  # noqa: S608 - the text of a table expression
        [group.pk, location_id, description, listed],
    )


def _insert_each(wishes: list[DesiredDevice]) -> set[str]:
    """Insert those that no group has, each as wished for."""
    return _insert_from(
        *table_of_rows(
            {"mac": "text", "group_id": "bigint", "location_id": "bigint", "description": "text"}, wishes
        )
    )


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


def _settle(wishes: list[DesiredDevice], *, override: bool) -> dict[str, RowOutcome]:
    """What becomes of devices that exist: locked in the order of MACs, decided, changed by one statement."""
    found = _as_current(_locked(Device.objects.all(), [wish.mac for wish in wishes]))
    if len(found) < len(wishes):
        raise LostRace  # one was deleted since the insert met it
    verdicts, changed = {}, []
    for wish in wishes:
        device = found[wish.mac]
        verdicts[wish.mac] = verdict = outcome_of(wish, device, override=override)
        after = apply(wish, device, verdict)
        if after != device:
            changed.append((wish.mac, after.location_id, after.description))
    places = {location_id for _, location_id, _ in changed}
    if len(places) == 1 and all(wish.description is None for wish in wishes):  # as `create` wishes; it is quicker
        Device.objects.filter(mac__in=texts([text for text, *_ in changed])).update(location=places.pop())
    elif changed:
        _update_rows(changed)
    return verdicts


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
