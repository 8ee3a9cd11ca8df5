"""POST /locations, and GET, PUT and DELETE /locations/{id}."""

from datetime import UTC, datetime
from typing import Any

import pytest

from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location, make_user

URL = "https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg"
OTHER_URL = "tftp://10.1.2.3:69/firmware/"
BAD_URLS = {
    "empty": "",
    "no protocol": "pbx.example/",
    "no host": "https:///x",
    "protocol of 11 characters": "abcdefghijk://pbx.example/",
    "dangerous protocol": "javascript://pbx.example/",
    "a space": "https://pbx.example/a b",
    "a tab": "https://pbx.example/\t",
    "user-info": "https://user@pbx.example/",
    "port 0": "https://pbx.example:0/",
    "port 65536": "https://pbx.example:65536/",
    "five octets": "https://1.2.3.4.5/",
    "octet 256": "https://1.2.3.256/",
    "placeholder in the host": "https://{CUSTOMER NAME}.example/",
    "unknown placeholder": "https://pbx.example/{MAC}",
    "not ASCII": "https://pbx.example/é",
    "path of 1,001 characters": "https://pbx.example/" + "x" * 1001,
    "header injection": "https://pbx.example/\r\nX: y",
}


def shown(api: Api, location: Location | int) -> dict[str, Any]:
    answer = api.get(f"/locations/{getattr(location, 'pk', location)}")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def fields(answer: Any, status: int = 400) -> list[str]:
    """The attributes that a refusal names."""
    assert answer.status_code == status, answer.content
    return [error["field"] for error in answer.json().get("errors", ())]


# --- Create ---------------------------------------------------------------------------------------------------


def test_a_location_is_created_and_shown(administrator: Api, cast: Cast) -> None:
    body = {"url": URL, "groupId": cast.provider.pk, "description": "line\nbreak", "mutualAuth": True}
    answer = administrator.post("/locations", body)
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json() == {"id": id, "url": f"/api/v1/locations/{id}"}
    assert shown(administrator, id) == {
        "id": id,
        "url": URL,
        "groupId": cast.provider.pk,
        "groupName": "Berlin Phones",
        "numDevices": 0,
        "description": "line\nbreak",
        "lastAccess": None,
        "mutualAuth": True,
        "answer": "redirect",
    }


@pytest.mark.parametrize("more", [{}, {"description": None, "mutualAuth": None}])
def test_mutual_auth_is_off_unless_it_is_asked_for(administrator: Api, cast: Cast, more: dict[str, Any]) -> None:
    id = administrator.post("/locations", {"url": URL, "groupId": cast.provider.pk} | more).json()["id"]
    assert shown(administrator, id)["mutualAuth"] is False
    assert shown(administrator, id)["description"] is None


def test_an_empty_description_is_kept(administrator: Api, cast: Cast) -> None:
    body = {"url": URL, "groupId": cast.reseller.pk, "description": ""}
    assert shown(administrator, administrator.post("/locations", body).json()["id"])["description"] == ""


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_url_in_another_format_is_refused(administrator: Api, cast: Cast, url: str) -> None:
    location = make_location(cast.provider)
    assert fields(administrator.post("/locations", {"url": url, "groupId": cast.provider.pk})) == ["url"]
    assert fields(administrator.put(f"/locations/{location.pk}", {"url": url})) == ["url"]
    assert list(Location.objects.values_list("url", flat=True)) == [location.url]


def test_a_path_of_1000_characters_is_taken(administrator: Api, cast: Cast) -> None:
    url = "https://pbx.example/" + "x" * 1000
    assert administrator.post("/locations", {"url": url, "groupId": cast.provider.pk}).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": 5}, "url"),
        ({"url": None}, "url"),
        ({"groupId": "5"}, "groupId"),
        ({"groupId": 5.0}, "groupId"),
        ({"groupId": None}, "groupId"),
        ({"groupId": 2**63}, "groupId"),
        ({"mutualAuth": "yes"}, "mutualAuth"),
        ({"mutualAuth": 1}, "mutualAuth"),
        ({"description": ["x"]}, "description"),
        ({"description": "x" * 1001}, "description"),
        ({"description": "\x1b"}, "description"),
        ({"numDevices": 0}, "numDevices"),
        ({"group": 5}, "group"),
    ],
)
def test_a_malformed_attribute_is_named(
    administrator: Api, cast: Cast, change: dict[str, Any], field: str
) -> None:
    assert fields(administrator.post("/locations", {"url": URL, "groupId": cast.provider.pk} | change)) == [field]
    assert not Location.objects.exists()


@pytest.mark.parametrize("missing", ["url", "groupId"])
def test_the_mandatory_attributes_are_mandatory(administrator: Api, cast: Cast, missing: str) -> None:
    body = {"url": URL, "groupId": cast.provider.pk}
    del body[missing]
    assert fields(administrator.post("/locations", body)) == [missing]


def test_a_group_unknown_or_foreign_is_refused_in_the_same_words(administrator: Api, cast: Cast) -> None:
    ids = (cast.stranger.pk, cast.strangers_provider.pk, 999_999, -1)
    answers = [administrator.post("/locations", {"url": URL, "groupId": id}) for id in ids]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert fields(administrator.post("/locations", {"url": "x", "groupId": cast.stranger.pk})) == ["url"]
    assert not Location.objects.exists()


# --- Read -----------------------------------------------------------------------------------------------------


def test_the_devices_of_a_location_are_counted(administrator: Api, cast: Cast) -> None:
    location, other = make_location(cast.provider), make_location(cast.provider)
    for place in (location, location, other, None):
        make_device(cast.provider, location=place)
    assert shown(administrator, location)["numDevices"] == 2


def test_dates_are_shown_in_utc_and_whole_seconds(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider, last_access=datetime(2019, 4, 28, 18, 16, 4, 999_000, tzinfo=UTC))
    assert shown(administrator, location)["lastAccess"] == "2019-04-28T18:16:04+0000"


def test_unknown_and_foreign_are_both_no_content(administrator: Api, cast: Cast) -> None:
    ids = [make_location(cast.stranger).pk, 999_999, 0, 10**30]
    answers = [administrator.get(f"/locations/{id}") for id in ids]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}


@pytest.mark.parametrize("query", [{"depth": "1"}, {"filter": "(group=1)"}, {"x": ""}])
def test_a_query_parameter_is_refused(administrator: Api, cast: Cast, query: dict[str, str]) -> None:
    assert administrator.get(f"/locations/{make_location(cast.provider).pk}", query).status_code == 400


# --- Change ---------------------------------------------------------------------------------------------------


def test_a_location_is_changed_and_shown_as_it_is_now(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    before = shown(administrator, location)
    changes = {"url": OTHER_URL, "description": "new", "mutualAuth": True}
    answer = administrator.put(f"/locations/{location.pk}", changes)
    assert (answer.status_code, answer.json()) == (200, before | changes)
    assert shown(administrator, location) == before | changes


def test_what_is_absent_stays_as_it_is(administrator: Api, cast: Cast) -> None:
    """A PUT of the URL alone does not switch mutual authentication off."""
    location = make_location(cast.provider, description="old", mutual_auth=True)
    before = shown(administrator, location)
    administrator.put(f"/locations/{location.pk}", {"url": OTHER_URL})
    assert shown(administrator, location) == before | {"url": OTHER_URL}


def test_null_means_none(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider, description="old", mutual_auth=True)
    answer = administrator.put(
        f"/locations/{location.pk}", {"url": OTHER_URL, "description": None, "mutualAuth": None}
    )
    assert (answer.json()["description"], answer.json()["mutualAuth"]) == (None, False)


def test_what_was_read_can_be_sent_back(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider, last_access=datetime(2019, 4, 28, tzinfo=UTC))
    make_device(cast.provider, location=location)
    before = shown(administrator, location)
    answer = administrator.put(f"/locations/{location.pk}", before | {"url": OTHER_URL})
    assert (answer.status_code, answer.json()) == (200, before | {"url": OTHER_URL})


@pytest.mark.parametrize("change", [{"numDevices": 7}, {"lastAccess": "x"}, {"groupName": "Other"}])
def test_what_is_read_only_is_ignored(administrator: Api, cast: Cast, change: dict[str, Any]) -> None:
    location = make_location(cast.provider)
    before = shown(administrator, location)
    assert administrator.put(f"/locations/{location.pk}", before | change).json() == before


@pytest.mark.parametrize("name", ["id", "groupId"])
def test_what_identifies_cannot_be_changed(administrator: Api, cast: Cast, name: str) -> None:
    location = make_location(cast.provider)
    before = shown(administrator, location)
    for value in (cast.sibling.pk + 100, str(before[name]), float(before[name]), None):
        answer = administrator.put(f"/locations/{location.pk}", {"url": OTHER_URL, name: value})
        assert fields(answer) == [name]
        assert "not modifiable" in answer.json()["description"]
    assert shown(administrator, location) == before


def test_an_unknown_attribute_is_refused(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    assert fields(administrator.put(f"/locations/{location.pk}", {"url": OTHER_URL, "uri": "x"})) == ["uri"]


def test_to_change_unknown_and_foreign_are_both_not_found(administrator: Api, cast: Cast) -> None:
    foreign = make_location(cast.stranger)
    bodies = [{"url": OTHER_URL}, {"url": OTHER_URL, "id": 1, "groupId": 1}]
    answers = [administrator.put(f"/locations/{id}", body) for id in (foreign.pk, 999_999) for body in bodies]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    malformed = [administrator.put(f"/locations/{id}", {"url": "x"}) for id in (foreign.pk, 999_999)]
    assert {answer.status_code for answer in malformed} == {400}
    assert malformed[0].content == malformed[1].content
    assert shown(Api(make_user(cast.stranger)), foreign)["url"] == foreign.url


# --- Delete ---------------------------------------------------------------------------------------------------


def test_a_location_is_deleted(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    answer = administrator.delete(f"/locations/{location.pk}")
    assert answer.status_code == 200
    assert set(answer.json()) == {"description"}
    assert administrator.get(f"/locations/{location.pk}").status_code == 204
    assert administrator.delete(f"/locations/{location.pk}").status_code == 404


def test_a_location_with_devices_is_not_deleted(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    make_device(cast.provider, location=location)
    answer = administrator.delete(f"/locations/{location.pk}")
    assert answer.status_code == 409
    assert set(answer.json()) == {"description"}
    assert shown(administrator, location)["numDevices"] == 1


def test_to_delete_unknown_and_foreign_are_both_not_found(administrator: Api, cast: Cast) -> None:
    """Also where the state would stand against it: whose it is, is asked first."""
    foreign = make_location(cast.stranger)
    make_device(cast.stranger, location=foreign)
    answers = [administrator.delete(f"/locations/{id}") for id in (foreign.pk, 999_999, 10**30)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert Location.objects.exists()


def test_a_provider_works_on_its_own_locations_alone(cast: Cast) -> None:
    api, others = Api(make_user(cast.provider)), [make_location(cast.sibling), make_location(cast.reseller)]
    for location in others:
        assert api.get(f"/locations/{location.pk}").status_code == 204
        assert api.put(f"/locations/{location.pk}", {"url": OTHER_URL}).status_code == 404
        assert api.delete(f"/locations/{location.pk}").status_code == 404
    assert api.post("/locations", {"url": URL, "groupId": cast.reseller.pk}).status_code == 403
    assert api.post("/locations", {"url": URL, "groupId": cast.provider.pk}).status_code == 201
