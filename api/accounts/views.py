"""Logging in, groups and users over HTTP."""

from typing import Any

from django.db import transaction
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import login
from accounts.models import User
from api import tokens
from api.accounts.serializers import (
    ChangePasswordBody,
    EmptyBody,
    LoginBody,
    RefreshBody,
)
from api.serializers import read_body
from api.users import UserSerializer
from audit.models import Event
from audit.recording import record


class OpenView(APIView):
    """The base of what needs no token."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    http_method_names = ("post",)


class LoginView(OpenView):
    """POST /login. Source: manual chapter 2."""

    def post(self, request: Request) -> Response:
        body = read_body(LoginBody, request)
        user = login.log_in(body["userName"], body["password"], request.META["REMOTE_ADDR"])
        return _login_answer(user, tokens.open_family(user))


class RefreshView(OpenView):
    """POST /refresh."""

    def post(self, request: Request) -> Response:
        user, new_tokens = tokens.rotate(read_body(RefreshBody, request)["refresh_token"])
        return _login_answer(user, new_tokens)


class ChangePasswordView(OpenView):
    """POST /changePassword. Source: manual chapter 3."""

    def post(self, request: Request) -> Response:
        body = read_body(ChangePasswordBody, request)
        login.change_password(
            body["userName"], body["oldPassword"], body["newPassword"], request.META["REMOTE_ADDR"]
        )
        return Response({"description": "Password changed"})


class LogoutView(APIView):
    """POST /logout: ends the tokens of this login."""

    permission_classes = (IsAuthenticated,)
    http_method_names = ("post",)

    def post(self, request: Request) -> Response:
        read_body(EmptyBody, request)
        with transaction.atomic():
            if request.auth.delete()[0]:
                record(Event.LOGGED_OUT, request.auth.user)
        return Response({"description": "Logout succeeded"})


def _login_answer(user: User, new_tokens: dict[str, Any]) -> Response:
    return Response({"user": UserSerializer(user).data, **new_tokens, "description": "Login succeeded"})
