"""What the processes of this service count for Prometheus. Each app declares its metrics where it counts.

Under gunicorn each process keeps its numbers in files of PROMETHEUS_MULTIPROC_DIR (redirect/serving.py names it),
and the process that is asked adds them up. Source: prometheus_client's documentation, "Multiprocess Mode".
"""

import fcntl
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
DEAD = "dead"  # in the place of a process id: what all processes that have ended counted


def begin_at_zero(counter: Counter | Gauge, *values: Iterable[str]) -> None:
    """Show the counter for each combination of these labels from the start, in the order of its labels.

    Prometheus sees no increase in a series that begins with its first event.
    """
    for labels in product(*values):
        counter.labels(*labels)


class Tally:
    """Observations in plain numbers, for a path on which a histogram of prometheus_client is too slow.

    `hand_on` adds them to the histogram.
    """

    def __init__(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        """Count one observation, in the bucket whose bound is the first that is not less."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    def hand_on(self) -> None:
        """Add all that was observed since the last time to the histogram."""
        # prometheus_client has no public way to add more than one observation.
        for bucket, count in zip(self._histogram._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._histogram._sum.inc(self._sum)
        self._counts, self._sum = [0] * len(self._counts), 0.0


def exposition(more: Collector | None = None) -> bytes:
    """All metrics of the service as Prometheus reads them; `more` are those that are looked up now."""
    registry = CollectorRegistry()
    if more is not None:
        registry.register(more)
    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(registry) + generate_latest(REGISTRY)
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    with _lock(folder, fcntl.LOCK_SH):
        return generate_latest(registry)


def empty(folder: str) -> None:
    """Remove the files of an earlier run."""
    for file in Path(folder).glob("*.db"):
        file.unlink(missing_ok=True)


def retire(pid: int) -> None:
    """Add what an ended process has counted to what all ended ones have, and remove its files.

    Without that the files of every process that ever ran would be read for each scrape.
    """
    folder = os.environ[FOLDER]
    # The master must not wait for a process that is frozen while it reads.
    with _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        for kind in ("counter", "histogram"):
            file = Path(folder, f"{kind}_{pid}.db")
            if not file.exists():
                continue
            total = MmapedDict(str(Path(folder, f"{kind}_{DEAD}.db")))  # type: ignore[no-untyped-call]
            for key, amount, _, _ in MmapedDict.read_all_values_from_file(file):  # type: ignore[no-untyped-call]
                total.write_value(key, total.read_value(key)[0] + amount, 0.0)  # type: ignore[no-untyped-call]
            total.close()  # type: ignore[no-untyped-call]
            file.unlink()


@contextmanager
def _lock(folder: str, kind: int) -> Iterator[None]:
    """No process reads while numbers are moved: Prometheus takes a sum that falls for a restart."""
    with open(Path(folder, "lock"), "a") as file:
        with suppress(BlockingIOError):
            fcntl.flock(file, kind)
        yield
