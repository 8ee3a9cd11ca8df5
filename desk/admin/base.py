"""What the pages of all tables share.

Only Django's own permissions count here: the tenants' levels mean nothing in the admin, and the reverse.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import copy
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import PROTECT, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from audit import history
from desk import audit_words, seen
from desk.ids import RowField, is_id
from desk.templatetags.desk import name_of
from redirect.db.transactions import lost_race

Page = Callable[..., Any]

HISTORY_SHOWN = 100
CHANGES_SHOWN = 10
CHANGED = "Another user changed this after you opened the page. Save again to overwrite that change."


def or_try_again(page: Page) -> Page:
    """A form that loses against another transaction is shown again with a sentence, not answered with 500."""

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


def link_to(row: Model, text: str) -> SafeString:
    """The page of a row that a list mentions."""
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="desk-link" href="{}">{}</a>', address, text)


def link_to_rows(row: Model, relation: str, count: int) -> SafeString:
    """How many rows refer to this one, as a link to their list."""
    reverse_key: Any = row._meta.get_field(relation)
    rows = reverse_key.related_model._meta
    address = reverse(f"admin:{rows.app_label}_{rows.model_name}_changelist")
    return format_html(
        '<a href="{}?{}__id__exact={}">{}</a>', address, reverse_key.field.name, row.pk, f"{count:,}"
    )


class _Named:
    """A row that calls itself as pages call it, for the messages of Django's admin."""

    def __init__(self, row: Model) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)

    def __str__(self) -> str:
        return name_of(self._row)


class TableForm(ModelForm):  # type: ignore[type-arg]
    """The form of a row, refused if another user has changed the row since the page was opened."""

    seen = ""  # for the hidden input of the page
    changes: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.seen = seen.token_of([self.instance])
            if seen.NAME in self.data:
                self.changes = seen.changes_since([self.instance], self.data[seen.NAME])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.changes:
            self.add_error(None, [CHANGED, *self.changes])
        return cleaned


class TableAdmin(ModelAdmin):
    """A table of the service, of which there may be a million rows.

    `fixed_fields` are given when a row is created, and never again, as in the API. `row_actions` are actions of
    the list that the page of a single row offers as buttons.
    """

    names: tuple[str, str] | None = None  # where the model's own would mislead: of one row, of many
    fixed_fields: tuple[str, ...] = ()
    row_actions: tuple[str, ...] = ()
    actions_ask_first = False  # an action does nothing yet, and counts more rows than a transaction should hold
    form = TableForm
    change_list_template = "desk/change_list.html"
    delete_selected_confirmation_template = "desk/delete_selected.html"
    change_form_outer_before_template = "desk/row_actions.html"
    change_form_before_template = "desk/seen.html"
    delete_confirmation_template = "desk/delete_confirmation.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def __init__(self, model: type[Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        if self.names:
            self.opts = copy(model._meta)
            self.opts.verbose_name, self.opts.verbose_name_plural = self.names

    @property
    def media(self) -> Any:
        """With what the fields of filters need."""
        return sum((part.media for part in self.list_filter if hasattr(part, "media")), super().media)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.opts = self.opts
        changelist.title = capfirst(self.opts.verbose_name_plural)
        return changelist

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return (*readonly, *self.fixed_fields) if obj else readonly

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without read-only fields for a new row, which has no values in them yet."""
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name not in self.readonly_fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Without values in the query string that cannot be ids."""
        relations = {field.name for field in self.opts.fields if field.is_relation}
        initial = super().get_changeform_initial_data(request)
        return {name: value for name, value in initial.items() if name not in relations or is_id(str(value))}

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **({"form_class": RowField} | kwargs))

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A description may have line breaks, which a field of one line would take away."""
        if db_field.name == "description":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was changed and nothing else: phones and logins are counted while the form is open."""
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data) if change else None)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Locked when it is to be changed: what the form is compared with must stay so until it is saved."""
        if request.method == "POST" and connection.in_atomic_block and is_id(object_id):
            row = self.model._base_manager.filter(pk=object_id).select_for_update(no_key=True)
            row.values_list("pk").first()
        return super().get_object(request, object_id, from_field)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Rows that prevent a deletion are counted instead of listed: they may be a hundred thousand devices."""
        protected: list[str] = []
        if seen.NAME in request.POST:
            protected = seen.changes_since(objs, request.POST[seen.NAME])
        for relation in self.opts.related_objects:
            if getattr(relation, "on_delete", None) is PROTECT:
                rows: Any = relation.related_model
                if count := rows.objects.filter(**{f"{relation.field.name}__in": objs}).count():
                    protected.append(f"{count:,} {relation.get_accessor_name()}")
        if protected:
            return [], {}, set(), protected
        return super().get_deleted_objects(objs, request)

    def row_actions_of(self, request: HttpRequest, row: Any) -> tuple[str, ...]:
        """The actions that make sense for this row; which are offered is left to the permissions of each."""
        return self.row_actions

    def render_delete_form(self, request: HttpRequest, context: Any) -> Any:
        return super().render_delete_form(
            request, {**context, "seen": seen.token_of([context["object"]]), "name": name_of(context["object"])}
        )

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row:
            context = {**context, "subtitle": name_of(row)}
        if row:
            allowed = self.get_actions(request)
            offered = self.row_actions_of(request, row)
            buttons = [(name, allowed[name][2]) for name in offered if name in allowed]
            context = {**context, "row_actions": buttons}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Refused if another user has changed a selected row since the page that showed it was opened.

        An action started on the page of a row returns to that page.
        """
        with nullcontext() if self.actions_ask_first else transaction.atomic():
            if told := self._changed_since_shown(request):
                changes = format_html_join(" ", "<br>{}", ((change,) for change in told))
                refusal = "Another user changed this after you opened the page, and nothing was done. Look again:"
                self.message_user(request, format_html("{}{}", refusal, changes), messages.ERROR)
                response: Any = HttpResponseRedirect(request.get_full_path())
            else:
                response = super().response_action(request, *args, **kwargs)
        row = request.POST.get("row", "")
        if is_id(row) and getattr(response, "url", "") == request.get_full_path():
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row])
            )
        return response

    def _changed_since_shown(self, request: HttpRequest) -> list[str]:
        """What has changed of the selected rows since their page was opened; locks them, in a transaction."""
        if seen.NAME not in request.POST:
            return []
        selected = [pk for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)[: seen.MOST] if is_id(pk)]
        rows = self.model._base_manager.filter(pk__in=selected).order_by("pk")
        if connection.in_atomic_block:
            rows = rows.select_for_update(no_key=True)
        changes = seen.changes_since(rows, request.POST[seen.NAME])
        more = len(changes) - CHANGES_SHOWN
        return [*changes[:CHANGES_SHOWN], *([f"And {more} more."] if more > 0 else [])]

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        return super().response_add(request, _Named(obj), *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return super().response_change(request, _Named(obj))

    def log_addition(self, *what: Any) -> Any:
        """In the audit log already."""

    def log_change(self, *what: Any) -> Any:
        """In the audit log already."""

    def log_deletions(self, *what: Any) -> Any:
        """In the audit log already."""

    def history_of(self, row: Any) -> QuerySet[Any]:
        """The entries of the audit log about a row, newest first."""
        return history.of(row)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """All changes of a row, by any user and face."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not (self.has_view_permission(request, row) and request.user.has_perm("audit.view_entry")):
            raise PermissionDenied
        entries = list(self.history_of(row)[: HISTORY_SHOWN + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {name_of(row)}",
            "opts": self.opts,
            "original": row,
            "object": row,
            "lines": audit_words.lines(entries[:HISTORY_SHOWN]),
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
