"""The recorder on SQLite: there is one writer, and each batch is one IMMEDIATE transaction."""

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from boot.decision import DeviceRecord, decide
from boot.recorder import DatabaseUnavailable, StatementRejected
from boot.request import BootRequest
from devices.models import AccessStatus, Outcome

logger = logging.getLogger(__name__)

SECONDS_FOR_A_STATEMENT = 0.7  # less than the second in which a phone is answered, and less than the API waits

LOOK_UP = """
SELECT d.mac, d.id, d.group_id, l.id, g.name, l.url, l.mutual_auth, l.answer
FROM devices_device d
JOIN accounts_group g ON g.id = d.group_id
LEFT JOIN locations_location l ON l.id = d.location_id
WHERE d.mac IN (SELECT value FROM json_each(?))
"""
COUNT_REQUESTS = """
UPDATE devices_device
SET num_requests = num_requests + ?, last_access = ?, last_access_status = ?,
    certificate_seen = coalesce(?, certificate_seen)
WHERE mac = ?
"""
TOUCH_LOCATION = "UPDATE locations_location SET last_access = ? WHERE id = ?"
LOG_REQUEST = """
INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent, certificate_subject,
                            certificate_problem, certificate_fingerprint, location_url, path, kind, counted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
DENIED_NAMES = "SELECT name FROM devices_deniedcertificate WHERE name IN (SELECT value FROM json_each(?))"


def look_up(database: sqlite3.Connection, macs: Collection[str]) -> dict[str, DeviceRecord]:
    """Return the devices that exist, by MAC; nothing is written."""
    return _look_up(database, macs)[1]


def record_requests(database: sqlite3.Connection, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
    """Record requests inside the caller's transaction, by the rules of statements.RECORD_REQUESTS.

    Returns the devices that exist, by MAC. No other transaction can hold a row, so all are counted at once.
    """
    numbers = Counter(request.mac for request in batch)
    denied = _denied(database, {name for request in batch for name in request.certificate_names})
    ids, records = _look_up(database, numbers, denied)
    statuses: dict[str, AccessStatus] = {}
    locations, seen = set(), set()
    log = []
    for request in batch:
        mac = request.mac
        record = records.get(mac)
        decision = decide(record, mac, request.status_for(record))
        problem = request.problem_unless_denied(denied)
        if problem == "":
            seen.add(mac)
        device, group, location = ids.get(mac, (None, None, None))
        redirected = decision.outcome is Outcome.REDIRECTED
        if redirected:
            locations.add(location)
        if record is not None and statuses.get(mac) is not AccessStatus.SUCCESS:
            statuses[mac] = AccessStatus.SUCCESS if redirected else AccessStatus.FAIL
        if record is not None or request.log_unknown:
            log.append(
                (
                    _time(request.time),
                    mac,
                    device,
                    group,
                    decision.outcome.value,
                    request.address,
                    request.user_agent,
                    request.certificate_subject,
                    problem,
                    request.certificate_fingerprint,
                    record and record.url,
                    request.path,
                    request.shape.kind.value,
                )
            )
    now = _time(max(request.time for request in batch).replace(microsecond=0))
    counts = [
        (numbers[mac], now, status.value, now if mac in seen else None, mac) for mac, status in statuses.items()
    ]
    database.executemany(COUNT_REQUESTS, counts)
    database.executemany(TOUCH_LOCATION, [(now, location) for location in locations])
    database.executemany(LOG_REQUEST, log)
    return records


def _look_up(
    database: sqlite3.Connection, macs: Collection[str], denied: frozenset[str] = frozenset()
) -> tuple[dict[str, tuple[Any, ...]], dict[str, DeviceRecord]]:
    """Return, by MAC, the ids of device, group and location, and the records."""
    rows = database.execute(LOOK_UP, [json.dumps(list(macs))]).fetchall()
    records = {row[0]: DeviceRecord(row[4], row[5], bool(row[6]), row[7], denied) for row in rows}
    return {row[0]: row[1:4] for row in rows}, records


def _denied(database: sqlite3.Connection, names: Collection[str]) -> frozenset[str]:
    """Return those names of certificates that are on the deny list."""
    if not names:
        return frozenset()
    return frozenset(name for (name,) in database.execute(DENIED_NAMES, [json.dumps(list(names))]))


def _time(time: datetime) -> str:
    """As Django keeps times in SQLite: UTC, without an offset."""
    return str(time.astimezone(UTC).replace(tzinfo=None))


class SQLiteRecorder:
    """One connection in one thread."""

    from_replica = 0
    owed = 0  # there is no replica
    is_connected = True  # the file is opened by the first batch

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phones")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        pass  # the first batch opens the file, which takes no time

    async def record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._record, batch)

    async def close(self) -> None:
        self._thread.shutdown()

    def _record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        try:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                records = record_requests(database, batch)
                database.execute("COMMIT")
            except BaseException:
                database.rollback()
                raise
        except sqlite3.OperationalError as error:  # locked for too long, disk full, file gone
            logger.error("The database is unavailable or too slow: %s", error)
            raise DatabaseUnavailable(str(error)) from error
        except sqlite3.Error as error:
            raise StatementRejected(str(error)) from error
        return records

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = sqlite3.connect(
                self._path, timeout=SECONDS_FOR_A_STATEMENT, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
        return self._database
