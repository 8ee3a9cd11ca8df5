"""POST /devices/move: devices come to another group of the caller's scope, all of them or none."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Group, Level
from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_key, make_location, make_operator, make_user

URL = "https://pbx.example/cfg/"


def move(api: Api, group: Group, *devices: Device | str, **more: Any) -> Any:
    macs = [device if isinstance(device, str) else device.mac for device in devices]
    return api.post("/devices/move", {"macList": macs, "group": group.pk} | more)


def place_of(device: Device) -> tuple[int, int | None]:
    device.refresh_from_db()
    return device.group_id, device.location_id


def test_a_device_comes_to_another_group(administrator: Api, cast: Cast) -> None:
    one, other = make_device(cast.provider), make_device(cast.reseller)
    answer = move(administrator, cast.sibling, one, other, one.mac.lower())
    assert (answer.status_code, answer.json()) == (200, {"moved": 2, "withoutLocation": 2})
    assert place_of(one) == place_of(other) == (cast.sibling.pk, None)


def test_those_that_are_there_already_stay_as_they_are(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.sibling, description="hall", location=make_location(cast.sibling), num_requests=3)
    other = make_location(cast.sibling)
    answer = move(administrator, cast.sibling, device, locationId=other.pk)
    assert answer.json() == {"moved": 0, "withoutLocation": 0}
    before = device.location_id
    assert place_of(device) == (cast.sibling.pk, before)
    assert (device.description, device.num_requests) == ("hall", 3)


# --- The location ---------------------------------------------------------------------------------------------


def test_a_location_is_kept_where_the_group_has_one_of_the_same_url(administrator: Api, cast: Cast) -> None:
    kept = make_device(cast.provider, location=make_location(cast.provider, URL))
    lost = make_device(cast.provider, location=make_location(cast.provider, "https://other.example/"))
    none = make_device(cast.provider)
    make_location(cast.sibling, URL.upper().replace("HTTPS", "https"))
    make_location(cast.stranger, URL)
    twin = make_location(cast.sibling, URL)
    answer = move(administrator, cast.sibling, kept, lost, none)
    assert answer.json() == {"moved": 3, "withoutLocation": 2}
    assert place_of(kept) == (cast.sibling.pk, twin.pk)
    assert place_of(lost) == place_of(none) == (cast.sibling.pk, None)


@pytest.mark.parametrize("mutual", [False, True])
def test_of_several_of_the_same_url_the_one_that_asks_for_the_same(
    administrator: Api, cast: Cast, mutual: bool
) -> None:
    """And of these the first."""
    device = make_device(cast.provider, location=make_location(cast.provider, URL, mutual_auth=mutual))
    twins = [make_location(cast.sibling, URL, mutual_auth=auth) for auth in (not mutual, mutual, mutual)]
    assert move(administrator, cast.sibling, device).json() == {"moved": 1, "withoutLocation": 0}
    assert place_of(device) == (cast.sibling.pk, twins[1].pk)


def test_a_named_location_is_for_all(administrator: Api, cast: Cast) -> None:
    one = make_device(cast.provider, location=make_location(cast.provider, URL))
    other = make_device(cast.reseller)
    make_location(cast.sibling, URL)
    place = make_location(cast.sibling, "https://named.example/")
    answer = move(administrator, cast.sibling, one, other, locationId=place.pk)
    assert answer.json() == {"moved": 2, "withoutLocation": 0}
    assert place_of(one) == place_of(other) == (cast.sibling.pk, place.pk)


def test_a_phone_is_served_by_its_new_location(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider, location=make_location(cast.provider, URL))
    place = make_location(cast.sibling, "https://new.example/{MAC ADDRESS}")
    move(administrator, cast.sibling, device, locationId=place.pk)
    answer = Api().client.get(f"/{device.mac}")
    assert (answer.status_code, answer["Location"]) == (302, f"https://new.example/{device.mac}")


# --- What is kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("description", [False, True, None])
@pytest.mark.parametrize("counters", [False, True, None])
def test_what_is_kept_by_choice(
    administrator: Api, cast: Cast, description: bool | None, counters: bool | None
) -> None:
    then = timezone.now().replace(microsecond=0)
    status: dict[str, Any] = {"last_access": then, "last_access_status": "Success", "num_requests": 7}
    device = make_device(cast.provider, description="hall", **status)
    choice = {"keepDescription": description, "keepCounters": counters}
    assert move(administrator, cast.sibling, device, **choice).status_code == 200
    device.refresh_from_db()
    assert device.description == ("hall" if description else None)
    found = {name: getattr(device, name) for name in status}
    nothing = {"last_access": None, "last_access_status": "Await access", "num_requests": 0}
    assert found == (status if counters else nothing)


# --- All or nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["malformed", "unknown", "foreign"])
def test_one_bad_mac_spoils_the_list(administrator: Api, cast: Cast, bad: str) -> None:
    devices = [make_device(cast.provider, description="hall") for _ in range(3)]
    foreign = make_device(cast.stranger)
    text = {"malformed": "nonsense", "unknown": "00:90:8F:FF:FF:FF", "foreign": foreign.mac}[bad]
    before = list(Device.objects.order_by("pk").values())
    answer = move(administrator, cast.sibling, *devices, text)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["macList[3]"]
    assert list(Device.objects.order_by("pk").values()) == before


def test_foreign_and_unknown_are_told_alike(administrator: Api, cast: Cast) -> None:
    foreign = make_device(cast.stranger, "00908F000001")
    first = move(administrator, cast.sibling, foreign)
    foreign.delete()
    assert move(administrator, cast.sibling, "00908F000001").content == first.content


def test_a_group_out_of_the_scope(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider)
    answers = [move(administrator, cast.stranger, device), move(administrator, Group(pk=900_000), device)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].content == answers[1].content
    assert place_of(device) == (cast.provider.pk, None)


def test_a_location_that_is_not_the_groups(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider)
    places = [make_location(cast.provider).pk, make_location(cast.stranger).pk, 900_000]
    answers = [move(administrator, cast.sibling, device, locationId=place) for place in places]
    assert {(answer.status_code, answer.content) for answer in answers} == {(400, answers[0].content)}
    assert place_of(device) == (cast.provider.pk, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"group": None}, "group"),
        ({"macList": []}, "macList"),
        ({"keepCounters": "yes"}, "keepCounters"),
        ({"locationId": "5"}, "locationId"),
        ({"reason": "x"}, "reason"),
    ],
)
def test_a_body_that_is_refused(administrator: Api, cast: Cast, body: dict[str, Any], field: str) -> None:
    good = {"macList": [make_device(cast.provider).mac], "group": cast.sibling.pk}
    answer = administrator.post("/devices/move", good | body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_who_may(cast: Cast) -> None:
    """Within the own scope: a provider has but one group, and the platform operator has all."""
    device = make_device(cast.provider)
    refused = [
        (Api(make_user(cast.reseller, Level.MONITOR)), cast.sibling),
        (Api(make_user(cast.provider)), cast.sibling),
        (Api(make_user(cast.provider)), cast.reseller),
    ]
    assert [move(api, group, device).status_code for api, group in refused] == [403] * 3
    allowed = [
        (Api(make_user(cast.reseller, Level.OPERATOR)), cast.sibling),
        (Api(key=make_key(cast.reseller, Level.OPERATOR)[1]), cast.reseller),
        (Api(make_operator()), cast.stranger),
    ]
    for api, group in allowed:
        assert move(api, group, device).json()["moved"] == 1
        assert place_of(device) == (group.pk, None)


# --- The audit log --------------------------------------------------------------------------------------------


def test_both_groups_are_told(administrator: Api, cast: Cast) -> None:
    """Each its own side: the old group does not see where, nor the new one from where."""
    devices = [make_device(cast.provider), make_device(cast.provider)]
    make_device(cast.sibling)
    move(administrator, cast.sibling, *devices)
    query = {"filter": "event='DevicesMoved'"}
    for group in (cast.provider, cast.sibling):
        (entry,) = Api(make_user(group)).get("/audit", query).json()["audit"]
        assert entry["count"] == 2
        assert entry["groupId"] == group.pk
    assert Api(make_user(cast.stranger)).get("/audit", query).status_code == 204


def test_a_move_that_moves_nothing_leaves_no_entry(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.sibling)
    move(administrator, cast.sibling, device)
    assert administrator.get("/audit", {"filter": "event='DevicesMoved'"}).status_code == 204
    assert Location.objects.count() == 0
