"""Two builds of the service beside each other, this one and that of a commit; and the shapes of phones' requests.

Both run at once, each on a database of its own with the same phones, and are asked in turn, so that what else the
machine does meets both alike. Read the ratios.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from tqdm import tqdm

from bench import micro, timing
from bench.api import BULK
from bench.data import LOGIN_OPERATOR, LOGIN_RESELLER, PASSWORD, Data, random_macs
from bench.servers import SERVICE, Running, Server, running, service_environment
from bench.shapes import TITLES
from bench.storm import ASKED, CONNECTIONS, Measured, Storm, wrk
from rig import ROOT
from rig.clients import Integrator

FIGURES = ROOT / "var/bench/against.json"
FLOOD = 32  # connections that ask for files of no phone
PHONES = 4  # connections of phones beside them

Values = dict[str, list[float]]
"""Name of a figure -> its value in each round."""


def measure(options: Any) -> None:
    """Measure both builds, and print the ratios; every figure of every round is kept in var/bench/against.json."""
    folder = checkout(options.against)
    before = Server("before", f"commit {options.against}", drain=8, logs=True, folder=folder)
    with tqdm(
        total=options.rounds * 13 + 1 + 2 * options.tries, desc="Measuring", unit="", file=sys.stderr
    ) as progress:
        data = (
            Data(_database("bench_now"), options.devices),
            Data(_database("bench_before"), options.devices, folder),
        )
        for one in data:
            one.prepare(service_environment(one.url))
        storms = [Storm(one, options.seconds, progress) for one in data]
        with running(SERVICE, data[0].url) as now, running(before, data[1].url) as then:
            values = _storms(storms, (now, then), options.rounds)
            for one in data:
                one.vacuum()
            values |= _calls(data[0], (now, then), options.tries, progress)
            for name, one, on in zip(("now", "before"), data, (now, then), strict=True):
                values |= timing.measure(one, on, name, options.tries)
        in_one_process = micro.measure({"now": ROOT, "before": before.folder}, options.rounds, progress)
    figures = {"options": vars(options), "values": values, "micro": in_one_process}
    FIGURES.write_text(json.dumps(figures, indent=1))
    print(f"{table(values)}\n\n{micro.table(in_one_process)}")


def checkout(commit: str) -> Path:
    """The folder of a commit with an environment of its own, made once; ends the program if there is none."""
    try:
        name = _git("rev-parse", "--short=12", "--verify", f"{commit}^{{commit}}")
        folder = ROOT / "var/bench/builds" / name
        if not (folder / "manage.py").exists():
            folder.mkdir(parents=True, exist_ok=True)
            packed = subprocess.run(["git", "archive", name], cwd=ROOT, capture_output=True, check=True).stdout
            subprocess.run(["tar", "-x"], cwd=folder, input=packed, check=True)
        subprocess.run(["make", "env"], cwd=folder, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        sys.exit(f"The commit {commit} cannot be built: {error}")
    return folder


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _database(name: str) -> str:
    """The address of a database of the bench's own on the server, made if it is not there."""
    url = os.environ["DATABASE_URL"]
    with (
        psycopg.connect(url, autocommit=True) as connection,
        contextlib.suppress(psycopg.errors.DuplicateDatabase),
    ):
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _storms(storms: Sequence[Storm], builds: Sequence[Running], rounds: int) -> Values:
    """Both builds in turn, so many times: bare MACs, then the other shapes, then phones beside a flood."""
    values: Values = {}
    for storm, on in zip(storms, builds, strict=True):
        storm.warm_up(on)
    for number in range(rounds):
        pairs = list(zip(("now", "before"), storms, builds, strict=True))
        for name, storm, on in pairs[:: -1 if number % 2 else 1]:
            for connections in CONNECTIONS:
                _note(values, f"{name} bare {connections}", storm.tell("bare", storm.load(on, connections)))
            one = storm.load(on, CONNECTIONS[0], shape="nobody")
            _note(values, f"{name} nobody", storm.tell("nobody", one))
        _, storm, on = pairs[0]
        for shape in ASKED[:: -1 if number % 2 else 1]:
            _note(values, f"now {shape}", storm.tell(shape, storm.load(on, CONNECTIONS[0], shape=shape)))
        alone = storm.load(on, PHONES)
        with _flood(on, storm):
            beside = storm.load(on, PHONES)
        _note(values, "now alone", storm.tell("alone", alone))
        _note(values, "now beside", storm.tell("beside a flood", beside))
    return values


def _note(values: Values, name: str, one: Measured) -> None:
    figures = {
        "a second": one.a_second,
        "p95": one.p95,
        "service us": one.server_time,
        "database us": one.database_time,
        "off": abs(one.lost) + abs(one.lost_rows),
        "others": one.foreign,
    }
    for figure, value in figures.items():
        values.setdefault(f"{name}: {figure}", []).append(value)


@contextlib.contextmanager
def _flood(on: Running, storm: Storm) -> Iterator[None]:
    """Connections that ask for files of no phone, a little longer than a measurement."""
    flood = threading.Thread(
        target=wrk, args=(on.port, FLOOD, storm.seconds + 3, 1, storm.data.macs), kwargs={"shape": "nobody"}
    )
    flood.start()
    time.sleep(1)
    try:
        yield
    finally:
        flood.join()


def _calls(data: Data, builds: Sequence[Running], tries: int, progress: "tqdm[Any]") -> Values:
    """Lists and bulk calls of both builds in turn, in ms; the first try of each does not count."""
    values: Values = {}
    names = ("now", "before")
    operators = [Integrator(on.port, LOGIN_OPERATOR, PASSWORD) for on in builds]
    resellers = [Integrator(on.port, LOGIN_RESELLER, PASSWORD) for on in builds]
    deep = max((data.devices + data.hot) // 50 - 10, 1)
    lists: tuple[tuple[str, list[Integrator], dict[str, Any]], ...] = (
        ("first page", operators, {}),
        ("deep page of a reseller", resellers, {"page": deep}),
        ("page of 1,000", operators, {"limit": 1000}),
    )
    for attempt in range(tries + 1):
        for title, clients, query in lists:
            for name, client in zip(names, clients, strict=True):
                status, answer = client.call("GET", "/devices", **query)
                assert status == 200, (title, status, answer)
                if attempt:
                    values.setdefault(f"{name} {title}: ms", []).append(client.took * 1000)
        macs = random_macs(BULK)
        for title, path, body in (
            ("bulk create", "devices", {"macList": macs, "group": 12, "overrideCurrentAssociation": False}),
            (
                "bulk associate",
                "locations/12/devices/associate",
                {"macList": macs, "overrideCurrentAssociation": False},
            ),
            ("bulk remove", "devices/remove", {"macList": macs}),
        ):
            for name, client in zip(names, operators, strict=True):
                status, answer = client.call("POST", f"/{path}", body)
                assert status < 300, (title, status, str(answer)[:300])
                if attempt:
                    values.setdefault(f"{name} {title}: ms", []).append(client.took * 1000)
        progress.update()
    return values


def table(values: Values) -> str:
    """The ratios as a table: the median of the rounds' ratios, and their range."""
    lines = ["| what | now / before: median (range) |", "|---|---|"]

    def row(what: str, top: str, bottom: str) -> None:
        ratios = [a / b for a, b in zip(values[top], values[bottom], strict=True) if b]
        if ratios:
            lines.append(f"| {what} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")

    for connections in CONNECTIONS:
        both = [f"{build} bare {connections}" for build in ("now", "before")]
        row(
            f"redirects/s of bare MACs, {connections} connections, now / before", *(f"{b}: a second" for b in both)
        )
        for what in ("service", "database"):
            row(f"processor time of the {what}, {connections} connections", *(f"{b}: {what} us" for b in both))
    row("requests of no phone a second", "now nobody: a second", "before nobody: a second")
    for shape in ASKED[1:]:
        row(f"{TITLES[shape]} / {TITLES[ASKED[0]]}", f"now {shape}: a second", f"now {ASKED[0]}: a second")
    row("a phone's p95 beside a flood of requests of no phone / alone", "now beside: p95", "now alone: p95")
    for name in [name for name in values if name.startswith("now ") and name.endswith(": ms")]:
        row(name.removeprefix("now ").removesuffix(": ms") + ", time", name, "before" + name[3:])
    for kind in timing.KINDS:
        for build in ("now", "before"):
            both = [f"{build} {kind}, {side}: median" for side in timing.SIDES]
            row(f"a foreign MAC / one that is nobody's, time of {kind}, {build}", *both)
    off = sum(sum(found) for name, found in values.items() if name.endswith(": off"))
    others = [value for name, found in values.items() if name.endswith(": others") for value in found]
    lines += ["", f"Counts are off by {off:.0f}. Other programs used {statistics.median(others):.2f} cores"]
    lines[-1] += f" (at most {max(others):.2f})."
    return "\n".join(lines)
