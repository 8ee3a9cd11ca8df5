"""manage.py changepassword, for the last administrator who has forgotten."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.conftest import Api, Cast, make_user


def test_a_new_password_by_command_ends_tokens_and_block(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user(cast.reseller, user_block_time=timezone.now(), fail_login_attempts=10)
    api = Api(user)
    monkeypatch.setattr("getpass.getpass", lambda **_: "another horse 8 stable")
    call_command("changepassword", user.login)
    assert api.get("/users/me").status_code == 401
    answer = Api().post("/login", {"userName": user.login, "password": "another horse 8 stable"})
    assert answer.status_code == 200
