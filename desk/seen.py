"""What a page showed of its rows, so that another user's change in the meantime is noticed and not overwritten.

A page carries the values in a signed token; counters and times of logins and boots are no changes.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from django.core import signing
from django.db.models import Model, prefetch_related_objects
from django.utils.crypto import salted_hmac

from audit.tracking import ATTRIBUTES

NAME = "_seen"  # of the hidden input
MOST = 200  # as many as one page of a list may show
_SALT = "desk.seen"


def token_of(rows: Iterable[Model]) -> str:
    """The values of rows of one table as they are now, for a page that shows them; of the first `MOST` of many."""
    return signing.dumps(_values(list(islice(rows, MOST))), salt=_SALT, compress=True)


def changes_since(rows: Iterable[Model], token: str) -> list[str]:
    """What another user has changed since the page with this token: a sentence for each attribute.

    Only rows that the page showed are compared. Where it showed several, a sentence begins with the row's name.
    """
    try:
        seen = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return ["The page was not complete when it was sent."]
    shown = [row for row in rows if str(row.pk) in seen]
    now = _values(shown)
    told = []
    for row in shown:
        before, after = seen[str(row.pk)], now[str(row.pk)]
        changed = [field for field in _fields(row) if before.get(field.name) != after[field.name]]
        name = f"{getattr(row, 'spelled', row)}: " if len(seen) > 1 else ""
        told += [name + _sentence(field, before.get(field.name), after[field.name]) for field in changed]
    return told


def _fields(row: Model) -> list[Any]:
    options = row._meta
    return [options.get_field(name) for name in ATTRIBUTES.get(type(row), ())] + list(options.many_to_many)


def _values(rows: list[Model]) -> dict[str, dict[str, Any]]:
    if rows:
        prefetch_related_objects(rows, *(field.name for field in rows[0]._meta.many_to_many))
    return {str(row.pk): {field.name: _value(field, row) for field in _fields(row)} for row in rows}


def _value(field: Any, row: Model) -> Any:
    value = field.value_from_object(row)
    if field.many_to_many:
        return sorted(related.pk for related in value)
    if field.name == "password":
        return salted_hmac(_SALT, value).hexdigest()[:16]
    return value.isoformat() if isinstance(value, datetime) else value


def _sentence(field: Any, seen: Any, now: Any) -> str:
    label = str(field.verbose_name)
    label = label[0].upper() + label[1:]
    if field.name == "password":
        return f"{label}: changed."
    return f"{label}: it was {_in_words(field, seen)}, and is now {_in_words(field, now)}."


def _in_words(field: Any, value: Any) -> str:
    if value in (None, "", []):
        return "empty"
    if field.is_relation:
        ids = value if isinstance(value, list) else [value]
        rows = field.related_model._base_manager.filter(pk__in=ids)
        return ", ".join(f"“{row}”" for row in rows) or "a row that was deleted"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"“{dict(field.flatchoices).get(value, value)}”"
