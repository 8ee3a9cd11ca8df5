"""Groups concurrent requests into batches: while a statement runs, new requests wait for the next one.

There is no timer: an idle service answers at the latency of one statement, a busy one batches by itself. There is
one batcher per process. No phone is answered before the commit, and none waits longer than a second.
"""

import asyncio
import logging
import time
from collections import deque

from boot.decision import Decision, DeviceRecord, decide
from boot.metrics import PhoneMetrics
from boot.recorder import (
    DatabaseUnavailable,
    Overloaded,
    Recorder,
    SerializationConflict,
    StatementRejected,
)
from boot.request import BootRequest, Pending, PendingRequest

logger = logging.getLogger(__name__)

LARGEST_BATCH = 512
SECONDS_OF_WORK_QUEUED = 2.0
QUEUED_AT_LEAST = 2_000


class Batcher:
    """Groups the requests of one process. Use it from one event loop."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.metrics = PhoneMetrics(recorder)
        self._queue: deque[Pending] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._per_second = 0.0
        self._turned_away = 0

    async def decide(self, request: BootRequest) -> Decision:
        """Return what the phone gets, once its request is committed. Raises Overloaded or DatabaseUnavailable."""
        pending = PendingRequest(request, asyncio.get_running_loop().create_future())
        self.submit(pending)
        return await pending.decision

    def submit(self, pending: Pending) -> None:
        """Put a request into the next batch; it is settled after the commit. Raises Overloaded."""
        if len(self._queue) >= max(QUEUED_AT_LEAST, self._per_second * SECONDS_OF_WORK_QUEUED):
            self._turned_away += 1
            raise Overloaded
        self._queue.append(pending)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())

    @property
    def is_busy(self) -> bool:
        """Whether phones wait for an answer."""
        return self._sending is not None

    async def close(self) -> None:
        """Answer the pending requests, and disconnect."""
        if self._sending is not None:
            await self._sending
        await self.recorder.close()
        self.metrics.close()

    async def _send_all(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
                began = time.perf_counter()
                await self._send(batch)
                seconds = time.perf_counter() - began
                self.metrics.count_batch(len(batch), seconds, len(self._queue))
                rate = len(batch) / seconds
                self._per_second += (rate - self._per_second) / 10
        finally:
            self._sending = None
            if self._turned_away:
                logger.warning("%d phones got 503: more asked than could be answered in time", self._turned_away)
                self._turned_away = 0

    async def _send(self, batch: list[Pending], *, again: bool = True) -> None:
        try:
            records = await self.recorder.record([pending.request for pending in batch])
        except SerializationConflict as error:
            if again:
                await self._send(batch, again=False)
            else:
                _fail(batch, error)
        except StatementRejected as error:
            if len(batch) == 1:
                logger.error("No answer for phone %s: %s", batch[0].request.mac, error)
                _fail(batch, error)
            for pending in batch if len(batch) > 1 else ():
                await self._send([pending])  # so that one bad row does not fail its neighbours
        except Exception as error:  # whatever it is, every phone must be answered
            if not isinstance(error, DatabaseUnavailable):
                logger.exception("The batcher failed")
            _fail(batch, error)
        else:
            for pending in batch:
                self._settle(pending, records)

    def _settle(self, pending: Pending, records: dict[str, DeviceRecord]) -> None:
        request = pending.request
        try:
            record = records.get(request.mac)
            decision = decide(record, request.mac, request.status_for(record), request.shape.file_name)
        except Exception as error:  # a bug, and it costs this phone only
            logger.exception("No answer can be made for phone %s", request.mac)
            _fail([pending], error)
        else:
            self.metrics.count_request(request, decision)
            pending.settle(decision)


def _fail(batch: list[Pending], error: Exception) -> None:
    for pending in batch:
        pending.fail(DatabaseUnavailable(str(error)))
