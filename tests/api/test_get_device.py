"""GET /devices/{id} and GET /devices/{mac}."""

from datetime import UTC, datetime

import pytest

from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_location, make_user

MAC = "00A0C914C829"
SPELLINGS = ["00A0C914C829", "00a0c914c829", "00:A0:C9:14:C8:29", "00-a0-c9-14-c8-29"]


@pytest.fixture
def device(cast: Cast) -> Device:
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}.cfg")
    visit = {"last_access_status": "Success", "last_access": datetime(2019, 4, 4, 9, 37, 4, tzinfo=UTC)}
    return make_device(cast.provider, MAC, location, num_requests=3, description="Lobby", **visit)


def test_a_device_shows_the_attributes_of_the_manual(administrator: Api, cast: Cast, device: Device) -> None:
    answer = administrator.get(f"/devices/{device.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": device.pk,
        "mac": "00:A0:C9:14:C8:29",
        "groupId": cast.provider.pk,
        "groupName": "Berlin Phones",
        "locationId": device.location_id,
        "locationUrl": "https://pbx.example/{MAC ADDRESS}.cfg",
        "lastAccessStatus": "Success",
        "lastAccess": "2019-04-04T09:37:04+0000",
        "numRequests": 3,
        "description": "Lobby",
    }


def test_a_device_that_never_asked_and_has_no_location(administrator: Api, cast: Cast) -> None:
    shown = administrator.get(f"/devices/{make_device(cast.provider).pk}").json()
    assert {name: shown[name] for name in ("locationId", "locationUrl", "lastAccess", "description")} == {
        "locationId": None,
        "locationUrl": None,
        "lastAccess": None,
        "description": None,
    }
    assert (shown["lastAccessStatus"], shown["numRequests"]) == ("Await access", 0)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_device_is_found_by_its_mac_in_any_spelling(administrator: Api, device: Device, spelling: str) -> None:
    by_mac = administrator.get(f"/devices/{spelling}")
    assert by_mac.status_code == 200
    assert by_mac.content == administrator.get(f"/devices/{device.pk}").content
    assert administrator.get(f"/devices/{spelling}/").content == by_mac.content


def test_twelve_decimal_digits_are_a_mac_and_fewer_are_an_id(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider, "102233445566")
    assert administrator.get("/devices/102233445566").json()["id"] == device.pk
    assert administrator.get(f"/devices/{device.pk:011}").json()["mac"] == "10:22:33:44:55:66"
    assert administrator.get("/devices/11223344556").status_code == 204


def test_unknown_and_foreign_are_both_no_content(administrator: Api, cast: Cast) -> None:
    foreign = make_device(cast.stranger, "00908F0000F0")
    paths = [f"/devices/{foreign.pk}", "/devices/99999999999", "/devices/0"]
    paths += ["/devices/00908F0000F0", "/devices/00:90:8f:00:00:f0", "/devices/00908FFFFFFF"]
    answers = [administrator.get(path) for path in paths]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    known = [{name for name in answer.headers if name != "X-Request-ID"} for answer in answers]
    assert known == [known[0]] * len(paths)


@pytest.mark.parametrize(
    "element", ["1022334444444", "00A0C914C82", "00:A0-C9:14-C8:29", "-1", "x", "00A0C914C829.cfg"]
)
def test_what_is_neither_id_nor_mac_is_no_address(administrator: Api, device: Device, element: str) -> None:
    assert administrator.get(f"/devices/{element}").status_code == 404


def test_a_provider_sees_its_own_devices_alone(cast: Cast, device: Device) -> None:
    assert Api(make_user(cast.provider)).get(f"/devices/{MAC}").status_code == 200
    assert Api(make_user(cast.sibling)).get(f"/devices/{MAC}").status_code == 204


@pytest.mark.parametrize("query", [{"depth": "1"}, {"filter": "(group=1)"}, {"page": "1"}, {"x": ""}])
def test_a_query_parameter_is_refused(administrator: Api, device: Device, query: dict[str, str]) -> None:
    assert administrator.get(f"/devices/{device.pk}", query).status_code == 400


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_device_is_only_read(administrator: Api, device: Device, method: str) -> None:
    answer = getattr(administrator, method)(f"/devices/{device.pk}")
    assert answer.status_code == 405
    assert "GET" in answer["Allow"]
