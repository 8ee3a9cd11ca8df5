"""What the lists of users can be filtered and sorted by. Source: manual chapter 4 and 10.2."""

from typing import ClassVar

from django.db.models import Q

from accounts.models import Group, User
from api.filters import LOOKUPS, ClauseFilterSet, Date, Flag, Number, Search, Text
from redirect.db.search import among, contains


def matching_users(user: User, term: str) -> Q:
    """The users in whose attributes the term stands, in any case."""
    groups = contains(term, texts=("name", "group_type"), ids=("id",))
    return contains(
        term,
        texts=(
            "first_name",
            "last_name",
            "permission_level",
            "email",
            "description",
            "last_login_status",
            "login",
            "phone1",
            "phone2",
        ),
        ids=("id",),
    ) | among("group", Group.objects.visible_to(user), groups)


class Login(Text):
    """A login, which is compared in any case."""

    lookups: ClassVar = LOOKUPS | {"=": "iexact"}


class UserFilters(ClauseFilterSet):
    """GET /users"""

    id = Number("id")
    firstName = Text("first_name", optional=True)
    lastName = Text("last_name", optional=True)
    groupType = Text("group__group_type", optional=True)
    groupName = Text("group__name", optional=True)
    permissionLevel = Text("permission_level", optional=True)
    email = Text("email", optional=True)
    description = Text("description", optional=True)
    forceChangePasswordNextLogin = Flag("force_change_password")
    lastLoginStatus = Text("last_login_status", optional=True)
    failLoginAttempts = Number("fail_login_attempts")
    login = Login("login")
    group = Number("group_id", optional=True)
    phone1 = Text("phone1", optional=True)
    phone2 = Text("phone2", optional=True)
    lastLogin = Date("last_login", optional=True)
    userBlockTime = Date("active_block", optional=True)
    search = Search(matching_users, "all attributes but dates, counts and booleans")
