"""A phone's request, from an ASGI scope or from a WSGI environment."""

import asyncio
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from django.conf import settings
from django.urls import get_resolver

from boot.certificate import DENIED, names_of, problem_with, subject
from boot.decision import CertificateStatus, Decision, DeviceRecord
from boot.rate_limit import unknown_macs
from boot.shapes import Shape, look
from boot.shapes import from_environ as raw_target
from boot.shapes import is_own as is_own_path
from redirect.http.client_address import apply_forwarded, source_of

MAX_ADDRESS = 45
MAX_USER_AGENT = 200
MAX_PATH = 200

# The headers that are read, by their names in an ASGI scope and in a WSGI environment.
HEADERS = {
    b"user-agent": "HTTP_USER_AGENT",
    b"x-forwarded-for": "HTTP_X_FORWARDED_FOR",
    b"x-ssl-client-verify": "HTTP_X_SSL_CLIENT_VERIFY",
    b"x-ssl-client-cert": "HTTP_X_SSL_CLIENT_CERT",
}


@dataclass  # frozen would cost each phone as much as all of its parsing
class BootRequest:
    """A phone's request as it is recorded: what it asks for, when, from where, and the certificate that it showed.

    `path` is as it stands in the request, for the log. The certificate is what a trusted proxy hands on
    (boot/certificate.py). `log_unknown` says whether the request is logged if the MAC is unknown; a request of a
    known device always is.
    """

    shape: Shape
    time: datetime
    path: str = ""
    address: str = ""
    user_agent: str = ""
    certificate_verified: str = ""
    certificate: str = ""
    log_unknown: bool = True

    @property
    def mac(self) -> str:
        """The MAC that the phone asks with, normalized."""
        return self.shape.mac

    @cached_property
    def certificate_problem(self) -> str | None:
        """Why the certificate does not prove that this is the device; "" if it does, None without one."""
        if not self.certificate:
            return None
        return problem_with(self.mac, verify=self.certificate_verified, certificate=self.certificate)

    @cached_property
    def certificate_names(self) -> tuple[str, ...]:
        """The names by which the deny list may know the certificate; none without a readable one."""
        return (self.certificate and names_of(self.certificate)) or ()

    def problem_unless_denied(self, denied: Collection[str]) -> str | None:
        """The problem of the certificate, or that one of its names is among those that are denied."""
        return DENIED if any(name in denied for name in self.certificate_names) else self.certificate_problem

    def status_for(self, record: DeviceRecord | None) -> CertificateStatus:
        """What the certificate says about the MAC, by the deny list that was read with the device."""
        if not self.certificate:
            return CertificateStatus.NONE
        return CertificateStatus.of(self.problem_unless_denied(record.denied if record else ()))

    @property
    def certificate_fingerprint(self) -> str | None:
        """The SHA-256 fingerprint of the certificate in hex digits, for the log; None without a readable one."""
        return self.certificate_names[0].removeprefix("sha256 ") if self.certificate_names else None

    @property
    def certificate_subject(self) -> str | None:
        """The subject of the certificate, for the log; None without a readable certificate."""
        return subject(self.certificate) if self.certificate else None


class UnknownRequest(NamedTuple):
    """A request that is no phone's, as it is kept where its User-Agent hints at one."""

    time: datetime
    path: str
    address: str
    user_agent: str


class Pending(Protocol):
    """A request that is not answered yet. One of its methods is called, once, after the commit."""

    request: BootRequest

    def settle(self, decision: Decision) -> None:
        """Answer with what was decided."""

    def fail(self, error: Exception) -> None:
        """Answer that the database is not available."""


@dataclass(slots=True)
class PendingRequest:
    """A request with the future of its decision, for a caller that waits."""

    request: BootRequest
    decision: "asyncio.Future[Decision]"

    def settle(self, decision: Decision) -> None:
        """Answer with what was decided."""
        if not self.decision.done():  # it is done if the phone has disconnected
            self.decision.set_result(decision)

    def fail(self, error: Exception) -> None:
        """Answer that the database is not available."""
        if not self.decision.done():
            self.decision.set_exception(error)


def from_scope(scope: MutableMapping[str, Any]) -> BootRequest | None:
    """Return the phone's request in an ASGI scope, or None if it is not a phone's."""
    environ = environ_of(scope)
    path = path_of(scope)
    shape = look(path, scope.get("query_string", b""), environ.get("HTTP_USER_AGENT", ""), own=own_segments())
    if shape is None:
        return None
    apply_forwarded(environ)
    return _request(shape, path, environ)


def environ_of(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """The headers that are read, and the peer's address, as a WSGI environment has them."""
    environ = {"REMOTE_ADDR": (scope.get("client") or ("",))[0]}
    for name, value in scope["headers"]:
        known = HEADERS.get(name)
        if known is not None:
            text = value.decode("latin-1")
            environ[known] = f"{environ[known]},{text}" if known in environ else text
    return environ


def from_environ(environ: dict[str, Any]) -> BootRequest | None:
    """Return the phone's request in a WSGI environment, or None if it is not a phone's.

    The proxy headers of the environment have been checked (redirect/http/client_address.py).
    """
    path, query = raw_target(environ)
    shape = look(path, query, environ.get("HTTP_USER_AGENT", ""), own=own_segments())
    return None if shape is None else _request(shape, path, environ)


def user_agent_of(scope: MutableMapping[str, Any]) -> str:
    """Return the User-Agent of an ASGI scope, "" without one."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"), "")


def unknown_from_scope(scope: MutableMapping[str, Any]) -> UnknownRequest:
    """Return the request in an ASGI scope that `from_scope` has found to be no phone's."""
    environ = environ_of(scope)
    apply_forwarded(environ)
    return unknown_from_environ(environ, path_of(scope))


def unknown_from_environ(environ: dict[str, Any], path: bytes) -> UnknownRequest:
    """Return the request in a WSGI environment that `from_environ` has found to be no phone's."""
    return UnknownRequest(
        time=datetime.now(UTC),
        path=printable(path[:MAX_PATH].decode("latin-1"), MAX_PATH),
        address=environ.get("REMOTE_ADDR", "")[:MAX_ADDRESS],
        user_agent=printable(environ.get("HTTP_USER_AGENT", ""), MAX_USER_AGENT),
    )


def path_of(scope: MutableMapping[str, Any]) -> bytes:
    """Return the path of an ASGI scope as it stands in the request; `raw_path` is optional in ASGI."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"], safe="/:").encode("ascii") if raw is None else raw


def is_own(scope: MutableMapping[str, Any]) -> bool:
    """Whether the service itself answers the request of an ASGI scope that is no phone's."""
    return is_own_path(path_of(scope), own_segments(), scope.get("query_string", b""))


@cache
def own_segments() -> frozenset[str]:
    """The first segments of the addresses that are not for phones: those of the URL map, and static files."""
    patterns = (str(entry.pattern) for entry in get_resolver().url_patterns)
    others = (settings.STATIC_URL.strip("/"), "uploads")  # on the map only while device management is on
    return frozenset(address.split("/")[0].lower() for address in (*patterns, *others)) - {""}


def _request(shape: Shape, path: bytes, environ: dict[str, Any]) -> BootRequest:
    address = environ.get("REMOTE_ADDR", "")
    return BootRequest(
        shape=shape,
        time=datetime.now(UTC),
        path=printable(path[:MAX_PATH].decode("latin-1"), MAX_PATH),
        address=address[:MAX_ADDRESS],
        user_agent=_user_agent(environ.get("HTTP_USER_AGENT", "")),
        certificate_verified=environ.get("HTTP_X_SSL_CLIENT_VERIFY", ""),
        certificate=environ.get("HTTP_X_SSL_CLIENT_CERT", ""),
        log_unknown=not unknown_macs.is_exceeded(source_of(address), shape.mac),
    )


@lru_cache(maxsize=10_000)  # all phones of a model have one, as a rule
def _user_agent(text: str) -> str:
    return printable(text, MAX_USER_AGENT)


def printable(text: str, length: int) -> str:
    """The beginning of the text, with ? for each character that cannot be printed."""
    text = text[:length]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
