"""The databases of the tests: how they are made, and how they are as before behind each test."""

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
        for table in sorted(tables - MADE_BY_MIGRATIONS):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of Django's
