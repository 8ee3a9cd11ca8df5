"""API keys of tenants in the admin: looked at, and ended by deleting them. They are made by the API alone."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import ApiKey
from desk.admin.base import TableAdmin
from desk.filters import GroupFilter


@admin.register(ApiKey)
class ApiKeyAdmin(TableAdmin):
    """Which keys a group has, what they may, and when and from where they were used."""

    fields = (
        "name",
        "group",
        "permission_level",
        "hint",
        "expires_at",
        "allowed_networks",
        "last_used",
        "last_address",
    )
    readonly_fields = fields
    list_display = ("name", "group", "permission_level", "hint", "expires_at", "last_used", "last_address")
    list_filter = (GroupFilter, "permission_level")
    list_select_related = ("group__reseller",)
    search_fields = ("name", "hint", "group__name")
    sortable_by = ("name", "expires_at", "last_used")
    ordering = ("name", "pk")

    def get_actions(self, request: HttpRequest) -> Any:
        """In the words of what it does."""
        actions = super().get_actions(request)
        if "delete_selected" in actions:
            act, name, _ = actions["delete_selected"]
            actions["delete_selected"] = (act, name, "End the selected API keys")
        return actions

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
