"""Users in the admin: tenants' users, support staff and platform operators."""

from collections.abc import Callable, Collection
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group as Role
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from unfold.forms import AdminPasswordChangeForm, UserChangeForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminRadioSelectWidget

from accounts import second_factors
from accounts.export import USER_COLUMNS
from accounts.models import User, block_horizon
from accounts.sessions import end_tokens, force_password_change, unblock
from desk.admin.base import CHANGED, TableAdmin, TableForm, link_to, or_try_again
from desk.admin.second_factors import SecondFactorActions, SecondFactorFilter
from desk.export import ExportAdmin
from desk.filters import GroupFilter
from desk.ids import RowField
from desk.seen import NAME, changes_since, token_of


def _check_group_and_level(form: Any) -> None:
    """A user of a group has a level, and a platform operator has no group."""
    group, level = form.cleaned_data.get("group"), form.cleaned_data.get("permission_level")
    if group and not level and "permission_level" not in form.errors:
        form.add_error("permission_level", "A user of a group needs a permission level.")
    if group and form.cleaned_data.get("is_superuser", form.instance.is_superuser):
        form.add_error("group", "A platform operator (superuser) has no group.")


class NewUserForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """A user with a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in "password1", "password2":
            self.fields[name].widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})

    class Meta:
        model = User
        fields = ("login",)

    def clean(self) -> dict[str, Any]:
        super().clean()
        _check_group_and_level(self)
        return self.cleaned_data


class NewStaffForm(NewUserForm):
    """A support person: a user without a group, with a role."""

    role = RowField(
        Role.objects.order_by("pk"),
        empty_label=None,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="What each role may do stands under Staff roles.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.is_staff = True
        self.fields["force_change_password"].initial = True

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        self.instance.groups.set([self.cleaned_data["role"]])


class UserForm(TableForm, UserChangeForm):
    """What is known of a user; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"
        labels = {"groups": "Staff roles", "user_permissions": "Further staff permissions"}
        help_texts = {"groups": "What support staff may do in this admin; tenants have a permission level."}

    def clean(self) -> dict[str, Any]:
        super().clean()
        _check_group_and_level(self)
        return self.cleaned_data


class PasswordForm(AdminPasswordChangeForm):
    """A new password, which also ends a block and all tokens, as one given by an Administrator does."""

    @property
    def seen(self) -> str:
        """For the hidden input of the page."""
        return token_of([self.user])

    def clean(self) -> Any:
        cleaned = super().clean()
        if NAME in self.data and (changes := changes_since([self.user], self.data[NAME])):
            self.add_error(None, [CHANGED, *changes])
        return cleaned

    def save(self, commit: bool = True) -> Any:
        user: Any = super().save(commit=False)
        with transaction.atomic():
            user.save(update_fields=["password"])
            unblock([user.pk])
            end_tokens([user.pk])
        return user


class BlockedFilter(admin.SimpleListFilter):
    """Users who cannot log in now because of too many failures."""

    title = "blocked"
    parameter_name = "blocked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Blocked now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(user_block_time__gt=block_horizon()) if self.value() == "yes" else queryset


PERSON = ("first_name", "last_name", "email", "phone1", "phone2", "description")
LOGINS = ("last_login", "last_login_status", "fail_login_attempts", "blocked_since")
FIRST = 20  # names of what is selected, on a page that asks for confirmation
STAFF = ("is_staff", "is_superuser", "groups", "user_permissions")
ENDS_TOKENS = {"group", "permission_level", "is_active", "is_staff", "is_superuser"}


@admin.register(User)
class UserAdmin(SecondFactorActions, ExportAdmin, TableAdmin, auth_admin.UserAdmin):  # type: ignore[type-arg, misc]
    """Tenants' users, support staff and platform operators.

    Only platform operators make or change staff: otherwise staff could give themselves more rights.
    """

    columns = USER_COLUMNS
    export_related = ("group__reseller",)
    change_list_template = "admin/accounts/user_change_list.html"  # type: ignore[misc]
    change_form_outer_before_template = "desk/user.html"
    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    change_user_password_template = "desk/user_password.html"  # noqa: S105 - a page
    fieldsets = (
        (None, {"fields": ("login", "password", "is_active", "force_change_password")}),
        ("Tenant", {"fields": ("group", "permission_level")}),
        ("Person", {"fields": PERSON}),
        ("Logins", {"fields": (*LOGINS, "second_factor")}),
        ("Platform", {"fields": STAFF, "classes": ("collapse",)}),
    )
    add_fieldsets = (
        (None, {"fields": ("login", "password1", "password2", "force_change_password")}),
        ("Tenant", {"fields": ("group", "permission_level")}),
        ("Person", {"fields": PERSON}),
    )
    add_staff_fieldsets = (
        (None, {"fields": ("login", ("first_name", "last_name"), "email", "role")}),
        ("Password", {"fields": ("password1", "password2", "force_change_password")}),
    )
    add_form_template = None
    fixed_fields = ("login",)
    readonly_fields = (*LOGINS, "second_factor")
    list_display = ("login", "group_link", "permission_level", "is_active", "is_staff", *LOGINS)
    list_filter = (
        GroupFilter,
        BlockedFilter,
        SecondFactorFilter,
        "last_login_status",
        "permission_level",
        "force_change_password",
        "is_active",
        "is_staff",
        "is_superuser",
    )
    list_select_related = ("group",)
    search_fields = ("login", "first_name", "last_name", "email", "group__name")
    autocomplete_fields = ("group",)
    ordering = ("login",)
    row_actions = ("unblock", "force_password_change", "end_tokens")
    actions = (*row_actions, "reset_second_factor")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the password for staff who cannot set a new one."""
        if obj is None and getattr(request, "adds_staff", False):
            return self.add_staff_fieldsets
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in fieldsets
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None and getattr(request, "adds_staff", False):
            kwargs.setdefault("form", NewStaffForm)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.add_staff)
        return [path("add-staff/", page, name="accounts_user_add_staff"), *super().get_urls()]

    def add_staff(self, request: HttpRequest) -> Any:
        """GET and POST …/add-staff/: login, name, role and password of a support person, on one page."""
        if not request.user.is_superuser:
            raise PermissionDenied
        request.adds_staff = True  # type: ignore[attr-defined]
        return self.add_view(request, extra_context={"title": "New support person"})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return readonly if request.user.is_superuser else (*readonly, *STAFF)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Users cannot delete themselves."""
        allowed = super().has_delete_permission(request, obj) and _within_reach(request, obj)
        return allowed and obj != request.user

    @or_try_again
    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """In one transaction, so that the row stays as it was compared until the password is saved."""
        with transaction.atomic():
            return super().user_change_password(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Tokens carry the rights that the user had; they end in the transaction of the change."""
        super().save_model(request, obj, form, change)
        if ENDS_TOKENS.intersection(form.changed_data):
            end_tokens([obj.pk])

    @admin.display(description="group", ordering="group__name")
    def group_link(self, user: Any) -> str:
        return link_to(user.group, user.group.name) if user.group else "-"

    @admin.display(description="blocked since")
    def blocked_since(self, user: Any) -> str:
        since = user.blocked_since
        return date_format(since, "DATETIME_FORMAT") if since else "-"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row and row.blocked_since:
            context = {**context, "blocked_until": row.blocked_since + settings.LOGIN_BLOCK}
        return super().render_change_form(request, context, *args, **kwargs)

    def row_actions_of(self, request: HttpRequest, row: Any) -> tuple[str, ...]:
        """What makes sense for this user, and is within reach."""
        names = self.row_actions if _within_reach(request, row) else ()
        unblocks = row.blocked_since or second_factors.has_failures(row)
        usual = tuple(name for name in names if name != "unblock" or unblocks)
        return (*usual, *self.second_factor_actions_of(request, row))

    def has_unblock_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.unblock_user"))

    def has_force_password_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.force_password_user"))

    def has_end_tokens_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.end_tokens_user"))

    @admin.action(description="Unblock", permissions=["unblock"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let them log in again at once."""
        self._act(request, queryset, unblock, "Unblocked")

    @admin.action(description="Force a change of password", permissions=["force_password"])
    def force_password_change(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Their tokens go on; the next login is refused until the password is changed."""
        self._act(request, queryset, force_password_change, "Must change the password at the next login")

    @admin.action(description="End all tokens", permissions=["end_tokens"])
    def end_tokens(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Log them out of the API everywhere, once that is confirmed."""
        reachable = _reachable(request, queryset)
        count = reachable.count()
        if request.POST.get("confirmed") == str(count):
            self._act(request, queryset, end_tokens, "All tokens ended")
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "End all tokens of users",
            "action": "end_tokens",
            "count": count,
            "shown": f"{count:,}",
            "first": list(reachable.order_by("login").values_list("login", flat=True)[:FIRST]),
            "changed": "confirmed" in request.POST,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "row": request.POST.get("row", ""),
            "seen": token_of(reachable.order_by("login")),
        }
        return TemplateResponse(request, "desk/end_tokens.html", context)

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        act: Callable[[Collection[int]], None],
        done: str,
    ) -> None:
        """Act on those within reach, in one transaction; the number of statements does not depend on theirs."""
        selected = queryset.count()
        with transaction.atomic():
            users = list(_reachable(request, queryset).order_by("pk").values_list("pk", flat=True))
            act(users)
        if refused := selected - len(users):
            self.message_user(
                request, f"{refused} left alone: only platform operators change staff.", messages.WARNING
            )
        self.message_user(request, f"{done}: {len(users)}.")


def _within_reach(request: HttpRequest, user: Any) -> bool:
    """Whether a member of staff with the permission to change users may change this one."""
    return request.user.is_superuser or not (user and (user.is_staff or user.is_superuser))


def _reachable(request: HttpRequest, users: QuerySet[Any]) -> QuerySet[Any]:
    """Those that are `_within_reach`."""
    return users if request.user.is_superuser else users.filter(is_staff=False, is_superuser=False)
