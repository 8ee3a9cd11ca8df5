"""The connections of an API process, all of which die while it is idle."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rig.processes import PROC
from rig.stack.apps import API, POOL, App
from rig.stack.database import wait_until
from rig.stack.hosts import Host
from rig.stack.site import Stack

PGBOUNCER = 6432


def first_call(stack: Stack, app: App) -> dict[str, float]:
    """Kill all connections of a host's API process, and time its next call, by the names of figures.

    Raises RuntimeError if there were fewer than POOL of them.
    """
    api = stack.integrator(10)
    headers = {"Authorization": f"Bearer {api.token}", "Host": stack.front.address, "X-Forwarded-Proto": "https"}
    api.close()
    for _ in range(20):
        with ThreadPoolExecutor(POOL) as threads:
            list(threads.map(lambda _: call(app, headers, "/devices?limit=1000"), range(POOL)))
        if (held := pooled(app.host)) >= POOL:
            break
    else:
        raise RuntimeError(f"the pool has {held} connections, not {POOL}")
    bouncer = app.host.programs["pgbouncer"]
    bouncer.stop()
    bouncer.start()
    wait_until("PgBouncer listens again", lambda: listens(app.host, PGBOUNCER), 10)
    status, seconds = call(app, headers, "/devices?limit=1")
    return {"first_call": seconds, "writes_refused": int(status != 200)}


def call(app: App, headers: dict[str, str], path: str) -> tuple[int, float]:
    """Status and seconds of a GET of the API process of a host, not by nginx."""
    connection = http.client.HTTPConnection(app.host.address, API, timeout=10)
    began = time.monotonic()
    try:
        connection.request("GET", f"/api/v1{path}", headers=headers)
        answer = connection.getresponse()
        json.loads(answer.read())
        return answer.status, time.monotonic() - began
    finally:
        connection.close()


def pooled(host: Host) -> int:
    """How many connections to PgBouncer clients hold on a host."""
    return sum(state == "01" and remote.endswith(f":{PGBOUNCER:04X}") for _, remote, state in sockets(host))


def listens(host: Host, port: int) -> bool:
    """Whether a program of the host listens on a port."""
    return any(state == "0A" and local.endswith(f":{port:04X}") for local, _, state in sockets(host))


def sockets(host: Host) -> list[tuple[str, str, str]]:
    """Local address, remote address and state of each TCP socket of a host, as /proc/net/tcp has them."""
    process = Path(PROC, str(host.programs["haproxy"].process.pid))
    lines = (process / "net/tcp").read_text().splitlines()[1:]
    return [(fields[1], fields[2], fields[3]) for fields in map(str.split, lines)]
