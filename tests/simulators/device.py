"""What all simulated devices have: HTTP with Basic authentication, faults, a journal, and a clock of their own."""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = "application/json"
BINARY = "application/octet-stream"


@dataclass
class Request:
    """One request as it was read from the wire."""

    method: str
    target: str
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query string and without a slash at its end."""
        return urlsplit(self.target).path.rstrip("/") or "/"

    @property
    def query(self) -> dict[str, str]:
        """The query string; of a repeated name the first value counts."""
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    @property
    def content_type(self) -> str:
        """In lower case, without parameters."""
        return self.headers.get_content_type().lower() if self.headers.get("Content-Type") else ""

    def accepts(self, kind: str) -> bool:
        """Whether the Accept header, if any, includes this type."""
        header = self.headers.get("Accept", "*/*")
        offered = [part.partition(";")[0].strip().lower() for part in header.split(",")]
        return not {kind.lower(), kind.partition("/")[0] + "/*", "*/*"}.isdisjoint(offered)

    @property
    def login(self) -> tuple[str, str] | None:
        """Name and password of HTTP Basic."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (name, password) if colon else None


@dataclass
class Answer:
    """What is answered; `after` is called once it has been sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: Callable[[], None] | None = None


def as_json(value: Any, status: int = 200, after: Callable[[], None] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value).encode(), JSON, after=after)


def described(text: str, status: int = 200, after: Callable[[], None] | None = None) -> Answer:
    """The JSON object with one sentence that AudioCodes devices answer with."""
    return as_json({"description": text}, status, after)


class Refusal(Exception):
    """Raised while a request is handled: this is the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


FAULTS = ("delay", "drop-before", "drop-after", "cut", "garbage", "noise", "error")


@dataclass
class Fault:
    """What goes wrong with requests of a method and path (any, if empty); so many times, or for ever."""

    kind: str
    method: str = ""
    path: str = ""
    times: int | None = None
    seconds: float = 0

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"Unknown fault {self.kind!r}; known are {', '.join(FAULTS)}.")

    def meets(self, request: Request) -> bool:
        """Whether this request suffers it."""
        return self.method in ("", request.method) and (self.path in ("", request.path)) and self.times != 0


@dataclass
class Entry:
    """A request in the journal. Times are seconds of a clock that never goes back."""

    number: int
    method: str
    target: str
    content_type: str
    body: str
    user: str | None
    began: float
    ended: float | None = None
    status: int | None = None  # None: dropped
    processed: bool = False
    fault: str | None = None


class Clock:
    """The device's time, which the control channel may advance."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.offset


class Device:
    """One simulated device. A subclass answers; this guards, counts and breaks."""

    realm = "device"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clock = Clock()
        self.journal: list[Entry] = []
        self.faults: list[Fault] = []
        self.users: dict[str, tuple[str, str]] = {}  # name -> password, level
        self.listener: Any = None  # set by the server

    # --- For subclasses ---------------------------------------------------------------------------------------

    def respond(self, request: Request, level: str) -> Answer:
        """Answer an authenticated request of a user of this level; called by one thread at a time."""
        raise NotImplementedError

    def respond_openly(self, request: Request) -> Answer | None:
        """Answer a request that needs no login; None for all others."""
        return None

    def state(self) -> dict[str, Any]:
        """What the control channel shows."""
        raise NotImplementedError

    def configure(self, values: dict[str, Any]) -> None:
        """Change the state by the control channel; raises ValueError."""
        raise NotImplementedError

    # --- For the server ---------------------------------------------------------------------------------------

    def fault_of(self, request: Request) -> Fault | None:
        """The fault that this request suffers; it is used up by that."""
        with self.lock:
            for fault in self.faults:
                if fault.meets(request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def note(self, request: Request) -> Entry:
        """Begin the request's entry in the journal."""
        login = request.login
        with self.lock:
            entry = Entry(
                number=len(self.journal) + 1,
                method=request.method,
                target=request.target,
                content_type=request.headers.get("Content-Type", ""),
                body=request.body[:4096].decode("latin-1"),
                user=login[0] if login else None,
                began=time.monotonic(),
            )
            self.journal.append(entry)
        return entry

    def answer(self, request: Request) -> Answer:
        """Answer a request, whoever sends it."""
        with self.lock:
            try:
                opened = self.respond_openly(request)
                return opened or self.respond(request, self._level_of(request))
            except Refusal as refusal:
                return refusal.answer

    def _level_of(self, request: Request) -> str:
        name, password = request.login or ("", "")
        known = self.users.get(name)
        if known is None or known[0] != password:
            challenge = {"WWW-Authenticate": f'Basic realm="{self.realm}"'}
            answer = described(HTTPStatus(401).phrase, 401)
            answer.headers |= challenge
            raise Refusal(answer)
        return known[1]


def multipart_parts(request: Request) -> dict[str, bytes]:
    """The parts of a multipart/form-data body by their names; raises Refusal 400 if it is none."""
    boundary = request.headers.get_param("boundary")
    if request.content_type != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        raise Refusal(described("File must be uploaded as multipart/form-data", 400))
    parts = {}
    delimiter = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + request.body).split(delimiter)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise Refusal(described("Malformed multipart/form-data", 400))
    for piece in pieces[1:-1]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        name = Message()
        for line in head.decode("latin-1").split("\r\n"):
            key, colon, value = line.partition(":")
            if colon:
                name[key.strip()] = value.strip()
        found = name.get_param("name", header="content-disposition")
        if not blank or not isinstance(found, str):
            raise Refusal(described("Malformed multipart/form-data", 400))
        parts[found] = content
    return parts
