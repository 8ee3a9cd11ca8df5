"""Conditions of a search over several columns and tables, in the form that PostgreSQL has indexes for."""

from collections.abc import Sequence
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from django.db.models.lookups import Contains

from redirect.db import arrays


def among(relation: str, rows: QuerySet[Any], condition: Q) -> Q:
    """The rows whose `relation` is one of those that meet the condition, which are looked up here and now.

    With a join or a subquery in an OR, PostgreSQL would use none of the indexes that serve its other branches.
    """
    found = list(rows.filter(condition).values_list("pk", flat=True))
    return Q(**{f"{relation}__in": arrays.ids(found)}) if found else Q()


def contains(term: str, *, texts: Sequence[str] = (), ids: Sequence[str] = ()) -> Q:
    """The rows in which a text holds the term in any case, or an id holds it in decimal."""
    found = Q()
    for column in texts:
        found |= Q(**{f"{column}__icontains": term})
    if term.isascii() and term.isdigit():
        for column in ids:
            found |= Q(Contains(Cast(column, CharField()), term))
    return found
