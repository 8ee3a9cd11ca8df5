"""Entries of the audit log in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import Entry, Event


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in words."""

    time: datetime
    who: str
    where: str
    what: str


def line(entry: Entry) -> Line:
    """What a person reads of an entry."""
    who = entry.actor_login or ("no user: the login failed" if entry.event == Event.LOGIN_FAILED else "unknown")
    where = f"{entry.source}, {entry.remote_addr}" if entry.remote_addr else entry.source
    return Line(entry.timestamp, who, where, _what(entry))


def _what(entry: Entry) -> str:
    data = entry.additional_data or {}
    text = Event(entry.event).label.capitalize()
    if "parts" in data:
        text += " (" + ", ".join(f"{part['count']:,} {part['done'].lower()}" for part in data["parts"]) + ")"
    elif entry.object_repr:
        text += f" {entry.object_repr}"
    changes = [f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in (entry.changes or {}).items()]
    text += f": {', '.join(changes)}" if changes else ""
    return f"{text}. Reason: {data['reason']}" if "reason" in data else text


def _value(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)
