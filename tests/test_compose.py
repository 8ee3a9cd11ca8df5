"""docker-compose.yml: the scripts of its containers make a replica; its nginx finds the service."""

import os
import re
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import yaml

from rig import HOST, ROOT
from rig.postgresql import Cluster, has_programs, server_programs, temporary_cluster
from rig.processes import end, free_port, wait_for

SCRIPTS = ROOT / "deploy/compose"


def value(url: str, statement: str) -> object:
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(statement).fetchone()
        return row and row[0]
    return None


@pytest.mark.skipif(not has_programs(), reason="PostgreSQL's server programs are missing")
def test_a_replica_is_made_and_follows() -> None:
    password = secrets.token_hex(16)
    with temporary_cluster() as primary:
        admit(primary, password)
        port = free_port()
        data = primary.home / "by-script"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, primary._run["user"], primary._run["group"])
        variables = {"PGDATA": str(data), "PRIMARY": HOST, "PRIMARY_PORT": str(primary.port)}
        options = ["-p", str(port), "-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories="]
        replica = subprocess.Popen(
            ["sh", str(readable(primary.home, "replica.sh")), *options],
            env=path() | variables | {"REPLICATION_PASSWORD": password},
            stderr=subprocess.DEVNULL,
            **primary._run,
        )
        try:
            url = re.sub(r":\d+/", f":{port}/", primary.url)
            wait_for(lambda: value(url, "SELECT pg_is_in_recovery()") is True, 60)
            with primary.connect() as connection:
                connection.execute("CREATE TABLE seen AS SELECT 7 AS number")
            wait_for(lambda: value(url, "SELECT number FROM seen") == 7, 60)
        finally:
            end(replica)


def admit(primary: Cluster, password: str) -> None:
    """What the image of PostgreSQL does with a script at its first start."""
    variables = {
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": "postgres",
        "PGHOST": HOST,
        "PGPORT": str(primary.port),
        "PGPASSWORD": primary.password,
        "PGDATA": str(primary.data),
        "REPLICATION_PASSWORD": password,
    }
    subprocess.run(["sh", SCRIPTS / "replication.sh"], env=path() | variables, check=True, capture_output=True)
    primary.rows("SELECT pg_reload_conf()")


def path() -> dict[str, str]:
    return {"PATH": f"{server_programs()}:{os.environ['PATH']}", "LC_ALL": "C"}


def readable(home: Path, name: str) -> Path:
    """A copy of a script where PostgreSQL's own user may read it."""
    copy = home / name
    copy.write_bytes((SCRIPTS / name).read_bytes())
    copy.chmod(0o755)
    return copy


def test_nginx_is_told_where_the_service_is() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [expressions] = [part for part in compose["services"]["nginx"]["command"] if "sed" in part]
    arguments = [flag for found in re.findall(r"-e '([^']+)'", expressions) for flag in ("-e", found)]
    told = subprocess.check_output(["sed", *arguments, ROOT / "deploy/nginx.conf"], text=True)
    upstreams = re.findall(r"upstream (\w+) \{\s+server ([\w.:]+)", told)
    assert upstreams == [("phones", "phones:8000"), ("api", "api:8000")]
    assert {name for name, _ in upstreams} <= set(compose["services"])
    address = compose["services"]["nginx"]["networks"]["default"]["ipv4_address"]
    assert address in compose["services"]["phones"]["environment"]["TRUSTED_PROXIES"]
