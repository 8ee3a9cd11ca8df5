"""Errors under /admin/ are pages with a request id and a way back; / is a start page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, OperationalError
from django.test import Client

from tests.conftest import Cast, make_operator
from tests.desk.test_admin import browser_of, make_staff, text_of


def assert_page(answer: Any, status: int, words: str) -> None:
    page = answer.content.decode()
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert words in page
    assert 'href="/admin/"' in page
    assert f"request id <code>{answer['X-Request-ID'].replace('-', '')}</code>" in page
    assert "desk/plain" in page


@pytest.fixture
def operator(db: None) -> Client:
    client = browser_of(make_operator())
    client.raise_request_exception = False
    return client


def raising(error: Exception) -> Callable[..., Any]:
    def view(*args: Any, **kwargs: Any) -> Any:
        raise error

    return view


def test_an_address_that_is_none(operator: Client):
    assert_page(operator.get("/admin/devices/device/import/9999/"), 404, "There is no such page")


def test_what_the_role_does_not_allow(cast: Cast):
    assert_page(browser_of(make_staff()).get("/admin/devices/device/"), 403, "Your role does not allow this.")


def test_a_form_without_its_token(operator: Client):
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.cookies = operator.cookies
    answer = strict.post("/admin/accounts/group/add/", {"name": "x"})
    assert_page(answer, 403, "reload the page and send the form again")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (SuspiciousOperation("x"), 400, "Bad request"),
        (OperationalError("connection refused"), 503, "The database does not answer."),
        (IntegrityError("x"), 409, "Changed by another request"),
        (ValueError("secret"), 500, "This is a fault of the service."),
    ],
)
def test_what_fails_inside(operator: Client, monkeypatch: pytest.MonkeyPatch, error, status, words):
    monkeypatch.setattr("desk.dashboard.content", raising(error))
    answer = operator.get("/admin/")
    assert_page(answer, status, words)
    assert "secret" not in answer.content.decode()
    assert ("Retry-After" in answer) == (status == 503)


def test_a_database_that_is_away_before_the_session_is_read(operator: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SessionStore, "load", raising(OperationalError("connection refused")))
    assert_page(operator.get("/admin/"), 503, "The database does not answer.")


def test_machines_still_get_json(db: None):
    answer = Client().get("/nothing", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()) == (404, {"description": "Not found."})


def test_the_start_page_leads_on(db: None):
    answer = Client().get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer["Content-Type"].startswith("text/html")
    assert "Support desk" in text_of(answer)
    for address in ("/admin/", "/api/v1/docs", "/api/v1/schema", "/readyz"):
        assert f'href="{address}"' in answer.content.decode()
        assert Client().get(address, follow=True).status_code == 200


def test_the_start_page_is_json_for_a_client_that_wants_it(db: None):
    answer = Client().get("/", headers={"Accept": "application/json"})
    assert answer.json()["links"][0] == {"title": "Support desk", "url": "/admin/"}
    assert "Accept" in answer["Vary"]
    assert Client().post("/").status_code == 405
