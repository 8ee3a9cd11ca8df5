"""DATABASE_URL and REPLICA_URL: what libpq knows reaches every connection."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django.fixtures import Settings

from boot.connection import ReconnectingConnection
from boot.database import open_recorder
from boot.postgresql import PostgreSQLRecorder
from redirect import settings as project
from redirect.db import address

MANY = (
    "postgres://us%40er:p%2Fw@db1:5432,db2:5433/redirect?target_session_attrs=any&sslmode=verify-full"
    "&sslrootcert=/etc/ca.pem&sslcert=/etc/me.pem&sslkey=/etc/me.key&keepalives_idle=7&tcp_user_timeout=5000"
    "&options=-c%20search_path%3Dphones"
)


@pytest.fixture
def phones(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """The parameters with which phones' connections are opened, by name, for two addresses."""

    def opened(url: str, replica: str = "", deadlines: str = "on") -> dict[str, dict[str, Any]]:
        monkeypatch.setenv("DATABASE_DEADLINES", deadlines)
        entry = {"CONN_MAX_AGE": 0, "TIME_ZONE": None, "AUTOCOMMIT": True} | project.database(url)
        wrapper = DatabaseWrapper(entry)
        monkeypatch.setattr(connections, "__getitem__", lambda alias: wrapper, raising=False)
        monkeypatch.setattr("boot.database.connections", {"default": wrapper})
        settings.REPLICA_URL = replica
        made: dict[str, dict[str, Any]] = {}
        init = ReconnectingConnection.__init__

        def remember(link: ReconnectingConnection, name: str, *arguments: Any) -> None:
            init(link, name, *arguments)
            made[name] = link._parameters

        monkeypatch.setattr(ReconnectingConnection, "__init__", remember)
        assert isinstance(open_recorder(), PostgreSQLRecorder)
        return made

    return opened


def test_each_parameter_reaches_the_api_and_the_phones(phones: Any):
    expected = {
        "host": "db1,db2",
        "port": "5432,5433",
        "user": "us@er",
        "password": "p/w",
        "dbname": "redirect",
        "target_session_attrs": "any",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.pem",
        "sslcert": "/etc/me.pem",
        "sslkey": "/etc/me.key",
        "keepalives_idle": "7",
        "tcp_user_timeout": "5000",
    }
    made = phones(MANY, replica=MANY.replace("redirect?", "copy?"))
    api = DatabaseWrapper({"CONN_MAX_AGE": 0, "TIME_ZONE": None} | project.database(MANY)).get_connection_params()
    for parameters in (api, made["database"], made["replica"] | {"dbname": "redirect"}):
        assert {name: parameters.get(name) for name in expected} == expected
    assert made["replica"]["dbname"] == "copy"


def test_options_of_the_address_stay_and_ours_hold_behind_them(phones: Any):
    made = phones(MANY + "%20-c%20lock_timeout%3D9000", replica=MANY)
    for parameters in made.values():
        assert parameters["options"].startswith("-c search_path=phones ")
        assert parameters["options"].endswith("-c plan_cache_mode=force_generic_plan")
        last = [option for option in parameters["options"].split(" -c ") if option.startswith("lock_timeout")][-1]
        assert last == "lock_timeout=500"
    entry = project.database(MANY)
    assert entry["OPTIONS"]["options"].startswith("-c search_path=phones -c statement_timeout=4500")


@pytest.mark.parametrize("deadlines", ["on", "off"])
def test_a_server_that_takes_no_writes_is_passed_over_by_default(phones: Any, deadlines: str):
    made = phones("postgres://u:p@db1,db2/redirect", "postgres://u:p@db3/redirect", deadlines)
    assert made["database"]["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in made["replica"]


@pytest.mark.parametrize("url", ["postgres://u:p@%2Frun%2Fpg/name", "postgres://u:p@/name?host=/run/pg"])
def test_a_socket_folder_is_a_host(phones: Any, url: str):
    assert phones(url)["database"]["host"] == "/run/pg"


@pytest.mark.parametrize("url", ["postgres://u:50%off@db/name", "postgres://u:secret@db/name?pool=false"])
def test_what_cannot_be_read_stops_the_start_and_tells_no_password(url: str):
    with pytest.raises(ImproperlyConfigured) as raised:
        address.parse(url, "DATABASE_URL")
    assert "DATABASE_URL" in str(raised.value)
    assert "off" not in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__
