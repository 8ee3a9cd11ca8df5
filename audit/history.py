"""What happened to one thing: for the pages of the admin. Newest first; support staff may see it all."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet

from audit.models import Entry, EntryGroup, EntryObject, number_of


def of_mac(mac: str) -> QuerySet[Any]:
    """What happened to the device of this MAC (12 digits), also before it was deleted and made again."""
    device = ContentType.objects.get_by_natural_key("devices", "device")
    listed = EntryObject.objects.filter(number=number_of(mac)).values("entry")
    return _newest(Entry.objects.filter(pk__in=listed, content_type=device))


def of(row: Model) -> QuerySet[Any]:
    """What happened to this user or location, alone or in a list. For a device: `of_mac`."""
    about = {"content_type": ContentType.objects.get_for_model(row)}
    listed = EntryObject.objects.filter(number=row.pk).values_list("entry_id", flat=True)
    # Looked up here: in an OR, a subquery would keep PostgreSQL from using either index.
    found = list(Entry.objects.filter(pk__in=listed, **about).values_list("pk", flat=True))
    return _newest(Entry.objects.filter(Q(object_id=row.pk, **about) | Q(pk__in=found)))


def of_group(group_id: int) -> QuerySet[Any]:
    """What happened to the group and to all that it has had."""
    return _newest(Entry.objects.filter(about_group(group_id)))


def about_group(group_id: int) -> Q:
    """Of entries: those about the group and all that it has had."""
    several = list(EntryGroup.objects.filter(group_id=group_id).values_list("entry_id", flat=True))
    return Q(group_id=group_id) | Q(other_group_id=group_id) | Q(pk__in=several)


def by(user: Model) -> QuerySet[Any]:
    """What this user did."""
    return _newest(Entry.objects.filter(actor=user.pk))


def _newest(entries: QuerySet[Any]) -> QuerySet[Any]:
    return entries.order_by("-timestamp", "-id")
