"""What all drivers have in common: verbs, their arguments, results, and one list of kinds of errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """Why something failed, for all drivers alike."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    PRECONDITION = "precondition"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    DEVICE_FAILED = "device_failed"
    PROTOCOL = "protocol"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    UNKNOWN_OUTCOME = "unknown_outcome"


class DeviceError(Exception):
    """Something failed at a device. ``str()`` is a sentence; `status` what it answered, if it did.

    `sent`: a write has left, and what became of it is not known.
    """

    def __init__(self, kind: Kind, message: str, *, status: int | None = None, sent: bool = False) -> None:
        super().__init__(message)
        self.kind, self.status, self.sent = kind, status, sent


@dataclass(frozen=True)
class TlsPolicy:
    """How a device's certificate is checked: `system`, `ca` (its own, PEM), `fingerprint` (SHA-256), or `none`."""

    kind: str = "system"
    ca: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Target:
    """Where a device is and how to log in."""

    base_url: str
    user: str
    secret: str = field(repr=False)
    tls: TlsPolicy = TlsPolicy()
    allow_http: bool = False


@dataclass(frozen=True)
class Argument:
    """What a verb takes. `type` is str, int or bool; `secret` ones are never shown; octets come as base64."""

    type: type = str
    required: bool = False
    choices: tuple[Any, ...] = ()
    secret: bool = False
    base64: bool = False
    most: int = 400_000  # characters, or the largest number
    least: int = 0


class Support(StrEnum):
    """How well a device can do something."""

    NATIVE = "native"
    PARTIAL = "partial"
    EMULATED = "emulated"
    NONE = "none"


@dataclass(frozen=True)
class Capability:
    """One verb of a driver: how well, with which arguments and limits. Without support, `note` is the reason."""

    support: Support
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class File:
    """What a verb fetched that is kept as a file."""

    kind: str
    name: str
    content: bytes = field(repr=False)
    firmware: str = ""


@dataclass(frozen=True)
class Result:
    """What a verb did: JSON for people, and files."""

    data: dict[str, Any]
    files: tuple[File, ...] = ()


class Level(StrEnum):
    """Who may use a verb: those who read, those who also restart and back up, those who also change."""

    VIEW = "Monitor"
    OPERATE = "Operator"
    ADMINISTER = "Administrator"


@dataclass(frozen=True)
class Verb:
    """What may be asked of a device: by whom, and whether it changes anything there."""

    level: Level
    writes: bool


_READ, _OPERATE = Verb(Level.VIEW, writes=False), Verb(Level.OPERATE, writes=True)
_FETCH, _CHANGE = Verb(Level.OPERATE, writes=False), Verb(Level.ADMINISTER, writes=True)
# A script may hold any command.
VERBS: Mapping[str, Verb] = {
    "probe": _READ,
    "identity": _READ,
    "status": _READ,
    "provisioning": _READ,
    "restart": _OPERATE,
    "resync": _OPERATE,
    "config_get": _FETCH,
    "config_set": _CHANGE,
    "config_backup": _FETCH,
    "config_apply": _CHANGE,
    "config_save": _CHANGE,
    "config_reset": _CHANGE,
    "factory_reset": _CHANGE,
    "firmware_install": _CHANGE,
    "file_put": _CHANGE,
    "run_cli": _CHANGE,
    "alarms": _READ,
    "alarm": _READ,
    "metrics": _READ,
    "license_get": _READ,
    "license_put": _CHANGE,
    "lines": _READ,
    "ui_token": _CHANGE,
    "tls_contexts": _READ,
    "tls_key_generate": _CHANGE,
    "tls_csr": _CHANGE,
    "tls_cert_get": _READ,
    "tls_cert_put": _CHANGE,
    "tls_cert_self_sign": _CHANGE,
    "tls_key_put": _CHANGE,
    "tls_trust_get": _READ,
    "tls_trust_replace": _CHANGE,
    "tls_trust_add": _CHANGE,
}

# These concern a device as a whole: the next question would fail alike.
FINAL = frozenset(
    {Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.UNREACHABLE, Kind.TLS, Kind.TIMEOUT, Kind.PRECONDITION}
)


class Driver:
    """One device. A subclass has a method for each verb that its `capabilities` support."""

    capabilities: ClassVar[Mapping[str, Capability]]

    def do(self, verb: str, arguments: Mapping[str, Any]) -> Result:
        """Run a verb; raises DeviceError."""
        capability = self.capabilities.get(verb)
        if capability is None or capability.support is Support.NONE:
            note = capability.note if capability else "This device does not have it."
            raise DeviceError(Kind.UNSUPPORTED, note)
        method: Callable[..., Result] = getattr(self, verb)
        return method(**arguments)

    def identity(self) -> Result:
        """vendor, model, mac (12 upper-case digits or None), serial, firmware; raises DeviceError."""
        raise NotImplementedError

    def before(self, verb: str) -> dict[str, Any]:
        """What `verify` will want to know of the time before a write, as JSON."""
        return {}

    def verify(self, verb: str, arguments: Mapping[str, Any], before: Mapping[str, Any]) -> bool | None:
        """Whether a write whose answer is missing was carried out, as reading tells; None if it does not."""
        return None

    def probe(self) -> Result:
        """All that can be read in short, each part with its own `ok` or error."""
        parts: dict[str, Any] = {}
        final: DeviceError | None = None
        for name in ("identity", "status", "provisioning", "lines"):
            try:
                if final is not None:
                    raise final
                parts[name] = {"ok": True, "data": self.do(name, {}).data}
            except DeviceError as error:
                parts[name] = failure(error)
                final = error if error.kind in FINAL else None
        parts["registration"] = parts.pop("lines")
        parts["firmware"] = parts["identity"]
        if parts["identity"]["ok"]:
            parts["firmware"] = {"ok": True, "data": {"version": parts["identity"]["data"]["firmware"]}}
        return Result(parts)


def failure(error: DeviceError) -> dict[str, Any]:
    """One part of a summary that failed."""
    return {"ok": False, "kind": error.kind.value, "message": str(error)}
