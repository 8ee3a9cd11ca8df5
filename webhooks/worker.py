"""The worker's side of webhooks: what happened becomes deliveries, and what is due is sent, one message at a time.

A worker that sends for a webhook holds its lease, so that no other sends for it, and two messages about one device
are never under way. A worker that dies in between leaves one message of which it is not known whether it arrived:
it is sent again, with the same id.
"""

import json
import logging
import time
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from redirect.db.transactions import commit_without_waiting
from webhooks import mails, order, secrets, sender
from webhooks.models import Delivery, DeliveryState, Webhook
from webhooks.sender import Outcome

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=25)  # longer than one message takes
FRESH = timedelta(seconds=5)  # so long after its last sign a worker need not ask whether it has the lease
TURN = 5.0  # seconds, in which a worker does nothing else
TELLING = 2.0  # of these, at most so many before something is sent
BATCH = 50
KEPT = timedelta(days=30)
GONE = 410


class LeaseLost(Exception):
    """Another worker sends for this webhook: nothing of this is kept."""


def turn() -> None:
    """Tell of what happened and send what is due, for some seconds."""
    end = time.monotonic() + TURN
    order.tell(time.monotonic() + TELLING)
    served: set[int] = set()  # groups: many slow receivers of one do not hold up another's
    while time.monotonic() < end and (webhook := _lease(served)) is not None:
        if webhook.group_id in served:
            served.clear()
        served.add(webhook.group_id)
        try:
            _send_due(webhook, end)
        except LeaseLost:
            logger.warning("webhook %s: another worker sends for it", webhook.pk)


def _due() -> QuerySet[Delivery]:
    """Pending deliveries whose time has come, before which nothing of the same device is pending."""
    pending = Delivery.objects.filter(state=DeliveryState.PENDING)
    earlier = pending.filter(webhook=OuterRef("webhook"), mac=OuterRef("mac"), pk__lt=OuterRef("pk"))
    return pending.filter(~Exists(earlier), next_attempt__lte=timezone.now())


def _lease(served: Collection[int] = ()) -> Webhook | None:
    """Take the lease of a webhook that has something to send; None without one. Groups that were `served` wait."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    awake = Q(paused_until=None) | Q(paused_until__lte=now)
    waiting = Webhook.objects.filter(free, awake, Exists(_due().filter(webhook=OuterRef("pk"))), enabled=True)
    waiting = waiting.select_related("group").order_by(F("leased_until").asc(nulls_first=True), "pk")
    for rows in (waiting.exclude(group__in=served), waiting.filter(group__in=served)):
        for webhook in rows[:5]:
            webhook.lease, webhook.leased_until = uuid.uuid4(), now + LEASE
            taken = {"lease": webhook.lease, "leased_until": webhook.leased_until}
            if Webhook.objects.filter(free, pk=webhook.pk).update(**taken):
                return webhook
    return None


def _send_due(webhook: Webhook, end: float) -> None:
    secret = secrets.decrypt(webhook.secret)
    sending = True
    while sending and time.monotonic() < end:
        batch = list(_due().filter(webhook=webhook).order_by("pk")[:BATCH])
        sending = bool(batch)
        for delivery in batch:
            if time.monotonic() >= end or not sending:
                break
            sending = _send(webhook, delivery, secret)
    _keep(webhook, leased_until=None if not sending else timezone.now())


def _send(webhook: Webhook, delivery: Delivery, secret: str) -> bool:
    """Send one message and keep what became of it; False if the webhook is to be left alone for now."""
    assert webhook.leased_until is not None
    if webhook.leased_until - LEASE < timezone.now() - FRESH:  # held up, so that another may have the lease
        _keep(webhook, leased_until=timezone.now() + LEASE)
    body = json.dumps(
        {
            "type": delivery.event,
            "timestamp": f"{delivery.created_at:%Y-%m-%dT%H:%M:%S}+0000",
            "data": delivery.data,
        }
    ).encode()
    key, moment = f"msg_{delivery.key.hex}", int(time.time())
    signature = secrets.sign(secret, key, moment, body)
    headers = {"webhook-id": key, "webhook-timestamp": str(moment), "webhook-signature": signature}
    try:
        outcome = sender.send(webhook.url, headers, body)
    except Exception:  # a bug, and it costs this message only
        logger.exception("webhook %s: message %s", webhook.pk, key)
        outcome = Outcome(None, "An error of the service; its log tells more.")
    with transaction.atomic():
        commit_without_waiting()  # if the database forgets it, the message is sent again
        return _keep_outcome(webhook, delivery, outcome)


def _keep_outcome(webhook: Webhook, delivery: Delivery, outcome: Outcome) -> bool:
    now, retries = timezone.now(), settings.WEBHOOK_RETRIES
    delivery.attempts += 1
    delivery.last_status, delivery.last_problem = outcome.status, outcome.problem[:300]
    if outcome.is_delivered and webhook.failing_since is webhook.paused_until is None and not webhook.unanswered:
        _keep_delivered(webhook, delivery, now)
        return webhook.enabled
    if outcome.is_delivered:
        delivery.state, delivery.finished_at = DeliveryState.DELIVERED, now
        health: dict[str, Any] = {"failing_since": None, "unanswered": 0, "paused_until": None}
    else:
        if delivery.attempts > len(retries):
            delivery.state, delivery.finished_at = DeliveryState.FAILED, now
        else:
            delivery.next_attempt = now + timedelta(seconds=retries[delivery.attempts - 1])
        health = {"failing_since": webhook.failing_since or now}
        if outcome.status is None:  # nothing answers: do not wait for it at each message
            pause = retries[min(webhook.unanswered, len(retries) - 1)]
            health |= {"unanswered": webhook.unanswered + 1, "paused_until": now + timedelta(seconds=pause)}
        long = timedelta(seconds=sum(retries))
        failed_long = delivery.state == DeliveryState.FAILED and now - health["failing_since"] >= long
        if outcome.status == GONE or failed_long:
            reason = "The receiver answered 410 (gone)." if outcome.status == GONE else "Nothing arrived for long."
            health |= {"enabled": False, "disabled_reason": reason}
            _mail(webhook, reason, outcome)
    _keep(webhook, leased_until=now + LEASE, **health)
    delivery.save(
        update_fields=["attempts", "last_status", "last_problem", "state", "finished_at", "next_attempt"]
    )
    return webhook.enabled and outcome.status is not None


def _keep_delivered(webhook: Webhook, delivery: Delivery, now: datetime) -> None:
    """As it is nearly always: one statement, as phones wait for the processor and the disk that each one takes."""
    held = Webhook.objects.filter(pk=webhook.pk, lease=webhook.lease)
    sent = Delivery.objects.filter(Exists(held), pk=delivery.pk)
    if not sent.update(
        attempts=delivery.attempts,
        state=DeliveryState.DELIVERED,
        finished_at=now,
        last_status=delivery.last_status,
        last_problem=delivery.last_problem,
    ):
        raise LeaseLost


def _keep(webhook: Webhook, **values: object) -> None:
    """Change a webhook whose lease is held; raises LeaseLost if it is not any more."""
    if not Webhook.objects.filter(pk=webhook.pk, lease=webhook.lease).update(**values):
        raise LeaseLost
    for name, value in values.items():
        setattr(webhook, name, value)


def _mail(webhook: Webhook, reason: str, outcome: Outcome) -> None:
    """Tell the Administrators of the group that the webhook was switched off."""
    text = (
        f"The webhook {webhook.pk} of {webhook.group} was switched off: {reason}\n\n"
        f"Address: {webhook.url}\nLast problem: {outcome.problem}\n\n"
        f"What was not delivered is kept. Correct the receiver, then enable the webhook:\n"
        f'PUT /api/v1/webhooks/{webhook.pk} {{"enabled": true}}\n'
    )
    subject = f"{webhook.group}: webhook {webhook.pk} was switched off"
    mails.put(mails.administrators_of(webhook.group_id), subject, text)


def forget_old() -> int:
    """Delete deliveries that were finished long ago; how many."""
    old = Delivery.objects.filter(finished_at__lt=timezone.now() - KEPT)
    return int(old._raw_delete(Delivery.objects.db))
