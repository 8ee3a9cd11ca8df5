"""The README's tour, run as a newcomer runs it: in a fresh copy, by the commands as they are printed."""

import http.client
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from rig import ROOT
from rig.service import Copy, newcomers_copy


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy of the project with `tools/run` serving it."""
    with newcomers_copy(tmp_path_factory.mktemp("newcomer")) as copy:
        yield copy


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is told by curl, which is not installed")
def test_tour(service: Copy) -> None:
    """The tour leads from a login to a redirected phone, which support then sees."""
    [tour] = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    run = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", tour.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")],
        cwd=service.folder,
        capture_output=True,
        text=True,
        timeout=300,
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
def test_a_body_in_chunks_is_read(service: Copy, size: int) -> None:
    """A client that does not say how long its body is gets the answer that its body deserves."""
    body = b'{"userName": "nobody", "password": "' + b"x" * size + b'"}'
    headers = {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("POST", "/api/v1/login", iter([body[:20], body[20:]]), headers, encode_chunked=True)
        with connection.getresponse() as response:
            assert response.status == (401 if size == 1 else 413)


def test_first_start_prints_logins(service: Copy) -> None:
    """The first start prints the logins with the address that is served; they stand in var/demo-logins.txt."""
    output = service.output.read_text()
    assert service.password in output
    assert service.address in output
    assert (service.folder / "var" / "demo-logins.txt").stat().st_mode & 0o077 == 0
    assert (service.folder / ".env").stat().st_mode & 0o077 == 0
