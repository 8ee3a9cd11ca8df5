"""The database hosts: etcd, Patroni and PostgreSQL on each, and who of them is the primary."""

import contextlib
import http.client
import json
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from rig.nginx import certificate
from rig.postgresql import server_programs
from rig.processes import children, send
from rig.stack import files
from rig.stack.hosts import Host

ACCOUNT = "postgres"
TTL = 20  # patroni.yml: the least that Patroni takes
SECONDS_TO_BE_WHOLE = 150


class Databases:
    """Three hosts, one of which is the primary."""

    def __init__(self, hosts: Sequence[Host], shared: Path) -> None:
        """`shared` is a folder that all hosts see: Patroni's programs, the repository of backups."""
        self.hosts = list(hosts)
        self.password = secrets.token_hex(16)  # of the service's roles
        self._shared = shared
        self._superuser = secrets.token_hex(16)

    def start(self) -> None:
        """Start all, and return when there is a primary with a synchronous and another replica."""
        repository = self._shared / "repository"
        repository.mkdir()
        for host in self.hosts:
            self._write(host, repository)
            host.start("etcd", "etcd", f"--config-file={host.home}/etc/etcd/etcd.yml")
        wait_until("etcd has a leader", self._etcd_is_healthy, 60)
        for host in self.hosts:
            host.start(
                "patroni",
                str(self._shared / "patroni/bin/python"),
                "-m",
                "patroni",
                f"{host.home}/etc/patroni/config.yml",
                account=ACCOUNT,
                environment={
                    **self._pgbackrest(host),
                    "HOME": f"{host.home}/var/lib/postgresql",
                    "PATRONI_SUPERUSER_PASSWORD": self._superuser,
                    "PATRONI_REPLICATION_PASSWORD": self._superuser,
                    "PATRONI_REWIND_PASSWORD": self._superuser,
                },
            )
        wait_until("Patroni has made a primary", lambda: self.primary() is not None, 120)
        pgbackrest = ("pgbackrest", f"--config={self.hosts[0].home}/etc/pgbackrest.conf", "--stanza=redirect")
        primary = self.primary()
        assert primary is not None
        primary.run(*pgbackrest, "stanza-create", account=ACCOUNT, environment=self._pgbackrest(primary))
        self.wait_until_whole()
        with self.connect("postgres") as connection:
            connection.autocommit = True
            for statement in (
                f"CREATE ROLE redirect LOGIN PASSWORD '{self.password}'",
                "CREATE DATABASE redirect OWNER redirect",
                *files.statements_for_pgbouncer(self.password),
            ):
                connection.execute(statement.encode())

    def members(self, *, besides: Host | None = None) -> list[dict[str, Any]]:
        """What Patroni says of each member: name, role, state, timeline, lag. By the first host that answers."""
        for host in self.hosts:
            if host is besides:
                continue
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, answer = self._ask(host, "GET", "/cluster")
                if status == 200:
                    return list(answer["members"])
        return []

    def primary(self) -> Host | None:
        """The host that is the primary, and says so itself."""
        for host in self.hosts:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, _ = self._ask(host, "GET", "/primary")
                if status == 200:
                    return host
        return None

    def is_whole(self) -> bool:
        """Whether there is a primary, and both others follow it on its timeline, one of them synchronously."""
        members = self.members()
        states = sorted((member["role"], member["state"]) for member in members)
        timelines = {member.get("timeline") for member in members}
        whole = [("leader", "running"), ("replica", "streaming"), ("sync_standby", "streaming")]
        return states == whole and len(timelines) == 1

    def wait_until_whole(self) -> None:
        """Return when it is; raises TimeoutError."""
        wait_until("all members of the database are whole", self.is_whole, SECONDS_TO_BE_WHOLE, shown=self.members)

    def switchover(self, primary: Host) -> None:
        """Have Patroni make another host the primary, as `patronictl switchover` does."""
        status, answer = self._ask(primary, "POST", "/switchover", {"leader": primary.name}, seconds=60)
        if status != 200:
            raise RuntimeError(f"Patroni refuses to switch over: {status} {answer}")

    def kill(self, primary: Host) -> None:
        """kill -9, the postmaster and all its children."""
        [file] = (primary.folder / "var/lib/postgresql").glob("*/redirect/postmaster.pid")
        postmaster = int(file.read_text().split()[0])
        send(signal.SIGKILL, postmaster, *children(postmaster))

    def connect(self, database: str = "redirect") -> psycopg.Connection[Any]:
        """A superuser's connection to the primary."""
        hosts = ",".join(host.address for host in self.hosts)
        return psycopg.connect(
            host=hosts,
            dbname=database,
            user="postgres",
            password=self._superuser,
            target_session_attrs="read-write",
            sslmode="require",
            connect_timeout=3,
        )

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a SELECT yields on the primary."""
        with self.connect() as connection:
            return connection.execute(statement, values).fetchall()

    def _write(self, host: Host, repository: Path) -> None:
        tls = certificate("ssl-cert-snakeoil")
        host.write("etc/etcd/etcd.yml", files.etcd(host.name, host.home))
        host.make_folder("var/lib/etcd")
        patroni = files.patroni(host.name, host.home, server_programs())
        host.write("etc/patroni/config.yml", patroni, ACCOUNT, 0o600)
        host.write("etc/pgbackrest.conf", files.pgbackrest(host.home, repository))
        host.write("etc/ssl/certs/ssl-cert-snakeoil.pem", tls["ssl-cert-snakeoil.crt"])
        host.write("etc/ssl/private/ssl-cert-snakeoil.key", tls["ssl-cert-snakeoil.key"], ACCOUNT, 0o600)
        for folder in ("var/lib/postgresql", "var/log/pgbackrest", "var/spool/pgbackrest"):
            host.make_folder(folder, ACCOUNT)
        host.run("chown", ACCOUNT, str(repository))

    def _pgbackrest(self, host: Host) -> dict[str, str]:
        # Else below /tmp, which hosts have together.
        return {"PGBACKREST_LOCK_PATH": f"{host.home}/run/pgbackrest"}

    def _etcd_is_healthy(self) -> bool:
        healthy = 0
        for host in self.hosts:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                _, answer = self._ask(host, "GET", "/health", port=2379)
                healthy += answer.get("health") == "true"
        return healthy == len(self.hosts)

    def _ask(
        self, host: Host, method: str, path: str, body: object = None, *, port: int = 8008, seconds: float = 2
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(host.address, port, timeout=seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content


def wait_until(
    what: str, holds: Callable[[], bool], seconds: float, *, shown: Callable[[], object] = lambda: ""
) -> float:
    """Return after how many seconds it holds; raises TimeoutError that says what was waited for."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s: {what} {shown()}")
        time.sleep(0.2)
    return time.monotonic() - began
