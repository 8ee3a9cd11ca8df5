"""What the servers answer by themselves, through each door: uvicorn, gunicorn's threads, nginx before them."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from rig import HOST, nginx
from rig.processes import free_port
from rig.service import Service, environment

DOORS = ("uvicorn", "gthread", "nginx")
MIB = 1024 * 1024

needs_nginx = pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed")


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Door(NamedTuple):
    """A port, with TLS or without."""

    port: int
    tls: bool = False

    def connect(self) -> socket.socket:
        plain = socket.create_connection((HOST, self.port), timeout=60)
        if not self.tls:
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def answer_to(self, message: bytes) -> Answer:
        """What comes back for these octets."""
        with self.connect() as connection:
            connection.sendall(message)
            return read(connection)


def read(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    home = tmp_path_factory.mktemp("doors")
    variables = environment(f"sqlite:///{home}/db.sqlite3", WEB_WORKERS="1", ALLOWED_HOSTS="*")
    services = [Service(variables | {"SERVE": serve}, home / f"{serve}.log") for serve in ("all", "api")]
    try:
        for service in services:
            service.start()
        found = {"uvicorn": Door(services[0].port), "gthread": Door(services[1].port)}
        if nginx.program():
            front = nginx.of_the_project(home / "nginx", services[1].port)
            found |= {"nginx": Door(front.tls_port, tls=True), "plain nginx": Door(front.port)}
        yield found
    finally:
        if nginx.program() and "front" in locals():
            front.stop()
        for service in services:
            service.stop()


@pytest.fixture(params=["uvicorn", "gthread", pytest.param("nginx", marks=needs_nginx)])
def door(request: pytest.FixtureRequest, doors: dict[str, Door]) -> Door:
    return doors[request.param]


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode("ascii")


REFUSED = {
    "a method that is none": (get("/api/v1/devices").replace(b"GET", b"G(T", 1), {400}),
    "no HTTP at all": (b"\x16\x03\x01 hello\r\n\r\n", {400}),
    "a line that is no header": (get("/api/v1/devices", "no header"), {400}),
    "a length that is none": (get("/api/v1/devices", "Content-Length: many"), {400}),
    "a long address": (get("/api/v1/devices?filter=" + "x" * 40_000), {414}),
    "many headers": (get("/api/v1/devices", *[f"X-Filler-{n}: {'x' * 4000}" for n in range(120)]), {431}),
    "one long header": (get("/api/v1/devices", f"X-Filler: {'x' * 200_000}"), {431}),
    "an unknown transfer coding": (get("/api/v1/devices", "Transfer-Encoding: magic"), {400, 501}),
    "an unknown version": (b"GET /api/v1/devices HTTP/7.3\r\nHost: localhost\r\n\r\n", {400, 505}),
    "a large body": (get("/api/v1/devices", f"Content-Length: {2 * MIB}"), {413}),
    "an unknown address": (get("/no/such/page"), {404}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_error_is_json_with_a_request_id(door: Door, case: str) -> None:
    message, statuses = REFUSED[case]
    answer = door.answer_to(message)
    assert answer.status in statuses, answer
    assert answer.headers.get_content_type() == "application/json"
    assert answer.headers["X-Request-ID"]
    description = json.loads(answer.body)
    assert set(description) == {"description"}
    assert description["description"].endswith(".")


@pytest.mark.parametrize("letter", ["a", "ä", "電", "😀"])
def test_the_longest_filter_passes(door: Door, letter: str) -> None:
    """2,000 characters of any script, percent-encoded: the API asks for a token, no server refuses."""
    text = "(description~'" + letter * (2_000 - 16) + "')"
    query = f"filter={quote(text)}&sort=-description,mac&depth=1&page=1&limit=1000"
    assert door.answer_to(get(f"/api/v1/devices?{query}")).status == 401


def test_a_filter_of_100_macs_with_colons_passes(door: Door) -> None:
    macs = ";".join(f"'00:A0:C9:14:C8:{n:02X}'" for n in range(100))
    assert door.answer_to(get(f"/api/v1/devices?filter={quote(f'(mac={macs})', safe='')}")).status == 401


@pytest.mark.parametrize("method", ["PROPFIND", "BREW", "TEA-POT"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_unknown_method_is_405(door: Door, method: str, body: bytes) -> None:
    head = get("/api/v1/login", f"Content-Length: {len(body)}").replace(b"GET", method.encode(), 1)
    answer = door.answer_to(head + body)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert set(json.loads(answer.body)) == {"description"}
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_300_mb_is_refused_before_it_is_read(doors: dict[str, Door], framing: str) -> None:
    """Straight at the service: what the kernel's buffers hold is all that is taken."""
    chunk = b"x" * 65_536
    with doors["uvicorn"].connect() as connection:
        header = f"Content-Length: {300 * MIB}" if framing == "length" else "Transfer-Encoding: chunked"
        head = get("/api/v1/login", "Content-Type: application/json", header).replace(b"GET", b"POST", 1)
        connection.sendall(head)
        sent = 0
        try:
            while sent < 300 * MIB:
                part = chunk if framing == "length" else b"%x\r\n%s\r\n" % (len(chunk), chunk)
                connection.sendall(part)
                sent += len(chunk)
        except ConnectionError:
            pass
        assert sent < 20 * MIB
    short = doors["uvicorn"].answer_to(
        head + (b"80001\r\n" + b"x" * 0x80001 + b"\r\n" if framing == "chunked" else b"")
    )
    assert (short.status, short.headers.get_content_type()) == (413, "application/json")


@needs_nginx
def test_a_service_that_is_away_is_503_as_json(tmp_path: Path) -> None:
    front = nginx.of_the_project(tmp_path, free_port())
    try:
        for door in (Door(front.tls_port, tls=True), Door(front.port)):
            answer = door.answer_to(get("/00908F9D8992.cfg"))
            assert (answer.status, set(json.loads(answer.body))) == (503, {"description"})
            assert answer.headers["X-Request-ID"]
            assert int(answer.headers["Retry-After"]) > 0
    finally:
        front.stop()


@needs_nginx
def test_a_browser_is_sent_to_the_name_of_the_service_only(doors: dict[str, Door]) -> None:
    """A Host is the client's word, and a cache may keep the answer."""
    message = get("/admin/").replace(b"localhost", b"evil.example")
    answer = doors["plain nginx"].answer_to(message)
    assert answer.status == 301
    assert answer.headers["Location"] == "https://redirect.example/admin/"
