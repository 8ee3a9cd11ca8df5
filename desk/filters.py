"""Filters of lists: rows of one group, looked for by its name, and what is active, each to be taken away alone."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from accounts.models import Group
from desk.ids import RowField, is_id
from devices.models import Device


class GroupFilter(admin.SimpleListFilter):
    """Rows of one group. There may be ten thousand groups: one is looked for by its name, none is listed."""

    title = "group"
    parameter_name = "group__id__exact"
    template = "desk/group_filter.html"
    relation: Any = Device._meta.get_field("group")  # where the field asks for names
    media = AutocompleteSelect(relation, admin.site).media
    column = "group_id"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.may_search = request.user.has_perm("accounts.view_group")
        super().__init__(request, *args)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The one choice: the form, its field, and what else is in the query string."""
        widget = AutocompleteSelect(
            self.relation, admin.site, attrs={"data-width": "100%", "aria-label": f"By {self.title}"}
        )
        field = RowField(Group.objects.all(), required=False, widget=widget)
        chosen = self.value() if is_id(self.value() or "") else None
        others = changelist.get_query_string(remove=[self.parameter_name])
        yield {
            "selected": bool(self.value()),
            "display": self._name(),
            "query_string": others,
            "field": field.widget.render(self.parameter_name, chosen, {"id": f"filter-{self.title}"}),
            "kept": [pair for pair in changelist.params.items() if pair[0] != self.parameter_name],
        }

    def _name(self) -> str:
        chosen = self.value() or ""
        group = Group.objects.filter(pk=int(chosen)).first() if is_id(chosen) else None
        return group.full_name if group else "a group that was deleted"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        return self.rows_of(int(chosen), queryset) if is_id(chosen) else queryset.none()

    def rows_of(self, group: int, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the group with this id."""
        return queryset.filter(**{self.column: group})


class ResellerFilter(GroupFilter):
    """The providers of one reseller."""

    title = "reseller"
    parameter_name = "reseller__id__exact"
    relation: Any = Group._meta.get_field("reseller")
    column = "reseller_id"


class HasDevicesFilter(admin.SimpleListFilter):
    """Groups that have devices, or have none."""

    title = "devices"
    parameter_name = "has_devices"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Has devices"), ("no", "Has none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        has_devices = Exists(Device.objects.filter(group=OuterRef("pk")))
        match self.value():
            case "yes":
                return queryset.filter(has_devices)
            case "no":
                return queryset.filter(~has_devices)
        return queryset


@dataclass(frozen=True, slots=True)
class Active:
    """A filter that is active, in words, and the query string of the list without it."""

    text: str
    without: str


def active(changelist: Any) -> list[Active]:
    """What a list is narrowed by: its search and its filters, in the order of the page."""
    found = []
    if changelist.query:
        found.append(Active(f"Search: {changelist.query}", changelist.get_query_string(remove=[SEARCH_VAR])))
    known: set[str] = set()
    for spec in changelist.filter_specs:
        names = spec.expected_parameters()
        known.update(names)
        if any(spec.used_parameters.get(name) not in (None, "") for name in names):
            found.append(
                Active(f"{capfirst(spec.title)}: {_chosen(spec, changelist)}", _without(changelist, names))
            )
    for name, values in changelist.get_filters_params().items():
        if name not in known:
            found.append(Active(_in_words(changelist, name, values[-1]), _without(changelist, [name])))
    return found


def _without(changelist: Any, names: list[str]) -> str:
    # By whole names: Django's own way takes away all that begin with one.
    query = changelist.get_query_string({name: None for name in names if name in changelist.params})
    return str(query)


_BOUNDS = {"gte": "since", "lt": "before"}


def _chosen(spec: Any, changelist: Any) -> str:
    if shown := getattr(spec, "shown", None):
        return str(shown)
    chosen = [str(choice["display"]) for choice in spec.choices(changelist) if choice["selected"]]
    if chosen:
        return chosen[0]
    bounds = []
    for name, value in spec.used_parameters.items():
        text = str(value[-1] if isinstance(value, list) else value)
        with suppress(ValueError):
            text = f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
        bounds.append(f"{_BOUNDS.get(name.rpartition('__')[2], '')} {text}".strip())
    return ", ".join(bounds)


def _in_words(changelist: Any, name: str, value: str) -> str:
    """A condition that came with a link, such as location__id__exact."""
    field = changelist.model._meta.get_field(name.split("__")[0])
    if not field.is_relation:
        return f"{capfirst(field.verbose_name)}: {value}"
    row = field.related_model._base_manager.filter(pk=value).first() if is_id(value) else None
    return f"{capfirst(field.verbose_name)}: {row or 'a row that was deleted'}"
