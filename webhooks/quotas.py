"""From quotas to deliveries: a quota of devices that is nearly full is told of once, until it is not any more."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Group
from devices import claims
from redirect.db.arrays import integers
from webhooks.models import EventType, Told
from webhooks.outbox import Message, Subscribers, forget, put, tell_once, told_time

NEAR, FAR = 80, 75  # percent: told of from the one on, and again after less than the other
OWN, WHOLE = "own", "whole"  # Told's key: of the group's own devices, of a reseller's with its providers'


def turn() -> None:
    """Look at the quotas of the groups of which a webhook or alert wants to know it."""
    subscribers = Subscribers([EventType.QUOTA_NEAR])
    if not subscribers:
        return
    now = timezone.now()
    groups = Group.objects.filter(pk__in=integers(sorted(subscribers.groups))).select_related("reseller")
    own_and_whole = claims.quotas_of(groups).used()
    use = {(quota.group_id, WHOLE if quota.whole else OWN): (quota, used) for quota, used in own_and_whole.items()}
    near = {key: now for key, (quota, used) in use.items() if quota.devices and used * 100 >= NEAR * quota.devices}
    far = {key for key, (quota, used) in use.items() if used * 100 < FAR * quota.devices}
    with transaction.atomic():
        told = set(Told.objects.filter(event=EventType.QUOTA_NEAR).values_list("group_id", "key"))
        forget(EventType.QUOTA_NEAR, {key for key in told if key in far or key not in use})
        messages = []
        for key in sorted(tell_once(EventType.QUOTA_NEAR, near)):
            quota, used = use[key]
            data = {
                "groupId": quota.group_id,
                "devices": used,
                "quota": quota.devices,
                "withProviders": quota.whole,
                "time": told_time(now),
            }
            for subscriber in subscribers.of(EventType.QUOTA_NEAR, now, [quota.group_id]):
                messages.append(Message(subscriber, EventType.QUOTA_NEAR, None, data))
        put(messages)
