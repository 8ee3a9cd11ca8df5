"""Who speaks with a device now: one process at a time, over all of them.

A lease ends by itself, as its holder may be killed; a job renews its own with each heartbeat.
"""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from management.models import Endpoint

FOR_A_JOB = timedelta(seconds=60)
FOR_A_QUESTION = timedelta(seconds=300)


def take(endpoint: int, holder: str, duration: timedelta) -> bool:
    """Whether the holder has the endpoint from now on."""
    now = timezone.now()
    free = Q(leased_by__in=["", holder]) | Q(leased_until=None) | Q(leased_until__lt=now)
    taken = Endpoint.objects.filter(free, pk=endpoint).update(leased_by=holder, leased_until=now + duration)
    return taken == 1


def renew(endpoint: int, holder: str, duration: timedelta) -> None:
    """Keep it for so long from now on, if it is still the holder's."""
    Endpoint.objects.filter(pk=endpoint, leased_by=holder).update(leased_until=timezone.now() + duration)


def give_all_back(holder: str) -> None:
    """Let others have all that the holder had."""
    Endpoint.objects.filter(leased_by=holder).update(leased_by="", leased_until=None)


def give_back(endpoint: int, holder: str) -> None:
    """Let others have it."""
    Endpoint.objects.filter(pk=endpoint, leased_by=holder).update(leased_by="", leased_until=None)
