"""How the API says no, and how strictly it reads: one test for each promise, on every resource that makes it.

Statuses by case, the form of errors, types, lengths, dates, and what happens when the database does not play.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import Group, Level, User
from devices.models import Device
from locations.models import Location
from tests.conftest import PASSWORD, Api, Cast, make_device, make_group, make_location, make_operator, make_user

pytestmark = pytest.mark.django_db

MAC = "00:90:8F:AA:AA:01"
MISSING = 900_001
KIB = 1024
LOST_RACE = "Changed by another request, try again."


@dataclass
class Things:
    """The cast, one of each thing of the reseller and of the stranger, and the reseller's Administrator."""

    cast: Cast
    api: Api
    user: User
    location: Location
    device: Device
    foreign_user: User
    foreign_location: Location
    foreign_device: Device

    def path(self, template: str) -> str:
        return template.format(
            group=self.cast.provider.pk,
            user=self.user.pk,
            location=self.location.pk,
            device=self.device.pk,
            foreign_group=self.cast.stranger.pk,
            foreign_user=self.foreign_user.pk,
            foreign_location=self.foreign_location.pk,
            foreign_device=self.foreign_device.pk,
            missing=MISSING,
        )


@pytest.fixture
def things(cast: Cast, administrator: Api) -> Things:
    location = make_location(cast.reseller, description="Haifa", mutual_auth=True)
    foreign_location = make_location(cast.stranger)
    return Things(
        cast=cast,
        api=administrator,
        user=make_user(
            cast.reseller, Level.OPERATOR, email="ada@acme.example", description="second", phone1="1", phone2="2"
        ),
        location=location,
        device=make_device(cast.reseller, location=location),
        foreign_user=make_user(cast.stranger),
        foreign_location=foreign_location,
        foreign_device=make_device(cast.stranger, location=foreign_location),
    )


def good(things: Things, path: str) -> dict[str, Any]:
    """A body that this address takes, with all attributes; `PUT` where the address names one thing."""
    group = things.cast.reseller.pk
    about = {"description": "text"}
    person = {
        "firstName": "New",
        "lastName": "Comer",
        "password": PASSWORD,
        "email": "new@acme.example",
        "phone1": "1",
        "phone2": "2",
        "forceChangePasswordNextLogin": False,
    } | about
    bodies: dict[str, dict[str, Any]] = {
        "/groups": {"name": "New", "groupType": "Provider", "address": "1 Street", "resellerId": group} | about,
        "/groups/{group}": {"name": "New", "address": "1 Street"} | about,
        "/users": person | {"login": "newcomer", "permissionLevel": "Monitor", "group": group},
        "/users/{user}": person,
        "/locations": {"url": "https://new.example/", "groupId": group, "mutualAuth": True} | about,
        "/locations/{location}": {"url": "https://new.example/", "mutualAuth": True} | about,
        "/devices": {
            "group": group,
            "locationId": things.location.pk,
            "macList": [MAC],
            "overrideCurrentAssociation": True,
        }
        | about,
        "/devices/remove": {"macList": [things.device.mac], "group": group},
        "/locations/remove": {"idList": [things.location.pk]},
        "/locations/{location}/devices/associate": {
            "macList": [things.device.mac],
            "overrideCurrentAssociation": True,
        }
        | about,
        "/locations/{location}/devices/disassociate": {"macList": [things.device.mac]},
        "/login": {"userName": things.user.login, "password": PASSWORD},
        "/changePassword": {
            "userName": things.user.login,
            "oldPassword": PASSWORD,
            "newPassword": "another horse 8 battery",
        },
        "/refresh": {"refresh_token": "x"},
    }
    return bodies[path]


CREATED = {"/groups", "/users", "/locations", "/devices"}
CHANGED = {"/groups/{group}", "/users/{user}", "/locations/{location}"}
BODIES = [
    *sorted(CREATED),
    *sorted(CHANGED),
    "/devices/remove",
    "/locations/remove",
    "/locations/{location}/devices/associate",
    "/locations/{location}/devices/disassociate",
    "/login",
    "/changePassword",
    "/refresh",
]


def write(things: Things, path: str, body: Any) -> Any:
    return (things.api.put if path in CHANGED else things.api.post)(things.path(path), body)


def write_bytes(things: Things, path: str, content: bytes, content_type: str = "application/json") -> Any:
    method = "PUT" if path in CHANGED else "POST"
    return things.api.client.generic(
        method, "/api/v1" + things.path(path), content, content_type, headers=things.api.headers
    )


def assert_error(response: Any, status: int, field: str | None = None) -> dict[str, Any]:
    """The answer is an error as every error is; `field` is the first attribute that it names."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response["X-Request-ID"]
    body: dict[str, Any] = response.json()
    assert set(body) - {"errors"} == {"description"}
    assert isinstance(body["description"], str)
    assert body["description"].strip()
    assert not re.search(r"<\w|Traceback|SELECT|INSERT|sqlite|psycopg|Error\b", response.content.decode())
    if "errors" in body:
        assert 1 <= len(body["errors"]) <= 20
        assert all(set(error) == {"field", "description"} for error in body["errors"])
        assert all(error["field"] and error["description"] for error in body["errors"])
    if field is not None:
        assert body["errors"][0]["field"] == field
    return body


def seen(response: Any) -> tuple[Any, ...]:
    headers = {k: v for k, v in response.headers.items() if k not in ("Date", "X-Request-ID")}
    return response.status_code, headers, response.content


# --- Statuses by case: each row of the table ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users", "/devices", "/locations"])
def test_an_empty_list_is_204(things: Things, path: str):
    """Nothing in it, the page past the end, and a filter outside the scope."""
    operator = Api(make_operator())
    provider = Api(make_user(things.cast.provider))
    filters = {"filter": f"(group={things.cast.stranger.pk})"}
    for response in (
        things.api.get(path, {"page": 2}),
        things.api.get(path, filters),
        things.api.get(path, {"filter": f"(group={MISSING})"}),
        things.api.get(path, {"filter": "(search~'nothing holds this')"}),
        provider.get(path, {"depth": 0, "filter": "(search~'nothing holds this')"}),
    ):
        assert (response.status_code, response.content) == (204, b"")
    assert operator.get(path, filters).status_code == 200
    if path != "/users":
        assert provider.get(path).status_code == 204


def test_no_groups_at_all_is_204(db: None):
    assert Api(make_operator()).get("/groups").status_code == 204


@pytest.mark.parametrize("kind", ["group", "user", "location", "device"])
def test_a_single_id_unknown_or_foreign(things: Things, kind: str):
    """GET 204, write 404, in the same bytes for both."""
    names = {"group": "groups", "user": "users", "location": "locations", "device": "devices"}
    foreign = things.path(f"/{names[kind]}/{{foreign_{kind}}}")
    missing = things.path(f"/{names[kind]}/{{missing}}")
    unknown = things.api.get(missing)
    assert (unknown.status_code, unknown.content) == (204, b"")
    assert seen(things.api.get(foreign)) == seen(unknown)
    if kind != "device":
        body = {"url": "https://new.example/"} if kind == "location" else {"description": "x"}
        assert_error(things.api.put(missing, body), 404)
        assert seen(things.api.put(foreign, body)) == seen(things.api.put(missing, body))
        assert_error(things.api.delete(missing), 404)
        assert seen(things.api.delete(foreign)) == seen(things.api.delete(missing))


def test_a_foreign_mac_is_as_an_unknown_one(things: Things):
    unknown = things.api.get(f"/devices/{MAC}")
    assert unknown.status_code == 204
    assert seen(things.api.get(f"/devices/{things.foreign_device.mac}")) == seen(unknown)


def test_the_devices_of_a_location(things: Things):
    """GET 204 for a location that is unknown, foreign or without devices; the two actions 404."""
    empty = make_location(things.cast.reseller)
    foreign, missing = things.foreign_location.pk, MISSING
    answers = [things.api.get(f"/locations/{id}/devices") for id in (missing, foreign, empty.pk)]
    assert [response.status_code for response in answers] == [204, 204, 204]
    assert seen(answers[0]) == seen(answers[1]) == seen(answers[2])
    for action in ("associate", "disassociate"):
        body = good(things, f"/locations/{{location}}/devices/{action}")
        refused = things.api.post(f"/locations/{missing}/devices/{action}", body)
        assert_error(refused, 404)
        assert seen(things.api.post(f"/locations/{foreign}/devices/{action}", body)) == seen(refused)


@pytest.mark.parametrize(
    ("path", "attribute"),
    [("/groups", "resellerId"), ("/users", "group"), ("/locations", "groupId"), ("/devices", "group"),
     ("/devices/remove", "group")],
)  # fmt: skip
def test_a_group_named_in_a_body(things: Things, path: str, attribute: str):
    """403, the same for unknown and foreign."""
    refused = write(things, path, good(things, path) | {attribute: MISSING})
    assert_error(refused, 403)
    foreign = write(things, path, good(things, path) | {attribute: things.cast.stranger.pk})
    assert seen(foreign) == seen(refused)


def test_a_location_named_in_a_body(things: Things):
    """400, the same for unknown, foreign, or of another group."""
    other = make_location(things.cast.provider)
    answers = [
        write(things, "/devices", good(things, "/devices") | {"locationId": id})
        for id in (MISSING, things.foreign_location.pk, other.pk)
    ]
    assert_error(answers[0], 400, "locationId")
    assert seen(answers[0]) == seen(answers[1]) == seen(answers[2])
    assert not Device.objects.filter(mac=MAC.replace(":", "")).exists()


def test_a_group_of_the_same_name(things: Things):
    """409 under the same parent, on POST and PUT; the name may stand under another."""
    body = good(things, "/groups") | {"name": things.cast.sibling.name}
    assert_error(things.api.post("/groups", body), 409)
    assert_error(things.api.put(f"/groups/{things.cast.provider.pk}", {"name": things.cast.sibling.name}), 409)
    assert (
        things.api.put(f"/groups/{things.cast.sibling.pk}", {"name": things.cast.sibling.name}).status_code == 200
    )
    operator = Api(make_operator())
    elsewhere = operator.post("/groups", body | {"resellerId": things.cast.stranger.pk})
    assert elsewhere.status_code == 201


def test_a_reseller_of_the_same_name(things: Things):
    """409 among resellers, also where one tenant renames itself to what it cannot see."""
    operator = Api(make_operator())
    body = {"name": things.cast.stranger.name, "groupType": "Reseller"}
    assert_error(operator.post("/groups", body), 409)
    renamed = things.api.put(f"/groups/{things.cast.reseller.pk}", {"name": things.cast.stranger.name})
    assert_error(renamed, 409)
    assert operator.post("/groups", body | {"name": things.cast.provider.name}).status_code == 201


def test_a_login_that_is_taken_in_any_case(things: Things):
    for login in (things.user.login.upper(), things.foreign_user.login.upper()):
        assert_error(things.api.post("/users", good(things, "/users") | {"login": login}), 409)


@pytest.mark.parametrize("content", ["providers", "devices", "locations", "users"])
def test_deleting_a_group_that_still_has_something(things: Things, content: str):
    operator = Api(make_operator())
    group = make_group("Full", None if content == "providers" else things.cast.reseller)
    made: Any = {"devices": make_device, "locations": make_location, "users": make_user}.get(content)
    thing = made(group) if made else make_group("Below", group)
    assert_error(operator.delete(f"/groups/{group.pk}"), 409)
    assert Group.objects.filter(pk=group.pk).exists()
    thing.delete()
    assert set(operator.delete(f"/groups/{group.pk}").json()) == {"description"}


def test_deleting_a_location_that_still_has_devices(things: Things):
    assert_error(things.api.delete(f"/locations/{things.location.pk}"), 409)
    Device.objects.filter(pk=things.device.pk).update(location=None)
    assert things.api.delete(f"/locations/{things.location.pk}").status_code == 200


def test_deleting_yourself(things: Things):
    me = things.api.get("/users/me").json()["id"]
    assert_error(things.api.delete(f"/users/{me}"), 409)
    operator = make_operator()
    assert_error(Api(operator).delete(f"/users/{operator.pk}"), 409)
    assert User.objects.filter(pk__in=[me, operator.pk]).count() == 2


def test_too_many_logins(things: Things, settings: Any):
    settings.LOGIN_LIMIT_PER_SOURCE = 2
    answers = [things.api.post("/login", good(things, "/login")) for _ in range(3)]
    assert [response.status_code for response in answers] == [200, 200, 429]
    assert_error(answers[2], 429)
    assert 1 <= int(answers[2]["Retry-After"]) <= 60


def test_too_many_phones_that_are_unknown(things: Things, settings: Any):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 1
    assert [Client().get(f"/00908FBBBB0{n}").status_code for n in (1, 1, 2)] == [404, 404, 429]
    assert int(Client().get("/00908FBBBB03")["Retry-After"]) >= 1


def test_put_answers_the_resource_and_delete_a_sentence(things: Things):
    for path in sorted(CHANGED):
        answer = write(things, path, good(things, path))
        assert answer.status_code == 200
        assert answer.json() == things.api.get(things.path(path)).json(), path
    spare = make_location(things.cast.reseller)
    for path in (f"/locations/{spare.pk}", f"/users/{things.user.pk}", f"/groups/{things.cast.sibling.pk}"):
        answer = things.api.delete(path)
        assert (answer.status_code, set(answer.json())) == (200, {"description"}), path


# --- A lost race, and a database that is away -----------------------------------------------------------------


@contextmanager
def database_refusing(sql: str, sqlstate: str | None = None, times: int = 1_000) -> Iterator[list[str]]:
    """The statements that match `sql` fail, the first `times` times, as a database that is away makes them."""
    refused: list[str] = []

    def execute(run: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        if re.search(sql, statement) and len(refused) < times:
            refused.append(statement)
            cause = Exception("secret text of the driver")
            cause.sqlstate = sqlstate  # type: ignore[attr-defined]
            raise OperationalError("secret text of the driver") from cause
        return run(statement, params, many, context)

    with connection.execute_wrapper(execute):
        yield refused


DEADLOCK = "40P01"
BULK = {
    "/devices": r"INSERT INTO devices_device",
    "/devices/remove": r'DELETE FROM "devices_device"',
    "/locations/{location}/devices/associate": r'UPDATE "devices_device"',
    "/locations/{location}/devices/disassociate": r'UPDATE "devices_device"',
}


@pytest.mark.parametrize("path", BULK)
def test_a_bulk_call_that_loses_every_race(things: Things, path: str):
    """409 after retries, and nothing is changed."""
    before = list(Device.objects.order_by("pk").values())
    with database_refusing(BULK[path], DEADLOCK) as refused:
        body = assert_error(write(things, path, good(things, path)), 409)
    assert body["description"] == LOST_RACE
    assert len(refused) > 1
    assert list(Device.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("path", BULK)
def test_a_bulk_call_that_loses_one_race(things: Things, path: str):
    """It is tried again, and nobody notices."""
    with database_refusing(BULK[path], DEADLOCK, times=1) as refused:
        assert write(things, path, good(things, path)).status_code in (200, 201)
    assert len(refused) == 1


@contextmanager
def somebody_quicker(sql: str, act: Any) -> Iterator[None]:
    """Just before the first statement that matches, another request does `act`."""
    acted: list[str] = []

    def execute(run: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        if re.search(sql, statement) and not acted:
            acted.append(statement)
            act()
        return run(statement, params, many, context)

    with connection.execute_wrapper(execute):
        yield
    assert acted


def test_a_group_name_that_is_taken_meanwhile(things: Things):
    with somebody_quicker('INSERT INTO "accounts_group"', lambda: make_group("New", things.cast.reseller)):
        response = write(things, "/groups", good(things, "/groups"))
    assert assert_error(response, 409)["description"] == LOST_RACE


def test_a_group_name_that_is_taken_meanwhile_by_a_change(things: Things):
    with somebody_quicker('UPDATE "accounts_group"', lambda: make_group("New", things.cast.reseller)):
        response = write(things, "/groups/{group}", {"name": "New"})
    assert assert_error(response, 409)["description"] == LOST_RACE


def test_a_login_that_is_taken_meanwhile(things: Things):
    with somebody_quicker(
        'INSERT INTO "accounts_user"', lambda: make_user(things.cast.stranger, login="NEWCOMER")
    ):
        response = write(things, "/users", good(things, "/users"))
    assert assert_error(response, 409)["description"] == LOST_RACE


INSERTS = {
    "/locations": ("groupId", 'INSERT INTO "locations_location"'),
    "/users": ("group", 'INSERT INTO "accounts_user"'),
    "/devices": ("group", "INSERT INTO devices_device"),
}


@pytest.mark.django_db(transaction=True)  # foreign keys are looked at when a transaction ends
@pytest.mark.parametrize("path", INSERTS)
def test_a_group_that_is_deleted_meanwhile(things: Things, path: str):
    group = make_group("Short lived", things.cast.reseller)
    attribute, sql = INSERTS[path]
    body = good(things, path) | {attribute: group.pk}
    body.pop("locationId", None)
    with somebody_quicker(sql, Group.objects.filter(pk=group.pk).delete):
        response = write(things, path, body)
    assert assert_error(response, 409)["description"] == LOST_RACE


READS = ["/groups", "/groups/{group}", "/users", "/users/me", "/devices", "/devices/{device}", "/locations"]
READS += ["/locations/{location}", "/locations/{location}/devices"]


@pytest.mark.parametrize("path", READS)
def test_reading_without_a_database(things: Things, path: str):
    """503 with Retry-After, and not a word of the database's."""
    with database_refusing(r"FROM|UPDATE|INSERT"):
        response = things.api.get(things.path(path))
    assert int(response["Retry-After"]) >= 1
    assert b"secret" not in response.content
    assert_error(response, 503)


@pytest.mark.parametrize("path", [path for path in BODIES if path != "/refresh"])
@pytest.mark.parametrize("when", ["FROM|UPDATE|INSERT", "INSERT|UPDATE|DELETE"])
def test_writing_without_a_database(things: Things, path: str, when: str):
    """503 also where it goes away in the midst of a request."""
    with database_refusing(when):
        response = write(things, path, good(things, path))
    assert int(response["Retry-After"]) >= 1
    assert b"secret" not in response.content
    assert_error(response, 503)


def test_readiness_without_a_database(things: Things):
    """503 as everywhere, in the form of every error."""
    with database_refusing("FROM"):
        response = things.api.client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["description"]
    assert response["Retry-After"]


ASK_WITHOUT_DATABASE = """
import json, os, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, HTTP_HOST="localhost")
def told(response):
    return response.status_code, dict(response.headers), response.content.decode()
login = {"userName": "ada", "password": "correct horse 7 battery"}
print(json.dumps({
    "login": told(client.post("/api/v1/login", login, content_type="application/json")),
    "phone": told(client.get("/00908F9D8992")),
    "health": told(client.get("/healthz")),
}))
"""


@pytest.mark.parametrize(
    "address", ["postgres://user:secret@127.0.0.1:1/none", "sqlite:////proc/none/none.sqlite3"]
)
def test_a_database_that_was_never_there(address: str):
    """A process whose database cannot be reached answers 503 with Retry-After, and its health is good."""
    environment = {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK_WITHOUT_DATABASE],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    for name in ("login", "phone"):
        status, headers, content = answers[name]
        assert status == 503, name
        assert int(headers["Retry-After"]) >= 1, name
        assert headers["Content-Type"] == "application/json", name
        assert set(json.loads(content)) == {"description"}, name
        assert "secret" not in content, name
    assert answers["health"][0] == 200


def test_a_bug_is_500_without_its_text(things: Things):
    def execute(run: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        raise RuntimeError("secret text of a bug")

    with connection.execute_wrapper(execute):
        response = things.api.get("/groups")
    assert b"secret" not in response.content
    assert_error(response, 500)


# --- Types, unknown attributes, JSON itself -------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "number": ["5", 5.0, True, [], {}, 1e3, 2**63, -(2**63) - 1, 2**70],
    "boolean": ["yes", "true", 1, 0, [], {}],
    "string": [5, 5.0, True, [], {}, ["text"]],
    "choice": [5, True, "", "administrator", "Superuser", [], {}],
    "strings": ["text", 5, {}, [], [5], [None], [["text"]], [True], ["text", 5]],
    "numbers": ["1", 5, {}, [], ["5"], [5.0], [None], [True], [[5]]],
}
TYPES = {
    "number": {"resellerId", "group", "groupId", "locationId"},
    "boolean": {"mutualAuth", "overrideCurrentAssociation", "forceChangePasswordNextLogin"},
    "choice": {"groupType", "permissionLevel"},
    "strings": {"macList"},
    "numbers": {"idList"},
}


@pytest.mark.parametrize("path", BODIES)
def test_types_are_strict(things: Things, path: str):
    """Each attribute refuses every other JSON type with 400, and names itself."""
    body = good(things, path)
    for attribute in body:
        kind = next((kind for kind, names in TYPES.items() if attribute in names), "string")
        for value in WRONG[kind]:
            response = write(things, path, body | {attribute: value})
            assert response.status_code == 400, f"{attribute}: {value!r} gives {response.content!r}"
            field = assert_error(response, 400)["errors"][0]["field"]
            assert re.fullmatch(rf"{attribute}(\[\d+\])?", field), f"{attribute}: {value!r} names {field}"


@pytest.mark.parametrize("id", [0, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 2**70])
def test_ids_in_lists_that_no_row_can_have(things: Things, id: int):
    """An id that no row can have is unknown, or refused; it never breaks the call."""
    response = things.api.post("/locations/remove", {"idList": [id]})
    if response.status_code == 200 or -(2**63) <= id < 2**63:
        assert response.json() == {"deleted": 0, "fail": {"count": 1, "locations": [str(id)]}}
    else:
        assert_error(response, 400)


@pytest.mark.parametrize("path", BODIES)
def test_the_good_bodies_are_good(things: Things, path: str):
    """So that the tests above and below refuse for the reason that they think of."""
    if path == "/locations/remove":
        assert write(things, path, good(things, path)).json()["fail"]["count"] == 1
    expected = 201 if path in CREATED else 401 if path == "/refresh" else 200
    assert write(things, path, good(things, path)).status_code == expected


@pytest.mark.parametrize("path", BODIES)
def test_unknown_attributes(things: Things, path: str):
    for name in ("unknown", "Description", "is_staff", "isSuperuser", "__class__", ""):
        response = write(things, path, good(things, path) | {name: 1})
        assert response.status_code == 400, name
        if name:
            assert_error(response, 400, name)


@pytest.mark.parametrize("path", sorted(CREATED))
def test_what_is_read_only_is_unknown_to_a_post(things: Things, path: str):
    for name in ("id", "lastAccess", "numRequests", "failLoginAttempts", "deviceCount"):
        assert_error(write(things, path, good(things, path) | {name: None}), 400, name)


MANDATORY = {
    "/groups": {"name", "groupType"},
    "/users": {"firstName", "lastName", "password", "permissionLevel", "login", "group"},
    "/locations": {"url", "groupId"},
    "/locations/{location}": {"url"},
    "/devices": {"group", "macList", "overrideCurrentAssociation"},
    "/devices/remove": {"macList"},
    "/locations/remove": {"idList"},
    "/locations/{location}/devices/associate": {"macList", "overrideCurrentAssociation"},
    "/locations/{location}/devices/disassociate": {"macList"},
    "/login": {"userName", "password"},
    "/changePassword": {"userName", "oldPassword", "newPassword"},
    "/refresh": {"refresh_token"},
}


@pytest.mark.parametrize("path", MANDATORY)
def test_mandatory_attributes(things: Things, path: str):
    """Absent or null is 400, naming each that is missing."""
    for name in MANDATORY[path]:
        body = good(things, path)
        del body[name]
        assert_error(write(things, path, body), 400, name)
        assert_error(write(things, path, body | {name: None}), 400, name)
    missing = assert_error(write(things, path, {}), 400)["errors"]
    assert {error["field"] for error in missing} == MANDATORY[path]


NOT_JSON = {
    "empty object, unclosed": b"{",
    "two values": b"{} {}",
    "single quotes": b"{'description': 1}",
    "comment": b"{} // text",
    "trailing comma": b'{"description": "a",}',
    "NaN": b'{"description": NaN}',
    "Infinity": b'{"description": Infinity}',
    "minus Infinity": b'{"description": -Infinity}',
    "duplicate key": b'{"description": "a", "description": "a"}',
    "duplicate key, escaped": b'{"description": "a", "\\u0064escription": "b"}',
    "bad UTF-8": b'{"description": "\xff"}',
    "UTF-16": '{"description": "a"}'.encode("utf-16"),
    "overlong UTF-8": b'{"description": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"description": "\xed\xa0\x80"}',
    "lone surrogate, escaped": b'{"description": "\\ud800"}',
    "control character": b'{"description": "a\x01"}',
    "array": b"[]",
    "string": b'"text"',
    "number": b"5",
    "null": b"null",
    "true": b"true",
    "5,000 digits": b'{"description": ' + b"9" * 5000 + b"}",
    "nested without end": b'{"description": ' + b"[" * 100_000,
    "nested very deep": b'{"description": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_not_json(things: Things, name: str):
    for path in BODIES:
        assert_error(write_bytes(things, path, NOT_JSON[name]), 400)


def test_a_duplicate_key_deep_inside(things: Things):
    content = b'{"name": "New", "providers": [{"id": 1, "id": 2}]}'
    assert_error(write_bytes(things, "/groups/{group}", content), 400)
    assert_error(write_bytes(things, "/groups/{group}", b'{"name": "New", "providers": [{"id": NaN}]}'), 400)


def nested(levels: int) -> bytes:
    """A body of as many levels, in an attribute that a PUT ignores."""
    return b'{"providers": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_nesting(things: Things):
    """20 levels are fine, 21 are too many."""
    assert write_bytes(things, "/groups/{group}", nested(20)).status_code == 200
    assert "deeper" in assert_error(write_bytes(things, "/groups/{group}", nested(21)), 400)["description"]
    objects = b'{"providers": ' + b'{"a": ' * 20 + b"1" + b"}" * 20 + b"}"
    assert_error(write_bytes(things, "/groups/{group}", objects), 400)


@pytest.mark.parametrize("path", BODIES)
def test_size(things: Things, path: str):
    """512 KiB are fine, a byte more is 413."""
    content = json.dumps(good(things, path)).encode()
    full = content + b" " * (512 * KIB - len(content))
    assert_error(write_bytes(things, path, full + b" "), 413)
    expected = 201 if path in CREATED else 401 if path == "/refresh" else 200
    assert write_bytes(things, path, full).status_code == expected


OTHER_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"]
OTHER_TYPES += ["application/jsonp", "application/xml", "application/merge-patch+json", "*/*"]


@pytest.mark.parametrize("path", BODIES)
def test_content_type(things: Things, path: str):
    """Anything but application/json is 415; its parameters and case do not matter."""
    content = json.dumps(good(things, path)).encode()
    for other in OTHER_TYPES:
        assert_error(write_bytes(things, path, content, other), 415)
    expected = 201 if path in CREATED else 401 if path == "/refresh" else 200
    assert write_bytes(things, path, content, "Application/JSON; charset=UTF-8").status_code == expected


def test_a_body_without_a_content_type(things: Things):
    response = things.api.client.generic(
        "POST", "/api/v1/groups", b'{"name": "New"}', "", headers=things.api.headers
    )
    assert_error(response, 415)


def test_content_type_of_what_has_no_body(things: Things):
    """The manual sends one with GET and DELETE; an empty one or another does no harm either."""
    spare = [make_location(things.cast.reseller).pk for _ in range(3)]
    for id, content_type in zip(spare, ["application/json", "text/plain", ""], strict=True):
        for method in ("GET", "DELETE"):
            response = things.api.client.generic(
                method, f"/api/v1/locations/{id}", b"", content_type, headers=things.api.headers
            )
            assert response.status_code == 200, f"{method} {content_type}"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "text/*;q=0.1", "nonsense", "", "image/png"])
def test_accept_is_ignored(things: Things, accept: str):
    headers = things.api.headers | {"Accept": accept}
    found = things.api.client.get("/api/v1/groups", headers=headers)
    assert (found.status_code, found["Content-Type"]) == (200, "application/json")
    assert_error(things.api.client.get("/api/v1/users/x", headers=headers), 404)
    assert_error(things.api.client.get("/api/v1/groups?x=1", headers=headers), 400)
    assert_error(things.api.client.get("/api/v1/groups", headers={"Accept": accept}), 401)


@pytest.mark.parametrize("path", ["/groups", "/users", "/devices", "/locations"])
def test_unknown_query_parameters(things: Things, path: str):
    for query in ({"unknown": 1}, {"format": "json"}, {"Depth": 1}, {"page_size": 5}, {"page": [1, 2]}):
        assert_error(things.api.get(path, query), 400)


# --- GET, edit, PUT -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CHANGED))
def test_get_edit_put(things: Things, path: str):
    """The whole resource may be sent back: nothing changes but what was edited."""
    shown = things.api.get(things.path(path)).json()
    assert write(things, path, shown).json() == shown
    edited = shown | {"description": "edited"}
    assert write(things, path, edited).json() == edited
    assert things.api.get(things.path(path)).json() == edited


def test_get_edit_put_of_a_reseller_with_providers(things: Things):
    path = f"/groups/{things.cast.reseller.pk}"
    shown = things.api.get(path).json()
    assert len(shown["providers"]) == 2
    edited = shown | {"description": "edited"}
    assert things.api.put(path, edited).json() == edited


IDENTIFYING: dict[str, dict[str, Any]] = {
    "/groups/{group}": {"id": 7, "groupType": "Reseller", "resellerId": 7},
    "/users/{user}": {
        "id": 7,
        "login": "other",
        "group": 7,
        "groupType": "Provider",
        "permissionLevel": "Monitor",
    },
    "/locations/{location}": {"id": 7, "groupId": 7},
}


@pytest.mark.parametrize("path", IDENTIFYING)
def test_what_identifies_is_not_modifiable(things: Things, path: str):
    """400 "not modifiable" for another value, or the same of another type; nothing else of the body is done."""
    shown = things.api.get(things.path(path)).json()
    for name, other in IDENTIFYING[path].items():
        for value in (other, None, [shown[name]], str(shown[name]) + " "):
            response = write(things, path, shown | {"description": "edited", name: value})
            body = assert_error(response, 400, name)
            assert "not modifiable" in body["description"], f"{name}: {value!r}"
    assert things.api.get(things.path(path)).json() == shown


IGNORED: dict[str, dict[str, Any]] = {
    "/groups/{group}": {"locationCount": 99, "deviceCount": "99", "providers": None},
    "/users/{user}": {
        "groupName": "Other",
        "lastLoginStatus": "Fail",
        "failLoginAttempts": 99,
        "lastLogin": None,
        "userBlockTime": "2019-04-28T18:16:04+0000",
    },
    "/locations/{location}": {"groupName": "Other", "numDevices": 99, "lastAccess": "2019-04-28T18:16:04+0000"},
}


@pytest.mark.parametrize("path", IGNORED)
def test_what_is_counted_or_told_is_ignored(things: Things, path: str):
    shown = things.api.get(things.path(path)).json()
    assert write(things, path, shown | IGNORED[path]).json() == shown


@pytest.mark.parametrize("path", sorted(CHANGED))
def test_an_absent_attribute_stays(things: Things, path: str):
    """Each attribute alone changes itself alone; a PUT of `url` leaves mutualAuth true."""
    for name, value in good(things, path).items():
        before = things.api.get(things.path(path)).json()
        body = {name: value} if path != "/locations/{location}" else {"url": before["url"], name: value}
        after = write(things, path, body).json()
        changed = {key for key in before if before[key] != after[key]}
        assert changed <= {name}, name
        if name != "password":
            assert after[name] == value


def test_a_put_of_the_url_leaves_mutual_auth(things: Things):
    changed = write(things, "/locations/{location}", {"url": "https://other.example/"}).json()
    assert (changed["mutualAuth"], changed["description"]) == (True, "Haifa")


NONE_IS: dict[str, dict[str, Any]] = {
    "/groups": {"address": None, "description": None},
    "/groups/{group}": {"address": None, "description": None},
    "/users": dict.fromkeys(("email", "description", "phone1", "phone2"))
    | {"forceChangePasswordNextLogin": False},
    "/users/{user}": dict.fromkeys(("firstName", "lastName", "email", "description", "phone1", "phone2"))
    | {"forceChangePasswordNextLogin": False},
    "/locations": {"description": None, "mutualAuth": False},
    "/locations/{location}": {"description": None, "mutualAuth": False},
    "/devices": {"locationId": None, "description": None},
}


def made(things: Things, path: str, response: Any) -> dict[str, Any]:
    """The resource that a write made or changed."""
    assert response.status_code in (200, 201), response.content
    if path == "/devices":
        answer = things.api.get(f"/devices/{MAC}")
    elif path in CREATED:
        answer = things.api.get(response.json()["url"].removeprefix("/api/v1"))
    else:
        answer = things.api.get(things.path(path))
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("path", NONE_IS)
def test_null_means_none(things: Things, path: str):
    """Accepted for every optional attribute: at once, and one by one."""
    body = good(things, path) | dict.fromkeys(NONE_IS[path])
    resource = made(things, path, write(things, path, body))
    assert {name: resource[name] for name in NONE_IS[path]} == NONE_IS[path]


@pytest.mark.parametrize("path", ["/groups", "/users", "/locations", "/devices"])
def test_optional_attributes_may_be_absent(things: Things, path: str):
    body = {name: value for name, value in good(things, path).items() if name in MANDATORY[path]}
    resource = made(things, path, write(things, path, body))
    assert {name: resource[name] for name in NONE_IS[path]} == NONE_IS[path]


def test_null_where_an_attribute_names_something(things: Things):
    """No reseller named is the caller's own; no group named is the whole scope; no new password is the old one."""
    group = made(things, "/groups", write(things, "/groups", good(things, "/groups") | {"resellerId": None}))
    assert group["resellerId"] == things.cast.reseller.pk
    removed = write(things, "/devices/remove", good(things, "/devices/remove") | {"group": None})
    assert removed.json() == {"deleted": 1}
    assert write(things, "/users/{user}", {"password": None, "description": "x"}).status_code == 200
    assert things.api.post("/login", good(things, "/login")).status_code == 200


def test_a_null_description_of_all_devices(things: Things):
    Device.objects.update(description="old")
    body = {"macList": [things.device.mac], "overrideCurrentAssociation": True, "description": None}
    assert things.api.post(f"/locations/{things.location.pk}/devices/associate", body).status_code == 200
    assert things.api.get(f"/devices/{things.device.pk}").json()["description"] is None


EMPTY = {
    "/groups": ["address", "description"],
    "/groups/{group}": ["address", "description"],
    "/users": ["email", "description", "phone1", "phone2"],
    "/users/{user}": ["email", "description", "phone1", "phone2"],
    "/locations": ["description"],
    "/locations/{location}": ["description"],
    "/devices": ["description"],
}


@pytest.mark.parametrize("path", EMPTY)
def test_empty_strings_are_kept_and_blanks_around_a_text_are_not(things: Things, path: str):
    """ "" is not null; a text has one form at every door."""
    names = EMPTY[path]
    for text, kept in {"": "", "  ": "", "  two\u00a0 words ": "two  words"}.items():
        sent = {name: "" if name == "email" else text for name in names}
        resource = made(things, path, write(things, path, good(things, path) | sent))
        assert {name: resource[name] for name in names} == {name: kept if sent[name] else "" for name in names}
        Device.objects.filter(mac=MAC.replace(":", "")).delete()
        Group.objects.filter(name="New").exclude(pk=things.cast.provider.pk).delete()
        User.objects.filter(login="newcomer").delete()


# --- Lengths and characters -----------------------------------------------------------------------------------

LENGTHS = {
    ("/groups", "name"): 150,
    ("/groups", "address"): 1000,
    ("/groups", "description"): 1000,
    ("/groups/{group}", "name"): 150,
    ("/groups/{group}", "address"): 1000,
    ("/groups/{group}", "description"): 1000,
    ("/users", "login"): 150,
    ("/users", "firstName"): 150,
    ("/users", "lastName"): 150,
    ("/users", "email"): 254,
    ("/users", "phone1"): 40,
    ("/users", "phone2"): 40,
    ("/users", "description"): 1000,
    ("/users", "password"): 128,
    ("/users/{user}", "firstName"): 150,
    ("/users/{user}", "lastName"): 150,
    ("/users/{user}", "email"): 254,
    ("/users/{user}", "phone1"): 40,
    ("/users/{user}", "phone2"): 40,
    ("/users/{user}", "description"): 1000,
    ("/users/{user}", "password"): 128,
    ("/changePassword", "newPassword"): 128,
    ("/locations", "description"): 1000,
    ("/locations/{location}", "description"): 1000,
    ("/devices", "description"): 1000,
    ("/locations/{location}/devices/associate", "description"): 1000,
}


def of_length(name: str, length: int) -> str:
    """A text that the attribute would take, were it not for the length; not ASCII where that is allowed."""
    if name == "email":
        host = ".".join(["a" * 61, "b" * 61, "c" * 61, "example"])
        return "d" * (length - len(host) - 1) + "@" + host
    if name == "login":
        return "x" * length
    return "\N{GRINNING FACE}" + "\N{LATIN SMALL LETTER E WITH ACUTE}" * (length - 1)


@pytest.mark.parametrize(("path", "name"), LENGTHS)
def test_lengths(things: Things, path: str, name: str):
    """At the limit, in characters and not in bytes, it is kept; one more is 400."""
    limit = LENGTHS[path, name]
    too_long, fits = of_length(name, limit + 1), of_length(name, limit)
    assert (len(too_long), len(fits)) == (limit + 1, limit)
    assert_error(write(things, path, good(things, path) | {name: too_long}), 400, name)
    response = write(things, path, good(things, path) | {name: fits})
    assert response.status_code in (200, 201), response.content
    if "assword" not in name and "associate" not in path:
        assert made(things, path, response)[name] == fits


@pytest.mark.parametrize(
    ("path", "name"), [("/users", "password"), ("/users/{user}", "password"), ("/changePassword", "newPassword")]
)
def test_passwords_have_8_characters(things: Things, path: str, name: str):
    assert_error(write(things, path, good(things, path) | {name: "h7Kq-pz"}), 400, name)
    assert write(things, path, good(things, path) | {name: "h7Kq-pzW"}).status_code in (200, 201)


@pytest.mark.parametrize("number", [1, 5000])
def test_lists_hold_up_to_5000(things: Things, number: int):
    macs = [f"0011{n:08X}" for n in range(number)]
    answer = write(things, "/devices", good(things, "/devices") | {"macList": macs})
    assert answer.json()["success"]["count"] == number


def test_lists_of_5001(things: Things):
    macs = [f"0011{n:08X}" for n in range(5001)]
    for path in ("/devices", "/devices/remove", *BODIES[-5:-3]):
        assert_error(write(things, path, good(things, path) | {"macList": macs}), 400, "macList")


ONE_LINE = [pair for pair in LENGTHS if pair[1] not in ("description", "password", "newPassword")]
ONE_LINE += [("/locations", "url"), ("/locations/{location}", "url")]
CONTROLS = "\x00\x01\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f"


@pytest.mark.parametrize(("path", "name"), [*LENGTHS, *ONE_LINE[-2:]])
def test_control_characters(things: Things, path: str, name: str):
    """None anywhere, but line breaks in descriptions."""
    breaks = "" if name == "description" else "\r\n"
    for character in CONTROLS + "\t" + breaks:
        value = str(good(things, path)[name]) + character
        response = write(things, path, good(things, path) | {name: value})
        assert response.status_code == 400, f"{character!r}"
        assert_error(response, 400, name)


@pytest.mark.parametrize("path", [path for path, name in LENGTHS if name == "description"])
def test_line_breaks_in_descriptions(things: Things, path: str):
    text = "first\nsecond\r\nthird"
    response = write(things, path, good(things, path) | {"description": text})
    assert response.status_code in (200, 201)
    if "associate" not in path:
        assert made(things, path, response)["description"] == "first\nsecond\nthird"


BAD_LOGINS = ["", " ", "a b", " aviu", "a/b", "a,b", "a'b", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
BAD_LOGINS += ["\N{FULLWIDTH LATIN SMALL LETTER A}da", "a\N{ZERO WIDTH SPACE}"]


@pytest.mark.parametrize("login", BAD_LOGINS)
def test_logins_are_ascii(things: Things, login: str):
    assert_error(write(things, "/users", good(things, "/users") | {"login": login}), 400, "login")


def test_what_is_no_email_is_told_so(things: Things):
    """The sentence fits the fault: a string that is no address is not told to be a string."""
    for email in ("ada", "ada@", "@acme.example", "a b@acme.example"):
        body = assert_error(write(things, "/users", good(things, "/users") | {"email": email}), 400, "email")
        assert "string" not in body["errors"][0]["description"], email


@pytest.mark.parametrize("login", ["Ada.Byron_1@acme+x-y", "a", "7", "@"])
def test_logins_are_kept_as_sent(things: Things, login: str):
    response = write(things, "/users", good(things, "/users") | {"login": login})
    assert made(things, "/users", response)["login"] == login


# --- The form of errors ---------------------------------------------------------------------------------------


def test_at_most_20_errors(things: Things):
    macs = [f"no MAC {n}" for n in range(50)]
    body = assert_error(write(things, "/devices/remove", {"macList": macs}), 400)
    assert [error["field"] for error in body["errors"]] == [f"macList[{n}]" for n in range(20)]
    body = assert_error(write(things, "/locations/remove", {"idList": ["x"] * 50}), 400)
    assert [error["field"] for error in body["errors"]] == [f"idList[{n}]" for n in range(20)]
    body = assert_error(write(things, "/groups", {f"unknown{n}": n for n in range(50)}), 400)
    assert len(body["errors"]) == 20


def test_the_place_in_a_list_is_named(things: Things):
    body = assert_error(write(things, "/devices", good(things, "/devices") | {"macList": [MAC, MAC, MAC, 5]}), 400)
    assert body["errors"] == [{"field": "macList[3]", "description": body["errors"][0]["description"]}]


NOT_THERE = [
    "/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/groups/x", "/api/v1/groups/-1",
    "/api/v1/groups/1/2", "/api/v1/devices/zz", "/api/v1/devices/123456789012345678", "/api/v1//groups",
    "/api/v1/groups//", "/api/v2/groups", "/api/v1/Groups", "/nothing", "/favicon.ico", "/.git/config",
    "/index.html", "/static/nothing.js", "/api/v1/groups/<script>", "/%00", "/%ff", "/api/v1/groups/%F0%9F",
    "/api/v1/groups/9" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("path", NOT_THERE)
def test_unknown_addresses(things: Things, path: str):
    """404 as JSON, under /api and outside; no redirect to where a slash would be."""
    for headers in (things.api.headers, {}, {"Accept": "text/html"}):
        for method in ("GET", "POST"):
            response = things.api.client.generic(method, path, headers=headers)
            assert_error(response, 404)


@pytest.mark.parametrize("id", [0, 2**31, 2**63 - 1, 2**63, 10**30])
@pytest.mark.parametrize(
    "path",
    ["/groups/{}", "/users/{}", "/locations/{}", "/locations/{}/devices", "/locations/{}/devices/associate"],
)
def test_ids_that_no_row_can_have(things: Things, path: str, id: int):
    """As any id that is unknown, however large."""
    if path.endswith("associate"):
        body = good(things, "/locations/{location}/devices/associate")
        assert_error(things.api.post(path.format(id), body), 404)
        return
    assert things.api.get(path.format(id)).status_code == 204
    if not path.endswith("devices"):
        assert_error(things.api.delete(path.format(id)), 404)
        assert_error(
            things.api.put(
                path.format(id), {"url": "https://x.example"} if "loc" in path else {"description": "x"}
            ),
            404,
        )


@pytest.mark.parametrize("path", ["/api/v1/groups", "/api/v1/login", "/", "/api/v1/docs"])
def test_an_unknown_host(things: Things, path: str):
    for host in ("evil.example", "evil.example:99999", "a b", "<script>"):
        response = things.api.client.get(path, headers=things.api.headers | {"Host": host})
        assert_error(response, 400)


METHODS = {"/groups": {"GET", "POST"}, "/groups/1": {"GET", "PUT", "DELETE"}, "/devices/remove": {"POST"}}


@pytest.mark.parametrize("path", METHODS)
def test_wrong_methods(things: Things, path: str):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - METHODS[path]:
        response = things.api.client.generic(method, f"/api/v1{path}", headers=things.api.headers)
        assert_error(response, 405)
        assert set(response["Allow"].split(", ")) - {"HEAD"} == METHODS[path]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/schema", "/api/v1/docs"])
def test_wrong_methods_outside_the_tenants_api(things: Things, path: str):
    response = things.api.client.post(path, {}, content_type="application/json")
    assert_error(response, 405)
    assert set(response["Allow"].split(", ")) - {"HEAD"} == {"GET"}


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer \xe9", "Token x"]
)
def test_without_a_token(things: Things, header: str | None):
    response = things.api.client.get("/api/v1/groups", headers={} if header is None else {"Authorization": header})
    assert_error(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


def test_every_answer_has_a_request_id(things: Things):
    """But a phone's; a client's own id is kept if it is a UUID."""
    client = things.api.client
    for path in ("/api/v1/groups", "/api/v1/devices?page=7", "/healthz", "/readyz", "/admin/login/", "/nothing",
                 "/api/v1/schema", "/api/v1/docs"):  # fmt: skip
        assert client.get(path, headers=things.api.headers)["X-Request-ID"], path
    own = "0f0e0d0c0b0a4009a8070605040302ff"
    assert client.get("/healthz", headers={"X-Request-ID": own})["X-Request-ID"] == own
    for bad in ("x", "a" * 5000, "1\r\nSet-Cookie: x=1"):
        assert bad not in client.get("/healthz", headers={"X-Request-ID": bad})["X-Request-ID"]
    for mac in (things.device.mac, "00908FFFFFFF"):
        assert "X-Request-ID" not in client.get(f"/{mac}")


def test_nobodys_name_is_told(things: Things):
    """No refusal holds the name of another tenant's group, login, URL or description."""
    stranger = things.cast.stranger
    User.objects.filter(pk=things.foreign_user.pk).update(login="their.login")
    Location.objects.filter(pk=things.foreign_location.pk).update(url="https://theirs.example/")
    mac = things.foreign_device.mac
    answers = [
        things.api.get(f"/groups/{stranger.pk}"),
        things.api.delete(f"/groups/{stranger.pk}"),
        things.api.put(f"/groups/{stranger.pk}", {"name": "x"}),
        things.api.delete(f"/locations/{things.foreign_location.pk}"),
        things.api.post("/locations/remove", {"idList": [things.foreign_location.pk]}),
        things.api.post("/devices/remove", {"macList": [mac]}),
        things.api.post("/devices", good(things, "/devices") | {"macList": [mac]}),
        things.api.delete(f"/users/{things.foreign_user.pk}"),
        write(things, "/users", good(things, "/users") | {"group": stranger.pk}),
    ]
    told = b" ".join(answer.content for answer in answers).decode()
    assert not re.search("Foreign|theirs?[.]", told)


# --- Dates out ------------------------------------------------------------------------------------------------

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000")


def test_dates_out(things: Things):
    """UTC, whole seconds, `+0000`: where a phone was, and where a user logged in or was blocked."""
    Client().get(f"/{things.device.mac}")
    Location.objects.update(mutual_auth=False)
    assert Client().get(f"/{things.device.mac}").status_code == 302
    for _ in range(10):
        things.api.post("/login", {"userName": things.user.login, "password": "wrong"})
    device = things.api.get(f"/devices/{things.device.pk}").json()
    location = things.api.get(f"/locations/{things.location.pk}").json()
    user = things.api.get(f"/users/{things.user.pk}").json()
    for date in (device["lastAccess"], location["lastAccess"], user["lastLogin"], user["userBlockTime"]):
        assert DATE.fullmatch(date)


def test_dates_out_are_utc(things: Things):
    """A time that was written with an offset and parts of a second is told without them."""
    moment = datetime.fromisoformat("2019-04-28T20:16:04.999999+02:00")
    Device.objects.filter(pk=things.device.pk).update(last_access=moment)
    assert things.api.get(f"/devices/{things.device.pk}").json()["lastAccess"] == "2019-04-28T18:16:04+0000"
