"""One request on one connection to a checked address: it ends in time, however slow the other side is."""

import hashlib
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from redirect.http.addresses import Rules

CONNECT = 5.0  # seconds


@dataclass
class Exchange:
    """What is known of one request: has a byte of it left, has one of the answer come?"""

    deadline: float
    left: bool = False
    received: bool = False

    def remaining(self, most: float | None = None) -> float:
        """Seconds until the deadline; raises httpcore's time-out past it."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("deadline")
        return seconds if most is None else min(seconds, most)


class Stream(httpcore.NetworkStream):
    """A connection that keeps to the deadline of its one request, however slowly the other side sends."""

    def __init__(self, stream: httpcore.NetworkStream, exchange: Exchange, fingerprint: str | None) -> None:
        self._stream, self._exchange, self._fingerprint = stream, exchange, fingerprint

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._exchange.remaining(timeout))
        self._exchange.received = self._exchange.received or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        seconds = self._exchange.remaining(timeout)
        self._exchange.left = True
        self._stream.write(buffer, seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._exchange.remaining(CONNECT)
        secure = self._stream.start_tls(ssl_context, server_hostname, seconds)
        if self._fingerprint is not None:
            shown = secure.get_extra_info("ssl_object").getpeercert(True) or b""
            if hashlib.sha256(shown).hexdigest() != self._fingerprint:
                secure.close()
                raise ssl.SSLCertVerificationError("the certificate has another fingerprint")
        return Stream(secure, self._exchange, self._fingerprint)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Backend(httpcore.NetworkBackend):
    """Connects to the address that was checked, and to no other."""

    def __init__(self, rules: Rules, exchange: Exchange, fingerprint: str | None) -> None:
        self._rules, self._exchange, self._fingerprint = rules, exchange, fingerprint
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._rules.resolve(host, port)
        seconds = self._exchange.remaining(CONNECT)
        return Stream(self._sockets.connect_tcp(address, port, seconds), self._exchange, self._fingerprint)
