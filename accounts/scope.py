"""Who sees which rows: the only door from a user to the rows of tenants.

A user without a group who is not the platform operator sees nothing. Source: manual 10.1; contract section 3.
"""

from typing import ClassVar, Protocol, Self, TypeVar

from django.db.models import Model, QuerySet

from redirect.db.arrays import ids

Row = TypeVar("Row", bound=Model)


class Viewer(Protocol):
    """What the scope asks of a user (accounts/models.py)."""

    group_id: int | None

    @property
    def is_operator(self) -> bool: ...

    @property
    def groups_in_scope(self) -> list[int]: ...


class ScopedQuerySet(QuerySet[Row]):
    """Rows that belong to a group; `group_path` is the way to it ("" where the row is the group itself)."""

    group_path: ClassVar[str] = "group__"

    def visible_to(self, user: Viewer, *, depth: int = 1) -> Self:
        """The rows in the user's scope.

        `depth` 0 keeps those of the scope's high-level groups (resellers; a provider for its own users), 1 adds
        those of their providers. Source: manual chapter 4.
        """
        if user.is_operator:
            return self if depth else self.exclude(**{f"{self.group_path}reseller__isnull": False})
        if user.group_id is None:
            return self.none()
        groups = user.groups_in_scope if depth else [user.group_id]
        return self.filter(**{f"{self.group_path}id__in": ids(groups)})
