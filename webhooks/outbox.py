"""Where events wait: a delivery for each webhook, and for each alert a notice that sums up what is alike; written
in the transaction in which the event is known.

The number of statements depends neither on that of events nor on that of webhooks and alerts.
"""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Group
from redirect.db.arrays import integers, table_of_rows
from webhooks.models import Alert, DeliveryState, EventType, Webhook

EXAMPLES = 10  # of a notice: what a mail can name one by one

Subscriber = Webhook | Alert


class Subscribers:
    """The enabled webhooks and alerts that want some types of events, each with the groups whose events it may
    see. False if there are none.
    """

    def __init__(self, events: Collection[EventType] = tuple(EventType)) -> None:
        # As little of each as tells what it wants: there may be thousands, and they are looked at all the time.
        columns = ("pk", "group_id", "events", "created_at")
        enabled: list[Subscriber] = [
            *Webhook.objects.filter(enabled=True).only(*columns).order_by("pk"),
            *Alert.objects.filter(enabled=True).only(*columns).order_by("pk"),
        ]
        self._all = [each for each in enabled if any(each.wants(event) for event in events)]
        owners = {each.group_id for each in self._all}
        below = (
            Group.objects.filter(reseller__in=integers(owners)).values_list("reseller_id", "pk") if owners else ()
        )
        self._scopes: dict[int, set[int]] = {pk: {pk} for pk in owners}
        for reseller, pk in below:
            self._scopes[reseller].add(pk)
        self._of_group: dict[int, list[int]] = {}  # places in `_all`
        for place, each in enumerate(self._all):
            for pk in self._scopes[each.group_id]:
                self._of_group.setdefault(pk, []).append(place)

    def __bool__(self) -> bool:
        return bool(self._all)

    def want(self, event: str) -> bool:
        """Whether at least one of them is told of this type of events."""
        return any(each.wants(event) for each in self._all)

    @property
    def groups(self) -> set[int]:
        """The groups of whose events at least one of them may see some."""
        return set(self._of_group)

    def scope_of(self, subscriber: Subscriber) -> set[int]:
        """The groups whose events it may see."""
        return self._scopes[subscriber.group_id]

    def of(self, event: str, moment: datetime, group_ids: Iterable[int | None]) -> list[Subscriber]:
        """Those who are told of an event of these groups: not of what is older than the subscription."""
        places = {place for pk in group_ids if pk is not None for place in self._of_group.get(pk, ())}
        may_see = (self._all[place] for place in sorted(places))
        return [each for each in may_see if each.wants(event) and each.created_at <= moment]


@dataclass(frozen=True)
class Message:
    """An event, as one webhook or alert is told of it."""

    subscriber: Subscriber
    event: EventType
    mac: str | None  # 12 digits; None: not about a device
    data: dict[str, Any]


def one_at_a_time() -> None:
    """Within a transaction: others that make events wait, so that those of a device keep their order."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('events of webhooks', 0))")


def told_time(moment: datetime) -> str:
    """A time as messages have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}+0000"


def put(messages: Sequence[Message]) -> None:
    """Write the deliveries, in this order, and the notices."""
    _put_deliveries([each for each in messages if isinstance(each.subscriber, Webhook)])
    _put_notices([each for each in messages if isinstance(each.subscriber, Alert)])


def _put_deliveries(messages: Sequence[Message]) -> None:
    if not messages:
        return
    kinds: dict[str, Any] = dict.fromkeys(("webhook_id", "number"), "bigint")
    kinds |= dict.fromkeys(("key", "event", "mac", "data"), "text")
    rows = [
        (each.subscriber.pk, number, _new_key(), each.event.value, each.mac, json.dumps(each.data))
        for number, each in enumerate(messages)
    ]
    source, parameters = table_of_rows(kinds, rows)
    casts = ("::uuid", "::jsonb") if connection.vendor == "postgresql" else ("", "")
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_delivery"  # noqa: S608 - names, no value
            " (webhook_id, key, event, mac, data, created_at, state, attempts, next_attempt, last_problem)"
            f" SELECT webhook_id, key{casts[0]}, event, mac, data{casts[1]}, %s, %s, 0, %s, ''"
            f" FROM {source} ORDER BY number",
            [now, DeliveryState.PENDING.value, now, *parameters],
        )


def _put_notices(messages: Sequence[Message]) -> None:
    """One notice for each alert and type of event, however many events there are."""
    alike: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for each in messages:
        alike[each.subscriber.pk, each.event.value].append(each.data)
    if not alike:
        return
    kinds: dict[str, Any] = dict.fromkeys(("alert_id", "number"), "bigint")
    kinds |= dict.fromkeys(("event", "details", "first_at", "last_at"), "text")
    rows = []
    for (alert_id, event), some in alike.items():
        times = [data["time"] for data in some]
        moments = [as_text(datetime.fromisoformat(text)) for text in (min(times), max(times))]
        rows.append((alert_id, len(some), event, json.dumps(_details(some)), *moments))
    source, parameters = table_of_rows(kinds, rows)
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_notice"  # noqa: S608 - names, no value
            " (alert_id, event, number, details, first_at, last_at, created_at)"
            f" SELECT alert_id, event, number, details{cast}, {time_of('first_at')}, {time_of('last_at')}, %s"
            f" FROM {source} ORDER BY alert_id, event",
            [connection.ops.adapt_datetimefield_value(timezone.now()), *parameters],
        )


def _details(some: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many there are of each group and of each outcome, and some as examples."""
    groups = Counter(data.get("groupId") or data.get("fromGroupId") or data.get("toGroupId") for data in some)
    outcomes = Counter(data["outcome"] for data in some if "outcome" in data)
    return {"groups": list(groups.items()), "outcomes": list(outcomes.items()), "examples": some[:EXAMPLES]}


def _new_key() -> str:
    key = uuid.uuid4()
    return str(key) if connection.vendor == "postgresql" else key.hex


def tell_once(event: EventType, keys: Mapping[tuple[int, str], datetime]) -> set[tuple[int, str]]:
    """Keep that these keys (a group and a text each) are told of, and since when; those that were not before."""
    if not keys:
        return set()
    rows = [(group_id, key, as_text(moment)) for (group_id, key), moment in sorted(keys.items())]
    source, parameters = table_of_rows({"group_id": "bigint", "key": "text", "told_at": "text"}, rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_told (event, group_id, key, time)"  # noqa: S608 - names, no value
            f" SELECT %s, group_id, key, {time_of('told_at')} FROM {source} WHERE true"
            " ON CONFLICT (event, group_id, key) DO NOTHING RETURNING group_id, key",
            [event.value, *parameters],
        )
        return {(group_id, key) for group_id, key in cursor.fetchall()}


def as_text(moment: datetime) -> str:
    """A time as a text of table_of_rows; `time_of` makes a time of it."""
    return str(connection.ops.adapt_datetimefield_value(moment))


def time_of(column: str) -> str:
    """The expression of a time that stands in a column as a text."""
    return f"{column}::timestamptz" if connection.vendor == "postgresql" else column


def from_database(value: Any) -> datetime:
    """A time as a statement yields it: on SQLite without its zone, or a text, in UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def forget(event: EventType, keys: Collection[tuple[int, str]]) -> None:
    """Of these may be told again."""
    if not keys:
        return
    source, parameters = table_of_rows({"group_id": "bigint", "key": "text"}, sorted(keys))
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM webhooks_told WHERE event = %s"  # noqa: S608 - names, no value
            f" AND (group_id, key) IN (SELECT group_id, key FROM {source})",
            [event.value, *parameters],
        )
