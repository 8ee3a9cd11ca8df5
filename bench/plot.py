"""The plot of the report."""

import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.servers import FASTAPI_ORM, FASTAPI_STATEMENT, NGINX_FIXED, PLAIN, SERVICE, Server
from bench.shapes import TITLES
from bench.storm import ASKED

mpl.use("Agg")
from matplotlib import pyplot as plt

Figures = dict[str, Any]


def rounds_of(figures: Figures, server: Server, connections: int, attribute: str) -> list[float]:
    """An attribute round by round."""
    return [
        float(one[attribute])
        for one in figures["rounds"]
        if one["server"] == server.name and one["connections"] == connections
    ]


def draw(figures: Figures, path: Path) -> None:
    """Redirects a second on the left, what each costs beside it, and files on the right if they were measured."""
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 9})
    panels = 3 if "shapes" in figures else 2
    figure, (left, right, *last) = plt.subplots(1, panels, figsize=(5.5 * panels, 3.6), layout="constrained")
    order = [NGINX_FIXED, SERVICE, FASTAPI_STATEMENT, FASTAPI_ORM, PLAIN][::-1]
    names = [server.title.replace(" (", "\n(").replace(" + one", "\n+ one") for server in order]
    height, shades = 0.38, {64: "#9db8d9", 256: "#2f5d94"}
    for shift, c in ((height / 2, 64), (-height / 2, 256)):
        middles = [statistics.median(rounds_of(figures, server, c, "a_second")) for server in order]
        spread = [rounds_of(figures, server, c, "a_second") for server in order]
        errors = [
            [m - min(v) for m, v in zip(middles, spread, strict=True)],
            [max(v) - m for m, v in zip(middles, spread, strict=True)],
        ]
        places = [place + shift for place in range(len(order))]
        left.barh(
            places,
            middles,
            height,
            xerr=errors,
            color=shades[c],
            label=f"{c} connections",
            ecolor="#444",
            capsize=2,
        )
        for place, value, values in zip(places, middles, spread, strict=True):
            left.annotate(
                f"{value:,.0f}",
                (max(values), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    left.set_xscale("log")
    left.set_yticks(range(len(order)), names)
    left.set_xlim(10, left.get_xlim()[1] * 3)
    left.set_title("Redirects a second (log scale)", loc="left")
    left.legend(loc="lower right", frameon=False, fontsize=8)

    python = [statistics.median(rounds_of(figures, server, 64, "server_time")) for server in order]
    database = [statistics.median(rounds_of(figures, server, 64, "database_time")) for server in order]
    right.barh(range(len(order)), python, 0.6, color="#2f5d94", label="server")
    right.barh(range(len(order)), database, 0.6, left=python, color="#d9a441", label="PostgreSQL")
    for place, (a, b) in enumerate(zip(python, database, strict=True)):
        right.annotate(
            f"{a + b:,.0f}", (a + b, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    right.set_yticks(range(len(order)), [])
    right.set_xlim(right=max(a + b for a, b in zip(python, database, strict=True)) * 1.12)
    right.set_title("Processor time for a redirect, microseconds (64 connections)", loc="left")
    right.legend(loc="upper right", frameon=False, fontsize=8)
    for axes in last:
        _draw_shapes(figures, axes)
    for axes in (left, right, *last):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _draw_shapes(figures: Figures, axes: Any) -> None:
    """Answers a second to bare MACs and to files, from the top in the order of the table."""
    found = [[one["a_second"] for one in figures["shapes"] if one["shape"] == shape] for shape in ASKED[::-1]]
    middles = [statistics.median(values) for values in found]
    errors = [
        [middle - min(values) for middle, values in zip(middles, found, strict=True)],
        [max(values) - middle for middle, values in zip(middles, found, strict=True)],
    ]
    axes.barh(range(len(found)), middles, 0.6, xerr=errors, color="#9db8d9", ecolor="#444", capsize=2)
    for place, (middle, values) in enumerate(zip(middles, found, strict=True)):
        axes.annotate(
            f"{middle:,.0f}",
            (max(values), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(found)), [TITLES[shape].replace(", ", ",\n") for shape in ASKED[::-1]])
    axes.set_xlim(right=max(map(max, found)) * 1.2)
    axes.set_title("Answers a second to files (64 connections)", loc="left")
