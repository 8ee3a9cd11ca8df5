"""Users: who may log in, and with which level. Source: manual chapter 10."""

import re
from typing import Any, ClassVar

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords
from accounts.export import USER_COLUMNS
from accounts.models import LOGIN_PATTERN, Group, GroupType, Level, LoginStatus, User
from accounts.permissions import Action, is_allowed
from accounts.sessions import end_tokens
from api import fields, filters
from api.generics import DetailView, ListView, OneView, update_fields
from api.pagination import pages_of
from api.schema import example, refusal
from api.serializers import RequestSerializer
from redirect.db.search import among, contains
from redirect.errors import Conflict, forbidden

# Logins are unique over all tenants: the sentence tells no more than that.
LOGIN_TAKEN = "This login is taken, choose another one."
HASHING = refusal(429, "Too many passwords are being hashed at this moment.")

DESCRIPTION = "Anything else."
PHONE1 = "Primary phone number."
PHONE2 = "Secondary phone number."
FORCE_CHANGE = "Whether the next login is refused until the password is changed."

PASSWORD_RULES = {"minLength": 8, "maxLength": 128, "format": "password"}
PASSWORD = "Not a common one, and not the login."  # noqa: S105 - a sentence

USER = {
    "id": 1,
    "firstName": "avi",
    "lastName": "umaha",
    "groupType": "Provider",
    "groupName": "provider 1",
    "permissionLevel": "Administrator",
    "email": "aviu@mydomain.com",
    "description": "great",
    "forceChangePasswordNextLogin": False,
    "lastLoginStatus": "Success",
    "failLoginAttempts": 0,
    "login": "aviu",
    "group": 1,
    "phone1": "054852188445",
    "phone2": None,
    "lastLogin": "2019-04-28T18:16:04+0000",
    "userBlockTime": None,
}
UNCHANGED = ("forceChangePasswordNextLogin", "email", "description", "login", "phone1", "phone2")
CHANGES = {"firstName": "Avi", "lastName": "Usher", "password": "correct horse 7"} | {
    n: USER[n] for n in UNCHANGED
}


@example(USER)
class UserSerializer(serializers.Serializer[Any]):
    """A user. Source: manual 10.2."""

    id = serializers.IntegerField()
    firstName = serializers.CharField(source="first_name", allow_null=True)
    lastName = serializers.CharField(source="last_name", allow_null=True)
    groupType = serializers.ChoiceField(
        source="group.group_type",
        choices=GroupType.choices,
        allow_null=True,
        help_text="Of the group. Null for the platform operator.",
    )
    groupName = serializers.CharField(source="group.name", allow_null=True)
    permissionLevel = serializers.ChoiceField(source="permission_level", choices=Level.choices, allow_null=True)
    email = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True, help_text=DESCRIPTION)
    forceChangePasswordNextLogin = serializers.BooleanField(source="force_change_password", help_text=FORCE_CHANGE)
    lastLoginStatus = serializers.ChoiceField(
        source="last_login_status",
        choices=LoginStatus.choices,
        allow_null=True,
        help_text="How the last attempt to log in ended.",
    )
    failLoginAttempts = serializers.IntegerField(
        source="fail_login_attempts", help_text="Failed logins since the last good one."
    )
    login = serializers.CharField()
    group = serializers.IntegerField(
        source="group_id", allow_null=True, help_text="The id of the group. Null for the platform operator."
    )
    phone1 = serializers.CharField(allow_null=True, help_text=PHONE1)
    phone2 = serializers.CharField(allow_null=True, help_text=PHONE2)
    lastLogin = serializers.DateTimeField(
        source="last_login", allow_null=True, help_text="When the last attempt to log in was."
    )
    userBlockTime = serializers.DateTimeField(
        source="blocked_since", allow_null=True, help_text="Since when logins are refused; null if they are not."
    )


class Email(fields.OptionalText, serializers.EmailField):
    """An e-mail address."""

    def __init__(self, **kwargs: Any) -> None:
        schema = {"anyOf": [{"format": "email"}, {"maxLength": 0}]}
        super().__init__(max_length=254, help_text="An e-mail address, or empty.", schema=schema, **kwargs)


@example(CHANGES | {"permissionLevel": "Administrator", "group": 1})
class UserBody(RequestSerializer):
    """POST /users. Source: manual 10.3."""

    firstName = fields.PlainText(source="first_name", max_length=150)
    lastName = fields.PlainText(source="last_name", max_length=150)
    password = fields.Text(max_length=1000, help_text=PASSWORD, schema=PASSWORD_RULES)
    permissionLevel = fields.Choice(source="permission_level", choices=Level.choices)
    email = Email()
    description = fields.Description(help_text=DESCRIPTION)
    login = fields.Text(
        max_length=150,
        help_text="Unique in any case; kept as it is sent.",
        schema={"pattern": LOGIN_PATTERN.replace(r"\Z", "$")},
    )
    group = fields.Integer(help_text="The id of the own group, or of one below it.")
    phone1 = fields.OptionalText(max_length=40, help_text=PHONE1)
    phone2 = fields.OptionalText(max_length=40, help_text=PHONE2)
    forceChangePasswordNextLogin = fields.OptionalBoolean(source="force_change_password", help_text=FORCE_CHANGE)

    def validate_login(self, login: str) -> str:
        """ASCII, so that comparing in any case means the same everywhere."""
        if not re.match(LOGIN_PATTERN, login):
            raise serializers.ValidationError("Use ASCII letters, digits and . _ @ + - only.")
        return login


@example(CHANGES)
class UserChanges(RequestSerializer):
    """PUT /users/{id}: at least one of these. Source: manual 10.4."""

    resource = UserSerializer

    firstName = fields.OptionalText(source="first_name", max_length=150)
    lastName = fields.OptionalText(source="last_name", max_length=150)
    password = fields.Text(
        max_length=1000,
        required=False,
        allow_null=True,
        help_text="Ends all tokens of the user.",
        schema=PASSWORD_RULES,
    )
    email = Email()
    description = fields.Description(help_text=DESCRIPTION)
    phone1 = fields.OptionalText(max_length=40, help_text=PHONE1)
    phone2 = fields.OptionalText(max_length=40, help_text=PHONE2)
    forceChangePasswordNextLogin = fields.OptionalBoolean(source="force_change_password", help_text=FORCE_CHANGE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Send at least one of {', '.join(self.fields)}.")
        return attrs


TEXTS = (
    "first_name",
    "last_name",
    "permission_level",
    "email",
    "description",
    "last_login_status",
    "login",
    "phone1",
    "phone2",
)


def matching_users(user: User, term: str) -> Q:
    """The users in whose attributes the term stands, in any case."""
    groups = contains(term, texts=("name", "group_type"), ids=("id",))
    return contains(term, texts=TEXTS, ids=("id",)) | among("group", Group.objects.visible_to(user), groups)


class LoginFilter(filters.Text):
    """A login, which is compared in any case."""

    lookups: ClassVar = filters.LOOKUPS | {"=": "iexact"}


class UserFilters(filters.ClauseFilterSet):
    """GET /users. Source: manual chapter 4."""

    examples = (
        "(group=1,search~'avi')",
        "permissionLevel='Administrator';'Operator',lastLogin<'2026-01-01T00:00:00+0000'",
    )

    id = filters.Number("id")
    firstName = filters.Text("first_name", optional=True)
    lastName = filters.Text("last_name", optional=True)
    groupType = filters.Text("group__group_type", optional=True)
    groupName = filters.Text("group__name", optional=True)
    permissionLevel = filters.Text("permission_level", optional=True)
    email = filters.Text("email", optional=True)
    description = filters.Text("description", optional=True)
    forceChangePasswordNextLogin = filters.Flag("force_change_password")
    lastLoginStatus = filters.Text("last_login_status", optional=True)
    failLoginAttempts = filters.Number("fail_login_attempts")
    login = LoginFilter("login")
    group = filters.Number("group_id", optional=True)
    phone1 = filters.Text("phone1", optional=True)
    phone2 = filters.Text("phone2", optional=True)
    lastLogin = filters.Date("last_login", optional=True)
    userBlockTime = filters.Date("active_block", optional=True)
    search = filters.Search(matching_users, "all attributes but dates, counts and booleans")


class UsersView(ListView):
    """GET and POST /users. Source: manual 10.2 and 10.3."""

    actions: ClassVar = {"GET": Action.MANAGE_USERS, "POST": Action.MANAGE_USERS}
    noun, tag = "User", "Users"
    queryset = User.objects.get_queryset().select_related("group")
    serializer_class = UserSerializer
    request_class = UserBody
    filterset_class = UserFilters
    pagination_class = pages_of("users")
    columns = USER_COLUMNS
    csv_related = ("group__reseller",)
    responses: ClassVar = {"POST": refusal(409, "The login is taken.", LOGIN_TAKEN) | HASHING}

    def get_queryset(self, *, depth: int = 1) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(depth=depth).with_active_block()
        return users

    def get(self, request: Request) -> Response:
        """Users in your scope

        Administrators only. `/api/v1/user` is an alias of this address, for all its methods.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Create a user

        Administrators only, for the own group or one below it. A login is unique in any case. The password has 8
        to 128 characters, and is not a common one and not the login.
        """
        body = self.read_body()
        password = body.pop("password")
        user = User(**body | {"group": None})
        passwords.check_allowed("password", password, user)
        user.group = self.group_named_in_body(body["group"])
        if User.objects.get_queryset().named(user.login).exists():
            raise Conflict(LOGIN_TAKEN)
        user.password = passwords.hashed(password)
        try:
            user.save(force_insert=True)
        except IntegrityError:
            # Another request may have created it since; the group may be gone as well.
            if User.objects.get_queryset().named(user.login).exists():
                raise Conflict(LOGIN_TAKEN) from None
            raise
        return self.created(user)


class UserView(DetailView):
    """GET, PUT and DELETE /users/{id}. Source: manual 10.2, 10.4 and 10.5."""

    actions: ClassVar = {"GET": Action.VIEW, "PUT": Action.MANAGE_USERS, "DELETE": Action.MANAGE_USERS}
    noun, tag = "User", "Users"
    queryset = UsersView.queryset
    serializer_class = UserSerializer
    request_class = UserChanges
    responses: ClassVar = {"PUT": HASHING, "DELETE": refusal(409, "It is you.", "You cannot delete yourself.")}

    def get(self, request: Request, id: int) -> Response:
        """One user

        The own user at every level, others for Administrators. Alias: `/api/v1/user/{id}`.
        """
        if id == self.user.pk:
            return self.answer_one(self.show(self.user))
        if not is_allowed(self.user, Action.MANAGE_USERS):
            raise forbidden()
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change a user

        Administrators only; at least one of the attributes that can be changed. A new password ends all tokens of
        the user, and a block. Alias: `/api/v1/user/{id}`.
        """
        return self.update(id)

    def delete(self, request: Request, id: int) -> Response:
        """Delete a user

        Administrators only, and not oneself. Alias: `/api/v1/user/{id}`.
        """
        return self.destroy(id)

    def read_changes(self, row: Any) -> dict[str, Any]:
        changes = self.read_body(row)
        password = changes.pop("password", None)
        if password is not None:
            passwords.check_allowed("password", password, row)
            # A new password by an Administrator also ends a block.
            changes |= {"password": passwords.hashed(password), "fail_login_attempts": 0, "user_block_time": None}
        return changes

    def change(self, row: User, changes: dict[str, Any]) -> None:
        update_fields(row, changes)
        if "password" in changes:
            end_tokens([row.pk])

    def check_unused(self, row: User) -> None:
        if row == self.user:
            raise Conflict("You cannot delete yourself.")


class OwnUserView(OneView):
    """GET /users/me. Source: manual 10.2.3."""

    actions: ClassVar = {"GET": Action.VIEW}
    not_for_keys = ("GET",)
    noun, tag = "User", "Users"
    operation_ids: ClassVar = {"GET": "getOwnUser"}
    serializer_class = UserSerializer
    request_class = UserChanges  # of /users/{id}: the tag is the same

    def get(self, request: Request) -> Response:
        """The user who asks

        Not for an API key, which is no user. Alias: `/api/v1/user/me`.
        """
        return self.answer_one(self.get_serializer(self.user).data)
