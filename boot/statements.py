"""The statements of phones on PostgreSQL, and their parameters.

Counts, times, statuses and the access log are written here and in boot/sqlite.py, and nowhere else.
Source: contract section 8.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from boot.certificate import DENIED
from boot.decision import DeviceRecord
from boot.request import BootRequest
from redirect.db.arrays import literal

# On the server, where the client's own deadline cannot reach. The plan never depends on the size of a batch.
DEADLINES = ("statement_timeout=2000", "lock_timeout=500", "jit=off", "plan_cache_mode=force_generic_plan")

# The server process of a lost connection may still run or be stopped: it must not commit any more.
END_BACKEND = """
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE pid = %(pid)s::int AND application_name = 'phones'
"""
# A primary that is cut off from its standbys shows what it has committed and no standby has confirmed, which is
# gone when another one is promoted. So this writes to the log, too: its own commit waits until that is confirmed.
IS_RECORDED = """
SELECT EXISTS (
    SELECT 1 FROM devices_access
    WHERE mac = ANY(%(macs)s::text[]) AND time = %(time)s::timestamptz AND device_id IS NOT NULL
)
WHERE pg_logical_emit_message(true, 'phones', ''::text) IS NOT NULL
"""

# Devices are locked in the order of their MACs, as bulk calls do, and only those that no other transaction has
# locked. A device that another transaction has locked is read, answered and logged without a lock (`counted` is
# false), and COUNT_DEFERRED counts the request a moment later: a phone never waits for a bulk call. The time of a
# location is written only if its row is free, too. The rule of the outcome is that of boot/decision.py.
#
# Time and status are those of the last answer. A request that is recorded late is no later answer than one with a
# greater time; a time above `clock`, the present, was written before the clock was set back.
RECORD_REQUESTS = """
WITH denied AS MATERIALIZED (
    SELECT array_agg(name) AS names FROM devices_deniedcertificate WHERE name = ANY(%(names)s::text[])
), request AS MATERIALIZED (
    SELECT mac, address, user_agent, subject, path, kind, log_unknown, number, fingerprint,
           CASE WHEN fingerprint = ANY(denied.names) OR issued = ANY(denied.names) THEN %(denied)s
                ELSE problem END AS problem
    FROM denied CROSS JOIN
         unnest(%(macs)s::text[], %(problems)s::text[], %(fingerprints)s::text[], %(issued)s::text[],
                %(addresses)s::text[], %(user_agents)s::text[], %(subjects)s::text[], %(paths)s::text[],
                %(kinds)s::text[], %(log_unknown)s::boolean[])
    WITH ORDINALITY
        AS request(mac, problem, fingerprint, issued, address, user_agent, subject, path, kind, log_unknown,
                   number)
), asked AS MATERIALIZED (
    SELECT mac, count(*) AS requests FROM request GROUP BY mac
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
    SELECT request.*, device.id AS device_id, device.group_id, device.counted, g.name AS customer,
           l.id AS location_id, l.url, l.mutual_auth, l.answer,
           CASE WHEN device.id IS NULL THEN 'Unknown'
                WHEN l.id IS NULL THEN 'NoLocation'
                WHEN l.mutual_auth AND request.problem IS NULL THEN 'CertificateRequired'
                WHEN l.mutual_auth AND request.problem <> '' THEN 'CertificateMismatch'
                ELSE 'Redirected' END AS outcome
    FROM request
    LEFT JOIN device ON device.mac = request.mac
    LEFT JOIN accounts_group g ON g.id = device.group_id
    LEFT JOIN locations_location l ON l.id = device.location_id
), counted AS (
    UPDATE devices_device d
    SET num_requests = d.num_requests + a.requests,
        last_access = CASE WHEN d.last_access > %(now)s::timestamptz AND d.last_access <= %(clock)s::timestamptz
                           THEN d.last_access ELSE %(now)s::timestamptz END,
        last_access_status = CASE WHEN d.last_access > %(now)s::timestamptz
                                       AND d.last_access <= %(clock)s::timestamptz THEN d.last_access_status
                                  WHEN a.redirected THEN 'Success' ELSE 'Fail' END,
        certificate_seen = CASE WHEN a.proven IS NOT TRUE
                                     OR (d.certificate_seen > %(now)s::timestamptz
                                         AND d.certificate_seen <= %(clock)s::timestamptz)
                                THEN d.certificate_seen ELSE %(now)s::timestamptz END
    FROM (SELECT device_id, count(*) AS requests, bool_or(outcome = 'Redirected') AS redirected,
                 bool_or(problem = '') AS proven
          FROM answered WHERE counted GROUP BY device_id) a
    WHERE d.id = a.device_id
), idle AS MATERIALIZED (
    SELECT id FROM locations_location
    WHERE id IN (SELECT location_id FROM answered WHERE outcome = 'Redirected')
      AND (last_access IS NULL OR last_access < %(now)s::timestamptz OR last_access > %(clock)s::timestamptz)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), handed_out AS (
    UPDATE locations_location l SET last_access = %(now)s::timestamptz FROM idle WHERE l.id = idle.id
), logged AS (
    INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent,
                                certificate_subject, certificate_problem, certificate_fingerprint, location_url,
                                path, kind, counted)
    SELECT %(time)s::timestamptz, mac, device_id, group_id, outcome, address, user_agent, subject, problem,
           substr(fingerprint, 8), url, path, kind, coalesce(counted, true)
    FROM answered WHERE device_id IS NOT NULL OR log_unknown
)
SELECT mac, customer, url, mutual_auth, answer, counted, (SELECT names FROM denied)
FROM answered WHERE device_id IS NOT NULL
"""

# Counts the log rows whose devices were locked, once they are free. A device that has moved to another group began
# anew there: its requests for the old group are not counted.
COUNT_DEFERRED = """
WITH due AS MATERIALIZED (
    SELECT id, time, device_id, group_id, outcome, certificate_problem FROM devices_access WHERE NOT counted
    ORDER BY time LIMIT 5000 FOR UPDATE SKIP LOCKED
), held AS MATERIALIZED (
    SELECT d.id, d.group_id FROM devices_device d WHERE d.id IN (SELECT device_id FROM due)
    ORDER BY d.mac FOR NO KEY UPDATE OF d SKIP LOCKED
), late AS MATERIALIZED (
    SELECT device_id, count(*) AS requests, date_trunc('second', max(time)) AS last_access,
           (array_agg(outcome ORDER BY time DESC, due.id DESC))[1] AS outcome,
           date_trunc('second', max(time) FILTER (WHERE certificate_problem = '')) AS certificate_seen
    FROM due JOIN held ON held.id = due.device_id AND held.group_id = due.group_id GROUP BY device_id
), counted AS (
    UPDATE devices_device d
    SET num_requests = d.num_requests + late.requests,
        last_access_status = CASE WHEN d.last_access > late.last_access
                                       AND d.last_access <= %(clock)s::timestamptz THEN d.last_access_status
                                  WHEN late.outcome = 'Redirected' THEN 'Success' ELSE 'Fail' END,
        last_access = CASE WHEN d.last_access > late.last_access AND d.last_access <= %(clock)s::timestamptz
                           THEN d.last_access ELSE late.last_access END,
        certificate_seen = CASE WHEN late.certificate_seen IS NULL
                                     OR (d.certificate_seen > late.certificate_seen
                                         AND d.certificate_seen <= %(clock)s::timestamptz)
                                THEN d.certificate_seen ELSE late.certificate_seen END
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

# For the replica, and for a look-up that records nothing.
LOOK_UP = """
SELECT d.mac, g.name, l.url, l.mutual_auth, l.answer, true AS counted,
       (SELECT array_agg(name) FROM devices_deniedcertificate WHERE name = ANY(%(names)s::text[]))
FROM devices_device d
JOIN accounts_group g ON g.id = d.group_id
LEFT JOIN locations_location l ON l.id = d.location_id
WHERE d.mac = ANY(%(macs)s::text[])
"""


def names_in(batch: Sequence[BootRequest]) -> str:
    """Return the names of all certificates of a batch, as an array."""
    return literal({name for request in batch for name in request.certificate_names})


def parameters(batch: Sequence[BootRequest], clock: datetime | None = None) -> dict[str, Any]:
    """Return what RECORD_REQUESTS is executed with; `clock` is the present, if the requests are recorded late."""
    time = max(request.time for request in batch)
    return {
        **_certificates_in(batch),
        "macs": literal([request.mac for request in batch]),
        "denied": DENIED,
        "addresses": literal([request.address for request in batch]),
        "user_agents": literal([request.user_agent for request in batch]),
        "paths": literal([request.path for request in batch]),
        "kinds": literal([request.shape.kind for request in batch]),
        "log_unknown": literal([request.log_unknown for request in batch]),
        "time": time,
        "clock": clock or time,
        "now": time.replace(microsecond=0),  # times are told in whole seconds: manual chapter 12
    }


def _certificates_in(batch: Sequence[BootRequest]) -> dict[str, str]:
    if not any(request.certificate for request in batch):  # as in most
        none = literal([None] * len(batch))
        return {"problems": none, "fingerprints": none, "issued": none, "subjects": none, "names": "{}"}
    names = [request.certificate_names or (None, None) for request in batch]
    return {
        "problems": literal([request.certificate_problem for request in batch]),
        "fingerprints": literal([name for name, _ in names]),
        "issued": literal([name for _, name in names]),
        "subjects": literal([request.certificate_subject for request in batch]),
        "names": names_in(batch),
    }


def records_in(rows: Collection[tuple[Any, ...]]) -> tuple[dict[str, DeviceRecord], bool]:
    """Return the devices that RECORD_REQUESTS found, by MAC, and whether COUNT_DEFERRED has one to count."""
    records = {row[0]: DeviceRecord(row[1], row[2], bool(row[3]), row[4], frozenset(row[6] or ())) for row in rows}
    return records, not all(row[5] for row in rows)
