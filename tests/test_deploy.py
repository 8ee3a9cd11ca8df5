"""deploy/postgresql: each program takes its own file, and what keeps acknowledged writes stands in it."""

import configparser
import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import ROOT, postgresql
from rig.processes import end, free_port, wait_for

FILES = ROOT / "deploy/postgresql"


def needs(program: str, package: str = "") -> pytest.MarkDecorator:
    reason = f"{program} is missing: apt-get install {package or program}"
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    return pytest.mark.skipif(found is None, reason=reason)


def read_text(file: str) -> str:
    return (FILES / file).read_text()


def read(file: str) -> Any:
    return yaml.safe_load(read_text(file))


@needs("haproxy")
def test_haproxy_takes_its_file() -> None:
    haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
    checked = subprocess.run([haproxy, "-c", "-f", FILES / "haproxy.cfg"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "warning" not in (checked.stdout + checked.stderr).lower()


@needs("patroni")
def test_patroni_takes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "patroni.yml"
    # It tries whether it could listen.
    listen = re.compile(r"^(  listen: )10\.0\.0\.11:\d+$", re.MULTILINE)
    file.write_text(listen.sub(lambda found: f"{found[1]}127.0.0.1:{free_port()}", read_text("patroni.yml")))
    checked = subprocess.run(["patroni", "--validate-config", file], capture_output=True, text=True)
    complaints = [line for line in (checked.stdout + checked.stderr).splitlines() if line.strip()]
    # It asks for a section that its manual leaves out where `postgresql.pg_hba` is given.
    assert [line for line in complaints if not line.startswith("bootstrap.pg_hba")] == []


def test_the_times_of_a_failover_suit_each_other() -> None:
    """What Patroni 3.0.2 does not check; by the manual of its settings in the store."""
    times = read("patroni.yml")["bootstrap"]["dcs"]
    assert times["ttl"] >= 20
    assert times["loop_wait"] >= 1
    assert times["retry_timeout"] >= 3
    assert times["loop_wait"] + 2 * times["retry_timeout"] <= times["ttl"]


@needs("pgbackrest")
def test_pgbackrest_takes_its_file() -> None:
    asked = subprocess.run(
        [
            "pgbackrest",
            f"--config={FILES / 'pgbackrest.conf'}",
            "--stanza=redirect",
            "--log-level-console=warn",
            "info",
        ],
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "WARN" not in asked.stdout + asked.stderr


@needs("pgbouncer")
def test_pgbouncer_takes_its_file(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "userlist.txt").touch()
    (tmp_path / "userlist.txt").chmod(0o644)
    text = read_text("pgbouncer.ini").replace("6432", str(port))
    text = text.replace("/etc/pgbouncer/userlist.txt", str(tmp_path / "userlist.txt"))
    file = tmp_path / "pgbouncer.ini"
    file.write_text(text)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    pgbouncer = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    log = tmp_path / "log"
    with open(log, "wb") as output:
        running = subprocess.Popen([pgbouncer, "--user", "nobody", file], stdout=output, stderr=output)
    try:
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: running.poll() is not None or _listens(port), 60)
        assert running.poll() is None, log.read_text()
    finally:
        end(running)
    assert not re.search(r"ERROR|WARNING|FATAL|unrecognized", log.read_text()), log.read_text()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_one_file_says_how_postgresql_is_set_up() -> None:
    settings = postgresql.settings_in(FILES / "redirect.conf")
    assert settings["wal_compression"] == "lz4"
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-postgresql"]
    in_compose = dict(word.split("=", 1) for word in command if "=" in word)
    of_patroni = read("patroni.yml")["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert {name: in_compose.get(name) for name in settings} == settings
    assert {name: str(of_patroni.get(name)) for name in settings} == settings


@pytest.mark.skipif(not postgresql.has_programs(), reason="PostgreSQL's server programs are missing")
def test_postgresql_takes_its_file() -> None:
    settings = postgresql.settings_in(FILES / "redirect.conf")
    with postgresql.temporary_cluster([f"{name}={value}" for name, value in settings.items()]) as cluster:
        for name, value in settings.items():
            ((as_written,),) = cluster.rows("SELECT current_setting(%s) = %s", name, value)
            ((in_units,),) = cluster.rows("SELECT setting = %s FROM pg_settings WHERE name = %s", value, name)
            assert as_written or in_units, name


def test_what_keeps_acknowledged_writes_is_on() -> None:
    shared = read("patroni.yml")["bootstrap"]["dcs"]
    assert shared["synchronous_mode"] is True
    assert shared["failsafe_mode"] is True
    assert shared["postgresql"]["use_pg_rewind"] is True
    assert {"checkpoint": "fast"} in read("patroni.yml")["postgresql"]["basebackup"]
    archive = shared["postgresql"]["parameters"]["archive_command"]
    assert re.search(r"--config=/\S+", archive), (
        "a path that is not absolute stops the archive, and then PostgreSQL"
    )


def test_the_members_know_each_other() -> None:
    members = set(re.findall(r"10\.0\.0\.1\d", read_text("patroni.yml")))
    assert len(members) == 3
    assert {
        address for _, address in re.findall(r"server (\w+) ([\d.]+):5432", read_text("haproxy.cfg"))
    } == members
    assert set(re.findall(r"10\.0\.0\.1\d", read_text("etcd.yml"))) == members
    etcd = read("etcd.yml")
    assert etcd["election-timeout"] == 10 * etcd["heartbeat-interval"]


def test_haproxy_leaves_a_server_that_is_no_primary_any_more() -> None:
    text = read_text("haproxy.cfg")
    assert text.count("on-marked-down shutdown-sessions") == text.count("option httpchk") == 2


def test_pgbouncer_takes_the_connections_of_the_service() -> None:
    parser = configparser.ConfigParser(comment_prefixes=(";",))
    parser.read(FILES / "pgbouncer.ini")
    assert "options" in parser["pgbouncer"]["ignore_startup_parameters"].split(",")
    for deadline in ("statement_timeout", "lock_timeout"):
        assert f"SET {deadline}" in read_text("pgbouncer.ini")
    # A role of its own: migrations and jobs take longer.
    assert re.findall(r"ALTER ROLE (\w+) SET", read_text("pgbouncer.ini")) == ["redirect_api"] * 3
    # hostssl alone, as patroni.yml says; and a fail-over is not waited for any longer than it takes.
    assert parser["pgbouncer"]["server_tls_sslmode"] == "require"
    assert int(parser["pgbouncer"]["server_login_retry"]) == 1


def test_etcd_answers_patroni() -> None:
    # Off by default in etcd 3.4 where it reads a file.
    assert read("etcd.yml")["enable-grpc-gateway"] is True
