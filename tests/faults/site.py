"""A cluster with a tenant and its phones, what a fault test does to it, and the promises that it keeps.

Everything runs on 127.0.0.1 in a folder of its own, and is stopped and removed at the end.
"""

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig import counts, tenant
from rig.clients import NO_ANSWER, TOO_LATE, Integrator, Phones
from rig.postgresql import Cluster, signals_ignored, temporary_cluster
from rig.service import Service, environment, manage
from rig.tenant import LOGIN, PASSWORD, mac

UNKNOWN_MAC = 0x00FFFF000000
BULK_MAC = 0x0A0000000000
BULK = 5_000
SETTINGS = ("max_connections=120", "shared_buffers=256MB", "wal_keep_size=1GB")


def milliseconds(seconds: float) -> str:
    """Seconds, for a person."""
    return f"{seconds * 1000:.0f} ms"


def shown(statuses: Counter[int]) -> str:
    """How many ended how, in words."""
    words = {NO_ANSWER: "no answer", TOO_LATE: "too late"}
    return ", ".join(f"{words.get(status, status)}: {count}" for status, count in sorted(statuses.items()))


class BulkCalls(threading.Thread):
    """Creates, associates and removes 5,000 devices at a time; a batch is told by its MACs and its description."""

    def __init__(self, port: int, group: int, location: int, first: int) -> None:
        super().__init__(daemon=True)
        self.api = Integrator(port, LOGIN, PASSWORD, patience=30)
        self.group, self.location, self.next = group, location, first
        self.stopping = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.longest = 0.0
        # What each batch may hold: (rows, description) by its number; more than one where an answer is missing.
        self.allowed: dict[int, set[tuple[int, str | None]]] = {}

    def run(self) -> None:
        while not self.stopping.is_set():
            number = self.next
            self.next += 1
            macs = [mac(BULK_MAC + number * BULK + n) for n in range(BULK)]
            made, moved, gone = (BULK, f"made-{number}"), (BULK, f"moved-{number}"), (0, None)
            body: dict[str, Any] = {"macList": macs, "overrideCurrentAssociation": True}
            self.allowed[number] = {gone}
            self._step(number, made, "/devices", {**body, "group": self.group, "description": made[1]})
            associate = f"/locations/{self.location}/devices/associate"
            self._step(number, moved, associate, {**body, "description": moved[1]})
            if number % 2:
                self._step(number, gone, "/devices/remove", {"macList": macs})

    def _step(self, number: int, result: tuple[int, str | None], path: str, body: dict[str, Any]) -> None:
        began = time.monotonic()
        status, _ = self.api.call("POST", path, body)
        self.longest = max(self.longest, time.monotonic() - began)
        self.statuses[status] += 1
        if status in (200, 201):
            self.allowed[number] = {result}
        elif status != 400:  # it may have been committed all the same
            self.allowed[number] |= {result}
            time.sleep(0.1)

    def stop(self) -> None:
        """Finish the call that is under way."""
        self.stopping.set()
        self.join()

    def partial(self, database: Cluster) -> list[str]:
        """What is neither whole nor absent, or not as it was answered."""
        rows = database.rows(
            "SELECT (('x' || mac)::bit(48)::bigint - %s) / %s, count(*), min(description), max(description)"
            " FROM devices_device WHERE mac >= %s GROUP BY 1",
            BULK_MAC,
            BULK,
            mac(BULK_MAC),
        )
        held = {number: (count, low, high) for number, count, low, high in rows}
        wrong = []
        for number, allowed in self.allowed.items():
            count, low, high = held.get(number, (0, None, None))
            if low != high or (count, low) not in allowed:
                wrong.append(f"batch {number}: {count} rows, {low} to {high}; may be {sorted(map(str, allowed))}")
        return wrong


class Calls(threading.Thread):
    """An integrator who lists and looks up, one call after another."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.api = Integrator(port, LOGIN, PASSWORD, patience=30)
        self.asked: list[tuple[float, float, int]] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        paths = ("/devices?limit=5", "/groups", "/locations?limit=5", "/devices/00908F000007")
        number = 0
        while not self.stopping.wait(0.05):
            began = time.monotonic()
            status, _ = self.api.call("GET", paths[number % len(paths)])
            self.asked.append((began, time.monotonic() - began, status))
            number += 1

    def stop(self) -> None:
        self.stopping.set()
        self.join()

    def statuses(self) -> Counter[int]:
        return Counter(status for _, _, status in self.asked)

    def slowest(self) -> float:
        return max(took for _, took, _ in self.asked)


@dataclass
class Site:
    """What a fault test has to work with, and the promises that were broken."""

    home: Path
    database: Cluster
    variables: dict[str, str]
    log: Path
    quick: bool
    broken: list[str] = field(default_factory=list)
    group: int = 0
    location: int = 0
    bulk_numbers: int = 0
    _replica: Cluster | None = None

    @functools.cached_property
    def macs(self) -> list[str]:
        """All phones that are known and redirected."""
        return tenant.macs()

    def say(self, text: str) -> None:
        """A figure."""
        print(f"    {text}", flush=True)

    def check(self, holds: bool, promise: str) -> None:
        """Whether a promise is kept."""
        print(f"    {'kept  ' if holds else 'BROKEN'} {promise}", flush=True)
        if not holds:
            self.broken.append(promise)

    def log_tail(self) -> str:
        """The last words of the service."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(line[:300] for line in lines[-20:])

    def replica(self) -> Cluster:
        """The replica, made when it is first asked for."""
        if self._replica is None:
            self._replica = self.database.replica()
        return self._replica

    @contextlib.contextmanager
    def service(self, **more: str) -> Iterator[Service]:
        """The service while the block runs."""
        running = Service({**self.variables, **more}, self.log)
        try:
            running.start()
            yield running
        finally:
            running.stop()

    @contextlib.contextmanager
    def bulk_calls(self, service: Service) -> Iterator[BulkCalls]:
        """Bulk calls without a pause while the block runs."""
        calls = BulkCalls(service.port, self.group, self.location, self.bulk_numbers)
        calls.start()
        try:
            yield calls
        finally:
            calls.stop()
            self.bulk_numbers = calls.next

    def check_counts(self, *loads: Phones) -> None:
        """Every phone that was answered is in the log, once, and the counters tell the same as the log."""
        found = counts.count(self.database.rows, *loads)
        if found.waited > 0.5:
            self.say(f"all counts are there {found.waited:.1f} s after the last answer")
        self.say(f"{found.asked} asked, {found.answered} redirected, {found.logged} of them and others logged")
        self.check(not found.missing, f"every answered phone is counted ({found.missing} are not)")
        self.check(not found.twice, f"none is counted twice ({found.twice} are)")
        agree = (
            f"counters ({found.counters}) and access log ({found.rows}, {found.uncounted} not counted yet) agree"
        )
        self.check(found.counters == found.rows, agree)


@contextlib.contextmanager
def site(*, quick: bool) -> Iterator[Site]:
    """A cluster with tables, a tenant and its phones."""
    with temporary_cluster(SETTINGS) as database:
        database.home.chmod(0o755)
        variables = environment(database.url, SPOOL=str(database.home / "spool"))
        manage(variables, "migrate", "--verbosity", "0")
        manage(variables, "shell", "--verbosity", "0", "-c", tenant.SEED)
        with database.connect() as connection:
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")
        made = Site(database.home, database, variables, database.home / "service.log", quick)
        ((made.group,),) = database.rows("SELECT id FROM accounts_group WHERE name = 'Provider'")
        ((made.location,),) = database.rows("SELECT min(id) FROM locations_location")
        try:
            yield made
        finally:
            if made._replica is not None:
                with signals_ignored():
                    made._replica.stop()
