"""Which entries a user sees, and how much of each: the only door to them for tenants.

A tenant sees what belongs to the groups in its scope. It is told neither who of another tenant did it nor from
where, and of support staff no more than that they did it.
"""

from typing import Any, Protocol

from django.db.models import Case, F, Q, QuerySet, Value, When

from audit.context import Source
from audit.models import Entry, EntryGroup, EntryObject, Event
from redirect.db.arrays import ids

SUPPORT_STAFF = "support staff"


class Reader(Protocol):
    """The user who reads."""

    @property
    def is_operator(self) -> bool: ...

    @property
    def group(self) -> object: ...

    @property
    def groups_in_scope(self) -> list[int]: ...


def visible_to(user: Reader) -> QuerySet[Any]:
    """The entries in the user's scope, each with `shown_login` and `shown_address`."""
    entries: QuerySet[Any] = Entry.objects.order_by()
    if user.group is None and not user.is_operator:
        return entries.none()
    shown: dict[str, Any] = {"shown_login": F("actor_login"), "shown_address": F("remote_addr")}
    if not user.is_operator:
        groups = ids(user.groups_in_scope)
        entries = entries.filter(concerning(user.groups_in_scope))
        by_own = Q(actor_group_id__in=groups)
        by_staff = Q(source=Source.COMMAND) | Q(actor__isnull=False, actor_group_id=None)
        failed = Q(event=Event.LOGIN_FAILED)
        staff = When(by_staff, then=Value(SUPPORT_STAFF))
        shown["shown_login"] = Case(When(by_own, then="actor_login"), staff, default=None)
        shown["shown_address"] = Case(When(by_own | failed, then="remote_addr"), default=None)
    annotated: QuerySet[Any] = entries.annotate(**shown)
    return annotated


def concerning(group_ids: list[int]) -> Q:
    """The entries that belong to one of these groups."""
    groups = ids(group_ids)
    found = Q(group_id__in=groups) | Q(other_group_id__in=groups)
    # Looked up here: in an OR, a subquery would keep PostgreSQL from using the indexes of the other two.
    several = EntryGroup.objects.filter(group_id__in=groups).values_list("entry_id", flat=True).distinct()
    return found | Q(pk__in=ids(list(several)))


def objects_visible_to(user: Reader) -> QuerySet[EntryObject]:
    """The objects of entries that the user may see: of an entry of several groups its own, and what it got."""
    listed = EntryObject.objects.all()
    if user.is_operator:
        return listed
    groups = ids(user.groups_in_scope)
    return listed.filter(Q(group_id=None) | Q(group_id__in=groups) | Q(entry__other_group_id__in=groups))
