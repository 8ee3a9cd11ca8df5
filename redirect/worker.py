"""Uvicorn under gunicorn, as this service needs it."""

import asyncio
import json
import os
import signal
import uuid
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from redirect.errors import error_body


class JSONProtocol(HttpToolsProtocol):
    """HTTP/1.1, with a refusal of what is no HTTP in the form of every other error."""

    def send_400_response(self, msg: str) -> None:
        """Answer what no application can be asked about, and close."""
        body = json.dumps(error_body("The request is not valid HTTP.")).encode("ascii")
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"X-Request-ID: {uuid.uuid4().hex}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


class PhoneWorker(UvicornWorker):  # type: ignore[misc]
    """uvloop and httptools by name, so that a missing one stops the start; no header is believed before Django."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": JSONProtocol,
        "proxy_headers": False,
        "server_header": False,
        "ws": "none",
        "timeout_notify": 2,
        "backlog": 4096,
    }

    async def callback_notify(self) -> None:
        """Tell the master that this worker is alive; end if the master is not, as gunicorn's own workers do."""
        self.notify()
        if os.getppid() != self.ppid:
            signal.raise_signal(signal.SIGTERM)

    def _install_sigquit_handler(self) -> None:
        # What the master says when it is told SIGINT; uvicorn's own worker would go on until it is killed.
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, signal.raise_signal, signal.SIGTERM)
