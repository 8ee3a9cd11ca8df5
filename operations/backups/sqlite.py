"""Backups of SQLite, while the service goes on: SQLite's own online backup."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from operations.backups import manifest
from operations.backups.manifest import Unusable

DATA = "database.sqlite3"
PAGES = 2_000  # in one step, after which the progress is told

Watch = Callable[[int, int], None]
"""Is told how much is done, and of how much."""


def dump(connection: Any, folder: Path, watch: Watch) -> tuple[dict[str, int], dict[str, str]]:
    """Copy the database to a file; returns what `manifest.contents` does."""
    connection.ensure_connection()
    with sqlite3.connect(folder / DATA) as copy:
        # One snapshot for all pages: a write between two steps would begin the copy again.
        connection.connection.execute("BEGIN")
        try:
            connection.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.connection.backup(copy, pages=PAGES, progress=_told(watch))
        finally:
            connection.connection.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        return manifest.contents(copy.cursor(), "sqlite")


def load(connection: Any, file: Path, watch: Watch) -> None:
    """Copy the file into the database, which is empty; raises Unusable if the copy is not sound."""
    connection.ensure_connection()
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as source:
        source.backup(connection.connection, pages=PAGES, progress=_told(watch))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        told = [text for (text,) in cursor.fetchall()]
        cursor.execute("PRAGMA foreign_key_check")
        missing = cursor.fetchall()
    if told != ["ok"] or missing:
        raise Unusable(
            f"The restored database is not sound: {', '.join(told)}; {len(missing)} rows refer to none."
        )


def _told(watch: Watch) -> Callable[[int, int, int], None]:
    def tell(status: int, remaining: int, total: int) -> None:
        watch(total - remaining, total)

    return tell
