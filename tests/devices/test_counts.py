"""How many devices each group has is kept by the database, exactly; lists show it as their total."""

import random
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Group
from devices import counts
from devices.counts import DeviceCount
from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator, make_user
from tests.test_concurrency import at_once

MACS = [f"00908F{number:06X}" for number in range(0, 400, 2)]


def total(api: Api, **query: Any) -> int:
    answer = api.get("/devices", {"limit": 1, **query})
    return 0 if answer.status_code == 204 else answer.json()["pages"]["totalElements"]


def create(api: Api, group: Group, macs: list[str]) -> Any:
    return api.post("/devices", {"group": group.pk, "macList": macs, "overrideCurrentAssociation": False})


def counted(*groups: Group) -> int:
    return Device.objects.filter(group__in=groups).count()


def test_totals_of_each_scope(administrator: Api, cast: Cast) -> None:
    operator, provider = Api(make_operator()), Api(make_user(cast.provider))
    owners = [cast.reseller, cast.provider, cast.provider, cast.sibling, cast.stranger, cast.strangers_provider]
    for group in owners:
        make_device(group)
    found = [[total(api, depth=depth) for depth in (0, 1)] for api in (operator, administrator, provider)]
    assert found == [[2, 6], [1, 4], [2, 2]]
    assert total(Api(make_user(make_group("Empty")))) == 0
    assert administrator.get("/devices", {"page": 5}).status_code == 204


def test_a_list_without_filter_counts_no_devices(administrator: Api, cast: Cast) -> None:
    make_device(cast.provider)
    client = Client()
    client.force_login(make_operator())
    for look in (partial(administrator.get, "/devices"), partial(client.get, "/admin/devices/device/")):
        with CaptureQueriesContext(connection) as statements:
            assert look().status_code == 200
        assert not [each for each in statements if "COUNT(" in each["sql"] and '"devices_device"' in each["sql"]]


def test_a_list_with_a_filter_counts(administrator: Api, cast: Cast) -> None:
    make_device(cast.provider, MACS[0])
    make_device(cast.provider, MACS[1])
    assert total(administrator, filter=f"mac='{MACS[0]}'") == 1
    assert total(administrator, filter=f"mac='{MACS[9]}'") == 0
    client = Client()
    client.force_login(make_operator())
    assert client.get("/admin/devices/device/", {"q": MACS[0]}).context["cl"].result_count == 1
    assert client.get("/admin/devices/device/").context["cl"].result_count == 2


@pytest.mark.parametrize("seed", range(3))
def test_any_calls_leave_the_numbers_right(cast: Cast, seed: int) -> None:
    """Creates, moves and removals of any sizes, some of them refused, with upkeep between them."""
    dice = random.Random(seed)
    operator = Api(make_operator())
    groups = [cast.reseller, cast.provider, cast.sibling, cast.stranger]
    for _ in range(40):
        group, macs = dice.choice(groups), dice.sample(MACS, dice.choice([1, 3, 60]))
        have = list(Device.objects.filter(mac__in=macs).values_list("mac", flat=True))
        match dice.randrange(5):
            case 0 | 1:
                create(operator, group, macs)
            case 2:
                operator.post("/devices/move", {"group": group.pk, "macList": have or macs})
            case 3:
                operator.post("/devices/remove", {"macList": dice.choice([have, macs]) or macs})
            case _:
                counts.compact()
        assert counts.wrong() == []
        assert total(operator) == Device.objects.count()


def test_a_list_of_many_that_comes_goes_and_moves(cast: Cast) -> None:
    """Around every rule of the product: by statements of many rows of several groups."""
    rows = [Device(mac=mac, group=(cast.provider, cast.sibling)[at % 2]) for at, mac in enumerate(MACS)]
    Device.objects.bulk_create(rows)
    assert counts.wrong() == []
    Device.objects.filter(mac__in=MACS[:50]).update(group=cast.stranger)
    Device.objects.filter(mac__in=MACS[:10]).update(group=cast.stranger, description="stays")
    assert counts.wrong() == []
    Device.objects.filter(mac__in=MACS[40:70]).delete()
    assert counts.wrong() == []
    assert counts.total_of_all() == len(MACS) - 30


def test_what_is_taken_back_is_not_counted(cast: Cast) -> None:
    make_device(cast.provider)
    with transaction.atomic():
        make_device(cast.provider)
        assert counts.total_of_all() == 2
        transaction.set_rollback(True)
    assert counts.total_of_all() == 1


def test_a_phone_that_asks_changes_no_number(cast: Cast) -> None:
    device = make_device(cast.provider, location=make_location(cast.provider))
    before = list(DeviceCount.objects.values_list())
    Device.objects.filter(pk=device.pk).update(num_requests=5)
    assert list(DeviceCount.objects.values_list()) == before


def test_a_group_that_is_deleted_leaves_nothing(cast: Cast) -> None:
    operator = Api(make_operator())
    group = make_group("Leaving", cast.reseller)
    device = make_device(group)
    operator.post("/devices/remove", {"macList": [device.mac]})
    assert operator.delete(f"/groups/{group.pk}").status_code == 200
    counts.compact()
    assert not DeviceCount.objects.exists()


def test_upkeep_adds_up(cast: Cast) -> None:
    for mac in MACS[:20]:
        make_device(cast.provider, mac)
    call_command("housekeeping", verbosity=0)
    (kept,) = DeviceCount.objects.all()
    assert (kept.group_id, kept.number) == (cast.provider.pk, 20)


def test_the_command(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    make_device(cast.provider)
    make_device(cast.stranger)
    call_command("check_counters")
    assert capsys.readouterr().out == "The number of devices of each group is right.\n"
    DeviceCount.objects.filter(group=cast.provider).update(number=7)
    with pytest.raises(CommandError, match="The numbers of 1 groups are wrong"):
        call_command("check_counters")
    assert capsys.readouterr().out == f"Group {cast.provider.pk}: 1 devices; 7 are kept.\n"
    call_command("check_counters", "--repair")
    assert capsys.readouterr().out.endswith("Made right: the numbers of 1 groups.\n")
    call_command("check_counters")


def test_devices_of_before_are_counted(cast: Cast) -> None:
    """By the migration, beside those that came after its triggers."""
    for mac in MACS[:5]:
        make_device(cast.provider, mac)
    DeviceCount.objects.all().delete()
    make_device(cast.provider, MACS[5])
    make_device(cast.stranger, MACS[6])
    with connection.cursor() as cursor:
        cursor.execute(import_module("devices.migrations.0024_count_devices_of_before").FILL)
    assert counts.wrong() == []
    assert counts.total_of_all() == 7


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_leave_the_numbers_right() -> None:
    """Of one group, with the same devices, while upkeep adds up."""
    reseller = make_group("Acme Voice")
    provider = make_group("Berlin Phones", reseller)
    api = Api(make_user(reseller))
    calls: list[Callable[[], Any]] = []
    for number in range(6):
        macs = MACS[number * 10 : number * 10 + 40]
        calls += [partial(create, api, provider, macs), counts.compact]
        calls += [partial(api.post, "/devices/move", {"group": reseller.pk, "macList": macs[:20]})]
        calls += [partial(api.post, "/devices/remove", {"macList": macs[:3]})]
    at_once(*calls, threads=4)
    assert counts.wrong() == []
    assert total(api) == counted(reseller, provider) > 0
