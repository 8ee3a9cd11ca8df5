"""Staff roles in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group as Role
from django.http import HttpRequest

from desk.admin.base import TableAdmin

admin.site.unregister(Role)


@admin.register(Role)
class RoleAdmin(TableAdmin, auth_admin.GroupAdmin):  # type: ignore[misc]
    """What support staff may do, role by role. Only platform operators say so: else it gives more rights."""

    names = ("staff role", "staff roles")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
