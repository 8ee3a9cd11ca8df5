"""Who asks: phones over raw connections, an integrator over the API. What a client saw of a server that fails."""

import asyncio
import contextlib
import http.client
import json
import random
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from rig import HOST

NO_ANSWER = 0  # reset, refused or cut off: nobody can tell whether it was counted
TOO_LATE = -1  # not answered within the client's patience


class Connection:
    """As much HTTP/1.1 as is needed to ask a server that is being killed."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.port, self.host = port, host
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; raises OSError or EOFError if there is no whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), headers, body

    def close(self) -> None:
        """Hang up; the next request makes a new connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass(slots=True)
class Asked:
    """One request and how it ended."""

    tag: str
    mac: str
    began: float
    took: float
    status: int


@dataclass
class Phones:
    """Clients that ask for phones, and remember every answer. Each request is told by its User-Agent."""

    port: int
    macs: Sequence[str]
    clients: int = 16
    rate: float = 300.0  # requests a second, of all clients
    scattered: bool = False  # at random times: in step with each other they would share their batches
    keep_alive: bool = True
    patience: float = 10.0
    headers: str = ""
    host: str = HOST
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    asked: list[Asked] = field(default_factory=list)
    lag: float = 0.0  # how late this process itself was at worst: no fault of the service's

    def __post_init__(self) -> None:
        self._stop = asyncio.Event()
        self._numbers = iter(range(10**9))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> "Phones":
        """Begin asking."""
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        self._tasks.append(asyncio.create_task(self._watch_itself()))
        return self

    async def stop(self) -> None:
        """Let every request come to its end."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def one(self, which: str, connection: Connection) -> Asked:
        """Ask for one phone."""
        number = next(self._numbers)
        tag = f"{self.tag}-{number}"
        request = f"GET /{which} HTTP/1.1\r\nHost: x\r\nUser-Agent: {tag}\r\n{self.headers}\r\n"
        loop = asyncio.get_running_loop()
        entry = Asked(tag, which, loop.time(), 0.0, NO_ANSWER)
        try:
            async with asyncio.timeout(self.patience):
                entry.status, _, _ = await connection.exchange(request.encode())
        except TimeoutError:
            entry.status = TOO_LATE
            connection.close()
        except (OSError, EOFError, ValueError):
            connection.close()
        entry.took = loop.time() - entry.began
        self.asked.append(entry)
        return entry

    def between(self, begin: float, end: float) -> list[Asked]:
        """The requests that began in this time."""
        return [entry for entry in self.asked if begin <= entry.began < end]

    def statuses(self) -> Counter[int]:
        """How many ended how."""
        return Counter(entry.status for entry in self.asked)

    def slowest(self, share: float = 1.0) -> float:
        """The time within which this share of all requests was answered, in seconds."""
        times = sorted(entry.took for entry in self.asked)
        return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

    async def _watch_itself(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            due = loop.time() + 0.02
            await asyncio.sleep(0.02)
            self.lag = max(self.lag, loop.time() - due)

    async def _client(self, number: int) -> None:
        connection = Connection(self.port, self.host)
        pause = self.clients / self.rate
        await asyncio.sleep(pause * number / self.clients)
        due = asyncio.get_running_loop().time()
        index = number * 7919
        while not self._stop.is_set():
            entry = await self.one(self.macs[index % len(self.macs)], connection)
            index += self.clients
            if not self.keep_alive:
                connection.close()
            due = max(due + (random.expovariate(1 / pause) if self.scattered else pause), entry.began)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due if entry.status > 0 else due + 0.05):
                    await self._stop.wait()
        connection.close()


class Integrator:
    """The documented API, one call after another over one connection, as a user who has logged in."""

    def __init__(
        self,
        port: int,
        login: str,
        password: str,
        patience: float = 60,
        *,
        host: str = HOST,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._begin(port, patience, host, tls)
        status, answer = self.call("POST", "/login", {"userName": login, "password": password})
        if status != 200:
            raise RuntimeError(f"no login as {login}: {status} {answer}")
        self._hold(answer["access_token"])

    @classmethod
    def holding(
        cls,
        port: int,
        token: str,
        patience: float = 60,
        *,
        host: str = HOST,
        tls: ssl.SSLContext | None = None,
    ) -> "Integrator":
        """One that has an access token, or an API key, already."""
        made = cls.__new__(cls)
        made._begin(port, patience, host, tls)
        made._hold(token)
        return made

    def another(self, port: int) -> "Integrator":
        """A connection of its own with the same token."""
        return self.holding(port, self.token, self._patience, host=self._host, tls=self._tls)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _begin(self, port: int, patience: float, host: str, tls: ssl.SSLContext | None) -> None:
        self._connection = (
            http.client.HTTPConnection(host, port, timeout=patience)
            if tls is None
            else http.client.HTTPSConnection(host, port, timeout=patience, context=tls)
        )
        self._patience, self._host, self._tls = patience, host, tls
        self._headers: dict[str, str] = {}
        self.took = 0.0  # seconds, of the last call

    def _hold(self, token: str) -> None:
        self.token = token
        self._headers["Authorization"] = f"Bearer {token}"

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None, **query: object
    ) -> tuple[int, Any]:
        """Status and JSON of a call below /api/v1, with an Idempotency-Key; status 0 if there was no answer."""
        address = path + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._exchange(method, address, None if body is None else json.dumps(body).encode(), headers)

    def upload(self, path: str, name: str, content: bytes) -> tuple[int, Any]:
        """Status and JSON of a POST of a form with a file of this name."""
        body, content_type = form(name, content)
        return self._exchange("POST", path, body, {"Content-Type": content_type})

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
        began = time.perf_counter()
        try:
            self._connection.request(method, f"/api/v1{path}", body, self._headers | headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return NO_ANSWER, None
        finally:
            self.took = time.perf_counter() - began
        return answer.status, json.loads(content) if content else None


def form(name: str, content: bytes, **values: str) -> tuple[bytes, str]:
    """A form of these values and a `file` of this name, and the Content-Type that it is sent with (RFC 7578)."""
    edge = secrets.token_hex(16)
    start = f"--{edge}\r\nContent-Disposition: form-data; name="
    parts = [f'{start}"{value}"\r\n\r\n{text}\r\n'.encode() for value, text in values.items()]
    parts += [f'{start}"file"; filename="{name}"\r\n\r\n'.encode(), content, f"\r\n--{edge}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={edge}"
