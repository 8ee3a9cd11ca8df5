"""POST /locations/{id}/devices/disassociate: no location for the devices of a list, all of them or none."""

from typing import Any

import pytest

from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location

A, B, ELSEWHERE, NOWHERE = "00908F00000A", "00908F00000B", "00908F00000E", "00908F000000"
SIBLINGS, FOREIGN, UNKNOWN = "00908F0000B5", "00908F0000F0", "00908FFFFFFF"


def shown(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def disassociate(api: Api, location: Any, macs: Any, **more: Any) -> Any:
    path = f"/locations/{getattr(location, 'pk', location)}/devices/disassociate"
    return api.post(path, {"macList": macs} | more)


def rows() -> list[Any]:
    return list(Device.objects.order_by("pk").values())


@pytest.fixture
def location(cast: Cast) -> Location:
    """A location of the provider with the devices A and B."""
    location = make_location(cast.provider)
    make_device(cast.provider, A, location, description="a")
    make_device(cast.provider, B, location)
    make_device(cast.provider, ELSEWHERE, make_location(cast.provider))
    make_device(cast.provider, NOWHERE)
    make_device(cast.sibling, SIBLINGS, make_location(cast.sibling))
    make_device(cast.stranger, FOREIGN, make_location(cast.stranger))
    return location


def test_the_devices_lose_the_location(administrator: Api, location: Location) -> None:
    before = rows()
    answer = disassociate(administrator, location, [shown(A).lower()])
    assert answer.status_code == 200
    assert answer.json() == {"description": "1 out of 1 devices were disassociate from location"}
    assert rows() == [row | {"location_id": None} if row["mac"] == A else row for row in before]


def test_a_mac_twice_in_the_list_counts_once(administrator: Api, location: Location) -> None:
    answer = disassociate(administrator, location, [A, shown(A), B, A])
    assert answer.json() == {"description": "2 out of 2 devices were disassociate from location"}


@pytest.mark.parametrize("mac", [ELSEWHERE, NOWHERE])
def test_a_device_that_is_not_at_the_location_fails_the_whole_call(administrator: Api, location, mac: str) -> None:
    before = rows()
    answer = disassociate(administrator, location, [A, mac, B])
    assert answer.status_code == 400
    assert shown(mac) in answer.json()["description"]
    assert [error["field"] for error in answer.json()["errors"]] == ["macList[1]"]
    assert rows() == before


def test_unknown_and_foreign_and_of_another_group_are_refused_in_the_same_words(
    administrator: Api, location: Location
) -> None:
    before = rows()
    answers = {mac: disassociate(administrator, location, [A, mac]) for mac in (UNKNOWN, FOREIGN, SIBLINGS)}
    assert {answer.status_code for answer in answers.values()} == {400}
    assert len({answer.content.replace(shown(mac).encode(), b"-") for mac, answer in answers.items()}) == 1
    assert rows() == before


def test_one_bad_mac_among_5000_changes_nothing(administrator: Api, cast: Cast, location: Location) -> None:
    macs = [f"00908FA{number:05X}" for number in range(4999)]
    Device.objects.bulk_create(Device(group=cast.provider, mac=mac, location=location) for mac in macs)
    assert disassociate(administrator, location, [*macs, NOWHERE]).status_code == 400
    assert Device.objects.filter(location=location).count() == 5001
    answer = disassociate(administrator, location, macs)
    assert answer.json() == {"description": "4999 out of 4999 devices were disassociate from location"}
    assert Device.objects.filter(location=location).count() == 2


@pytest.mark.parametrize("missing", [NOWHERE, UNKNOWN])
def test_up_to_20_are_named(administrator: Api, cast: Cast, location: Location, missing: str) -> None:
    macs = [f"00908FA000{number:02X}" for number in range(30)]
    if missing == NOWHERE:
        Device.objects.bulk_create(Device(group=cast.provider, mac=mac) for mac in macs)
    errors = disassociate(administrator, location, [A, *macs]).json()["errors"]
    assert [error["field"] for error in errors] == [f"macList[{i}]" for i in range(1, 21)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"macList": []}, "macList"),
        ({"macList": [A, "djhfdkjdkk"]}, "macList[1]"),
        ({"macList": [5]}, "macList[0]"),
        ({"macList": [f"00908F{n:06X}" for n in range(5001)]}, "macList"),
        ({"overrideCurrentAssociation": True}, "overrideCurrentAssociation"),
    ],
)
def test_a_malformed_attribute_is_named(administrator: Api, location: Location, change, field) -> None:
    before = rows()
    answer = disassociate(administrator, location, [A], **change)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert rows() == before


def test_a_location_unknown_or_foreign_is_not_found_in_the_same_words(administrator: Api, cast: Cast) -> None:
    foreign = make_location(cast.stranger)
    make_device(cast.stranger, FOREIGN, foreign)
    answers = [disassociate(administrator, id, [FOREIGN]) for id in (foreign.pk, 999_999, 10**30)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert Device.objects.get().location_id == foreign.pk


@pytest.mark.parametrize(("macs", "status"), [(["x"], 400), ([], 400), ([UNKNOWN], 404), ([A], 404)])
def test_the_form_is_checked_before_the_location_and_the_location_before_the_macs(
    administrator: Api, cast: Cast, location: Location, macs: list[str], status: int
) -> None:
    assert disassociate(administrator, make_location(cast.stranger), macs).status_code == status
