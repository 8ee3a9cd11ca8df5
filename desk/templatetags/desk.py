"""The heading of every page of the admin: where it stands, in the words of the menu."""

from typing import Any

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.text import capfirst

from desk import asked, filters, seen
from desk.menu import PAGES

register = template.Library()


@register.inclusion_tag("desk/crumbs.html", takes_context=True)
def crumbs(context: Context) -> dict[str, Any]:
    """The list and the row that a page belongs to, each with its link; else the title of the page."""
    options, row = context.get("opts"), context.get("original") or context.get("object")
    if options is None:
        return {"parts": [{"title": context.get("title") or ""}]}
    page = f"admin:{options.app_label}_{options.model_name}"
    names = {address: name for _, pages in PAGES for name, _, address, _ in pages}
    name = names.get(f"{page}_changelist", capfirst(options.verbose_name_plural))
    parts = [{"title": name, "link": reverse(f"{page}_changelist")}]
    if row is not None and not isinstance(row, str):
        parts.append({"title": name_of(row), "link": reverse(f"{page}_change", args=[row.pk])})
    return {"parts": parts}


def name_of(row: Any) -> str:
    """How pages call a row: a device by its MAC with colons, others as they call themselves."""
    return str(getattr(row, "spelled", row))


@register.filter
def kind_in_words(kind: str | None) -> str:
    """Where the MAC stood in a request of this kind."""
    return asked.kind_in_words(kind)


@register.simple_tag
def active_filters(changelist: Any) -> list[filters.Active]:
    """What a list is narrowed by."""
    return filters.active(changelist)


@register.simple_tag
def seen_of(rows: Any) -> str:
    """The token of these rows, for an input named `_seen`."""
    return seen.token_of(rows)
