"""nginx with the project's own configuration, or with one of the caller's."""

import contextlib
import datetime
import os
import re
import shutil
import subprocess
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
            wait_for(lambda: is_open(port) or self.process.poll() is not None, 10)
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx: {(home / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End it."""
        end(self.process, patience=10)


def of_the_project(home: Path, service_port: int) -> Nginx:
    """deploy/nginx.conf in front of the service, with a certificate of its own, plain HTTP on its `port`."""
    plain, tls = free_port(), free_port()
    (home / "tls").mkdir(parents=True)
    for name in ("server", "device-ca"):
        _certificate(home / "tls", name)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"\n *listen \[::\].*", "", text)
    text = re.sub(r"listen 443\b", f"listen {HOST}:{tls}", text)
    text = re.sub(r"listen 80\b", f"listen {HOST}:{plain}", text)
    return Nginx(home, text.replace("127.0.0.1:8000", f"{HOST}:{service_port}"), plain)


def _certificate(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, SHA256())
    )
    (folder / f"{name}.crt").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
