"""What becomes of one MAC that somebody wishes to have as a device: the rules of bulk calls and of the import.

Source: manual 8.3, 11.1; contract section 6.
"""

from typing import NamedTuple

from django.db import models


class Verdict(models.TextChoices):
    """What becomes of a row of an import. The words are for people."""

    CREATED = "Created"
    MOVED = "Moved", "Moved to this location"
    CHANGED = "Changed", "Description changed"
    UNCHANGED = "Unchanged"
    KEPT = "Kept", "Kept at its location"
    KEPT_AND_CHANGED = "KeptAndChanged", "Kept at its location, description changed"

    INVALID_MAC = "InvalidMAC", "Invalid MAC"
    REPEATED_MAC = "RepeatedMAC", "MAC twice in the file"
    NO_GROUP = "NoGroup", "No group"
    UNKNOWN_GROUP = "UnknownGroup", "Unknown group"
    AMBIGUOUS_GROUP = "AmbiguousGroup", "Several groups of this name"
    OTHER_GROUP = "OtherGroup", "Owned by another group"
    UNKNOWN_LOCATION = "UnknownLocation", "Unknown location"
    AMBIGUOUS_LOCATION = "AmbiguousLocation", "Several locations of this URL"
    LONG_DESCRIPTION = "LongDescription", "Description too long"


CHANGING = (Verdict.CREATED, Verdict.MOVED, Verdict.CHANGED, Verdict.KEPT_AND_CHANGED)
GOOD = (*CHANGING, Verdict.UNCHANGED, Verdict.KEPT)
BAD = tuple(verdict for verdict in Verdict if verdict not in GOOD)


class Wish(NamedTuple):
    """What a device shall be. A location or description of None leaves that of a device as it is."""

    mac: str
    group_id: int
    location_id: int | None = None
    description: str | None = None


class Existing(NamedTuple):
    """What a device is."""

    group_id: int
    location_id: int | None
    description: str | None


def decide(wish: Wish, device: Existing | None, *, override: bool) -> Verdict:
    """What becomes of the wish. A device of another group is never touched; one that has another location keeps
    it unless `override`, and gets the description all the same.

    >>> decide(Wish("00A0C914C829", 1, location_id=8), Existing(1, 7, None), override=False)
    Verdict.KEPT
    """
    if device is None:
        return Verdict.CREATED
    if device.group_id != wish.group_id:
        return Verdict.OTHER_GROUP
    described = wish.description not in (None, device.description)
    if wish.location_id not in (None, device.location_id):
        if override or device.location_id is None:
            return Verdict.MOVED
        return Verdict.KEPT_AND_CHANGED if described else Verdict.KEPT
    return Verdict.CHANGED if described else Verdict.UNCHANGED


def fulfilled(wish: Wish, device: Existing, verdict: Verdict) -> Existing:
    """The device afterwards, as `decide` has decided."""
    if verdict is Verdict.OTHER_GROUP or verdict is Verdict.UNCHANGED:
        return device
    location_id = wish.location_id if verdict is Verdict.MOVED else device.location_id
    description = device.description if wish.description is None else wish.description
    return Existing(device.group_id, location_id, description)
