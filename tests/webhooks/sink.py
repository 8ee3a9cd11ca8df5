"""A mail server on a port of this machine: keeps what it takes, and answers as it is told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP

Answer = Callable[[str], Awaitable[str | None]]


async def usual(_: str) -> None:
    """Leave the answer to the server."""


class Sink:
    """Takes all mails. `on_rcpt` is given the address and `on_data` the Message-ID; each may answer otherwise."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.addresses: list[str] = []
        self._protocols: list[SMTP] = []
        self.on_rcpt: Answer = usual
        self.on_data: Answer = usual
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        server = self._loop.run_until_complete(self._loop.create_server(self._protocol, "127.0.0.1", 0))
        self._servers = [server]
        self.port: int = server.sockets[0].getsockname()[1]

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._protocols)

    def _protocol(self) -> SMTP:
        self._protocols.append(SMTP(self, loop=self._loop, hostname="sink.example"))
        return self._protocols[-1]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = await self.on_rcpt(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=default)
        answer = await self.on_data(mail["Message-ID"])
        if answer is None or answer.startswith("250"):
            self.mails.append(mail)
            self.addresses += envelope.rcpt_tos
        return answer or "250 OK"

    def listen(self, speak: Callable[[Any, Any], Awaitable[None]]) -> int:
        """The port of a server that speaks otherwise, to a reader and a writer, as long as this one."""

        async def serve() -> Any:
            return await asyncio.start_server(speak, "127.0.0.1", 0)

        server = asyncio.run_coroutine_threadsafe(serve(), self._loop).result()
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for protocol in self._protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def close(self) -> None:
        """Nothing listens any more; the port is free."""

        async def close() -> None:
            self._servers[0].close()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result()

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
