"""A connection to PostgreSQL that reconnects by itself, and that no phone waits for while it is down."""

import asyncio
import logging
import select
from collections.abc import Coroutine
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from boot.recorder import DatabaseUnavailable, SerializationConflict, StatementRejected
from redirect.db.address import with_settings
from redirect.db.failures import Failure, failure_of

logger = logging.getLogger(__name__)

SECONDS_TO_FIRST_CONNECT = 0.8
SECONDS_BETWEEN_TRIES = 0.25


class ReconnectingConnection:
    """One autocommit connection. After a statement has passed its deadline every call fails at once, until a task
    in the background has connected again. The event `connected` is set while there is a connection.
    """

    def __init__(self, name: str, parameters: dict[str, Any], *settings: str) -> None:
        self.name = name
        self.connected = asyncio.Event()
        self._parameters = with_settings(parameters, *settings) | {
            "connect_timeout": 2,
            "application_name": "phones",  # END_BACKEND asks for it
        }
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._abandoned: set[asyncio.Task[None]] = set()

    @property
    def backend(self) -> int | None:
        """The id of the server process that serves this connection, or None without a connection."""
        return self._connection.info.backend_pid if self._connection is not None else None

    async def execute(self, statement: str, values: dict[str, Any], seconds: float) -> list[tuple[Any, ...]]:
        """Run a prepared statement with a deadline in seconds, commit it, and return its rows.

        Raises DatabaseUnavailable (with `in_doubt` if it may have been committed), SerializationConflict or
        StatementRejected (it was not).
        """
        connection = await self._usable_connection()
        running = asyncio.create_task(_fetch(connection, statement, values))
        done, _ = await asyncio.wait({running}, timeout=seconds)
        try:
            if not done:
                self._abandon(running, connection)
                raise DatabaseUnavailable(f"no answer from the {self.name} within {seconds} s", in_doubt=True)
            return running.result()
        except psycopg.Error as error:
            match failure_of(error):
                case Failure.LOST_RACE:
                    raise SerializationConflict(str(error)) from error
                case Failure.REFUSED:
                    raise StatementRejected(str(error)) from error
                case Failure.GAVE_UP:
                    raise DatabaseUnavailable(str(error)) from error
            # A server that is read-only has committed nothing, and keeps its connections.
            in_doubt = connection.closed
            self._let_go(connection)
            raise DatabaseUnavailable(str(error), in_doubt=in_doubt) from error

    async def close(self) -> None:
        """Disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
        for closing in self._abandoned:
            closing.cancel()
        if self._connection is not None:
            await self._connection.close()

    def connect(self) -> asyncio.Task[None]:
        """Start to connect, unless that has been started."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return self._connecting

    async def _usable_connection(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is not None and _is_cut(self._connection):  # by a restart while no phone asked
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
                    self._connection = await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True)
                except psycopg.Error as error:
                    if tries == 0:
                        logger.error("The %s is unavailable: %s", self.name, error)
                    tries += 1
                    await asyncio.sleep(SECONDS_BETWEEN_TRIES)
        finally:
            self._connecting = None
        self.connected.set()
        if tries:
            logger.warning("The %s is available again", self.name)

    def _lose(self) -> None:
        self._connection = None
        self.connected.clear()
        self.connect()

    def _let_go(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if connection is self._connection:  # else another statement has lost it already
            self._lose()
        self._close_later(connection.close())

    def _abandon(self, running: asyncio.Task[Any], connection: psycopg.AsyncConnection[Any]) -> None:
        logger.error("The %s does not answer", self.name)
        self._lose()
        self._close_later(_cancel_and_close(running, connection))

    def _close_later(self, close: Coroutine[Any, Any, None]) -> None:
        closing = asyncio.create_task(close)
        self._abandoned.add(closing)
        closing.add_done_callback(self._abandoned.discard)


def _is_cut(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Return whether the server has closed an idle connection; costs no round trip."""
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


async def _cancel_and_close(running: asyncio.Task[Any], connection: psycopg.AsyncConnection[Any]) -> None:
    """Cancel a statement and close its connection, in the background because psycopg takes its time to cancel."""
    running.cancel()
    try:
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # retrieved, since the phones have been answered
    finally:
        await connection.close()


async def _fetch(
    connection: psycopg.AsyncConnection[Any], statement: str, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement, values, prepare=True)
    return await cursor.fetchall()
