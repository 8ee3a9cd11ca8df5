"""Who is told of events, by webhook or by mail; and each delivery, until it has arrived or was given up."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Group
from accounts.scope import ScopedQuerySet
from redirect.db.texts import NormalizedCharField
from redirect.db.time import now


class EventType(models.TextChoices):
    """What happened, as receivers read it."""

    # From the audit log (events.py).
    CLAIMED = "device.claimed"
    MOVED = "device.moved"
    REMOVED = "device.removed"
    LOCATION_CHANGED = "device.location_changed"
    CLAIM_SUSPECTED = "group.claim_suspected"
    # From the access log (phones.py).
    FIRST_SEEN = "device.first_seen"
    FAILING = "device.failing"
    RECOVERED = "device.recovered"
    UNKNOWN = "device.unknown"
    # Looked for now and then (quotas.py; management/expiry.py).
    QUOTA_NEAR = "group.quota_near"
    CERTIFICATE_EXPIRING = "device.certificate_expiring"


ALARMS = (
    EventType.FAILING,
    EventType.RECOVERED,
    EventType.CLAIM_SUSPECTED,
    EventType.QUOTA_NEAR,
    EventType.CERTIFICATE_EXPIRING,
)
"""What an alert that names no events tells of."""

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

    def wants(self, event: str) -> bool:
        """Whether it is told of this type of events."""
        return not self.events or event in self.events


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


class AlertQuerySet(ScopedQuerySet["Alert"]):
    """Alerts."""


class Mode(models.TextChoices):
    """When an alert sends a mail."""

    AT_ONCE = "AtOnce", "At once"
    DAILY = "Daily", "Daily"


class Alert(models.Model):
    """Mails about the events of a group, of a reseller's providers too: at once, or once a day at an hour of a
    time zone. A group without alerts gets none.
    """

    group = models.ForeignKey(Group, models.CASCADE, related_name="alerts")
    mode = models.CharField(max_length=6, choices=Mode, default=Mode.DAILY)
    events = models.JSONField(null=True, blank=True)  # NULL: ALARMS
    hour = models.PositiveSmallIntegerField(default=7)  # of a daily mail
    time_zone = models.CharField(max_length=50, default="UTC")  # a name of the IANA's database
    addresses = models.JSONField(null=True, blank=True)  # NULL: those of the group's Administrators
    description = NormalizedCharField(max_length=1000, null=True, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now)
    composed_at = models.DateTimeField(null=True)  # when a mail was written last
    sent_at = models.DateTimeField("last mail", null=True)
    problem = models.CharField(max_length=300, default="")  # why the last mail did not go out

    objects = AlertQuerySet.as_manager()

    def __str__(self) -> str:
        return f"alert {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Switched off, it sends no more mail; switched on again, none about what was before."""
        super().save(*args, **kwargs)
        if not self.enabled:
            self.notices.all().delete()
            self.mails.filter(state=MailState.PENDING).delete()

    def wants(self, event: str) -> bool:
        """Whether it is told of this type of events."""
        return event in (self.events or ALARMS)


class Notice(models.Model):
    """Events of one type that an alert has not told of yet. `details`: how many there are of each group and of
    each outcome, as pairs, and some of the events (outbox.py).
    """

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices")
    event = models.CharField(max_length=30)
    number = models.PositiveIntegerField()
    details = models.JSONField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.event}"


class MailState(models.TextChoices):
    """How far a mail is."""

    PENDING = "Pending"
    SENT = "Sent"
    FAILED = "Failed"


class Mail(models.Model):
    """A mail to one address, until the mail server has taken it or it was given up. `in_doubt`: how often it is
    not known whether it was taken.
    """

    alert = models.ForeignKey(Alert, models.CASCADE, null=True, related_name="mails")
    key = models.UUIDField(default=uuid.uuid4)  # programs know a repetition by it
    address = models.CharField(max_length=254)
    subject = models.CharField(max_length=400)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=7, choices=MailState, default=MailState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    in_doubt = models.PositiveIntegerField(default=0)
    next_attempt = models.DateTimeField(default=timezone.now)
    problem = models.CharField(max_length=300, default="")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["next_attempt"], name="mail_due", condition=Q(state="Pending")),
            models.Index(fields=["finished_at"], name="mail_finished"),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk}"


class MailServer(models.Model):
    """The one row about the mail server: which worker speaks with it, and until when it is left alone."""

    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    paused_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"mail server, {self.failures} failures"


class ReadMark(models.Model):
    """The one row that says up to which id the access log was read for events; none while nothing wants them."""

    read_to = models.BigIntegerField()
    read_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"read to {self.read_to}"


class Told(models.Model):
    """What was told of, so that it is told once: a device that fails until it is redirected again, by its id; an
    unknown MAC; a quota that is nearly full until it is not; a certificate, by its fingerprint.
    """

    event = models.CharField(max_length=30)
    group_id = models.BigIntegerField()
    key = models.CharField(max_length=100)
    time = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["event", "group_id", "key"], name="told_once")]

    def __str__(self) -> str:
        return f"{self.event} {self.key}"


class KnownAddress(models.Model):
    """An address from which devices of a group were redirected lately; written while the access log is read."""

    address = models.CharField(max_length=45)
    group_id = models.BigIntegerField()
    seen = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["address", "group_id"], name="address_of_group")]

    def __str__(self) -> str:
        return f"{self.address} of {self.group_id}"
