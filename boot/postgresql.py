"""The recorder on PostgreSQL, with a replica that answers while the primary is away."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection

from boot.connection import SECONDS_TO_FIRST_CONNECT, ReconnectingConnection
from boot.decision import DeviceRecord
from boot.recorder import DatabaseUnavailable, SerializationConflict, StatementRejected, UnrecordedBatch
from boot.request import BootRequest
from boot.spool import Spool
from boot.statements import (
    COUNT_DEFERRED,
    END_BACKEND,
    IS_RECORDED,
    LOOK_UP,
    RECORD_REQUESTS,
    names_in,
    parameters,
    records_in,
)
from redirect.db.arrays import literal

logger = logging.getLogger(__name__)

# Together less than the second in which a phone is answered.
SECONDS_FOR_A_STATEMENT = 0.7
SECONDS_FOR_THE_REPLICA = 0.2

SECONDS_UNTIL_COUNTED = 1.0
SECONDS_TO_REPLAY = 5.0
UNRECORDED_REQUESTS_AT_MOST = 200_000


class PostgreSQLRecorder:
    """Records on the primary. While that is unavailable, it looks up on the replica and keeps the requests until
    they can be recorded, in memory and in a spool: the next process records what this one leaves.
    """

    def __init__(
        self,
        primary: ReconnectingConnection,
        replica: ReconnectingConnection | None = None,
        spool: Path | None = None,
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._spool = Spool(spool)
        self._unrecorded: deque[UnrecordedBatch] = deque()
        self._unrecorded_requests = 0
        self.from_replica = 0
        self._replaying: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._uncounted = True  # an earlier process may have left some

    @property
    def owed(self) -> int:
        """How many requests were answered from the replica and are not recorded yet."""
        return self._unrecorded_requests

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the primary."""
        return self._primary.connected.is_set()

    async def open(self) -> None:
        servers = [server for server in (self._primary, self._replica) if server is not None]
        await asyncio.wait({server.connect() for server in servers}, timeout=SECONDS_TO_FIRST_CONNECT)
        left = await asyncio.to_thread(self._spool.take_over)
        if left:
            requests = sum(len(owed.batch) for owed in left)
            logger.warning("An ended process owes %d requests; they will be recorded now", requests)
            self._unrecorded.extend(left)
            self._unrecorded_requests += requests
            self._replay_soon()

    async def record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        backend = self._primary.backend
        try:
            rows = await self._primary.execute(RECORD_REQUESTS, parameters(batch), SECONDS_FOR_A_STATEMENT)
        except DatabaseUnavailable as error:
            return await self._look_up(batch, backend if error.in_doubt else None, error)
        records, uncounted = records_in(rows)
        self._uncounted = self._uncounted or uncounted
        if self._uncounted and self._counting is None:
            self._counting = asyncio.create_task(self._count_deferred())
        return records

    async def close(self) -> None:
        if self._replaying is not None:
            await asyncio.wait({self._replaying}, timeout=SECONDS_TO_REPLAY)
            self._replaying.cancel()
        if self._unrecorded_requests:
            logger.error(
                "%d requests were answered from the replica and are not counted yet: %s",
                self._unrecorded_requests,
                "the next start counts them" if self._spool.is_kept else "they will never be",
            )
        self._spool.close(owed=bool(self._unrecorded_requests))
        if self._counting is not None:
            self._counting.cancel()
        if self._uncounted and self._primary.connected.is_set():
            # The next process counts what this one leaves.
            with suppress(DatabaseUnavailable, SerializationConflict, StatementRejected):
                await self._primary.execute(COUNT_DEFERRED, _present(), SECONDS_FOR_A_STATEMENT)
        for server in (self._primary, self._replica):
            if server is not None:
                await server.close()

    async def _look_up(
        self, batch: Sequence[BootRequest], backend: int | None, unavailable: DatabaseUnavailable
    ) -> dict[str, DeviceRecord]:
        if self._replica is None or self._unrecorded_requests + len(batch) > UNRECORDED_REQUESTS_AT_MOST:
            raise unavailable
        keys = {"macs": literal([request.mac for request in batch]), "names": names_in(batch)}
        records, _ = records_in(await self._replica.execute(LOOK_UP, keys, SECONDS_FOR_THE_REPLICA))
        self._unrecorded_requests += len(batch)
        await asyncio.to_thread(self._spool.add, batch, backend)
        backends = () if backend is None else (backend,)
        self._unrecorded.append(UnrecordedBatch(batch, backends, in_doubt=backend is not None))
        self.from_replica += len(batch)
        self._replay_soon()
        return records

    def _replay_soon(self) -> None:
        if self._replaying is None:
            self._replaying = asyncio.create_task(self._replay())

    async def _replay(self) -> None:
        """Record the unrecorded batches in their order, as soon as the primary is back."""
        replayed_by = None
        try:
            while self._unrecorded:
                await self._primary.connected.wait()
                if self._primary.backend != replayed_by:
                    replayed_by = self._primary.backend
                    self._spool.begin_replay(replayed_by)
                unrecorded = self._unrecorded[0]
                try:
                    await self._replay_one(unrecorded)
                except (DatabaseUnavailable, SerializationConflict):
                    await asyncio.sleep(SECONDS_UNTIL_COUNTED)
                    continue
                except StatementRejected as error:
                    logger.error("%d requests cannot be recorded: %s", len(unrecorded.batch), error)
                self._unrecorded.popleft()
                self._unrecorded_requests -= len(unrecorded.batch)
                if self._unrecorded_requests == 0:  # else one is being added
                    self._spool.clear()
            logger.warning("All requests that were answered from the replica are recorded")
        finally:
            self._replaying = None

    async def _replay_one(self, unrecorded: UnrecordedBatch) -> None:
        values = parameters(unrecorded.batch, datetime.now(UTC))
        if unrecorded.in_doubt:
            for pid in unrecorded.backends:
                await self._primary.execute(END_BACKEND, {"pid": pid}, SECONDS_TO_REPLAY)
            key = {"macs": values["macs"], "time": values["time"]}
            ((recorded,),) = await self._primary.execute(IS_RECORDED, key, SECONDS_TO_REPLAY)
            unrecorded.backends, unrecorded.in_doubt = (), False
            if recorded:
                return
        backend = self._primary.backend  # in case the connection is lost again
        try:
            await self._primary.execute(RECORD_REQUESTS, values, SECONDS_TO_REPLAY)
        except DatabaseUnavailable as error:
            unrecorded.in_doubt = error.in_doubt
            unrecorded.backends = (backend,) if error.in_doubt and backend is not None else ()
            raise

    async def _count_deferred(self) -> None:
        """Count the requests of devices that were locked."""
        try:
            due = 1
            while due:
                await asyncio.sleep(SECONDS_UNTIL_COUNTED)
                ((due, _),) = await self._primary.execute(COUNT_DEFERRED, _present(), SECONDS_FOR_A_STATEMENT)
            self._uncounted = False
        except (DatabaseUnavailable, SerializationConflict, StatementRejected) as error:
            logger.error(
                "The requests of locked devices are not counted yet: %s", error
            )  # the next batch tries again
        finally:
            self._counting = None


def _present() -> dict[str, Any]:
    return {"clock": datetime.now(UTC)}


def count_deferred() -> int:
    """Count the requests of devices that were locked, over Django's connection; return how many were counted."""
    total = 0
    while connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(COUNT_DEFERRED, _present())
            _, done = cursor.fetchone()
        total += done
        if not done:
            break
    return total
