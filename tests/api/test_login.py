"""POST /login: manual chapter 2, contract section 4."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.utils import timezone

from accounts.models import TokenFamily, User
from tests.conftest import PASSWORD, Api, Cast, make_operator, make_user


def log_in(login: str, password: str = PASSWORD) -> Any:
    return Api().post("/login", {"userName": login, "password": password})


def seconds_ago(seconds: int) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def parts(token: str) -> list[dict[str, Any]]:
    """Header and claims of a JWT."""
    encoded = token.split(".")
    assert len(encoded) == 3
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in encoded[:2]]


@pytest.fixture
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="Ada.B")


# --- It works -------------------------------------------------------------------------------------------------


def test_answers_with_the_user_and_three_tokens(cast: Cast) -> None:
    """The attributes of the manual's example, with `expires_in` as a number."""
    user = make_user(
        cast.reseller,
        login="aviu",
        first_name="Avi",
        last_name="Uri",
        email="aviu@gmail.com",
        description="",
        phone1="0523333333333",
        phone2="08555555555522",
    )
    answer = log_in("aviu")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {
        "user": {
            "id": user.pk,
            "firstName": "Avi",
            "lastName": "Uri",
            "groupType": "Reseller",
            "groupName": "Acme Voice",
            "permissionLevel": "Administrator",
            "email": "aviu@gmail.com",
            "description": "",
            "forceChangePasswordNextLogin": False,
            "lastLoginStatus": "Success",
            "failLoginAttempts": 0,
            "login": "aviu",
            "group": cast.reseller.pk,
            "phone1": "0523333333333",
            "phone2": "08555555555522",
            "userBlockTime": None,
            "lastLogin": ANY,
        },
        "access_token": ANY,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": ANY,
        "id_token": ANY,
        "description": "Login succeeded",
    }
    assert type(answer.json()["expires_in"]) is int


def test_the_tokens_are_three_different_jwts(ada: User) -> None:
    """Each names its own type; none tells more than who, and until when."""
    body = log_in("Ada.B").json()
    tokens = [body["access_token"], body["refresh_token"], body["id_token"]]
    headers, claims = zip(*map(parts, tokens), strict=True)
    assert [header["alg"] for header in headers] == ["HS256"] * 3
    assert [claim["token_type"] for claim in claims] == ["access", "refresh", "id"]
    assert len({claim["jti"] for claim in claims}) == 3
    assert claims[0]["exp"] - claims[0]["iat"] == body["expires_in"]
    assert not any(secret in json.dumps(claims) for secret in (PASSWORD, ada.password))


def test_the_access_token_opens_the_api(ada: User) -> None:
    api = Api()
    api.headers["Authorization"] = "Bearer " + log_in("Ada.B").json()["access_token"]
    assert api.get("/users/me").json()["login"] == "Ada.B"


def test_the_platform_operator_logs_in_without_a_group(db: None) -> None:
    make_operator(login="root")
    user = log_in("root").json()["user"]
    assert (user["group"], user["groupName"], user["groupType"]) == (None, None, None)


@pytest.mark.parametrize("spelling", ["Ada.B", "ada.b", "ADA.B", "aDA.b"])
def test_a_login_is_compared_in_any_case(ada: User, spelling: str) -> None:
    """It is shown as it was made."""
    assert log_in(spelling).json()["user"]["login"] == "Ada.B"


@pytest.mark.parametrize("spelling", ["Ada.B ", " Ada.B", "AdaxB", "Ada.", "Ada.B%", "Ada", "", "Äda.B"])
def test_no_other_spelling_is_the_login(ada: User, spelling: str) -> None:
    assert log_in(spelling).status_code == 401


def test_a_letter_that_folds_to_ascii_is_not_ascii(cast: Cast) -> None:
    """The Kelvin sign is no k, though its lower case is."""
    make_user(cast.provider, login="kate")
    assert log_in("\u212aate").status_code == 401


@pytest.mark.parametrize("password", [PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], ""])
def test_a_password_is_compared_to_the_letter(ada: User, password: str) -> None:
    assert log_in("Ada.B", password).status_code == 401


def test_success_is_shown_and_ends_the_count_of_failures(ada: User) -> None:
    before = timezone.now().replace(microsecond=0)
    for _ in range(3):
        log_in("Ada.B", "wrong password")
    user = log_in("Ada.B").json()["user"]
    assert (user["failLoginAttempts"], user["lastLoginStatus"]) == (0, "Success")
    ada.refresh_from_db()
    assert ada.last_login is not None
    assert before <= ada.last_login <= timezone.now()
    assert user["lastLogin"] == ada.last_login.strftime("%Y-%m-%dT%H:%M:%S+0000")


def test_a_failure_is_counted_and_shown(ada: User, administrator: Api) -> None:
    """`lastLogin` and `lastLoginStatus` tell of the last attempt, also of one that failed."""
    log_in("ADA.b", "wrong password")
    log_in("Ada.B", "wrong password")
    user = administrator.get(f"/users/{ada.pk}").json()
    assert (user["failLoginAttempts"], user["lastLoginStatus"]) == (2, "Fail")
    assert user["lastLogin"] is not None
    assert user["userBlockTime"] is None


# --- Refusals look alike --------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown login": ({}, "nobody", PASSWORD),
    "wrong password": ({}, "Ada.B", "wrong password"),
    "blocked, right password": ({"user_block_time": 5}, "Ada.B", PASSWORD),
    "blocked, wrong password": ({"user_block_time": 5}, "Ada.B", "wrong password"),
    "inactive": ({"is_active": False}, "Ada.B", PASSWORD),
    "no password set": ({"password": "!unusable"}, "Ada.B", PASSWORD),
    "force change, wrong password": ({"force_change_password": True}, "Ada.B", "wrong password"),
}


@pytest.fixture(params=REFUSED)
def refused(request: pytest.FixtureRequest, ada: User) -> Callable[[], Any]:
    """A login that is to be refused with 401."""
    changes, login, password = REFUSED[request.param]
    if "user_block_time" in changes:
        changes = {"user_block_time": seconds_ago(changes["user_block_time"]), "fail_login_attempts": 10}
    User.objects.filter(pk=ada.pk).update(**changes)
    return lambda: log_in(login, password)


def test_every_refusal_has_the_same_bytes(refused: Callable[[], Any]) -> None:
    reference, answer = log_in("somebody.else", "x"), refused()
    assert answer.status_code == 401
    assert answer.content == reference.content
    headers = [{**response.headers, "X-Request-ID": ""} for response in (answer, reference)]
    assert headers[0] == headers[1]
    assert answer.json() == {"description": ANY, "forceChangePasswordNextLogin": False}
    assert not TokenFamily.objects.exists()


@contextmanager
def work_done(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Counts hashes, statements that changed a row, and commits."""
    done = {"hashes": 0, "writes": 0}
    encode = MD5PasswordHasher.encode

    def counted_encode(self: MD5PasswordHasher, *arguments: Any) -> Any:
        done["hashes"] += 1
        return encode(self, *arguments)

    def counted_write(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        writes = sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
        done["writes"] += writes and (context["cursor"].rowcount != 0 or "RETURNING" in sql)
        return result

    with monkeypatch.context() as patch, connection.execute_wrapper(counted_write):
        patch.setattr(MD5PasswordHasher, "encode", counted_encode)
        yield done


def test_every_refusal_is_the_same_work(refused: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash, and as many rows written, whether there is such a user or not; the clock tells nothing."""
    with work_done(monkeypatch) as reference:
        log_in("somebody.else", "x")
    with work_done(monkeypatch) as work:
        refused()
    assert work == reference
    assert work["hashes"] == 1


def test_a_due_change_of_the_password_is_told_to_who_knows_it(ada: User) -> None:
    """403 without tokens; `changePassword` is the way on."""
    User.objects.filter(pk=ada.pk).update(force_change_password=True)
    answer = log_in("Ada.B")
    assert answer.status_code == 403
    assert answer.json() == {"description": ANY, "forceChangePasswordNextLogin": True}
    assert not TokenFamily.objects.exists()


# --- Requests that are not well formed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"userName": "Ada.B"}, "password"),
        ({"password": PASSWORD}, "userName"),
        ({"userName": None, "password": PASSWORD}, "userName"),
        ({"userName": "Ada.B", "password": 123456}, "password"),
        ({"userName": ["Ada.B"], "password": PASSWORD}, "userName"),
        ({"userName": "Ada.B", "password": "wrong\x00password"}, "password"),
        ({"userName": "Ada.B", "password": "wrong " * 1000}, "password"),
        ({"userName": "Ada.B", "password": "wrong password", "remember": True}, "remember"),
        ({"username": "Ada.B", "password": "wrong password"}, "userName"),
    ],
)
def test_a_body_that_is_not_as_documented_is_400_and_no_attempt(
    ada: User, body: dict[str, Any], field: str
) -> None:
    answer = Api().post("/login", body)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    ada.refresh_from_db()
    assert (ada.fail_login_attempts, ada.last_login_status) == (0, None)


def test_a_broken_token_does_not_stop_a_login(ada: User) -> None:
    """A client may send the token that has just expired along with its new login."""
    api = Api()
    api.headers["Authorization"] = "Bearer expired.and.gone"
    assert api.post("/login", {"userName": "Ada.B", "password": PASSWORD}).status_code == 200


def test_only_post_logs_in(db: None) -> None:
    answer = Api().get("/login")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"


def test_a_password_never_comes_back(ada: User, administrator: Api) -> None:
    """Neither as sent nor as stored."""
    answers = [log_in("Ada.B"), log_in("Ada.B", PASSWORD + "!"), administrator.get("/users")]
    for answer in answers:
        assert PASSWORD not in answer.content.decode()
        assert ada.password not in answer.content.decode()
