"""The protocol that answers phones by itself, beside the ASGI way: the same bytes for all that may arrive."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from boot.app import BootApplication
from boot.batcher import Batcher
from boot.decision import DeviceRecord
from boot.protocol import PhoneCycle, PhoneProtocol
from boot.recorder import DatabaseUnavailable
from boot.request import BootRequest
from redirect.http import refusal
from redirect.http.protocol import JSONProtocol

RECORDS = {
    "00908F9D8992": DeviceRecord("A & B", "https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg", False),
    "000B828AA872": DeviceRecord("Hotel", "https://pbx.example/gs/", False),
    "001565114C33": DeviceRecord("Hotel", None, False),
    "00908F000001": DeviceRecord("Hotel", "https://pbx.example/secure/", True),
}
UNAVAILABLE = "00908FDDDDDD"


class Recorder:
    """Finds the devices above. A batch waits while `gate` is closed."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.recorded: list[BootRequest] = []
        self.from_replica = self.owed = 0  # for the metrics
        self.is_connected = True

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        await self.gate.wait()
        if any(request.mac == UNAVAILABLE for request in batch):
            raise DatabaseUnavailable("away")
        self.recorded += batch
        return {request.mac: RECORDS[request.mac] for request in batch if request.mac in RECORDS}


class Transport:
    """What a socket would have sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 40000), "sockname": ("192.0.2.1", 80)}.get(name, default)

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def django(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Tells what it was asked, so that a change on the way is seen."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told = repr((scope["method"], scope["path"], scope["raw_path"], scope["query_string"], scope["headers"], body))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Own", b"1")]})
    await send({"type": "http.response.body", "body": told.encode()})


class Connection:
    """One connection of a protocol to a service of its own."""

    def __init__(self, protocol: type[HttpToolsProtocol], app: BootApplication | None = None) -> None:
        self.recorder = Recorder()
        self.app = app or BootApplication(django)
        if app is None:
            self.app._batcher = Batcher(self.recorder)
        config = Config(
            self.app, lifespan="off", server_header=False, proxy_headers=False, ws="none", log_config=None
        )
        config.load()
        transport: Any = Transport()
        self.transport: Transport = transport
        state = ServerState()
        state.default_headers = [(b"date", b"Fri, 27 Nov 2026 12:00:00 GMT")]
        self.protocol: Any = protocol(config, state, {})
        self.protocol.access_log = False  # which the ASGI way writes
        self.protocol.connection_made(transport)

    async def send(self, data: bytes, size: int = 0) -> None:
        """Deliver in pieces of so many octets, or as a whole, and let the answers come."""
        for place in range(0, len(data), size or len(data)):
            if self.protocol.parser is None or self.transport.closed:
                break
            self.protocol.data_received(data[place : place + (size or len(data))])
            await asyncio.sleep(0)
        await self.rest()

    async def rest(self) -> None:
        """Until nothing more is done."""
        for _ in range(50):
            await asyncio.sleep(0)
        while len(asyncio.all_tasks()) > 1 or (self.protocol.cycle and not self.protocol.cycle.response_complete):
            if self.transport.closed:
                break
            await asyncio.sleep(0.005)


def lines(*first: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([*first, b"", body])


def get(target: bytes, *more: bytes, method: bytes = b"GET", version: bytes = b"1.1", body: bytes = b"") -> bytes:
    agent = b"User-Agent: Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872"
    return lines(
        method + b" " + target + b" HTTP/" + version, b"Host: redirect.example.net", agent, *more, body=body
    )


REQUESTS = {
    "bare": get(b"/00908F9D8992"),
    "lower case": get(b"/00908f9d8992"),
    "HEAD": get(b"/00908F9D8992", method=b"HEAD"),
    "HEAD unknown": get(b"/00908FAAAAAA", method=b"HEAD"),
    "POST": get(b"/00908F9D8992", b"Content-Length: 5", method=b"POST", body=b"hello"),
    "PUT chunked": get(
        b"/00908F9D8992", b"Transfer-Encoding: chunked", method=b"PUT", body=b"3\r\nabc\r\n0\r\n\r\n"
    ),
    "POST at no phone's address": get(b"/boot.log", b"Content-Length: 5", method=b"POST", body=b"hello"),
    "OPTIONS of all": get(b"*", method=b"OPTIONS"),
    "GET with a body": get(b"/00908F9D8992", b"Content-Length: 5", body=b"hello"),
    "HTTP/1.0": get(b"/00908F9D8992", version=b"1.0"),
    "HTTP/1.0, keep": get(b"/00908F9D8992", b"Connection: keep-alive", version=b"1.0"),
    "close": get(b"/00908F9D8992", b"Connection: close"),
    "close, then another": get(b"/00908F9D8992", b"Connection: close") + get(b"/000B828AA872"),
    "close at once, then another": get(b"/firmware.bin", b"Connection: close") + get(b"/000B828AA872"),
    "no Host": lines(b"GET /00908F9D8992 HTTP/1.1", b"User-Agent: x"),
    "file": get(b"/prov/cfg000b828aa872.xml"),
    "common": get(b"/cfg.xml"),
    "colons": get(b"/00:90:8F:9D:89:92"),
    "query": get(b"/prov?mac=00908F9D8992"),
    "empty query": get(b"/00908F9D8992?"),
    "two question marks": get(b"/prov?a=?&mac=00908F9D8992"),
    "encoded": get(b"/%30%30908F9D8992"),
    "two slashes": get(b"//00908F9D8992"),
    "steps": get(b"/x/../00908F9D8992"),
    "absolute": get(b"http://redirect.example.net/00908F9D8992"),
    "fragment": get(b"/00908F9D8992#a"),
    "a letter beyond ASCII": get(b"/00908F9D8992/\xc3\xa9"),
    "no location": get(b"/001565114C33"),
    "certificate wanted": get(b"/00908F000001"),
    "unknown": get(b"/00908FAAAAAA"),
    "unavailable": get(b"/00908FDDDDDD"),
    "no phone's": get(b"/firmware/gxp2135fw.bin"),
    "own": get(b"/healthz"),
    "own, with a body": get(b"/api/v1/login", b"Content-Length: 7", method=b"POST", body=b'{"a":1}'),
    "own, expects": get(
        b"/api/v1/login", b"Expect: 100-continue", b"Content-Length: 2", method=b"POST", body=b"{}"
    ),
    "a phone expects": get(b"/00908F9D8992", b"Expect: 100-continue", b"Content-Length: 2", body=b"{}"),
    "upgrade": get(b"/00908F9D8992", b"Connection: upgrade", b"Upgrade: websocket"),
    "forwarded": get(b"/00908F9D8992", b"X-Forwarded-For: 198.51.100.1"),
    "control byte in the User-Agent": lines(b"GET /00908F9D8992 HTTP/1.1", b"Host: x", b"User-Agent: a\x17b"),
    "control byte elsewhere": lines(b"GET /00908F9D8992 HTTP/1.1", b"Host: x\x17"),
    "no HTTP": b"hello\r\n\r\n",
    "too long an address": get(b"/" + b"a" * refusal.MAX_REQUEST_LINE),
    "too many headers": get(b"/00908F9D8992", b"X: " + b"a" * refusal.MAX_HEADERS),
    "five at once": get(b"/00908F9D8992")
    + get(b"/healthz")
    + get(b"/firmware.bin")
    + get(b"/00908FAAAAAA")
    + get(b"/000B828AA872", b"Connection: close"),
}
RANDOM = re.compile(rb"(?i)((?:x-request-id|retry-after): )[0-9a-f]+")


@pytest.mark.parametrize("size", [0, 7], ids=["whole", "pieces"])
@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_the_same_as_by_asgi(name: str, size: int) -> None:
    async def answer(protocol: type[HttpToolsProtocol]) -> tuple[bytes, bool, list[tuple[str, str, str]]]:
        connection = Connection(protocol)
        await connection.send(REQUESTS[name], size * 1000 if len(REQUESTS[name]) > 10_000 else size)
        recorded = [(r.path, r.address, r.user_agent) for r in connection.recorder.recorded]
        return RANDOM.sub(rb"\1", connection.transport.sent), connection.transport.closed, recorded

    by_asgi = asyncio.run(answer(JSONProtocol))
    assert asyncio.run(answer(PhoneProtocol)) == by_asgi
    assert by_asgi[0].startswith(b"HTTP/1.1 ")


def test_phones_are_answered_without_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> bytes:
        connection = Connection(PhoneProtocol)
        monkeypatch.setattr(BootApplication, "__call__", None)
        await connection.send(get(b"/00908F9D8992") + get(b"/cfg000b828aa872.xml") + get(b"/firmware.bin"))
        return connection.transport.sent

    assert re.findall(rb"HTTP/1.1 (\d+)", asyncio.run(talk())) == [b"302", b"302", b"404"]


def test_no_answer_before_the_commit_and_none_after_the_phone_has_gone() -> None:
    async def talk() -> None:
        waits, gone = (Connection(PhoneProtocol) for _ in range(2))
        for connection in (waits, gone):
            connection.recorder.gate.clear()
            connection.protocol.data_received(get(b"/00908F9D8992"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert waits.transport.sent == b""
        gone.protocol.connection_lost(None)
        for connection in (waits, gone):
            connection.recorder.gate.set()
        for connection in (waits, gone):
            await connection.rest()
        assert waits.transport.sent.startswith(b"HTTP/1.1 302 ")
        assert gone.transport.sent == b""
        assert len(gone.recorder.recorded) == 1

    asyncio.run(talk())


@pytest.mark.parametrize("protocol", [JSONProtocol, PhoneProtocol])
def test_what_is_no_phones_waits_while_phones_do(protocol: type[HttpToolsProtocol]) -> None:
    async def talk() -> None:
        phone = Connection(protocol)
        phone.recorder.gate.clear()
        other = Connection(protocol, phone.app)
        phone.protocol.data_received(get(b"/00908F9D8992"))
        await asyncio.sleep(0)
        other.protocol.data_received(get(b"/firmware.bin"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert other.transport.sent == b""
        while not other.transport.sent:  # though the phone still waits
            await asyncio.sleep(0.005)
        assert other.transport.sent.startswith(b"HTTP/1.1 404 ")
        phone.recorder.gate.set()
        await phone.rest()
        other.transport.sent = b""
        other.protocol.data_received(get(b"/firmware.bin"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert other.transport.sent.startswith(b"HTTP/1.1 404 ")

    asyncio.run(talk())


def test_an_answer_waits_while_the_client_does_not_read() -> None:
    async def talk() -> None:
        connection = Connection(PhoneProtocol)
        connection.protocol.pause_writing()
        connection.protocol.data_received(get(b"/00908F9D8992"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert connection.transport.sent == b""
        connection.protocol.resume_writing()
        await connection.rest()
        assert connection.transport.sent.startswith(b"HTTP/1.1 302 ")

    asyncio.run(talk())


def test_a_service_that_ends_answers_first_and_closes() -> None:
    async def talk() -> None:
        connection = Connection(PhoneProtocol)
        connection.protocol.data_received(get(b"/00908F9D8992"))
        connection.protocol.shutdown()
        await connection.rest()
        assert b"\r\nconnection: close\r\n" in connection.transport.sent
        assert connection.transport.closed

    asyncio.run(talk())


def test_the_cycle_has_all_that_uvicorn_asks_of_one():
    used = set(re.findall(r"cycle\.(\w+)", inspect.getsource(HttpToolsProtocol)))
    # These belong to the ASGI way, which a PhoneCycle never goes.
    assert used - {"run_asgi"} <= set(PhoneCycle.__slots__)
    assert "run_asgi" in inspect.getsource(HttpToolsProtocol._start_asgi_task)
