"""From the audit log to deliveries and notices: what was done to devices, for each webhook and alert that may see
it and wants to.

An entry is written in the transaction of its change, and says itself how far it was told (`untold_from`). So no
event is lost and none is told twice, in whatever order transactions commit. A device's entries have the order of
its changes: each is written while the device's row is locked.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from audit.models import Entry, EntryObject, Event, mac_of
from devices import mac as macs
from webhooks.models import EventType
from webhooks.outbox import Message, Subscribers, one_at_a_time, put, told_time

PIECE = 1_000  # objects told in one transaction

# By what an entry says that was done to a device.
TYPES = {
    "Created": EventType.CLAIMED,
    "Moved": EventType.MOVED,
    "DeviceMoved": EventType.MOVED,
    "Removed": EventType.REMOVED,
    "Deleted": EventType.REMOVED,
    "Associated": EventType.LOCATION_CHANGED,
    "Disassociated": EventType.LOCATION_CHANGED,
    "Changed": EventType.LOCATION_CHANGED,
}


def oldest() -> datetime | None:
    """When the oldest entry that is not told yet was written, in whole seconds; None if there is none."""
    untold = Entry.objects.filter(untold_from__isnull=False).order_by("pk")
    moment: datetime | None = untold.values_list("timestamp", flat=True).first()
    return moment


def tell_next() -> bool:
    """Turn a piece of the oldest entry that is not told yet into deliveries; False if there is none."""
    with transaction.atomic():
        one_at_a_time()
        untold = Entry.objects.filter(untold_from__isnull=False).order_by("pk")
        entry = untold.select_for_update(of=("self",), no_key=True).first()
        if entry is None:
            return False
        subscribers = Subscribers()
        rest = None
        if subscribers and entry.event == Event.CLAIM_SUSPECTED:
            put(list(_alerts(entry, subscribers)))
        elif subscribers and entry.content_type == ContentType.objects.get_by_natural_key("devices", "device"):
            rest = _tell(entry, subscribers)
        Entry.objects.filter(pk=entry.pk).update(untold_from=rest)
        if not subscribers:  # nor for those behind it
            untold.filter(pk__lte=entry.pk + PIECE).update(untold_from=None)
    return True


def _tell(entry: Entry, subscribers: Subscribers) -> int | None:
    """Make the deliveries of the next objects; from which one on there are more."""
    objects = EntryObject.objects.filter(entry=entry, number__gte=entry.untold_from).order_by("number")
    piece = list(objects[: PIECE + 1])
    put(
        [
            message
            for each in piece[:PIECE]
            if (event := _type_of(entry, each)) is not None
            for message in _messages(entry, each, event, subscribers)
        ]
    )
    return piece[PIECE].number if len(piece) > PIECE else None


def _type_of(entry: Entry, each: EntryObject) -> EventType | None:
    done = entry.event if entry.object_id is not None else each.done  # of one device; of a list
    if done == Event.CHANGED and "location" not in (entry.changes or {}):
        return None
    return TYPES.get(done)


def _messages(entry: Entry, each: EntryObject, event: EventType, subscribers: Subscribers) -> Iterable[Message]:
    """What each subscriber is told of an object: of a move its own side only."""
    owner = each.group_id if each.group_id is not None else entry.group_id
    target = entry.other_group_id if event is EventType.MOVED else None
    _, location = (entry.changes or {}).get("location", (None, None))
    for subscriber in subscribers.of(event, entry.timestamp, (owner, target)):
        scope = subscribers.scope_of(subscriber)
        data: dict[str, Any] = {"mac": macs.display(mac_of(each.number))}
        if event is EventType.MOVED:
            data |= {"fromGroupId": owner if owner in scope else None}
            data |= {"toGroupId": target if target in scope else None}
        else:
            data["groupId"] = owner
        if event in (EventType.CLAIMED, EventType.LOCATION_CHANGED):
            data["locationId"] = location
        data["time"] = told_time(entry.timestamp)
        yield Message(subscriber, event, mac_of(each.number), data)


def _alerts(entry: Entry, subscribers: Subscribers) -> Iterable[Message]:
    """An unusual claim, for the group that made it and the reseller above."""
    found = {name: new for name, (_, new) in entry.changes.items()}
    data = {name: found.get(name) for name in ("first", "last", "consecutive", "foreign", "sent")}
    data = {"groupId": entry.group_id} | data | {"time": told_time(entry.timestamp)}
    event = EventType.CLAIM_SUSPECTED
    for subscriber in subscribers.of(event, entry.timestamp, [entry.group_id]):
        yield Message(subscriber, event, None, data)
