"""deploy/nginx.conf with two app hosts, of which one goes away."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rig import HOST
from rig.nginx import Nginx, of_the_project, program
from rig.processes import free_port

pytestmark = pytest.mark.skipif(program() is None, reason="nginx is missing")


class Host(BaseHTTPRequestHandler):
    """An app host that answers each phone at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "https://pbx.example/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def living() -> Iterator[int]:
    """The port of a host that answers."""
    with ThreadingHTTPServer((HOST, 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def frozen() -> Iterator[int]:
    """The port of a host that takes connections and says nothing, as one that has gone from the network."""
    with closing(socket.create_server((HOST, 0), backlog=64)) as server:
        yield server.getsockname()[1]


def proxy(home: Path, first: int, second: int) -> Nginx:
    """nginx in front of two hosts, by the project's own configuration."""
    nginx = of_the_project(home, first)
    nginx.stop()
    text = (home / "nginx.conf").read_text()
    text = re.sub(r"^user root; pid .*\n|^ ?pid .*\n", "", text).replace("daemon off;", "")
    line = re.compile(rf"( +server {HOST}:){first}( max_fails=3 fail_timeout=5s;\n)")
    two = line.sub(rf"\g<0>\g<1>{second}\g<2>", re.sub(r"http \{ access_log off;[^\n]*", "http {", text))
    assert two.count(f"{HOST}:{second} ") == 2
    return Nginx(home, two, nginx.port)


def ask(nginx: Nginx) -> int:
    with closing(HTTPConnection(HOST, nginx.port, timeout=60)) as client:
        client.request("GET", "/00908F9D8992", headers={"Host": "redirect.example"})
        return client.getresponse().status


def test_a_host_that_is_frozen_costs_no_phone_its_answer(tmp_path: Path) -> None:
    with living() as first, frozen() as second:
        nginx = proxy(tmp_path / "nginx", first, second)
        try:
            answers = [ask(nginx) for _ in range(10)]
        finally:
            nginx.stop()
    assert set(answers) == {302}


def test_a_host_that_is_restarted_costs_no_phone_its_answer(tmp_path: Path) -> None:
    with living() as first:
        nginx = proxy(tmp_path / "nginx", first, free_port())
        try:
            answers = [ask(nginx) for _ in range(30)]
        finally:
            nginx.stop()
    assert set(answers) == {302}
