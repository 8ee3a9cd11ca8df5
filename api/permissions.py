"""What a view asks of the caller's level. A view that names no action refuses everyone."""

from typing import Any

from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request

from accounts.models import ApiKey, User
from accounts.permissions import is_allowed
from redirect.errors import forbidden


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
        if action is None or not is_allowed(request.user, action):
            return False
        return method not in view.not_for_keys or _is_no_key(request)


class LoggedIn(IsAuthenticated):
    """Lets a user through, at any level."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and _is_no_key(request)


def _is_no_key(request: Request) -> bool:
    if isinstance(request.auth, ApiKey):
        raise forbidden("An API key cannot do this: log in as a user.")
    return True
