"""`page` and `limit`: one page of a list in its envelope. Source: manual chapter 6; contract section 5."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from redirect.errors import bad_request

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
SORTED_AT_ONCE = 10_000


class Pages(serializers.Serializer[Any]):
    """Which page of how many this is. Source: manual chapter 6."""

    total = serializers.IntegerField()
    totalElements = serializers.IntegerField()
    size = serializers.IntegerField()
    current = serializers.IntegerField()


class PagePagination(BasePagination):
    """`{name: [...], "pages": {...}}`, or 204 where there is nothing to show."""

    name: ClassVar[str]

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:  # type: ignore[override]
        """The rows of the page. `queryset` has a total order, so that pages never repeat or skip a row.

        `view.rows` are those before any filter: what is shown of the page is read through them.
        """
        self.number = _whole_number("page", view.query.get("page"), 1)
        self.size = min(_whole_number("limit", view.query.get("limit"), DEFAULT_LIMIT), MAX_LIMIT)
        ordering, rows = queryset.query.order_by, queryset.order_by()
        self.total, start = rows.count(), (self.number - 1) * self.size
        if start >= self.total:
            return []
        if not queryset.query.select_related:
            return list(queryset[start : start + self.size])
        if self.total <= SORTED_AT_ONCE:
            # Else PostgreSQL may walk an index in the order of the list until it has met enough of few rows.
            rows = view.rows.filter(pk__in=rows.values("pk")[:SORTED_AT_ONCE])
        # The page is cut before related rows are joined: a deep one would join all that stand before it.
        ids = list(rows.order_by(*ordering).values_list("pk", flat=True)[start : start + self.size])
        by_id = view.rows.in_bulk(ids)
        return [by_id[id] for id in ids if id in by_id]

    def get_paginated_response(self, data: Any) -> Response:
        if not data:
            return Response(status=204)
        pages = {
            "total": -(-self.total // self.size),
            "totalElements": self.total,
            "size": self.size,
            "current": self.number,
        }
        return Response({self.name: data, "pages": pages})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = f"The number of rows on a page; more than {MAX_LIMIT:,} is served as {MAX_LIMIT:,}."
        return [_parameter("page", 1, "The number of the page."), _parameter("limit", DEFAULT_LIMIT, limit)]


def pages_of(name: str) -> type[PagePagination]:
    """The paginator of a list that stands under this name in its envelope."""
    return type(f"{name.title()}Page", (PagePagination,), {"name": name})


def _whole_number(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise bad_request(f"{name} must be a whole number from 1, of at most 9 digits.")
    return int(text)


def _parameter(name: str, default: int, description: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": default}
    return {"name": name, "in": "query", "schema": schema, "description": description}
