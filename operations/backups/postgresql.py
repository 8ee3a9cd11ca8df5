"""Backups of PostgreSQL, while the service goes on: pg_dump and pg_restore of the server's version."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from operations.backups import manifest
from operations.backups.manifest import Unusable
from redirect.db.address import libpq_only

DATA = "database.dump"
DEBIAN = Path("/usr/lib/postgresql")
PARTS = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::text::regnamespace AND relkind = 'r'"

Watch = Callable[[int, int], None]
"""Is told how much is done, and of how much."""


def dump(connection: Any, folder: Path, watch: Watch) -> tuple[dict[str, int], dict[str, str]]:
    """Dump the database to a file; returns what `manifest.contents` does. Raises Unusable."""
    parameters = libpq_only(connection.get_connection_params())
    with psycopg.connect(**parameters) as link:
        link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        link.read_only = True
        cursor = link.cursor()
        # The dump and the counts are of the same moment, whatever is written meanwhile.
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone() or ("",)
        parts = _parts(cursor)
        done = 0
        command = ["--format=custom", f"--snapshot={snapshot}", "--no-owner", "--no-privileges", "--no-comments"]
        for line in _run("pg_dump", [*command, f"--file={folder / DATA}"], parameters):
            if "dumping contents of table" in line:
                watch(done, parts)
                done += 1
        watch(parts, parts)
        return manifest.contents(cursor, "postgresql")


def load(connection: Any, file: Path, watch: Watch) -> None:
    """Restore the file into the database, which is empty: all of it or nothing. Raises Unusable."""
    parameters = libpq_only(connection.get_connection_params())
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]
    parts, done = 0, 0
    for line in _run("pg_restore", ["--list", str(file)], {}, verbose=False):
        parts += " TABLE DATA " in line
    for line in _run("pg_restore", [*options, str(file)], parameters):
        if "processing data for table" in line:
            watch(done, parts)
            done += 1
    watch(parts, parts)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a dump has no statistics, and the first phones would wait for plans without


def _parts(cursor: Any) -> int:
    cursor.execute(PARTS)
    return int(cursor.fetchone()[0])


def _run(name: str, arguments: Sequence[str], parameters: dict[str, Any], *, verbose: bool = True) -> Any:
    """The lines that a program prints; raises Unusable if it is not there or fails."""
    # Other users see the arguments of a process, but not its environment.
    password = parameters.get("password")
    address = make_conninfo("", **{key: value for key, value in parameters.items() if key != "password"})
    command = [_program(name), *arguments]
    command += ["--verbose"] if verbose else []
    command += [f"--dbname={address}"] if parameters else []
    environment = os.environ | {"LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - a program of PostgreSQL
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines = [*lines[-4:], line.strip()]
            yield line
    if process.returncode:
        raise Unusable(f"{name} failed ({process.returncode}): " + " ".join(lines))


def _program(name: str) -> str:
    """The program on the PATH, or Debian's newest; raises Unusable."""
    if found := shutil.which(name):
        return found
    versions = sorted(
        DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(re.sub(r"[^0-9.]", "", path.parts[4]) or 0)
    )
    if not versions:
        raise Unusable(f"{name} is not installed (Debian: apt-get install postgresql-client).")
    return str(versions[-1])
