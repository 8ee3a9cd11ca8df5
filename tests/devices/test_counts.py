"""How many devices each group has is kept by the database, exactly; lists show it as their total."""

import random
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, User
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
    assert capsys.readouterr().out.startswith("The number of devices of each group is right.\n")
    DeviceCount.objects.filter(group=cast.provider).update(number=7)
    with pytest.raises(CommandError, match="1 numbers of devices are wrong"):
        call_command("check_counters")
    block = Device.objects.get(group=cast.provider).pk >> counts.BLOCK
    said = f"Group {cast.provider.pk}, block {block}: 1 devices; 7 are kept.\n"
    assert capsys.readouterr().out.startswith(said)
    call_command("check_counters", "--repair")
    assert "Made right: 1 numbers of devices.\n" in capsys.readouterr().out
    call_command("check_counters")
    make_device(cast.provider)
    make_device(cast.stranger)
    assert counts.wrong() == []


def test_devices_of_before_are_counted(cast: Cast) -> None:
    """By the migration, beside those that came after its triggers."""
    for mac in MACS[:5]:
        make_device(cast.provider, mac)
    DeviceCount.objects.all().delete()
    make_device(cast.provider, MACS[5])
    make_device(cast.stranger, MACS[6])
    with connection.cursor() as cursor:
        migration = import_module("devices.migrations.0028_count_blocks_of_before")
        migration.fill(None, SimpleNamespace(connection=connection, execute=cursor.execute))
    assert counts.wrong() == []
    assert counts.total_of_all() == 7
    make_device(cast.provider, MACS[7])
    assert counts.wrong() == []


# --- Where a page begins ----------------------------------------------------------------------------------------

SIZE = 1 << counts.BLOCK


def spread(groups: list[Group], dice: random.Random) -> list[Device]:
    """Devices whose ids are far apart, by their ids."""
    ids = dice.sample([block * SIZE + at for block in (1, 2, 3, 7, 40) for at in (0, 1, 9, SIZE - 1)], 18)
    rows = [Device(pk=pk, mac=mac, group=dice.choice(groups)) for pk, mac in zip(ids, MACS, strict=False)]
    Device.objects.bulk_create(rows)
    return sorted(rows, key=lambda device: device.pk)


@pytest.fixture
def _no_page_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.devices.FAR", 0)
    monkeypatch.setattr("api.pagination.SORTED_AT_ONCE", 0)


@pytest.mark.usefixtures("_no_page_is_near")
@pytest.mark.parametrize("seed", range(3))
def test_pages_of_each_scope_and_order(cast: Cast, seed: int) -> None:
    dice = random.Random(seed)
    rows = spread([cast.reseller, cast.provider, cast.sibling, cast.stranger, cast.strangers_provider], dice)
    resellers = {cast.reseller.pk, cast.stranger.pk}
    own = {cast.reseller.pk, cast.provider.pk, cast.sibling.pk}
    scopes: list[tuple[User, int, Callable[[int], bool]]] = [
        (make_operator(), 1, lambda group_id: True),
        (make_operator(), 0, lambda group_id: group_id in resellers),
        (make_user(cast.reseller), 1, lambda group_id: group_id in own),
        (make_user(cast.reseller), 0, lambda group_id: group_id == cast.reseller.pk),
        (make_user(cast.provider), 1, lambda group_id: group_id == cast.provider.pk),
    ]
    for user, depth, is_seen in scopes:
        seen = [device.pk for device in rows if is_seen(device.group_id)]
        for query, order in (({}, seen), ({"sort": "id"}, seen), ({"sort": "-id"}, seen[::-1])):
            limit, paged = dice.randrange(1, 5), []
            for page in range(1, -(-len(seen) // limit) + 1):
                answer = Api(user).get("/devices", {"depth": depth, "limit": limit, "page": page} | query)
                paged += [each["id"] for each in answer.json()["devices"]]
            assert paged == order


@pytest.mark.usefixtures("_no_page_is_near")
def test_other_lists_are_walked_as_they_are(cast: Cast) -> None:
    spread([cast.provider], random.Random(0))
    Device.objects.filter(mac__in=MACS[:9]).update(description="x")
    api = Api(make_operator())
    found = [
        api.get("/devices", {"limit": 1, "page": page, "filter": "description='x'"}).json()["devices"][0]["mac"]
        for page in range(1, 10)
    ]
    assert {mac.replace(":", "") for mac in found} == set(MACS[:9])
    by_mac = [
        api.get("/devices", {"limit": 1, "page": page, "sort": "-mac"}).json()["devices"][0]["mac"]
        for page in range(1, 19)
    ]
    assert [mac.replace(":", "") for mac in by_mac] == sorted(MACS[:18], reverse=True)


def test_what_stands_far_in_front_of_a_page_is_not_walked_over(
    administrator: Api, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.devices.FAR", 10)
    monkeypatch.setattr("api.pagination.SORTED_AT_ONCE", 0)
    rows = [Device(pk=number * 9_000, mac=mac, group=cast.sibling) for number, mac in enumerate(MACS[:100], 1)]
    Device.objects.bulk_create(rows)
    with CaptureQueriesContext(connection) as statements:
        found = administrator.get("/devices", {"limit": 2, "page": 46}).json()["devices"]
    assert [device["id"] for device in found] == [91 * 9_000, 92 * 9_000]
    walked = [int(found[1]) for each in statements if (found := re.search(r"OFFSET (\d+)", each["sql"]))]
    assert walked == [90 - 87]  # 12 blocks of seven devices or eight stand before that of the page


@pytest.mark.usefixtures("_no_page_is_near")
def test_numbers_of_an_earlier_release_lead_no_page_astray(administrator: Api, cast: Cast) -> None:
    """Its housekeeping adds up the numbers of a group without a look at blocks."""
    rows = spread([cast.provider], random.Random(0))
    DeviceCount.objects.all().delete()
    DeviceCount.objects.create(group=cast.provider, number=len(rows))

    def pages() -> list[int]:
        found = [administrator.get("/devices", {"limit": 1, "page": page + 1}).json() for page in range(len(rows))]
        return [each["devices"][0]["id"] for each in found]

    assert pages() == [device.pk for device in rows]
    if connection.vendor == "postgresql":
        call_command("housekeeping", verbosity=0)
        assert counts.wrong() == []
        assert DeviceCount.objects.filter(block=None).count() == 0
        assert pages() == [device.pk for device in rows]


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
