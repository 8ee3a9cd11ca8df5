"""`page` and `limit`: one page of a list in its envelope. Source: manual chapter 6; contract section 5.

Logs grow at their front while they are read; `before` bounds them, beyond the manual.
"""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from api import filter_grammar, values
from redirect.errors import bad_request

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
SORTED_AT_ONCE = 10_000

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
NEWEST_FIRST = "-time"  # the `sort` that logs have by themselves
BEFORE_PATTERN = f"^{filter_grammar.DATE_PATTERN}(/{_ID.pattern})?$"
BEFORE_PROBLEM = "before must be a time such as 2019-04-28T18:16:04+0000, with or without / and an id behind it."


class Pages(serializers.Serializer[Any]):
    """Which page of how many this is. Source: manual chapter 6."""

    total = serializers.IntegerField()
    totalElements = serializers.IntegerField()
    size = serializers.IntegerField()
    current = serializers.IntegerField()


class LogPages(Pages):
    """Which page of how many this is, and where to go on."""

    next = serializers.CharField(
        allow_null=True,
        help_text="The address of the page behind this one, which shows no row again and leaves none out that was "
        "there, whatever is added meanwhile. Null on the last page, and where `sort` asks for another order.",
    )


class PagePagination(BasePagination):
    """`{name: [...], "pages": {...}}`, or 204 where there is nothing to show."""

    name: ClassVar[str]
    pages: ClassVar[type[Pages]] = Pages

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:  # type: ignore[override]
        """The rows of the page. `queryset` has a total order, so that pages never repeat or skip a row.

        Where `view.by_values` is set, they are what its serializer would show, else models.
        `view.rows` are those before any filter: what is shown of the page is read through them.
        `view.count` counts, and `view.skip` may know what need not be walked over.
        """
        self.number = _whole_number("page", view.query.get("page"), 1)
        self.size = min(_whole_number("limit", view.query.get("limit"), DEFAULT_LIMIT), MAX_LIMIT)
        ordering, rows = queryset.query.order_by, queryset.order_by()
        self.total, start = view.count(rows), (self.number - 1) * self.size
        if start >= self.total:
            return []
        if not queryset.query.select_related:
            return list(queryset[start : start + self.size])
        if self.total <= SORTED_AT_ONCE:
            # Else PostgreSQL may walk an index in the order of the list until it has met enough of few rows.
            rows = view.rows.filter(pk__in=rows.values("pk")[:SORTED_AT_ONCE])
        else:
            rows, start = view.skip(rows, start)
        # The page is cut before related rows are joined: a deep one would join all that stand before it.
        ids = list(rows.order_by(*ordering).values_list("pk", flat=True)[start : start + self.size])
        if view.by_values:
            return values.shown(view.serializer_class, view.rows, ids)
        by_id = view.rows.in_bulk(ids)
        return [by_id[id] for id in ids if id in by_id]

    def get_paginated_response(self, data: Any) -> Response:
        if not data:
            return Response(status=204)
        return Response({self.name: data, "pages": self.shown_pages()})

    def shown_pages(self) -> dict[str, Any]:
        """What `pages` says."""
        return {
            "total": -(-self.total // self.size),
            "totalElements": self.total,
            "size": self.size,
            "current": self.number,
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = f"The number of rows on a page; more than {MAX_LIMIT:,} is served as {MAX_LIMIT:,}."
        return [_parameter("page", 1, "The number of the page."), _parameter("limit", DEFAULT_LIMIT, limit)]


class LogPagination(PagePagination):
    """Pages of a log, newest first by the view's `ordering`, a time and the id.

    `before` bounds it: it shows what stands behind a time, or behind one row of that time. So the rows that come
    in meanwhile move nothing from one page to the next.
    """

    pages = LogPages
    next: str | None = None

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:  # type: ignore[override]
        column = view.ordering[0].removeprefix("-")
        if (bound := view.query.get("before")) is not None:
            queryset = queryset.filter(_behind(column, bound))
        rows = super().paginate_queryset(queryset, request, view)
        newest_first = view.query.get("sort", NEWEST_FIRST) == NEWEST_FIRST
        if rows and newest_first and self.number * self.size < self.total:
            query = request.query_params.copy()
            query.pop("page", None)
            query["before"] = _point(getattr(rows[-1], column), rows[-1].pk)
            self.next = f"{request.path}?{query.urlencode(safe='/:')}"
        return rows

    def shown_pages(self) -> dict[str, Any]:
        return super().shown_pages() | {"next": self.next}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        before = {
            "name": "before",
            "in": "query",
            "schema": {"type": "string", "pattern": BEFORE_PATTERN},
            "description": "Only rows that are older than this time; with `/` and an id, also those of the same "
            "time that stand behind the row of this id. `pages.next` has it for the page behind this one.",
            "examples": {
                "Example1": {"value": "2026-01-01T00:00:00Z"},
                "Example2": {"value": "2019-04-28T18:16:04+0000/17"},
            },
        }
        return [before, *super().get_schema_operation_parameters(view)]


def pages_of(name: str, base: type[PagePagination] = PagePagination) -> type[PagePagination]:
    """The paginator of a list that stands under this name in its envelope."""
    return type(f"{name.title()}Page", (base,), {"name": name})


def _point(moment: datetime, id: int) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") + f"/{id}"


def _behind(column: str, text: str) -> Q:
    """The rows behind a point of a log; raises ApiError 400."""
    time, slash, id = text.partition("/")
    try:
        moment = filter_grammar.parse_datetime(filter_grammar.Value(time, True, 1))
    except filter_grammar.FilterError as error:
        raise bad_request(BEFORE_PROBLEM) from error
    older = Q(**{f"{column}__lt": moment})
    if slash:
        if not _ID.fullmatch(id):
            raise bad_request(BEFORE_PROBLEM)
        # The time alone once more, as an index cannot be walked by an OR.
        older = Q(**{f"{column}__lte": moment}) & (older | Q(id__lt=int(id)))
    return older


def _whole_number(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise bad_request(f"{name} must be a whole number from 1, of at most 9 digits.")
    return int(text)


def _parameter(name: str, default: int, description: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": default}
    return {"name": name, "in": "query", "schema": schema, "description": description}
