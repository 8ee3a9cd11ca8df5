"""The alarms of a simulated Mediant: active ones, and those since the last reset; lists with cursors.

Source: LTRT-41762, chapter 8.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
ZONE = datetime.timezone(datetime.timedelta(hours=3))  # the device's own, as the manual's example has one
SEVERITIES = ("Indeterminate", "Warning", "Minor", "Major", "Critical", "Cleared")


class BadCursor(ValueError):
    """A limit or cursor that cannot be read."""


@dataclass
class Alarm:
    """One alarm; `id` counts within its list."""

    id: int
    description: str
    severity: str
    source: str
    time: float
    oid: str

    def listed(self, base: str) -> dict[str, str]:
        """As an entry of a list."""
        return {"id": str(self.id), "description": self.description, "url": f"{base}/{self.id}"}

    def shown(self, base: str, *, oid: bool) -> dict[str, str]:
        """In full."""
        date = datetime.datetime.fromtimestamp(self.time, datetime.UTC)
        more = {"oid": self.oid} if oid else {}
        return {
            "id": str(self.id),
            "description": self.description,
            "severity": self.severity,
            "source": self.source,
            "date": f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03}Z",
            "url": f"{base}/{self.id}",
            **more,
        }


@dataclass
class Alarms:
    """The two tables."""

    active: list[Alarm] = field(default_factory=list)
    history: list[Alarm] = field(default_factory=list)
    last_change: float | None = None
    numbers: int = 0

    def raise_alarm(self, now: float, description: str, severity: str, source: str, oid: str) -> None:
        """A new active alarm, told by the history too."""
        if severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}.")
        self.numbers += 1
        self.active.append(Alarm(self.numbers, description, severity, source, now, oid))
        self._remember(self.active[-1], now, severity)

    def clear_alarm(self, now: float, id: int) -> None:
        """An active alarm is over; its history stays."""
        found = next((alarm for alarm in self.active if alarm.id == id), None)
        if found is None:
            raise ValueError(f"No active alarm {id}.")
        self.active.remove(found)
        self._remember(found, now, "Cleared")

    def reset(self) -> None:
        """What a reboot forgets."""
        self.history.clear()
        self.last_change = None

    @property
    def last_change_text(self) -> str | None:
        """In local time, with a blank where RFC 3339 has a T, as the manual's example."""
        if self.last_change is None:
            return None
        return datetime.datetime.fromtimestamp(int(self.last_change), ZONE).isoformat(" ")

    def _remember(self, alarm: Alarm, now: float, severity: str) -> None:
        number = self.history[-1].id + 1 if self.history else 1
        self.history.append(Alarm(number, alarm.description, severity, alarm.source, now, alarm.oid))
        self.last_change = now


def page(alarms: list[Alarm], query: Mapping[str, str], base: str) -> dict[str, Any] | None:
    """What a list answers; None where no alarm is found. Raises BadCursor."""
    limit = min(_number(query, "limit", DEFAULT_LIMIT), MAX_LIMIT)
    if limit < 1 or {"after", "before"} <= query.keys():
        raise BadCursor
    after, before = _number(query, "after", 0), _number(query, "before", 0)
    if "before" in query:
        shown = [alarm for alarm in alarms if alarm.id < before][-limit:]
    else:
        shown = [alarm for alarm in alarms if alarm.id > after][:limit]
    if not shown:
        return None
    return {
        "alarms": [alarm.listed(base) for alarm in shown],
        "cursor": {
            "after": str(shown[-1].id) if shown[-1] is not alarms[-1] else "-1",
            "before": str(shown[0].id) if shown[0] is not alarms[0] else "-1",
        },
    }


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadCursor
    return int(text)
