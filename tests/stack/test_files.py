"""What the stack changes in the files of deploy/, and what it leaves as users have it."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.stack import files

HOME = Path("/home-of-the-host")
PROGRAMS = Path("/programs")


def different(before: Any, after: Any, path: str = "") -> set[str]:
    """The places at which two documents differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: set[str] = set()
        for key in before.keys() | after.keys():
            found |= different(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        return found
    return set() if before == after else {path}


def deployed(file: str) -> Any:
    return yaml.safe_load((files.DEPLOY / "postgresql" / file).read_text())


def test_patroni_differs_by_name_addresses_folders_and_what_a_small_machine_needs() -> None:
    patroni = yaml.safe_load(files.patroni("db2", HOME, PROGRAMS))
    assert different(deployed("patroni.yml"), patroni) == {
        "name",
        "restapi.listen",
        "restapi.connect_address",
        "bootstrap.dcs.postgresql.parameters.shared_buffers",
        "bootstrap.dcs.postgresql.parameters.archive_command",
        "postgresql.listen",
        "postgresql.connect_address",
        "postgresql.data_dir",
        "postgresql.bin_dir",
        "postgresql.pgpass",
        "postgresql.parameters.ssl_cert_file",
        "postgresql.parameters.ssl_key_file",
        "watchdog.mode",
    }
    assert patroni["name"] == "db2"
    assert patroni["postgresql"]["connect_address"] == "10.0.0.12:5432"
    assert patroni["etcd3"]["hosts"] == deployed("patroni.yml")["etcd3"]["hosts"]
    assert patroni["watchdog"]["mode"] == "off"
    archive = patroni["bootstrap"]["dcs"]["postgresql"]["parameters"]["archive_command"]
    assert f"--config={HOME}/etc/pgbackrest.conf" in archive


def test_etcd_differs_by_name_addresses_and_folder() -> None:
    assert yaml.safe_load(files.etcd("db1", HOME)) == deployed("etcd.yml") | {
        "data-dir": f"{HOME}/var/lib/etcd/redirect"
    }
    etcd = yaml.safe_load(files.etcd("db3", HOME))
    assert etcd["name"] == "db3"
    assert etcd["advertise-client-urls"] == "http://10.0.0.13:2379"
    assert etcd["initial-cluster"] == deployed("etcd.yml")["initial-cluster"]


def test_haproxy_and_pgbouncer_are_as_deployed_but_for_folders() -> None:
    assert files.haproxy() == (files.DEPLOY / "postgresql/haproxy.cfg").read_text()
    as_deployed, here = (configparser.ConfigParser(comment_prefixes=(";",)) for _ in range(2))
    as_deployed.read(files.DEPLOY / "postgresql/pgbouncer.ini")
    here.read_string(files.pgbouncer(HOME))
    assert here["databases"] == as_deployed["databases"]
    assert dict(here["pgbouncer"]) == dict(as_deployed["pgbouncer"]) | {
        "auth_file": f"{HOME}/etc/pgbouncer/userlist.txt"
    }


def test_backups_go_to_one_repository_and_all_else_to_the_host() -> None:
    text = files.pgbackrest(HOME, Path("/repository"))
    assert "repo1-path=/repository\n" in text
    assert f"pg1-path={HOME}/var/lib/postgresql/15/redirect\n" in text
    patroni = yaml.safe_load(files.patroni("db1", HOME, PROGRAMS))
    assert f"pg1-path={patroni['postgresql']['data_dir']}\n" in text


def test_nginx_knows_both_app_hosts_phones_and_api_apart() -> None:
    texts = files.nginx(HOME)
    assert {"nginx.conf", "nginx-phones.conf", "nginx-errors.conf"} <= texts.keys()
    upstreams = dict(re.findall(r"upstream (\w+) \{(.*?)\}", texts["nginx.conf"], re.DOTALL))
    for name, port in (("phones", 8000), ("api", 8001)):
        assert re.findall(r"server (\S+) ", upstreams[name]) == [f"10.0.0.21:{port}", f"10.0.0.22:{port}"]
        assert upstreams[name].count("max_fails=3 fail_timeout=5s") == 2
    assert texts["nginx-phones.conf"] == (files.DEPLOY / "nginx-phones.conf").read_text()


def test_the_role_of_pgbouncer_is_made_as_its_file_tells() -> None:
    create, *settings = files.statements_for_pgbouncer("secret")
    assert create == "CREATE ROLE redirect_api LOGIN PASSWORD 'secret' IN ROLE redirect;"
    assert {statement.split()[4] for statement in settings} >= {"statement_timeout", "lock_timeout"}


def test_a_text_that_is_no_longer_there_is_told() -> None:
    with pytest.raises(ValueError, match="shared_buffers: 2GB"):
        files.changed("shared_buffers: 4GB", {"shared_buffers: 2GB": "shared_buffers: 128MB"})
