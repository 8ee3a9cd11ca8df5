"""The workers of gunicorn: uvicorn's for everything, threads for the API alone, as this service needs them."""

import asyncio
import os
import re
import signal
from typing import Any, ClassVar

import gunicorn.http.message
import gunicorn.util
import httptools
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from redirect import logs
from redirect.http import refusal

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class JSONProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits of address and headers. What cannot be read is refused as every other error is."""

    octets = 0  # of the address and headers that are arriving
    in_head = True
    status = 400
    latest = b""

    def connection_made(self, transport: Any) -> None:
        """Let the parser pass control bytes in the values of headers: on_header looks at them."""
        super().connection_made(transport)
        self.parser.set_dangerous_leniencies(lenient_headers=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take the control bytes out of a User-Agent, as Avaya's 12xx series sends them; refuse them elsewhere."""
        if CONTROL.search(value):
            if name.lower() != b"user-agent":
                raise ValueError("A header holds a control byte.")
            value = CONTROL.sub(b"?", value)
        super().on_header(name, value)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that grows beyond all limits: the parser would keep it all."""
        self.octets += len(data)
        self.latest = data
        super().data_received(data)
        if self.in_head and self.octets > refusal.MAX_HEADERS and not self.transport.is_closing():
            self.status = 414 if len(self.url) > refusal.MAX_REQUEST_LINE else 431
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Hand the request on; raises ValueError, which the parser reports, if its head is too large."""
        self.in_head = False
        if len(self.url) > refusal.MAX_REQUEST_LINE:
            self.status = 414
        elif sum(len(name) + len(value) for name, value in self.headers) > refusal.MAX_HEADERS:
            self.status = 431
        else:
            super().on_headers_complete()
            return
        raise ValueError("The head of the request is too large.")

    def on_message_complete(self) -> None:
        """Expect the next request on this connection."""
        super().on_message_complete()
        self.in_head, self.octets = True, 0

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that reaches no application, and close.

        A phone whose User-Agent holds control characters is answered all the same: Avaya's 12xx send some.
        """
        mended, self.latest = _without_control_characters(self.latest), b""
        if self.in_head and self.status == 400 and mended is not None:
            self.parser = httptools.HttpRequestParser(self)
            super().data_received(mended)
            return
        self.transport.write(refusal.message(self.status))
        self.transport.close()


_USER_AGENT = re.compile(rb"(?<=\n)user-agent:[^\r\n]*", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _without_control_characters(data: bytes) -> bytes | None:
    """These octets, if they are one request without a body, with ``?`` for each in its User-Agent; else None."""
    if not data.startswith((b"GET ", b"HEAD ")) or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    mended = _USER_AGENT.sub(lambda found: _CONTROL.sub(b"?", found[0]), data)
    return None if mended == data else mended


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


class ServerLog(Logger):  # type: ignore[misc]
    """gunicorn's log, and so uvicorn's, in the form of the service's."""

    def setup(self, cfg: Any) -> None:
        """Prepare the log by gunicorn's settings."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.formatter((os.environ.get("LOG_FORMAT") or "line").lower()))
            handler.addFilter(logs.RequestId())


class APIWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads; its own errors as JSON, and addresses of the length that the API takes."""

    def init_process(self) -> None:
        """Set what gunicorn has no settings for, and run until the end."""
        gunicorn.http.message.MAX_REQUEST_LINE = refusal.MAX_REQUEST_LINE
        gunicorn.util.write_error = _write_error
        super().init_process()


def _write_error(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    gunicorn.util.write_nonblock(sock, refusal.message(status_int))
