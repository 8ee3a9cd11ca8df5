"""How many logins one source may try, and how many passwords are hashed at a time. Contract section 4."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher

from accounts import login as logins
from accounts import passwords
from accounts.models import User
from tests.conftest import PASSWORD, Api, Cast, make_user

MINUTE = 29_000_000 * 60


class Clock:
    """The clock that the limit reads."""

    now = MINUTE + 20.5

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logins, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def three_a_minute(settings: Any) -> Any:
    settings.LOGIN_LIMIT_PER_SOURCE = 3
    return settings


@pytest.fixture(autouse=True)
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="ada", is_staff=True)


def attempt(address: str = "192.0.2.1", password: str = PASSWORD, **environment: str) -> Any:
    api = Api()
    api.client.defaults |= {"REMOTE_ADDR": address} | environment
    return api.post("/login", {"userName": "ada", "password": password})


def use_up(address: str = "192.0.2.1", **environment: str) -> None:
    for _ in range(3):
        assert attempt(address, **environment).status_code == 200


@contextmanager
def no_hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def encode(*arguments: Any) -> None:
        raise AssertionError("a password was hashed")

    with monkeypatch.context() as patch:
        patch.setattr(MD5PasswordHasher, "encode", encode)
        yield


def test_one_more_than_the_limit_is_429(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the seconds until the minute is over; before any hashing; and it is no failure of the user."""
    use_up()
    with no_hashing(monkeypatch):
        answer = attempt(password="wrong password")
    assert answer.status_code == 429
    assert answer["Retry-After"] == "40"
    assert set(answer.json()) == {"description"}
    ada.refresh_from_db()
    assert (ada.fail_login_attempts, ada.last_login_status) == (0, "Success")


def test_answers_tell_what_the_limit_leaves(ada: User) -> None:
    """Good answers and refusals, as draft-ietf-httpapi-ratelimit-headers-11 has it."""
    answers = [attempt(password=password) for password in (PASSWORD, "wrong password", PASSWORD, PASSWORD)]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 429]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"login";q=3;w=60'}
    assert [answer["RateLimit"] for answer in answers] == [f'"login";r={left};t=40' for left in (2, 1, 0, 0)]
    assert answers[-1]["Retry-After"] == "40"


def test_a_changed_password_tells_what_the_limit_leaves(ada: User) -> None:
    body = {"userName": "ada", "oldPassword": PASSWORD, "newPassword": "another horse 8 staple"}
    answers = [Api().post("/changePassword", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert [answer["RateLimit"] for answer in answers] == ['"login";r=2;t=40', '"login";r=1;t=40']


@pytest.mark.parametrize("body", [{}, {"userName": 1, "password": PASSWORD}])
def test_what_does_not_count_tells_of_no_limit(body: dict[str, Any]) -> None:
    answer = Api().post("/login", body)
    assert answer.status_code == 400
    assert "RateLimit" not in answer


def test_failures_and_unknown_logins_count_too(ada: User) -> None:
    api = Api()
    api.client.defaults["REMOTE_ADDR"] = "192.0.2.1"
    for login in ("ada", "nobody", ""):
        assert api.post("/login", {"userName": login, "password": "wrong password"}).status_code == 401
    assert attempt().status_code == 429


def test_the_next_minute_starts_again(clock: Clock) -> None:
    use_up()
    clock.now = MINUTE + 59.9
    answer = attempt()
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    clock.now = MINUTE + 60.0
    use_up()
    assert attempt().status_code == 429


def test_another_source_goes_on() -> None:
    use_up("192.0.2.1")
    assert attempt("192.0.2.1").status_code == 429
    assert attempt("192.0.2.2").status_code == 200


def test_zero_is_no_limit(three_a_minute: Any) -> None:
    three_a_minute.LOGIN_LIMIT_PER_SOURCE = 0
    for _ in range(10):
        answer = attempt()
        assert answer.status_code == 200
        assert not {"RateLimit", "RateLimit-Policy"} & set(answer.headers)


def test_changing_a_password_and_the_admin_share_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one door, however it is called."""
    use_up("127.0.0.1")
    body = {"userName": "ada", "oldPassword": PASSWORD, "newPassword": "another horse 8 staple"}
    with no_hashing(monkeypatch):
        assert Api().post("/changePassword", body).status_code == 429
        page = Api().client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert page.status_code == 200  # the form again
    assert "sessionid" not in page.cookies


def test_refreshing_is_not_limited() -> None:
    """It hashes nothing."""
    token = attempt("127.0.0.1").json()["refresh_token"]
    for _ in range(5):
        answer = Api().post("/refresh", {"refresh_token": token})
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]


@pytest.mark.parametrize(
    "neighbour", ["2001:db8:0:1::2", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:DB8::1:0:0:0:9"]
)
def test_an_ipv6_network_is_one_source(neighbour: str) -> None:
    """A subscriber has 2^64 addresses."""
    use_up("2001:db8:0:1::1")
    assert attempt(neighbour).status_code == 429
    assert attempt("2001:db8:0:2::1").status_code == 200


def test_an_ipv4_address_is_the_same_source_on_an_ipv6_socket() -> None:
    use_up("192.0.2.1")
    assert attempt("::ffff:192.0.2.1").status_code == 429
    assert attempt("::ffff:192.0.2.2").status_code == 200


# --- X-Forwarded-For ------------------------------------------------------------------------------------------


def test_a_header_that_nobody_vouches_for_changes_nothing() -> None:
    """Else an attacker would be a new source with each attempt."""
    for n in range(3):
        assert attempt(HTTP_X_FORWARDED_FOR=f"198.51.100.{n}").status_code == 200
    assert attempt(HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429


def test_behind_a_trusted_proxy_the_client_is_the_source(three_a_minute: Any) -> None:
    three_a_minute.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    use_up("10.0.0.1", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert attempt("10.0.0.2", HTTP_X_FORWARDED_FOR="198.51.100.1").status_code == 429
    assert attempt("10.0.0.1", HTTP_X_FORWARDED_FOR="198.51.100.2").status_code == 200


def test_what_the_client_wrote_before_the_proxy_did_is_not_believed(three_a_minute: Any) -> None:
    three_a_minute.TRUSTED_PROXIES = [ip_network("10.0.0.1")]
    for n in range(3):
        assert attempt("10.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}, 198.51.100.1").status_code == 200
    assert attempt("10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.1").status_code == 429


# --- How many hashes at a time --------------------------------------------------------------------------------


def test_a_hash_that_does_not_get_its_turn_is_429(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right password, too; it is no failure of the user, and the turn comes again."""
    monkeypatch.setattr(passwords, "SECONDS_TO_WAIT", 0.01)
    with ExitStack() as others:
        for _ in range(passwords.HASHES_AT_A_TIME):
            others.enter_context(passwords._hashing)
        answer = attempt()
    assert answer.status_code == 429
    assert answer["Retry-After"] == "2"
    assert answer["RateLimit"] == '"hashing";r=0;t=2'
    assert answer["RateLimit-Policy"] == '"hashing";q=32;qu="concurrent-requests"'
    ada.refresh_from_db()
    assert (ada.fail_login_attempts, ada.last_login_status) == (0, None)
    assert attempt().status_code == 200


def test_a_hash_behind_a_long_queue_is_429_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not even wait, or a flood would take all threads of the worker."""
    monkeypatch.setattr(passwords, "_hashing", SimpleNamespace(acquire=pytest.fail, release=pytest.fail))
    with ExitStack() as others:
        for _ in range(passwords.WAITING_AT_MOST):
            others.enter_context(passwords._waiting)
        assert attempt().status_code == 429


def test_a_failed_hash_gives_its_turn_back(ada: User) -> None:
    """More failures than there are places."""
    for n in range(passwords.WAITING_AT_MOST + 1):
        assert attempt(f"192.0.2.{n}", "wrong password").status_code == 401
