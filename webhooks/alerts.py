"""From notices to mails: what an alert has not told of yet becomes one mail, at once or at its hour of the day.

At once is when a storm is over, or after five minutes of it; then not again for a quarter of an hour. So however
many devices fail, an alert sends at most 96 mails a day to each address. The transaction that writes the mails
deletes the notices: none is told twice, none is lost, whatever is killed.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef
from django.utils import timezone

from accounts.models import Group
from redirect.db.arrays import integers
from redirect.errors import Conflict
from webhooks import letters, mails
from webhooks.models import Alert, Mode, Notice

WAIT = timedelta(seconds=20)  # after the first notice, for what comes with it
CALM = timedelta(seconds=10)  # without another one: the storm is over
LONGEST_WAIT = timedelta(minutes=5)
APART = timedelta(minutes=15)  # two mails of one alert
KEPT = timedelta(days=30)
MOST_OF_GROUP = 20
MOST_ADDRESSES = 10

OFF = "This service sends no mail: its operator has not set EMAIL_URL."
NO_ADDRESS = "No Administrator of the group has an e-mail address: name addresses."


@cache
def time_zones() -> frozenset[str]:
    """The names of time zones that an alert may have."""
    return frozenset(available_timezones())


def check_on() -> None:
    """Raises Conflict where the service sends no mail: an alert would only look as if it watched."""
    if not mails.is_on():
        raise Conflict(OFF)


def check_room(group: Group) -> None:
    """Within a transaction: raises Conflict if the group has as many alerts as it may have."""
    Group.objects.select_for_update(no_key=True).get(pk=group.pk)
    if group.alerts.count() >= MOST_OF_GROUP:
        raise Conflict(f"The group has {MOST_OF_GROUP} alerts already.")


def turn() -> None:
    """Write the mails that are due."""
    if mails.is_on():
        compose(timezone.now())


def compose(now: datetime) -> None:
    """Write the mails that are due at this time."""
    waiting = Alert.objects.filter(Exists(Notice.objects.filter(alert=OuterRef("pk"))), enabled=True)
    times = waiting.annotate(
        first_event=Min("notices__first_at"),
        oldest=Min("notices__created_at"),
        newest=Max("notices__created_at"),
    )
    alert: Any
    for alert in times.order_by("pk"):
        if _is_due(alert, alert.first_event, alert.oldest, alert.newest, now):
            _compose(alert.pk, now)


def _is_due(alert: Alert, first_event: datetime, oldest: datetime, newest: datetime, now: datetime) -> bool:
    if alert.mode == Mode.DAILY:
        hour = last_hour(alert, now)
        return first_event <= hour and (alert.composed_at is None or alert.composed_at < hour)
    if alert.composed_at is not None and now - alert.composed_at < APART:
        return False
    return now - oldest >= (WAIT if now - newest >= CALM else LONGEST_WAIT)


def last_hour(alert: Alert, now: datetime) -> datetime:
    """When a daily mail was to be written last."""
    local = now.astimezone(ZoneInfo(alert.time_zone))
    today = local.replace(hour=alert.hour, minute=0, second=0, microsecond=0, fold=0)
    days = (today, today - timedelta(days=1))  # at the same hour, whatever the clocks were set to between them
    return next(moment for day in days if (moment := day.astimezone(UTC)) <= now)


def _compose(pk: int, now: datetime) -> None:
    with transaction.atomic():
        locked = Alert.objects.select_for_update(of=("self",), no_key=True).select_related("group")
        alert = locked.filter(pk=pk, enabled=True).first()
        notices = list(Notice.objects.filter(alert=pk).order_by("pk"))
        if alert is None or not notices:
            return
        first_event, created = min(each.first_at for each in notices), [each.created_at for each in notices]
        if not _is_due(alert, first_event, min(created), max(created), now):
            return  # another worker was here
        addresses = alert.addresses or mails.administrators_of(alert.group_id)
        if not addresses:
            Alert.objects.filter(pk=pk).update(composed_at=now, problem=NO_ADDRESS)
            return
        mails.put(addresses, letters.subject(alert, notices), letters.text(alert, notices), alert)
        Notice.objects.filter(pk__in=integers([each.pk for each in notices])).delete()
        Alert.objects.filter(pk=pk).update(composed_at=now)


def forget_old() -> int:
    """Delete notices that no mail could be made of for long; how many."""
    deleted, _ = Notice.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return deleted
