"""The names that the columns of a device list have: ours, and those of the portals that such lists come from."""

import re
from collections.abc import Sequence

COLUMNS = ("mac", "group", "location", "description")

# The first of each row is ours; further left is preferred where a file has several. Compared in lower case, with
# one blank for all that is neither letter nor digit. Sources are in README.md, "Devices from a spreadsheet".
NAMES = {
    "mac": ("mac", "mac address", "macaddress", "mac addr", "device mac", "phone mac", "ethernet mac"),
    "group": ("group", "group name", "customer", "customer name", "tenant", "provider", "company", "company name"),
    "location": (
        "location",
        "location url",
        "url",
        "server url",
        "provisioning url",
        "provisioning server",
        "provisioning server url",
        "config server path",
        "redirect url",
    ),
    "description": (
        "description",
        "device description",
        "device name",
        "display name",
        "name",
        "label",
        "remark",
        "remarks",
        "comment",
        "comments",
        "note",
        "notes",
    ),
}
_KNOWN = {name: (column, rank) for column, names in NAMES.items() for rank, name in enumerate(names)}


class Twice(ValueError):
    """Two columns have one name; ``str()`` is the column."""


def places_of(header: Sequence[str]) -> dict[str, int]:
    """Where each column stands that a first line names; empty if there is no `mac` among them.

    Raises Twice.

    >>> places_of(["Vendor", "MAC Address", "mac_address", "Group"])
    Traceback (most recent call last):
    devices.imports.columns.Twice: mac
    >>> places_of(["Device Name", "MAC Address", "Description"])
    {'description': 2, 'mac': 1}
    """
    best: dict[str, tuple[int, int]] = {}
    for place, name in enumerate(header):
        column, rank = _KNOWN.get(" ".join(re.findall(r"[^\W_]+", name.lower())), ("", 0))
        if not column:
            continue
        if column in best and best[column][0] == rank:
            raise Twice(column)
        if column not in best or rank < best[column][0]:
            best[column] = rank, place
    return {column: place for column, (_, place) in best.items()} if "mac" in best else {}
