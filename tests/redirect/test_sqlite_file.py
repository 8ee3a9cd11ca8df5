"""The embedded database's file: hashes of passwords and the phones' requests are in it."""

import os
import stat
from pathlib import Path

import pytest

from redirect.db.sqlite.base import DatabaseWrapper
from redirect.settings import database


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.fixture(autouse=True)
def open_umask():
    """The one that most systems have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def opened(file: Path) -> DatabaseWrapper:
    settings = {"ATOMIC_REQUESTS": False, "AUTOCOMMIT": True, "CONN_MAX_AGE": 0, "TIME_ZONE": None}
    wrapper = DatabaseWrapper({**settings, "CONN_HEALTH_CHECKS": False, **database(f"sqlite:///{file}")}, "apart")
    wrapper.connect()
    return wrapper


def test_a_new_file_is_its_owners_alone_with_its_log(tmp_path: Path, django_db_blocker) -> None:
    with django_db_blocker.unblock():
        wrapper = opened(tmp_path / "new.sqlite3")
        wrapper.connection.execute("CREATE TABLE kept (number)")
        assert modes(tmp_path) == dict.fromkeys(["new.sqlite3", "new.sqlite3-wal", "new.sqlite3-shm"], 0o600)
        wrapper.close()


def test_the_mode_of_a_file_that_is_there_is_the_operators(tmp_path: Path, django_db_blocker) -> None:
    file = tmp_path / "old.sqlite3"
    file.touch(0o640)
    with django_db_blocker.unblock():
        opened(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
