"""What boots: the devices, by their MAC."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Group
from accounts.scope import ScopedQuerySet
from locations.models import Location
from redirect.trigram import trigram_index


class AccessStatus(models.TextChoices):
    """How the last request of a device ended. Source: manual 8.2."""

    SUCCESS = "Success"
    FAIL = "Fail"
    AWAIT = "Await access", "Await access"


class DeviceQuerySet(ScopedQuerySet["Device"]):
    """Devices; each is in the scope of its group."""


class Device(models.Model):
    """A phone, gateway or SBC that a group calls its own. Source: manual 8.2.

    The database keeps more than this class shows: a device and its location are of one group
    (migration 0002: a composite foreign key on PostgreSQL, triggers on SQLite).
    """

    mac = models.CharField("MAC", max_length=12)
    group = models.ForeignKey(Group, models.PROTECT, related_name="devices")
    location = models.ForeignKey(Location, models.PROTECT, null=True, blank=True, related_name="devices")
    description = models.CharField(max_length=1000, null=True, blank=True)  # noqa: DJ001 - null and "" differ

    # Written at each boot: no index on any of them, so that PostgreSQL's updates stay HOT.
    last_access_status = models.CharField(
        max_length=12, choices=AccessStatus, default=AccessStatus.AWAIT, db_default=AccessStatus.AWAIT
    )
    last_access = models.DateTimeField(null=True, blank=True, editable=False)
    num_requests = models.PositiveBigIntegerField("requests", default=0, db_default=0, editable=False)

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

    def __str__(self) -> str:
        return self.mac
