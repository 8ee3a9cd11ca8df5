"""What becomes of one MAC of a bulk call or an import: the desired device beside the current one.

Source: manual 8.3, 11.1; contract section 6.
"""

from typing import NamedTuple

from django.db import models


class RowOutcome(models.TextChoices):
    """What becomes of a row of an import. The labels are for people."""

    CREATED = "Created"
    MOVED = "Moved", "Moved to this location"
    CHANGED = "Changed", "Description changed"
    UNCHANGED = "Unchanged"
    KEPT = "Kept", "Kept at its location"
    KEPT_AND_CHANGED = "KeptAndChanged", "Kept at its location, description changed"

    UNREADABLE = "Unreadable", "A cell cannot be read"
    RESTORED = "Restored", "MAC restored from a number"
    INVALID_MAC = "InvalidMAC", "Invalid MAC"
    REPEATED_MAC = "RepeatedMAC", "MAC twice in the file"
    NO_GROUP = "NoGroup", "No group"
    UNKNOWN_GROUP = "UnknownGroup", "Unknown group"
    AMBIGUOUS_GROUP = "AmbiguousGroup", "Several groups of this name"
    OTHER_GROUP = "OtherGroup", "Owned by another group"
    OTHER_MAKER = "OtherMaker", "Maker not for this group"
    UNKNOWN_LOCATION = "UnknownLocation", "Unknown location"
    AMBIGUOUS_LOCATION = "AmbiguousLocation", "Several locations of this URL"
    LONG_DESCRIPTION = "LongDescription", "Description too long"


CHANGING = (RowOutcome.CREATED, RowOutcome.MOVED, RowOutcome.CHANGED, RowOutcome.KEPT_AND_CHANGED)
GOOD = (*CHANGING, RowOutcome.UNCHANGED, RowOutcome.KEPT)
BAD = tuple(outcome for outcome in RowOutcome if outcome not in GOOD)


class DesiredDevice(NamedTuple):
    """What a device shall be. A location or description of None leaves that of a current device as it is."""

    mac: str
    group_id: int
    location_id: int | None = None
    description: str | None = None


class CurrentDevice(NamedTuple):
    """What a device is."""

    group_id: int
    location_id: int | None
    description: str | None


def outcome_of(desired: DesiredDevice, current: CurrentDevice | None, *, override: bool) -> RowOutcome:
    """What becomes of the desired device. A device of another group is never touched; one that has another
    location keeps it unless `override`, and gets the description all the same.

    >>> outcome_of(DesiredDevice("00A0C914C829", 1, location_id=8), CurrentDevice(1, 7, None), override=False)
    RowOutcome.KEPT
    """
    if current is None:
        return RowOutcome.CREATED
    if current.group_id != desired.group_id:
        return RowOutcome.OTHER_GROUP
    described = desired.description not in (None, current.description)
    if desired.location_id not in (None, current.location_id):
        if override or current.location_id is None:
            return RowOutcome.MOVED
        return RowOutcome.KEPT_AND_CHANGED if described else RowOutcome.KEPT
    return RowOutcome.CHANGED if described else RowOutcome.UNCHANGED


def apply(desired: DesiredDevice, current: CurrentDevice, outcome: RowOutcome) -> CurrentDevice:
    """The device afterwards, when `outcome_of` said `outcome`."""
    if outcome is RowOutcome.OTHER_GROUP or outcome is RowOutcome.UNCHANGED:
        return current
    location_id = desired.location_id if outcome is RowOutcome.MOVED else current.location_id
    description = current.description if desired.description is None else desired.description
    return CurrentDevice(current.group_id, location_id, description)
