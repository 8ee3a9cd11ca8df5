"""Upkeep that was forgotten: weeks of the access log in its default partition."""

import asyncio
import os
import time
from typing import Any

from rig.clients import Phones
from rig.service import manage
from tests.faults.site import Site, milliseconds, shown

DAYS = 20
ROWS = int(os.environ.get("ABSENCE_ROWS") or 2_000_000)  # 20,000,000 take an hour

FILL = """
INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent, path, kind, counted)
SELECT date_trunc('day', now()) - make_interval(days => %(days)s)
       + make_interval(secs => n * 86400.0 * %(days)s / %(rows)s),
       d.mac, d.id, d.group_id, 'Redirected', '192.0.2.7', 'absence', '/' || d.mac, 'bare', true
FROM generate_series(0, %(rows)s - 1) n
JOIN (SELECT *, row_number() OVER (ORDER BY mac) - 1 AS place FROM devices_device LIMIT 1000) d
     ON d.place = n %% 1000
"""


async def absence(site: Site) -> None:
    """Housekeeping after weeks of absence: the rows of 20 days are moved out of the default partition."""
    rows = 200_000 if site.quick else ROWS
    began = time.monotonic()
    with site.database.connect() as connection:
        connection.autocommit = True
        drop_days(connection)
        connection.execute(FILL, {"days": DAYS, "rows": rows})
        connection.execute("VACUUM ANALYZE devices_access")
    site.say(f"{rows} rows of {DAYS} days written in {time.monotonic() - began:.0f} s")
    with site.service() as service:
        load = Phones(service.port, site.macs, rate=100).start()
        await asyncio.sleep(5)
        began = time.monotonic()
        said = await asyncio.to_thread(manage, site.variables, "housekeeping")
        took = time.monotonic() - began
        times = sorted(entry.took for entry in load.between(began, began + took))
        await asyncio.sleep(1)
        await load.stop()
    for line in said.splitlines():
        if "rows moved" in line:
            site.say(line)
    site.say(
        f"housekeeping took {took:.0f} s; phones in that time:"
        f" {milliseconds(times[len(times) * 999 // 1000])} at p99.9, {milliseconds(times[-1])} at most"
    )
    site.say(f"phones: {shown(load.statuses())}; this program itself was late by {milliseconds(load.lag)} at most")
    site.check(set(load.statuses()) == {302}, "each phone is redirected")
    site.check(times[-1] < 0.5, "each phone is answered within 0.5 s in that time")
    left = "SELECT count(*) FROM devices_access_default WHERE user_agent = 'absence'"
    kept = "SELECT count(*) FROM devices_access WHERE user_agent = 'absence'"
    site.check(site.database.rows(left) == [(0,)], "no row of those days is left in the default partition")
    site.check(site.database.rows(kept) == [(rows,)], f"all {rows} rows are there")
    tables = site.database.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'devices_access'::regclass")
    site.check(tables >= [(DAYS + 1,)], "each day has its partition")
    with site.database.connect() as connection:
        connection.execute(
            "DELETE FROM devices_access WHERE user_agent = 'absence'"
        )  # counters know nothing of them


def drop_days(connection: Any) -> None:
    """As nothing was ever made ahead; what they hold goes to the default partition."""
    days = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'devices_access'::regclass"
        " AND inhrelid <> 'devices_access_default'::regclass"
    ).fetchall()
    for (day,) in days:
        with connection.transaction():
            connection.execute(f"ALTER TABLE devices_access DETACH PARTITION {day}")
            connection.execute(f"INSERT INTO devices_access SELECT * FROM {day}")  # noqa: S608 - a table's name
            connection.execute(f"DROP TABLE {day}")
