"""Requests by outcome over time, as bars, in words and as a table: the dashboard's chart and the device page's."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from devices.models import Outcome

# Each has a contrast of 3:1 and more with the page, light and dark (WCAG 2.1, 1.4.11).
COLORS = {
    Outcome.REDIRECTED: "#16a34a",
    Outcome.NO_LOCATION: "#d97706",
    Outcome.CERTIFICATE_REQUIRED: "#8b5cf6",
    Outcome.CERTIFICATE_MISMATCH: "#ec4899",
    Outcome.UNKNOWN: "#64748b",
}
_GREY = "#4b5563"  # until desk/accessible.js knows whether the page is dark
OPTIONS = json.dumps(
    {
        "animation": False,
        "maintainAspectRatio": False,
        "responsive": True,
        "plugins": {"legend": {"position": "bottom", "labels": {"boxWidth": 12, "color": _GREY}}},
        "scales": {
            "x": {
                "stacked": True,
                "grid": {"display": False},
                "ticks": {"color": _GREY, "maxTicksLimit": 12, "maxRotation": 0},
            },
            "y": {"stacked": True, "beginAtZero": True, "ticks": {"color": _GREY, "precision": 0}},
        },
    }
)


@dataclass(frozen=True, slots=True)
class Chart:
    """The number of requests of each outcome, for each of `times`, which `label` (of strftime) puts into words."""

    title: str
    times: Sequence[date]  # days, or the first moment of each minute or hour
    label: str
    bars: dict[Outcome, list[int]]  # outcomes that occurred, and for each a number per time
    window: str = ""  # for a link to the list of these requests: its time
    options = OPTIONS

    @property
    def data(self) -> str:
        """What the chart library draws, as JSON."""
        bars = [
            {"label": outcome.label, "data": numbers, "backgroundColor": COLORS[outcome], "maxBarThickness": 24}
            for outcome, numbers in self.bars.items()
        ]
        return json.dumps({"labels": [time.strftime(self.label) for time in self.times], "datasets": bars})

    @property
    def totals(self) -> list[tuple[Outcome, int]]:
        """Requests by outcome."""
        return [(outcome, sum(numbers)) for outcome, numbers in self.bars.items()]

    @property
    def total(self) -> int:
        """All requests of the chart."""
        return sum(number for _, number in self.totals)

    @property
    def rows(self) -> list[tuple[date, list[int]]]:
        """The times at which there were requests, newest first, with the numbers of each outcome."""
        by_time = zip(self.times, zip(*self.bars.values(), strict=True), strict=True) if self.bars else ()
        return [(time, list(numbers)) for time, numbers in by_time if any(numbers)][::-1]


def chart(
    title: str, counts: Iterable[tuple[date, str, int]], times: Sequence[date], label: str, window: str = ""
) -> Chart:
    """A chart of counts, each with its time and outcome; times that are not among `times` are left out."""
    numbers: Counter[tuple[date, str]] = Counter()
    for time, outcome, number in counts:
        numbers[time, outcome] += number
    bars = {outcome: [numbers[time, outcome] for time in times] for outcome in Outcome}
    return Chart(title, times, label, {outcome: drawn for outcome, drawn in bars.items() if any(drawn)}, window)
