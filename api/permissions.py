"""What a view asks of the caller's level. A view that names no action refuses everyone."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User
from accounts.permissions import is_allowed


class DenyAll(BasePermission):
    """For a view that does not say who may use it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class LevelAllows(BasePermission):
    """Lets a request through if its view names an action for its method, and the caller's level allows it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            return False
        if request.method not in view.allowed_methods:
            return True  # REST framework goes on to answer 405
        method = "GET" if request.method == "HEAD" else request.method
        action = getattr(view, "actions", {}).get(method)
        return action is not None and is_allowed(request.user, action)
