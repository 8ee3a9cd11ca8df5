"""Where events wait: a delivery for each webhook, written in the transaction in which the event is known.

The number of statements depends neither on that of events nor on that of webhooks.
"""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Group
from redirect.db.arrays import table_of_rows
from webhooks.models import DeliveryState, EventType, Webhook


class Subscribers:
    """The enabled webhooks that want some types of events, each with the groups whose events it may see."""

    def __init__(self, events: Collection[EventType] = tuple(EventType)) -> None:
        enabled = Webhook.objects.filter(enabled=True).select_related("group").order_by("pk")
        self.webhooks = [each for each in enabled if not each.events or not set(events).isdisjoint(each.events)]
        owners = [webhook.group_id for webhook in self.webhooks]
        below = Group.objects.filter(reseller__in=owners).values_list("reseller_id", "pk") if owners else ()
        self._scopes: dict[int, set[int]] = {pk: {pk} for pk in owners}
        for reseller, pk in below:
            self._scopes[reseller].add(pk)
        self._of_group: dict[int, list[Webhook]] = {}
        for webhook in self.webhooks:
            for pk in self._scopes[webhook.group_id]:
                self._of_group.setdefault(pk, []).append(webhook)

    @property
    def groups(self) -> set[int]:
        """The groups of whose events at least one webhook may see some."""
        return set(self._of_group)

    def scope_of(self, webhook: Webhook) -> set[int]:
        """The groups whose events a webhook may see."""
        return self._scopes[webhook.group_id]

    def of(self, event: str, moment: datetime, group_ids: Iterable[int | None]) -> list[Webhook]:
        """Those who are told of an event of these groups: not of what is older than the webhook."""
        may_see = {each.pk: each for pk in group_ids if pk is not None for each in self._of_group.get(pk, ())}
        return [
            webhook
            for _, webhook in sorted(may_see.items())
            if (not webhook.events or event in webhook.events) and webhook.created_at <= moment
        ]


@dataclass(frozen=True)
class Message:
    """An event, as one webhook is told of it."""

    webhook: Webhook
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
    """Write the deliveries, in this order."""
    if not messages:
        return
    kinds: dict[str, Any] = dict.fromkeys(("webhook_id", "number"), "bigint")
    kinds |= dict.fromkeys(("key", "event", "mac", "data"), "text")
    rows = [
        (each.webhook.pk, number, _new_key(), each.event.value, each.mac, json.dumps(each.data))
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
    """A time as a statement yields it: on SQLite a text, in UTC."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


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
