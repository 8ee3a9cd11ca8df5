"""What must hold, and what is aimed at: the figures of a run beside their bounds."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plot import Figures, rounds_of
from bench.servers import FASTAPI_ORM, FASTAPI_STATEMENT, NGINX_FIXED, PLAIN, SERVICE, Server
from bench.shapes import TITLES
from bench.storm import ASKED, CONNECTIONS


@dataclass(frozen=True)
class Row:
    """A line of the table of what must hold; `values` are compared with the bounds, one with each."""

    what: str
    must: str
    aim: str
    measured: str
    holds: bool
    reached: bool

    def __str__(self) -> str:
        verdict = "aim reached" if self.reached else "holds" if self.holds else "**missed**"
        return f"| {self.what} | {self.must} | {self.aim} | {self.measured} | {verdict} |"


def ratios(figures: Figures, other: Server, connections: int) -> list[float]:
    """The service's redirects a second against another server's, round by round."""
    own = rounds_of(figures, SERVICE, connections, "a_second")
    return [a / b for a, b in zip(own, rounds_of(figures, other, connections, "a_second"), strict=True)]


def costs(figures: Figures, server: Server, connections: int) -> list[float]:
    """Processor time for a redirect, in microseconds, round by round."""
    parts = [rounds_of(figures, server, connections, name) for name in ("server_time", "database_time")]
    return [sum(pair) for pair in zip(*parts, strict=True)]


def _times(number: float) -> str:
    return f"{number:.0f} x" if number >= 10 else f"{number:.1f} x"


def _percent(number: float) -> str:
    return f"{number * 100:.1f} %"


def _pair(lists: Sequence[list[float]], shown: Callable[[float], str]) -> str:
    """The median and range of each number of connections."""
    return " / ".join(f"{shown(statistics.median(v))} ({shown(min(v))} to {shown(max(v))})" for v in lists)


def _row(
    what: str,
    bounds: tuple[tuple[float, ...], tuple[float, ...]],
    lists: Sequence[list[float]],
    shown: Callable[[float], str],
    *,
    less: bool = False,
) -> Row:
    """A line whose medians must be at least, or `less` than, the bounds."""
    medians = [statistics.median(values) for values in lists]

    def within(limits: tuple[float, ...]) -> bool:
        full = limits * len(medians) if len(limits) == 1 else limits
        return all(m <= b if less else m >= b for m, b in zip(medians, full, strict=True))

    must, aim = (" / ".join(shown(bound) for bound in limits) for limits in bounds)
    return Row(what, must, aim, _pair(lists, shown), within(bounds[0]), within(bounds[1]))


def rows(figures: Figures) -> list[Row]:
    """What must hold."""

    def against(other: Server) -> list[list[float]]:
        return [ratios(figures, other, connections) for connections in CONNECTIONS]

    cost = [
        [a / b for a, b in zip(costs(figures, SERVICE, c), costs(figures, PLAIN, c), strict=True)]
        for c in CONNECTIONS
    ]
    slow = rounds_of(figures, SERVICE, 64, "p99")
    usual = rounds_of(figures, PLAIN, 64, "p50")
    table = [
        _row("redirects/s against the plain Django view", ((12, 25), (25, 50)), against(PLAIN), _times),
        _row("redirects/s against nginx's fixed 302", ((0.06,), (0.12,)), against(NGINX_FIXED), _percent),
        _row("redirects/s against FastAPI + SQLAlchemy", ((10,), (20,)), against(FASTAPI_ORM), _times),
        _row(
            "redirects/s against FastAPI + one statement on asyncpg",
            ((2,), (4,)),
            against(FASTAPI_STATEMENT),
            _times,
        ),
        _row(
            "processor time for a redirect against the plain view", ((0.08,), (0.04,)), cost, _percent, less=True
        ),
        _row(
            "p99 at 64 connections against the plain view's p50",
            ((1 / 3,), (1 / 6,)),
            [[a / b for a, b in zip(slow, usual, strict=True)]],
            lambda number: f"{number:.2f}",
            less=True,
        ),
        *shapes(figures),
        _counts(figures),
        *beside(figures),
    ]
    if "bulk" not in figures:
        return table
    for title, bounds in (("rare term", (100, 30)), ("no hit", (50, 10)), ("common word", (800, 300))):
        found = [one for one in figures["lists"] if one["kind"] == "search" and one["title"] == title]
        table.append(
            _ms_row(f"search, first page with its exact total, {title}: operator / reseller", bounds, found)
        )
    for title in ("create", "associate"):
        found = [one for one in figures["bulk"] if one["title"] == title]
        table.append(_ms_row(f"bulk {title} of 5,000, all indexes present", (1000, 500), found))
    return table


def shapes(figures: Figures) -> list[Row]:
    """Redirects a second of files against those of bare MACs with the same headers, if they were measured."""
    asked = figures.get("shapes", [])
    own = {shape: [one["a_second"] for one in asked if one["shape"] == shape] for shape in ("file", "common")}
    bare = [one["a_second"] for one in asked if one["shape"] == ASKED[0]]
    return [
        _row(
            f"redirects/s, {TITLES[shape]} against bare MAC",
            ((0.9,), (1.0,)),
            [[a / b for a, b in zip(found, bare, strict=True)]],
            lambda number: f"{number:.2f}",
        )
        for shape, found in own.items()
        if found
    ]


def beside(figures: Figures) -> list[Row]:
    """What must hold of two ways to the same end, as far as it was measured."""
    table = []
    for part, what, way, usual, must, less in (
        ("keys", "processor time of a call with an API key against a token", "key", "token", 1.2, True),
        ("webhooks", "redirects/s with 1,000 webhooks against none", "subscribed", "unsubscribed", 0.98, False),
        ("webhooks", "p99 of phones beside the delivery of events against alone", "beside", "alone", 1.1, True),
        (
            "management",
            "p99 of phones beside a refresh of 1,000 devices against alone",
            "beside",
            "alone",
            1.1,
            True,
        ),
        ("imports", "time of an import by the API against the page", "api", "page", 1.1, True),
        ("imports", "processor time of it", "api processor", "page processor", 1.1, True),
    ):
        if part in figures:
            pairs = zip(figures[part][way], figures[part][usual], strict=True)
            found = [a / b for a, b in pairs]
            table.append(_row(what, ((must,), (1.0,)), [found], lambda n: f"{n:.2f} x", less=less))
    if "management" in figures:
        seconds = figures["management"]["seconds"]
        what = "seconds of a refresh of 1,000 devices that answer after 50 ms"
        table.append(_row(what, ((60,), (30,)), [seconds], lambda n: f"{n:.0f} s", less=True))
    return table


def _counts(figures: Figures) -> Row:
    new = figures.get("new", {"keep": [], "close": []})
    loads = [*figures["rounds"], *figures.get("hot", []), *new["keep"], *new["close"]]
    loads += figures.get("shapes", [])
    loads += [figures["soak"]["load"]] if "soak" in figures else []
    own = [one for one in loads if one["server"] in ("service", "behind_nginx")]
    answers = sum(one["answers"] for one in own)
    off = sum(abs(one["lost"]) for one in own), sum(abs(one["lost_rows"]) for one in own)
    said = f"{answers:,} answers in {len(own)} runs; off by {off[0]} in `numRequests`, by {off[1]} rows of the log"
    return Row(
        "counts: `numRequests` and access log = answers given", "exact", "exact", said, not any(off), not any(off)
    )


def _ms_row(what: str, bounds: tuple[float, float], found: list[Any]) -> Row:
    return _row(
        what, ((bounds[0],), (bounds[1],)), [one["times"] for one in found], lambda n: f"{n:.0f} ms", less=True
    )
