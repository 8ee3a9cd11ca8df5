"""API keys: how one is made, shown and ended, what it may, and when it is refused."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, Level
from audit.models import Entry, Event
from tests.conftest import Api, Cast, make_device, make_key, make_location, make_operator, make_user

SHOWN = {
    "id",
    "name",
    "group",
    "groupName",
    "permissionLevel",
    "hint",
    "expiresAt",
    "allowedNetworks",
    "lastUsed",
    "lastAddress",
}
LATER = "2099-01-01T00:00:00+0000"


def body(cast: Cast, **more: Any) -> dict[str, Any]:
    return {"name": "Import", "group": cast.provider.pk, "permissionLevel": "Operator"} | more


def create(api: Api, cast: Cast, **more: Any) -> dict[str, Any]:
    answer = api.post("/keys", body(cast, **more))
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def ask(secret: str, address: str = "127.0.0.1") -> Any:
    """GET /groups with this key, from this address."""
    api = Api(key=secret)
    return api.client.get("/api/v1/groups", headers=api.headers, REMOTE_ADDR=address)


# --- Making and showing ---------------------------------------------------------------------------------------


def test_a_new_key_is_shown_once(administrator: Api, cast: Cast) -> None:
    made = create(administrator, cast)
    assert set(made) == {"id", "url", "key"}
    assert made["url"] == f"/api/v1/keys/{made['id']}"
    assert ask(made["key"]).status_code == 200
    for answer in (administrator.get(made["url"].removeprefix("/api/v1")), administrator.get("/keys")):
        assert answer.status_code == 200
        assert made["key"] not in answer.text
        assert made["key"][:9] in answer.text


def test_the_database_knows_no_secret(administrator: Api, cast: Cast) -> None:
    made = create(administrator, cast)
    secret = made["key"].removeprefix(keys.PREFIX)
    stored = str([list(model.objects.values()) for model in (ApiKey, Entry)])
    assert made["key"][9:] not in stored
    assert secret not in stored


def test_a_scanner_knows_a_key(administrator: Api, cast: Cast) -> None:
    """By its prefix and its checksum: a text that only looks like one is none."""
    secret = create(administrator, cast)["key"]
    assert re.fullmatch("prsk_[0-9A-Za-z]{49}", secret)
    assert keys.is_key(secret)
    for at in (5, 20, 47, 53):
        other = "A" if secret[at] != "A" else "B"
        assert not keys.is_key(secret[:at] + other + secret[at + 1 :])


def test_what_is_shown_of_a_key(administrator: Api, cast: Cast) -> None:
    networks = ["192.0.2.0/24", "2001:DB8:0::/32", "198.51.100.7"]
    id = create(administrator, cast, expiresAt="2099-01-01T02:00:00+02:00", allowedNetworks=networks)["id"]
    shown = administrator.get(f"/keys/{id}").json()
    assert set(shown) == SHOWN
    assert shown == shown | {
        "name": "Import",
        "group": cast.provider.pk,
        "groupName": cast.provider.name,
        "permissionLevel": "Operator",
        "expiresAt": LATER,
        "allowedNetworks": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"],
        "lastUsed": None,
        "lastAddress": None,
    }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"group": None}, "group"),
        ({"permissionLevel": "Root"}, "permissionLevel"),
        ({"permissionLevel": None}, "permissionLevel"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": 5}, "expiresAt"),
        ({"expiresAt": "2019-04-28T18:16:04+0000"}, "expiresAt"),
        ({"allowedNetworks": []}, "allowedNetworks"),
        ({"allowedNetworks": "192.0.2.0/24"}, "allowedNetworks"),
        ({"allowedNetworks": ["192.0.2.0/24"] * 21}, "allowedNetworks"),
        ({"allowedNetworks": ["192.0.2.0/24", 5]}, "allowedNetworks[1]"),
        ({"allowedNetworks": ["192.0.2.1/24"]}, "allowedNetworks[0]"),
        ({"allowedNetworks": ["192.0.2.0/33"]}, "allowedNetworks[0]"),
        ({"allowedNetworks": ["fe80::1%eth0"]}, "allowedNetworks[0]"),
        ({"allowedNetworks": ["::ffff:192.0.2.0/120"]}, "allowedNetworks[0]"),
        ({"allowedNetworks": ["pbx.example"]}, "allowedNetworks[0]"),
        ({"hint": "prsk_"}, "hint"),
        ({"key": "prsk_"}, "key"),
    ],
)
def test_a_body_that_is_refused(administrator: Api, cast: Cast, wrong: dict[str, Any], field: str) -> None:
    answer = administrator.post("/keys", body(cast) | wrong)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not ApiKey.objects.exists()


def test_a_network_with_bits_behind_its_prefix_is_told_what_it_would_be(administrator: Api, cast: Cast) -> None:
    answer = administrator.post("/keys", body(cast, allowedNetworks=["10.0.0.5/8"]))
    assert answer.json()["errors"][0]["description"].endswith("the network is 10.0.0.0/8.")


def test_a_change(administrator: Api, cast: Cast) -> None:
    key, _ = make_key(cast.provider)
    changes = {"name": "Export", "expiresAt": LATER, "allowedNetworks": ["::1/128"]}
    shown = administrator.put(f"/keys/{key.pk}", changes).json()
    assert shown == shown | changes
    # What is absent stays, null takes away.
    assert administrator.put(f"/keys/{key.pk}", {"name": "Other"}).json() == shown | {"name": "Other"}
    nothing = {"expiresAt": None, "allowedNetworks": None}
    assert administrator.put(f"/keys/{key.pk}", nothing).json() == shown | {"name": "Other"} | nothing


def test_get_edit_put(administrator: Api, cast: Cast) -> None:
    """Also of a key that has expired, as long as its expiry is sent back unchanged."""
    key, _ = make_key(cast.provider, expires_at=timezone.now().replace(microsecond=0) - timedelta(days=1))
    shown = administrator.get(f"/keys/{key.pk}").json()
    assert administrator.put(f"/keys/{key.pk}", shown | {"name": "Export"}).json() == shown | {"name": "Export"}
    earlier = administrator.put(f"/keys/{key.pk}", {"expiresAt": "2019-04-28T18:16:04+0000"})
    assert earlier.status_code == 400


def test_filters(administrator: Api, cast: Cast) -> None:
    make_key(cast.provider, Level.MONITOR, name="Billing", last_address="192.0.2.9", last_used=timezone.now())
    make_key(cast.reseller, name="Import")
    make_key(cast.stranger, name="Foreign")
    for query, names in {
        "search~'bill'": ["Billing"],
        "search~'munich'": [],
        "groupName~'berlin'": ["Billing"],
        f"group={cast.reseller.pk}": ["Import"],
        "permissionLevel='Monitor'": ["Billing"],
        "lastAddress='192.0.2.9'": ["Billing"],
        "lastUsed=''": ["Import"],
        "expiresAt<'2099-01-01T00:00:00+0000'": [],
        "hint~'prsk'": ["Billing", "Import"],
    }.items():
        answer = administrator.get("/keys", {"filter": query, "sort": "-lastUsed,name"})
        found = [key["name"] for key in answer.json()["keys"]] if answer.status_code == 200 else []
        assert found == names, query


# --- What a key may -------------------------------------------------------------------------------------------

ROUTES: list[Callable[[Api, Cast], Any]] = [
    lambda api, cast: api.get("/groups"),
    lambda api, cast: api.get("/users"),
    lambda api, cast: api.get("/audit"),
    lambda api, cast: api.get("/keys"),
    lambda api, cast: api.get(f"/groups/{cast.sibling.pk}"),
    lambda api, cast: api.get(f"/groups/{cast.stranger.pk}"),
    lambda api, cast: api.put(f"/groups/{cast.provider.pk}", {"description": "changed"}),
    lambda api, cast: api.put(f"/groups/{cast.stranger.pk}", {"description": "changed"}),
    lambda api, cast: api.post("/groups", {"name": f"New {timezone.now()}", "groupType": "Provider"}),
    lambda api, cast: api.post("/groups", {"name": "New", "groupType": "Reseller"}),
    lambda api, cast: api.post("/devices/remove", {"macList": [make_device(cast.provider).mac]}),
    lambda api, cast: api.post("/devices/remove", {"macList": [make_device(cast.stranger).mac]}),
    lambda api, cast: api.delete(f"/locations/{make_location(cast.provider).pk}"),
    lambda api, cast: api.delete(f"/keys/{make_key(cast.provider)[0].pk}"),
    lambda api, cast: api.delete(f"/keys/{make_key(cast.stranger)[0].pk}"),
]


@pytest.mark.parametrize("level", Level.values)
@pytest.mark.parametrize("group", ["reseller", "provider"])
def test_a_key_may_what_a_user_of_its_group_and_level_may(cast: Cast, group: str, level: str) -> None:
    owner = getattr(cast, group)
    user, key = Api(make_user(owner, level)), Api(key=make_key(owner, level)[1])
    for route in ROUTES:
        one, other = route(user, cast), route(key, cast)
        assert one.status_code == other.status_code, (one.content, other.content)


def test_a_key_is_no_user(cast: Cast) -> None:
    key, secret = make_key(cast.provider)
    api = Api(key=secret)
    refused = [
        api.get("/users/me"),
        api.get("/user/me"),
        api.post("/logout", {}),
        api.post("/keys", body(cast)),
        api.post("/keys", {"surprise": 1}),
        api.put(f"/keys/{key.pk}", {"expiresAt": None}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert refused[0].json() == {"description": "An API key cannot do this: log in as a user."}
    assert ask(secret).status_code == 200  # nothing has ended it
    assert api.delete(f"/keys/{key.pk}").status_code == 200
    assert ask(secret).status_code == 401


def test_the_platform_operator_makes_keys_of_groups_only(cast: Cast) -> None:
    """So that no key is the operator's."""
    operator = Api(make_operator())
    assert operator.post("/keys", body(cast) | {"group": None}).status_code == 400
    made = create(operator, cast, permissionLevel="Administrator")
    assert [group["id"] for group in ask(made["key"]).json()["groups"]] == [cast.provider.pk]


def test_a_key_stays_when_its_maker_goes(cast: Cast, administrator: Api) -> None:
    maker = make_user(cast.provider)
    made = create(Api(maker), cast)
    maker.permission_level = Level.MONITOR
    maker.save()
    assert ask(made["key"]).status_code == 200
    assert administrator.delete(f"/users/{maker.pk}").status_code == 200
    assert ask(made["key"]).status_code == 200
    assert administrator.get(f"/keys/{made['id']}").status_code == 200
    assert administrator.delete(f"/keys/{made['id']}").status_code == 200
    assert ask(made["key"]).status_code == 401


def test_a_group_with_a_key_is_not_deleted(cast: Cast, administrator: Api) -> None:
    key, _ = make_key(cast.sibling)
    answer = administrator.delete(f"/groups/{cast.sibling.pk}")
    assert (answer.status_code, answer.json()) == (409, {"description": "The group still has keys."})
    assert administrator.delete(f"/keys/{key.pk}").status_code == 200
    assert administrator.delete(f"/groups/{cast.sibling.pk}").status_code == 200


# --- When it is refused ---------------------------------------------------------------------------------------


def unknown(cast: Cast) -> Any:
    return ask(keys.new_secret())


def misspelt(cast: Cast) -> Any:
    return ask(make_key(cast.provider)[1][:-1])


def expired(cast: Cast) -> Any:
    return ask(make_key(cast.provider, expires_at=timezone.now())[1])


def ended(cast: Cast) -> Any:
    key, secret = make_key(cast.provider)
    assert ask(secret).status_code == 200
    key.delete()
    return ask(secret)


def elsewhere(cast: Cast) -> Any:
    return ask(make_key(cast.provider, allowed_networks=["192.0.2.0/24"])[1])


def nowhere(cast: Cast) -> Any:
    """The address of a socket file."""
    return ask(make_key(cast.provider, allowed_networks=["0.0.0.0/0", "::/0"])[1], "")


def no_token(cast: Cast) -> Any:
    return ask("eyJ.a.b")


@pytest.mark.parametrize("case", [unknown, misspelt, expired, ended, elsewhere, nowhere, no_token])
def test_every_refusal_is_the_same(cast: Cast, case: Callable[[Cast], Any]) -> None:
    answer = case(cast)
    assert answer.status_code == 401
    assert answer.content == b'{"description": "The token is not valid."}'
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not ApiKey.objects.exclude(last_used=None).exists()


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["192.0.2.0/24"], "192.0.2.255", 200),
        (["192.0.2.0/24"], "192.0.3.0", 401),
        (["192.0.2.0/24"], "::ffff:192.0.2.1", 200),
        (["192.0.2.7/32"], "192.0.2.7", 200),
        (["192.0.2.7/32"], "192.0.2.8", 401),
        (["2001:db8::/32"], "2001:db8:ffff::1", 200),
        (["2001:db8::/32"], "2001:db9::1", 401),
        (["2001:db8::/32"], "32.1.13.184", 401),  # the same first bits
        (["198.51.100.0/24", "2001:db8::/64"], "2001:db8::7", 200),
        (["0.0.0.0/0"], "2001:db8::7", 401),
        (None, "2001:db8::7", 200),
        (None, "", 200),
    ],
)
def test_allowed_networks(cast: Cast, networks: list[str] | None, address: str, status: int) -> None:
    assert ask(make_key(cast.provider, allowed_networks=networks)[1], address).status_code == status


def test_a_key_that_will_expire_is_accepted_until_then(cast: Cast) -> None:
    assert ask(make_key(cast.provider, expires_at=timezone.now() + timedelta(hours=1))[1]).status_code == 200


# --- Its use --------------------------------------------------------------------------------------------------


def test_the_last_use_is_shown(cast: Cast, administrator: Api) -> None:
    key, secret = make_key(cast.provider)
    ask(secret, "2001:db8::7")
    shown = administrator.get(f"/keys/{key.pk}").json()
    assert shown["lastAddress"] == "2001:db8::7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", shown["lastUsed"])


def writes_of(secret: str, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert ask(secret, address).status_code == 200
    return [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]


def test_the_last_use_is_written_once_a_minute(cast: Cast) -> None:
    key, secret = make_key(cast.provider)
    assert len(writes_of(secret, "192.0.2.1")) == 1
    assert writes_of(secret, "192.0.2.2") == []
    ApiKey.objects.update(last_used=timezone.now() - timedelta(seconds=61))
    assert len(writes_of(secret, "192.0.2.3")) == 1
    key.refresh_from_db()
    assert key.last_address == "192.0.2.3"


def statements_of(api: Api) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/groups").status_code == 200
    return len(queries)


def test_a_key_asks_the_database_as_often_as_a_token(cast: Cast, administrator: Api) -> None:
    api = Api(key=make_key(cast.reseller)[1])
    api.get("/groups")  # its use is noted
    assert statements_of(api) == statements_of(administrator)


# --- The audit log --------------------------------------------------------------------------------------------


def test_entries_name_the_key(cast: Cast, administrator: Api) -> None:
    key, secret = make_key(cast.provider, name="Billing import")
    Api(key=secret).put(f"/groups/{cast.provider.pk}", {"description": "changed"})
    entry = administrator.get("/audit", {"filter": "objectType='Group'"}).json()["audit"][0]
    assert entry["user"] == f"key {key.pk}: Billing import"
    assert entry["address"] == "127.0.0.1"
    # The user who reads is of the group above; a stranger sees nothing.
    assert Api(make_user(cast.stranger)).get("/audit", {"filter": "objectType='Group'"}).status_code == 204
    # It is found by that name, also when the key is gone.
    administrator.delete(f"/keys/{key.pk}")
    found = administrator.get("/audit", {"filter": f"user~'key {key.pk}:'"}).json()["audit"]
    assert [each["id"] for each in found] == [entry["id"]]


def test_what_happens_to_a_key_is_told(cast: Cast, administrator: Api) -> None:
    made = create(administrator, cast, expiresAt=LATER, allowedNetworks=["192.0.2.0/24"])
    path = f"/keys/{made['id']}"
    administrator.put(path, {"allowedNetworks": None, "expiresAt": None, "name": "Export"})
    administrator.delete(path)
    entries = administrator.get("/audit", {"filter": "objectType='Key'"}).json()["audit"]
    deleted, changed, created = entries
    assert [entry["event"] for entry in entries] == [Event.DELETED, Event.CHANGED, Event.CREATED]
    assert {entry["object"] for entry in entries} == {"Export", "Import"}
    assert {entry["groupId"] for entry in entries} == {cast.provider.pk}
    assert changed["changes"] == {
        "name": ["Import", "Export"],
        "expiresAt": ["2099-01-01T00:00:00+0000", None],
        "allowedNetworks": [["192.0.2.0/24"], None],
    }
    assert set(created["changes"]) == {"name", "group", "permissionLevel", "expiresAt", "allowedNetworks"}
    assert set(deleted["changes"]) == {"name", "group", "permissionLevel"}
    assert made["key"] not in str(entries)
