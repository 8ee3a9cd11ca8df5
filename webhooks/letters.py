"""What a mail of an alert says: plain text, the times in the alert's time zone.

Of phones it shows nothing but MAC, address and outcome: paths and names of programs may hold secrets of customers.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from accounts.models import Group
from redirect.db.arrays import integers
from webhooks.models import Alert, EventType, Mode, Notice

EXAMPLES = 10  # of each type
GROUPS = 10
IN_SUBJECT = 3


class Words(NamedTuple):
    """How a type of events is told: of one, of several, an example, and where all of them are found."""

    one: str
    many: str
    example: Callable[[Mapping[str, Any]], str]
    more: str


def _phone(data: Mapping[str, Any]) -> str:
    outcome = f", {data['outcome']}" if "outcome" in data else ""
    return f"{data['mac']}{outcome}, asked from {data['address']}"


def _device(data: Mapping[str, Any]) -> str:
    location = data.get("locationId", "")
    return f"{data['mac']}" + (f", location {location or 'none'}" if location != "" else "")


def _moved(data: Mapping[str, Any]) -> str:
    sides = [
        f"{way} group {data[name]}"
        for way, name in (("from", "fromGroupId"), ("to", "toGroupId"))
        if data[name] is not None
    ]
    return f"{data['mac']}, {' '.join(sides)}"


def _claim(data: Mapping[str, Any]) -> str:
    parts = []
    if data["consecutive"] is not None:
        parts.append(f"{data['consecutive']:,} consecutive MACs from {data['first']} to {data['last']}")
    if data["foreign"] is not None:
        parts.append(f"{data['foreign']:,} of {data['sent']:,} MACs are other groups'")
    return f"one call of group {data['groupId']}: {'; '.join(parts)}"


def _quota(data: Mapping[str, Any]) -> str:
    together = " with its providers" if data["withProviders"] else ""
    return f"group {data['groupId']}{together}: {data['devices']:,} of {data['quota']:,} devices"


def _certificate(data: Mapping[str, Any]) -> str:
    return f"{data['mac']}, ends {data['notAfter'][:10]}"


_AUDIT = "GET /api/v1/audit"
_DEVICES = "GET /api/v1/devices?sort=-lastAccess"
_FAILING = "GET /api/v1/devices?filter=(lastAccessStatus='Fail')"
# In the order of their urgency.
WORDS = {
    EventType.FAILING: Words("device failing", "devices failing", _phone, _FAILING),
    EventType.CLAIM_SUSPECTED: Words("unusual claim", "unusual claims", _claim, _AUDIT),
    EventType.QUOTA_NEAR: Words("quota nearly full", "quotas nearly full", _quota, "GET /api/v1/groups"),
    EventType.CERTIFICATE_EXPIRING: Words(
        "certificate ends soon", "certificates end soon", _certificate, "GET /api/v1/endpoints"
    ),
    EventType.RECOVERED: Words(
        "device redirected again", "devices redirected again", _phone, "GET /api/v1/accesses"
    ),
    EventType.UNKNOWN: Words("unknown MAC asking", "unknown MACs asking", _phone, "GET /api/v1/accesses"),
    EventType.MOVED: Words("device moved", "devices moved", _moved, _AUDIT),
    EventType.REMOVED: Words("device removed", "devices removed", _device, _AUDIT),
    EventType.CLAIMED: Words("device claimed", "devices claimed", _device, _AUDIT),
    EventType.LOCATION_CHANGED: Words(
        "device with another location", "devices with another location", _device, _AUDIT
    ),
    EventType.FIRST_SEEN: Words("device seen first", "devices seen first", _phone, _DEVICES),
}


def subject(alert: Alert, notices: Iterable[Notice]) -> str:
    """What happened, most urgent first: "Acme Voice: 10,000 devices failing"."""
    numbers = {event: sum(each.number for each in some) for event, some in _by_event(notices).items()}
    counted = [_counted(event, number) for event, number in numbers.items()]
    told = ", ".join(counted[:IN_SUBJECT]) + (", and more" if len(counted) > IN_SUBJECT else "")
    return f"{alert.group}{' today' if alert.mode == Mode.DAILY else ''}: {told}"


def text(alert: Alert, notices: Sequence[Notice]) -> str:
    """The body."""
    zone = ZoneInfo(alert.time_zone)
    first, last = min(each.first_at for each in notices), max(each.last_at for each in notices)
    of_which = f"{alert.group} and its providers" if alert.group.is_reseller else str(alert.group)
    names = _names_in(notices) if alert.group.is_reseller else {}
    parts = [
        f"What happened to {of_which}, {_between(first, last, zone)} ({alert.time_zone}):",
        *(_section(event, some, zone, names) for event, some in _by_event(notices).items()),
        _end(alert),
    ]
    return "\n\n".join(parts) + "\n"


def _by_event(notices: Iterable[Notice]) -> dict[EventType, list[Notice]]:
    """The notices of each type, most urgent first."""
    found: dict[str, list[Notice]] = defaultdict(list)
    for each in notices:
        found[each.event].append(each)
    return {event: found[event] for event in WORDS if event in found}


def _counted(event: EventType, number: int) -> str:
    return f"{number:,} {WORDS[event].one if number == 1 else WORDS[event].many}"


def _section(event: EventType, notices: Sequence[Notice], zone: ZoneInfo, names: Mapping[int, str]) -> str:
    number = sum(each.number for each in notices)
    lines = [f"{_counted(event, number)}:"]
    outcomes = _sum(notices, "outcomes")
    if len(outcomes) > 1:
        lines.append("  " + ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()))
    groups = _sum(notices, "groups")
    if names:
        for pk, count in groups.most_common(GROUPS):
            lines.append(f"  {count:,} of {names.get(pk, 'a group that is gone')} (group {pk})")
        if len(groups) > GROUPS:
            lines.append(f"  and those of {len(groups) - GROUPS:,} more groups")
    examples = [data for each in notices for data in each.details["examples"]][:EXAMPLES]
    for data in examples:
        lines.append(f"  {_local(datetime.fromisoformat(data['time']), zone)}  {WORDS[event].example(data)}")
    if number > len(examples):
        lines.append(f"  and {number - len(examples):,} more: {WORDS[event].more}")
    return "\n".join(lines)


def _sum(notices: Iterable[Notice], name: str) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for each in notices:
        for key, count in each.details[name]:
            total[key] += count
    return total


def _names_in(notices: Iterable[Notice]) -> dict[int, str]:
    """The names of the groups of which something is told."""
    groups = Group.objects.filter(pk__in=integers([pk for pk in _sum(notices, "groups") if pk is not None]))
    return dict(groups.values_list("pk", "name"))


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _between(first: datetime, last: datetime, zone: ZoneInfo) -> str:
    begin, end = _local(first, zone), _local(last, zone)
    return f"at {begin}" if begin == end else f"from {begin} to {end}"


def _end(alert: Alert) -> str:
    """Why it comes, and how it ends."""
    how = "once a day" if alert.mode == Mode.DAILY else "at most once in 15 minutes"
    return (
        f"-- \nThis is alert {alert.pk} of {alert.group}, sent {how}.\n"
        f"To change or end it: an Administrator of {alert.group} does it by PUT or DELETE\n"
        f"/api/v1/alerts/{alert.pk}; the operator of this service, {settings.DEFAULT_FROM_EMAIL},\n"
        "does it in the admin, under Alerts."
    )
