"""What an event cost, what it may cost, and the table of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Figures by their names, as the table shows them, in this order.
COLUMNS = {
    "refused": "phones not 302",
    "lost": "counts lost",
    "slowest": "slowest phone, s",
    "p99": "p99, s",
    "gap": "API gap, s",
    "errors": "500s",
    "writes_lost": "writes lost",
    "writes_refused": "API calls refused",
    "unanswered": "unanswered beyond those in flight",
    "first_call": "first call, s",
}
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """One event: how often it was tried, its worst figures, what they may be at most, and the load beside it."""

    event: str
    rounds: int
    worst: Figures
    must: Figures
    load: float

    @property
    def missed(self) -> list[str]:
        """The figures that are above what they must be, or were not taken."""
        return [name for name, most in self.must.items() if not self.worst.get(name, float("inf")) <= most]


def worst_of(rounds: Iterable[Figures]) -> dict[str, float]:
    """The largest of each figure."""
    worst: dict[str, float] = {}
    for figures in rounds:
        for name, value in figures.items():
            worst[name] = max(worst.get(name, value), value)
    return worst


def table(rows: Sequence[Row]) -> str:
    """All rows as a table in Markdown: `measured (must)`, and what is missed in the last column."""
    names = [name for name in COLUMNS if any(name in row.worst or name in row.must for row in rows)]
    lines = [["event", "rounds", *(COLUMNS[name] for name in names), "load", "verdict"]]
    for row in rows:
        cells = [_cell(row, name) for name in names]
        verdict = f"MISSED: {', '.join(COLUMNS[name] for name in row.missed)}" if row.missed else "kept"
        lines.append([row.event, str(row.rounds), *cells, f"{row.load:.1f}", verdict])
    lines.insert(1, ["---"] * len(lines[0]))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = (
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    return "\n".join(f"| {line} |" for line in padded)


def _cell(row: Row, name: str) -> str:
    if name not in row.worst:
        return "not measured" if name in row.must else "-"
    measured = _number(row.worst[name])
    return f"{measured} (≤ {_number(row.must[name])})" if name in row.must else measured


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"
