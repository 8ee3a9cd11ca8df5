"""A phone's request, from an ASGI scope or from a WSGI environment."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from boot.certificate import proves_mac, subject
from boot.decision import CertificateStatus, Decision
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
    def certificate_status(self) -> CertificateStatus:
        """Whether the certificate proves that this is the device with that MAC."""
        if not self.certificate:
            return CertificateStatus.NONE
        proven = proves_mac(self.mac, verify=self.certificate_verified, certificate=self.certificate)
        return CertificateStatus.VERIFIED if proven else CertificateStatus.MISMATCH

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
