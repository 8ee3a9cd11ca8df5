"""Look up phones and record their visits, committed before anybody is answered.

Counts, times and statuses are written here and nowhere else. Source: contract section 8.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from devices.lookup import Answer, Found, Outcome, Visit, decide
from devices.models import AccessStatus, Device
from locations.models import Location

# Devices are locked in the order of their MACs, as bulk calls do. A location that somebody holds is skipped: its
# lastAccess can wait for the next phone, this phone cannot.
ON_POSTGRESQL = """
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(%(macs)s::text[], %(proven)s::boolean[]) AS asked(mac, proven)
), held AS MATERIALIZED (
    SELECT d.id, d.mac, d.group_id, d.location_id, asked.proven
    FROM asked JOIN devices_device d ON d.mac = asked.mac
    ORDER BY d.mac FOR NO KEY UPDATE OF d
), found AS MATERIALIZED (
    SELECT held.id, held.mac, g.name AS customer, l.id AS location_id, l.url, l.mutual_auth,
           l.id IS NOT NULL AND (held.proven OR NOT l.mutual_auth) AS redirected
    FROM held
    JOIN accounts_group g ON g.id = held.group_id
    LEFT JOIN locations_location l ON l.id = held.location_id
), counted AS (
    UPDATE devices_device d
    SET num_requests = d.num_requests + 1, last_access = %(now)s,
        last_access_status = CASE WHEN found.redirected THEN %(success)s ELSE %(fail)s END
    FROM found WHERE d.id = found.id
), idle AS MATERIALIZED (
    SELECT id FROM locations_location
    WHERE id IN (SELECT location_id FROM found WHERE redirected)
      AND (last_access IS NULL OR last_access < %(now)s)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), handed_out AS (
    UPDATE locations_location l SET last_access = %(now)s FROM idle WHERE l.id = idle.id
)
SELECT mac, customer, url, mutual_auth FROM found
"""


def record(visit: Visit) -> Answer:
    """The answer to a phone, after its visit is committed. Raises django.db.Error if that cannot be done."""
    now = timezone.now().replace(microsecond=0)
    if connection.vendor == "postgresql":
        found = _record_on_postgresql([visit], now)
    else:
        found = _record_by_steps([visit], now)
    return decide(visit, found.get(visit.mac))


def _record_on_postgresql(visits: Sequence[Visit], now: datetime) -> dict[str, Found]:
    parameters: dict[str, Any] = {
        "macs": [visit.mac for visit in visits],
        "proven": [visit.proves_mac for visit in visits],
        "now": now,
        "success": AccessStatus.SUCCESS,
        "fail": AccessStatus.FAIL,
    }
    with connection.cursor() as cursor:
        cursor.execute(ON_POSTGRESQL, parameters)
        return {mac: Found(customer, url, bool(mutual)) for mac, customer, url, mutual in cursor.fetchall()}


def _record_by_steps(visits: Sequence[Visit], now: datetime) -> dict[str, Found]:
    """For SQLite, whose UPDATE cannot return columns of a joined table; one transaction, one writer."""
    found = {}
    with transaction.atomic():
        for visit in visits:
            device = Device.objects.filter(mac=visit.mac)
            columns = ("group__name", "location__url", "location__mutual_auth", "location")
            row = device.values_list(*columns).first()
            if row is None:
                continue
            customer, url, mutual_auth, location = row
            found[visit.mac] = Found(customer, url, bool(mutual_auth))
            redirected = decide(visit, found[visit.mac]).outcome is Outcome.REDIRECTED
            device.update(
                num_requests=F("num_requests") + 1,
                last_access=now,
                last_access_status=AccessStatus.SUCCESS if redirected else AccessStatus.FAIL,
            )
            if redirected:
                Location.objects.filter(pk=location).update(last_access=now)
    return found
