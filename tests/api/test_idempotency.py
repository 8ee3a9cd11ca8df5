"""A POST with an Idempotency-Key is done once: draft-ietf-httpapi-idempotency-key-header-07."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from accounts.models import ApiKey, Group, Level, User
from api import idempotency
from audit.models import Entry
from devices import bulk
from devices.models import Device
from jobs import answers
from jobs.models import KeptAnswer
from redirect.errors import ApiError, ChangedMeanwhile, TooManyAttempts
from tests.conftest import PASSWORD, Api, Cast, make_device, make_key, make_location, make_user

KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
MAC = "00908F000001"


def send(api: Api, path: str, body: Any, key: str = KEY) -> Any:
    headers = api.headers | {"Idempotency-Key": key}
    return api.client.post("/api/v1" + path, body, content_type="application/json", headers=headers)


def new_devices(cast: Cast, mac: str = MAC) -> dict[str, Any]:
    return {"group": cast.provider.pk, "macList": [mac], "overrideCurrentAssociation": False}


def seen(answer: Any) -> tuple[Any, ...]:
    """All of an answer but its own id."""
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, headers, answer.content


# --- The same answer ------------------------------------------------------------------------------------------

POSTS: dict[str, Callable[[Cast], tuple[str, Any]]] = {
    "devices": lambda cast: ("/devices", new_devices(cast)),
    "devices/remove": lambda cast: ("/devices/remove", {"macList": [make_device(cast.provider).mac]}),
    "groups": lambda cast: ("/groups", {"name": "New Phones", "groupType": "Provider"}),
    "locations": lambda cast: ("/locations", {"url": "https://new.example/", "groupId": cast.provider.pk}),
    "locations/remove": lambda cast: ("/locations/remove", {"idList": [make_location(cast.provider).pk]}),
    "associate": lambda cast: (
        f"/locations/{make_location(cast.provider).pk}/devices/associate",
        {"macList": [make_device(cast.provider).mac], "overrideCurrentAssociation": True},
    ),
    "disassociate": lambda cast: (
        f"/locations/{(place := make_location(cast.provider)).pk}/devices/disassociate",
        {"macList": [make_device(cast.provider, location=place).mac]},
    ),
    "users": lambda cast: (
        "/users",
        {"firstName": "New", "lastName": "Comer", "login": "newcomer", "password": PASSWORD}
        | {"permissionLevel": "Monitor", "group": cast.provider.pk},
    ),
    "keys": lambda cast: ("/keys", {"name": "Import", "group": cast.provider.pk, "permissionLevel": "Monitor"}),
}
MODELS = (Device, Group, User, ApiKey)


@pytest.mark.parametrize("post", POSTS)
def test_it_is_done_once_and_answered_alike(administrator: Api, cast: Cast, post: str) -> None:
    path, body = POSTS[post](cast)
    first = send(administrator, path, body)
    assert first.status_code in (200, 201), first.content
    rows = [list(model.objects.values()) for model in MODELS]
    entries = Entry.objects.count()
    for _ in range(2):
        assert seen(send(administrator, path, body)) == seen(first)
    assert [list(model.objects.values()) for model in MODELS] == rows
    assert Entry.objects.count() == entries


def test_without_the_header_nothing_is_kept(administrator: Api, cast: Cast) -> None:
    administrator.post("/devices", new_devices(cast))
    assert not KeptAnswer.objects.exists()


def test_a_key_makes_no_difference_to_the_answer(administrator: Api, cast: Cast) -> None:
    plain = administrator.post("/devices", new_devices(cast))
    Device.objects.all().delete()
    assert seen(send(administrator, "/devices", new_devices(cast))) == seen(plain)
    wrong = {"group": cast.stranger.pk} | {"macList": [MAC], "overrideCurrentAssociation": False}
    assert seen(send(administrator, "/devices", wrong, "other")) == seen(administrator.post("/devices", wrong))


def test_an_answer_that_got_lost_after_the_commit(
    administrator: Api, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process is killed there: the repetition tells what was done."""
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "HttpResponse", None)
        assert send(administrator, "/devices", new_devices(cast)).status_code == 500
    again = send(administrator, "/devices", new_devices(cast))
    assert again.status_code == 201
    assert again.json()["success"]["count"] == 1
    assert Device.objects.count() == 1


def test_another_body_is_refused(administrator: Api, cast: Cast) -> None:
    first = send(administrator, "/devices", new_devices(cast))
    other = send(administrator, "/devices", new_devices(cast, "00908F000002"))
    assert other.status_code == 422
    assert set(other.json()) == {"description"}
    assert Device.objects.count() == 1
    assert seen(send(administrator, "/devices", new_devices(cast))) == seen(first)


def test_each_caller_and_address_has_its_own_keys(administrator: Api, cast: Cast) -> None:
    user, key = Api(make_user(cast.provider)), Api(key=make_key(cast.provider)[1])
    for number, api in enumerate((administrator, user, key)):
        answer = send(api, "/devices", new_devices(cast, f"00908F00010{number}"))
        assert answer.json()["success"]["count"] == 1
    location = make_location(cast.provider).pk
    body = {"macList": ["00908F000100"], "overrideCurrentAssociation": True}
    assert send(administrator, f"/locations/{location}/devices/associate", body).status_code == 200
    assert send(administrator, "/devices/remove", {"macList": ["00908F000100"]}).status_code == 200


def test_who_may_not_any_more_gets_no_kept_answer(cast: Cast) -> None:
    user = make_user(cast.provider, Level.OPERATOR)
    api = Api(user)
    assert send(api, "/devices", new_devices(cast)).status_code == 201
    User.objects.filter(pk=user.pk).update(permission_level=Level.MONITOR)
    assert send(api, "/devices", new_devices(cast)).status_code == 403
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert send(api, "/devices", new_devices(cast)).status_code == 401


# --- Refusals -------------------------------------------------------------------------------------------------


def test_a_refusal_is_given_again(administrator: Api, cast: Cast) -> None:
    body = {"name": cast.provider.name, "groupType": "Provider"}
    first = send(administrator, "/groups", body)
    assert first.status_code == 409
    Group.objects.filter(pk=cast.provider.pk).update(name="Renamed")
    assert seen(send(administrator, "/groups", body)) == seen(first)
    malformed = send(administrator, "/groups", {"name": 5}, "another")
    assert malformed.status_code == 400
    assert seen(send(administrator, "/groups", {"name": 5}, "another")) == seen(malformed)


@pytest.mark.parametrize(
    "error",
    [OperationalError("away"), RuntimeError("a bug"), ChangedMeanwhile(), TooManyAttempts(1)],
)
def test_what_may_succeed_next_time_is_not_kept(
    administrator: Api, cast: Cast, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """And nothing of the work stays."""
    create = bulk.create

    def fail(*args: Any, **kwargs: Any) -> Any:
        create(*args, **kwargs)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(bulk, "create", fail)
        refused = send(administrator, "/devices", new_devices(cast))
    assert refused.status_code == (error.status if isinstance(error, ApiError) else refused.status_code)
    assert refused.status_code in (409, 429, 500, 503)
    assert not Device.objects.exists()
    assert not KeptAnswer.objects.exists()
    assert send(administrator, "/devices", new_devices(cast)).json()["success"]["count"] == 1


def test_an_unknown_caller_is_told_nothing(administrator: Api, cast: Cast) -> None:
    send(administrator, "/devices", new_devices(cast))
    assert send(Api(), "/devices", new_devices(cast)).status_code == 401


# --- How long, and what is kept -------------------------------------------------------------------------------


def test_a_key_is_good_for_24_hours(administrator: Api, cast: Cast) -> None:
    send(administrator, "/devices", new_devices(cast))
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert send(administrator, "/devices", new_devices(cast)).json()["success"]["count"] == 1
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))
    again = send(administrator, "/devices", new_devices(cast))
    assert again.json()["duplicateMACSameGroup"]["count"] == 1
    assert seen(send(administrator, "/devices", new_devices(cast))) == seen(again)


def test_housekeeping_forgets_the_old(administrator: Api, cast: Cast) -> None:
    send(administrator, "/devices", new_devices(cast), "old")
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    send(administrator, "/devices", new_devices(cast), "new")
    call_command("housekeeping")
    assert KeptAnswer.objects.count() == 1
    assert send(administrator, "/devices", new_devices(cast, "00908F000002"), "new").status_code == 422


def test_nothing_can_be_read_from_the_table(administrator: Api, cast: Cast) -> None:
    """Neither a new API key, nor a password, nor the key that opens them."""
    path, body = POSTS["keys"](cast)
    secret = send(administrator, path, body).json()["key"]
    assert send(administrator, path, body).json()["key"] == secret
    path, body = POSTS["users"](cast)
    send(administrator, path, body)
    (row, other) = KeptAnswer.objects.all()
    stored = b"".join(bytes(kept.content) for kept in (row, other)) + f"{row.__dict__} {other.__dict__}".encode()
    for text in (secret, PASSWORD, "newcomer", KEY.strip('"')):
        assert text.encode() not in stored


def test_logins_ignore_it(cast: Cast) -> None:
    make_user(cast.provider, login="ada")
    body = {"userName": "ada", "password": PASSWORD}
    first, second = send(Api(), "/login", body), send(Api(), "/login", body)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["access_token"] != second.json()["access_token"]
    assert send(Api(), "/login", body, "not a key, as it has spaces").status_code == 200
    assert not KeptAnswer.objects.exists()


# --- The header -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["abc", '"abc"', " abc ", "7:/+=", '"two words"', '"a \\" and \\\\"', "x" * 255])
def test_keys_that_are_accepted(administrator: Api, cast: Cast, key: str) -> None:
    first = send(administrator, "/devices", new_devices(cast), key)
    assert first.status_code == 201
    assert seen(send(administrator, "/devices", new_devices(cast), key)) == seen(first)


def test_quotes_are_not_part_of_the_key(administrator: Api, cast: Cast) -> None:
    send(administrator, "/devices", new_devices(cast), "abc")
    assert send(administrator, "/devices", new_devices(cast, "00908F000002"), '"abc"').status_code == 422


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        '""',
        '"',
        '"abc',
        'abc"',
        "two words",
        "a,b",
        '"a", "b"',
        '"a";p=1',
        "x" * 256,
        "é",
        "a\x00b",
        "a\\b",
    ],
)
def test_keys_that_are_refused(administrator: Api, cast: Cast, key: str) -> None:
    answer = send(administrator, "/devices", new_devices(cast), key)
    assert answer.status_code == 400
    assert answer.json()["description"].startswith("Idempotency-Key: ")
    assert not Device.objects.exists()


def test_other_methods_ignore_it(administrator: Api, cast: Cast) -> None:
    headers = administrator.headers | {"Idempotency-Key": "two words"}
    assert administrator.client.get("/api/v1/groups", headers=headers).status_code == 200


def test_an_answer_comes_whole(administrator: Api, cast: Cast) -> None:
    """Also a long one, which is kept compressed."""
    body = new_devices(cast) | {"macList": [f"00908F{number:06X}" for number in range(5000)]}
    first = send(administrator, "/devices", body)
    assert first.json()["success"]["count"] == 5000
    assert seen(send(administrator, "/devices", body)) == seen(first)
    assert answers.forget_old() == 0
