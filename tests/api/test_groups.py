"""Groups: manual chapter 7, contract sections 3 and 5."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, GroupType, Level
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator, make_user

NOBODY = 999_999


@pytest.fixture
def operator(db: None) -> Api:
    """The platform operator."""
    return Api(make_operator())


@pytest.fixture
def provider(cast: Cast) -> Api:
    """The Administrator of the reseller's provider."""
    return Api(make_user(cast.provider))


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200
    return [group["id"] for group in answer.json()["groups"]]


def errors(answer: Any) -> list[str]:
    assert answer.status_code == 400
    return [error["field"] for error in answer.json()["errors"]]


# --- GET ------------------------------------------------------------------------------------------------------


def test_a_group_is_shown_as_the_manual_has_it(cast: Cast, administrator: Api) -> None:
    """Its counts are of its own devices and locations, not of its providers'."""
    Group.objects.filter(pk=cast.provider.pk).update(address="address 1", description="provider desc")
    location = make_location(cast.provider)
    make_device(cast.provider, location=location)
    make_device(cast.provider)
    make_device(cast.sibling)
    provider = {
        "id": cast.provider.pk,
        "name": "Berlin Phones",
        "groupType": "Provider",
        "address": "address 1",
        "description": "provider desc",
        "resellerId": cast.reseller.pk,
        "locationCount": 1,
        "deviceCount": 2,
        "providers": [],
    }
    sibling = provider | {
        "id": cast.sibling.pk,
        "name": "Munich Phones",
        "address": None,
        "description": None,
        "locationCount": 0,
        "deviceCount": 1,
    }
    reseller = sibling | {
        "id": cast.reseller.pk,
        "name": "Acme Voice",
        "groupType": "Reseller",
        "resellerId": None,
        "deviceCount": 0,
        "providers": [provider, sibling],
    }
    assert administrator.get(f"/groups/{cast.provider.pk}").json() == provider
    assert administrator.get(f"/groups/{cast.reseller.pk}").json() == reseller
    assert administrator.get("/groups").json() == {"groups": [reseller, provider, sibling]}


def test_the_list_is_flat_and_by_id(cast: Cast, administrator: Api, provider: Api, operator: Api) -> None:
    """Each sees the own scope; there is no paging."""
    late = make_group("A name that sorts first", cast.reseller)
    own = [cast.reseller.pk, cast.provider.pk, cast.sibling.pk, late.pk]
    assert ids(administrator.get("/groups")) == sorted(own)
    assert ids(provider.get("/groups")) == [cast.provider.pk]
    assert ids(operator.get("/groups")) == sorted([*own, cast.stranger.pk, cast.strangers_provider.pk])


@pytest.mark.parametrize("level", [Level.ADMINISTRATOR, Level.OPERATOR, Level.MONITOR])
def test_every_level_sees_the_groups_of_its_scope(cast: Cast, level: Level) -> None:
    assert len(ids(Api(make_user(cast.reseller, level)).get("/groups"))) == 3
    assert len(ids(Api(make_user(cast.provider, level)).get("/groups"))) == 1


def test_depth_zero_is_the_high_level_groups(cast: Cast, administrator: Api, provider: Api, operator: Api) -> None:
    """Without their providers; a provider's own high-level group is itself."""
    assert ids(administrator.get("/groups", {"depth": "0"})) == [cast.reseller.pk]
    assert ids(provider.get("/groups", {"depth": "0"})) == [cast.provider.pk]
    answer = operator.get("/groups", {"depth": "0"})
    assert ids(answer) == [cast.reseller.pk, cast.stranger.pk]
    assert [group["providers"] for group in answer.json()["groups"]] == [[], []]


def test_depth_one_is_the_default(cast: Cast, administrator: Api) -> None:
    for path in ("/groups", f"/groups/{cast.reseller.pk}"):
        assert administrator.get(path).content == administrator.get(path, {"depth": "1"}).content


def test_a_single_group_has_a_depth_too(cast: Cast, administrator: Api) -> None:
    answer = administrator.get(f"/groups/{cast.reseller.pk}", {"depth": "0"})
    assert (answer.status_code, answer.json()["providers"]) == (200, [])


@pytest.mark.parametrize(
    "query",
    [
        {"depth": "2"},
        {"depth": "-1"},
        {"depth": ""},
        {"depth": "\u0660"},
        {"page": "1"},
        {"limit": "5"},
        {"filter": "(group=1)"},
        {"sort": "id"},
        {"depth": ["0", "1"]},
    ],
)
def test_groups_know_depth_and_nothing_else(cast: Cast, administrator: Api, query: dict[str, Any]) -> None:
    for path in ("/groups", f"/groups/{cast.reseller.pk}"):
        assert administrator.get(path, query).status_code == 400


def test_a_foreign_group_is_like_none(cast: Cast, administrator: Api, provider: Api) -> None:
    """204 without a body, also for a provider's reseller and sibling."""
    nothing = administrator.get(f"/groups/{NOBODY}")
    assert (nothing.status_code, nothing.content) == (204, b"")
    for api, group in (
        (administrator, cast.stranger),
        (administrator, cast.strangers_provider),
        (provider, cast.reseller),
        (provider, cast.sibling),
    ):
        answer = api.get(f"/groups/{group.pk}")
        assert (answer.status_code, answer.content) == (204, b"")


def test_an_empty_list_is_204(operator: Api) -> None:
    answer = operator.get("/groups")
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_number_of_statements_does_not_grow_with_the_groups(cast: Cast, administrator: Api) -> None:
    """The token's family with user and group; the groups with their counts."""
    with CaptureQueriesContext(connection) as few:
        administrator.get("/groups")
    for n in range(100):
        make_device(make_group(f"Provider {n}", cast.reseller))
    with CaptureQueriesContext(connection) as many:
        assert len(ids(administrator.get("/groups"))) == 103
    assert len(many) == len(few)
    with CaptureQueriesContext(connection) as one:
        administrator.get(f"/groups/{cast.reseller.pk}")
    assert len(one) <= len(few) + 1


# --- POST -----------------------------------------------------------------------------------------------------


def test_creates_the_provider_of_the_manual(cast: Cast, administrator: Api) -> None:
    body = {
        "name": "group 1",
        "groupType": "Provider",
        "address": "Gan Yavne Israel",
        "description": "Example group description",
        "resellerId": cast.reseller.pk,
    }
    answer = administrator.post("/groups", body)
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json() == {"id": id, "url": f"/api/v1/groups/{id}"}
    assert administrator.get(f"/groups/{id}").json() == {
        **body,
        "id": id,
        "locationCount": 0,
        "deviceCount": 0,
        "providers": [],
    }


@pytest.mark.parametrize("named", [{}, {"resellerId": None}])
def test_a_provider_belongs_to_its_makers_reseller(cast: Cast, administrator: Api, named: dict[str, Any]) -> None:
    answer = administrator.post("/groups", {"name": "New", "groupType": "Provider", **named})
    assert answer.status_code == 201
    assert Group.objects.get(pk=answer.json()["id"]).reseller == cast.reseller


@pytest.mark.parametrize("named", [{}, {"resellerId": None}])
def test_the_operator_must_name_the_reseller(cast: Cast, operator: Api, named: dict[str, Any]) -> None:
    body = {"name": "New", "groupType": "Provider"}
    assert errors(operator.post("/groups", {**body, **named})) == ["resellerId"]
    assert operator.post("/groups", {**body, "resellerId": cast.stranger.pk}).status_code == 201


def test_only_the_operator_creates_resellers(administrator: Api, provider: Api, operator: Api) -> None:
    body = {"name": "New Reseller", "groupType": "Reseller"}
    assert administrator.post("/groups", body).status_code == 403
    assert provider.post("/groups", body).status_code == 403
    answer = operator.post("/groups", body)
    assert answer.status_code == 201
    created = Group.objects.get(pk=answer.json()["id"])
    assert (created.group_type, created.reseller) == (GroupType.RESELLER, None)


def test_a_reseller_has_no_reseller(cast: Cast, operator: Api) -> None:
    body = {"name": "New", "groupType": "Reseller", "resellerId": cast.reseller.pk}
    assert errors(operator.post("/groups", body)) == ["resellerId"]
    assert operator.post("/groups", {**body, "resellerId": None}).status_code == 201


def test_only_administrators_of_a_reseller_create_providers(cast: Cast) -> None:
    """Whatever the body: the level is looked at first."""
    for group in (cast.reseller, cast.provider):
        for level in Level:
            if (group, level) == (cast.reseller, Level.ADMINISTRATOR):
                continue
            api = Api(make_user(group, level))
            assert api.post("/groups", {"name": "New", "groupType": "Provider"}).status_code == 403
            assert api.post("/groups", {"nonsense": True}).status_code == 403


def test_a_foreign_reseller_is_like_none(cast: Cast, administrator: Api) -> None:
    """403 with the same bytes. A group of the own scope that is no reseller is refused as well."""
    body = {"name": "New", "groupType": "Provider"}
    strangers = (cast.stranger, cast.strangers_provider)
    answers = [administrator.post("/groups", body | {"resellerId": group.pk}) for group in strangers]
    answers.append(administrator.post("/groups", body | {"resellerId": NOBODY}))
    answers.append(administrator.post("/groups", body | {"resellerId": -(2**63)}))
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert administrator.post("/groups", body | {"resellerId": cast.provider.pk}).status_code in (400, 403)
    assert not Group.objects.filter(name="New").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a" * 151}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "NUL\x00"}, "name"),
        ({"groupType": "provider"}, "groupType"),
        ({"groupType": "Platform"}, "groupType"),
        ({"groupType": ["Provider"]}, "groupType"),
        ({"address": "a" * 1001}, "address"),
        ({"address": "two\nlines"}, "address"),
        ({"address": 5}, "address"),
        ({"description": "a" * 1001}, "description"),
        ({"description": "bell\x07"}, "description"),
        ({"resellerId": "1"}, "resellerId"),
        ({"resellerId": 1.0}, "resellerId"),
        ({"resellerId": True}, "resellerId"),
        ({"id": 5}, "id"),
        ({"deviceCount": 0}, "deviceCount"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_body_that_is_not_as_documented_is_400(administrator: Api, changes: dict[str, Any], field: str) -> None:
    before = Group.objects.count()
    body = {"name": "New", "groupType": "Provider"} | changes
    assert errors(administrator.post("/groups", body)) == [field]
    assert Group.objects.count() == before


def test_an_id_beyond_64_bits_is_400(administrator: Api) -> None:
    body = {"name": "New", "groupType": "Provider", "resellerId": 2**63}
    assert administrator.post("/groups", body).status_code == 400


@pytest.mark.parametrize("missing", ["name", "groupType"])
def test_name_and_type_are_mandatory(administrator: Api, missing: str) -> None:
    body = {"name": "New", "groupType": "Provider"}
    del body[missing]
    assert errors(administrator.post("/groups", body)) == [missing]


def test_the_longest_texts_are_kept_as_sent(administrator: Api) -> None:
    """Also the empty ones; a description may have lines."""
    body = {
        "name": "Ж" * 150,
        "groupType": "Provider",
        "address": "",
        "description": "ä" * 990 + "\nsecond",
    }
    id = administrator.post("/groups", body).json()["id"]
    assert body.items() <= administrator.get(f"/groups/{id}").json().items()


def test_a_name_is_unique_under_its_reseller(cast: Cast, administrator: Api, operator: Api) -> None:
    """The same name elsewhere is no conflict, nor is the reseller's own."""
    taken = administrator.post("/groups", {"name": "Berlin Phones", "groupType": "Provider"})
    assert taken.status_code == 409
    assert set(taken.json()) == {"description"}
    assert administrator.post("/groups", {"name": "Foreign Phones", "groupType": "Provider"}).status_code == 201
    assert administrator.post("/groups", {"name": "Acme Voice", "groupType": "Provider"}).status_code == 201
    assert administrator.post("/groups", {"name": "BERLIN PHONES", "groupType": "Provider"}).status_code == 201
    assert operator.post("/groups", {"name": "Berlin Phones", "groupType": "Reseller"}).status_code == 201


def test_a_name_is_unique_among_resellers(cast: Cast, operator: Api) -> None:
    assert operator.post("/groups", {"name": "Acme Voice", "groupType": "Reseller"}).status_code == 409


def test_the_database_keeps_the_names_unique(cast: Cast) -> None:
    """Also where two requests come at once; NULLs do not hide two resellers from each other."""
    for name, reseller in (("Acme Voice", None), ("Berlin Phones", cast.reseller)):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_group(name, reseller)


@pytest.mark.parametrize("kind", [GroupType.RESELLER, GroupType.PROVIDER, "Platform"])
def test_the_database_keeps_the_two_tiers(cast: Cast, kind: str) -> None:
    reseller = None if kind == GroupType.PROVIDER else cast.reseller
    with pytest.raises(IntegrityError), transaction.atomic():
        Group.objects.create(name="New", group_type=kind, reseller=reseller)


# --- PUT ------------------------------------------------------------------------------------------------------


def test_changes_what_the_manual_lists(cast: Cast, administrator: Api) -> None:
    """And answers with the group as it is now."""
    body = {"name": "group 2", "address": "Second address", "description": "New description"}
    path = f"/groups/{cast.provider.pk}"
    answer = administrator.put(path, body)
    assert answer.status_code == 200
    assert body.items() <= answer.json().items()
    assert administrator.get(path).json() == answer.json()


def test_an_attribute_that_is_absent_stays(cast: Cast, administrator: Api) -> None:
    Group.objects.filter(pk=cast.provider.pk).update(address="Main street", description="Old")
    path = f"/groups/{cast.provider.pk}"
    before = administrator.get(path).json()
    assert administrator.put(path, {"description": None}).json() == before | {"description": None}
    assert administrator.put(path, {"address": ""}).json() == before | {"description": None, "address": ""}
    assert administrator.put(path, {}).json() == before | {"description": None, "address": ""}


def test_get_edit_put_works(cast: Cast, administrator: Api) -> None:
    """With the counts and the providers that GET showed, whatever they are by now."""
    path = f"/groups/{cast.reseller.pk}"
    group = administrator.get(path).json()
    make_device(cast.reseller)
    answer = administrator.put(path, group | {"description": "edited"})
    assert answer.status_code == 200
    assert answer.json() == group | {"description": "edited", "deviceCount": 1}


@pytest.mark.parametrize(
    ("attribute", "value"), [("id", 999), ("groupType", "Reseller"), ("resellerId", None), ("resellerId", 999)]
)
def test_what_identifies_a_group_is_not_modifiable(
    cast: Cast, administrator: Api, attribute: str, value: Any
) -> None:
    path = f"/groups/{cast.provider.pk}"
    before = administrator.get(path).json()
    answer = administrator.put(path, {"name": "New", attribute: value})
    assert errors(answer) == [attribute]
    assert "not modifiable" in answer.json()["description"]
    assert administrator.get(path).json() == before


@pytest.mark.parametrize("value", [str, float])
def test_the_same_value_in_another_type_is_another_value(cast: Cast, administrator: Api, value: Any) -> None:
    assert errors(administrator.put(f"/groups/{cast.provider.pk}", {"id": value(cast.provider.pk)})) == ["id"]


def test_a_name_that_is_taken_is_409(cast: Cast, administrator: Api, operator: Api) -> None:
    """The own name is not taken."""
    path = f"/groups/{cast.provider.pk}"
    assert administrator.put(path, {"name": "Munich Phones", "address": "x"}).status_code == 409
    assert administrator.get(path).json()["address"] is None
    assert administrator.put(path, {"name": "Berlin Phones"}).status_code == 200
    assert operator.put(f"/groups/{cast.stranger.pk}", {"name": "Acme Voice"}).status_code == 409


def test_administrators_change_groups_of_their_scope(
    cast: Cast, administrator: Api, provider: Api, operator: Api
) -> None:
    """A provider's Administrator changes the own provider only."""
    for api, group, status in (
        (administrator, cast.reseller, 200),
        (administrator, cast.provider, 200),
        (administrator, cast.stranger, 404),
        (administrator, cast.strangers_provider, 404),
        (provider, cast.provider, 200),
        (provider, cast.reseller, 404),
        (provider, cast.sibling, 404),
        (operator, cast.stranger, 200),
    ):
        assert api.put(f"/groups/{group.pk}", {"description": "mine"}).status_code == status


def test_operators_and_monitors_change_no_group(cast: Cast) -> None:
    for group in (cast.reseller, cast.provider):
        for level in (Level.OPERATOR, Level.MONITOR):
            api = Api(make_user(group, level))
            assert api.put(f"/groups/{group.pk}", {"description": "mine"}).status_code == 403
            assert api.put(f"/groups/{NOBODY}", {"nonsense": 1}).status_code == 403
            assert api.delete(f"/groups/{group.pk}").status_code == 403


# --- DELETE ---------------------------------------------------------------------------------------------------


def test_a_resellers_administrator_deletes_its_provider(cast: Cast, administrator: Api) -> None:
    path = f"/groups/{cast.sibling.pk}"
    answer = administrator.delete(path)
    assert answer.status_code == 200
    assert set(answer.json()) == {"description"}
    assert administrator.get(path).status_code == 204
    assert administrator.delete(path).status_code == 404


def test_only_the_operator_deletes_resellers(cast: Cast, administrator: Api, operator: Api) -> None:
    empty = make_group("Empty Reseller")
    assert Api(make_user(empty)).delete(f"/groups/{empty.pk}").status_code == 403
    empty.users.all().delete()
    assert operator.delete(f"/groups/{empty.pk}").status_code == 200


def test_a_providers_administrator_deletes_no_group(cast: Cast, provider: Api) -> None:
    assert provider.delete(f"/groups/{cast.provider.pk}").status_code == 403


@pytest.mark.parametrize("relation", ["devices", "locations", "users", "providers"])
def test_a_group_that_is_not_empty_stays(cast: Cast, operator: Api, relation: str) -> None:
    """Whoever asks; once it is empty it goes."""
    group = make_group("Going")
    makers: dict[str, Callable[[Group], Model]] = {
        "devices": make_device,
        "locations": make_location,
        "users": make_user,
        "providers": lambda group: make_group("Provider", group),
    }
    made = makers[relation](group)
    assert operator.delete(f"/groups/{group.pk}").status_code == 409
    assert Group.objects.filter(pk=group.pk).exists()
    made.delete()
    assert operator.delete(f"/groups/{group.pk}").status_code == 200


def test_what_others_have_does_not_keep_a_group(cast: Cast, administrator: Api) -> None:
    make_device(cast.provider)
    make_device(cast.stranger)
    assert administrator.delete(f"/groups/{cast.sibling.pk}").status_code == 200


def test_a_foreign_group_is_404_like_none(cast: Cast, administrator: Api) -> None:
    """For PUT and DELETE, with the same bytes."""
    for call in (administrator.delete, lambda path: administrator.put(path, {"name": "Mine"})):
        answers = [call(f"/groups/{id}") for id in (cast.stranger.pk, cast.strangers_provider.pk, NOBODY)]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    assert Group.objects.filter(pk__in=[cast.stranger.pk, cast.strangers_provider.pk]).count() == 2


@pytest.mark.parametrize("id", ["0", "9" * 18, "9" * 19, "9" * 40])
def test_an_id_beyond_all_ids_is_like_none(administrator: Api, id: str) -> None:
    assert administrator.get(f"/groups/{id}").status_code == 204
    assert administrator.put(f"/groups/{id}", {"name": "New"}).status_code == 404
    assert administrator.delete(f"/groups/{id}").status_code == 404


@pytest.mark.parametrize("id", ["-1", "1.0", "abc", "1a", "%00", "1%20"])
def test_an_id_that_is_no_number_is_an_unknown_address(administrator: Api, id: str) -> None:
    assert administrator.get(f"/groups/{id}").status_code == 404
