"""POST /locations/{id}/devices/associate: a location for the devices of a list, all of them or none."""

from typing import Any

import pytest

from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location

A, B, C, UNKNOWN = "00908F00000A", "00908F00000B", "00908F00000C", "00908FFFFFFF"
SIBLINGS, FOREIGN = "00908F0000B5", "00908F0000F0"


def shown(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def associate(api: Api, location: Any, macs: Any, override: Any = True, **more: Any) -> Any:
    request = {"macList": macs, "overrideCurrentAssociation": override} | more
    return api.post(f"/locations/{getattr(location, 'pk', location)}/devices/associate", request)


def rows() -> list[Any]:
    return list(Device.objects.order_by("pk").values())


def places() -> dict[str, int | None]:
    return dict(Device.objects.filter(mac__in=[A, B, C]).values_list("mac", "location_id"))


@pytest.fixture
def old(cast: Cast) -> Location:
    return make_location(cast.provider)


@pytest.fixture
def new(cast: Cast, old: Location) -> Location:
    """A location of the provider, whose devices A and B have none and whose device C has the old one."""
    make_device(cast.provider, A, description="a")
    make_device(cast.provider, B, description="b")
    make_device(cast.provider, C, old, description="c")
    make_device(cast.sibling, SIBLINGS)
    make_device(cast.stranger, FOREIGN)
    return make_location(cast.provider)


@pytest.mark.parametrize(("override", "number"), [(True, 3), (False, 2)])
def test_without_override_those_with_a_location_keep_it(administrator: Api, old, new, override, number) -> None:
    answer = associate(administrator, new, [A, shown(B).lower(), C], override)
    assert answer.status_code == 200
    assert answer.json() == {"description": f"{number} out of 3 devices were associate to location"}
    assert places() == {A: new.pk, B: new.pk, C: new.pk if override else old.pk}


def test_a_mac_twice_in_the_list_counts_once(administrator: Api, new: Location) -> None:
    answer = associate(administrator, new, [A, shown(A), A.lower(), B])
    assert answer.json() == {"description": "2 out of 2 devices were associate to location"}


def test_only_the_devices_of_the_list_are_associated(administrator: Api, old: Location, new: Location) -> None:
    associate(administrator, new, [A])
    assert places() == {A: new.pk, B: None, C: old.pk}


@pytest.mark.parametrize("override", [True, False])
@pytest.mark.parametrize("description", ["Israel", "", None])
def test_a_description_goes_to_all_devices_of_the_list(administrator: Api, new, override, description) -> None:
    associate(administrator, new, [A, C], override, description=description)
    kept = dict(Device.objects.filter(mac__in=[A, B, C]).values_list("mac", "description"))
    assert kept == {A: description, B: "b", C: description}


def test_without_a_description_each_keeps_its_own(administrator: Api, new: Location) -> None:
    associate(administrator, new, [A, C])
    kept = dict(Device.objects.filter(mac__in=[A, B, C]).values_list("mac", "description"))
    assert kept == {A: "a", B: "b", C: "c"}


def test_unknown_and_foreign_and_of_another_group_are_refused_in_the_same_words(
    administrator: Api, new: Location
) -> None:
    before = rows()
    answers = {
        mac: associate(administrator, new, [A, mac], description="x") for mac in (UNKNOWN, FOREIGN, SIBLINGS)
    }
    assert {answer.status_code for answer in answers.values()} == {400}
    assert len({answer.content.replace(shown(mac).encode(), b"-") for mac, answer in answers.items()}) == 1
    assert shown(FOREIGN) in answers[FOREIGN].json()["description"]
    assert answers[FOREIGN].json()["errors"][0]["field"] == "macList[1]"
    assert rows() == before


def test_a_malformed_mac_fails_the_whole_call(administrator: Api, new: Location) -> None:
    before = rows()
    answer = associate(administrator, new, [A, "djhfdkjdkk"])
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["macList[1]"]
    assert rows() == before


def test_one_bad_mac_among_5000_changes_nothing(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    macs = [f"00908F{number:06X}" for number in range(4999)]
    Device.objects.bulk_create(Device(group=cast.provider, mac=mac) for mac in macs)
    before = rows()
    assert associate(administrator, location, [*macs, UNKNOWN], description="x").status_code == 400
    assert rows() == before
    answer = associate(administrator, location, macs)
    assert answer.json() == {"description": "4999 out of 4999 devices were associate to location"}
    assert Device.objects.filter(location=location).count() == 4999


def test_up_to_20_are_named(administrator: Api, new: Location) -> None:
    missing = [f"00908FFFFF{number:02X}" for number in range(30)]
    errors = associate(administrator, new, [A, *missing]).json()["errors"]
    assert [error["field"] for error in errors] == [f"macList[{i}]" for i in range(1, 21)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"macList": []}, "macList"),
        ({"macList": [5]}, "macList[0]"),
        ({"macList": [f"00908F{n:06X}" for n in range(5001)]}, "macList"),
        ({"overrideCurrentAssociation": "true"}, "overrideCurrentAssociation"),
        ({"overrideCurrentAssociation": None}, "overrideCurrentAssociation"),
        ({"description": 1}, "description"),
        ({"locationId": 1}, "locationId"),
    ],
)
def test_a_malformed_attribute_is_named(administrator: Api, new: Location, change, field) -> None:
    answer = associate(administrator, new, [A], **change)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("missing", ["macList", "overrideCurrentAssociation"])
def test_the_mandatory_attributes_are_mandatory(administrator: Api, new: Location, missing: str) -> None:
    request = {"macList": [A], "overrideCurrentAssociation": True}
    del request[missing]
    answer = administrator.post(f"/locations/{new.pk}/devices/associate", request)
    assert answer.status_code == 400
    assert missing in answer.json()["description"]


def test_a_location_unknown_or_foreign_is_not_found_in_the_same_words(administrator: Api, cast: Cast, new) -> None:
    foreign = make_location(cast.stranger)
    answers = [associate(administrator, id, [A]) for id in (foreign.pk, 999_999, 10**30)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert places()[A] is None


@pytest.mark.parametrize(("macs", "status"), [(["x"], 400), ([], 400), ([UNKNOWN], 404), ([A], 404)])
def test_the_form_is_checked_before_the_location_and_the_location_before_the_macs(
    administrator: Api, cast: Cast, new: Location, macs: list[str], status: int
) -> None:
    assert associate(administrator, make_location(cast.stranger), macs).status_code == status


def test_the_other_columns_stay(administrator: Api, cast: Cast, new: Location) -> None:
    device = make_device(cast.provider, num_requests=7, last_access_status="Fail")
    before = Device.objects.filter(pk=device.pk).values().get()
    associate(administrator, new, [device.mac])
    assert Device.objects.filter(pk=device.pk).values().get() == before | {"location_id": new.pk}
