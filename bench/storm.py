"""The boot storm: wrk asks as phones do; speed, latency, processor time, memory, and whether all is counted."""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.data import Counts, Data
from bench.servers import (
    ALL,
    BEHIND_NGINX,
    FASTAPI_STATEMENT,
    NGINX_FIXED,
    PLAIN,
    SERVICE,
    Running,
    Server,
    running,
)
from bench.shapes import SHAPES
from rig.processes import Busy, processor_seconds

SCRIPT = Path(__file__).with_name("storm.lua")
CONNECTIONS = (64, 256)
WARM_UP_SECONDS = 2
SECONDS_UNTIL_COUNTED = 5
NOTHING = Counts(0, 0)
ASKED = ("alike", "file", "common", "mixed")
"""Shapes that are measured beside each other, the first of them bare MACs with the headers of the others."""


@dataclass(frozen=True)
class Measured:
    """One load on one server: times in ms, processor time in microseconds for each answer."""

    server: str
    connections: int
    answers: int
    a_second: float
    p50: float
    p95: float
    p99: float
    slowest: float
    server_time: float
    database_time: float
    refused: int
    broken: int
    lost: int  # answers that the counters do not know of; below 0: counted, but not answered
    lost_rows: int  # the same for the access log
    foreign: float  # how many of the processors others used meanwhile
    shape: str = "bare"  # what was asked: see shapes.py


class Storm:
    """Loads on one database, one after the other."""

    def __init__(self, data: Data, seconds: float, progress: "tqdm[Any]") -> None:
        self.data = data
        self.seconds = seconds
        self.progress = progress
        self.postmaster = data.postmaster()

    def load(
        self,
        on: Running,
        connections: int,
        *,
        macs: Path | None = None,
        close: bool = False,
        seconds: float = 0,
        shape: str = "bare",
    ) -> Measured:
        """Ask for so long, and compare the counts."""
        seconds = seconds or self.seconds
        before, busy = self._settled(), Busy.now()
        used = on.processor_seconds(), processor_seconds(self.postmaster)
        own = time.process_time()
        told, generator_time = wrk(
            on.port, connections, seconds, on.server.drain, macs or self.data.macs, close=close, shape=shape
        )
        spent = on.processor_seconds() - used[0], processor_seconds(self.postmaster) - used[1]
        now = Busy.now()
        foreign = now.seconds - busy.seconds - sum(spent) - generator_time - (time.process_time() - own)
        answers = int(told["answers"]) - int(told["refused"])
        paid_for = max(answers or int(told["answers"]), 1)  # all are refused where none is a phone's
        counted = self._settled(answers if on.server.counts else 0, before) - before
        return Measured(
            server=on.server.name,
            connections=connections,
            answers=answers,
            # Each connection had one request open when the time was up.
            a_second=max(told["answers"] - connections, 0) / seconds,
            p50=told["p50"],
            p95=told["p95"],
            p99=told["p99"],
            slowest=told["slowest"],
            server_time=spent[0] / paid_for * 1e6,
            database_time=spent[1] / paid_for * 1e6 if on.server.counts else 0,
            refused=int(told["refused"]),
            broken=int(told["broken"]),
            lost=answers - counted.requests if on.server.counts else 0,
            lost_rows=answers - counted.log_rows if on.server.logs else 0,
            foreign=max(foreign, 0) / (now.at - busy.at),
            shape=shape,
        )

    def warm_up(self, on: Running, macs: Path | None = None, shape: str = "bare") -> None:
        """Connections, caches, prepared statements."""
        wrk(on.port, CONNECTIONS[0], WARM_UP_SECONDS, 1, macs or self.data.macs, shape=shape)

    def rounds(self, number: int) -> list[Measured]:
        """Every server in turn, with both numbers of connections, so many times."""
        results = []
        for _ in range(number):
            for server in ALL:
                with running(server, self.data.url) as on:
                    self.warm_up(on)
                    for connections in CONNECTIONS:
                        results.append(self.load(on, connections))
                        self.tell("storm", results[-1])
        return results

    def shapes(self, number: int) -> list[Measured]:
        """The service, asked for bare MACs and for files in turn, so many times."""
        results = []
        with running(SERVICE, self.data.url) as on:
            self.warm_up(on, shape="mixed")
            for turn in range(number):
                for shape in ASKED[:: -1 if turn % 2 else 1]:
                    results.append(self.tell(shape, self.load(on, CONNECTIONS[0], shape=shape)))
        return results

    def hot_location(self, number: int) -> list[Measured]:
        """All phones of one location."""
        results = []
        for _ in range(number):
            for server in (SERVICE, PLAIN, FASTAPI_STATEMENT):
                with running(server, self.data.url) as on:
                    self.warm_up(on, self.data.hot_macs)
                    results.append(self.load(on, CONNECTIONS[0], macs=self.data.hot_macs))
                    self.tell("hot location", results[-1])
        return results

    def new_connections(self, number: int) -> dict[str, list[Measured]]:
        """The service behind nginx, and nginx alone: connections that stay, and a new one for each request."""
        results: dict[str, list[Measured]] = {"keep": [], "close": []}
        for _ in range(number):
            for server in (BEHIND_NGINX, NGINX_FIXED):
                with running(server, self.data.url) as on:
                    self.warm_up(on)
                    for kind in results:
                        results[kind].append(self.load(on, CONNECTIONS[0], close=kind == "close"))
                        self.tell(f"behind nginx, {kind}", results[kind][-1])
        return results

    def soak(self, seconds: float) -> tuple[Measured, list[tuple[float, list[float]]]]:
        """A new connection for each request, straight to the service, for long; and its memory meanwhile."""
        samples: list[tuple[float, list[float]]] = []
        over = threading.Event()
        with running(SERVICE, self.data.url) as on:
            began = time.monotonic()

            def watch() -> None:
                while not over.wait(max(seconds / 60, 1)):
                    samples.append((time.monotonic() - began, on.memory_of_workers()))

            self.warm_up(on)
            samples.append((0, on.memory_of_workers()))
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                result = self.load(on, CONNECTIONS[0], close=True, seconds=seconds)
            finally:
                over.set()
                watcher.join()
        self.tell("soak", result)
        return result, samples

    def _settled(self, answers: int = 0, since: Counts = NOTHING) -> Counts:
        """The counts once they hold so many answers and rest, or after a few seconds."""
        deadline = time.monotonic() + SECONDS_UNTIL_COUNTED
        last, counts = None, self.data.counts()
        while (counts != last or (counts - since).requests < answers) and time.monotonic() < deadline:
            time.sleep(0.3)
            last, counts = counts, self.data.counts()
        return counts

    def tell(self, what: str, m: Measured) -> Measured:
        """Show a measurement, and give it back."""
        fault = f"  LOST {m.lost}/{m.lost_rows}" if m.lost or m.lost_rows else ""
        fault += f"  REFUSED {m.refused} BROKEN {m.broken}" if m.refused or m.broken else ""
        self.progress.write(
            f"{what:20} {m.server:18} c{m.connections:<4} {m.a_second:9,.0f}/s  p50 {m.p50:7.1f}"
            f"  p99 {m.p99:7.1f} ms"
            f"  {m.server_time:6,.0f} + {m.database_time:4,.0f} us  others {m.foreign:.2f} cores{fault}",
            file=sys.stderr,
        )
        self.progress.update()
        return m


def wrk(
    port: int,
    connections: int,
    seconds: float,
    drain: float,
    macs: Path,
    *,
    close: bool = False,
    shape: str = "bare",
) -> tuple[dict[str, float], float]:
    """Let wrk ask for `seconds`, and wait `drain` more for the last answers; what it tells, and its own time."""
    program = shutil.which("wrk")
    assert program
    command = [program, "-t1", f"-c{connections}", f"-d{int(seconds + drain + 0.999)}s", "--timeout=30s"]
    command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", str(macs), str(seconds)]
    command += ["close" if close else "keep", *chain.from_iterable(SHAPES[shape])]
    before = _time_of_children()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"wrk failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told, _time_of_children() - before


def _time_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(results: Sequence[Measured], server: Server, connections: int, attribute: str) -> float:
    """The median of an attribute over the rounds."""
    return statistics.median(values(results, server, connections, attribute))


def values(results: Sequence[Measured], server: Server, connections: int, attribute: str) -> list[float]:
    """An attribute, round by round."""
    return [asdict(m)[attribute] for m in results if m.server == server.name and m.connections == connections]
