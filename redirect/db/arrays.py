"""A list of any length as one parameter of a statement: an array on PostgreSQL, a JSON text on SQLite.

So the number of statements never depends on the length of a list, and no limit on parameters is met.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Literal

from django.db import connection
from django.db.models.expressions import RawSQL

Kind = Literal["text", "bigint"]


def ids(values: Collection[int]) -> RawSQL | list[int]:
    """For `column__in=` in a condition that an index shall serve: PostgreSQL must see the ids when it plans."""
    return list(values) if connection.vendor == "postgresql" else integers(values)


def texts(values: Collection[str]) -> RawSQL:
    """For `column__in=`: a subquery that yields the strings."""
    return _elements(values, "text")


def integers(values: Collection[int]) -> RawSQL:
    """For `column__in=`: a subquery that yields the numbers."""
    return _elements(values, "bigint")


def table_of(values: Collection[Any], kind: Kind) -> tuple[str, Any]:
    """For FROM: a table with the column `value`, and its one parameter."""
    if connection.vendor == "postgresql":
        return f"unnest(%s::{kind}[]) AS listed(value)", _array(list(values), kind)
    return "json_each(%s)", json.dumps(list(values))


def literal(values: Collection[str | int | None]) -> str:
    """A PostgreSQL array as text, for `%s::text[]` or `%s::boolean[]`; strings must be of printable characters.

    Some fifteen times as fast as psycopg makes it of a list. JSON escapes nothing in them but quotation marks and
    backslashes, and that as PostgreSQL does; its null is NULL. Source: PostgreSQL documentation, 8.15.2.
    """
    return "{" + json.dumps(list(values), ensure_ascii=False)[1:-1] + "}"


def _array(values: list[Any], kind: Kind) -> Any:
    """The values as a literal, or as psycopg makes one where a text has a line break or the like."""
    printable = kind == "bigint" or "".join(filter(None, values)).isprintable()
    return literal(values) if printable else values


def table_of_rows(columns: dict[str, Kind], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """For FROM: a table `listed` with these columns, and its parameters. NULL is None."""
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        lists = [_array([row[place] for row in rows], kind) for place, kind in enumerate(columns.values())]
        return f"unnest({arrays}) AS listed({', '.join(columns)})", lists
    cells = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
    return f"(SELECT {cells} FROM json_each(%s)) AS listed", [json.dumps(rows)]  # noqa: S608 - names, no value


def _elements(values: Collection[Any], kind: Kind) -> RawSQL:
    source, parameter = table_of(values, kind)
    return RawSQL(f"SELECT value FROM {source}", [parameter])  # noqa: S608, S611 - a table's name, no value
