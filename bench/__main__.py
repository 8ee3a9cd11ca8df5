"""make bench: measure the service against what one would write instead, and write bench/RESULTS.md.

It runs inside tools/with_postgres: on a temporary durable server, or on the empty database of TEST_DATABASE_URL on
this machine. Figures of a run are kept in var/bench/results.json; `--report` writes the report again from these.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from bench import against, api, bounds, imports, keys, machine, management, micro, report, webhooks
from bench.data import Data
from bench.servers import ALL, service_environment
from bench.storm import ASKED, CONNECTIONS, Storm
from rig import ROOT, postgresql
from rig.nginx import program

FIGURES = ROOT / "var/bench/results.json"
PROGRAMS = {"wrk": "wrk", "nginx": "nginx"}
INSIDE = "BENCH_HAS_ITS_SERVER"
BESIDE: dict[str, Callable[[Data, argparse.Namespace, "tqdm[Any]"], dict[str, list[float]]]] = {
    "keys": lambda data, options, progress: keys.measure(data, options.rounds, progress),
    "webhooks": lambda data, options, progress: webhooks.measure(
        data, options.rounds, options.seconds, options.events, progress
    ),
    "management": lambda data, options, progress: management.measure(data, options.rounds, progress),
    "imports": lambda data, options, progress: imports.measure(data, options.rounds, options.rows, progress),
}
"""Two ways to the same end, in turn: the name of each way, and what it cost round by round."""
SHAPES = "shapes"
"""Files that phones ask for, against bare MACs."""
MICRO = "micro"
"""What a request costs in Python alone, which needs no server; with `--against`, beside another build."""


def main() -> None:
    """Parse the arguments, and run inside a database server."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured (5)")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (8)")
    parser.add_argument("--devices", type=int, default=1_000_000, help="phones in the database (1,000,000)")
    parser.add_argument("--soak", type=float, default=600, help="seconds of the soak (600; 0 leaves it out)")
    parser.add_argument("--tries", type=int, default=7, help="of each list and bulk call (7)")
    parser.add_argument("--rows", type=int, default=50_000, help="of the file that is imported (50,000)")
    parser.add_argument("--events", type=int, default=10_000, help="of webhooks, delivered beside phones (10,000)")
    parser.add_argument(
        "--only", nargs="+", choices=[*BESIDE, SHAPES, MICRO], help="measure these alone, and print their bounds"
    )
    parser.add_argument("--report", action="store_true", help="write the report again, without measuring")
    parser.add_argument("--against", metavar="COMMIT", help="measure a commit beside this one instead")
    options = parser.parse_args()
    if options.report:
        report.write(json.loads(FIGURES.read_text()))
        return
    if options.devices < 20_000:
        parser.error("--devices must be at least 20,000")
    if options.only == [MICRO]:
        print(measure_micro(options))
        return
    look_for_programs()
    if INSIDE not in os.environ:
        start_server("bench")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and so its servers are
    if options.against:
        against.measure(options)
    elif options.only:
        measure_only(options)
    else:
        measure(options)


def look_for_programs() -> None:
    """Stop with one sentence if something that the bench needs is not installed."""
    folders = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=folders)]
    if missing:
        sys.exit(
            f"The bench needs {' and '.join(missing)} (Debian and Ubuntu: apt-get install {' '.join(missing)})."
        )


def start_server(module: str) -> None:
    """Begin this module again, inside a database server that writes as safely as one in production."""
    memory = machine.memory_mib()
    settings = {
        "shared_buffers": f"{min(memory // 4, 4096)}MB",
        "effective_cache_size": f"{memory // 2}MB",
        **postgresql.settings_in(ROOT / "deploy/postgresql/redirect.conf"),
    }
    command = [sys.executable, str(ROOT / "tools/with_postgres"), "--durable"]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    os.environ[INSIDE] = json.dumps(settings)
    os.execv(sys.executable, [*command, sys.executable, "-m", module, *sys.argv[1:]])  # noqa: S606 - ourselves


def measure(options: argparse.Namespace) -> None:
    """All of it; some 35 minutes with the defaults, and the soak. The report is written after each part."""
    began = time.monotonic()
    figures: dict[str, Any] = {"began": datetime.now(UTC).isoformat(timespec="minutes"), "options": vars(options)}

    def done(part: str, result: Any) -> None:
        figures[part] = result
        figures["minutes"] = (time.monotonic() - began) / 60
        FIGURES.write_text(json.dumps(figures, indent=1))
        if "rounds" in figures:
            report.write(figures)

    data = Data(os.environ["DATABASE_URL"], options.devices)
    loading = data.prepare(service_environment(data.url))
    done("machine", machine_facts(data))
    sizes = {name: getattr(data, name) for name in ("devices", "hot", "groups", "locations")}
    done("data", {**sizes, "loading_seconds": loading})

    few = max(options.rounds // 2, 1)
    steps = options.rounds * len(ALL) * len(CONNECTIONS) + few * (3 + 4) + 2 * len(list(api.queries(data))) + 5
    steps += len(BESIDE) * 2 * (options.rounds + 1) + (options.rounds + 1) + few * len(ASKED)
    with tqdm(total=steps + bool(options.soak), desc="Measuring", unit="", file=sys.stderr) as progress:
        storm = Storm(data, options.seconds, progress)
        done("rounds", [asdict(one) for one in storm.rounds(options.rounds)])
        data.vacuum()
        done("lists", [asdict(one) for one in api.lists(data, options.tries, progress)])
        done("bulk", [asdict(one) for one in api.bulk(data, options.tries, progress)])
        done(SHAPES, [asdict(one) for one in storm.shapes(few)])
        done(MICRO, micro.measure({"now": ROOT}, options.rounds, progress))
        for part, measure_part in BESIDE.items():
            done(part, measure_part(data, options, progress))
        done("hot", [asdict(one) for one in storm.hot_location(few)])
        new = storm.new_connections(few)
        done("new", {kind: [asdict(one) for one in some] for kind, some in new.items()})
        if options.soak:
            soak, memory = storm.soak(options.soak)
            done("soak", {"load": asdict(soak), "memory": memory})


def measure_only(options: argparse.Namespace) -> None:
    """Parts of it, without the rest and without a report."""
    data = Data(os.environ["DATABASE_URL"], options.devices)
    data.prepare(service_environment(data.url))
    parts = [part for part in options.only if part in BESIDE]
    total = len(parts) * 2 * (options.rounds + 1) + (SHAPES in options.only) * options.rounds * len(ASKED)
    with tqdm(total=total, desc="Measuring", unit="", file=sys.stderr) as progress:
        figures: dict[str, Any] = {part: BESIDE[part](data, options, progress) for part in parts}
        if SHAPES in options.only:
            storm = Storm(data, options.seconds, progress)
            figures[SHAPES] = [asdict(one) for one in storm.shapes(options.rounds)]
    print("\n".join(map(str, [*bounds.shapes(figures), *bounds.beside(figures)])))
    if MICRO in options.only:
        print(measure_micro(options))


def measure_micro(options: argparse.Namespace) -> str:
    """What a request costs in Python alone, of this build or of two."""
    builds = {"now": ROOT}
    if options.against:
        builds["before"] = against.checkout(options.against)
    with tqdm(total=options.rounds + 1, desc="Measuring", unit="", file=sys.stderr) as progress:
        return micro.table(micro.measure(builds, options.rounds, progress))


def machine_facts(data: Data) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": machine.cores(),
        "memory_gib": round(machine.memory_mib() / 1024),
        "processor": machine.processor(),
        "system": machine.system(),
        "versions": {
            "Python": sys.version.split()[0],
            "PostgreSQL": str(data.one("SHOW server_version")).split()[0],
            "nginx": machine.version(program() or "nginx", "-v"),
            "wrk": machine.version("wrk", "-v"),
            **machine.packages(
                "Django", "gunicorn", "uvicorn", "uvloop", "psycopg", "FastAPI", "SQLAlchemy", "asyncpg"
            ),
        },
        "postgresql": {
            **json.loads(os.environ[INSIDE]),
            **{name: data.one(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")},
        },
    }


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
