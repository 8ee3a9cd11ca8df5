"""`tools/simulate`: devices in a process of their own, from the command line to the redirect service."""

import http.client
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from rig import ROOT
from rig.processes import end
from tests.simulators.control import Control
from tests.simulators.device import FAULTS
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served


class RedirectService(BaseHTTPRequestHandler):
    """Sends each phone to a location, as the service does."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"https://pbx.example{self.path}.ini")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to tell."""


@pytest.fixture
def service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), RedirectService) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_devices_are_simulated_and_boot(service: str):
    command = [sys.executable, "tools/simulate", "mediant-7.0", "--count", "2", "--boot", service, "--user", "ada"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            assert re.fullmatch(r"control http://127\.0\.0\.1:\d+\n", lines[2]), lines
            assert lines[3] == "00908FA16301 302 https://pbx.example/00908FA16301.ini\n"
            found = re.fullmatch(r"mediant-7\.0 00908FA16302 http://(127\.0\.0\.1:\d+)\n", lines[1])
            assert found, lines
            with closing(http.client.HTTPConnection(found[1], timeout=60)) as connection:
                login = b64encode(b"ada:Admin").decode()
                connection.request("GET", "/api/v1/license", headers={"Authorization": f"Basic {login}"})
                assert b"101780235059664" in connection.getresponse().read()
        finally:
            end(process)


def test_the_control_channel_tells_what_it_has_and_boots_a_device(service: str, key: bytes):
    """Each row of the page's table is there, and the address that boots a device does."""
    page = (ROOT / "docs" / "management.md").read_text()
    rows = re.findall(r"^\| `(/[^`]*)` \|", page[page.index("## The control channel") :], re.MULTILINE)
    with Served(Mediant("7.2", key=key)) as served, Control([served]) as control:
        for method, path in (("POST", "/"), ("GET", "/unknown"), ("GET", "/devices/0/unknown")):
            status, said = ask(control.url, method, path)
            assert status == 404
            assert [row for row in rows if row not in said["description"]] == []
        status, said = ask(control.url, "POST", "/devices/0/boot", {"service": service})
        assert (status, said) == (200, {"status": 302, "location": "https://pbx.example/00908FA16301.ini"})
        assert ask(control.url, "POST", "/devices/0/boot", {"service": "http://127.0.0.1:1"})[0] == 502
        for kind in FAULTS:
            assert f"`{kind}`" in page
            assert ask(control.url, "POST", "/devices/0/faults", {"kind": kind, "times": 1})[0] == 200


def ask(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer of the control channel."""
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
        connection.request(method, path, json.dumps(body or {}))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
