"""/healthz and /readyz: for load balancers and operators."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

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
    assert answer.json()["status"] == "ok"
    assert not answer.cookies


def test_alive_does_not_ask_the_database() -> None:
    """This test has no database: pytest-django would let it fail."""
    assert ask("/healthz").json() == {"status": "ok"}


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
