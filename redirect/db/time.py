"""Times as this service keeps them."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """This moment in UTC, in whole seconds, as the API tells times: manual chapter 12."""
    return timezone.now().replace(microsecond=0)
