"""What all drivers have in common: verbs, their arguments, results, and one list of kinds of errors."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from management.drivers import documented
from management.redaction import redact, redact_json, redact_markup

MOST_SHOWN = 200_000  # characters of a raw answer


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

    `sent`: a write has left, and what became of it is not known. `argument`: the name of that which is at fault.
    """

    def __init__(
        self, kind: Kind, message: str, *, status: int | None = None, sent: bool = False, argument: str = ""
    ) -> None:
        super().__init__(message)
        self.kind, self.status, self.sent, self.argument = kind, status, sent, argument


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
    """What a verb takes. `type` is str, int, bool, dict (of strings) or list (of strings); `secret` ones are never
    shown; octets come as base64; of `certificates` nothing else may stand in the text.
    """

    type: type = str
    required: bool = False
    choices: tuple[Any, ...] = ()
    secret: bool = False
    base64: bool = False
    certificates: bool = False
    most: int = 400_000  # characters, entries, or the largest number
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
    "passthrough": _CHANGE,
    "certify": _CHANGE,
    "alarms": _READ,
    "alarm": _READ,
    "metrics": _READ,
    "license_get": _READ,
    "license_put": _CHANGE,
    "lines": _READ,
    "ui_token": _CHANGE,
    "health": _READ,
    "find_phone": _READ,
    "import_phones": _CHANGE,
    "update_phone": _CHANGE,
    "delete_phone": _CHANGE,
    "phone_models": _READ,
    "groups": _READ,
    "join_group": _CHANGE,
    "leave_group": _CHANGE,
    "settings_get": _FETCH,
    "settings_put": _CHANGE,
    "settings_reset": _CHANGE,
    "profile": _FETCH,
    "restart_phone": _OPERATE,
    "registrations": _READ,
    "drop_registrations": _OPERATE,
    "consistency": _READ,
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

# A raw call of an address that documented.py lets through.
PASSTHROUGH = Capability(
    Support.NATIVE,
    {
        "method": Argument(required=True, choices=("GET", "POST", "PUT", "DELETE")),
        "path": Argument(required=True, most=1000),
        "query": Argument(dict, most=10),
        "body": Argument(secret=True, most=20_480),
        "contentType": Argument(choices=("application/json", "text/plain", "application/xml")),
    },
    "By its own call: only addresses that the documentation's table lets through.",
)

# These concern a device as a whole: the next question would fail alike.
FINAL = frozenset(
    {Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.UNREACHABLE, Kind.TLS, Kind.TIMEOUT, Kind.PRECONDITION}
)


class Receiver(Protocol):
    """Where a device pushes a file to: once, and not for long."""

    def open(self, kind: str, name: str) -> str:
        """A new address for a file; raises DeviceError if there can be none."""

    def arrived(self, seconds: float) -> bool:
        """Whether the file has come; waits for it so long."""


class Driver:
    """One device, or one server of devices. A subclass has a method for each verb of its `capabilities`."""

    capabilities: ClassVar[Mapping[str, Capability]]
    name: ClassVar[str]
    is_server: ClassVar[bool] = False  # of a location, not a device
    one_at_a_time: ClassVar[bool] = False  # reads, too; writes always are
    busy_for: ClassVar[float] = 300.0  # seconds that a busy device is asked again for, and the pause between
    busy_step: ClassVar[float] = 15.0
    seconds: ClassVar[float] = 15.0  # until an answer of a raw call must be whole, and that to a write
    write_seconds: ClassVar[float] = 60.0
    typed: ClassVar[bool] = False  # writes must say a content type, also without a body
    parts: ClassVar[Mapping[str, str]] = {  # of a summary, with the verb that tells each
        "identity": "identity",
        "status": "status",
        "provisioning": "provisioning",
        "registration": "lines",
    }

    def __init__(self, transport: Any, *, secret: str = "", receiver: Receiver | None = None) -> None:
        self._transport, self._secret, self._receiver = transport, secret, receiver

    @classmethod
    def check(cls, verb: str, arguments: Mapping[str, Any]) -> None:
        """Raises DeviceError, with the argument, if they, each of which is right, do not go together."""

    @classmethod
    def pause_between(cls, verb: str, arguments: Mapping[str, Any]) -> float:
        """How many seconds must have passed since the last operation of the same verb and path."""
        return 0.0

    def do(self, verb: str, arguments: Mapping[str, Any]) -> Result:
        """Run a verb; raises DeviceError."""
        capability = self.capabilities.get(verb)
        if capability is None or capability.support is Support.NONE:
            note = capability.note if capability else "This device does not have it."
            raise DeviceError(Kind.UNSUPPORTED, note)
        method: Callable[..., Result] = getattr(self, verb)
        return method(**arguments)

    def passthrough(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: str = "",
        contentType: str = "application/json",
    ) -> Result:
        """A call of an address that was checked against documented.py; its answer without secrets."""
        found = documented.find(self.name, method, path)
        if found is None or not found.passes:
            raise DeviceError(Kind.FORBIDDEN, "The pass-through does not let this call through.")
        if method == "GET":
            answer = self._transport.read(path, query=query, seconds=self.seconds)
        else:
            with_body = {"content": body.encode(), "content_type": contentType} if body or self.typed else {}
            seconds = max(self.seconds, self.write_seconds, documented.seconds(path))
            answer = self._transport.write(method, path, query=query, seconds=seconds, **with_body)
        self.check_answer(answer)
        return Result(passed(answer.content, answer.content_type, answer.status, self._secret))

    def check_answer(self, answer: Any) -> None:
        """Raises DeviceError if a device refused a raw call."""
        raise NotImplementedError

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
        for name, verb in self.parts.items():
            try:
                if final is not None:
                    raise final
                parts[name] = {"ok": True, "data": self.do(verb, {}).data}
            except DeviceError as error:
                parts[name] = failure(error)
                final = error if error.kind in FINAL else None
        parts["firmware"] = parts["identity"]
        if parts["identity"]["ok"]:
            parts["firmware"] = {"ok": True, "data": {"version": parts["identity"]["data"]["firmware"]}}
        return Result(parts)


def passed(content: bytes, content_type: str, status: int, *secrets: str) -> dict[str, Any]:
    """A raw answer to be shown: JSON, or text without secrets; of anything else the size alone."""
    shown: dict[str, Any] = {"status": status, "contentType": content_type[:100], "size": len(content)}
    try:
        return shown | {"body": redact_json(json.loads(content), *secrets)}
    except ValueError:
        pass
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return shown | {"body": None}
    return shown | {"body": redact_markup(redact(text, *secrets))[:MOST_SHOWN]}


def failure(error: DeviceError) -> dict[str, Any]:
    """One part of a summary that failed."""
    return {"ok": False, "kind": error.kind.value, "message": str(error)}
