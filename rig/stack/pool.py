"""The connections of an API process, all of which die while it is idle."""

import contextlib
import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rig.processes import PROC, tree
from rig.stack.apps import API, POOL, App
from rig.stack.database import wait_until
from rig.stack.site import Stack


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
        if (held := pooled(app)) >= POOL:
            break
    else:
        raise RuntimeError(f"the pool has {held} connections, not {POOL}")
    way = app.host.programs[app.way]
    way.stop()
    way.start()
    wait_until(f"{app.way} listens again", lambda: listens(app), 10)
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


def pooled(app: App) -> int:
    """How many connections on the way to the database the API's process of a host holds."""
    port, own = f":{app.way_port:04X}", set()
    for process in tree(app.host.programs["api"].process.pid):
        for file in Path(PROC, str(process), "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                own.add(os.readlink(file))
    return sum(
        found.state == "01" and found.remote.endswith(port) and f"socket:[{found.inode}]" in own
        for found in sockets(app)
    )


def listens(app: App) -> bool:
    """Whether what leads to the database listens on a host."""
    return any(found.state == "0A" and found.local.endswith(f":{app.way_port:04X}") for found in sockets(app))


class Socket(NamedTuple):
    """A TCP socket as /proc/net/tcp has it: addresses and state in hexadecimal."""

    local: str
    remote: str
    state: str
    inode: str


def sockets(app: App) -> list[Socket]:
    """The TCP sockets of a host."""
    process = Path(PROC, str(app.host.programs["phones"].process.pid))
    lines = (process / "net/tcp").read_text().splitlines()[1:]
    return [Socket(fields[1], fields[2], fields[3], fields[9]) for fields in map(str.split, lines)]
