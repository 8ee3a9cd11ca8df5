"""Look up phones and record their visits, committed before anybody is answered: one statement for one or many.

Counts, times, statuses and the access log are written here and nowhere else. Source: contract section 8.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from boot.decision import Decision, DeviceRecord, Visit, decide
from devices.models import AccessStatus, Outcome
from redirect.db.arrays import literal

# Devices are locked in the order of their MACs, as bulk calls do, and only those that nobody else holds. A device
# that is held is read, answered and logged without its lock (`counted` false), and counted a moment later by
# COUNT_DEFERRED: a phone never waits for a bulk call. A location's time too is only written if nobody holds it.
# `decide` in boot/decision.py has the rule of the outcome; a test compares the two.
RECORD_REQUESTS = """
WITH visit AS MATERIALIZED (
    SELECT * FROM unnest(%(macs)s::text[], %(proofs)s::text[], %(addresses)s::text[], %(user_agents)s::text[],
                         %(subjects)s::text[], %(log_unknown)s::boolean[])
    WITH ORDINALITY AS visit(mac, proof, address, user_agent, subject, log_unknown, number)
), asked AS MATERIALIZED (
    SELECT mac, count(*) AS visits FROM visit GROUP BY mac
), held AS MATERIALIZED (
    SELECT d.id, d.mac, d.group_id, d.location_id
    FROM asked JOIN devices_device d ON d.mac = asked.mac
    ORDER BY d.mac FOR NO KEY UPDATE OF d SKIP LOCKED
), device AS MATERIALIZED (
    SELECT held.*, true AS counted FROM held
    UNION ALL
    SELECT d.id, d.mac, d.group_id, d.location_id, false
    FROM asked JOIN devices_device d ON d.mac = asked.mac
    WHERE asked.mac NOT IN (SELECT mac FROM held)
), answered AS MATERIALIZED (
    SELECT visit.*, device.id AS device_id, device.group_id, device.counted, g.name AS customer,
           l.id AS location_id, l.url, l.mutual_auth,
           CASE WHEN device.id IS NULL THEN 'Unknown'
                WHEN l.id IS NULL THEN 'NoLocation'
                WHEN l.mutual_auth AND visit.proof = 'none' THEN 'CertificateRequired'
                WHEN l.mutual_auth AND visit.proof = 'mismatch' THEN 'CertificateMismatch'
                ELSE 'Redirected' END AS outcome
    FROM visit
    LEFT JOIN device ON device.mac = visit.mac
    LEFT JOIN accounts_group g ON g.id = device.group_id
    LEFT JOIN locations_location l ON l.id = device.location_id
), counted AS (
    UPDATE devices_device d
    SET num_requests = d.num_requests + a.visits,
        last_access = greatest(d.last_access, %(now)s::timestamptz),
        last_access_status = CASE WHEN d.last_access > %(now)s::timestamptz THEN d.last_access_status
                                  WHEN a.redirected THEN 'Success' ELSE 'Fail' END
    FROM (SELECT device_id, count(*) AS visits, bool_or(outcome = 'Redirected') AS redirected
          FROM answered WHERE counted GROUP BY device_id) a
    WHERE d.id = a.device_id
), idle AS MATERIALIZED (
    SELECT id FROM locations_location
    WHERE id IN (SELECT location_id FROM answered WHERE outcome = 'Redirected')
      AND (last_access IS NULL OR last_access < %(now)s::timestamptz)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), handed_out AS (
    UPDATE locations_location l SET last_access = %(now)s::timestamptz FROM idle WHERE l.id = idle.id
), logged AS (
    INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent,
                                certificate_subject, location_url, counted)
    SELECT %(time)s::timestamptz, mac, device_id, group_id, outcome, address, user_agent, subject, url,
           coalesce(counted, true)
    FROM answered WHERE device_id IS NOT NULL OR log_unknown
)
SELECT mac, customer, url, mutual_auth, counted FROM answered WHERE device_id IS NOT NULL
"""

# The log rows whose devices were held, once nobody holds them any more. A device that has moved to another group
# began anew there: what it did for the old one is not counted.
COUNT_DEFERRED = """
WITH due AS MATERIALIZED (
    SELECT id, time, device_id, group_id, outcome FROM devices_access WHERE NOT counted
    ORDER BY time LIMIT 5000 FOR UPDATE SKIP LOCKED
), held AS MATERIALIZED (
    SELECT d.id, d.group_id FROM devices_device d WHERE d.id IN (SELECT device_id FROM due)
    ORDER BY d.mac FOR NO KEY UPDATE OF d SKIP LOCKED
), late AS MATERIALIZED (
    SELECT device_id, count(*) AS visits, date_trunc('second', max(time)) AS last_access,
           (array_agg(outcome ORDER BY time DESC, due.id DESC))[1] AS outcome
    FROM due JOIN held ON held.id = due.device_id AND held.group_id = due.group_id GROUP BY device_id
), counted AS (
    UPDATE devices_device d
    SET num_requests = d.num_requests + late.visits,
        last_access_status = CASE WHEN d.last_access > late.last_access THEN d.last_access_status
                                  WHEN late.outcome = 'Redirected' THEN 'Success' ELSE 'Fail' END,
        last_access = greatest(d.last_access, late.last_access)
    FROM late WHERE d.id = late.device_id
), done AS (
    UPDATE devices_access a SET counted = true FROM due
    WHERE a.id = due.id AND a.time = due.time AND NOT a.counted
      AND (due.device_id IN (SELECT id FROM held)
           OR NOT EXISTS (SELECT 1 FROM devices_device d WHERE d.id = due.device_id))
    RETURNING 1
)
SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM done)
"""

# What a replica can answer, and a look-up that is no visit.
LOOK_UP = """
SELECT d.mac, g.name, l.url, l.mutual_auth, true AS counted
FROM devices_device d
JOIN accounts_group g ON g.id = d.group_id
LEFT JOIN locations_location l ON l.id = d.location_id
WHERE d.mac = ANY(%(macs)s::text[])
"""

SQLITE_PATIENCE_MS = 700


@dataclass(frozen=True, slots=True)
class Asked:
    """A visit as it is recorded: when, and whether it is logged if nobody owns the MAC."""

    visit: Visit
    time: datetime
    log_unknown: bool = True


def record(asked: Asked) -> Decision:
    """The answer to one phone, over Django's connection. Raises django.db.Error if it cannot be committed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(RECORD_REQUESTS, parameters([asked]))
            found, _ = found_in(cursor.fetchall())
    else:
        with _phones_patience(), transaction.atomic():
            found = record_on_sqlite(connection.connection, [asked])
    return decide(asked.visit, found.get(asked.visit.mac))


@contextmanager
def _phones_patience() -> Iterator[None]:
    """On SQLite: wait for the one writer no longer than a phone does, which is less than the API."""
    with connection.cursor() as cursor:
        (api,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_PATIENCE_MS}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {api}")


def parameters(batch: Sequence[Asked]) -> dict[str, Any]:
    """What RECORD_REQUESTS is executed with."""
    visits = [asked.visit for asked in batch]
    time = max(asked.time for asked in batch)
    return {
        "macs": literal([visit.mac for visit in visits]),
        "proofs": literal([visit.proof.value for visit in visits]),
        "addresses": literal([visit.address for visit in visits]),
        "user_agents": literal([visit.user_agent for visit in visits]),
        "subjects": literal([visit.certificate_subject for visit in visits]),
        "log_unknown": literal([asked.log_unknown for asked in batch]),
        "time": time,
        "now": time.replace(microsecond=0),  # times are told in whole seconds: manual chapter 12
    }


def found_in(rows: Collection[tuple[Any, ...]]) -> tuple[dict[str, DeviceRecord], bool]:
    """What RECORD_REQUESTS returned, by MAC; and whether a device was locked: COUNT_DEFERRED then has work."""
    found = {row[0]: DeviceRecord(row[1], row[2], bool(row[3])) for row in rows}
    return found, not all(row[4] for row in rows)


def look_up(mac: str) -> DeviceRecord | None:
    """What a phone's request would find now, over Django's connection; nothing is written."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(LOOK_UP, {"macs": literal([mac])})
            found, _ = found_in(cursor.fetchall())
        else:
            _, found = _look_up_on_sqlite(connection.connection, [mac])
    return found.get(mac)


def _look_up_on_sqlite(
    database: sqlite3.Connection, macs: Collection[str]
) -> tuple[dict[str, tuple[Any, ...]], dict[str, DeviceRecord]]:
    """By MAC: the ids of device, group and location; and what is found."""
    rows = database.execute(
        """
        SELECT d.mac, d.id, d.group_id, l.id, g.name, l.url, l.mutual_auth
        FROM devices_device d
        JOIN accounts_group g ON g.id = d.group_id
        LEFT JOIN locations_location l ON l.id = d.location_id
        WHERE d.mac IN (SELECT value FROM json_each(?))
        """,
        [json.dumps(list(macs))],
    ).fetchall()
    found = {row[0]: DeviceRecord(row[4], row[5], bool(row[6])) for row in rows}
    return {row[0]: row[1:4] for row in rows}, found


def record_on_sqlite(database: sqlite3.Connection, batch: Sequence[Asked]) -> dict[str, DeviceRecord]:
    """The same on SQLite, inside the caller's transaction; there is one writer, and nobody else holds a row."""
    macs = Counter(asked.visit.mac for asked in batch)
    devices, found = _look_up_on_sqlite(database, macs)
    statuses: dict[str, AccessStatus] = {}
    locations = set()
    log = []
    for asked in batch:
        visit = asked.visit
        answer = decide(visit, found.get(visit.mac))
        device, group, location = devices.get(visit.mac, (None, None, None))
        redirected = answer.outcome is Outcome.REDIRECTED
        if redirected:
            locations.add(location)
        if device is not None and statuses.get(visit.mac) is not AccessStatus.SUCCESS:
            statuses[visit.mac] = AccessStatus.SUCCESS if redirected else AccessStatus.FAIL
        if device is not None or asked.log_unknown:
            url = found[visit.mac].url if device is not None else None
            log.append(
                (
                    _sqlite_time(asked.time),
                    visit.mac,
                    device,
                    group,
                    answer.outcome.value,
                    visit.address,
                    visit.user_agent,
                    visit.certificate_subject,
                    url,
                )
            )
    now = _sqlite_time(max(asked.time for asked in batch).replace(microsecond=0))
    database.executemany(
        "UPDATE devices_device SET num_requests = num_requests + ?, last_access = ?, last_access_status = ?"
        " WHERE mac = ?",
        [(macs[mac], now, status.value, mac) for mac, status in statuses.items()],
    )
    database.executemany(
        "UPDATE locations_location SET last_access = ? WHERE id = ?", [(now, location) for location in locations]
    )
    database.executemany(
        "INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent,"
        " certificate_subject, location_url, counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        log,
    )
    return found


def _sqlite_time(time: datetime) -> str:
    """As Django keeps times in SQLite: UTC, without an offset."""
    return str(time.astimezone(UTC).replace(tzinfo=None))


def count_deferred() -> int:
    """Bring up the counters of devices that were held when they were asked for; how many visits."""
    total = 0
    while connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(COUNT_DEFERRED)
            _, done = cursor.fetchone()
        total += done
        if not done:
            break
    return total
