"""Where to: the URL templates that phones are redirected to."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from accounts.models import Group
from accounts.scope import ScopedQuerySet
from locations import url_template
from redirect.db.indexes import trigram_index
from redirect.db.texts import NormalizedCharField


class LocationQuerySet(ScopedQuerySet["Location"]):
    """Locations; each is in the scope of its group."""

    def with_device_count(self) -> "LocationQuerySet":
        """Adds `device_count`."""
        model: Any = Location._meta.get_field("devices").related_model
        devices = model.objects.filter(location=OuterRef("pk")).order_by().values("location")
        return self.annotate(
            device_count=Coalesce(Subquery(devices.annotate(number=Count("pk")).values("number")), 0)
        )


class Answer(models.TextChoices):
    """What phones get: a redirect, or settings that point to the URL, for phones that follow no redirect."""

    REDIRECT = "redirect", "Redirect"
    SETTINGS = "settings", "Settings in the format of the phone's maker"


def check_url(url: str) -> None:
    """Accept the URL of a location, or raise InvalidTemplate saying what is wrong with it.

    A host that is a name of this service is refused: the phone would be sent back here again and again.
    """
    url_template.check(url)
    if url_template.leads_back(url, settings.ALLOWED_HOSTS):
        raise url_template.InvalidTemplate(
            "The host is this service itself: a phone would be sent back here again and again."
        )


class Location(models.Model):
    """A URL template that devices of one group are redirected to. Source: manual 9.2; `answer` goes beyond it."""

    group = models.ForeignKey(Group, models.PROTECT, related_name="locations")
    url = models.CharField("URL", max_length=url_template.MAX_LENGTH)
    description = NormalizedCharField(lines=True, max_length=1000, null=True, blank=True)
    mutual_auth = models.BooleanField(default=False)
    answer = models.CharField(
        max_length=8,
        choices=Answer,
        default=Answer.REDIRECT,
        db_default=Answer.REDIRECT,
        help_text="Settings are for phones that follow no redirect. A phone whose maker has no such settings is "
        "redirected.",
    )
    last_access = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LocationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # What a device's (location, group) refers to: both are of one group, says the database.
            models.UniqueConstraint(fields=["id", "group"], name="location_id_with_group"),
        ]
        indexes: ClassVar = [
            trigram_index("url", "location_url_trigram"),
            trigram_index("description", "location_description_trigram"),
        ]

    def __str__(self) -> str:
        return self.url
