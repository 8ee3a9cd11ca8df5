"""GET /locations/{id}/devices: the devices of one location, page by page."""

from typing import Any

import pytest

from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location, make_user


@pytest.fixture
def location(cast: Cast) -> Location:
    """A location with 30 devices; others have no location, or another one."""
    location = make_location(cast.provider)
    Device.objects.bulk_create(
        Device(group=cast.provider, mac=f"00908F{number:06X}", location=location) for number in range(30)
    )
    make_device(cast.provider, "00908FFFFF01")
    make_device(cast.provider, "00908FFFFF02", make_location(cast.provider))
    make_device(cast.stranger, "00908FFFFF03", make_location(cast.stranger))
    return location


def page(api: Api, location: Location, **query: Any) -> tuple[list[str], dict[str, int]]:
    answer = api.get(f"/locations/{location.pk}/devices", query)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert list(body) == ["devices", "pages"]
    return [device["mac"] for device in body["devices"]], body["pages"]


def test_pages_of_25_by_id(administrator: Api, location: Location) -> None:
    expected = [f"00:90:8F:00:00:{number:02X}" for number in range(30)]
    first, pages = page(administrator, location)
    assert first == expected[:25]
    assert pages == {"total": 2, "totalElements": 30, "size": 25, "current": 1}
    second, pages = page(administrator, location, page=2)
    assert second == expected[25:]
    assert pages == {"total": 2, "totalElements": 30, "size": 25, "current": 2}


def test_a_limit(administrator: Api, location: Location) -> None:
    macs, pages = page(administrator, location, page=4, limit=9)
    assert macs == [f"00:90:8F:00:00:{number:02X}" for number in (27, 28, 29)]
    assert pages == {"total": 4, "totalElements": 30, "size": 9, "current": 4}
    assert page(administrator, location, limit=5000)[1]["size"] == 1000


def test_a_device_is_shown_as_everywhere(administrator: Api, location: Location) -> None:
    device = administrator.get(f"/locations/{location.pk}/devices").json()["devices"][0]
    assert device == administrator.get(f"/devices/{device['id']}").json()


def test_unknown_foreign_empty_and_past_the_end_are_no_content(administrator: Api, cast: Cast, location) -> None:
    foreign = Location.objects.get(group=cast.stranger)
    paths = [f"/locations/{id}/devices" for id in (foreign.pk, make_location(cast.provider).pk, 999_999, 0)]
    paths.append(f"/locations/{location.pk}/devices?page=3")
    answers = [administrator.get(path) for path in paths]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}


@pytest.mark.parametrize("id", [2**63 - 1, 2**63, 10**30])
def test_an_id_that_no_column_holds_is_no_content(administrator: Api, location: Location, id: int) -> None:
    assert administrator.get(f"/locations/{id}/devices").status_code == 204


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"limit": "x"}, {"sort": "id"}, {"filter": "(id=1)"}, {"depth": "1"}, {"x": "1"}]
)
def test_only_page_and_limit_are_known(administrator: Api, location: Location, query: dict[str, str]) -> None:
    assert administrator.get(f"/locations/{location.pk}/devices", query).status_code == 400


def test_a_provider_sees_its_own_alone(cast: Cast, location: Location) -> None:
    assert page(Api(make_user(cast.provider)), location)[1]["totalElements"] == 30
    assert Api(make_user(cast.sibling)).get(f"/locations/{location.pk}/devices").status_code == 204
