"""Who may do what: one table of actions and levels, and a view base that refuses what no table allows.

Source: manual 10.1; contract section 3.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Group, GroupType, Level, User
from accounts.scope import Row
from redirect.errors import forbidden, not_found


class Action(Enum):
    """What a request wants to do; scope is asked apart, in accounts/scope.py."""

    VIEW = auto()
    CHANGE_DEVICES_AND_LOCATIONS = auto()
    CREATE_OR_DELETE_GROUP = auto()
    CHANGE_GROUP = auto()
    MANAGE_USERS = auto()
    READ_AUDIT = auto()


RESELLER_ADMINISTRATOR = (GroupType.RESELLER, Level.ADMINISTRATOR)
RESELLER_OPERATOR = (GroupType.RESELLER, Level.OPERATOR)
RESELLER_MONITOR = (GroupType.RESELLER, Level.MONITOR)
PROVIDER_ADMINISTRATOR = (GroupType.PROVIDER, Level.ADMINISTRATOR)
PROVIDER_OPERATOR = (GroupType.PROVIDER, Level.OPERATOR)
PROVIDER_MONITOR = (GroupType.PROVIDER, Level.MONITOR)

ADMINISTRATORS = {RESELLER_ADMINISTRATOR, PROVIDER_ADMINISTRATOR}
OPERATORS = {RESELLER_OPERATOR, PROVIDER_OPERATOR}
MONITORS = {RESELLER_MONITOR, PROVIDER_MONITOR}

ALLOWED: Mapping[Action, set[tuple[GroupType, Level]]] = {
    Action.VIEW: ADMINISTRATORS | OPERATORS | MONITORS,
    Action.CHANGE_DEVICES_AND_LOCATIONS: ADMINISTRATORS | OPERATORS,
    Action.CREATE_OR_DELETE_GROUP: {RESELLER_ADMINISTRATOR},
    Action.CHANGE_GROUP: ADMINISTRATORS,
    Action.MANAGE_USERS: ADMINISTRATORS,
    Action.READ_AUDIT: ADMINISTRATORS,
}


def may(user: User, action: Action) -> bool:
    """Whether the user's level allows the action at all; the platform operator may do everything."""
    if user.is_operator:
        return True
    return user.group is not None and (user.group.group_type, user.permission_level) in ALLOWED[action]


class LevelAllows(BasePermission):
    """Lets a request through if its view names an action for its method, and the user may do that."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, User):
            return False
        if request.method not in view.allowed_methods:
            return True  # REST framework goes on to answer 405
        method = "GET" if request.method == "HEAD" else request.method
        action = getattr(view, "actions", {}).get(method)
        return action is not None and may(request.user, action)


class ScopedView(APIView):
    """The base of every view for tenants: `actions` says for each method what it does. No entry: refused."""

    actions: ClassVar[dict[str, Action]] = {}
    permission_classes = (LevelAllows,)
    http_method_names = ("get", "head", "post", "put", "delete")

    @property
    def user(self) -> User:
        """The caller."""
        user: Any = self.request.user
        assert isinstance(user, User)
        return user

    def group_named_in_body(self, id: int) -> Group:
        """The group of an id inside a body; raises ApiError 403, alike for unknown and foreign ones."""
        group = Group.objects.visible_to(self.user).filter(pk=id).first()
        if group is None:
            raise forbidden("You have no privileges for this group.")
        return group


def locked(rows: QuerySet[Row]) -> Row:
    """The one row of a scoped queryset, locked until the transaction ends; raises ApiError 404 without one."""
    row = rows.select_for_update(of=("self",), no_key=True).first()
    if row is None:
        raise not_found()
    return row


def change(row: Model, changes: Mapping[str, Any]) -> None:
    """Write these attributes of a row, and no others."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=changes.keys())
