"""Who is told of events, at which address; and each delivery, until it has arrived or was given up."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Group
from accounts.scope import ScopedQuerySet
from redirect.db.texts import NormalizedCharField
from redirect.db.time import now


class EventType(models.TextChoices):
    """What happened to a device, as receivers read it."""

    CLAIMED = "device.claimed"
    MOVED = "device.moved"
    REMOVED = "device.removed"
    LOCATION_CHANGED = "device.location_changed"


TEST = "webhook.test"  # sent by hand; no webhook subscribes to it


class WebhookQuerySet(ScopedQuerySet["Webhook"]):
    """Webhooks."""


class Webhook(models.Model):
    """An address that is told of the events of a group, of a reseller's providers too.

    The secret is encrypted (secrets.py). `failing_since` is the first failure after the last success; until
    `paused_until` nothing is sent, as nothing answered. A worker that sends holds the lease.
    """

    group = models.ForeignKey(Group, models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=1000)
    events = models.JSONField(null=True)  # NULL: all
    description = NormalizedCharField(max_length=1000, null=True, blank=True)
    secret = models.BinaryField()
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: by the owner, or enabled
    created_at = models.DateTimeField(default=now)
    failing_since = models.DateTimeField(null=True)
    unanswered = models.PositiveIntegerField(default=0)  # in a row
    paused_until = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.url)


class DeliveryState(models.TextChoices):
    """How far a delivery is."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


class DeliveryQuerySet(ScopedQuerySet["Delivery"]):
    """Deliveries; each is in the scope of its webhook's group."""

    group_path = "webhook__group__"


class Delivery(models.Model):
    """One event for one webhook. What is about one device is sent in the order of ids."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    key = models.UUIDField(default=uuid.uuid4)  # receivers know a repetition by it
    event = models.CharField(max_length=30)
    mac = models.CharField(max_length=12, null=True)  # noqa: DJ001 - NULL: not about a device
    data = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt = models.DateTimeField(default=timezone.now)
    last_status = models.PositiveIntegerField(null=True)
    last_problem = models.CharField(max_length=300, default="")
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["webhook", "id"], name="delivery_of_webhook"),
            models.Index(fields=["webhook", "mac", "id"], name="delivery_in_order", condition=Q(state="Pending")),
            models.Index(fields=["finished_at"], name="delivery_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.key}"
