"""What the document says of logins, groups and users. Source: manual chapters 2, 3, 7 and 10."""

from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers

from api.accounts import views
from api.accounts.serializers import (
    ChangePasswordBody,
    EmptyBody,
    LoginAnswer,
    LoginBody,
    RefreshBody,
)
from api.openapi import (
    Error,
    answer,
    describe,
    done,
    example_of,
    refusal,
    refusals,
    sent,
)
from api.users import USER

LOGGED_IN = {
    "user": USER,
    "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.b3RoZXI",
    "id_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.dGhpcmQ",
    "description": "Login succeeded",
}


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

# --- Attributes ------------------------------------------------------------------------------------------------

_PASSWORD = {
    "minLength": 8,
    "maxLength": 128,
    "description": "Not a common one, and not the login.",
    "format": "password",
}
describe("ChangePasswordBody", newPassword=_PASSWORD)
describe(
    "LoginAnswer",
    access_token="Opens the API.",  # noqa: S106 - a sentence
    token_type={"enum": ["Bearer"]},
    expires_in="Seconds until the access token ends.",
    refresh_token="Good for one `POST /refresh`.",  # noqa: S106
    id_token="Tells a user interface who logged in; opens nothing.",  # noqa: S106
)
