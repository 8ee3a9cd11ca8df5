"""From the audit log to deliveries: what happened to devices, for each webhook that may see it and wants to.

An entry is written in the transaction of its change, and says itself how far it was told (`untold_from`). So no
event is lost and none is told twice, in whatever order transactions commit. A device's entries have the order of
its changes: each is written while the device's row is locked.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from accounts.models import Group
from audit.models import Entry, EntryObject, Event, mac_of
from devices import mac as macs
from webhooks.models import Delivery, EventType, Webhook

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


class Subscribers:
    """The webhooks that are enabled, each with the groups whose events it may see."""

    def __init__(self) -> None:
        self.webhooks = list(Webhook.objects.filter(enabled=True).select_related("group").order_by("pk"))
        owners = [webhook.group_id for webhook in self.webhooks]
        below = Group.objects.filter(reseller__in=owners).values_list("reseller_id", "pk")
        self._scopes: dict[int, set[int]] = {pk: {pk} for pk in owners}
        for reseller, pk in below:
            self._scopes[reseller].add(pk)

    def of(self, event: str, moment: datetime, group_ids: Iterable[int | None]) -> list[tuple[Webhook, set[int]]]:
        """Those who are told, each with its groups."""
        return [
            (webhook, scope)
            for webhook in self.webhooks
            for scope in [self._scopes[webhook.group_id]]
            if not scope.isdisjoint(group_ids)
            and (not webhook.events or event in webhook.events)
            and webhook.created_at <= moment
        ]


def tell_next() -> bool:
    """Turn a piece of the oldest entry that is not told yet into deliveries; False if there is none."""
    with transaction.atomic():
        untold = Entry.objects.filter(untold_from__isnull=False).order_by("pk")
        entry = untold.select_for_update(of=("self",), no_key=True).first()
        if entry is None:
            return False
        subscribers = Subscribers()
        rest = None
        if subscribers.webhooks and entry.content_type == ContentType.objects.get_by_natural_key(
            "devices", "device"
        ):
            rest = _tell(entry, subscribers)
        Entry.objects.filter(pk=entry.pk).update(untold_from=rest)
        if not subscribers.webhooks:  # nor for those behind it
            untold.filter(pk__lte=entry.pk + PIECE).update(untold_from=None)
    return True


def _tell(entry: Entry, subscribers: Subscribers) -> int | None:
    """Make the deliveries of the next objects; from which one on there are more."""
    objects = EntryObject.objects.filter(entry=entry, number__gte=entry.untold_from).order_by("number")
    piece = list(objects[: PIECE + 1])
    deliveries = [
        Delivery(webhook=webhook, event=event, mac=mac_of(each.number), data=data)
        for each in piece[:PIECE]
        if (event := _type_of(entry, each)) is not None
        for webhook, data in _messages(entry, each, event, subscribers)
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=500)
    return piece[PIECE].number if len(piece) > PIECE else None


def _type_of(entry: Entry, each: EntryObject) -> EventType | None:
    done = entry.event if entry.object_id is not None else each.done  # of one device; of a list
    if done == Event.CHANGED and "location" not in (entry.changes or {}):
        return None
    return TYPES.get(done)


def _messages(
    entry: Entry, each: EntryObject, event: EventType, subscribers: Subscribers
) -> Iterable[tuple[Webhook, dict[str, Any]]]:
    """What each webhook is told of an object: of a move its own side only."""
    owner = each.group_id if each.group_id is not None else entry.group_id
    target = entry.other_group_id if event is EventType.MOVED else None
    _, location = (entry.changes or {}).get("location", (None, None))
    for webhook, scope in subscribers.of(event, entry.timestamp, (owner, target)):
        data: dict[str, Any] = {"mac": macs.display(mac_of(each.number))}
        if event is EventType.MOVED:
            data |= {"fromGroupId": owner if owner in scope else None}
            data |= {"toGroupId": target if target in scope else None}
        else:
            data["groupId"] = owner
        if event in (EventType.CLAIMED, EventType.LOCATION_CHANGED):
            data["locationId"] = location
        data["time"] = f"{entry.timestamp:%Y-%m-%dT%H:%M:%S}+0000"
        yield webhook, data
