"""The platform operator: made by a command, logs in to the API and to the admin. Contract sections 3 and 4."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD, Api, make_group, make_user


@pytest.fixture
def create(db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`manage.py createsuperuser --noinput` with this login."""

    def create(login: str = "Root") -> User:
        monkeypatch.setenv("DJANGO_SUPERUSER_LOGIN", login)
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        call_command("createsuperuser", interactive=False, verbosity=0)
        return User.objects.get(login=login)

    return create


def log_in(login: str = "root", password: str = PASSWORD) -> Any:
    return Api().post("/login", {"userName": login, "password": password})


def log_in_to_admin(login: str = "root", password: str = PASSWORD) -> bool:
    """Whether the admin lets one in, and shows its first page."""
    client = Client(raise_request_exception=False)
    answer = client.post("/admin/login/?next=/admin/", {"username": login, "password": password})
    assert answer.status_code in (200, 302)
    inside = client.get("/admin/")
    assert (inside.status_code == 200) is (answer.status_code == 302)
    return inside.status_code == 200


def test_the_command_makes_an_operator_who_may_do_everything(create: Any) -> None:
    user = create()
    assert (user.group, user.is_operator, user.is_staff) == (None, True, True)
    answer = log_in()
    assert answer.status_code == 200
    api = Api()
    api.headers["Authorization"] = "Bearer " + answer.json()["access_token"]
    reseller = api.post("/groups", {"name": "Acme Voice", "groupType": "Reseller"})
    assert reseller.status_code == 201
    assert [user["login"] for user in api.get("/users").json()["users"]] == ["Root"]


def test_the_operator_logs_in_to_the_admin(create: Any) -> None:
    create()
    assert log_in_to_admin("ROOT")
    assert not log_in_to_admin("root", "wrong password")


@pytest.mark.parametrize("login", ["Root", "ROOT"])
def test_a_login_is_taken_in_any_case(create: Any, login: str) -> None:
    create("root")
    with pytest.raises(CommandError):
        create(login)


@pytest.mark.parametrize("login", ["", "two words", "jürgen", "a" * 151, "root\n"])
def test_a_login_must_be_one(create: Any, login: str) -> None:
    with pytest.raises(CommandError):
        create(login)


def test_the_lock_out_protects_the_admin_as_well(create: Any) -> None:
    """Failures at either door count on one counter, and the block shuts both."""
    user = create()
    for _ in range(5):
        assert not log_in_to_admin("root", "wrong password")
        assert log_in("root", "wrong password").status_code == 401
    user.refresh_from_db()
    assert user.fail_login_attempts == 10
    assert user.user_block_time is not None
    assert not log_in_to_admin()
    assert log_in().status_code == 401


def test_the_admin_tells_no_more_than_the_api(create: Any) -> None:
    """Unknown login, wrong password and blocked user are answered by the same page."""
    user = create()

    def page(login: str, password: str) -> str:
        client = Client()
        answer = client.post("/admin/login/", {"username": login, "password": password})
        token = answer.context["csrf_token"]
        return str(answer.content.decode().replace(str(token), "").replace(f'"{login}"', ""))

    reference = page("nobody", PASSWORD)
    assert page("root", "wrong password") == reference
    for _ in range(9):
        log_in("root", "wrong password")
    user.refresh_from_db()
    assert user.blocked_since
    assert page("root", PASSWORD) == reference


def test_who_must_change_the_password_does_so_first(create: Any) -> None:
    create()
    User.objects.update(force_change_password=True)
    assert not log_in_to_admin()
    new = "another horse 8 staple"
    body = {"userName": "root", "oldPassword": PASSWORD, "newPassword": new}
    assert Api().post("/changePassword", body).status_code == 200
    assert log_in_to_admin("root", new)


def test_a_login_to_the_admin_is_shown_like_any_other(create: Any) -> None:
    user = create()
    log_in_to_admin("root", "wrong password")
    user.refresh_from_db()
    assert (user.fail_login_attempts, user.last_login_status) == (1, "Fail")
    log_in_to_admin()
    user.refresh_from_db()
    assert (user.fail_login_attempts, user.last_login_status) == (0, "Success")


def test_a_new_password_ends_the_session_of_the_admin(create: Any) -> None:
    create()
    client = Client()
    client.post("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    body = {"userName": "root", "oldPassword": PASSWORD, "newPassword": "another horse 8 staple"}
    assert Api().post("/changePassword", body).status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_tenants_user_is_not_let_into_the_admin(db: None) -> None:
    make_user(make_group("Acme Voice"), login="ada")
    assert not log_in_to_admin("ada")


def test_support_staff_have_no_part_in_the_api(db: None) -> None:
    """A user without a group who is not the operator logs in, and may do nothing with the token but log out."""
    make_user(None, None, login="support", is_staff=True)
    answer = log_in("support")
    assert answer.status_code == 200
    api = Api()
    api.headers["Authorization"] = "Bearer " + answer.json()["access_token"]
    for path in ("/groups", "/devices", "/locations", "/users", "/users/me", "/groups/1", "/devices/1"):
        assert api.get(path).status_code == 403, path
    assert api.post("/groups", {"name": "Mine", "groupType": "Reseller"}).status_code == 403
    assert api.post("/logout").status_code == 200


def test_djangos_own_door_counts_as_well(create: Any) -> None:
    """What calls `django.contrib.auth.authenticate` gets no way around the counter."""
    user = create()
    assert not Client().login(username="root", password="wrong password")
    user.refresh_from_db()
    assert (user.fail_login_attempts, user.last_login_status) == (1, "Fail")
    assert Client().login(username="ROOT", password=PASSWORD)
    User.objects.update(force_change_password=True)
    assert not Client().login(username="root", password=PASSWORD)
