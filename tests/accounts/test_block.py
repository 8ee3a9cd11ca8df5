"""Failed logins: how they are counted, when they block, and how a block ends. Contract section 4."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import KnownSource, User
from accounts.sessions import unblock
from tests.conftest import PASSWORD, Api, Cast, make_user

NEW = "another horse 8 staple"


def log_in(password: str = PASSWORD, address: str = "127.0.0.1") -> int:
    api = Api()
    api.client.defaults["REMOTE_ADDR"] = address
    status: int = api.post("/login", {"userName": "ada", "password": password}).status_code
    return status


def change_password(old: str = PASSWORD, new: str = NEW) -> int:
    body = {"userName": "ada", "oldPassword": old, "newPassword": new}
    status: int = Api().post("/changePassword", body).status_code
    return status


def fail(times: int, address: str = "127.0.0.1") -> None:
    for _ in range(times):
        assert log_in("wrong password", address) == 401


@pytest.fixture
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="ada")


@pytest.fixture
def shown(ada: User, administrator: Api) -> Callable[[], dict[str, Any]]:
    """The user as an Administrator sees her now."""
    return lambda: administrator.get(f"/users/{ada.pk}").json()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves the time of the service on."""
    now = timezone.now

    def move(delta: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now() + delta)

    return move


def test_the_tenth_failure_blocks(shown: Callable[[], dict[str, Any]]) -> None:
    """Nine do not; the block's time is that of the tenth."""
    fail(9)
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (9, None)
    before = timezone.now().replace(microsecond=0)
    fail(1)
    user = shown()
    assert user["failLoginAttempts"] == 10
    assert before <= datetime.fromisoformat(user["userBlockTime"]) <= timezone.now()
    assert log_in() == 401


def test_one_success_in_between_starts_the_count_again(ada: User) -> None:
    fail(9)
    assert log_in() == 200
    fail(9)
    assert log_in() == 200


def test_the_limit_is_a_setting(ada: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 2
    fail(2)
    assert log_in() == 401


def test_changing_the_password_counts_on_the_same_counter(
    shown: Callable[[], dict[str, Any]], settings: Any
) -> None:
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 4
    fail(2)
    assert change_password("wrong password") == 401
    assert shown()["failLoginAttempts"] == 3
    assert change_password("wrong password") == 401
    assert shown()["userBlockTime"] is not None
    assert log_in() == 401
    assert change_password() == 401


def test_a_failure_of_one_user_is_no_failure_of_another(ada: User, cast: Cast) -> None:
    make_user(cast.provider, login="ada2")
    for _ in range(10):
        Api().post("/login", {"userName": "ada2", "password": "wrong password"})
    assert log_in() == 200


def test_a_block_ends_by_itself(
    ada: User, shown: Callable[[], dict[str, Any]], clock: Callable[[timedelta], None]
) -> None:
    """After 15 minutes, not before; then it is no longer shown, and the next login clears it."""
    fail(10)
    clock(timedelta(minutes=14, seconds=55))
    assert shown()["userBlockTime"] is not None
    assert log_in() == 401
    clock(timedelta(minutes=15, seconds=5))
    assert shown()["userBlockTime"] is None
    assert log_in() == 200
    ada.refresh_from_db()
    assert (ada.user_block_time, ada.fail_login_attempts) == (None, 0)


def test_guessing_on_does_not_prolong_a_block(
    shown: Callable[[], dict[str, Any]], clock: Callable[[timedelta], None]
) -> None:
    """Each guess is counted, and the block's time stays."""
    fail(10)
    blocked = shown()["userBlockTime"]
    clock(timedelta(minutes=10))
    fail(5)
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (15, blocked)
    clock(timedelta(minutes=15, seconds=5))
    assert log_in() == 200


def test_after_a_block_the_count_starts_again(
    shown: Callable[[], dict[str, Any]], clock: Callable[[timedelta], None]
) -> None:
    fail(10)
    clock(timedelta(minutes=16))
    fail(1)
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (1, None)
    fail(8)
    assert shown()["userBlockTime"] is None
    fail(1)
    assert shown()["userBlockTime"] is not None


def test_a_limit_of_one_blocks_each_time(
    shown: Callable[[], dict[str, Any]], clock: Callable[[timedelta], None], settings: Any
) -> None:
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 1
    fail(1)
    assert shown()["userBlockTime"] is not None
    clock(timedelta(minutes=16))
    fail(1)
    assert shown()["userBlockTime"] is not None


def test_a_new_password_from_an_administrator_ends_a_block(
    ada: User, administrator: Api, shown: Callable[[], dict[str, Any]]
) -> None:
    fail(10)
    assert administrator.put(f"/users/{ada.pk}", {"password": NEW}).status_code == 200
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (0, None)
    assert log_in(NEW) == 200


def test_another_change_by_an_administrator_does_not(ada: User, administrator: Api) -> None:
    fail(10)
    assert administrator.put(f"/users/{ada.pk}", {"firstName": "Eve"}).status_code == 200
    assert log_in() == 401


def test_support_staff_end_a_block(ada: User, shown: Callable[[], dict[str, Any]]) -> None:
    """What the admin's action calls."""
    fail(10)
    ada.refresh_from_db()
    unblock([ada.pk])
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (0, None)
    assert log_in() == 200


def test_a_block_refuses_logins_only(ada: User) -> None:
    """Tokens in use go on, and are renewed, so that nobody can stop an integration by guessing."""
    opened = Api().post("/login", {"userName": "ada", "password": PASSWORD}).json()
    fail(10)
    api = Api()
    api.headers["Authorization"] = "Bearer " + opened["access_token"]
    assert api.get("/users/me").status_code == 200
    assert Api().post("/refresh", {"refresh_token": opened["refresh_token"]}).status_code == 200
    assert log_in() == 401


def test_a_refusal_for_other_reasons_is_no_success(ada: User, settings: Any) -> None:
    """A deactivated user who knows the password fails like any other, and is counted."""
    User.objects.filter(pk=ada.pk).update(is_active=False)
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 3
    for expected in (1, 2, 3):
        assert log_in() == 401
        ada.refresh_from_db()
        assert ada.fail_login_attempts == expected
    assert ada.user_block_time is not None


# --- A stranger who guesses -------------------------------------------------------------------------------------

OFFICE, HOME, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.66"


def test_a_stranger_does_not_lock_a_user_out(shown: Callable[[], dict[str, Any]]) -> None:
    """Where she has logged in before she is let in; the block is shown, and goes on for every other source."""
    assert log_in(address=OFFICE) == 200
    fail(12, STRANGER)
    assert log_in(address=HOME) == 401
    assert log_in(address=STRANGER) == 401
    assert log_in(address=OFFICE) == 200
    user = shown()
    assert (user["failLoginAttempts"], user["lastLoginStatus"]) == (14, "Success")
    assert user["userBlockTime"] is not None
    assert log_in(address=STRANGER) == 401


def test_who_guesses_beside_the_user_is_blocked_as_well(ada: User) -> None:
    """Ten failures at a source end what it is trusted for, whatever is counted elsewhere."""
    assert log_in(address=OFFICE) == 200
    fail(10, OFFICE)
    assert log_in(address=OFFICE) == 401


def test_a_success_starts_the_count_of_a_source_again(ada: User) -> None:
    assert log_in(address=OFFICE) == 200
    fail(10, STRANGER)
    for _ in range(2):
        fail(9, OFFICE)
        assert log_in(address=OFFICE) == 200


def test_many_failures_block_every_source(
    ada: User, settings: Any, clock: Callable[[timedelta], None], shown: Callable[[], dict[str, Any]]
) -> None:
    """A password that thousands of machines guess is worth a block for all; it ends as every block."""
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 2
    assert log_in(address=OFFICE) == 200
    fail(19, STRANGER)
    assert log_in(address=OFFICE) == 200
    fail(1, STRANGER)
    assert log_in(address=OFFICE) == 401
    clock(timedelta(minutes=16))
    assert log_in(address=OFFICE) == 200
    assert (shown()["failLoginAttempts"], shown()["userBlockTime"]) == (0, None)


def test_changing_the_password_is_let_through_as_well(ada: User) -> None:
    """Also for one who must change it: it is the same check."""
    assert log_in() == 200
    fail(10, STRANGER)
    assert change_password() == 200


def test_a_source_is_forgotten_when_it_was_not_used_for_long(ada: User) -> None:
    assert log_in(address=OFFICE) == 200
    KnownSource.objects.update(last_success=timezone.now() - timedelta(days=91))
    call_command("housekeeping")
    assert not KnownSource.objects.exists()
