"""A worker that is told to stop answers all who are connected, and refuses all others."""

import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rig import HOST
from rig.processes import end, free_port, wait_for
from rig.service import answers, environment, launch


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def api(port: int, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The API's processes."""
    url = f"sqlite:///{tmp_path}/db.sqlite3"
    variables = environment(url, SERVE="api", WEB_WORKERS="1", VAR_DIR=str(tmp_path))
    server = launch(variables, port, tmp_path / "log")
    try:
        wait_for(lambda: answers(port), 240)
        yield server
    finally:
        end(server)


def caller(port: int) -> "closing[http.client.HTTPConnection]":
    return closing(http.client.HTTPConnection(HOST, port, timeout=60))


def test_who_is_connected_is_answered_and_others_are_refused(api: "subprocess.Popen[bytes]", port: int) -> None:
    with caller(port) as kept:  # for which the worker waits
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        api.terminate()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with caller(port) as late:
                try:
                    late.connect()
                except ConnectionRefusedError:
                    return
                late.request("GET", "/healthz")  # an error, if the connection is reset
                assert late.getresponse().status == 200
    pytest.fail("it still listens")
