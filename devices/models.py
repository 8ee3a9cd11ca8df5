"""What boots: the devices, by their MAC, and their requests; selections of staff; files being imported."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Group, User
from accounts.scope import ScopedQuerySet, Viewer
from devices import mac
from devices.claims import Claim as Claim  # tables of this app, in modules of their own
from devices.claims import Claimed
from devices.counts import DeviceCount as DeviceCount
from devices.hints import Hint as Hint
from devices.import_tables import Import as Import
from devices.import_tables import ImportFile as ImportFile
from devices.import_tables import ImportRow as ImportRow
from devices.import_tables import ImportState as ImportState
from devices.request_counts import CountedLog as CountedLog
from devices.usage import UsageDevice as UsageDevice
from jobs.models import Job
from locations import url_template
from locations.models import Location
from redirect.db.indexes import trigram_index
from redirect.db.texts import NormalizedCharField


class AccessStatus(models.TextChoices):
    """How the last request of a device ended. Source: manual 8.2."""

    SUCCESS = "Success"
    FAIL = "Fail"
    AWAIT = "Await access", "Await access"


class Outcome(models.TextChoices):
    """Why a phone got its answer; the label is what staff read."""

    REDIRECTED = "Redirected"
    NO_LOCATION = "NoLocation", "Refused: no location"
    CERTIFICATE_REQUIRED = "CertificateRequired", "Refused: no certificate shown"
    CERTIFICATE_MISMATCH = "CertificateMismatch", "Refused: certificate not accepted"
    UNKNOWN = "Unknown", "Refused: unknown MAC"


# devices.mac.is_reserved for the database. Such devices are older than migration 0011; no request finds them.
RESERVED_MAC = r"^(0{12}|[0-9A-F][13579BDF])"


class DeviceQuerySet(ScopedQuerySet["Device"]):
    """Devices; each is in the scope of its group."""


class AccessQuerySet(ScopedQuerySet["Access"]):
    """Accesses; each is in the scope of the group that had the device at that moment."""

    def visible_to(self, user: Viewer, *, depth: int = 1) -> Self:
        if user.is_operator:
            return self
        return self.filter(group_id__in=Group.objects.visible_to(user, depth=depth).values("id"))


class Device(Claimed):
    """A phone, gateway or SBC of a group. Source: manual 8.2.

    The database enforces more than this class shows: a device and its location are of one group
    (migration 0002: a composite foreign key on PostgreSQL, triggers on SQLite), and no MAC that is written is
    reserved (migration 0011: triggers).
    """

    mac = models.CharField("MAC", max_length=12)
    group = models.ForeignKey(Group, models.PROTECT, related_name="devices")
    location = models.ForeignKey(Location, models.PROTECT, null=True, blank=True, related_name="devices")
    description = NormalizedCharField(lines=True, max_length=1000, null=True, blank=True)
    # Since when the group has it: the database writes it. NULL: devices/claims.py has the claim.
    claimed_at = models.DateTimeField(null=True, editable=False, db_default=Now())

    # Written at each boot: no index on any of them, so that PostgreSQL's updates stay HOT.
    last_access_status = models.CharField(
        max_length=12, choices=AccessStatus, default=AccessStatus.AWAIT, db_default=AccessStatus.AWAIT
    )
    last_access = models.DateTimeField(null=True, blank=True, editable=False)
    num_requests = models.PositiveBigIntegerField("requests", default=0, db_default=0, editable=False)
    certificate_seen = models.DateTimeField("good certificate seen", null=True, blank=True, editable=False)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mac"], name="device_mac_unique"),
            models.CheckConstraint(
                name="device_mac_is_12_upper_case_hex_digits", condition=Q(mac__regex=r"^[0-9A-F]{12}\Z")
            ),
        ]
        indexes: ClassVar = [
            trigram_index("mac", "device_mac_trigram"),
            trigram_index("description", "device_description_trigram"),
        ]
        permissions: ClassVar = [
            ("associate_device", "Can associate devices with a location"),
            ("move_device", "Can move devices to another group"),
        ]

    def __str__(self) -> str:
        return self.mac

    @property
    def spelled(self) -> str:
        """The MAC as every answer and page shows it."""
        return mac.display(self.mac)


class Access(models.Model):
    """A phone's request and what it got: the log that support staff and tenants read.

    The group is the device's at that moment, so a MAC that moves shows its new owner nothing of the old one.
    There are no foreign keys: they would make the phone wait for transactions that hold those rows. On PostgreSQL
    the table is partitioned by day (migration 0003, devices/access_log.py).
    """

    time = models.DateTimeField()
    mac = models.CharField(max_length=12)
    device_id = models.BigIntegerField(null=True)
    group_id = models.BigIntegerField(null=True)
    outcome = models.CharField(max_length=19, choices=Outcome)
    address = models.CharField(max_length=45)
    user_agent = models.CharField(max_length=200)
    certificate_subject = models.CharField(max_length=500, null=True)  # noqa: DJ001 - NULL: none was shown
    # Why the certificate proved nothing, "" if it did; NULL: none was shown, or it was not logged yet.
    certificate_problem = models.CharField(max_length=100, null=True)  # noqa: DJ001
    certificate_fingerprint = models.CharField(max_length=64, null=True)  # noqa: DJ001 - SHA-256; NULL as above
    location_url = models.CharField(max_length=url_template.MAX_LENGTH, null=True)  # noqa: DJ001 - NULL: no location
    # What was asked for, and where in the request the MAC stood (boot/shapes.py). NULL: older than migration 0015.
    path = models.CharField(max_length=200, null=True)  # noqa: DJ001
    kind = models.CharField(max_length=9, null=True)  # noqa: DJ001
    # False while the device's counters do not include this row yet, because another transaction held the device.
    counted = models.BooleanField(default=True)

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "accesses"
        indexes: ClassVar = [
            models.Index(fields=["mac", "time"], name="access_of_mac"),
            models.Index(fields=["group_id", "time"], name="access_of_group"),
            models.Index(fields=["time"], name="access_uncounted", condition=Q(counted=False)),
            models.Index(fields=["time"], name="access_of_unknown_mac", condition=Q(device_id=None)),
        ]

    def __str__(self) -> str:
        return f"{self.mac} {self.outcome} {self.time:%Y-%m-%d %H:%M:%S}"

    @property
    def certificate_seen(self) -> bool:
        """Whether the phone has proved its MAC by a certificate."""
        return self.certificate_problem == ""


class DeniedCertificate(models.Model):
    """A phone's certificate that proves nothing any more, whoever issued it: its key is known, or it was forged.

    `name` is `sha256` and the fingerprint, or the serial number in hex digits and the issuer as RFC 4514 text
    (boot/certificate.py, names_of).
    """

    name = models.CharField("certificate", max_length=600, unique=True)
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField("denied at", default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class SelectionAction(models.TextChoices):
    """What staff do to the devices that they selected in the admin."""

    ASSOCIATE = "Associate", "Associate with a location"
    TAKE_AWAY = "TakeAway", "Take away the location"
    MOVE = "Move", "Move to another group"
    REMOVE = "Remove"


class Selection(models.Model):
    """Devices that a member of staff selected: counted first, then acted on piece by piece.

    Which they are is kept when they are counted, so what was counted is what is done, however long it takes.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    action = models.CharField(max_length=9, choices=SelectionAction)
    created_at = models.DateTimeField(default=timezone.now)
    counts = models.JSONField()  # how many devices, by the id of their group
    details = models.JSONField(default=dict)  # what was filled in: location, group, reason
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")  # of a large selection
    left_alone = models.PositiveIntegerField(default=0)  # changed by others since they were counted
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.action} {self.total}"

    @property
    def looked_at(self) -> int:
        """How many devices need nothing more."""
        return self.done + self.left_alone


class SelectionPiece(models.Model):
    """Up to 5,000 devices of a selection that are still to be done, as they were when they were counted."""

    selection = models.ForeignKey(Selection, models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    devices = models.JSONField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["selection", "number"], name="selectionpiece_number_once"),
        ]

    def __str__(self) -> str:
        return f"piece {self.number}"
