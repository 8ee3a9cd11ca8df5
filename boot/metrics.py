"""What the phones of this process asked and got: counted in plain numbers, and handed on once a second at most.

A counter of prometheus_client would cost each phone a twentieth of its processor time.
"""

import asyncio
from collections import defaultdict
from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram

from boot.decision import Decision
from boot.recorder import Recorder
from boot.request import BootRequest
from boot.shapes import Kind
from devices.models import Outcome
from redirect.metrics import Tally, begin_at_zero

SECONDS_BETWEEN_FLUSHES = 1.0
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

REQUESTS = Counter(
    "redirect_phone_requests", "Phones' requests that were decided, by outcome and kind", ["outcome", "kind"]
)
REFUSALS = Counter(
    "redirect_phone_refusals", "Requests that were refused for another reason than their MAC", ["reason"]
)
FROM_REPLICA = Counter("redirect_phone_replica_requests", "Phones' requests that the replica answered")
BATCH_SIZE = Histogram("redirect_phone_batch_size", "Phones' requests in one statement", buckets=SIZES)
STATEMENT = Histogram("redirect_phone_batch_seconds", "Seconds from a batch to its commit", buckets=SECONDS)
QUEUE = Gauge("redirect_phone_queue", "Phones' requests that wait for their batch", multiprocess_mode="livesum")
OWED = Gauge(
    "redirect_phone_owed_requests",
    "Phones' requests that were answered from the replica and are not recorded yet",
    multiprocess_mode="livesum",
)


class Refusal(StrEnum):
    """Why a request was refused for another reason than what was decided about its MAC."""

    NOT_A_PHONE = "NotAPhone"
    METHOD = "MethodNotAllowed"
    LIMITED = "Limited"
    OVERLOADED = "Overloaded"
    UNAVAILABLE = "DatabaseUnavailable"


begin_at_zero(REQUESTS, Outcome.values, Kind)
begin_at_zero(REFUSALS, Refusal)


def count_refusal(outcome: str) -> None:
    """Count the end of a request if it was a refusal; its decision is counted where it was made."""
    if isinstance(outcome, Refusal):
        REFUSALS.labels(outcome.value).inc()


class PhoneMetrics:
    """The numbers of one batcher since they were last handed on. Use it from the batcher's event loop."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._requests: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._from_replica = 0  # of the recorder's number, what has been handed on
        self._queue = 0
        self._sizes = Tally(BATCH_SIZE, SIZES)
        self._seconds = Tally(STATEMENT, SECONDS)
        self._flushing: asyncio.TimerHandle | None = None

    def count_request(self, request: BootRequest, decision: Decision) -> None:
        """Count a request that was decided. Its batch sees to the flush."""
        # The members themselves as the key would cost four times as much, to be hashed.
        self._requests[decision.outcome._value_, request.shape.kind._value_] += 1

    def count_batch(self, size: int, seconds: float, queue: int) -> None:
        """Count a batch that took so many seconds; `queue` requests have come in the meantime."""
        self._sizes.observe(size)
        self._seconds.observe(seconds)
        self._queue = queue
        self._flush_soon()

    def flush(self) -> None:
        """Hand the numbers on; again in a second while requests are owed, which no batch tells of."""
        for labels, number in self._requests.items():
            REQUESTS.labels(*labels).inc(number)
        FROM_REPLICA.inc(self._recorder.from_replica - self._from_replica)
        self._from_replica = self._recorder.from_replica
        self._sizes.hand_on()
        self._seconds.hand_on()
        QUEUE.set(self._queue)
        OWED.set(self._recorder.owed)
        self._requests.clear()
        self._flushing = None
        if self._recorder.owed:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(SECONDS_BETWEEN_FLUSHES, self.flush)

    def close(self) -> None:
        """Hand on what is left, for good."""
        self.flush()
        if self._flushing is not None:
            self._flushing.cancel()
