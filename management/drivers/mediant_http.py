"""How a Mediant is asked, and what its answers mean. Source: LTRT-41762, chapters 2, 6.1 and 12."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from management.drivers import restart
from management.drivers.base import DeviceError, Driver, Kind
from management.redaction import redact
from management.transport import MAX_FILE, Answer, Transport

V1 = "/api/v1"
QUICK, CONFIG, FILES = 15.0, 60.0, 600.0  # seconds until an answer must be whole

KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    406: Kind.INVALID,
    409: Kind.BUSY,
}


class MediantHttp(Driver):
    """The base of both firmwares' drivers."""

    _transport: Transport
    _status: dict[str, Any] | None = None

    def _holds(self, path: str, pem: str) -> bool | None:
        wanted, found = (fingerprints(text) for text in (pem.encode(), self._download(path, QUICK)))
        return wanted <= found if wanted else None

    def _is_back(self, up_time: int | None = None) -> bool | None:
        if up_time is None:
            up_time = (self._status or {}).get("systemUpTime")
        return restart.is_back(self._transport.pause, self._read_up_time, up_time)

    def _read_up_time(self) -> Any:
        answer = self._checked(self._transport.read(f"{V1}/status", seconds=QUICK, pauses=()))
        return json_object(answer).get("systemUpTime")

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        for tries in (1, 2):
            answer = self._checked(self._transport.read(path, query=query, seconds=QUICK))
            try:
                return {} if answer.status == 204 else json_object(answer)
            except DeviceError:
                if tries == 2:
                    raise
        raise AssertionError

    def _download(self, path: str, seconds: float) -> bytes:
        return self._checked(self._transport.read(path, seconds=seconds, cap=MAX_FILE)).content

    def _write(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self._checked(self._transport.write(method, path, **more))
        if not answer.content:
            return {}
        try:
            return json_object(answer)
        except DeviceError as error:
            error.sent = True
            raise

    def _upload(self, path: str, name: str, content: bytes, seconds: float, **more: Any) -> dict[str, Any]:
        return self._write("PUT", path, file=(name, content), seconds=seconds, **more)

    def check_answer(self, answer: Answer) -> None:
        self._checked(answer)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status in (200, 201, 204):
            return answer
        kind = KINDS.get(answer.status, Kind.DEVICE_FAILED if answer.status >= 500 else Kind.PROTOCOL)
        try:
            said = str(json_object(answer).get("description", ""))
        except DeviceError:
            said = ""
        if answer.status == 409 and "license file" in said:
            kind = Kind.PRECONDITION  # no passing state: a pair takes its keys from a file alone
        text = redact(said, self._secret)[:300] or "no reason"
        raise DeviceError(kind, f"The device answers {answer.status}: {text}.", status=answer.status)


def tls_path(context: str) -> str:
    """The address of a TLS context."""
    return f"{V1}/files/tls/{quote(context, safe='')}"


def json_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; raises DeviceError."""
    try:
        value = json.loads(answer.content)
    except ValueError as error:
        raise DeviceError(Kind.PROTOCOL, "The device's answer cannot be read: it is no JSON.") from error
    if not isinstance(value, dict):
        raise DeviceError(Kind.PROTOCOL, "The device's answer cannot be read: it is no JSON object.")
    return value


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem) if pem.strip() else []
    except ValueError as error:
        raise DeviceError(Kind.PROTOCOL, "The device's answer is no certificate.") from error


def fingerprints(pem: bytes) -> set[bytes]:
    """SHA-256 of each certificate; raises DeviceError."""
    return {certificate.fingerprint(SHA256()) for certificate in _certificates(pem)}


def described(pem: bytes) -> list[dict[str, str]]:
    """What people want to know of each certificate; raises DeviceError."""
    return [
        {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "notAfter": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%S+0000}",
            "fingerprint": certificate.fingerprint(SHA256()).hex(),
            "pem": certificate.public_bytes(Encoding.PEM).decode(),
        }
        for certificate in _certificates(pem)
    ]
