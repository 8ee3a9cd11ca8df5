"""/healthz and /readyz: for load balancers and operators."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import Settings

from boot import database
from devices import access_log
from operations import health

SECRET = "host=db.internal password=hunter2"


def ask(path: str, method: str = "GET") -> Any:
    return Client(raise_request_exception=False).generic(method, path)


@contextmanager
def database_away(error: Exception) -> Iterator[None]:
    def fail(*args: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_all_is_well(path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["status"] in ("ok", "degraded")
    assert not answer.cookies


def test_alive_does_not_ask_the_database() -> None:
    """This test has no database: pytest-django would let it fail."""
    assert ask("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["10.20.30.40", "node-7.internal:8000", "a_b"])
def test_any_host_may_ask(path: str, host: str, settings: Settings) -> None:
    """Load balancers and containers ask by the address of a machine; nothing else is served to it."""
    settings.ALLOWED_HOSTS = ["redirect.example"]
    assert Client().get(path, headers={"Host": host}).status_code == 200
    assert Client().get("/api/v1/devices", headers={"Host": host}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError(SECRET), InterfaceError(SECRET)])
def test_not_ready_without_the_database(error: Exception) -> None:
    with database_away(error):
        assert ask("/healthz").status_code == 200
        answer = ask("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["database"] == "unreachable"
    assert "hunter2" not in answer.content.decode()


@pytest.mark.django_db
def test_not_ready_with_a_pending_migration() -> None:
    ((_, newest),) = MigrationLoader(connection).graph.leaf_nodes("devices")
    MigrationRecorder(connection).record_unapplied("devices", newest)
    assert ask("/healthz").status_code == 200
    answer = ask("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert f"devices.{newest}" in answer.json()["migrations"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_methods(path: str) -> None:
    head = ask(path, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert ask(path, "POST").status_code == 405
    assert ask(path, "DELETE").status_code == 405


# --- What it knows of phones, replica and upkeep --------------------------------------------------------------


class Phones:
    """The recorder of a process that serves phones."""

    def __init__(self, *, is_connected: bool, owed: int = 0) -> None:
        self.is_connected, self.owed = is_connected, owed


REPLICAS: list[tuple[Any, bool]] = [
    ("none", False),
    ("unreachable", False),
    ({"lagSeconds": 0.2, "streaming": True}, True),
]


@pytest.mark.django_db
@pytest.mark.parametrize("connected", [True, False, None])
@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize(("replica", "answers"), REPLICAS)
def test_503_only_if_a_phone_could_get_no_answer(
    monkeypatch: pytest.MonkeyPatch, connected: bool | None, away: bool, replica: Any, answers: bool
) -> None:
    """`connected` is the phones' own connection; None in a process that serves phones by Django's."""
    phones = None if connected is None else Phones(is_connected=connected, owed=12)
    monkeypatch.setattr(database, "serving", phones)
    monkeypatch.setattr(health, "_replica", lambda: replica)
    with database_away(OperationalError(SECRET)) if away else nullcontext():
        answer = ask("/readyz")
    told = answer.json()
    if not away and connected is not False:
        expected = "primary"
    else:
        expected = "replica" if answers and phones is not None else "away"
    assert told["phones"] == expected
    assert answer.status_code == (503 if expected == "away" else 200)
    assert told["status"] == "unavailable" if expected == "away" else told["status"] in ("ok", "degraded")
    assert ("description" in told) == (expected == "away" or away)
    assert told["replica"] == replica
    assert told["owedRequests"] == (12 if phones else 0)
    if expected == "replica":
        assert any("answered from the replica" in warning for warning in told["warnings"])
    assert SECRET not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("replica", "told"),
    [
        ({"lagSeconds": 61.0, "streaming": True}, "61.0 s behind"),
        ({"lagSeconds": 0.0, "streaming": False}, "receives nothing"),
        ("unreachable", "replica is unreachable"),
    ],
)
def test_a_replica_that_is_no_help_is_told(monkeypatch: pytest.MonkeyPatch, replica: Any, told: str) -> None:
    monkeypatch.setattr(health, "_replica", lambda: replica)
    answer = ask("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert any(told in warning for warning in answer.json()["warnings"])


@pytest.mark.django_db
def test_upkeep_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask("/readyz").json()
    assert before["housekeeping"] == "never"
    assert "never run" in before["warnings"][0]
    call_command("housekeeping", stdout=io.StringIO())
    after = ask("/readyz").json()
    assert after["housekeeping"].endswith("+0000")
    assert (after["status"], after["warnings"]) == ("ok", [])
    assert after["partitions"] == ("7 days ahead" if connection.vendor == "postgresql" else "not needed")
    monkeypatch.setattr(access_log, "days_ahead", lambda today: 0)
    assert any("tomorrow has no partition" in warning for warning in ask("/readyz").json()["warnings"])


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no replica")
def test_the_replica_is_asked(settings: Settings) -> None:
    given = connection.get_connection_params()
    settings.REPLICA_URL = "postgres://{user}:{password}@{host}:{port}/{dbname}".format(**given)
    assert ask("/readyz").json()["replica"] == {"lagSeconds": 0.0, "streaming": True}
    settings.REPLICA_URL = "postgres://user:hunter2@127.0.0.1:1/none"
    answer = ask("/readyz")
    assert (answer.status_code, answer.json()["replica"]) == (200, "unreachable")
    assert "hunter2" not in answer.content.decode()
