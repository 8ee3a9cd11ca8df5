"""Django's SQLite backend with a private file, and a LIKE that folds the case of every letter, as PostgreSQL does.

SQLite's own LIKE folds ASCII only: a search for "élan" would not find "ÉLAN".
"""

import contextlib
import os
import re
from functools import lru_cache
from sqlite3 import Connection
from typing import Any

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """The embedded database."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        _make_private(str(conn_params["database"]))
        connection: Connection = super().get_new_connection(conn_params)
        connection.create_function("like", 2, like, deterministic=True)
        connection.create_function("like", 3, like, deterministic=True)
        return connection


def _make_private(name: str) -> None:
    """Make a new database file that only its owner reads; SQLite gives its log and index the same mode."""
    if name != ":memory:" and not name.startswith("file:"):
        with contextlib.suppress(OSError):  # it is there; or SQLite says better what is wrong with the path
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def like(pattern: str | None, text: object, escape: str = "") -> bool | None:
    """`text LIKE pattern ESCAPE escape` in any case; None (NULL) if either side is."""
    if pattern is None or text is None:
        return None
    return _expression(pattern, escape).fullmatch(_upper(str(text))) is not None


@lru_cache(maxsize=128)
def _expression(pattern: str, escape: str) -> re.Pattern[str]:
    wildcards = {"%": ".*", "_": "."}
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(re.escape(_upper(next(characters, ""))))
        else:
            parts.append(wildcards.get(character) or re.escape(_upper(character)))
    return re.compile("".join(parts), re.DOTALL)


def _upper(text: str) -> str:
    """Letter by letter, as PostgreSQL's UPPER: one that would become several stays as it is."""
    if text.isascii():
        return text.upper()
    return "".join(letter.upper() if len(letter.upper()) == 1 else letter for letter in text)
