"""What a primary has committed and no standby has confirmed does not count as recorded: it may be lost yet."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from boot import statements
from rig import postgresql
from rig.processes import wait_for

MAC = "00908F9D8992"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ~ 'devices_access'"

pytestmark = pytest.mark.skipif(not postgresql.has_programs(), reason="PostgreSQL's server programs are missing")


@pytest.fixture
def primary() -> Iterator[postgresql.Cluster]:
    """A server whose one standby is away; it has a request that no standby has confirmed."""
    with postgresql.temporary_cluster() as cluster:
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE devices_access (mac text, time timestamptz, device_id bigint)")
            connection.execute("INSERT INTO devices_access VALUES (%s, %s, 1)", [MAC, NOW])
        wait_for_standby(cluster, "away")
        yield cluster


def wait_for_standby(cluster: postgresql.Cluster, name: str) -> None:
    with cluster.connect() as connection:
        connection.autocommit = True
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        connection.execute("SELECT pg_reload_conf()")
    setting = "SELECT 1 WHERE current_setting('synchronous_standby_names') = %s"
    wait_for(lambda: cluster.rows(setting, name) == [(1,)], 60)


def test_what_no_standby_has_confirmed_is_not_recorded_before_one_does(primary: postgresql.Cluster) -> None:
    def asked() -> list[tuple[Any, ...]]:
        with primary.connect() as connection:
            connection.autocommit = True
            return connection.execute(statements.IS_RECORDED, {"macs": [MAC], "time": NOW}).fetchall()

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(asked)
        try:
            wait_for(lambda: primary.rows(WAITING) == [(1,)] or answer.done(), 60)
            assert not answer.done()
        finally:
            wait_for_standby(primary, "")
        assert answer.result(60) == [(True,)]
