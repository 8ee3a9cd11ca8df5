"""Lists: filter=, sort=, depth=, page= and limit= on a queryset, and the envelope with `pages`.

Source: manual chapters 4 to 6; contract section 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import django_filters
from django import forms
from django.db.models import F, Model, OrderBy, Q, QuerySet, Value
from django.db.models.functions import NullIf
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from api import filter_grammar
from api.filter_grammar import Clause, FilterError
from redirect.errors import bad_request

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
SORTED_AT_ONCE = 10_000
LIST_PARAMETERS = ("filter", "sort", "depth", "page", "limit")

EQUALITY = ("=", "!=")
ORDER = ("<", ">", "<=", ">=")
CONTAINS = ("~", "!~")
OPPOSITE = {"!=": "=", "!~": "~"}
LOOKUPS = {"=": "exact", "<": "lt", ">": "gt", "<=": "lte", ">=": "gte", "~": "icontains"}


class ClausesField(forms.Field):
    """The clauses that name one attribute; cleaning them yields conditions."""

    def __init__(self, *, condition: Callable[[Clause], Q], **kwargs: Any) -> None:
        self.condition = condition
        super().__init__(required=False)

    def clean(self, value: Sequence[Clause] | None) -> list[Q]:
        try:
            return [self.condition(clause) for clause in value or ()]
        except FilterError as error:
            raise forms.ValidationError(str(error)) from error


class Attribute(django_filters.Filter):  # type: ignore[misc]
    """One name that a filter may use: the operators that make sense for it, and what a clause on it means.

    `column` is its path in the ORM; `optional` says that it may be empty (NULL, or '' for text); `sortable`
    that `sort` knows it.
    """

    field_class = ClausesField
    lookups: ClassVar[Mapping[str, str]] = LOOKUPS
    operators: tuple[str, ...]

    def __init__(self, column: str = "", *, optional: bool = False, sortable: bool = True) -> None:
        super().__init__(field_name=column)
        self.extra = {"condition": self.condition}
        self.optional = optional
        self.sortable = sortable

    def filter(self, queryset: QuerySet[Any], conditions: list[Q]) -> QuerySet[Any]:
        return queryset.filter(*conditions) if conditions else queryset

    def condition(self, clause: Clause) -> Q:
        """The rows that a clause lets through; raises FilterError where it makes no sense for the attribute."""
        if clause.operator not in self.operators:
            known = " ".join(self.operators)
            raise FilterError(
                f"'{clause.field}' knows the operators {known}, not {clause.operator},", clause.position
            )
        operator = OPPOSITE.get(clause.operator, clause.operator)
        any_of = Q()
        for value in clause.values:
            any_of |= self.matches(operator, value)
        if operator == clause.operator:
            return any_of
        empty_too = self.optional and all(value.text or not value.quoted for value in clause.values)
        return ~any_of | self.is_empty() if empty_too else ~any_of

    def matches(self, operator: str, value: filter_grammar.Value) -> Q:
        """The rows that one value lets through; `operator` is never a negated one."""
        if value.quoted and not value.text and operator == "=":
            return self.is_empty()
        return Q(**{f"{self.field_name}__{self.lookups[operator]}": self.parse(value)})

    def is_empty(self) -> Q:
        """The rows in which the attribute holds nothing."""
        return Q(**{f"{self.field_name}__isnull": True})

    def parse(self, value: filter_grammar.Value) -> Any:
        """The value in the attribute's type; raises FilterError."""
        raise NotImplementedError

    def ordering(self, *, descending: bool) -> OrderBy:
        """How `sort` orders by this attribute: empty values last, either way."""
        expression = self.sort_expression() if self.optional else F(self.field_name)
        return OrderBy(expression, descending=descending, nulls_last=True if self.optional else None)

    def sort_expression(self) -> Any:
        """What stands for the attribute in ORDER BY where it may be empty."""
        return F(self.field_name)


class Number(Attribute):
    """A whole number, bare or in quotes."""

    operators: tuple[str, ...] = EQUALITY + ORDER

    def parse(self, value: filter_grammar.Value) -> int:
        return filter_grammar.parse_integer(value)


class Date(Attribute):
    """A point in time."""

    operators: tuple[str, ...] = EQUALITY + ORDER

    def parse(self, value: filter_grammar.Value) -> Any:
        return filter_grammar.parse_datetime(value)


class Flag(Attribute):
    """true or false."""

    operators: tuple[str, ...] = EQUALITY

    def parse(self, value: filter_grammar.Value) -> bool:
        return filter_grammar.parse_boolean(value)


class Text(Attribute):
    """A string: equal to the letter, or contained in any case."""

    operators: tuple[str, ...] = EQUALITY + CONTAINS

    def matches(self, operator: str, value: filter_grammar.Value) -> Q:
        if operator == "~" and value.quoted and not value.text:
            return ~Q(pk__in=())  # every text contains the empty one, also where there is none
        return super().matches(operator, value)

    def parse(self, value: filter_grammar.Value) -> str:
        if not value.quoted:
            raise FilterError("A string stands in single quotes", value.position)
        return value.text

    def is_empty(self) -> Q:
        return super().is_empty() | Q(**{self.field_name: ""})

    def sort_expression(self) -> Any:
        return NullIf(F(self.field_name), Value(""))


class Search(Text):
    """`search`: contains, over all that the manual lists for the resource.

    `matching(user, term)` gives the condition; it must not look at rows outside the user's scope.
    """

    operators: tuple[str, ...] = CONTAINS

    def __init__(self, matching: Callable[[Any, str], Q]) -> None:
        super().__init__(sortable=False)
        self.matching = matching

    def matches(self, operator: str, value: filter_grammar.Value) -> Q:
        term = self.parse(value)
        return self.matching(self.parent.request.user, term) if term else ~Q(pk__in=())


class Filters(django_filters.FilterSet):  # type: ignore[misc]
    """The attributes that a resource's lists can be filtered and sorted by, each an `Attribute`."""

    @classmethod
    def attribute(cls, name: str) -> Attribute | None:
        """The attribute of this name on the wire."""
        found: Attribute | None = cls.base_filters.get(name)
        return found


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


def _clauses(text: str | None, filters: type[Filters]) -> dict[str, list[Clause]]:
    if text is None:
        return {}
    by_field: dict[str, list[Clause]] = {}
    try:
        for clause in filter_grammar.parse(text):
            if filters.attribute(clause.field) is None:
                known = ", ".join(filters.base_filters)
                raise FilterError(f"Unknown filter field '{clause.field}' (known: {known})", clause.position)
            by_field.setdefault(clause.field, []).append(clause)
    except FilterError as error:
        raise bad_request(f"filter: {error}") from error
    return by_field


def _ordering(text: str | None, filters: type[Filters]) -> tuple[OrderBy, ...]:
    if text is None:
        return ()
    ordering = []
    for entry in text.split(","):
        name = entry.strip().removeprefix("-")
        attribute = filters.attribute(name)
        if attribute is None or not attribute.sortable:
            known = ", ".join(n for n, a in filters.base_filters.items() if a.sortable)
            raise bad_request(f"sort: unknown attribute '{name[:100]}' (known: {known}).")
        ordering.append(attribute.ordering(descending=entry.strip().startswith("-")))
    return tuple(ordering)


def _number(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise bad_request(f"{name} must be a whole number from 1, of at most 9 digits.")
    return int(text)
