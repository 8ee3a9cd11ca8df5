"""The lists of views that have not moved to generics.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from django.db.models import Model, OrderBy, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from api.filter_grammar import Clause
from api.filters import ClauseFilterSet as Filters
from api.filters import _clauses, _ordering
from api.pagination import DEFAULT_LIMIT, MAX_LIMIT, SORTED_AT_ONCE
from api.pagination import _whole_number as _number
from redirect.errors import bad_request

LIST_PARAMETERS = ("filter", "sort", "depth", "page", "limit")


@dataclass(frozen=True)
class ListQuery:
    """What the query string of a list asks for; `read` raises ApiError 400 for anything it does not know."""

    request: Request
    filters: type[Filters]
    clauses: dict[str, list[Clause]] = field(default_factory=dict)
    ordering: tuple[OrderBy, ...] = ()
    depth: int = 1
    page: int = 1
    limit: int = DEFAULT_LIMIT

    @classmethod
    def read(cls, request: Request, filters: type[Filters], *known: str) -> Self:
        """What the query string asks for, of the parameters that this list knows (all of them by default)."""
        query = parameters(request, *(known or LIST_PARAMETERS))
        return cls(
            request=request,
            filters=filters,
            clauses=_clauses(query.get("filter"), filters),
            ordering=_ordering(query.get("sort"), filters),
            depth=depth_of(query),
            page=_number("page", query.get("page"), 1),
            limit=_number("limit", query.get("limit"), DEFAULT_LIMIT),
        )

    def answer(
        self,
        queryset: QuerySet[Any],
        serializer: type[BaseSerializer[Any]],
        name: str,
        *,
        order: Sequence[str] = ("id",),
    ) -> Response:
        """One page as `{name: [...], "pages": {...}}`, or 204 where there is nothing to show.

        `order` is a total order: it stands behind that of `sort`, so that pages never repeat or skip a row.
        """
        filtered = self._filtered(queryset)
        total = filtered.count()
        size = min(self.limit, MAX_LIMIT)
        start = (self.page - 1) * size
        if start >= total:
            return Response(status=204)
        ordering: tuple[Any, ...] = (*self.ordering, *order)
        rows: list[Model]
        if queryset.query.select_related:
            if total <= SORTED_AT_ONCE:
                # Else PostgreSQL may walk an index in the order of the list until it has met enough of few rows.
                filtered = queryset.filter(pk__in=filtered.order_by().values("pk")[:SORTED_AT_ONCE])
            # The page is cut before related rows are joined: a deep one would join all that stand before it.
            ids = list(filtered.order_by(*ordering).values_list("pk", flat=True)[start : start + size])
            by_id = queryset.in_bulk(ids)
            rows = [by_id[id] for id in ids if id in by_id]
        else:
            rows = list(filtered.order_by(*ordering)[start : start + size])
        pages = {
            "total": -(-total // size),
            "totalElements": total,
            "size": size,
            "current": self.page,
        }
        shown = serializer(rows, many=True, context={"user": self.request.user}).data
        return Response({name: shown, "pages": pages})

    def _filtered(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        filterset = self.filters(data=self.clauses, queryset=queryset, request=self.request)
        if not filterset.is_valid():
            raise bad_request(f"filter: {next(iter(filterset.errors.values()))[0]}")
        filtered: QuerySet[Any] = filterset.qs
        return filtered


def parameters(request: Request, *known: str) -> dict[str, str]:
    """The query string by name; raises ApiError 400 for an unknown or repeated parameter."""
    query = {}
    for name, values in request.query_params.lists():
        if name not in known:
            knows = f"known are {', '.join(known)}" if known else "none is known here"
            raise bad_request(f"Unknown query parameter '{name[:100]}': {knows}.")
        if len(values) > 1:
            raise bad_request(f"The query parameter '{name}' is given more than once.")
        query[name] = values[0]
    return query


def depth_of(query: dict[str, str]) -> int:
    """`depth`: 0 for the high-level groups alone, 1 (default) for these and their providers."""
    depth = query.get("depth", "1")
    if depth not in ("0", "1"):
        raise bad_request("depth must be 0 or 1.")
    return int(depth)
