"""The project's nginx configuration in a real nginx, in front of two servers that tell what reached them."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rig import HOST, nginx
from rig.processes import free_port

ABSENT = "nginx is not installed (Debian and Ubuntu: apt-get install nginx-light)"


@dataclass
class Answer:
    """What came back over the wire; `told` is the body as JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, and with the name of its server; phones get 302, as they are used to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def _answer(self) -> None:
        name = self.server.name  # type: ignore[attr-defined]
        told = {
            "server": name,
            "method": self.command,
            "target": self.requestline.split()[1],
            "headers": dict(self.headers),
        }
        body = json.dumps(told).encode()
        self.send_response(302 if name == "phones" else 200)
        if name == "phones":
            self.send_header("Location", "http://pbx.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
        if self.command not in ("GET", "HEAD"):  # the body is left unread
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = _answer

    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextlib.contextmanager
def echo(name: str) -> Iterator[int]:
    """A server of that name, on the port that is yielded."""
    server = ThreadingHTTPServer((HOST, 0), Echo)
    server.daemon_threads = True
    server.name = name  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Nginx]:
    """nginx in front of one echo for phones and one for the API."""
    if nginx.program() is None:
        pytest.skip(ABSENT)
    with echo("phones") as phones, echo("api") as api:
        running = nginx.of_the_project(tmp_path_factory.mktemp("nginx"), phones, api=api, old_phones=True)
        try:
            yield running
        finally:
            running.stop()


def ask(port: int, request: str | bytes, *, tls: ssl.SSLContext | None = None) -> Answer:
    """Send raw bytes, and read one answer; a text is a request line, to which Host is added."""
    if isinstance(request, str):
        request = f"{request} HTTP/1.1\r\nHost: redirect.example\r\n\r\n".encode("latin-1")
    with contextlib.ExitStack() as stack:
        connection: socket.socket = stack.enter_context(socket.create_connection((HOST, port), timeout=60))
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection))
        connection.sendall(request)
        response = http.client.HTTPResponse(connection, method=request.split(b" ")[0].decode())
        response.begin()
        return Answer(response.status, response.headers, response.read())


def any_server() -> ssl.SSLContext:
    """A client that believes every server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="session")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Nginx]:
    """nginx in front of nothing."""
    if nginx.program() is None:
        pytest.skip(ABSENT)
    running = nginx.of_the_project(tmp_path_factory.mktemp("nginx"), free_port(), old_phones=True)
    try:
        yield running
    finally:
        running.stop()
