"""What a page showed of a row, so that another user's change in the meantime is noticed and not overwritten.

A page carries the values in a signed token; counters and times of logins and boots are no changes.
"""

from typing import Any

from django.core import signing
from django.db.models import Model
from django.utils.crypto import salted_hmac

from audit.tracking import ATTRIBUTES

NAME = "_seen"  # of the hidden input
_SALT = "desk.seen"


def token_of(row: Model) -> str:
    """The values of a row now, for a page that shows it."""
    return signing.dumps(_values(row), salt=_SALT, compress=True)


def changes_since(row: Model, token: str) -> list[str]:
    """What another user has changed since the page with this token: a sentence for each attribute."""
    try:
        seen = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return ["The page was not complete when it was sent."]
    now = _values(row)
    changed = [field for field in _fields(row) if seen.get(field.name) != now[field.name]]
    return [_sentence(field, seen.get(field.name), now[field.name]) for field in changed]


def _fields(row: Model) -> list[Any]:
    options = row._meta
    return [options.get_field(name) for name in ATTRIBUTES.get(type(row), ())] + list(options.many_to_many)


def _values(row: Model) -> dict[str, Any]:
    values = {}
    for field in _fields(row):
        value = field.value_from_object(row)
        if field.many_to_many:
            value = sorted(related.pk for related in value)
        elif field.name == "password":
            value = salted_hmac(_SALT, value).hexdigest()[:16]
        values[field.name] = value
    return values


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
