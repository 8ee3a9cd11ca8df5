"""What a backup held when it was made: the rows of each table, and each constraint, index and trigger."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

FILE = "manifest.json"

POSTGRESQL_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::text::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""
POSTGRESQL_DEFINITIONS = """
SELECT 'constraint ' || conname || ' of ' || conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::text::regnamespace AND conrelid <> 0
UNION ALL
SELECT 'index ' || relname, pg_get_indexdef(oid) FROM pg_class
WHERE relnamespace = current_schema()::text::regnamespace AND relkind IN ('i', 'I')
UNION ALL
SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass, pg_get_triggerdef(pg_trigger.oid)
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = current_schema()::text::regnamespace AND NOT tgisinternal
"""
SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
SQLITE_DEFINITIONS = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL"


# PostgreSQL 15 writes a restored IN (...) in another way: ((ARRAY['a'::character varying])::text[]) becomes
# (ARRAY[('a'::character varying)::text]). So casts and brackets are left out of what is compared.
_CASTS = re.compile(r"::(?:character varying|double precision|timestamp with time zone|\w+)(?:\(\d+\))?(?:\[\])?")


class Unusable(Exception):
    """A backup that cannot be made or restored; its text says why, for the operator."""


@dataclass(frozen=True)
class Manifest:
    """`vendor` is Django's name of the database, `data` that of the file with the rows, `sha256` its digest."""

    vendor: str
    server: str
    made_at: str
    data: str
    rows: dict[str, int]
    definitions: dict[str, str]
    sha256: str = ""

    def write(self, folder: Path) -> "Manifest":
        """Write it beside its data, whose digest it takes."""
        whole = replace(self, sha256=_digest(folder / self.data))
        (folder / FILE).write_text(json.dumps(asdict(whole), indent=1), "utf-8")
        return whole


def read(folder: Path) -> Manifest:
    """Read the manifest of a backup; raises Unusable if the folder is none, or its data was changed since."""
    try:
        manifest = Manifest(**json.loads((folder / FILE).read_text("utf-8")))
        digest = _digest(folder / Path(manifest.data).name)
    except OSError as error:
        raise Unusable(f"{folder} is no backup: {error.filename} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError) as error:
        raise Unusable(f"{folder / FILE} is no manifest of a backup.") from error
    if digest != manifest.sha256:
        raise Unusable(
            f"{folder / manifest.data} is damaged: it is not what was written when the backup was made."
        )
    return manifest


def contents(cursor: Any, vendor: str) -> tuple[dict[str, int], dict[str, str]]:
    """The number of rows by table, and the definitions by name, that a cursor's transaction sees."""
    is_postgresql = vendor == "postgresql"
    tables = tables_of(cursor, vendor)
    rows = {}
    for table in tables:
        cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - the name stands in the catalog
        rows[table] = int(cursor.fetchone()[0])
    cursor.execute(POSTGRESQL_DEFINITIONS if is_postgresql else SQLITE_DEFINITIONS)
    definitions = dict(cursor.fetchall())
    if is_postgresql:
        definitions = {name: _plain(definition) for name, definition in definitions.items()}
    return rows, definitions


def _plain(definition: str) -> str:
    return re.sub(r"[()]", "", _CASTS.sub("", definition))


def tables_of(cursor: Any, vendor: str) -> list[str]:
    """The tables, without the partitions of others."""
    cursor.execute(POSTGRESQL_TABLES if vendor == "postgresql" else SQLITE_TABLES)
    return [name for (name,) in cursor.fetchall()]


def differences(manifest: Manifest, rows: dict[str, int], definitions: dict[str, str]) -> Iterator[str]:
    """What is not as the manifest has it, a sentence each."""
    for table in sorted(manifest.rows.keys() | rows.keys()):
        was, now = manifest.rows.get(table), rows.get(table)
        if was != now:
            yield f"{table}: {_number(was)} in the backup, {_number(now)} here."
    for name in sorted(manifest.definitions.keys() | definitions.keys()):
        if manifest.definitions.get(name) != definitions.get(name):
            yield f"The {name} is not as in the backup."


def _number(rows: int | None) -> str:
    return "no table" if rows is None else f"{rows:,} rows"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
