"""Staff stay logged in for a shift, and not beside an empty chair."""

from typing import Any

import pytest
from django.test import Client

from tests.conftest import PASSWORD, make_operator

PAGE = "/admin/devices/device/"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("desk.session.time", clock)
    return clock


@pytest.fixture
def staff(db: None, clock: Clock) -> Client:
    user = make_operator()
    client = Client()
    client.post("/admin/login/", {"username": user.login, "password": PASSWORD})
    assert client.get(PAGE).status_code == 200
    return client


def is_logged_in(staff: Client, path: str = PAGE) -> bool:
    return staff.get(path).status_code == 200


def test_pages_now_and_then_keep_it(staff: Client, clock: Clock) -> None:
    for _ in range(15):
        clock.now += 30 * 60
        assert is_logged_in(staff)


def test_it_ends_after_half_an_hour_without_a_page(staff: Client, clock: Clock) -> None:
    clock.now += 30 * 60 + 1
    answer = staff.get(PAGE, follow=True)
    assert answer.redirect_chain == [("/admin/login/?next=/admin/devices/device/", 302)]
    assert "nothing was done for a while" in answer.content.decode()
    assert not is_logged_in(staff)


def test_it_ends_after_a_shift(staff: Client, clock: Clock) -> None:
    for _ in range(16):
        clock.now += 29 * 60
        assert is_logged_in(staff)
    clock.now += 16 * 60 + 1
    assert "as long as one may" in staff.get(PAGE, follow=True).content.decode()


def test_a_dashboard_that_reloads_itself_is_no_person(staff: Client, clock: Clock) -> None:
    for _ in range(30):
        clock.now += 60
        assert is_logged_in(staff, "/admin/?refresh=1")
    clock.now += 60
    assert not is_logged_in(staff, "/admin/?refresh=1")


def test_the_limits_are_settings(staff: Client, clock: Clock, settings: Any) -> None:
    settings.STAFF_SESSION_IDLE_MINUTES = 60
    clock.now += 59 * 60
    assert is_logged_in(staff)
    settings.STAFF_SESSION_HOURS = 1
    clock.now += 2 * 60
    assert not is_logged_in(staff)
