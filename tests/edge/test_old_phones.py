"""deploy/nginx-old-phones.conf and a client of that age: OpenSSL's own, with its old settings."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import HOST, nginx
from rig.nginx import Nginx
from tests.edge.conftest import ABSENT, echo

REQUEST = b"GET /00908F9D8992 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OLD = ("-cipher", "ALL:@SECLEVEL=0")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device CA of the days of SHA-1, and a phone's certificate with 1,024 bits."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("old")
    _openssl(folder, "req -x509 -sha1 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=OldCA -days 30")
    _openssl(folder, "req -new -newkey rsa:1024 -nodes -keyout phone.key -out phone.csr -subj /CN=00908F9D8992")
    _openssl(
        folder, "x509 -req -sha1 -in phone.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days 20 -out phone.crt"
    )
    _openssl(
        folder, "req -x509 -sha256 -newkey rsa:2048 -nodes -keyout server.key -out server.crt -subj /CN=x -days 30"
    )
    return folder


@pytest.fixture(scope="module")
def front(home: Path) -> Iterator[Nginx]:
    """nginx with the old phones' listener, of which that CA is the device CA."""
    if nginx.program() is None:
        pytest.skip(ABSENT)
    files = {"server.crt": "server.crt", "server.key": "server.key", "device-ca.crt": "ca.crt"}
    certificates = {name: (home / file).read_bytes() for name, file in files.items()}
    with echo("phones") as phones:
        running = nginx.of_the_project(home / "nginx", phones, certificates=certificates, old_phones=True)
        try:
            yield running
        finally:
            running.stop()


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


def connect(home: Path, port: int, *options: str, certificate: bool = True) -> str:
    """What a phone of that age reads, with OpenSSL's words where the handshake fails."""
    shown = ("-cert", "phone.crt", "-key", "phone.key") if certificate else ()
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-quiet", *shown, *options],
        cwd=home,
        input=REQUEST,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return (done.stdout + done.stderr).decode("latin-1")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1", "-tls1_2"])
@pytest.mark.parametrize("cipher", ["ALL:@SECLEVEL=0", "AES128-SHA:@SECLEVEL=0"])
def test_old_tls_with_a_certificate_of_sha_1_is_served(
    home: Path, front: Nginx, version: str, cipher: str
) -> None:
    told = connect(home, front.old_tls_port, version, "-cipher", cipher)
    assert "302 Found" in told
    assert '"X-SSL-Client-Verify": "SUCCESS"' in told
    assert '"X-SSL-Client-Cert": "-----BEGIN' in told


def test_without_a_certificate_too(home: Path, front: Nginx) -> None:
    told = connect(home, front.old_tls_port, "-tls1", *OLD, certificate=False)
    assert '"X-SSL-Client-Verify": "NONE"' in told


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_elsewhere_nothing_is_lowered(home: Path, front: Nginx, version: str) -> None:
    told = connect(home, front.tls_port, version, *OLD)
    assert "302 Found" not in told
    assert "alert number 70" in told  # protocol version


def test_elsewhere_sha_1_is_no_proof(home: Path, front: Nginx) -> None:
    """The phone is not turned away: the service is told why its certificate proves nothing."""
    told = connect(home, front.tls_port, "-tls1_2", *OLD)
    assert "302 Found" in told
    assert '"X-SSL-Client-Verify": "FAILED:CA signature digest algorithm too weak"' in told
