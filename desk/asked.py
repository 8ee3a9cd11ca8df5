"""What a phone asked for, in words: where in its request the MAC stood, and as which maker's phones ask."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from boot.shapes import Kind

WORDS = {
    Kind.BARE: "MAC alone",
    Kind.FILE: "MAC in the file's name",
    Kind.DIRECTORY: "MAC as a directory",
    Kind.QUERY: "MAC in the query",
    Kind.COMMON: "MAC in the User-Agent",
}


def kind_in_words(kind: str | None) -> str:
    """Where the MAC stood in a request of this kind; "-" for a request that is older than kinds."""
    return WORDS[Kind(kind)] if kind else "-"


class KindFilter(admin.SimpleListFilter):
    """Where in the request the MAC stood."""

    title = "kind"
    parameter_name = "kind__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, words) for kind, words in WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset
