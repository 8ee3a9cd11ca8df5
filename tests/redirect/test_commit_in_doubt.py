"""A commit of which it is not known whether it was done: said so by the connection, the API and the admin."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory

from accounts.models import Group
from desk import error_pages
from redirect.db import timeouts
from redirect.db.failures import CommitInDoubt, is_in_doubt
from rig.postgresql import Cluster, temporary_cluster
from rig.processes import wait_for
from tests.conftest import Api, make_operator

postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a server")


@pytest.fixture(scope="module")
def lonely() -> Iterator[Cluster]:
    """A primary whose synchronous standby is away."""
    with temporary_cluster(["synchronous_standby_names=standby", "fsync=off", "lc_messages=C"]) as cluster:
        with cluster.connect() as made:
            made.execute("SET synchronous_commit = local")
            made.execute("CREATE TABLE kept (how text)")
        yield cluster


def deadline(lonely: Cluster) -> None:
    """Nothing: the client's own deadline ends the wait."""


def act_on_waiting(function: str) -> Callable[[Cluster], None]:
    def act(lonely: Cluster) -> None:
        found = f"SELECT {function}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"  # noqa: S608
        wait_for(lambda: bool(lonely.rows(found)), 60)

    act.__doc__ = function
    return act


@postgresql_only
@pytest.mark.parametrize(
    "end",
    [deadline, act_on_waiting("pg_cancel_backend"), act_on_waiting("pg_terminate_backend")],
    ids=lambda f: f.__doc__,
)
def test_a_commit_that_waits_for_a_standby_ends_in_doubt(
    lonely: Cluster, end: Callable[[Cluster], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(timeouts, "SECONDS_FOR_A_STATEMENT", 1 if end is deadline else 60)
    opened = timeouts.Connection.connect(lonely.url)
    opened.execute("INSERT INTO kept VALUES (%s)", [end.__doc__])
    with ThreadPoolExecutor(1) as pool:
        committing = pool.submit(opened.commit)
        end(lonely)
        with pytest.raises(CommitInDoubt):
            committing.result(60)
    opened.close()
    if end is deadline:
        act_on_waiting("pg_cancel_backend")(lonely)  # its server process waits on, and nobody sees the row yet
    wait_for(lambda: bool(lonely.rows("SELECT 1 FROM kept WHERE how = %s", end.__doc__)), 60)


@postgresql_only
def test_a_commit_that_was_refused_is_not_in_doubt(lonely: Cluster):
    with timeouts.Connection.connect(lonely.url) as opened:
        opened.execute("SET synchronous_commit = local")
        opened.execute("CREATE TEMPORARY TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        opened.execute("INSERT INTO late VALUES (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            opened.commit()
        opened.execute("SELECT 1")
        opened.commit()


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_the_api_says_to_look_before_the_call_is_repeated():
    api = Api(make_operator())
    commit = psycopg.Connection.commit

    def lose(opened: psycopg.Connection[Any]) -> None:
        commit(opened)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with patch.object(psycopg.Connection, "commit", lose):
        answer = api.post("/groups", {"name": "Made all the same", "groupType": "Reseller"})
    assert answer.status_code == 503
    assert answer.json() == {
        "description": "It is not known whether the change was made: look before you try again."
    }
    assert answer.headers["Retry-After"]
    assert Group.objects.filter(name="Made all the same").exists()


def test_the_admin_says_so_too():
    error = OperationalError("no answer")
    error.__cause__ = CommitInDoubt("no answer")
    assert is_in_doubt(error)
    try:
        raise error
    except OperationalError:
        page = error_pages.handler500(RequestFactory().get("/admin/"))
    assert page.status_code == 503
    assert "look before you try again" in page.content.decode()
