"""The databases behind the batcher: PostgreSQL, with a replica for when it is away, or the SQLite file."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from boot.batcher import DatabaseUnavailable, Recorder, SerializationConflict, StatementRejected
from boot.connection import SECONDS_TO_FIRST_CONNECT, ReconnectingConnection
from boot.decision import DeviceRecord
from boot.visits import COUNT_DEFERRED, LOOK_UP, RECORD_REQUESTS, Asked, found_in, parameters, record_on_sqlite
from redirect.db.arrays import literal

logger = logging.getLogger(__name__)

# Together less than the second in which a phone is answered.
SECONDS_FOR_A_STATEMENT = 0.7
SECONDS_FOR_THE_REPLICA = 0.2

SECONDS_UNTIL_COUNTED = 1.0
SECONDS_TO_REPLAY = 5.0
UNRECORDED_REQUESTS_AT_MOST = 200_000

# On the server, where the client's own deadline cannot reach. The plan never depends on the size of a batch.
DEADLINES = ("statement_timeout=2000", "lock_timeout=500", "jit=off", "plan_cache_mode=force_generic_plan")

# The process that was serving a lost connection may still be at work, or be stopped: it must not commit any more.
END_BACKEND = """
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE pid = %(pid)s::int AND application_name = 'phones'
"""
IS_RECORDED = """
SELECT EXISTS (
    SELECT 1 FROM devices_access
    WHERE mac = ANY(%(macs)s::text[]) AND time = %(time)s::timestamptz AND device_id IS NOT NULL
)
"""


def open_recorder() -> Recorder:
    """The recorder for Django's default database."""
    wrapper = connections["default"]
    if wrapper.vendor != "postgresql":
        return SQLiteRecorder(str(wrapper.settings_dict["NAME"]))
    given = wrapper.get_connection_params()
    taken = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert")
    primary = ReconnectingConnection(
        "database", {name: given[name] for name in taken if name in given}, *DEADLINES
    )
    replica = settings.REPLICA_URL
    return PostgreSQLRecorder(
        primary, ReconnectingConnection("replica", conninfo_to_dict(replica), *DEADLINES) if replica else None
    )


@dataclass(slots=True)
class UnrecordedBatch:
    """A batch that was answered from the replica, and is still to be recorded.

    `backend` is the server's process that may have committed it after all.
    """

    batch: Sequence[Asked]
    backend: int | None


class PostgreSQLRecorder:
    """Records on the primary. While that is away, answers from the replica and keeps in memory what is to be
    recorded: the only visits that a crash of this process can lose.
    """

    def __init__(self, primary: ReconnectingConnection, replica: ReconnectingConnection | None = None) -> None:
        self._primary = primary
        self._replica = replica
        self._unrecorded: deque[UnrecordedBatch] = deque()
        self._unrecorded_requests = 0
        self._replaying: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._uncounted = True  # a process before this one may have left something

    async def open(self) -> None:
        servers = [server for server in (self._primary, self._replica) if server is not None]
        await asyncio.wait({server.connect() for server in servers}, timeout=SECONDS_TO_FIRST_CONNECT)

    async def record(self, batch: Sequence[Asked]) -> dict[str, DeviceRecord]:
        backend = self._primary.backend
        try:
            rows = await self._primary.execute(RECORD_REQUESTS, parameters(batch), SECONDS_FOR_A_STATEMENT)
        except DatabaseUnavailable as error:
            return await self._look_up(batch, backend if error.in_doubt else None, error)
        found, uncounted = found_in(rows)
        self._uncounted = self._uncounted or uncounted
        if self._uncounted and self._counting is None:
            self._counting = asyncio.create_task(self._count_deferred())
        return found

    async def close(self) -> None:
        if self._replaying is not None:
            await asyncio.wait({self._replaying}, timeout=SECONDS_TO_REPLAY)
            self._replaying.cancel()
        if self._unrecorded_requests:
            logger.error(
                "%d visits were answered from the replica and are lost to the counts", self._unrecorded_requests
            )
        if self._counting is not None:
            self._counting.cancel()
        if self._uncounted and self._primary.connected.is_set():
            with suppress(
                DatabaseUnavailable, SerializationConflict, StatementRejected
            ):  # what is left is for the next process
                await self._primary.execute(COUNT_DEFERRED, {}, SECONDS_FOR_A_STATEMENT)
        for server in (self._primary, self._replica):
            if server is not None:
                await server.close()

    async def _look_up(
        self, batch: Sequence[Asked], backend: int | None, unavailable: DatabaseUnavailable
    ) -> dict[str, DeviceRecord]:
        if self._replica is None or self._unrecorded_requests + len(batch) > UNRECORDED_REQUESTS_AT_MOST:
            raise unavailable
        macs = {"macs": literal([asked.visit.mac for asked in batch])}
        found, _ = found_in(await self._replica.execute(LOOK_UP, macs, SECONDS_FOR_THE_REPLICA))
        self._unrecorded.append(UnrecordedBatch(batch, backend))
        self._unrecorded_requests += len(batch)
        if self._replaying is None:
            self._replaying = asyncio.create_task(self._replay())
        return found

    async def _replay(self) -> None:
        """Record what is unrecorded, in its order, as soon as the primary is back."""
        try:
            while self._unrecorded:
                await self._primary.connected.wait()
                unrecorded = self._unrecorded[0]
                try:
                    await self._replay_one(unrecorded)
                except (DatabaseUnavailable, SerializationConflict):
                    await asyncio.sleep(SECONDS_UNTIL_COUNTED)
                    continue
                except StatementRejected as error:
                    logger.error("%d visits cannot be recorded: %s", len(unrecorded.batch), error)
                self._unrecorded.popleft()
                self._unrecorded_requests -= len(unrecorded.batch)
            logger.warning("All visits that were answered from the replica are recorded")
        finally:
            self._replaying = None

    async def _replay_one(self, unrecorded: UnrecordedBatch) -> None:
        values = parameters(unrecorded.batch)
        if unrecorded.backend is not None:
            await self._primary.execute(END_BACKEND, {"pid": unrecorded.backend}, SECONDS_TO_REPLAY)
            key = {"macs": values["macs"], "time": values["time"]}
            ((recorded,),) = await self._primary.execute(IS_RECORDED, key, SECONDS_TO_REPLAY)
            unrecorded.backend = None
            if recorded:
                return
        unrecorded.backend = self._primary.backend  # should this try be lost as well
        try:
            await self._primary.execute(RECORD_REQUESTS, values, SECONDS_TO_REPLAY)
        except DatabaseUnavailable as error:
            unrecorded.backend = unrecorded.backend if error.in_doubt else None
            raise

    async def _count_deferred(self) -> None:
        """Bring up the counters of devices that were held."""
        try:
            due = 1
            while due:
                await asyncio.sleep(SECONDS_UNTIL_COUNTED)
                ((due, _),) = await self._primary.execute(COUNT_DEFERRED, {}, SECONDS_FOR_A_STATEMENT)
            self._uncounted = False
        except (DatabaseUnavailable, SerializationConflict, StatementRejected) as error:
            logger.error("Counters are not brought up yet: %s", error)  # the next visit tries again
        finally:
            self._counting = None


class SQLiteRecorder:
    """One connection in one thread; each batch is one IMMEDIATE transaction."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phones")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        pass  # a file is open in no time

    async def record(self, batch: Sequence[Asked]) -> dict[str, DeviceRecord]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._record, batch)

    async def close(self) -> None:
        self._thread.shutdown()

    def _record(self, batch: Sequence[Asked]) -> dict[str, DeviceRecord]:
        try:
            database = self._connected()
            database.execute("BEGIN IMMEDIATE")
            try:
                found = record_on_sqlite(database, batch)
                database.execute("COMMIT")
            except BaseException:
                database.rollback()
                raise
        except sqlite3.OperationalError as error:  # locked for too long, disk full, file gone
            logger.error("The database is away or too slow: %s", error)
            raise DatabaseUnavailable(str(error)) from error
        except sqlite3.Error as error:
            raise StatementRejected(str(error)) from error
        return found

    def _connected(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = sqlite3.connect(
                self._path, timeout=SECONDS_FOR_A_STATEMENT, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
        return self._database
