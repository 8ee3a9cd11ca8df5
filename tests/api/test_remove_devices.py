"""POST /devices/remove: all devices of the list, or none."""

from typing import Any

import pytest

from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_location, make_user

A, B, C, UNKNOWN = "00908F00000A", "00908F00000B", "00908F00000C", "00908FFFFFFF"


def shown(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def remove(api: Api, macs: Any, **more: Any) -> Any:
    return api.post("/devices/remove", {"macList": macs} | more)


def left() -> set[str]:
    return set(Device.objects.values_list("mac", flat=True))


@pytest.fixture
def devices(cast: Cast) -> None:
    make_device(cast.provider, A, make_location(cast.provider))
    make_device(cast.sibling, B)
    make_device(cast.stranger, C)


@pytest.mark.usefixtures("devices")
def test_the_devices_of_the_scope_are_deleted(administrator: Api) -> None:
    answer = remove(administrator, [A, shown(B).lower()])
    assert (answer.status_code, answer.json()) == (200, {"deleted": 2})
    assert left() == {C}


@pytest.mark.usefixtures("devices")
def test_a_mac_twice_in_the_list_counts_once(administrator: Api) -> None:
    assert remove(administrator, [A, shown(A), A.lower(), B]).json() == {"deleted": 2}


@pytest.mark.usefixtures("devices")
def test_unknown_and_foreign_are_refused_in_the_same_words(administrator: Api) -> None:
    unknown, foreign = remove(administrator, [A, UNKNOWN]), remove(administrator, [A, C])
    assert unknown.status_code == foreign.status_code == 400
    assert unknown.content.replace(shown(UNKNOWN).encode(), b"-") == foreign.content.replace(
        shown(C).encode(), b"-"
    )
    assert unknown.headers.keys() == foreign.headers.keys()
    assert shown(UNKNOWN) in unknown.json()["description"]
    assert left() == {A, B, C}


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("bad", ["x", "", "00:90:8F:00:00", A + " ", A[:6] + "-" + A[6:]])
def test_a_malformed_mac_fails_the_whole_call(administrator: Api, bad: str) -> None:
    answer = remove(administrator, [A, bad, B])
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["macList[1]"]
    assert left() == {A, B, C}


def test_one_bad_mac_among_5000_changes_nothing(administrator: Api, cast: Cast) -> None:
    macs = [f"00908F{number:06X}" for number in range(4999)]
    Device.objects.bulk_create(Device(group=cast.provider, mac=mac) for mac in macs)
    assert remove(administrator, [*macs[:3000], UNKNOWN, *macs[3000:]]).status_code == 400
    assert Device.objects.count() == 4999
    assert remove(administrator, macs).json() == {"deleted": 4999}
    assert not left()


@pytest.mark.usefixtures("devices")
def test_up_to_20_are_named_where_they_stand_first(administrator: Api) -> None:
    missing = [f"00908FFFFF{number:02X}" for number in range(30)]
    errors = remove(administrator, [A, missing[0], *missing]).json()["errors"]
    assert [error["field"] for error in errors] == ["macList[1]", *(f"macList[{i}]" for i in range(3, 22))]
    assert [shown(mac) in error["description"] for mac, error in zip(missing, errors, strict=False)] == [True] * 20


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("macs", [[], None, A, [5], [None], [f"00908F{n:06X}" for n in range(5001)]])
def test_the_list_holds_1_to_5000_strings(administrator: Api, macs: Any) -> None:
    assert remove(administrator, macs).status_code == 400
    assert left() == {A, B, C}


# --- The optional group ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("devices")
def test_a_group_narrows_the_scope_to_its_own_devices(administrator: Api, cast: Cast) -> None:
    refused = remove(administrator, [A, B], group=cast.provider.pk)
    assert refused.status_code == 400
    assert shown(B) in refused.json()["description"]
    assert left() == {A, B, C}
    assert remove(administrator, [A], group=cast.provider.pk).json() == {"deleted": 1}


@pytest.mark.usefixtures("devices")
def test_a_reseller_named_as_group_is_that_group_alone(administrator: Api, cast: Cast) -> None:
    assert remove(administrator, [A], group=cast.reseller.pk).status_code == 400


@pytest.mark.usefixtures("devices")
def test_group_null_is_no_group(administrator: Api) -> None:
    assert remove(administrator, [A, B], group=None).json() == {"deleted": 2}


@pytest.mark.usefixtures("devices")
def test_a_group_unknown_or_foreign_is_refused_in_the_same_words(administrator: Api, cast: Cast) -> None:
    answers = [remove(administrator, [A], group=id) for id in (cast.stranger.pk, 999_999, 0)]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize("macs", [["x"], [A, "x"]])
def test_what_is_malformed_is_told_before_whose_it_is(administrator: Api, cast: Cast, macs: list[str]) -> None:
    assert remove(administrator, macs, group=cast.stranger.pk).status_code == 400


@pytest.mark.usefixtures("devices")
def test_a_provider_removes_its_own_devices_alone(cast: Cast) -> None:
    api = Api(make_user(cast.provider))
    assert remove(api, [A, B]).status_code == 400
    assert remove(api, [A]).json() == {"deleted": 1}
    assert left() == {B, C}
