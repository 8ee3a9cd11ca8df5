"""POST /locations/remove: what has no devices goes, the rest is named."""

from typing import Any

import pytest

from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location, make_user


def remove(api: Api, ids: Any) -> Any:
    return api.post("/locations/remove", {"idList": ids})


def used(group: Any, url: str) -> Location:
    location = make_location(group, url)
    make_device(group, location=location)
    make_device(group, location=location)
    return location


def left() -> set[int]:
    return set(Location.objects.values_list("pk", flat=True))


def test_locations_without_devices_are_deleted(administrator: Api, cast: Cast) -> None:
    ids = [make_location(group).pk for group in (cast.reseller, cast.provider, cast.sibling)]
    kept = make_location(cast.provider).pk
    answer = remove(administrator, ids)
    assert answer.status_code == 200
    assert answer.json() == {"deleted": 3, "fail": {"count": 0, "locations": []}}
    assert left() == {kept}


def test_the_others_are_named_in_the_order_sent(administrator: Api, cast: Cast) -> None:
    """By their URL; what is unknown or somebody else's as the number that was sent, as text."""
    first, second = used(cast.provider, "https://a.example/"), used(cast.sibling, "https://b.example/")
    unused, foreign = make_location(cast.provider), make_location(cast.stranger, "https://foreign.example/")
    answer = remove(administrator, [999_999, second.pk, unused.pk, foreign.pk, first.pk, -5])
    assert answer.json() == {
        "deleted": 1,
        "fail": {
            "count": 5,
            "locations": ["999999", "https://b.example/", str(foreign.pk), "https://a.example/", "-5"],
        },
    }
    assert left() == {first.pk, second.pk, foreign.pk}


def test_an_id_twice_in_the_list_counts_once(administrator: Api, cast: Cast) -> None:
    unused, busy = make_location(cast.provider), used(cast.provider, "https://a.example/")
    answer = remove(administrator, [busy.pk, unused.pk, 999_999, unused.pk, busy.pk, 999_999])
    assert answer.json() == {"deleted": 1, "fail": {"count": 2, "locations": ["https://a.example/", "999999"]}}


def test_two_locations_of_one_url_are_both_named(administrator: Api, cast: Cast) -> None:
    ids = [used(cast.provider, "https://a.example/").pk for _ in range(2)]
    assert remove(administrator, ids).json()["fail"] == {"count": 2, "locations": ["https://a.example/"] * 2}


def test_nothing_to_delete_is_still_a_success(administrator: Api, cast: Cast) -> None:
    answer = remove(administrator, [999_999])
    assert answer.status_code == 200
    assert answer.json() == {"deleted": 0, "fail": {"count": 1, "locations": ["999999"]}}


@pytest.mark.parametrize("id", [2**63 - 1, 2**63, -(2**63) - 1, 10**30])
def test_an_id_that_no_column_holds_is_never_a_server_error(administrator: Api, cast: Cast, id: int) -> None:
    location = make_location(cast.provider)
    answer = remove(administrator, [id, location.pk])
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json() == {"deleted": 1, "fail": {"count": 1, "locations": [str(id)]}}
    else:
        assert left() == {location.pk}


@pytest.mark.parametrize(
    ("ids", "field"),
    [
        ([], "idList"),
        (None, "idList"),
        ("1", "idList"),
        (1, "idList"),
        ([1, "2"], "idList[1]"),
        ([1, 2.0], "idList[1]"),
        ([True], "idList[0]"),
        ([None], "idList[0]"),
        ([[1]], "idList[0]"),
    ],
)
def test_the_list_is_a_non_empty_one_of_numbers(administrator: Api, cast: Cast, ids: Any, field: str) -> None:
    location = make_location(cast.provider)
    answer = remove(administrator, ids)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert left() == {location.pk}


def test_a_provider_removes_its_own_locations_alone(cast: Cast) -> None:
    own, others = make_location(cast.provider), make_location(cast.reseller)
    answer = remove(Api(make_user(cast.provider)), [others.pk, own.pk])
    assert answer.json() == {"deleted": 1, "fail": {"count": 1, "locations": [str(others.pk)]}}
    assert left() == {others.pk}
