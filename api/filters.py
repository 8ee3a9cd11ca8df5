"""`filter` and `sort`: clauses of the filter grammar -> conditions and an order, by what a resource declares.

Source: manual chapters 4 and 5; contract section 5.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import F, OrderBy, Q, QuerySet, Value
from django.db.models.functions import NullIf
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from api import filter_grammar
from api.fields import CONTROLS
from api.filter_grammar import Clause, FilterError
from redirect.errors import bad_request

EQUALITY = ("=", "!=")
ORDER = ("<", ">", "<=", ">=")
CONTAINS = ("~", "!~")
OPPOSITE = {"!=": "=", "!~": "~"}
LOOKUPS = {"=": "exact", "<": "lt", ">": "gt", "<=": "lte", ">=": "gte", "~": "icontains"}

QUOTED = rf"'([^'{CONTROLS}]|'')*'"  # how a string stands in a filter


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


class ClauseFilter(django_filters.Filter):  # type: ignore[misc]
    """One name that a filter may use: the operators that make sense for it, and what a clause on it means.

    `column` is its path in the ORM; `optional` says that it may be empty (NULL, or '' for text); `sortable`
    that `sort` knows it. `kind` and `pattern` tell its values in the document.
    """

    field_class = ClausesField
    kind: ClassVar[str]
    pattern: ClassVar[str]
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


class Number(ClauseFilter):
    """A whole number, bare or in quotes."""

    kind, pattern = "number", "(-?[0-9]{1,19}|'(-?[0-9]{1,19})?')"
    operators: tuple[str, ...] = EQUALITY + ORDER

    def parse(self, value: filter_grammar.Value) -> int:
        return filter_grammar.parse_integer(value)


class Date(ClauseFilter):
    """A point in time."""

    kind, pattern = "date", f"'({filter_grammar.DATE_PATTERN})?'"
    operators: tuple[str, ...] = EQUALITY + ORDER

    def parse(self, value: filter_grammar.Value) -> Any:
        return filter_grammar.parse_datetime(value)


class Flag(ClauseFilter):
    """true or false."""

    kind, pattern = "boolean", "(true|false)"
    operators: tuple[str, ...] = EQUALITY

    def parse(self, value: filter_grammar.Value) -> bool:
        return filter_grammar.parse_boolean(value)


class Text(ClauseFilter):
    """A string: equal to the letter, or contained in any case."""

    kind, pattern = "string", QUOTED
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


class Address(Text):
    """An IP address, compared as text: PostgreSQL would not take what is none for its own type."""

    lookups: ClassVar = LOOKUPS | {"=": "iexact"}

    def is_empty(self) -> Q:
        return Q(**{f"{self.field_name}__isnull": True})

    def sort_expression(self) -> Any:
        return F(self.field_name)


class Search(Text):
    """`search`: contains, over all that the manual lists for the resource.

    `matching(user, term)` gives the condition; it must not look at rows outside the user's scope. `attributes`
    names in the document what it looks at.
    """

    operators: tuple[str, ...] = CONTAINS

    def __init__(self, matching: Callable[[Any, str], Q], attributes: str) -> None:
        super().__init__(sortable=False)
        self.matching = matching
        self.attributes = attributes

    def matches(self, operator: str, value: filter_grammar.Value) -> Q:
        term = self.parse(value)
        return self.matching(self.parent.request.user, term) if term else ~Q(pk__in=())


class ClauseFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """The attributes that a resource's lists can be filtered and sorted by, each a `ClauseFilter`.

    `examples` are filters for the document.
    """

    examples: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def attribute(cls, name: str) -> ClauseFilter | None:
        """The attribute of this name on the wire."""
        found: ClauseFilter | None = cls.base_filters.get(name)
        return found


class ClauseFilterBackend(BaseFilterBackend):
    """`filter`, by the view's `filterset_class`; raises ApiError 400 for what this does not know."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filters: type[ClauseFilterSet] = view.filterset_class
        clauses = _clauses(view.query.get("filter"), filters)
        filterset = filters(data=clauses, queryset=queryset, request=request)
        if not filterset.is_valid():
            raise bad_request(f"filter: {next(iter(filterset.errors.values()))[0]}")
        filtered: QuerySet[Any] = filterset.qs
        return filtered

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        known: dict[str, ClauseFilter] = view.filterset_class.base_filters
        operators = {name: " ".join(f"`{o}`" for o in attribute.operators) for name, attribute in known.items()}
        rows = "\n".join(f"| `{name}` | {known[name].kind} | {operators[name]} |" for name in known)
        search = known.get("search")
        looks_at = f"\n\n`search` looks at {search.attributes}." if isinstance(search, Search) else ""
        description = (
            "Terms joined by `,` that must all hold; alternatives within one are joined by `;`. The grammar is "
            f"described at the top.\n\n| field | type | operators |\n|---|---|---|\n{rows}{looks_at}"
        )
        schema = {"minLength": 1, "maxLength": filter_grammar.MAX_CHARACTERS, "pattern": _filter_pattern(known)}
        return [_query_parameter("filter", schema, description, *view.filterset_class.examples)]


class SortBackend(BaseFilterBackend):
    """`sort`, by the view's `filterset_class`; behind it the view's `ordering`, so that the order is total."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        return queryset.order_by(*_ordering(view.query.get("sort"), view.filterset_class), *view.ordering)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        sortable = [name for name, known in view.filterset_class.base_filters.items() if known.sortable]
        schema = {"pattern": _joined(rf"-?({'|'.join(sortable)})")}
        description = "Attributes joined by `,`, each with `-` before it for descending order."
        first, second = sortable[:2]
        return [_query_parameter("sort", schema, description, f"-{first}", f"{second},-{first}")]


def _clauses(text: str | None, filters: type[ClauseFilterSet]) -> dict[str, list[Clause]]:
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


def _ordering(text: str | None, filters: type[ClauseFilterSet]) -> tuple[OrderBy, ...]:
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


def _query_parameter(name: str, schema: dict[str, Any], description: str, *examples: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "schema": {"type": "string"} | schema,
        "description": description,
        "examples": {f"Example{number}": {"value": text} for number, text in enumerate(examples, 1)},
    }


def _filter_pattern(known: Mapping[str, ClauseFilter]) -> str:
    """The grammar for these fields, without what dates hold and whether both parentheses stand there."""
    terms: dict[tuple[str, str], list[str]] = {}
    for name, attribute in known.items():
        terms.setdefault((f"({'|'.join(attribute.operators)})", attribute.pattern), []).append(name)
    term = "|".join(
        f"({'|'.join(names)}) *{operators} *{value}( *; *{value})*" for (operators, value), names in terms.items()
    )
    return _joined(f"({term})", before=r"\(?", after=r"\)?")


def _joined(part: str, before: str = "", after: str = "") -> str:
    return f"^ *{before} *{part}( *, *{part})* *{after} *$"
