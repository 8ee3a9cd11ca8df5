"""The audit log in the admin: read-only."""

from typing import Any

from auditlog import admin as _auditlog_admin  # noqa: F401 - registers a page of its own, which goes below
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.models import Group
from audit import history
from audit.models import Entry, mac_of
from desk import audit_words
from desk.admin.base import TableAdmin
from desk.filters import GroupFilter
from desk.search import whole_mac
from devices import mac
from devices.models import Device

MACS_SHOWN = 500

admin.site.unregister(Entry)


class GroupEntriesFilter(GroupFilter):
    """Entries about a group and all that it has had."""

    def rows_of(self, group: int, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(history.about_group(group))


@admin.register(Entry)
class EntryAdmin(TableAdmin):
    """Who changed what, when and from where."""

    names = ("entry of the audit log", "audit log")
    fields = (
        "timestamp",
        "actor_login",
        "source",
        "remote_addr",
        "cid",
        "what",
        "groups",
        "objects",
    )
    readonly_fields = fields
    list_display = ("timestamp", "actor_login", "source", "remote_addr", "what")
    list_filter = (GroupEntriesFilter, "event", "source", "timestamp")
    list_select_related = ("content_type",)
    search_fields = ("object_repr",)  # shows the search field; get_search_results defines what it finds
    search_help_text = "A MAC, a login, an address, a request id, or the beginning of an object's name."
    sortable_by = ("timestamp",)
    ordering = ("-timestamp", "-id")

    @admin.display(description="groups")
    def groups(self, entry: Any) -> str:
        """The groups whose history it belongs to."""
        ids = {entry.group_id, entry.other_group_id, *entry.several.values_list("group_id", flat=True)}
        return ", ".join(Group.objects.filter(pk__in=ids - {None}).order_by("name").values_list("name", flat=True))

    @admin.display(description="devices")
    def objects(self, entry: Any) -> str:
        """The MACs that it is about, the first of them."""
        if entry.content_type != ContentType.objects.get_for_model(Device):
            return ""
        numbers = list(entry.listed.order_by("number").values_list("number", flat=True)[: MACS_SHOWN + 1])
        shown = ", ".join(mac.display(mac_of(number)) for number in numbers[:MACS_SHOWN])
        return f"{shown} and others" if len(numbers) > MACS_SHOWN else shown

    @admin.display(description="what")
    def what(self, entry: Any) -> str:
        (line,) = [entry.line] if hasattr(entry, "line") else audit_words.lines([entry])
        return line.what

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With the entries of the page in words, which takes names of other tables."""
        changelist = super().get_changelist_instance(request)
        entries = list(changelist.result_list)
        for entry, line in zip(entries, audit_words.lines(entries), strict=True):
            entry.line = line
        changelist.result_list = entries
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """With its title in words, which pages call it by."""
        entry = super().get_object(request, object_id, from_field)
        if entry is not None:
            entry.spelled = audit_words.lines([entry])[0].title
        return entry

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole MAC is looked up by its index, also in the lists of bulk calls."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if whole := whole_mac(term):
            return queryset.filter(pk__in=history.of_mac(whole).order_by().values("pk")), False
        found = Q(object_repr__istartswith=term) | Q(actor_login__iexact=term) | Q(cid=term)
        return queryset.filter(found | Q(remote_addr__iexact=term)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
