"""Endpoints: where devices and their servers are managed, with which login; what was asked, and what was fetched.

Foreign keys to other rooms are not enforced by the database: management may be switched off again, and then none
of its code sees that a group or job goes.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Group, User
from accounts.scope import ScopedQuerySet
from devices import mac
from jobs.models import Job
from locations.models import Location
from management import secrets
from management.drivers.base import Kind, Target, TlsPolicy


class TlsCheck(models.TextChoices):
    """How the device's certificate is checked."""

    SYSTEM = "system", "By the CAs that this machine trusts"
    CA = "ca", "By the endpoint's own CA"
    FINGERPRINT = "fingerprint", "By its SHA-256 fingerprint"
    NONE = "none", "Not at all"


LANE = "devices"  # of jobs, in which operations are done


class EndpointQuerySet(ScopedQuerySet["Endpoint"]):
    """Endpoints; each is in the scope of its group."""


class Endpoint(models.Model):
    """The management interface of one device of a group, or of the server that one of its locations is."""

    group = models.ForeignKey(Group, models.CASCADE, db_constraint=False, related_name="+")
    driver = models.CharField(max_length=20)  # of drivers/catalogue.py
    base_url = models.CharField("base URL", max_length=300)
    mac = models.CharField("MAC", max_length=12, default="", blank=True)  # of a device
    location = models.ForeignKey(  # of a server
        Location, models.CASCADE, null=True, blank=True, db_constraint=False, related_name="+"
    )
    tls_policy = models.CharField(max_length=11, choices=TlsCheck, default=TlsCheck.SYSTEM)
    tls_ca = models.TextField(default="", blank=True)
    tls_fingerprint = models.CharField(max_length=64, default="", blank=True)
    allow_http = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    # The last time that it was asked what it is.
    summary = models.JSONField(null=True, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    seen_mac = models.CharField(max_length=12, default="", editable=False)  # what it said; "" if it never did
    login_refused = models.BooleanField(
        default=False, editable=False
    )  # not asked again by itself: it may lock out

    # Which process speaks with the device now, and for how long at most: see leases.py.
    leased_by = models.CharField(max_length=60, default="", editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)

    # The one job that does its operations, one after the other; only while there are some.
    job = models.ForeignKey(Job, models.SET_NULL, null=True, db_constraint=False, related_name="+", editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        permissions: ClassVar = [
            ("operate_endpoint", "Can restart, resync and back up devices"),
            ("administer_endpoint", "Can change devices' configuration and certificates"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "mac"], name="endpoint_of_device_once", condition=~Q(mac="")),
            models.UniqueConstraint(fields=["location"], name="endpoint_of_location_once"),
            models.CheckConstraint(
                name="endpoint_of_device_or_location",
                condition=Q(mac__regex=r"^[0-9A-F]{12}\Z", location=None) | Q(mac="", location__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{mac.display(self.mac) if self.mac else 'server'} {self.base_url}"

    @property
    def of_location(self) -> Q:
        """What finds the location whose server this is, as long as it is one of the group."""
        return Q(pk=self.location_id or 0, group=self.group_id)

    @property
    def is_of_another_device(self) -> bool:
        """Whether the device said another MAC than the linked one: the address was given to another box."""
        return bool(self.mac) and self.seen_mac not in ("", self.mac)

    @property
    def target(self) -> Target:
        """Where and how to log in; raises SecretUnreadable."""
        login = self.credential
        tls = TlsPolicy(self.tls_policy, self.tls_ca, self.tls_fingerprint)
        secret = secrets.decrypt(login.secret).decode()
        return Target(self.base_url, login.user_name, secret, tls, self.allow_http)


class Credential(models.Model):
    """The login of an endpoint; the password is encrypted, and never shown again."""

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="credential")
    user_name = models.CharField(max_length=100)
    secret = models.BinaryField()
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.user_name


class OperationState(models.TextChoices):
    """How far an operation is."""

    WAITING = "waiting"
    RUNNING = "running"
    SENT = "sent"  # a write may have left
    PARKED = "parked"  # waits for a person, and not in the way of others
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # a write was sent, and neither answer nor reading tell what became of it


UNFINISHED = (OperationState.WAITING, OperationState.RUNNING, OperationState.SENT)


class OperationQuerySet(ScopedQuerySet["Operation"]):
    """Operations; each is in the scope of its endpoint's group."""

    group_path = "endpoint__group__"


class Operation(models.Model):
    """Something that was asked of a device."""

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="operations")
    verb = models.CharField(max_length=30)
    user = models.ForeignKey(User, models.SET_NULL, null=True, db_constraint=False, related_name="+")
    user_login = models.CharField(max_length=150, default="")  # outlives the user
    arguments = models.JSONField(default=dict)  # secrets are hidden
    sealed = models.BinaryField(null=True)  # the arguments in full, encrypted; until the operation is finished
    before = models.JSONField(default=dict)  # what was read before the write, to verify it by

    state = models.CharField(max_length=7, choices=OperationState, default=OperationState.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=20, default="", choices=[(kind.value, kind.value) for kind in Kind])
    message = models.TextField(default="")
    vendor_status = models.PositiveIntegerField(null=True)
    verified = models.BooleanField(null=True)
    result = models.JSONField(null=True)
    steps = models.JSONField(default=list)  # of a guided flow: what was done, in order

    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(
                fields=["endpoint", "id"],
                name="operation_unfinished",
                condition=Q(state__in=["waiting", "running", "sent"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.state}"


class ArtefactQuerySet(ScopedQuerySet["Artefact"]):
    """Artefacts; each is in the scope of its endpoint's group."""

    group_path = "endpoint__group__"


class Artefact(models.Model):
    """A file that was fetched from a device; encrypted, as configurations hold secrets."""

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="artefacts")
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, related_name="artefacts")
    kind = models.CharField(max_length=30)
    name = models.CharField(max_length=120)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    firmware = models.CharField(max_length=100, default="")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    data = models.BinaryField()

    objects = ArtefactQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions: ClassVar = [("download_artefact", "Can download files of devices")]

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """A file that a device was told to push here: once, and not for long. The address is known to it alone."""

    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the secret part of the address
    operation = models.ForeignKey(Operation, models.CASCADE, related_name="uploads")
    kind = models.CharField(max_length=30)
    name = models.CharField(max_length=120)
    expires_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
