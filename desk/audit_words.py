"""Entries of the audit log in words: names instead of ids, MACs with colons, attributes as the forms call them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group as Role
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from accounts.models import Group
from audit.models import PASSWORD, Entry, Event
from devices import mac
from devices.models import Device

# Events that do not say by themselves to what they happened.
_OF_ANY = (Event.CREATED, Event.CHANGED, Event.DELETED)
Names = dict[tuple[type[Model], int], str]


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in words."""

    time: datetime
    who: str
    where: str
    title: str  # what happened to what
    what: str  # the title, and what it changed


def lines(entries: Iterable[Entry]) -> list[Line]:
    """What a person reads of these entries; the number of statements does not depend on theirs."""
    rows = list(entries)
    names = _names_in(rows)
    return [_line(entry, names) for entry in rows]


def _line(entry: Entry, names: Names) -> Line:
    who = entry.actor_login or ("no user: the login failed" if entry.event == Event.LOGIN_FAILED else "unknown")
    where = f"{entry.source}, {entry.remote_addr}" if entry.remote_addr else entry.source
    title = _title(entry, names)
    changes = [_change(_field(entry, name), name, pair, names) for name, pair in (entry.changes or {}).items()]
    what = f"{title}: {', '.join(changes)}" if changes else title
    if reason := (entry.additional_data or {}).get("reason"):
        what = f"{what}. Reason: {reason}"
    return Line(entry.timestamp, who, where, title, what)


def _title(entry: Entry, names: Names) -> str:
    text = Event(entry.event).label.capitalize()
    parts = (entry.additional_data or {}).get("parts")
    if parts is not None:
        text += " (" + ", ".join(f"{part['count']:,} {part['done'].lower()}" for part in parts) + ")"
        if entry.event == Event.DEVICES_MOVED:
            text += f" to {_name(Group, entry.other_group_id, names)}"
    elif entry.object_repr:
        model = _model(entry)
        if entry.event in _OF_ANY and model:
            text += f" {'staff role' if model is Role else model._meta.verbose_name}"
        text += f" {mac.display(entry.object_repr) if model is Device else entry.object_repr}"
    return text


def _change(field: Any, name: str, pair: list[Any], names: Names) -> str:
    if name == PASSWORD:
        return "password"  # its values are hidden
    label = str(field.verbose_name) if field else name.replace("_", " ")
    label = label if label[:2].isupper() else label[0].lower() + label[1:]
    old, new = (_value(field, value, names) for value in pair)
    return f"{label} {old} → {new}"


def _value(field: Any, value: Any, names: Names) -> str:
    if value in (None, "", []):
        return "nothing"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    if field is None:
        return str(value)
    if field.is_relation:
        return _name(field.related_model, value, names)
    if field.model is Device and field.name == "mac":
        return mac.display(str(value))
    return str(dict(field.flatchoices).get(value, value))


def _name(model: type[Model], pk: Any, names: Names) -> str:
    return names.get((model, int(pk)), f"a {model._meta.verbose_name} that was deleted") if pk else "nothing"


def _model(entry: Entry) -> type[Model] | None:
    return ContentType.objects.get_for_id(entry.content_type_id).model_class()


def _field(entry: Entry, name: str) -> Any:
    model = _model(entry)
    try:
        return model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None


def _names_in(entries: Collection[Entry]) -> Names:
    """The names of all rows whose ids the entries hold."""
    ids: dict[Any, set[int]] = {}
    for entry in entries:
        if entry.other_group_id:
            ids.setdefault(Group, set()).add(entry.other_group_id)
        for name, pair in (entry.changes or {}).items():
            field = _field(entry, name)
            if field is not None and field.is_relation and not field.many_to_many:
                ids.setdefault(field.related_model, set()).update(int(value) for value in pair if value)
    found = {model: model._base_manager.in_bulk(some) for model, some in ids.items()}
    return {(model, pk): str(row) for model, rows in found.items() for pk, row in rows.items()}
