"""Logging in, groups and users over HTTP."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import transaction
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import login, passwords
from accounts.models import Group, GroupType, User, UserQuerySet
from accounts.permissions import Action, is_allowed
from accounts.sessions import end_tokens
from api import tokens
from api.access import ScopedView, lock_or_404, update_fields
from api.accounts.filters import UserFilters
from api.accounts.serializers import (
    ChangePasswordBody,
    EmptyBody,
    GroupBody,
    GroupChanges,
    GroupSerializer,
    LoginBody,
    RefreshBody,
    UserBody,
    UserChanges,
    UserSerializer,
)
from api.listing import ListQuery, depth_of, parameters
from api.serializers import read_body
from audit.models import Event
from audit.recording import record
from redirect.errors import bad_attribute, conflict, forbidden

NAME_TAKEN = "A group of this name exists already."
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


class GroupsView(ScopedView):
    """GET and POST /groups. Source: manual 7.1."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CREATE_OR_DELETE_GROUP}

    def get(self, request: Request) -> Response:
        depth = depth_of(parameters(request, "depth"))
        groups = list(Group.objects.visible_to(self.user, depth=depth).with_counts().order_by("id"))
        if not groups:
            return Response(status=204)
        context = {"providers": _by_reseller(groups)}
        return Response({"groups": [GroupSerializer(group, context=context).data for group in groups]})

    def post(self, request: Request) -> Response:
        body = read_body(GroupBody, request)
        if body["group_type"] == GroupType.RESELLER:
            if not self.user.is_operator:
                raise forbidden("Only the platform operator creates Resellers.")
        else:
            body["reseller_id"] = self._reseller_id(body.get("reseller_id"))
        with transaction.atomic():
            if Group.objects.filter(reseller=body.get("reseller_id"), name=body["name"]).exists():
                raise conflict(NAME_TAKEN)
            group = Group.objects.create(**body)
        return Response({"id": group.pk, "url": f"/api/v1/groups/{group.pk}"}, status=201)

    def _reseller_id(self, named: int | None) -> int:
        if named is None:
            if self.user.group is None:
                raise bad_attribute("resellerId", "Name the reseller of the new Provider.")
            return self.user.group.pk
        reseller = self.group_named_in_body(named)
        if not reseller.is_reseller:
            raise bad_attribute("resellerId", "This group is not a Reseller.")
        return reseller.pk


class GroupView(ScopedView):
    """GET, PUT and DELETE /groups/{id}. Source: manual 7.1 to 7.3."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.CHANGE_GROUP,
        "DELETE": Action.CREATE_OR_DELETE_GROUP,
    }

    def get(self, request: Request, id: int) -> Response:
        depth = depth_of(parameters(request, "depth"))
        group = Group.objects.visible_to(self.user).with_counts().filter(pk=id).first()
        return _group_answer(group, depth=depth) if group else Response(status=204)

    def put(self, request: Request, id: int) -> Response:
        visible = Group.objects.visible_to(self.user).with_counts().filter(pk=id)
        changes = read_body(GroupChanges, request, visible.first())
        if changes.get("name", "") is None:
            del changes["name"]  # a group without a name cannot be: null leaves it as it is
        with transaction.atomic():
            group = lock_or_404(visible)
            namesakes = Group.objects.filter(reseller=group.reseller_id, name=changes.get("name"))
            if namesakes.exclude(pk=id).exists():
                raise conflict(NAME_TAKEN)
            update_fields(group, changes)
        return _group_answer(group)

    def delete(self, request: Request, id: int) -> Response:
        parameters(request)
        with transaction.atomic():
            group = lock_or_404(Group.objects.visible_to(self.user).filter(pk=id))
            if group.is_reseller and not self.user.is_operator:
                raise forbidden("Only the platform operator deletes Resellers.")
            for relation in ("providers", "users", "locations", "devices"):
                if getattr(group, relation).exists():
                    raise conflict(f"The group still has {relation}.")
            group.delete()
        return Response({"description": "Group deleted"})


def _by_reseller(groups: Iterable[Group]) -> dict[int, list[Group]]:
    providers = defaultdict(list)
    for group in groups:
        if group.reseller_id is not None:
            providers[group.reseller_id].append(group)
    return providers


def _group_answer(group: Group, *, depth: int = 1) -> Response:
    providers = group.providers.with_counts().order_by("id") if group.is_reseller and depth else ()
    context = {"providers": {group.pk: list(providers)}}
    return Response(GroupSerializer(group, context=context).data)


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
