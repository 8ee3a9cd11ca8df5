"""The client's own deadline for a statement, on real connections."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from redirect.db import timeouts as deadline

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server that could be frozen"),
]

SECONDS = 1.5


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    monkeypatch.setattr(deadline, "SECONDS_FOR_A_STATEMENT", SECONDS)
    given = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    opened = deadline.Connection.connect(**{name: given[name] for name in names})
    yield opened
    opened.close()


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_statement_without_an_answer_is_given_up_with_its_connection(
    opened: psycopg.Connection[Any], autocommit: bool
):
    opened.autocommit = autocommit
    opened.execute("SELECT 1")
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        opened.execute("SELECT pg_sleep(20)")
    assert time.monotonic() - began < 10  # half of what it would have taken
    assert opened.closed
    with pytest.raises(psycopg.OperationalError):
        opened.execute("SELECT 1")


@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "SET statement_timeout = 100; SELECT pg_sleep(9)"])
def test_what_the_server_refuses_costs_no_connection(opened: psycopg.Connection[Any], statement: str):
    opened.autocommit = True
    with pytest.raises(psycopg.Error):
        opened.execute(statement)
    assert opened.execute("SELECT 1").fetchone() == (1,)


def test_what_is_quick_is_not_disturbed(opened: psycopg.Connection[Any]):
    """Each statement has the whole of its time, however long those before it took."""
    for _ in range(4):
        with opened.transaction():
            assert opened.execute(f"SELECT pg_sleep({SECONDS / 3}), 1").fetchone() == ("", 1)
