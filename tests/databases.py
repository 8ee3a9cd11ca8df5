"""The databases of the tests: which tests need one, how it is made, and how it is as before behind each test."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

from rig.service import environment, manage

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "master")

# No test that commits writes to these.
MADE_BY_MIGRATIONS = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "desk_staffrole",
    "django_content_type",
}

# The fixtures by which a test reaches the database that DATABASE_URL names, be it in a process that it starts.
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}

ASKED_LATE = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="on PostgreSQL, run also what reaches no database")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return ["PostgreSQL: what reaches no database is left out (--all runs it)"] if leaves_out(config) else []


def leaves_out(config: pytest.Config) -> bool:
    return connection.vendor == "postgresql" and not config.getoption("all")


def reaches_database(test: pytest.Item) -> bool:
    """Whether a test asks for the database, or for one kind of it by the condition under which it is skipped."""
    return (
        not DATABASE_FIXTURES.isdisjoint(getattr(test, "fixturenames", ()))
        or test.get_closest_marker("django_db") is not None
        or test.get_closest_marker("skipif") is not None
    )


# First: `--last-failed` and the like choose among those that are left.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` runs all tests on SQLite. On PostgreSQL those without a database would do the same again."""
    if leaves_out(config):
        left_out = [test for test in items if not reaches_database(test)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [test for test in items if reaches_database(test)]


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """A test whose fixture asks for the database by `getfixturevalue` alone would be left out unseen."""
    if fixturedef.argname == "_django_db_helper" and not reaches_database(request.node):
        request.node.stash[ASKED_LATE] = True


# Not where the fixture is set up: pytest could not set that up for any other test then.
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if item.stash.get(ASKED_LATE, False):
        pytest.fail("Let the fixture that asks for another one by its name have `db` among its arguments.")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file as `migrate` leaves it, for services that are processes: to be copied."""
    # Below the folder of the whole run: its workers migrate once together.
    at = tmp_path_factory.getbasetemp() if WORKER == "master" else tmp_path_factory.getbasetemp().parent
    made = at / "migrated.sqlite3"
    with (at / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = at / "unfinished.sqlite3"
            manage(environment(f"sqlite:///{unfinished}"), "migrate", "--verbosity=0")
            unfinished.rename(made)
    return made


@pytest.fixture(autouse=True, scope="session")
def _committed_rows_are_deleted() -> Iterator[None]:
    """After a test that commits, delete its rows. Django's own way, to truncate each table and to make all
    permissions anew, takes a hundred times as long on tables that are nearly empty."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(TransactionTestCase, "_fixture_teardown", delete_rows)
        yield


def delete_rows(test: TransactionTestCase) -> None:
    """Leave each table as the migrations did."""
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    # In one transaction, at whose end foreign keys are looked at.
    with transaction.atomic(), connection.cursor() as cursor:
        # Devices first: what their triggers write goes with the rest.
        for table in sorted(tables - MADE_BY_MIGRATIONS, key=lambda name: (name != "devices_device", name)):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of Django's
