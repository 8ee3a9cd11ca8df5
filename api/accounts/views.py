"""Logging in, groups and users over HTTP."""

from typing import Any, ClassVar

from django.db import transaction
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import login, passwords
from accounts.models import User, UserQuerySet
from accounts.permissions import Action, is_allowed
from accounts.sessions import end_tokens
from api import tokens
from api.access import ScopedView, lock_or_404, update_fields
from api.accounts.filters import UserFilters
from api.accounts.serializers import (
    ChangePasswordBody,
    EmptyBody,
    LoginBody,
    RefreshBody,
    UserBody,
    UserChanges,
    UserSerializer,
)
from api.listing import ListQuery, parameters
from api.serializers import read_body
from audit.models import Event
from audit.recording import record
from redirect.errors import conflict, forbidden

LOGIN_TAKEN = "A user of this login exists already."


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


class UsersView(ScopedView):
    """GET and POST /users. Source: manual 10.2 and 10.3."""

    actions: ClassVar = {"GET": Action.MANAGE_USERS, "POST": Action.MANAGE_USERS}

    def get(self, request: Request) -> Response:
        query = ListQuery.read(request, UserFilters)
        users = _users(self.user, depth=query.depth).with_active_block()
        return query.answer(users, UserSerializer, "users")

    def post(self, request: Request) -> Response:
        body = read_body(UserBody, request)
        password = body.pop("password")
        user = User(**body | {"group": None, "force_change_password": bool(body.get("force_change_password"))})
        passwords.check_allowed("password", password, user)
        user.group = self.group_named_in_body(body["group"])
        if User.objects.get_queryset().named(user.login).exists():
            raise conflict(LOGIN_TAKEN)
        user.password = passwords.hashed(password)
        user.save(force_insert=True)
        return Response({"id": user.pk, "url": f"/api/v1/users/{user.pk}"}, status=201)


class UserView(ScopedView):
    """GET, PUT and DELETE /users/{id}. Source: manual 10.2, 10.4 and 10.5."""

    actions: ClassVar = {"GET": Action.VIEW, "PUT": Action.MANAGE_USERS, "DELETE": Action.MANAGE_USERS}

    def get(self, request: Request, id: int) -> Response:
        parameters(request)
        if id == self.user.pk:
            return Response(UserSerializer(self.user).data)
        if not is_allowed(self.user, Action.MANAGE_USERS):
            raise forbidden()
        user = _users(self.user).filter(pk=id).first()
        return Response(UserSerializer(user).data) if user else Response(status=204)

    def put(self, request: Request, id: int) -> Response:
        visible = _users(self.user).filter(pk=id)
        user = visible.first()
        changes = read_body(UserChanges, request, user)
        if "force_change_password" in changes:
            changes["force_change_password"] = bool(changes["force_change_password"])
        password = changes.pop("password", None)
        if password is not None:
            passwords.check_allowed("password", password, user)
            # A new password by an Administrator also ends a block.
            changes |= {
                "password": passwords.hashed(password),
                "fail_login_attempts": 0,
                "user_block_time": None,
            }
        with transaction.atomic():
            user = lock_or_404(visible)
            update_fields(user, changes)
            if password is not None:
                end_tokens([user.pk])
        return Response(UserSerializer(user).data)

    def delete(self, request: Request, id: int) -> Response:
        parameters(request)
        with transaction.atomic():
            user = lock_or_404(_users(self.user).filter(pk=id))
            if user == self.user:
                raise conflict("You cannot delete yourself.")
            user.delete()
        return Response({"description": "User deleted"})


class OwnUserView(ScopedView):
    """GET /users/me. Source: manual 10.2.3."""

    actions: ClassVar = {"GET": Action.VIEW}

    def get(self, request: Request) -> Response:
        parameters(request)
        return Response(UserSerializer(self.user).data)


def _users(viewer: User, *, depth: int = 1) -> UserQuerySet:
    return User.objects.get_queryset().visible_to(viewer, depth=depth).select_related("group")
