"""The support desk's pages at the size of a large service: how long each takes, over HTTP, as a browser asks.

    make bench-desk        a million devices, ten million rows of the access log, spreadsheets of 50,000 rows

It prints a table. Runs inside tools/with_postgres, as `make bench` does.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from tqdm import tqdm

from bench.__main__ import INSIDE, start_server
from bench.browser import Browser
from bench.data import Data
from bench.imports import PREFIXES, by_page, file_of
from bench.servers import FILES, SERVICE, running, service_environment
from rig import service
from rig.service import manage

# Thirty days of requests by known phones and, one in fifty, by unknown ones; one in ten is refused.
LOG = """
INSERT INTO devices_access (time, mac, device_id, group_id, outcome, address, user_agent, location_url, counted)
SELECT now() - (random() * 30) * interval '1 day', coalesce(d.mac, upper(left(md5('unknown ' || n), 12))), d.id,
       d.group_id, CASE WHEN d.id IS NULL THEN 'Unknown' WHEN n %% 10 = 0 THEN 'NoLocation' ELSE 'Redirected' END,
       '192.0.2.' || n %% 250, 'AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1', NULL, true
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
LEFT JOIN devices_device d ON n %% 50 <> 0 AND d.id = 1 + (n * 7919) %% %(devices)s
"""


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(prog="make bench-desk ARGS=…", description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--log", type=int, default=10_000_000, help="rows of the access log (10,000,000)")
    parser.add_argument("--rows", type=int, default=50_000, help="of the spreadsheets (50,000)")
    parser.add_argument("--tries", type=int, default=5)
    options = parser.parse_args()
    if INSIDE not in os.environ:
        start_server("bench.desk")
    data = Data(os.environ["DATABASE_URL"], options.devices)
    data.prepare(service_environment(data.url))
    fill_log(data, options.log)
    variables = service_environment(data.url)
    with running(SERVICE, data.url) as on, service.jobs(variables, FILES / "jobs.log"):
        browser = Browser(on.port)
        print(f"| page | median of {options.tries}, ms | slowest, ms |\n|---|---|---|")
        for title, path in pages(data):
            times = [timed(partial(browser.get, path)) for _ in range(options.tries + 1)][1:]
            print(f"| {title} | {statistics.median(times):,.0f} | {max(times):,.0f} |", flush=True)
        print("\n| spreadsheet | preview, s | import, s | slowest request, s | steps of the bar |")
        print("|---|---|---|---|---|")
        for kind in PREFIXES:
            file = file_of(kind, options.rows, data.groups)
            took = by_page(browser, kind, file, options.rows)
            print(
                f"| {options.rows:,} rows of {kind} | {took.check:.1f} | {took.write:.1f} | {took.slowest:.1f}"
                f" | {took.steps} |",
                flush=True,
            )


def fill_log(data: Data, rows: int) -> None:
    """Partitions for the days before today, and their rows."""
    with data.connect() as connection, tqdm(total=rows, desc="Loading the log", unit="", file=sys.stderr) as bar:
        for ago in range(30, -1, -1):
            connection.execute(
                f"""
                DO $$ DECLARE day date := current_date - {ago}; BEGIN
                EXECUTE format('CREATE TABLE IF NOT EXISTS devices_access_%s PARTITION OF devices_access FOR VALUES
                FROM (%L) TO (%L)', to_char(day, 'YYYYMMDD'), day || ' 00:00Z', (day + 1) || ' 00:00Z'); END $$
                """
            )
        step = 250_000
        for first in range(1, rows + 1, step):
            last = min(first + step - 1, rows)
            connection.execute(LOG, {"first": first, "last": last, "devices": data.devices})
            bar.update(last - first + 1)
        connection.execute("VACUUM (ANALYZE)")
    manage(service_environment(data.url), "housekeeping")


def pages(data: Data) -> list[tuple[str, str]]:
    """What staff look at."""
    mac = data.one("SELECT mac FROM devices_device WHERE id = 4711")
    return [
        ("dashboard", "/admin/"),
        ("find a MAC, and the page of its device", f"/admin/find/?q={mac}"),
        ("find a group by a part of its name", "/admin/find/?q=Provider+00"),
        ("find a rare word", "/admin/find/?q=defibrillator"),
        ("devices, first page", "/admin/devices/device/"),
        ("devices of one group", "/admin/devices/device/?group__id__exact=500"),
        ("requests of phones, last day", "/admin/devices/access/"),
        ("requests of one MAC", f"/admin/devices/access/?q={mac}"),
        ("groups", "/admin/accounts/group/"),
        ("locations", "/admin/locations/location/"),
        ("audit log", "/admin/audit/entry/"),
    ]


def timed(call: Callable[[], object]) -> float:
    """How long it took, in ms."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
