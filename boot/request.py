"""A phone's request, from an ASGI scope or from a WSGI environment."""

import asyncio
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from boot.certificate import DENIED, names_of, problem_with, subject
from boot.decision import CertificateStatus, Decision, DeviceRecord
from boot.rate_limit import unknown_macs
from redirect.http.client_address import apply_forwarded, source_of

MAX_ADDRESS = 45
MAX_USER_AGENT = 200

# The headers that are read, by their names in an ASGI scope and in a WSGI environment.
HEADERS = {
    b"user-agent": "HTTP_USER_AGENT",
    b"x-forwarded-for": "HTTP_X_FORWARDED_FOR",
    b"x-ssl-client-verify": "HTTP_X_SSL_CLIENT_VERIFY",
    b"x-ssl-client-cert": "HTTP_X_SSL_CLIENT_CERT",
}


@dataclass(frozen=True)
class BootRequest:
    """A phone's request as it is recorded: which MAC, when, from where, and the certificate that it showed.

    The certificate is what a trusted proxy hands on (boot/certificate.py). `log_unknown` says whether the request
    is logged if the MAC is unknown; a request of a known device always is.
    """

    mac: str
    time: datetime
    address: str = ""
    user_agent: str = ""
    certificate_verified: str = ""
    certificate: str = ""
    log_unknown: bool = True

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
        return CertificateStatus.of(self.problem_unless_denied(record.denied if record else ()))

    @property
    def certificate_fingerprint(self) -> str | None:
        """The SHA-256 fingerprint of the certificate in hex digits, for the log; None without a readable one."""
        return self.certificate_names[0].removeprefix("sha256 ") if self.certificate_names else None

    @property
    def certificate_subject(self) -> str | None:
        """The subject of the certificate, for the log; None without a readable certificate."""
        return subject(self.certificate) if self.certificate else None


@dataclass(slots=True)
class PendingRequest:
    """A request that is not answered yet, with the future of its decision."""

    request: BootRequest
    decision: "asyncio.Future[Decision]"


def from_scope(scope: MutableMapping[str, Any], mac: str) -> BootRequest:
    """Return the request of an ASGI scope, for the MAC that its path names."""
    environ = {"REMOTE_ADDR": (scope.get("client") or ("",))[0]}
    for name, value in scope["headers"]:
        known = HEADERS.get(name)
        if known is not None:
            text = value.decode("latin-1")
            environ[known] = f"{environ[known]},{text}" if known in environ else text
    apply_forwarded(environ)
    return from_environ(environ, mac)


def from_environ(environ: dict[str, Any], mac: str) -> BootRequest:
    """Return the request of a WSGI environment whose proxy headers have been checked (http/client_address.py)."""
    address = environ.get("REMOTE_ADDR", "")
    return BootRequest(
        mac=mac,
        time=datetime.now(UTC),
        address=address[:MAX_ADDRESS],
        user_agent=_printable(environ.get("HTTP_USER_AGENT", "")),
        certificate_verified=environ.get("HTTP_X_SSL_CLIENT_VERIFY", ""),
        certificate=environ.get("HTTP_X_SSL_CLIENT_CERT", ""),
        log_unknown=not unknown_macs.is_exceeded(source_of(address), mac),
    )


def _printable(text: str) -> str:
    text = text[:MAX_USER_AGENT]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
