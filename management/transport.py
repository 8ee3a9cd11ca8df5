"""HTTP to a device: one request on one connection, with a deadline, a cap, a checked address and no redirects.

httpx encodes, httpcore connects. Whether a byte of a write has left is known exactly: what the device was never
sent may be sent again, all else never.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from management.drivers.base import DeviceError, Kind, Target, TlsPolicy
from redirect.http.addresses import AddressRefused, Rules
from redirect.http.outgoing import Backend, Exchange

MAX_JSON = 1024 * 1024
MAX_FILE = 64 * 1024 * 1024
PAUSES = (0.5, 1.0)  # between the three tries of a read, in seconds
_PIECE = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What the device answered, whole."""

    status: int
    content_type: str
    content: bytes


class Transport:
    """Requests to one device. `before_write` is called before each write, and again if it must be tried anew."""

    def __init__(
        self,
        target: Target,
        rules: Rules,
        *,
        before_write: Callable[[], None] = lambda: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target, self._rules = target, rules
        self._before_write, self.pause = before_write, pause

    @property
    def is_secure(self) -> bool:
        """Whether the device is asked by HTTPS."""
        return self._target.base_url.startswith("https:")

    def read(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        seconds: float,
        cap: int = MAX_JSON,
        pauses: tuple[float, ...] | None = None,
    ) -> Answer:
        """GET, tried again after each pause; raises DeviceError. An unreadable answer is asked for once more."""
        request = self._request("GET", path, query=query)
        pauses = PAUSES if pauses is None else pauses
        for tries, wait in enumerate((*pauses, None), start=1):
            try:
                answer = self._send(request, seconds, cap, writes=False)
                if answer.status < 500 or wait is None:
                    return answer
            except DeviceError as error:
                again = error.kind in (Kind.UNREACHABLE, Kind.TIMEOUT) or (
                    error.kind is Kind.PROTOCOL and tries == 1
                )
                if not again or wait is None:
                    raise
            self.pause(wait)
        raise AssertionError

    def write(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        content_type: str = "application/octet-stream",
        file: tuple[str, bytes] | None = None,
        seconds: float,
        cap: int = MAX_JSON,
        changes: bool = True,
    ) -> Answer:
        """POST, PUT or DELETE, sent once; tried again only while no connection came about. Raises DeviceError.

        `file` is sent as the part named `file` of a form, `content` as it is, `json` as JSON. Without `changes` it
        is a question that happens to be no GET: nothing is at stake if its answer is lost.
        """
        request = self._request(
            method, path, query=query, json=json, content=content, content_type=content_type, file=file
        )
        if not changes:
            return self._send(request, seconds, cap, writes=False)
        for wait in (*PAUSES, None):
            self._before_write()
            try:
                return self._send(request, seconds, cap, writes=True)
            except DeviceError as error:
                if error.kind is not Kind.UNREACHABLE or error.sent or wait is None:
                    raise
            self.pause(wait)
        raise AssertionError

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        json: Any = None,
        content: bytes | None = None,
        content_type: str = "",
        file: tuple[str, bytes] | None = None,
    ) -> httpx.Request:
        target = self._target
        if target.base_url.startswith("http:") and not target.allow_http:
            raise DeviceError(
                Kind.PRECONDITION, "The login is not sent by plain http unless the endpoint allows it."
            )
        headers = {
            "Accept": "application/json, application/octet-stream",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "phone-redirect-service",
        }
        if content is not None:
            headers["Content-Type"] = content_type
        files = {"file": (file[0], file[1], "application/octet-stream")} if file is not None else None
        url = target.base_url.rstrip("/") + path
        request = httpx.Request(
            method, url, params=query or None, headers=headers, json=json, content=content, files=files
        )
        request.read()
        return next(httpx.BasicAuth(target.user, target.secret).auth_flow(request))

    def _send(self, request: httpx.Request, seconds: float, cap: int, *, writes: bool) -> Answer:
        exchange = Exchange(time.monotonic() + seconds)
        tls = self._target.tls
        pinned = tls.fingerprint if tls.kind == "fingerprint" else None
        backend = Backend(self._rules, exchange, pinned)
        try:
            with httpcore.ConnectionPool(ssl_context=_context(tls), network_backend=backend) as pool:
                raw = httpcore.Request(
                    request.method,
                    httpcore.URL(str(request.url)),
                    headers=request.headers.raw,
                    content=request.content,
                )
                response = pool.handle_request(raw)
                try:
                    return _read(response, cap)
                finally:
                    response.close()
        except DeviceError as error:
            error.sent = writes and exchange.left
            raise
        except AddressRefused as error:
            raise DeviceError(Kind.FORBIDDEN, str(error)) from error
        except (
            ssl.SSLError,
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            OSError,
        ) as error:
            raise _failed(error, exchange, writes=writes) from error


def _failed(error: Exception, exchange: Exchange, *, writes: bool) -> DeviceError:
    """What it means that a request failed on its way."""
    if not exchange.left:
        if _is_tls(error):
            return DeviceError(Kind.TLS, f"The TLS connection was refused: {_cause(error)}.")
        return DeviceError(Kind.UNREACHABLE, f"The device cannot be reached: {_cause(error)}.")
    if isinstance(error, httpcore.TimeoutException):
        if writes:
            return DeviceError(Kind.UNKNOWN_OUTCOME, "The device did not answer in time.", sent=True)
        return DeviceError(Kind.TIMEOUT, "The device did not answer in time.")
    unreadable = exchange.received and isinstance(error, httpcore.ProtocolError)
    cut = unreadable and "closed connection without sending complete" in str(error)
    if unreadable and not cut:
        return DeviceError(Kind.PROTOCOL, "The device's answer is no HTTP.", sent=writes)
    if writes:
        return DeviceError(Kind.UNKNOWN_OUTCOME, "The connection ended before the whole answer came.", sent=True)
    if exchange.received:
        return DeviceError(Kind.PROTOCOL, "The connection ended in the middle of the answer.")
    return DeviceError(Kind.UNREACHABLE, "The connection ended before an answer came.")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _cause(error: Exception) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "no answer to the connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message if hasattr(error, "verify_message") else str(error)
    return (str(error) or type(error).__name__)[:200]


def _read(response: httpcore.Response, cap: int) -> Answer:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise DeviceError(Kind.PROTOCOL, "The device's answer is compressed, which was not asked for.")
    pieces, size = [], 0
    assert isinstance(response.stream, Iterable)
    for piece in response.stream:
        size += len(piece)
        if size > cap:
            raise DeviceError(Kind.TOO_LARGE, f"The device's answer has more than {cap:,} bytes.")
        pieces.append(piece)
    if 300 <= response.status < 400:
        raise DeviceError(Kind.PROTOCOL, "The device answers with a redirect, which is not followed.")
    return Answer(response.status, headers.get("content-type", ""), b"".join(pieces))


@lru_cache(maxsize=256)
def _context(tls: TlsPolicy) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=tls.ca or None)
    if tls.kind in ("fingerprint", "none"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
