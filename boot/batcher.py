"""Requests in flight -> one batch: while a statement is under way, phones that ask wait for the next one.

No timer: an idle service answers at the latency of one statement, a busy one batches by itself. One batcher per
process. Nobody is answered before the commit; nobody waits longer than a second.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from boot.decision import Decision, DeviceRecord, decide
from boot.visits import Asked

logger = logging.getLogger(__name__)

LARGEST_BATCH = 512
SECONDS_OF_WORK_QUEUED = 2.0
QUEUED_AT_LEAST = 2_000


class Overloaded(Exception):
    """More phones ask than can be answered in time."""


class DatabaseUnavailable(Exception):
    """The database did not answer in time, or not at all; `in_doubt` if it may have committed all the same."""

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt


class SerializationConflict(Exception):
    """The database gave the statement up in favour of another; nothing was written."""


class StatementRejected(Exception):
    """The database would not run the statement on this batch; nothing was written."""


class Recorder(Protocol):
    """Where visits are recorded."""

    async def open(self) -> None:
        """Connect, if that is quick; never raises."""

    async def record(self, batch: Sequence[Asked]) -> dict[str, DeviceRecord]:
        """Commit the visits; what was found, by MAC.

        Raises DatabaseUnavailable, SerializationConflict or StatementRejected.
        """

    async def close(self) -> None:
        """Let go of the database."""


@dataclass(slots=True)
class Waiting:
    """A phone that has asked and not been answered."""

    asked: Asked
    answer: "asyncio.Future[Decision]"


class Batcher:
    """Groups the visits of one process. Use from one event loop."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._queue: deque[Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._per_second = 0.0
        self._turned_away = 0

    async def ask(self, asked: Asked) -> Decision:
        """The answer to a phone, after its visit is committed. Raises Overloaded or DatabaseUnavailable."""
        if len(self._queue) >= max(QUEUED_AT_LEAST, self._per_second * SECONDS_OF_WORK_QUEUED):
            self._turned_away += 1
            raise Overloaded
        waiting = Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await waiting.answer

    async def close(self) -> None:
        """Decision those who wait, and let go of the database."""
        if self._sending is not None:
            await self._sending
        await self.recorder.close()

    async def _send_all(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
                began = time.perf_counter()
                await self._send(batch)
                rate = len(batch) / (time.perf_counter() - began)
                self._per_second += (rate - self._per_second) / 10
        finally:
            self._sending = None
            if self._turned_away:
                logger.warning("%d phones got 503: more asked than could be answered in time", self._turned_away)
                self._turned_away = 0

    async def _send(self, batch: list[Waiting], *, again: bool = True) -> None:
        try:
            found = await self.recorder.record([waiting.asked for waiting in batch])
        except SerializationConflict as error:
            if again:
                await self._send(batch, again=False)
            else:
                _fail(batch, error)
        except StatementRejected as error:
            if len(batch) == 1:
                logger.error("No answer for phone %s: %s", batch[0].asked.visit.mac, error)
                _fail(batch, error)
            for waiting in batch if len(batch) > 1 else ():
                await self._send([waiting])  # so that one bad row does not fail its neighbours
        except Exception as error:  # whatever it is, nobody may be left waiting
            if not isinstance(error, DatabaseUnavailable):
                logger.exception("The batcher failed")
            _fail(batch, error)
        else:
            for waiting in batch:
                _answer(waiting, found)


def _answer(waiting: Waiting, found: dict[str, DeviceRecord]) -> None:
    visit = waiting.asked.visit
    try:
        answer = decide(visit, found.get(visit.mac))
    except Exception as error:  # a bug; it is this phone's alone
        logger.exception("No answer can be made for phone %s", visit.mac)
        _fail([waiting], error)
    else:
        if not waiting.answer.done():  # else it has hung up
            waiting.answer.set_result(answer)


def _fail(batch: list[Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(DatabaseUnavailable(str(error)))
