"""A time in words, for people who compare it with what they have just seen."""

from datetime import UTC, datetime, timedelta

from django.utils.timesince import timesince


def ago(time: datetime, now: datetime) -> str:
    """How long ago, in one unit.

    >>> ago(datetime(2026, 1, 1, 12, 0), datetime(2026, 1, 1, 12, 3))
    '3 minutes ago'
    """
    if now - time < timedelta(minutes=1):
        return "less than a minute ago"
    return timesince(time, now, depth=1).replace("\xa0", " ") + " ago"


def exact(time: datetime) -> str:
    """The time to the second, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def moment(time: datetime, now: datetime) -> str:
    """How long ago, and the exact time."""
    return f"{ago(time, now)} ({exact(time)})"
