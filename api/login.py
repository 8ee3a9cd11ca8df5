"""Logging in and out, and changing the own password. Source: manual chapters 1 to 3."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import login
from accounts.models import User
from api import fields, tokens
from api.generics import View
from api.permissions import LoggedIn
from api.schema import answer, done, example, refusal
from api.serializers import Error, RequestSerializer
from api.users import PASSWORD, PASSWORD_RULES, USER, UserSerializer
from audit.models import Event
from audit.recording import record
from redirect.http.client_address import source_of
from redirect.http.rate_limit import Quota


@example({"userName": "aviu", "password": "correct horse 7"})
class LoginBody(RequestSerializer):
    """POST /login. Source: manual chapter 2."""

    userName = fields.Text(max_length=1000, allow_blank=True)
    password = fields.Text(max_length=1000, allow_blank=True)


@example({"userName": "aviu", "oldPassword": "correct horse 7", "newPassword": "battery staple 8"})
class ChangePasswordBody(RequestSerializer):
    """POST /changePassword. Source: manual chapter 3."""

    userName = fields.Text(max_length=1000, allow_blank=True)
    oldPassword = fields.Text(max_length=1000, allow_blank=True)
    newPassword = fields.Text(max_length=1000, allow_blank=True, help_text=PASSWORD, schema=PASSWORD_RULES)


REFRESH_TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.b3RoZXI"  # noqa: S105 - an example


@example({"refresh_token": REFRESH_TOKEN})
class RefreshBody(RequestSerializer):
    """POST /refresh."""

    refresh_token = fields.Text(max_length=4000)


@example({})
class EmptyBody(RequestSerializer):
    """No attributes."""


@example(
    {
        "user": USER,
        "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": REFRESH_TOKEN,
        "id_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.dGhpcmQ",
        "description": "Login succeeded",
    }
)
class LoginAnswer(serializers.Serializer[Any]):
    """What a login answers. Source: manual chapter 2."""

    user = UserSerializer()
    access_token = serializers.CharField(help_text="Opens the API.")
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds until the access token ends.")
    refresh_token = serializers.CharField(
        help_text="Good for one `POST /refresh`, which may be repeated within 10 seconds."
    )
    id_token = serializers.CharField(help_text="Tells a user interface who logged in; opens nothing.")
    description = serializers.CharField()


class LoginRefusal(Error):
    """A refused login. Source: manual chapter 2."""

    forceChangePasswordNextLogin = serializers.BooleanField()


def _refused_login(status: int, why: str, says: str) -> dict[int, OpenApiResponse]:
    body = {"description": says, "forceChangePasswordNextLogin": status == 403}
    return answer(LoginRefusal, why, body, status=status)


LOGIN_FAILED = _refused_login(
    401,
    "The login is unknown, the password is wrong, or the user is blocked: the same answer for all.",
    "Login failed: the login name or password is wrong, or the user is blocked.",
)
CHANGE_DUE = _refused_login(
    403, "The password is right, but must be changed first.", "The password must be changed first."
)
NO_KEY = refusal(
    403, "The caller is an API key, which is no login.", "An API key cannot do this: log in as a user."
)
LIMITED = refusal(429, "Too many attempts from this address, or too many at once.")


class OpenView(View):
    """The base of what needs no token."""

    keeps_answers = False  # no caller is known, and logging in twice does no harm
    permission_classes = (AllowAny,)
    authentication_classes = ()
    tag = "Login"


class LimitedView(OpenView):
    """The base of what a source may do so many times a minute; answers tell how much is left."""

    def limited(self, quota: Quota) -> None:
        """Add what is left to the answer, also where it is a refusal."""
        self.quota = quota

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)
        for name, value in self.quota.headers.items() if hasattr(self, "quota") else ():
            response.headers.setdefault(name, value)  # a refusal for another limit tells of that one
        return response


class LoginView(LimitedView):
    """POST /login. Source: manual chapter 2."""

    operation_ids: ClassVar = {"POST": "login"}
    request_class = LoginBody
    responses: ClassVar = {"POST": answer(LoginAnswer, "Logged in.") | LOGIN_FAILED | CHANGE_DUE | LIMITED}

    def post(self, request: Request) -> Response:
        """Log in

        Answers with the tokens of a new login. The login is compared in any case. Failed attempts are counted; at
        the limit the user is blocked for a while, for logins only.
        """
        body = self.read_body()
        user = login.log_in(body["userName"], body["password"], request.META["REMOTE_ADDR"], self.limited)
        return _login_answer(user, tokens.open_family(user))


class RefreshView(OpenView):
    """POST /refresh."""

    operation_ids: ClassVar = {"POST": "refresh"}
    request_class = RefreshBody
    responses: ClassVar = {
        "POST": answer(LoginAnswer, "New tokens.")
        | refusal(401, "The refresh token is not valid, was used before, or has ended.", "The token is not valid.")
    }

    def post(self, request: Request) -> Response:
        """Get new tokens for a refresh token

        Answers like the login. A refresh token is good for one use. The same client (address and `User-Agent`) may
        send it again within 10 seconds, and gets the same new tokens: an answer may get lost. Any other second use
        ends all tokens of the login, as one of the two who have it is a thief.
        """
        client = f"{source_of(request.META['REMOTE_ADDR'])} {request.headers.get('User-Agent', '')}"
        return _login_answer(*tokens.rotate(self.read_body()["refresh_token"], client))


class ChangePasswordView(LimitedView):
    """POST /changePassword. Source: manual chapter 3."""

    operation_ids: ClassVar = {"POST": "changePassword"}
    request_class = ChangePasswordBody
    responses: ClassVar = {"POST": done("Password changed") | LOGIN_FAILED | LIMITED}

    def post(self, request: Request) -> Response:
        """Change the own password

        Needs no token, so that a password can be changed that must be changed before the first login. Ends all
        tokens of the user. The new password has 8 to 128 characters, and is not the old one, not a common one and
        not the login. A wrong old password counts like a failed login.
        """
        body = self.read_body()
        passwords = body["oldPassword"], body["newPassword"]
        login.change_password(body["userName"], *passwords, request.META["REMOTE_ADDR"], self.limited)
        return Response({"description": "Password changed"})


class LogoutView(View):
    """POST /logout: ends the tokens of this login."""

    keeps_answers = False  # the token of a repetition is not valid any more
    permission_classes = (LoggedIn,)
    tag = "Login"
    operation_ids: ClassVar = {"POST": "logout"}
    request_class = EmptyBody
    responses: ClassVar = {"POST": done("Logout succeeded") | NO_KEY}

    def post(self, request: Request) -> Response:
        """End the tokens of this login

        Other logins of the user go on. The body is empty, or an empty object.
        """
        self.read_body()
        family: Any = request.auth
        with transaction.atomic():
            if family.delete()[0]:
                record(Event.LOGGED_OUT, family.user)
        return Response({"description": "Logout succeeded"})


def _login_answer(user: User, new_tokens: dict[str, Any]) -> Response:
    return Response({"user": UserSerializer(user).data, **new_tokens, "description": "Login succeeded"})
