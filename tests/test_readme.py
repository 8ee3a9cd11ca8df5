"""The README's tour, run as a newcomer runs it: in a fresh copy, by the commands as they are printed."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns(".*", "var", "__pycache__")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A copy of the project with `tools/run` serving it: its folder and its port."""
    tmp_path = tmp_path_factory.mktemp("newcomer")
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (tmp_path / "output").open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "tools/run"],
            cwd=copy,
            env=kept | {"PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(server, port, tmp_path / "output")
            yield copy, port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


def _wait_until_healthy(server: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"The service did not start:\n{output.read_text()}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is told by curl, which is not installed")
def test_tour(service: tuple[Path, int]) -> None:
    """The tour leads from a login to a redirected phone, which support then sees."""
    folder, port = service
    [tour] = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    run = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", tour.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    created, phone = run.stdout.splitlines()[0], run.stdout
    assert '"success":{"count":1' in created
    assert '"invalidMAC":{"count":1' in created
    assert "302 Found" in phone
    assert re.search(
        r"location: https://pbx\.example/Tour%20Customer%20\d+/00908F\w{6}\.cfg", phone, re.IGNORECASE
    )
    assert phone.count('"lastAccessStatus":"Success"') == 2
    assert phone.count('"numRequests":1') == 2


@pytest.mark.parametrize("size", [1, 600_000])
def test_a_body_in_chunks_is_read(service: tuple[Path, int], size: int) -> None:
    """A client that does not say how long its body is gets the answer that its body deserves."""
    _, port = service
    body = b'{"userName": "nobody", "password": "' + b"x" * size + b'"}'
    headers = {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/api/v1/login", iter([body[:20], body[20:]]), headers, encode_chunked=True)
        with connection.getresponse() as response:
            assert response.status == (401 if size == 1 else 413)


def test_first_start_prints_logins(service: tuple[Path, int]) -> None:
    """The first start prints the logins with the address that is served; they stand in var/demo-logins.txt."""
    folder, port = service
    output = (folder.parent / "output").read_text()
    kept = (folder / "var" / "demo-logins.txt").read_text()
    password = re.search(r"^Password of all demo users: (.+)$", kept, re.MULTILINE)
    assert password is not None
    assert password[1] in output
    assert f"http://127.0.0.1:{port}" in output
    assert (folder / "var" / "demo-logins.txt").stat().st_mode & 0o077 == 0
    assert (folder / ".env").stat().st_mode & 0o077 == 0
