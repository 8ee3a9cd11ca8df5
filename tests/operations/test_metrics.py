"""/metrics: what Prometheus reads, and who may."""

import http.client
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from rig.processes import send, wait_for
from rig.service import Service, environment
from tests.conftest import PASSWORD, Api, Cast, make_device, make_location, make_user

TOKEN = "t" * 40
LOCAL = "127.0.0.1"
PATIENCE = 120  # seconds that a busy machine may take


def ask(path: str = "/metrics", **headers: str) -> Any:
    return Client(raise_request_exception=False, headers={"Host": "10.0.0.5:8000", **headers}).get(path)


def values(text: str) -> dict[str, float]:
    """The samples of an exposition, by name with labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """By how much each sample grows within the block."""
    grown: dict[str, float] = {}
    before = values(ask().content.decode())
    yield grown
    after = values(ask().content.decode())
    grown.update({name: value - before.get(name, 0) for name, value in after.items()})


@pytest.fixture
def reader(settings: Any) -> None:
    """The tests' client may read the metrics."""
    settings.METRICS_ADDRESSES = [ip_network(LOCAL)]


@pytest.mark.django_db
def test_off_by_default_it_looks_like_an_address_that_does_not_exist() -> None:
    nothing = Client(raise_request_exception=False).get("/api/v1/nothing")
    off = ask()
    assert off.status_code == 404
    assert off.content == nothing.content
    assert off.headers["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN}", True),
        (f"Bearer {TOKEN}x", False),
        ("Bearer ", False),
        ("Bearer \xff", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("", False),
    ],
)
def test_the_token_opens_it(settings: Any, header: str, allowed: bool) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = ask(Authorization=header)
    assert answer.status_code == (200 if allowed else 404)
    assert (b"redirect_database_up 1.0" in answer.content) == allowed


@pytest.mark.django_db
def test_without_a_token_in_the_settings_none_opens_it(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert ask(Authorization="Bearer ").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("network", "allowed"), [("127.0.0.0/8", True), ("127.0.0.1", True), ("192.0.2.0/24", False), ("::/0", False)]
)
def test_an_address_opens_it(settings: Any, network: str, allowed: bool) -> None:
    settings.METRICS_ADDRESSES = [ip_network(network)]
    assert ask().status_code == (200 if allowed else 404)


@pytest.mark.django_db
def test_a_client_does_not_name_its_own_address(reader: None) -> None:
    stranger = Client(raise_request_exception=False, REMOTE_ADDR="192.0.2.7")
    assert stranger.get("/metrics", headers={"X-Forwarded-For": LOCAL}).status_code == 404


@pytest.mark.django_db
def test_a_phone_counts_once_by_outcome_and_kind(reader: None, cast: Cast) -> None:
    device = make_device(cast.provider, location=make_location(cast.provider))
    with counted() as grown:
        assert ask(f"/{device.mac}").status_code == 302
        assert ask(f"/cfg{device.mac}.xml").status_code == 302
        assert ask("/00908FFFFFFE").status_code == 404
        assert ask("/favicon.ico").status_code == 404
    assert grown['redirect_phone_requests_total{kind="bare",outcome="Redirected"}'] == 1
    assert grown['redirect_phone_requests_total{kind="file",outcome="Redirected"}'] == 1
    assert grown['redirect_phone_requests_total{kind="bare",outcome="Unknown"}'] == 1
    assert grown['redirect_phone_refusals_total{reason="NotAPhone"}'] == 1


@pytest.mark.django_db
def test_api_logins_bulk_calls_and_audit_are_counted(reader: None, cast: Cast) -> None:
    user = make_user(cast.reseller)
    api = Api(user)
    with counted() as grown:
        bulk = {"group": cast.provider.pk, "macList": [f"00908F1000{n:02d}" for n in range(20)]}
        assert api.post("/devices", bulk | {"overrideCurrentAssociation": False}).status_code == 201
        assert api.get("/devices").status_code == 200
        assert api.get("/devices").status_code == 200
        assert Api().post("/login", {"userName": user.login, "password": "wrong"}).status_code == 401
        assert Api().post("/login", {"userName": user.login, "password": PASSWORD}).status_code == 200
    assert grown['redirect_http_requests_total{method="GET",route="api/v1/devices",status="200"}'] == 2
    assert grown['redirect_http_requests_total{method="POST",route="api/v1/devices",status="201"}'] == 1
    assert grown['redirect_http_request_seconds_count{face="api"}'] == 5
    assert grown['redirect_logins_total{result="failed"}'] == 1
    assert grown['redirect_logins_total{result="right"}'] == 1
    assert grown['redirect_bulk_rows_bucket{event="DevicesCreated",le="10.0"}'] == 0
    assert grown['redirect_bulk_rows_bucket{event="DevicesCreated",le="100.0"}'] == 1
    assert grown['redirect_audit_entries_total{event="DevicesCreated",source="API"}'] == 1


@pytest.mark.django_db
def test_no_client_makes_new_series(reader: None) -> None:
    """Addresses and methods that a client invents share one series: each series costs memory for good."""
    ask("/api/v1/nothing")
    before = set(values(ask().content.decode()))
    for number in range(5):
        ask(f"/api/v1/nothing{number}")
        Client(raise_request_exception=False).generic(f"METHOD{number}", f"/admin/nothing{number}")
        ask(f"/{number:012X}")
    new = set(values(ask().content.decode())) - before
    assert not [name for name in new if re.search(r"nothing\d|METHOD\d", name)]
    assert len([name for name in new if "redirect_http_requests" in name]) <= 2


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("away")])
def test_without_the_database_the_rest_is_told(reader: None, error: Exception) -> None:
    def fail(*args: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        answer = ask()
    assert answer.status_code == 200
    shown = values(answer.content.decode())
    assert shown["redirect_database_up"] == 0
    assert "redirect_phone_batch_size_count" in shown


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Service]:
    """Two processes that may be asked for their metrics from this machine."""
    folder = tmp_path_factory.mktemp("service")
    variables = environment(
        f"sqlite:///{folder / 'db.sqlite3'}",
        METRICS_ADDRESSES=LOCAL,
        PROMETHEUS_MULTIPROC_DIR=str(folder),
    )
    shutil.copy(migrated, folder / "db.sqlite3")
    started = Service(variables, folder / "log")
    started.start()
    yield started
    started.stop()


def get(service: Service, path: str) -> str:
    with closing(http.client.HTTPConnection(LOCAL, service.port, timeout=60)) as client:
        client.request("GET", path)
        return client.getresponse().read().decode()


def unknown_macs(service: Service) -> float:
    return values(get(service, "/metrics")).get('redirect_phone_requests_total{kind="bare",outcome="Unknown"}', 0)


def kill(service: Service, worker: int) -> None:
    """Kill a worker, and wait until another has taken its place and its files are gone."""
    folder = Path(service.variables["PROMETHEUS_MULTIPROC_DIR"])
    send(signal.SIGKILL, worker)
    wait_for(lambda: worker not in service.worker_pids() and len(service.worker_pids()) == 2, PATIENCE)
    wait_for(lambda: not list(folder.glob(f"*_{worker}.db")), PATIENCE)


def test_all_processes_are_added_up_and_a_killed_one_is_not_forgotten(service: Service) -> None:
    """A sum that falls is a restart to Prometheus, and every rate of that minute is wrong."""
    for number in range(30):
        get(service, f"/00908F{number:06X}")
    wait_for(lambda: unknown_macs(service) == 30, PATIENCE)
    for killed in service.worker_pids():
        kill(service, killed)
        assert unknown_macs(service) == 30
    get(service, "/00908F00FFFF")
    wait_for(lambda: unknown_macs(service) == 31, PATIENCE)


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is missing: apt-get install prometheus",
)


@needs_promtool
def test_prometheus_reads_it_without_a_complaint(service: Service) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=get(service, "/metrics"), capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
