"""nginx with the project's own configuration, or with one of the caller's."""

import contextlib
import datetime
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rig import HOST, ROOT
from rig.processes import end, free_port, is_open, wait_for

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def program() -> str | None:
    """The nginx of this machine."""
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


class Nginx:
    """A running nginx with its files below a folder; `text` is a whole configuration, without a pid and paths."""

    tls_port = old_tls_port = 0  # of the project's own configuration

    def __init__(self, home: Path, text: str, port: int) -> None:
        self.home, self.port = home, port
        home.mkdir(parents=True, exist_ok=True)
        paths = "".join(f"{kind}_temp_path {home}/{kind};" for kind in TEMPORARY)
        text = text.replace("http {", f"http {{ access_log off; {paths}", 1)
        # Started by root, its workers need an account that may read this folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(f"{user} pid {home}/pid; daemon off;\n{text}")
        found = program()
        assert found, "nginx is not installed (Debian and Ubuntu: apt-get install nginx-light)"
        with open(home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [found, "-p", str(home), "-c", "nginx.conf", "-e", "stderr"], stdout=log, stderr=log
            )
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: is_open(port) or self.process.poll() is not None, 60)
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx: {(home / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End it."""
        end(self.process, patience=10)


def of_the_project(
    home: Path,
    phones: int,
    *,
    api: int | None = None,
    certificates: Mapping[str, bytes] | None = None,
    old_phones: bool = False,
) -> Nginx:
    """deploy/nginx.conf in front of the ports of the service, with plain HTTP on its `port` and TLS on `tls_port`.

    `certificates` are PEM files by their names below tls/ (server.crt, server.key, device-ca.crt); without them it
    makes some of its own. With `old_phones` their listener is included, on `old_tls_port`.
    """
    ports = {80: free_port(), 443: free_port(), 8443: free_port()}
    (home / "tls").mkdir(parents=True)
    if certificates is None:
        certificates = {**certificate("server"), **certificate("device-ca")}
    for name, content in certificates.items():
        (home / "tls" / name).write_bytes(content)
    for file in (ROOT / "deploy").glob("nginx*.conf"):
        text = re.sub(r"\n *listen \[::\].*", "", file.read_text())
        for port, free in ports.items():
            text = re.sub(rf"listen {port}\b", f"listen {HOST}:{free}", text)
        (home / file.name).write_text(text)
    text = (home / "nginx.conf").read_text()
    if old_phones:
        text = text.replace("# include nginx-old-phones.conf", "include nginx-old-phones.conf")
    servers = iter((phones, phones if api is None else api))
    text = re.sub(r"127\.0\.0\.1:8000", lambda _: f"{HOST}:{next(servers)}", text)
    running = Nginx(home, text, ports[80])
    running.tls_port, running.old_tls_port = ports[443], ports[8443]
    return running


def certificate(name: str) -> dict[str, bytes]:
    """A certificate that signs itself and its key, as PEM files by their names: NAME.crt, NAME.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, SHA256())
    )
    return {
        f"{name}.crt": made.public_bytes(Encoding.PEM),
        f"{name}.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
