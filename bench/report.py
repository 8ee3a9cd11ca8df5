"""bench/RESULTS.md and its plot, from the figures of a run."""

import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from bench import micro, plot
from bench.bounds import rows
from bench.data import LOGIN_OPERATOR
from bench.plot import Figures, rounds_of
from bench.servers import ALL
from bench.shapes import TITLES
from bench.storm import ASKED, CONNECTIONS

mpl.use("Agg")

HERE = Path(__file__).resolve().parent
KINDS = {
    "list": "Pages",
    "filter": "First page, filtered",
    "search": "First page, searched (`search ~`)",
    "sort": "First page, sorted",
}


def write(figures: Figures) -> None:
    """Write the report and its plot."""
    plot.draw(figures, HERE / "RESULTS.png")
    parts = [_head(figures), _must_hold(figures), _storm(figures), _shapes(figures), _hot_and_new(figures)]
    parts += [_soak(figures), _micro(figures)]
    parts += [_lists(figures), _bulk(figures), _beside(figures), _method(figures)]
    (HERE / "RESULTS.md").write_text("\n\n".join(part for part in parts if part) + "\n")


def _text(*parts: str, bullet: str = "") -> str:
    """A paragraph."""
    return textwrap.fill(" ".join(parts), 115, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def _head(figures: Figures) -> str:
    facts, data, options = figures["machine"], figures["data"], figures["options"]
    paragraph = _text(
        f"Measured on {figures['began'][:10]} with {facts['cores']} cores ({facts['processor']}) and",
        f"{facts['memory_gib']} GiB, {facts['system']}. The load generator, the servers and the database share",
        "these cores, so read the ratios; the absolute figures belong to this machine.",
        f"{data['devices']:,} phones of {data['groups']:,} groups at {data['locations'] - 1:,} locations, and",
        f"{data['hot']:,} more phones at one location of their own.",
        f"Figures are medians with the range in brackets: of {options['rounds']} interleaved rounds of",
        f"{options['seconds']:g} s for redirects, of {options['tries']} tries for the API.",
    )
    return f"# Results of `make bench`\n\n{paragraph}"


def _must_hold(figures: Figures) -> str:
    lines = ["## Ratios, and what must hold", "", "Pairs are 64 / 256 connections.", ""]
    lines += ["| what | must | aim | measured | |", "|---|---|---|---|---|", *map(str, rows(figures))]
    return "\n".join([*lines, "", "![Redirects a second, and processor time for each](RESULTS.png)"])


def _range(values: Sequence[float], digits: int = 0) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _storm(figures: Figures) -> str:
    lines = [
        "## The boot storm",
        "",
        _text(
            "Every request asks for a random phone. All but nginx find the device, count the request, set",
            "the times of device and location, and commit before they answer. This service also writes its access",
            "log; the others have none. Processor time is that of the server + PostgreSQL for one redirect.",
        ),
        "",
        "| server | connections | redirects/s | p50 ms | p99 ms | processor time, us | counts off by |",
        "|---|---|---|---|---|---|---|",
    ]
    for server in ALL:
        for c in CONNECTIONS:
            names = ("a_second", "p50", "p99", "server_time", "database_time", "lost", "lost_rows")
            got = {name: rounds_of(figures, server, c, name) for name in names}
            off = sum(map(abs, got["lost"] + got["lost_rows"]))
            lines.append(
                f"| {server.title} | {c} | {_range(got['a_second'])}"
                f" | {_range(got['p50'], 1)} | {_range(got['p99'], 1)}"
                f" | {statistics.median(got['server_time']):,.0f} + {statistics.median(got['database_time']):,.0f}"
                f" | {f'{off:.0f}' if server.counts else 'does not count'} |"
            )
    refused = sum(one["refused"] + one["broken"] for one in figures["rounds"])
    foreign = [one["foreign"] for one in figures["rounds"]]
    lines += [
        "",
        f"Requests refused or broken: {refused}. Other programs of the machine used",
        f"{statistics.median(foreign):.2f} cores meanwhile (at most {max(foreign):.2f}).",
    ]
    return "\n".join(lines)


def _shapes(figures: Figures) -> str:
    if "shapes" not in figures:
        return ""
    lines = [
        "## Files that phones ask for",
        "",
        _text(
            "A phone asks for its MAC, for a file with its MAC in the name, or for a file of its whole model,",
            "where the User-Agent tells the MAC. Some files of the three makers are no phone's, such as firmware:",
            "they get 404, and wait while phones do. All requests have the headers of these makers' phones;",
            f"{CONNECTIONS[0]} connections, one kind of request after the other in each round.",
        ),
        "",
        "| request | answers/s | of bare MACs | p50 ms | p99 ms | processor time, us | counts off by |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [[one for one in figures["shapes"] if one["shape"] == shape] for shape in ASKED]
    for shape, own in zip(ASKED, rows, strict=True):
        ratios = [one["a_second"] / bare["a_second"] for one, bare in zip(own, rows[0], strict=True)]
        off = sum(abs(one["lost"]) + abs(one["lost_rows"]) for one in own)
        lines.append(
            f"| {TITLES[shape]} | {_range([one['a_second'] for one in own])} | {_range(ratios, 2)}"
            f" | {_range([one['p50'] for one in own], 1)} | {_range([one['p99'] for one in own], 1)}"
            f" | {_range([one['server_time'] + one['database_time'] for one in own])} | {off} |"
        )
    return "\n".join(lines)


def _micro(figures: Figures) -> str:
    if "micro" not in figures:
        return ""
    paragraph = _text(
        "Door, batcher and reply in one process, on a transport that sends nothing and a database that finds all",
        'phones at once: processor time of a request. `make bench ARGS="--only micro"` measures it alone.',
    )
    return f"## In one process\n\n{paragraph}\n\n{micro.table(figures['micro'])}"


def _hot_and_new(figures: Figures) -> str:
    if "new" not in figures:
        return ""
    lines = [
        "## One location with all the phones; a new connection for each request",
        "",
        "64 connections.",
        "",
        "| load | server | redirects/s | p50 ms | p99 ms | processor time, us |",
        "|---|---|---|---|---|---|",
    ]
    titles = {server.name: server.title for server in ALL} | {"behind_nginx": "this service behind nginx"}
    for load, results in (
        (f"{figures['data']['hot']:,} phones of one location", figures["hot"]),
        ("connections that stay", figures["new"]["keep"]),
        ("a new connection for each request", figures["new"]["close"]),
    ):
        for name in dict.fromkeys(one["server"] for one in results):
            own = [one for one in results if one["server"] == name]
            cost = [one["server_time"] + one["database_time"] for one in own]
            lines.append(
                f"| {load} | {titles[name]} | {_range([one['a_second'] for one in own])}"
                f" | {_range([one['p50'] for one in own], 1)} | {_range([one['p99'] for one in own], 1)}"
                f" | {_range(cost)} |"
            )
    return "\n".join(lines)


def _soak(figures: Figures) -> str:
    if "soak" not in figures:
        return ""
    soak, memory = figures["soak"]["load"], figures["soak"]["memory"]
    lines = [
        "## Soak: memory of each worker",
        "",
        _text(
            f"{figures['options']['soak'] / 60:.3g} minutes at 64 connections, a new one for each request, and no",
            f"nginx: {soak['answers']:,} redirects, {soak['a_second']:,.0f}/s, p99 {soak['p99']:.0f} ms, slowest",
            f"{soak['slowest']:.0f} ms; refused or broken: {soak['refused'] + soak['broken']}; counts off by",
            f"{abs(soak['lost']) + abs(soak['lost_rows'])}.",
        ),
        "",
        "| after | MiB (PSS) of each worker |",
        "|---|---|",
    ]
    wanted = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0]
    end = memory[-1][0]
    for share in wanted:
        at, sizes = min(memory, key=lambda sample: abs(sample[0] - share * end))
        lines.append(f"| {at:,.0f} s | {', '.join(f'{size:.1f}' for size in sizes)} |")
    return "\n".join(lines)


def _lists(figures: Figures) -> str:
    if "lists" not in figures:
        return ""
    exact = all(one["expected"] in (None, one["total"]) for one in figures["lists"])
    lines = [
        "## Lists",
        "",
        _text(
            "`GET /devices` over HTTP with a token, in ms. The operator sees all, the reseller half.",
            f"Totals are {'' if exact else '**not** '}exactly what the database counts.",
        ),
    ]
    for kind, title in KINDS.items():
        lines += ["", f"| {title} | operator: rows | ms | reseller: rows | ms |", "|---|---|---|---|---|"]
        mine = [one for one in figures["lists"] if one["kind"] == kind]
        for name in dict.fromkeys(one["title"] for one in mine):
            cells = [name]
            for one in sorted((x for x in mine if x["title"] == name), key=lambda x: x["who"] != LOGIN_OPERATOR):
                wrong = "" if one["expected"] in (None, one["total"]) else f" (**not {one['expected']:,}**)"
                cells += [f"{one['total']:,}{wrong}", _range(one["times"])]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _bulk(figures: Figures) -> str:
    if "bulk" not in figures:
        return ""
    lines = [
        "## Bulk calls of 5,000 MACs",
        "",
        "Over HTTP with a token, with all indexes.",
        "",
        "| call | devices | ms |",
        "|---|---|---|",
    ]
    lines += [f"| {one['title']} | {one['total']:,} | {_range(one['times'])} |" for one in figures["bulk"]]
    return "\n".join(lines)


def _beside(figures: Figures) -> str:
    if "keys" not in figures or "imports" not in figures:
        return ""
    lines = [
        "## API keys, and imports by the API",
        "",
        _text(
            "In turn on one database. A call is `GET /devices/{mac}`, the cheapest; its processor time is that of",
            f"the service and PostgreSQL. An import is a csv file of {figures['options']['rows']:,} new devices,",
            "from the upload until all are written.",
        ),
        "",
        "| | |",
        "|---|---|",
    ]
    for title, values, unit, digits in (
        ("a call with a token", figures["keys"]["token"], "us", 0),
        ("a call with an API key", figures["keys"]["key"], "us", 0),
        ("an import by the page", figures["imports"]["page"], "s", 1),
        ("an import by the API", figures["imports"]["api"], "s", 1),
        ("processor time of that by the page", figures["imports"]["page processor"], "s", 1),
        ("processor time of that by the API", figures["imports"]["api processor"], "s", 1),
    ):
        lines.append(f"| {title} | {_range(values, digits)} {unit} |")
    return "\n".join(lines)


def _method(figures: Figures) -> str:
    facts, loading = figures["machine"], figures["data"]["loading_seconds"] / 60
    bullets = (
        (
            "Repeat it with `make bench`; it needs wrk, nginx and PostgreSQL's server programs. A short trial:",
            '`make bench ARGS="--rounds 1 --seconds 3 --devices 100000 --soak 0"`.',
            f"This run took {figures['minutes']:.0f} minutes, {loading:.1f} of them to load the tables.",
        ),
        (
            "This service runs in its production form, `gunicorn -c deploy/gunicorn.conf.py`, with two workers.",
            "The others have two workers, too; their code is in `bench/peers/`. Each server runs only while it is",
            "measured, and starts with two seconds of load that do not count. The database runs all the time and",
            "keeps its safety on.",
        ),
        (
            "wrk has one thread. When the time is up it sends nothing more and waits for the answers still due;",
            "then the sum of the counters and the rows of the log must have grown by exactly the answers that wrk",
            "has got. Redirects/s are those answered within the time.",
        ),
        (
            "Processor time is that of a server's processes and of PostgreSQL's, from /proc, divided by the",
            "answers; it is the steadiest figure on a busy machine. The generator's is not in it.",
        ),
        (", ".join(f"{name} {number}" for name, number in facts["versions"].items()) + ".",),
        ("PostgreSQL:", ", ".join(f"{name} {value}" for name, value in facts["postgresql"].items()) + "."),
    )
    return "## How it was measured\n\n" + "\n".join(_text(*bullet, bullet="* ") for bullet in bullets)
