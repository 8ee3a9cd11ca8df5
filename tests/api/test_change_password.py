"""POST /changePassword: manual chapter 3, contract section 4."""

from typing import Any

import pytest

from accounts import passwords
from accounts.models import User
from tests.conftest import PASSWORD, Api, Cast, make_user

NEW = "another horse 8 staple"


def change(login: str = "Ada.Byron", old: str = PASSWORD, new: Any = NEW) -> Any:
    return Api().post("/changePassword", {"userName": login, "oldPassword": old, "newPassword": new})


def log_in(password: str = PASSWORD) -> Any:
    return Api().post("/login", {"userName": "Ada.Byron", "password": password})


@pytest.fixture
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="Ada.Byron")


def test_the_new_password_works_and_the_old_one_does_not(ada: User) -> None:
    """No token is needed: who must change the password has none."""
    assert change().status_code == 200
    assert log_in(PASSWORD).status_code == 401
    assert log_in(NEW).status_code == 200


@pytest.mark.parametrize("login", ["ada.byron", "ADA.BYRON"])
def test_the_login_is_compared_in_any_case(ada: User, login: str) -> None:
    assert change(login).status_code == 200


def test_it_is_the_way_on_where_a_change_is_due(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(force_change_password=True)
    assert log_in().status_code == 403
    assert change().status_code == 200
    assert log_in(NEW).json()["user"]["forceChangePasswordNextLogin"] is False


def test_the_password_is_stored_as_a_hash_only(ada: User) -> None:
    change()
    ada.refresh_from_db()
    assert NEW not in ada.password


REFUSED = {
    "too short": "a7?q-Zx",
    "empty": "",
    "too long": "x7?" + "a" * 126,
    "far too long": "x7?" * 1000,
    "the old one": PASSWORD,
    "a common one": "password123",
    "a common one in capitals": "PASSWORD123",
    "the login": "Ada.Byron",
    "the login in another case": "aDA.BYRON",
    "no string": 1234567890,
    "null": None,
    "with a NUL": "another horse\x00 8",
}


@pytest.mark.parametrize("new", REFUSED.values(), ids=REFUSED)
def test_a_poor_password_is_refused_and_changes_nothing(ada: User, new: Any) -> None:
    tokens = log_in().json()
    answer = change(new=new)
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {"newPassword"}
    assert log_in().status_code == 200
    api = Api()
    api.headers["Authorization"] = "Bearer " + tokens["access_token"]
    assert api.get("/users/me").status_code == 200


def test_a_poor_password_leaves_a_due_change_due(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(force_change_password=True)
    assert change(new="short").status_code == 400
    assert log_in().status_code == 403


@pytest.mark.parametrize(
    "new",
    [
        "zq-vbkxw",
        "zqvbkxwj" * 16,
        "onlylowercaseletters",
        "8302957164",
        "  inner  and outer  blanks ",
        "пароль-не-простой",
        "🐎🔋🧷✅ horse",
        PASSWORD.upper(),
    ],
)
def test_there_are_no_composition_rules(ada: User, new: str) -> None:
    """8 to 128 characters of any kind."""
    assert change(new=new).status_code == 200
    assert log_in(new).status_code == 200


def test_a_wrong_old_password_answers_as_a_failed_login(ada: User) -> None:
    """The same bytes for an unknown login; both before a word about the new password."""
    reference = log_in("wrong password")
    for answer in (change("nobody"), change(old="wrong password"), change(old="wrong password", new="short")):
        assert answer.status_code == 401
        assert answer.content == reference.content
    assert log_in().status_code == 200


def test_a_deactivated_user_changes_nothing(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert change().status_code == 401


@pytest.mark.parametrize("missing", ["userName", "oldPassword", "newPassword"])
def test_all_three_attributes_are_mandatory(ada: User, missing: str) -> None:
    body = {"userName": "Ada.Byron", "oldPassword": PASSWORD, "newPassword": NEW}
    del body[missing]
    answer = Api().post("/changePassword", body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [missing]


def test_an_unknown_attribute_is_refused(ada: User) -> None:
    body = {"userName": "Ada.Byron", "oldPassword": PASSWORD, "newPassword": NEW, "force": True}
    assert Api().post("/changePassword", body).status_code == 400
    assert log_in().status_code == 200


def test_success_ends_the_count_of_failures(ada: User) -> None:
    for _ in range(9):
        log_in("wrong password")
    assert change().status_code == 200
    ada.refresh_from_db()
    assert ada.fail_login_attempts == 0


def test_of_two_changes_at_once_one_is_refused(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was overtaken did not know the password that is valid by now."""
    hashed = passwords.hashed
    overtaking: list[Any] = []

    def hashed_late(password: str) -> str:
        if not overtaking:
            overtaking.append(None)
            overtaking[0] = change(new="the third horse 9 clip")
        return hashed(password)

    monkeypatch.setattr(passwords, "hashed", hashed_late)
    assert change().status_code == 401
    assert overtaking[0].status_code == 200
    assert log_in("the third horse 9 clip").status_code == 200
