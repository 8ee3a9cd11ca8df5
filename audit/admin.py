"""The audit log in the admin: to read, and for nobody to touch."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin import TableAdmin
from audit import history
from audit.models import Entry
from devices import mac

admin.site.unregister(Entry)  # auditlog brings a page of its own


@admin.register(Entry)
class EntryAdmin(TableAdmin):
    """Who changed what, when and from where."""

    fields = (
        "timestamp",
        "event",
        "content_type",
        "object_repr",
        "actor_login",
        "remote_addr",
        "source",
        "cid",
        "group_id",
        "other_group_id",
        "changes",
        "additional_data",
    )
    readonly_fields = fields
    list_display = ("timestamp", "actor_login", "source", "remote_addr", "what")
    list_filter = ("event", "source", "timestamp")
    list_select_related = ("content_type",)
    search_fields = ("object_repr",)  # shows the field; what it finds is told below
    search_help_text = "A MAC, a login, an address, a request id, or the beginning of an object's name."
    sortable_by = ("timestamp",)
    ordering = ("-timestamp", "-id")

    @admin.display(description="what")
    def what(self, entry: Any) -> str:
        return history.line(entry).what

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole MAC is looked up by its index, also in the lists of bulk calls."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if whole := mac.from_request_path(f"/{term}"):
            return queryset.filter(pk__in=history.of_mac(whole).order_by().values("pk")), False
        found = Q(object_repr__istartswith=term) | Q(actor_login__iexact=term) | Q(cid=term)
        return queryset.filter(found | Q(remote_addr__iexact=term)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
