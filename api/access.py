"""The base of the views: the caller, what it may do, and the rows in its scope."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.views import APIView

from accounts.models import Group, User
from accounts.permissions import Action
from accounts.scope import Row
from api.permissions import LevelAllows
from redirect.errors import forbidden, not_found


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


def lock_or_404(rows: QuerySet[Row]) -> Row:
    """The one row of a scoped queryset, locked until the transaction ends; raises ApiError 404 without one."""
    row = rows.select_for_update(of=("self",), no_key=True).first()
    if row is None:
        raise not_found()
    return row


def update_fields(row: Model, changes: Mapping[str, Any]) -> None:
    """Write these attributes of a row, and no others."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=changes.keys())
