"""POST /devices: each MAC of the list lands in exactly one of four buckets, in the order sent."""

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_location, make_user

BUCKETS = ("success", "invalidMAC", "duplicateMACSameGroup", "duplicateMACOtherGroup")
A, B, C, D, E, F = (f"00908F00000{digit}" for digit in "ABCDEF")


def shown(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def body(group: Any, macs: Any, /, **more: Any) -> dict[str, Any]:
    return {"group": getattr(group, "pk", group), "macList": macs, "overrideCurrentAssociation": False} | more


def created(answer: Any) -> dict[str, list[str]]:
    """What the answer has in each bucket; the counts must agree."""
    assert answer.status_code == 201, answer.content
    buckets = answer.json()
    assert list(buckets) == list(BUCKETS)
    for bucket in buckets.values():
        assert set(bucket) == {"count", "macList"}
        assert bucket["count"] == len(bucket["macList"])
    return {name: bucket["macList"] for name, bucket in buckets.items()}


def refusal(answer: Any, status: int = 400) -> str:
    assert answer.status_code == status, answer.content
    description: str = answer.json()["description"]
    assert description
    return description


def rows(*groups: Any) -> list[Any]:
    """The rows of these groups as the database has them, column by column."""
    return list(Device.objects.filter(group__in=groups).order_by("pk").values())


def place_of(mac: str) -> int | None:
    return Device.objects.get(mac=mac).location_id


def test_devices_are_created(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    request = body(cast.provider, [B, A], locationId=location.pk, description="Lobby")
    assert created(administrator.post("/devices", request)) == {
        "success": [shown(B), shown(A)],
        "invalidMAC": [],
        "duplicateMACSameGroup": [],
        "duplicateMACOtherGroup": [],
    }
    for row in rows(cast.provider):
        assert row.pop("id")
        assert row.pop("claimed_at")
        assert row.pop("mac") in (A, B)
        assert row == {
            "group_id": cast.provider.pk,
            "location_id": location.pk,
            "description": "Lobby",
            "last_access_status": "Await access",
            "last_access": None,
            "num_requests": 0,
            "certificate_seen": None,
        }


def test_each_mac_lands_in_one_bucket_in_the_order_sent(administrator: Api, cast: Cast) -> None:
    make_device(cast.provider, D)
    make_device(cast.sibling, E)
    make_device(cast.stranger, F)
    request = body(cast.provider, [F, "x", C, D, A, E, "", B])
    assert created(administrator.post("/devices", request)) == {
        "success": [shown(C), shown(A), shown(B)],
        "invalidMAC": ["x", ""],
        "duplicateMACSameGroup": [shown(D)],
        "duplicateMACOtherGroup": [shown(F), shown(E)],
    }


def test_a_mac_twice_in_the_list_is_a_success_and_then_a_duplicate(administrator: Api, cast: Cast) -> None:
    buckets = created(administrator.post("/devices", body(cast.provider, [A, shown(A), B, A.lower()])))
    assert buckets["success"] == [shown(A), shown(B)]
    assert buckets["duplicateMACSameGroup"] == [shown(A), shown(A)]
    assert Device.objects.filter(mac=A).count() == 1


@pytest.mark.parametrize("text", ["00a0c914c829", "00:A0:C9:14:C8:29", "00-a0-c9-14-c8-29", "00a0C914c829"])
def test_every_spelling_is_kept_as_12_digits_and_shown_with_colons(administrator: Api, cast: Cast, text) -> None:
    assert created(administrator.post("/devices", body(cast.provider, [text])))["success"] == ["00:A0:C9:14:C8:29"]
    assert Device.objects.get().mac == "00A0C914C829"


@pytest.mark.parametrize(
    "text", ["1123235544", "00:A0:C9:14:C8", "00:A0-C9:14-C8:29", " 00A0C914C829", "é", "\x00"]
)
def test_an_invalid_mac_is_echoed_as_it_was_sent(administrator: Api, cast: Cast, text) -> None:
    buckets = created(administrator.post("/devices", body(cast.provider, [text, A, text])))
    assert buckets["invalidMAC"] == [text, text]
    assert buckets["success"] == [shown(A)]


def test_a_list_without_one_valid_mac_is_still_201(administrator: Api, cast: Cast) -> None:
    assert created(administrator.post("/devices", body(cast.provider, ["x"])))["invalidMAC"] == ["x"]
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    ("override", "unassigned_gets_it", "assigned_gets_it"), [(False, True, False), (True, True, True)]
)
def test_a_device_of_the_group_gets_the_location_if_it_has_none_or_override_says_so(
    administrator: Api, cast: Cast, override: bool, unassigned_gets_it: bool, assigned_gets_it: bool
) -> None:
    old, new = make_location(cast.provider), make_location(cast.provider)
    make_device(cast.provider, A)
    make_device(cast.provider, B, old)
    request = body(cast.provider, [A, B], locationId=new.pk, overrideCurrentAssociation=override)
    buckets = created(administrator.post("/devices", request))
    assert buckets["duplicateMACSameGroup"] == [shown(A), shown(B)]
    assert (place_of(A) == new.pk) is unassigned_gets_it
    assert place_of(B) == (new.pk if assigned_gets_it else old.pk)


@pytest.mark.parametrize("more", [{}, {"locationId": None}])
def test_without_a_location_override_takes_none_away(administrator: Api, cast: Cast, more) -> None:
    location = make_location(cast.provider)
    make_device(cast.provider, A, location)
    created(administrator.post("/devices", body(cast.provider, [A], overrideCurrentAssociation=True, **more)))
    assert place_of(A) == location.pk


@pytest.mark.parametrize("override", [False, True])
def test_a_device_of_another_group_is_never_touched(administrator: Api, cast: Cast, override: bool) -> None:
    for group, mac in ((cast.reseller, A), (cast.sibling, B), (cast.stranger, C), (cast.strangers_provider, D)):
        make_device(group, mac, make_location(group), description="as it was", num_requests=3)
    others = cast.reseller, cast.sibling, cast.stranger, cast.strangers_provider
    before = rows(*others)
    location = make_location(cast.provider)
    more = {"locationId": location.pk, "overrideCurrentAssociation": override, "description": "new"}
    buckets = created(administrator.post("/devices", body(cast.provider, [A, B, C, D], **more)))
    assert buckets["duplicateMACOtherGroup"] == [shown(A), shown(B), shown(C), shown(D)]
    assert rows(*others) == before


def test_the_description_goes_to_the_created_devices_only(administrator: Api, cast: Cast) -> None:
    make_device(cast.provider, A, description="old")
    more = {
        "description": "new",
        "overrideCurrentAssociation": True,
        "locationId": make_location(cast.provider).pk,
    }
    created(administrator.post("/devices", body(cast.provider, [A, B], **more)))
    assert Device.objects.get(mac=A).description == "old"
    assert Device.objects.get(mac=B).description == "new"


@pytest.mark.parametrize(("more", "kept"), [({}, None), ({"description": None}, None), ({"description": ""}, "")])
def test_a_description_may_be_absent_null_or_empty(administrator: Api, cast: Cast, more, kept) -> None:
    created(administrator.post("/devices", body(cast.provider, [A], **more)))
    assert Device.objects.get().description == kept


def test_a_location_that_is_not_the_groups_is_refused_in_the_same_words(administrator: Api, cast: Cast) -> None:
    """Unknown, foreign, or of another group of one's own: none of them can be told from the other."""
    places = [make_location(group).pk for group in (cast.stranger, cast.strangers_provider, cast.sibling)]
    answers = [
        administrator.post("/devices", body(cast.provider, [A], locationId=id))
        for id in [*places, 0, -1, 999_999, 2**63 - 1]
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["errors"][0]["field"] == "locationId"
    assert not Device.objects.exists()


def test_a_group_that_is_not_the_callers_is_refused_in_the_same_words(administrator: Api, cast: Cast) -> None:
    answers = [
        administrator.post("/devices", body(group, [A]))
        for group in (cast.stranger, cast.strangers_provider, 999_999)
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert not Device.objects.exists()


def test_a_group_that_is_not_the_callers_is_told_before_its_location(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.stranger)
    refusal(administrator.post("/devices", body(cast.stranger, [A], locationId=location.pk)), 403)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"macList": []}, "macList"),
        ({"macList": [A, 5]}, "macList[1]"),
        ({"macList": [None]}, "macList[0]"),
        ({"macList": [A, B, [A]]}, "macList[2]"),
        ({"macList": A}, "macList"),
        ({"macList": {"0": A}}, "macList"),
        ({"macList": None}, "macList"),
        ({"group": "5"}, "group"),
        ({"group": 5.0}, "group"),
        ({"group": True}, "group"),
        ({"group": None}, "group"),
        ({"group": 2**63}, "group"),
        ({"locationId": "5"}, "locationId"),
        ({"locationId": 2**63}, "locationId"),
        ({"overrideCurrentAssociation": "yes"}, "overrideCurrentAssociation"),
        ({"overrideCurrentAssociation": 1}, "overrideCurrentAssociation"),
        ({"overrideCurrentAssociation": None}, "overrideCurrentAssociation"),
        ({"description": 5}, "description"),
        ({"description": "x" * 1001}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"macs": [A]}, "macs"),
    ],
)
def test_a_malformed_attribute_is_named(administrator: Api, cast: Cast, change, field) -> None:
    answer = administrator.post("/devices", body(cast.provider, [A], **change))
    assert field in refusal(answer)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Device.objects.exists()


@pytest.mark.parametrize("missing", ["group", "macList", "overrideCurrentAssociation"])
def test_the_mandatory_attributes_are_mandatory(administrator: Api, cast: Cast, missing: str) -> None:
    request = body(cast.provider, [A])
    del request[missing]
    assert missing in refusal(administrator.post("/devices", request))


def test_a_list_holds_up_to_5000_macs(administrator: Api, cast: Cast) -> None:
    macs = [f"00908F{number:06X}" for number in range(5001)]
    refusal(administrator.post("/devices", body(cast.provider, macs)))
    assert not Device.objects.exists()
    buckets = created(administrator.post("/devices", body(cast.provider, macs[:5000])))
    assert buckets["success"] == [shown(mac) for mac in macs[:5000]]
    assert Device.objects.filter(group=cast.provider).count() == 5000


def test_at_most_20_wrong_entries_are_named(administrator: Api, cast: Cast) -> None:
    answer = administrator.post("/devices", body(cast.provider, list(range(30))))
    refusal(answer)
    assert [error["field"] for error in answer.json()["errors"]] == [f"macList[{i}]" for i in range(20)]


def test_a_provider_creates_in_the_own_group_alone(cast: Cast) -> None:
    api = Api(make_user(cast.provider))
    refusal(api.post("/devices", body(cast.reseller, [A])), 403)
    refusal(api.post("/devices", body(cast.sibling, [A])), 403)
    assert created(api.post("/devices", body(cast.provider, [A])))["success"] == [shown(A)]


# --- Against a model ------------------------------------------------------------------------------------------

MACS = [A, B, C, D]
TEXTS = [
    *MACS,
    *(shown(mac) for mac in MACS),
    A.lower(),
    shown(B).lower().replace(":", "-"),
    "",
    "nonsense",
    A[:-1],
]


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Who has which MAC with or without a location, and a request."""
    owners = st.sampled_from(["nobody", "own", "own, with location", "sibling", "stranger"])
    return {
        "owners": {mac: draw(owners) for mac in MACS},
        "macs": draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8)),
        "location": draw(st.booleans()),
        "override": draw(st.booleans()),
    }


@given(situation=situations())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_buckets_and_places_are_those_of_a_simple_model(administrator: Api, cast: Cast, situation) -> None:
    with transaction.atomic():
        old, new = make_location(cast.provider), make_location(cast.provider)
        groups = {"sibling": cast.sibling, "stranger": cast.stranger}
        owners = {mac: owner for mac, owner in situation["owners"].items() if owner != "nobody"}
        for mac, owner in owners.items():
            place = old if owner == "own, with location" else None
            make_device(groups.get(owner, cast.provider), mac, place)
        foreign = rows(cast.sibling, cast.stranger)

        expected: dict[str, list[str]] = {name: [] for name in BUCKETS}
        places = {m: old.pk if o == "own, with location" else None for m, o in owners.items() if o not in groups}
        given_place = new.pk if situation["location"] else None
        for text in situation["macs"]:
            mac = text.upper().replace(":", "").replace("-", "")
            owner = owners.get(mac)
            if mac not in MACS:
                expected["invalidMAC"].append(text)
            elif owner is None:
                expected["success"].append(shown(mac))
                owners[mac], places[mac] = "own", given_place
            elif owner in groups:
                expected["duplicateMACOtherGroup"].append(shown(mac))
            else:
                expected["duplicateMACSameGroup"].append(shown(mac))
                if given_place and (situation["override"] or places[mac] is None):
                    places[mac] = given_place

        more = {"overrideCurrentAssociation": situation["override"]}
        more |= {"locationId": new.pk} if situation["location"] else {}
        answer = administrator.post("/devices", body(cast.provider, situation["macs"], **more))
        assert created(answer) == expected
        assert dict(Device.objects.filter(group=cast.provider).values_list("mac", "location_id")) == places
        assert rows(cast.sibling, cast.stranger) == foreign
        transaction.set_rollback(True)
