"""Groups and users in the admin, and what all its lists share.

Only Django's own permissions count here: the tenants' levels mean nothing in the admin, and the reverse.
"""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group as Role
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import PROTECT, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from accounts.login import end_tokens, force_password_change, unblock
from accounts.models import Group, GroupType, User, block_horizon
from audit import history
from desk.export import ExportAdmin
from desk.resources.accounts import GroupResource, UserResource
from redirect.db.transactions import lost_race

# --- What all lists share ---------------------------------------------------------------------------------------

Page = Callable[..., Any]

HISTORY_SHOWN = 100


def or_try_again(page: Page) -> Page:
    """A form that met somebody else's change is sent back with a sentence, not answered with 500."""

    @wraps(page)
    def answer(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return page(self, request, *args, **kwargs)
        except (IntegrityError, OperationalError) as error:
            if not (isinstance(error, IntegrityError) or lost_race(error)):
                raise
            self.message_user(request, "Changed by another request, try again.", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    return answer


def is_id(text: str) -> bool:
    """Whether a row may have this id, as a page sent it."""
    return text.isascii() and text.isdigit() and len(text) < 19


def link_to_rows(row: Model, relation: str, count: int) -> SafeString:
    """How many rows refer to this one, as a link to their list."""
    reverse_key: Any = row._meta.get_field(relation)
    rows = reverse_key.related_model._meta
    address = reverse(f"admin:{rows.app_label}_{rows.model_name}_changelist")
    return format_html(
        '<a href="{}?{}__id__exact={}">{}</a>', address, reverse_key.field.name, row.pk, f"{count:,}"
    )


class TableAdmin(ModelAdmin):
    """A table of the service, of which there may be a million rows.

    `fixed_fields` are given when a row is created, and never again, as in the API. `row_actions` are actions of
    the list that the page of a single row offers as buttons.
    """

    fixed_fields: tuple[str, ...] = ()
    row_actions: tuple[str, ...] = ()
    change_form_outer_before_template = "desk/row_actions.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return (*readonly, *self.fixed_fields) if obj else readonly

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What the service itself writes is not shown of a row that is yet to be."""
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name not in self.readonly_fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Without what can be no row's id, as somebody may have typed it into the address."""
        relations = {field.name for field in self.opts.fields if field.is_relation}
        initial = super().get_changeform_initial_data(request)
        return {name: value for name, value in initial.items() if name not in relations or is_id(str(value))}

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A description may have line breaks, which a field of one line would take away."""
        if db_field.name == "description":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was changed and nothing else: phones and logins are counted while the form is open."""
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data) if change else None)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What stands against a deletion is counted instead of listed: it may be a hundred thousand devices."""
        protected = []
        for relation in self.opts.related_objects:
            if getattr(relation, "on_delete", None) is PROTECT:
                rows: Any = relation.related_model
                if count := rows.objects.filter(**{f"{relation.field.name}__in": objs}).count():
                    protected.append(f"{count:,} {relation.get_accessor_name()}")
        if protected:
            return [], {}, set(), protected
        return super().get_deleted_objects(objs, request)

    def may_act_on(self, request: HttpRequest, row: Any) -> bool:
        """Whether the page of this row offers actions; which ones is left to the permissions of each."""
        return True

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row and self.may_act_on(request, row):
            allowed = self.get_actions(request)
            buttons = [(name, allowed[name][2]) for name in self.row_actions if name in allowed]
            context = {**context, "row_actions": buttons}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Whoever pressed the button of a row's page stays there."""
        response = super().response_action(request, *args, **kwargs)
        row = request.POST.get("row", "")
        if is_id(row) and getattr(response, "url", "") == request.get_full_path():
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row])
            )
        return response

    def log_addition(self, *what: Any) -> Any:
        """The audit log has it."""

    def log_change(self, *what: Any) -> Any:
        """The audit log has it."""

    def log_deletions(self, *what: Any) -> Any:
        """The audit log has it."""

    def history_of(self, row: Any) -> QuerySet[Any]:
        """The entries of the audit log about a row, newest first."""
        return history.of(row)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """What happened to a row, by whomever and wherever."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not (self.has_view_permission(request, row) and request.user.has_perm("audit.view_entry")):
            raise PermissionDenied
        entries = list(self.history_of(row)[: HISTORY_SHOWN + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": self.opts,
            "original": row,
            "object": row,
            "lines": [history.line(entry) for entry in entries[:HISTORY_SHOWN]],
            "shown": HISTORY_SHOWN,
            "more": len(entries) > HISTORY_SHOWN,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "desk/history.html", context)

    @or_try_again
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    @or_try_again
    def delete_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().delete_view(*args, **kwargs)

    @or_try_again
    def changelist_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changelist_view(*args, **kwargs)


# --- Groups -----------------------------------------------------------------------------------------------------


class GroupForm(ModelForm):  # type: ignore[type-arg]
    """A provider has a reseller, and a reseller has none."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        reseller = cleaned.get("reseller")
        if cleaned.get("group_type", self.instance.group_type) == GroupType.RESELLER:
            if reseller:
                self.add_error("reseller", "Only a Provider has a reseller.")
        elif "reseller" not in self.errors:
            if not reseller:
                self.add_error("reseller", "A Provider needs the Reseller that it belongs to.")
            elif not reseller.is_reseller:
                self.add_error("reseller", f"{reseller} is a Provider; choose a Reseller.")
        return cleaned


@admin.register(Group)
class GroupAdmin(ExportAdmin, TableAdmin):
    """Resellers and their providers."""

    resource = GroupResource

    form = GroupForm
    fields = ("name", "group_type", "reseller", "address", "description")
    fixed_fields = ("group_type",)
    list_display = ("name", "group_type", "reseller", "locations", "devices")
    list_filter = ("group_type",)
    list_select_related = ("reseller",)
    search_fields = ("name", "reseller__name")
    autocomplete_fields = ("reseller",)
    sortable_by = ("name", "group_type")
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset: Any = super().get_queryset(request)
        return queryset.with_counts()

    def history_of(self, row: Any) -> QuerySet[Any]:
        """And about all that the group has had."""
        return history.of_group(row.pk)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Where a reseller is to be chosen, none but resellers."""
        if request.GET.get("field_name") == "reseller":
            queryset = queryset.filter(group_type=GroupType.RESELLER)
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="locations")
    def locations(self, group: Any) -> SafeString:
        return link_to_rows(group, "locations", group.location_count)

    @admin.display(description="devices")
    def devices(self, group: Any) -> SafeString:
        return link_to_rows(group, "devices", group.device_count)


# --- Users ------------------------------------------------------------------------------------------------------


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


class UserForm(UserChangeForm):
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

    def save(self, commit: bool = True) -> Any:
        user: Any = super().save(commit=False)
        with transaction.atomic():
            user.save(update_fields=["password"])
            unblock([user.pk])
            user.end_tokens()
        return user


class BlockedFilter(admin.SimpleListFilter):
    """Who cannot log in at the moment because of too many failures."""

    title = "blocked"
    parameter_name = "blocked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Blocked now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(user_block_time__gt=block_horizon()) if self.value() == "yes" else queryset


PERSON = ("first_name", "last_name", "email", "phone1", "phone2", "description")
FIRST = 20  # names of what is selected, on a page that asks for confirmation
STAFF = ("is_staff", "is_superuser", "groups", "user_permissions")
ENDS_TOKENS = {"group", "permission_level", "is_active", "is_staff", "is_superuser"}


@admin.register(User)
class UserAdmin(ExportAdmin, TableAdmin, auth_admin.UserAdmin):  # type: ignore[type-arg]
    """Tenants' users, support staff and platform operators.

    Whoever is no platform operator may not make staff, nor change those who are: it would be a way to more rights.
    """

    resource = UserResource
    export_related = ("group__reseller",)
    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    fieldsets = (
        (None, {"fields": ("login", "password", "is_active", "force_change_password")}),
        ("Tenant", {"fields": ("group", "permission_level")}),
        ("Person", {"fields": PERSON}),
        ("Logins", {"fields": ("last_login", "last_login_status", "fail_login_attempts", "blocked_since")}),
        ("Platform", {"fields": STAFF, "classes": ("collapse",)}),
    )
    add_fieldsets = (
        (None, {"fields": ("login", "password1", "password2", "force_change_password")}),
        ("Tenant", {"fields": ("group", "permission_level")}),
        ("Person", {"fields": PERSON}),
    )
    fixed_fields = ("login",)
    readonly_fields = ("last_login", "last_login_status", "fail_login_attempts", "blocked_since")
    list_display = (
        "login",
        "group",
        "permission_level",
        "is_active",
        "is_staff",
        "last_login",
        "last_login_status",
        "fail_login_attempts",
        "blocked_since",
    )
    list_filter = (
        BlockedFilter,
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
    actions = ("unblock", "force_password_change", "end_tokens")
    row_actions = actions

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing of the password is shown to those who cannot give a new one."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return readonly if request.user.is_superuser else (*readonly, *STAFF)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes their own user."""
        allowed = super().has_delete_permission(request, obj) and _within_reach(request, obj)
        return allowed and obj != request.user

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Tokens tell of the rights that a user had; the caller's transaction ends them with the change."""
        super().save_model(request, obj, form, change)
        if ENDS_TOKENS.intersection(form.changed_data):
            obj.end_tokens()

    @admin.display(description="blocked since")
    def blocked_since(self, user: Any) -> str:
        since = user.blocked_since
        return date_format(since, "DATETIME_FORMAT") if since else "-"

    def may_act_on(self, request: HttpRequest, row: Any) -> bool:
        return _within_reach(request, row)

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
        }
        return TemplateResponse(request, "desk/end_tokens.html", context)

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        act: Callable[[Collection[int]], None],
        done: str,
    ) -> None:
        """Act on those within reach, in one transaction and with statements that do not count them."""
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
    """Whether this user may be changed by somebody who has the permission to change users."""
    return request.user.is_superuser or not (user and (user.is_staff or user.is_superuser))


def _reachable(request: HttpRequest, users: QuerySet[Any]) -> QuerySet[Any]:
    """Those that are `_within_reach`."""
    return users if request.user.is_superuser else users.filter(is_staff=False, is_superuser=False)


# --- Staff roles ------------------------------------------------------------------------------------------------

admin.site.unregister(Role)


@admin.register(Role)
class RoleAdmin(TableAdmin, auth_admin.GroupAdmin):
    """What support staff may do, role by role. Only platform operators say so: else it gives more rights."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
