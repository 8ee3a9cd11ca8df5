"""The files of deploy/ as a host of the stack has them, changed where they say so or a folder differs."""

import re
from collections.abc import Mapping
from pathlib import Path

from rig import ROOT
from rig.nginx import TEMPORARY

DEPLOY = ROOT / "deploy"
DATABASE_HOSTS = {"db1": "10.0.0.11", "db2": "10.0.0.12", "db3": "10.0.0.13"}
APP_HOSTS = {"app1": "10.0.0.21", "app2": "10.0.0.22"}
FRONT_HOSTS = {"front": "10.0.0.31"}
# The lines of a database host's files that are its own, not those of the first of three.
OWN_LINES = re.compile(
    r"^ *(?:name|listen|connect_address|listen-peer-urls|listen-client-urls|initial-advertise-peer-urls"
    r"|advertise-client-urls): .*$",
    re.MULTILINE,
)
FOLDERS = re.compile(r"(?<![\w./-])/(?:etc|var)/[\w./-]+")


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return the text with each key replaced by its value; raises ValueError if one does not occur."""
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"{old!r} does not stand in the file any more")
        text = text.replace(old, new)
    return text


def below(home: Path, text: str) -> str:
    """Return the text with all paths of /etc and /var in the folder of the host."""
    return FOLDERS.sub(lambda found: f"{home}{found[0]}", text)


def of_the_host(name: str, text: str) -> str:
    """Return a file of the first database host as the one of this name has it."""
    return OWN_LINES.sub(
        lambda found: found[0].replace("db1", name).replace(DATABASE_HOSTS["db1"], DATABASE_HOSTS[name]), text
    )


def etcd(name: str, home: Path) -> str:
    """etcd.yml of a database host."""
    return below(home, of_the_host(name, _read("postgresql/etcd.yml")))


def patroni(name: str, home: Path, programs: Path) -> str:
    """patroni.yml of a database host; `programs` is the folder of PostgreSQL's."""
    changes = {
        "/usr/lib/postgresql/15/bin": str(programs),
        # A fraction of this machine's memory.
        "shared_buffers: 2GB": "shared_buffers: 128MB",
        # It would restart this machine.
        "mode: automatic": '"mode": "off"',
    }
    return below(home, changed(of_the_host(name, _read("postgresql/patroni.yml")), changes))


def pgbackrest(home: Path, repository: Path) -> str:
    """pgbackrest.conf of a database host; the repository is one for all."""
    text = changed(_read("postgresql/pgbackrest.conf"), {"/var/lib/pgbackrest": "REPOSITORY"})
    return changed(below(home, text), {"REPOSITORY": str(repository)})


def haproxy() -> str:
    """haproxy.cfg of an app host."""
    return _read("postgresql/haproxy.cfg")


def pgbouncer(home: Path) -> str:
    """pgbouncer.ini of an app host."""
    return below(home, _read("postgresql/pgbouncer.ini"))


def statements_for_pgbouncer(password: str) -> list[str]:
    """The statements that pgbouncer.ini tells to run once."""
    statements = re.findall(r"^;   ([A-Z].*;)$", _read("postgresql/pgbouncer.ini"), re.MULTILINE)
    return [changed(statements[0], {"'…'": f"'{password}'"}), *statements[1:]]


def nginx(home: Path) -> dict[str, str]:
    """The configuration of nginx, by the names of its files: all app hosts behind it, phones and API apart."""
    texts = {path.name: path.read_text() for path in DEPLOY.glob("nginx*.conf")}
    text = texts["nginx.conf"]
    line = "        server 127.0.0.1:8000 max_fails=3 fail_timeout=5s;\n"
    for port in (8000, 8001):  # of the phones, of the API
        if line not in text:
            raise ValueError(f"{line!r} does not stand twice in nginx.conf any more")
        servers = "".join(line.replace("127.0.0.1:8000", f"{address}:{port}") for address in APP_HOSTS.values())
        text = text.replace(line, servers, 1)
    paths = "".join(f"{kind}_temp_path {home}/{kind}; " for kind in TEMPORARY)
    text = changed(text, {"http {": f"http {{ access_log off; {paths}"})
    texts["nginx.conf"] = f"user root; pid {home}/nginx.pid; daemon off;\n{text}"
    return texts


def _read(file: str) -> str:
    return (DEPLOY / file).read_text()
