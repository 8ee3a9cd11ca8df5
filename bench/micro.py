"""What a request costs in Python alone: door, batcher and reply in one process, without kernel and database.

The steadiest measure there is on a busy machine. It says nothing of what the kernel, psycopg and PostgreSQL cost,
which is as much for every shape of request.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.shapes import SHAPES, TITLES, Asked
from rig import ROOT
from rig.service import environment, python_of

PROGRAM = Path(__file__).with_name("micro_door.py")
ADDRESS = "postgresql://nobody@127.0.0.1:1/none"  # never connected to
REPEATS = 60  # in a round
BARE = "alike"  # what the others are compared with: the same headers

Values = dict[str, list[float]]
"""Round by round: `{build} {shape}: us`, processor time for a request; `{shape}: of bare`, the share of a file's
time that a bare MAC takes; `{shape}: of before`, the time of the first build as a share of the second one's."""


class Door:
    """The program that measures a build."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, asked: Asked) -> dict[str, Any]:
        """One measurement of so many requests, the ones after the others."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([_text(*one) for one in asked]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The measurement in one process ended with status {self.process.wait()}.")
        told: dict[str, Any] = json.loads(line)
        return told


def _text(path: str, user_agent: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: redirect.example.net\r\nUser-Agent: {user_agent}\r\n\r\n"


@contextlib.contextmanager
def door(folder: Path = ROOT) -> Iterator[Door]:
    """The program for the build in a folder, in that build's own environment, while the block runs."""
    with tempfile.TemporaryDirectory() as numbers:
        process = subprocess.Popen(
            [python_of(folder), "-P", str(PROGRAM)],
            cwd=folder,
            env={**os.environ, **environment(ADDRESS), "PROMETHEUS_MULTIPROC_DIR": numbers, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Door(process)
        finally:
            process.communicate()


def measure(builds: Mapping[str, Path], rounds: int, progress: "tqdm[Any]") -> Values:
    """All shapes in turn, of one build or of two beside each other; the first round warms up.

    Of the second build those shapes alone that it answers as the first one does.
    """
    values: Values = {}
    with contextlib.ExitStack() as stack:
        doors = {name: stack.enter_context(door(folder)) for name, folder in builds.items()}
        first, *others = doors
        alike = {shape: _answered_alike(shape, list(doors.values())) for shape in SHAPES}
        for number in range(rounds + 1):
            costs: Values = {}
            for repeat in range(REPEATS):
                for shape in list(SHAPES)[:: -1 if repeat % 2 else 1]:
                    for name in (first, *others) if alike[shape] else (first,):
                        costs.setdefault(f"{name} {shape}", []).append(doors[name].ask(SHAPES[shape])["us"])
            progress.update()
            if number:
                for name, value in _figures(costs, first, others).items():
                    values.setdefault(name, []).append(value)
    return values


def _figures(costs: Values, first: str, others: Sequence[str]) -> dict[str, float]:
    """Those of a round: the least of what each cost, and the medians of ratios between neighbours in time."""
    figures = {f"{name}: us": min(found) for name, found in costs.items()}
    for shape in SHAPES:
        own = costs[f"{first} {shape}"]
        figures[f"{shape}: of bare"] = _ratio(costs[f"{first} {BARE}"], own)
        for other in others:
            if (before := costs.get(f"{other} {shape}")) is not None:
                figures[f"{shape}: of before"] = _ratio(own, before)
    return figures


def _ratio(top: Sequence[float], bottom: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(top, bottom, strict=True))


def table(values: Values) -> str:
    """The figures as a table, with the range of the rounds' in brackets."""
    builds = ("now", "before") if any(name.startswith("before ") for name in values) else ("now",)
    heads = ["request", "us of Python", "time of a bare MAC / of this", "time now / before"][: 3 + len(builds[1:])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for shape, title in TITLES.items():
        cells = [title, _range(values[f"now {shape}: us"], 1), _range(values[f"{shape}: of bare"], 2)]
        if builds[1:]:
            found = values.get(f"{shape}: of before")
            cells.append(_range(found, 2) if found else "answered otherwise")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _answered_alike(shape: str, doors: Sequence[Door]) -> bool:
    """Whether all builds answer a shape by the same statuses; ends the program if the first one fails phones."""
    statuses = [one.ask(SHAPES[shape])["statuses"] for one in doors]
    if not set(statuses[0]) <= {"302", "404"} or (shape == "bare" and set(statuses[0]) != {"302"}):
        sys.exit(f"In one process the {TITLES[shape]} is answered by {statuses[0]}")
    return all(found == statuses[0] for found in statuses)
