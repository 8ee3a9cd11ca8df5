"""The workers of gunicorn: uvicorn's for everything, threads for the API alone, as this service needs them."""

import asyncio
import os
import select
import signal
from typing import Any, ClassVar

import gunicorn.http.message
import gunicorn.util
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from uvicorn_worker import UvicornWorker

from redirect import logs
from redirect.http import refusal


class PhoneWorker(UvicornWorker):  # type: ignore[misc]
    """uvloop and httptools by name, so that a missing one stops the start; no header is believed before Django."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": "boot.protocol:PhoneProtocol",
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

    sockets: list[Any]  # gunicorn's, on which it listens

    def init_process(self) -> None:
        """Set what gunicorn has no settings for, and run until the end."""
        gunicorn.http.message.MAX_REQUEST_LINE = refusal.MAX_REQUEST_LINE
        gunicorn.util.write_error = _write_error
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin or stop to accept connections; at the end of the worker also stop to listen.

        gunicorn goes on listening until the last request is answered. What connects meanwhile is reset then, and a
        proxy cannot tell whether a call that it has sent was carried out. Refused, it asks the next host.
        """
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        for listener in self.sockets:
            # Those that are connected already are answered.
            for _ in range(self.cfg.backlog):
                if not select.select([listener], [], [], 0)[0]:
                    break
                self.accept(listener)
            listener.close()
        self.sockets = []


def _write_error(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    gunicorn.util.write_nonblock(sock, refusal.message(status_int))
