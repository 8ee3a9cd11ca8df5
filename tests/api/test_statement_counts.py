"""The number of SQL statements of a call depends neither on the length of a list nor on the number of rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, Level, User
from devices.models import Device
from locations.models import Location
from tests.conftest import (
    Api,
    Cast,
    make_alert,
    make_device,
    make_endpoint,
    make_group,
    make_key,
    make_location,
    make_operator,
    make_user,
    make_webhook,
)

MANY = 5000


@pytest.fixture(autouse=True)
def _content_types_are_known(db: None) -> None:
    """A process looks them up once."""
    ContentType.objects.get_for_models(Group, User, Location, Device)


def macs(number: int, start: int = 0) -> list[str]:
    return [f"00908F{start + i:06X}" for i in range(number)]


def statements_of(call: Callable[[], Any], *statuses: int) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        answer = call()
    assert answer.status_code in statuses, answer.content
    return [query["sql"][:300] for query in queries]


def assert_as_many(few: list[str], many: list[str]) -> None:
    if len(few) != len(many):
        pytest.fail("\n".join(["With little:", *few, "", "With much:", *many]))


def make_devices(group: Any, texts: list[str], location: Location | None = None) -> None:
    Device.objects.bulk_create(Device(group=group, mac=mac, location=location) for mac in texts)


# --- Bulk calls -----------------------------------------------------------------------------------------------


def assert_length_does_not_matter(call: Callable[[list[str]], Any], *statuses: int) -> None:
    """The call with 1 MAC and with 5,000 others; `MANY + 1` devices may be prepared for it."""
    few = statements_of(lambda: call(macs(1)), *statuses)
    many = statements_of(lambda: call(macs(MANY, start=1)), *statuses)
    assert_as_many(few, many)


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("existing", ["none", "own", "foreign"])
def test_create(administrator: Api, cast: Cast, existing: str, override: bool) -> None:
    location = make_location(cast.provider)
    if existing != "none":
        make_devices(cast.provider if existing == "own" else cast.stranger, macs(MANY + 1))
    body = {"group": cast.provider.pk, "overrideCurrentAssociation": override, "locationId": location.pk}
    assert_length_does_not_matter(lambda texts: administrator.post("/devices", body | {"macList": texts}), 201)


def test_create_with_an_idempotency_key(administrator: Api, cast: Cast) -> None:
    body = {"group": cast.provider.pk, "overrideCurrentAssociation": False}

    def create(texts: list[str]) -> Any:
        administrator.headers["Idempotency-Key"] = texts[0]
        return administrator.post("/devices", body | {"macList": texts})

    assert_length_does_not_matter(create, 201)
    assert_length_does_not_matter(create, 201)  # given again


def test_create_with_invalid_macs(administrator: Api, cast: Cast) -> None:
    body = {"group": cast.provider.pk, "overrideCurrentAssociation": False}
    assert_length_does_not_matter(
        lambda texts: administrator.post("/devices", body | {"macList": [text + "x" for text in texts]}), 201
    )


@pytest.mark.parametrize("named", [False, True])
def test_remove(administrator: Api, cast: Cast, named: bool) -> None:
    make_devices(cast.provider, macs(MANY + 1))
    more = {"group": cast.provider.pk} if named else {}
    assert_length_does_not_matter(
        lambda texts: administrator.post("/devices/remove", {"macList": texts} | more), 200
    )


def test_move(administrator: Api, cast: Cast) -> None:
    """Each device with a location of its own, of which the other group has a twin."""
    urls = [f"https://pbx{number}.example/" for number in range(MANY + 1)]
    places = Location.objects.bulk_create(Location(group=cast.provider, url=url) for url in urls)
    Location.objects.bulk_create(Location(group=cast.sibling, url=url) for url in urls)
    pairs = zip(macs(MANY + 1), places, strict=True)
    Device.objects.bulk_create(Device(group=cast.provider, mac=mac, location=place) for mac, place in pairs)
    body = {"group": cast.sibling.pk, "keepCounters": True}
    assert_length_does_not_matter(
        lambda texts: administrator.post("/devices/move", body | {"macList": texts}), 200
    )
    assert Device.objects.filter(group=cast.sibling, location__group=cast.sibling).count() == MANY + 1


def test_remove_refused(administrator: Api, cast: Cast) -> None:
    make_devices(cast.stranger, macs(MANY + 1))
    assert_length_does_not_matter(lambda texts: administrator.post("/devices/remove", {"macList": texts}), 400)


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("more", [{}, {"description": "x"}])
def test_associate(administrator: Api, cast: Cast, override: bool, more: dict[str, str]) -> None:
    make_devices(cast.provider, macs(MANY + 1))
    path = f"/locations/{make_location(cast.provider).pk}/devices/associate"
    body = {"overrideCurrentAssociation": override} | more
    assert_length_does_not_matter(lambda texts: administrator.post(path, body | {"macList": texts}), 200)


def test_disassociate(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    make_devices(cast.provider, macs(MANY + 1), location)
    path = f"/locations/{location.pk}/devices/disassociate"
    assert_length_does_not_matter(lambda texts: administrator.post(path, {"macList": texts}), 200)


@pytest.mark.parametrize("busy", [False, True])
def test_remove_locations(administrator: Api, cast: Cast, busy: bool) -> None:
    urls = [Location(group=cast.provider, url="https://pbx.example/") for _ in range(301)]
    made = Location.objects.bulk_create(urls)
    if busy:
        places = zip(macs(301), made, strict=True)
        Device.objects.bulk_create(Device(group=cast.provider, mac=mac, location=it) for mac, it in places)
    first, *others = [location.pk for location in made]

    def remove(ids: list[int]) -> Any:
        return administrator.post("/locations/remove", {"idList": ids})

    few = statements_of(lambda: remove([first]), 200)
    many = statements_of(lambda: remove([*others, *range(10**6, 10**6 + 4000)]), 200)
    assert_as_many(few, many)


# --- Lists ----------------------------------------------------------------------------------------------------


def make_rows(cast: Cast, number: int) -> None:
    """Providers, each with a user, a location and a device."""
    for _ in range(number):
        group = make_group(f"Provider {number} {make_user(cast.reseller).pk}", cast.reseller)
        make_user(group, Level.MONITOR)
        make_key(group, Level.MONITOR)
        make_webhook(group)
        make_alert(group)
        make_endpoint(make_device(group, location=make_location(group)))


LISTS: list[tuple[str, dict[str, Any]]] = [
    ("/devices", {}),
    ("/devices", {"filter": "(search~'o',assigned=true)", "sort": "locationUrl,-groupName", "depth": 1}),
    ("/devices", {"filter": "(search~'1')"}),
    ("/locations", {}),
    ("/locations", {"filter": "(search~'1',numDevices>0)", "sort": "numDevices"}),
    ("/users", {}),
    ("/users", {"filter": "(search~'o')", "sort": "groupName"}),
    ("/keys", {}),
    ("/keys", {"filter": "(search~'1',lastAddress='')", "sort": "groupName,-lastUsed"}),
    ("/webhooks", {}),
    ("/webhooks", {"filter": "(search~'o',enabled=true)", "sort": "groupName,-url"}),
    ("/alerts", {}),
    ("/alerts", {"filter": "(search~'o',mode='Daily')", "sort": "groupName,-timeZone"}),
    ("/management/endpoints", {}),
    ("/management/endpoints", {"filter": "(driver~'7',loginRefused=false)", "sort": "-baseUrl"}),
    ("/management/endpoints", {"filter": "(locationId=0)"}),
    ("/management/operations", {}),
    ("/audit", {}),
    ("/audit", {"filter": "(user!='x',object~'o',mac!='00908F000000')", "sort": "-user,address"}),
]


@pytest.mark.parametrize("who", ["reseller", "operator"])
def test_a_list_of_100_rows_asks_as_often_as_one_of_1(cast: Cast, who: str) -> None:
    api = Api(make_operator() if who == "operator" else make_user(cast.reseller))

    def statements_of_lists() -> list[list[str]]:
        groups = partial(api.get, "/groups")  # has no pages
        calls = [partial(api.get, path, query | {"limit": 1000}) for path, query in LISTS]
        return [statements_of(call, 200, 204) for call in [groups, *calls]]

    make_rows(cast, 1)
    few = statements_of_lists()
    make_rows(cast, 99)
    for with_little, with_much in zip(few, statements_of_lists(), strict=True):
        assert_as_many(with_little, with_much)


def test_the_devices_of_a_location_ask_as_often_for_100_as_for_1(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    path = f"/locations/{location.pk}/devices"
    make_devices(cast.provider, macs(1), location)
    few = statements_of(lambda: administrator.get(path, {"limit": 1000}), 200)
    make_devices(cast.provider, macs(99, start=1), location)
    assert_as_many(few, statements_of(lambda: administrator.get(path, {"limit": 1000}), 200))


def test_a_list_of_devices_is_five_statements(administrator: Api, cast: Cast) -> None:
    """Who asks, for which groups, how many rows there are, which stand on the page, and these in full."""
    make_device(cast.provider, location=make_location(cast.provider))
    statements = statements_of(lambda: administrator.get("/devices"), 200)
    assert len(statements) == 5, "\n".join(statements)
