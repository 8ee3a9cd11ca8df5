"""Claims that look unusual, and quotas that are nearly full: told to the group and its reseller."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import Group
from audit.models import Entry
from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_user, make_webhook
from webhooks import events, quotas
from webhooks.models import Delivery, Webhook

MACS = [f"00908F{number:06X}" for number in range(40)]


def watch(group: Any, *wanted: str) -> Webhook:
    Entry.objects.update(untold_from=None)
    webhook = make_webhook(group, events=list(wanted) or None)
    webhook.deliveries.all().delete()
    return webhook


def told(webhook: Webhook) -> list[dict[str, Any]]:
    """The data of what waits to be sent, without the times."""
    while events.tell_next():
        pass
    quotas.turn()
    rows = Delivery.objects.filter(webhook=webhook).order_by("pk")
    return [{"type": row.event} | {k: v for k, v in row.data.items() if k != "time"} for row in rows]


def create(api: Api, group: Group, macs: list[str]) -> None:
    body = {"group": group.pk, "macList": macs, "overrideCurrentAssociation": False}
    assert api.post("/devices", body).status_code == 201


def test_a_long_run_of_macs_is_told(cast: Cast, settings: Settings) -> None:
    settings.CLAIM_RUN_ALERT = 10
    wanted = "group.claim_suspected"
    mine, above, foreign = watch(cast.provider, wanted), watch(cast.reseller, wanted), watch(cast.stranger, wanted)
    api = Api(make_user(cast.provider))
    create(api, cast.provider, MACS[:9])
    assert told(above) == []
    create(api, cast.provider, MACS[10:20])
    expected = {"type": wanted, "groupId": cast.provider.pk, "consecutive": 10, "foreign": None, "sent": None}
    expected |= {"first": "00:90:8F:00:00:0A", "last": "00:90:8F:00:00:13"}
    assert told(mine) == told(above) == [expected]
    assert told(foreign) == []


def test_many_macs_of_other_groups_are_told(cast: Cast) -> None:
    webhook = watch(cast.reseller, "group.claim_suspected")
    Device.objects.bulk_create(Device(mac=mac, group=cast.stranger) for mac in MACS[:10])
    create(Api(make_user(cast.provider)), cast.provider, MACS[:12])
    [data] = told(webhook)
    assert (data["foreign"], data["sent"], data["consecutive"]) == (10, 12, None)


def test_a_quota_that_is_nearly_full_is_told_once_until_it_is_not(cast: Cast) -> None:
    wanted = "group.quota_near"
    mine, above, foreign = watch(cast.provider, wanted), watch(cast.reseller, wanted), watch(cast.sibling, wanted)
    Group.objects.filter(pk=cast.provider.pk).update(device_quota=10)
    for mac in MACS[:7]:
        make_device(cast.provider, mac)
    assert told(mine) == []
    make_device(cast.provider, MACS[7])
    near = {"type": wanted, "groupId": cast.provider.pk, "devices": 8, "quota": 10, "withProviders": False}
    assert told(mine) == told(above) == [near]
    make_device(cast.provider, MACS[8])
    Device.objects.filter(mac=MACS[7]).delete()
    assert told(mine) == [near]
    Device.objects.filter(mac__in=MACS[:2]).delete()
    assert told(mine) == [near]
    for mac in MACS[:2]:
        make_device(cast.provider, mac)
    assert told(mine) == told(above) == [near, near]
    assert told(foreign) == []


def test_the_quota_of_a_reseller_is_told_to_it_alone(cast: Cast, settings: Settings) -> None:
    mine, above = watch(cast.provider, "group.quota_near"), watch(cast.reseller)
    settings.DEVICE_QUOTA_PER_RESELLER = 2
    make_device(cast.provider, MACS[0])
    make_device(cast.sibling, MACS[1])
    assert told(mine) == []
    shown = [data for data in told(above) if data["type"] == "group.quota_near"]
    near = {"groupId": cast.reseller.pk, "devices": 2, "quota": 2, "withProviders": True}
    assert shown == [{"type": "group.quota_near"} | near]


@pytest.mark.parametrize("others", [[], ["device.claimed"]])
def test_nothing_is_counted_for_none(cast: Cast, others: list[str], settings: Settings) -> None:
    settings.DEVICE_QUOTA_PER_GROUP = 1
    make_device(cast.provider, MACS[0])
    if others:
        watch(cast.provider, *others)
    with CaptureQueriesContext(connection) as queries:
        quotas.turn()
    assert len(queries) == 2  # of webhooks and alerts


def test_statements_do_not_depend_on_groups(cast: Cast, settings: Settings) -> None:
    settings.DEVICE_QUOTA_PER_GROUP = 1
    numbers = []
    for groups in (1, 20):
        for number in range(groups):
            group = Group.objects.create(name=f"Group {groups} {number}", group_type="Reseller")
            make_device(group, MACS[groups + number])
            watch(group, "group.quota_near")
        with CaptureQueriesContext(connection) as queries:
            quotas.turn()
        numbers.append(len(queries))
    assert Delivery.objects.count() == 21
    assert numbers[0] == numbers[1]
