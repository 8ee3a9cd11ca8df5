"""The door, batcher and reply of a build of the service in this process: no socket, no kernel, no database.

A program of its own, which runs in a build's folder and environment and imports nothing else of the bench. It
reads a JSON list of requests in each line of its input: of text, with the phone's MAC at ``%s``. It answers each
line by a JSON object: microseconds of processor time for a request, and how many were answered by which status.
"""

import asyncio
import contextlib
import gc
import itertools
import json
import os
import random
import sys
import time
from importlib import import_module
from typing import Any

CONNECTIONS = 16  # those of a worker that wait for a statement, at 64 connections and two workers
TURNS = 4  # each has a request of every connection; few, so that neighbours in time are near each other
CONNECTION_CLASSES = (("boot.connection", "ReconnectingConnection"), ("devices.link", "Link"))

PHONES = 50_000
KNOWN = {
    "customer": "Provider 0001 Networks",
    "url": "https://pbx77.example.net/{CUSTOMER NAME}/{MAC ADDRESS}.cfg",
    "mutual_auth": False,
    "answer": "redirect",
    "counted": True,
}
"""What the database tells of every phone, by the names of the statement's columns."""


class Transport:
    """A socket that sends nothing: it counts what would have been sent, by status."""

    def __init__(self, door: "Door") -> None:
        self.door = door

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 40000), "sockname": ("192.0.2.1", 80)}.get(name, default)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self.door.count(data[9:12])

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        sys.exit("The service has closed a connection.")

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Door:
    """Connections to the application, as the build's own worker makes them."""

    def __init__(self) -> None:
        from uvicorn import Config
        from uvicorn.server import ServerState

        from redirect.asgi import application
        from redirect.worker import PhoneWorker

        state = ServerState()
        state.default_headers = [(b"date", b"Fri, 27 Nov 2026 12:00:00 GMT")]
        options = {name: value for name, value in PhoneWorker.CONFIG_KWARGS.items() if name != "timeout_notify"}
        config = Config(application, **options, access_log=False, log_config=None, lifespan="off")
        config.load()
        protocol_class: Any = config.http_protocol_class
        self.protocols: list[Any] = [protocol_class(config, state, {}) for _ in range(CONNECTIONS)]
        for protocol in self.protocols:
            protocol.connection_made(Transport(self))
        self.due = 0
        self.answered: asyncio.Future[None]
        self.statuses: dict[str, int] = {}

    def count(self, status: bytes) -> None:
        name = status.decode("ascii")
        self.statuses[name] = self.statuses.get(name, 0) + 1
        self.due -= 1
        if self.due == 0:
            self.answered.set_result(None)

    async def ask(self, requests: list[bytes]) -> dict[str, Any]:
        """Ask one request on each connection, wait for all, and so on to the end of the list."""
        loop = asyncio.get_running_loop()
        self.statuses = {}
        gc.collect()
        began = time.process_time()
        for place in range(0, len(requests), CONNECTIONS):
            self.due, self.answered = CONNECTIONS, loop.create_future()
            for number, protocol in enumerate(self.protocols, place):
                protocol.data_received(requests[number])
            await self.answered
        spent = time.process_time() - began
        return {"us": spent / len(requests) * 1e6, "statuses": self.statuses}


def replace_database() -> None:
    """Let every statement find all phones at once. Ends the program where the build has no such connection."""
    import_module("redirect.asgi")
    for where, name in CONNECTION_CLASSES:
        if where in sys.modules:
            getattr(sys.modules[where], name).execute = execute
            break
    else:
        sys.exit("This build reaches its database in a way that is not known here.")
    for where in ("boot.app", "boot.protocol"):  # what is no phone's waits behind phones: a time, and no work
        with contextlib.suppress(ImportError):
            vars(import_module(where))["SECONDS_BEHIND_PHONES"] = 0


async def execute(_: Any, statement: str, values: dict[str, Any], seconds: float) -> list[tuple[Any, ...]]:
    """In the place of a connection's method: a row for each MAC, with the columns that the statement selects."""
    await asyncio.sleep(0)
    if "%(user_agents)s" not in statement:  # counts what was deferred: nothing is
        return [(0, 0)]
    columns = statement.rpartition("\nSELECT ")[2].partition("\nFROM")[0].partition(" FROM")[0].split(", ")
    told = [KNOWN.get(column) for column in columns[1:]]
    return [(mac, *told) for mac in json.loads(f"[{values['macs'][1:-1]}]")]


def requests_of(texts: list[str], macs: "itertools.cycle[str]") -> list[bytes]:
    """The requests of one measurement, the texts in turn, each of the next phone."""
    number = CONNECTIONS * TURNS
    return [
        text.replace("%s", mac).encode("ascii")
        for text, mac in zip(itertools.islice(itertools.cycle(texts), number), macs, strict=False)
    ]


async def serve() -> None:
    """Measure what each line wants, until the input ends."""
    replace_database()
    door = Door()
    gc.freeze()  # or each collection goes through all of Django
    macs = itertools.cycle(f"{random.getrandbits(40):012X}" for _ in range(PHONES))
    for line in sys.stdin:
        print(json.dumps(await door.ask(requests_of(json.loads(line), macs))), flush=True)


def main() -> None:
    """Run in the folder of a build."""
    sys.path.insert(0, os.getcwd())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redirect.settings")
    import django
    import uvloop

    django.setup()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
