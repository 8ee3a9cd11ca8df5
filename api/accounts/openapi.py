"""What the document says of logins, groups and users. Source: manual chapters 2, 3, 7 and 10."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers

from accounts.models import LOGIN_PATTERN
from api.accounts import views
from api.accounts.filters import UserFilters
from api.accounts.serializers import (
    ChangePasswordBody,
    EmptyBody,
    LoginAnswer,
    LoginBody,
    RefreshBody,
    UserBody,
    UserChanges,
    UserSerializer,
)
from api.openapi import (
    CHANGING,
    CREATING,
    DELETING,
    ID,
    NOT_THERE,
    READING,
    READING_ONE,
    Error,
    answer,
    created,
    describe,
    done,
    example_of,
    list_parameters,
    page_of,
    refusal,
    refusals,
    sent,
)

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
LOGGED_IN = {
    "user": USER,
    "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.b3RoZXI",
    "id_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.dGhpcmQ",
    "description": "Login succeeded",
}

HASHING = refusal(429, "Too many passwords are being hashed at this moment.")


class LoginRefusal(Error):
    """A refused login. Source: manual chapter 2."""

    forceChangePasswordNextLogin = serializers.BooleanField()


def _refused_login(description: str, text: str, *, change_due: bool = False) -> OpenApiResponse:
    body = {"description": text, "forceChangePasswordNextLogin": change_due}
    return OpenApiResponse(LoginRefusal, description, [example_of(body, response_only=True)])


LOGIN_FAILED = {
    401: _refused_login(
        "The login is unknown, the password is wrong, or the user is blocked: the same answer for all.",
        "Login failed: the login name or password is wrong, or the user is blocked.",
    )
}
CHANGE_DUE = {
    403: _refused_login(
        "The password is right, but must be changed first.",
        "The password must be changed first.",
        change_due=True,
    )
}
NO_TOKEN_NEEDED = refusals(400, 409, 413, 415, 503)
LOGIN_LIMITED = refusal(429, "Too many attempts from this address, or too many at once.")

# --- Login -----------------------------------------------------------------------------------------------------

extend_schema_view(
    post=extend_schema(
        operation_id="login",
        tags=["Login"],
        summary="Log in",
        description=(
            "Answers with the tokens of a new login. The login is compared in any case. Failed attempts are "
            "counted; at the limit the user is blocked for a while, for logins only."
        ),
        request=LoginBody,
        examples=[sent({"userName": "aviu", "password": "correct horse 7"})],
        responses=answer(LoginAnswer, "Logged in.", LOGGED_IN)
        | NO_TOKEN_NEEDED
        | LOGIN_FAILED
        | CHANGE_DUE
        | LOGIN_LIMITED,
    )
)(views.LoginView)

extend_schema_view(
    post=extend_schema(
        operation_id="refresh",
        tags=["Login"],
        summary="Get new tokens for a refresh token",
        description=(
            "Answers like the login. A refresh token is good for one use; its second use ends all tokens of "
            "the login, as one of the two who have it is a thief."
        ),
        request=RefreshBody,
        examples=[sent({"refresh_token": LOGGED_IN["refresh_token"]})],
        responses=answer(LoginAnswer, "New tokens.", LOGGED_IN)
        | NO_TOKEN_NEEDED
        | refusal(
            401, "The refresh token is not valid, was used before, or has ended.", "The token is not valid."
        ),
    )
)(views.RefreshView)

extend_schema_view(
    post=extend_schema(
        operation_id="changePassword",
        tags=["Login"],
        summary="Change the own password",
        description=(
            "Needs no token, so that a password can be changed that must be changed before the first login. Ends "
            "all tokens of the user. The new password has 8 to 128 characters, and is not the old one, not a "
            "common one and not the login. A wrong old password counts like a failed login."
        ),
        request=ChangePasswordBody,
        examples=[sent({"userName": "aviu", "oldPassword": "correct horse 7", "newPassword": "battery staple 8"})],
        responses=done("Password changed") | NO_TOKEN_NEEDED | LOGIN_FAILED | LOGIN_LIMITED,
    )
)(views.ChangePasswordView)

extend_schema_view(
    post=extend_schema(
        operation_id="logout",
        tags=["Login"],
        summary="End the tokens of this login",
        description="Other logins of the user go on. The body is empty, or an empty object.",
        request=EmptyBody,
        examples=[sent({})],
        responses=done("Logout succeeded") | refusals(400, 401, 409, 413, 415, 503),
    )
)(views.LogoutView)

# --- Users -----------------------------------------------------------------------------------------------------

extend_schema_view(
    get=extend_schema(
        operation_id="listUsers",
        tags=["Users"],
        summary="Users in your scope",
        description="Administrators only. `/api/v1/user` is an alias of this address, for all its methods.",
        parameters=list_parameters(
            UserFilters,
            "(group=1,search~'avi')",
            "permissionLevel='Administrator';'Operator',lastLogin<'2026-01-01T00:00:00+0000'",
            searched="all attributes but dates, counts and booleans",
        ),
        responses=page_of("users", UserSerializer, USER) | READING,
    ),
    post=extend_schema(
        operation_id="createUser",
        tags=["Users"],
        summary="Create a user",
        description=(
            "Administrators only, for the own group or one below it. A login is unique in any case. The password "
            "has 8 to 128 characters, and is not a common one and not the login."
        ),
        request=UserBody,
        examples=[
            sent(
                {
                    "firstName": "Avi",
                    "lastName": "Usher",
                    "password": "correct horse 7",
                    "permissionLevel": "Administrator",
                    "forceChangePasswordNextLogin": False,
                    "email": "aviu@mydomain.com",
                    "description": "great",
                    "login": "aviu",
                    "group": 1,
                    "phone1": "054852188445",
                    "phone2": "08545421555",
                }
            )
        ],
        responses=created("users", 1)
        | CREATING
        | refusal(409, "The login is taken.", views.LOGIN_TAKEN)
        | HASHING,
    ),
)(views.UsersView)

extend_schema_view(
    get=extend_schema(
        operation_id="getUser",
        tags=["Users"],
        summary="One user",
        description="The own user at every level, others for Administrators. Alias: `/api/v1/user/{id}`.",
        parameters=[ID],
        responses=answer(UserSerializer, "The user.", USER) | NOT_THERE | READING_ONE,
    ),
    put=extend_schema(
        operation_id="updateUser",
        tags=["Users"],
        summary="Change a user",
        description=(
            "Administrators only; at least one of the attributes that can be changed. A new password ends all "
            "tokens of the user, and a block. Alias: `/api/v1/user/{id}`."
        ),
        parameters=[ID],
        request=UserChanges,
        examples=[
            sent(
                {
                    "firstName": "Avi",
                    "lastName": "Usher",
                    "password": "correct horse 7",
                    "forceChangePasswordNextLogin": False,
                    "email": "aviu@mydomain.com",
                    "description": "great",
                    "login": "aviu",
                    "phone1": "054852188445",
                    "phone2": None,
                }
            )
        ],
        responses=answer(UserSerializer, "The user as it is now.", USER) | CHANGING | HASHING,
    ),
    delete=extend_schema(
        operation_id="deleteUser",
        tags=["Users"],
        summary="Delete a user",
        description="Administrators only, and not oneself. Alias: `/api/v1/user/{id}`.",
        parameters=[ID],
        responses=done("User deleted") | DELETING | refusal(409, "It is you.", "You cannot delete yourself."),
    ),
)(views.UserView)

extend_schema_view(
    get=extend_schema(
        operation_id="getOwnUser",
        tags=["Users"],
        summary="The user who asks",
        description="Alias: `/api/v1/user/me`.",
        responses=answer(UserSerializer, "The user.", USER) | READING,
    )
)(views.OwnUserView)

# --- Attributes ------------------------------------------------------------------------------------------------

_PASSWORD = {
    "minLength": 8,
    "maxLength": 128,
    "description": "Not a common one, and not the login.",
    "format": "password",
}
_USER: dict[str, Any] = {
    "description": "Anything else.",
    "phone1": "Primary phone number.",
    "phone2": "Secondary phone number.",
    "forceChangePasswordNextLogin": "Whether the next login is refused until the password is changed.",
}
_EMAIL = {"description": "An e-mail address, or empty.", "anyOf": [{"format": "email"}, {"maxLength": 0}]}
describe(
    "User",
    **_USER,
    groupType="Of the group. Null for the platform operator.",
    failLoginAttempts="Failed logins since the last good one.",
    lastLoginStatus="How the last attempt to log in ended.",
    lastLogin="When the last attempt to log in was.",
    userBlockTime="Since when logins are refused; null if they are not.",
    group="The id of the group. Null for the platform operator.",
)
describe(
    "UserBody",
    **_USER,
    email=_EMAIL,
    password=_PASSWORD,
    login={"pattern": LOGIN_PATTERN.replace(r"\Z", "$"), "description": "Unique in any case; kept as it is sent."},
    group="The id of the own group, or of one below it.",
)
describe(
    "UserChanges", **_USER, email=_EMAIL, password=_PASSWORD | {"description": "Ends all tokens of the user."}
)
describe("ChangePasswordBody", newPassword=_PASSWORD)
describe(
    "LoginAnswer",
    access_token="Opens the API.",  # noqa: S106 - a sentence
    token_type={"enum": ["Bearer"]},
    expires_in="Seconds until the access token ends.",
    refresh_token="Good for one `POST /refresh`.",  # noqa: S106
    id_token="Tells a user interface who logged in; opens nothing.",  # noqa: S106
)
