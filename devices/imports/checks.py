"""What is wrong with the rows of an import, or what will become of them; each piece takes as many statements.

Each problem is a sentence that says what to do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Q, QuerySet

from accounts.models import Group, User
from devices import bulk, claims, mac
from devices.imports import mac_cell
from devices.imports.rows_table import Row
from devices.imports.spreadsheet import Line, is_id
from devices.models import Device
from devices.reconcile import CurrentDevice, DesiredDevice, RowOutcome, outcome_of
from locations.models import Location
from redirect.db.arrays import integers, texts

# Seen from the file alone, when it is read.
OF_THE_FILE = frozenset(
    {
        RowOutcome.UNREADABLE,
        RowOutcome.INVALID_MAC,
        RowOutcome.REPEATED_MAC,
        RowOutcome.NO_GROUP,
        RowOutcome.LONG_DESCRIPTION,
    }
)

OTHERS = "This MAC belongs to another group."

Devices = Mapping[str, CurrentDevice]

_LONGEST_DESCRIPTION = Device._meta.get_field("description").max_length or 0


def row_of(line: Line, first_lines: dict[str, int]) -> Row:
    """The row of a line, with what is wrong in the file itself. `first_lines` remembers where each MAC stood."""
    row = Row(line.number, line.mac, line.group, line.location, line.description)
    if line.problem:
        return _refused(row, RowOutcome.UNREADABLE, line.problem)
    reading = mac_cell.read(line.mac, is_number=line.is_number, in_workbook=line.in_workbook)
    if reading.mac is None:
        return _refused(row, RowOutcome.INVALID_MAC, reading.problem)
    row.mac = reading.mac
    first = first_lines.setdefault(row.mac, line.number)
    if first != line.number:
        return _refused(
            row, RowOutcome.REPEATED_MAC, f"Line {first} has this MAC already. Remove one of the two lines."
        )
    if not line.group:
        return _refused(row, RowOutcome.NO_GROUP, "Write the name or the id of the group that the device is for.")
    if len(line.description) > _LONGEST_DESCRIPTION:
        return _refused(
            row,
            RowOutcome.LONG_DESCRIPTION,
            f"The description has {len(line.description):,} characters. Shorten it to {_LONGEST_DESCRIPTION:,}.",
        )
    if reading.restored:
        return _refused(
            row,
            RowOutcome.RESTORED,
            f"A spreadsheet program made the number {line.mac} of this MAC: {mac.display(row.mac)}, if only zeros"
            " at the front are missing. Compare it with the device, and allow numbers; or write it with colons.",
        )
    return row


def wish_of(row: Row) -> DesiredDevice:
    """What a row wishes for; it has been resolved."""
    assert row.mac is not None
    assert row.group_id is not None
    return DesiredDevice(row.mac, row.group_id, row.location_id, row.description_cell or None)


def judge(rows: Sequence[Row], *, override: bool, numbers: bool = False, viewer: User | None = None) -> None:
    """Resolve the names of these rows and give each its verdict; nothing is locked or written.

    `numbers`: a person has agreed to the MACs that were restored from numbers. `viewer`: in whose scope groups are
    looked for, and who is told of no others; None: of all.
    """
    rows = [row for row in rows if row.verdict not in OF_THE_FILE]
    if not numbers:
        rows = [row for row in rows if row.verdict != RowOutcome.RESTORED]
    devices = bulk.current_devices(row.mac for row in rows if row.mac)
    _resolve_groups(rows, devices, viewer)
    rows = [row for row in rows if row.group_id is not None]
    names = _names(row.group_id for row in rows)
    rows = _with_location(rows, names, devices)
    owners = _names((device.group_id for device in devices.values()), viewer)
    limits = claims.read(row.group_id for row in rows if row.group_id)
    for row in rows:
        device = devices.get(row.mac or "")
        row.verdict, row.problem = outcome_of(wish_of(row), device, override=override), ""
        if row.verdict == RowOutcome.CREATED and limits.outside(row.group_id or 0, [row.mac or ""]):
            allowed = ", ".join(limits.prefixes[row.group_id or 0])
            _refused(row, RowOutcome.OTHER_MAKER, f"The group may claim only MACs that begin with {allowed}.")
        if device and row.verdict == RowOutcome.OTHER_GROUP:
            owner = owners.get(device.group_id)
            row.problem = f"This MAC belongs to {owner}. Remove it there first." if owner else OTHERS


def _refused(row: Row, verdict: RowOutcome, problem: str) -> Row:
    row.verdict, row.problem = verdict, problem
    return row


# --- Groups ---------------------------------------------------------------------------------------------------


def _resolve_groups(rows: Sequence[Row], devices: Devices, viewer: User | None) -> None:
    found = _groups_called({row.group_cell for row in rows}, viewer)
    for row in rows:
        groups = found[row.group_cell]
        row.group_id = row.location_id = None
        device = devices.get(row.mac or "")
        if device and groups.get(device.group_id) == row.group_cell:
            row.group_id = device.group_id  # an export names its owner so, even if others have the name
        elif len(groups) == 1:
            row.group_id = next(iter(groups))
        elif groups:
            names = ", ".join(f"{name} (id {pk})" for pk, name in sorted(groups.items())[:5])
            _refused(
                row,
                RowOutcome.AMBIGUOUS_GROUP,
                f"There are {len(groups)} groups “{row.group_cell[:80]}”: {names}."
                " Write “Reseller / Provider”, or the id.",
            )
        else:
            _refused(
                row,
                RowOutcome.UNKNOWN_GROUP,
                f"There is no group “{row.group_cell[:80]}”. Look at its spelling, or create it first.",
            )


def _visible(viewer: User | None) -> QuerySet[Group]:
    return Group.objects.get_queryset() if viewer is None else Group.objects.visible_to(viewer)


def _groups_called(cells: set[str], viewer: User | None) -> dict[str, dict[int, str]]:
    """The groups that each cell may mean, id and full name: by name, by "Reseller / Provider", or by id."""
    names = cells | {name for cell in cells for _, name in _splits(cell)}
    wanted = Q(name__in=texts(list(names))) | Q(pk__in=integers(_ids(cells)))
    found: dict[str, dict[int, str]] = defaultdict(dict)
    groups = _visible(viewer).filter(wanted)
    for pk, name, above, reseller in groups.values_list("pk", "name", "reseller", "reseller__name"):
        full = f"{reseller} / {name}" if above and (viewer is None or viewer.sees(above)) else name
        for spelling in (name, full, str(pk)):
            found[spelling][pk] = full
    meant: dict[str, dict[int, str]] = {}
    for cell in cells:
        spellings = {cell, *(f"{reseller} / {name}" for reseller, name in _splits(cell))}
        spellings |= {str(pk) for pk in _ids([cell])}
        meant[cell] = {pk: full for spelling in spellings for pk, full in found.get(spelling, {}).items()}
    return meant


def _splits(cell: str) -> list[tuple[str, str]]:
    """Where "Reseller / Provider" may be parted; either name may have a slash of its own."""
    slashes = [place for place, character in enumerate(cell) if character == "/"]
    likely = [place for place in slashes if cell[place - 1 : place + 2] == " / "]  # as exports spell it
    pairs = ((cell[:place].strip(), cell[place + 1 :].strip()) for place in {*slashes[:5], *likely[:50]})
    return [(reseller, name) for reseller, name in pairs if reseller and name]


def _names(ids: Iterable[int | None], viewer: User | None = None) -> dict[int, str]:
    groups = _visible(viewer).filter(pk__in=integers(list({pk for pk in ids if pk is not None})))
    return dict(groups.values_list("pk", "name"))


def _ids(cells: Iterable[str]) -> list[int]:
    return [int(cell.partition(".")[0]) for cell in cells if is_id(cell)]


# --- Locations ------------------------------------------------------------------------------------------------


def _with_location(rows: Sequence[Row], names: dict[int, str], devices: Devices) -> list[Row]:
    """Those of the rows whose location is clear; no location is. Of several, one that the device has already
    is."""
    found = _locations_called(rows)
    clear = []
    for row in rows:
        assert row.group_id is not None
        places = found[row.group_id, row.location_cell] if row.location_cell else []
        device = devices.get(row.mac or "")
        if device and device.location_id in places:
            places = [device.location_id]
        if len(places) == 1:
            row.location_id = places[0]
        if row.location_cell and not places:
            _refused(
                row,
                RowOutcome.UNKNOWN_LOCATION,
                f"{names.get(row.group_id)} has no location “{row.location_cell[:200]}”."
                " Write its URL exactly as the list of locations has it, or its id; or create it first.",
            )
        elif len(places) > 1:
            listed = ", ".join(map(str, sorted(places)[:5]))
            _refused(
                row,
                RowOutcome.AMBIGUOUS_LOCATION,
                f"{names.get(row.group_id)} has {len(places)} locations of this URL."
                f" Write the id of one: {listed}.",
            )
        else:
            clear.append(row)
    return clear


def _locations_called(rows: Sequence[Row]) -> dict[tuple[int, str], list[int]]:
    """The locations of a group that a cell may mean: by URL template or by id."""
    cells = {row.location_cell for row in rows if row.location_cell}
    of_groups = Q(group__in=integers(list({row.group_id for row in rows if row.group_id})))
    wanted = of_groups & (Q(url__in=texts(list(cells))) | Q(pk__in=integers(_ids(cells))))
    found: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pk, group_id, url in Location.objects.filter(wanted).values_list("pk", "group_id", "url"):
        found[group_id, url].append(pk)
        found[group_id, str(pk)].append(pk)
    for row in rows:
        for pk in _ids([row.location_cell]):
            if row.group_id and row.location_cell != str(pk):  # 12.0 is 12
                found[row.group_id, row.location_cell] = found[row.group_id, str(pk)]
    return found
