"""Whether what phones were told, what the access log has and what the counters say agree."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rig.clients import Phones
from rig.processes import wait_for

PATIENCE = 30  # seconds: what a replica answered, or another transaction held, is brought up a moment later
BY_TAG = "SELECT user_agent, count(*) FROM devices_access WHERE user_agent LIKE %s GROUP BY 1"
LATE = "SELECT 1 FROM devices_access WHERE NOT counted LIMIT 1"
SUMS = (
    "SELECT (SELECT sum(num_requests) FROM devices_device),"
    " (SELECT count(*) FROM devices_access WHERE device_id IS NOT NULL),"
    " (SELECT count(*) FROM devices_access WHERE NOT counted)"
)


@dataclass(frozen=True)
class Counts:
    """What was asked, and what the database has of it."""

    asked: int
    answered: int  # by 302
    logged: int  # tags
    missing: int  # answered, but not logged
    twice: int
    counters: int  # of all devices
    rows: int  # of devices in the log
    uncounted: int  # of these
    waited: float  # seconds, until all was there


def count(rows: Callable[..., list[tuple[Any, ...]]], *loads: Phones) -> Counts:
    """Count once all is there, or PATIENCE is over; `rows` runs a SELECT with its values."""
    answered = {entry.tag for load in loads for entry in load.asked if entry.status == 302}
    logged: Counter[str] = Counter()

    def all_there() -> bool:
        logged.clear()
        for load in loads:
            logged.update(dict(rows(BY_TAG, f"{load.tag}-%")))
        return not rows(LATE) and answered <= logged.keys()

    waited = float(PATIENCE)
    with contextlib.suppress(TimeoutError):
        waited = wait_for(all_there, PATIENCE)
    ((counters, rows_in_log, uncounted),) = rows(SUMS)
    return Counts(
        asked=sum(len(load.asked) for load in loads),
        answered=len(answered),
        logged=len(logged),
        missing=len(answered - logged.keys()),
        twice=sum(times > 1 for times in logged.values()),
        counters=counters,
        rows=rows_in_log,
        uncounted=uncounted,
        waited=waited,
    )
