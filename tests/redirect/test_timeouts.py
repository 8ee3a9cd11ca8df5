"""The client's own deadline for a statement, on real connections."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

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
        opened.execute("SELECT pg_sleep(60)")
    assert time.monotonic() - began < 50  # it would have taken 60
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


# --- The pool -------------------------------------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[ConnectionPool[Any]]:
    given = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    parameters = {name: given[name] for name in names} | {"application_name": "pooled", "autocommit": True}
    with ConnectionPool(
        kwargs=parameters,
        min_size=16,
        max_size=16,
        timeout=3,
        connection_class=deadline.PooledConnection,
        check=ConnectionPool.check_connection,
        open=False,
    ) as opened:
        opened.wait()
        yield opened


def backends(change: str) -> int:
    """Do it to each server process of the pool; how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {change} FROM pg_stat_activity WHERE application_name = 'pooled'")  # noqa: S608
        return len(cursor.fetchall())


def test_the_first_dead_connection_of_the_pool_takes_the_others_with_it(pool: ConnectionPool[Any]):
    """psycopg_pool sleeps 0, 1, 2 s between dead ones, and gives up after three."""
    assert backends("pg_terminate_backend(pid, 5000)") == 16
    for _ in range(3):
        with pool.connection() as taken:
            assert taken.execute("SELECT 1").fetchone() == (1,)


def test_connections_that_are_made_in_the_meantime_stay(pool: ConnectionPool[Any]):
    """Many threads find dead connections at once: one of them empties the pool."""
    before = pool.get_stats()["connections_num"]
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(pool.connection()) for _ in range(16)]
        backends("pg_terminate_backend(pid, 5000)")
        for dead in taken:
            with pytest.raises(psycopg.OperationalError):
                dead.execute("SELECT 1")
    pool.wait()
    assert pool.get_stats()["connections_num"] == before + 16


def test_a_server_that_becomes_read_only_loses_its_connections(pool: ConnectionPool[Any]):
    with pool.connection() as taken:
        taken.execute("SET default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            taken.execute("CREATE TABLE no_such_table ()")
        assert taken.closed
