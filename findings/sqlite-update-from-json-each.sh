#!/usr/bin/env bash
# SQLite 3.46.1 (and 3.40.1): an UPDATE … FROM json_each(…) that gives values to rows by a unique index of two columns, one
# of them fixed, does not look each listed value up in that index. It goes through all rows with the fixed column, and for
# each of them through the whole list: four times the steps for twice the rows. A list of 2,000 verdicts of an import of
# 5,000 rows took 11 seconds for one piece. executemany over the same index grows with the list alone.
#
# This product keeps verdicts by executemany on SQLite (devices/imports/rows_table.py, save_verdicts).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apsw==3.46.1.0 2>/dev/null
venv/bin/python - <<'PY'
import json
import sys

import apsw

JOINED = """
UPDATE line SET verdict = listed.verdict FROM (
    SELECT json_extract(value, '$[0]') AS number, json_extract(value, '$[1]') AS verdict FROM json_each(?)
) AS listed WHERE line.file = 1 AND line.number = listed.number
"""
SINGLE = "UPDATE line SET verdict = ? WHERE file = 1 AND number = ?"
HUNDREDS = 100  # steps of SQLite's machine that are counted as one


def steps(rows, work):
    counted = 0

    def count():
        nonlocal counted
        counted += 1
        return False

    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, file INT, number INT, verdict TEXT, UNIQUE (file, number))")
    database.executemany("INSERT INTO line (file, number, verdict) VALUES (1, ?, '')", [(n,) for n in range(rows)])
    database.set_progress_handler(count, HUNDREDS)
    work(database, rows // 4)
    database.set_progress_handler(None)
    changed = database.execute("SELECT count(*) FROM line WHERE verdict = 'good'").fetchall()
    assert changed == [(rows // 4,)], changed
    return counted


def joined(database, number):
    database.execute(JOINED, [json.dumps([[n, "good"] for n in range(number)])])


def single(database, number):
    database.executemany(SINGLE, [("good", n) for n in range(number)])


growth = {}
for name, work in (("UPDATE FROM json_each", joined), ("executemany", single)):
    few, many = steps(2000, work), steps(4000, work)
    growth[name] = many / few
    print(f"{name}: {few * HUNDREDS:,} steps for 500 of 2,000 rows, {many * HUNDREDS:,} for 1,000 of 4,000")
print("SQLite", apsw.sqlite_lib_version())
if not growth["UPDATE FROM json_each"] > 3.5 or not growth["executemany"] < 2.5:
    sys.exit(f"CHANGED: not as described: {growth}")
print("As described: one grows with the square, the other with the list.")
PY
