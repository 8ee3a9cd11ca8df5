"""A connection to PostgreSQL that comes back by itself, and that nobody waits for while it is away."""

import asyncio
import logging
import select
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from boot.batcher import DatabaseUnavailable, SerializationConflict, StatementRejected

logger = logging.getLogger(__name__)

SECONDS_TO_FIRST_CONNECT = 0.8
SECONDS_BETWEEN_TRIES = 0.25


class ReconnectingConnection:
    """One autocommit connection. A statement may run into its deadline; from then on every call fails at once,
    until a task of its own has connected again. `connected` is set while there is a connection.
    """

    def __init__(self, name: str, parameters: dict[str, Any], *options: str) -> None:
        self.name = name
        self.connected = asyncio.Event()
        self._parameters = parameters | {"options": " ".join(f"-c {option}" for option in options)}
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._abandoned: set[asyncio.Task[None]] = set()

    @property
    def backend(self) -> int | None:
        """The process of the server that serves this connection."""
        return self._connection.info.backend_pid if self._connection is not None else None

    async def execute(self, statement: str, values: dict[str, Any], seconds: float) -> list[tuple[Any, ...]]:
        """The rows of a prepared statement, committed.

        Raises DatabaseUnavailable (with `in_doubt` if it may have been committed), SerializationConflict or
        StatementRejected (it was not).
        """
        connection = await self._usable_connection()
        running = asyncio.create_task(_fetch(connection, statement, values))
        done, _ = await asyncio.wait({running}, timeout=seconds)
        try:
            if not done:
                self._abandon(running, connection)
                raise DatabaseUnavailable(f"no answer of the {self.name} within {seconds} s", in_doubt=True)
            return running.result()
        except (errors.SerializationFailure, errors.DeadlockDetected) as error:
            raise SerializationConflict(str(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not connection.closed:  # the server lives and would not: a time-out of its own, no memory
                raise DatabaseUnavailable(str(error)) from error
            self._lose()
            raise DatabaseUnavailable(str(error), in_doubt=True) from error
        except psycopg.Error as error:
            raise StatementRejected(str(error)) from error

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        for letting_go in self._abandoned:
            letting_go.cancel()
        if self._connection is not None:
            await self._connection.close()

    def connect(self) -> asyncio.Task[None]:
        """Start connecting, if that is not under way."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return self._connecting

    async def _usable_connection(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is not None and _is_cut(self._connection):  # restarted while nobody asked
            self._connection = None
            self.connected.clear()
        if self._connection is None and self._connecting is None:
            await asyncio.wait({self.connect()}, timeout=SECONDS_TO_FIRST_CONNECT)
        if self._connection is None:
            raise DatabaseUnavailable(f"not connected to the {self.name}")
        return self._connection

    async def _connect(self) -> None:
        tries = 0
        try:
            while self._connection is None:
                try:
                    self._connection = await psycopg.AsyncConnection.connect(
                        **self._parameters, autocommit=True, connect_timeout=2, application_name="phones"
                    )
                except psycopg.Error as error:
                    if tries == 0:
                        logger.error("The %s is away: %s", self.name, error)
                    tries += 1
                    await asyncio.sleep(SECONDS_BETWEEN_TRIES)
        finally:
            self._connecting = None
        self.connected.set()
        if tries:
            logger.warning("The %s is back", self.name)

    def _lose(self) -> None:
        self._connection = None
        self.connected.clear()
        self.connect()

    def _abandon(self, running: asyncio.Task[Any], connection: psycopg.AsyncConnection[Any]) -> None:
        logger.error("The %s does not answer", self.name)
        self._lose()
        letting_go = asyncio.create_task(_let_go(running, connection))
        self._abandoned.add(letting_go)
        letting_go.add_done_callback(self._abandoned.discard)


def _is_cut(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether the server has closed an idle connection; costs no round trip."""
    if connection.pgconn.transaction_status != TransactionStatus.IDLE:
        return connection.closed
    arrived = select.poll()
    arrived.register(connection.pgconn.socket, select.POLLIN)
    try:
        while arrived.poll(0):
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False


async def _let_go(running: asyncio.Task[Any], connection: psycopg.AsyncConnection[Any]) -> None:
    """Let go of a statement with its connection; psycopg cancels it, and takes its time to do so."""
    running.cancel()
    try:
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # seen: the phones have been told
    finally:
        await connection.close()


async def _fetch(
    connection: psycopg.AsyncConnection[Any], statement: str, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement, values, prepare=True)
    return await cursor.fetchall()
