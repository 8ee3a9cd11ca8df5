"""Each verb of a Poly Trio, from the API over the worker to a simulated phone and back."""

import itertools
import json
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from jobs import runner
from jobs.models import Job, JobState
from management.management.commands import refresh_endpoints
from management.models import Endpoint, Operation
from tests.conftest import Cast, make_location, run_due_jobs
from tests.management.conftest import Managed, manage
from tests.management.test_commands import command
from tests.simulators.device import Fault
from tests.simulators.poly import PolyTrio
from tests.simulators.poly_config import Status
from tests.simulators.server import Authority, Served

MGMT = "/api/v1/mgmt"


def done(operation: dict[str, Any]) -> Any:
    assert (operation["state"], operation["kind"], operation["message"]) == ("done", "", ""), operation
    return operation["result"]


def sent(managed: Managed) -> list[tuple[str, str, str, str]]:
    """Method, target, content type and body of each request, without the question what the phone is."""
    return [
        (entry.method, entry.target, entry.content_type, entry.body)
        for entry in managed.phone.journal
        if entry.target != "/api/v2/mgmt/device/info"
    ]


def test_a_probe_fills_the_summary(managed_trio: Managed):
    managed_trio.phone.provisioned_from = "https://pbx.example/trio/"
    location = make_location(managed_trio.endpoint.group, "https://pbx.example/trio/")
    location.devices.set(managed_trio.endpoint.group.devices.all())
    done(managed_trio.do("probe"))
    summary = managed_trio.monitor.get(f"{managed_trio.path}/summary").json()
    assert summary["identity"]["data"] == {
        "vendor": "Poly", "model": "Trio 8800", "mac": "0004F2A16301", "serial": None, "firmware": "5.9.1.10419",
        "source": "device/info v2",
    }  # fmt: skip
    assert (summary["status"]["data"]["state"], summary["status"]["data"]["ready"]) == ("AppStateMenu", True)
    provisioning = summary["provisioning"]["data"]
    assert (provisioning["serverUrl"], provisioning["matches"]) == ("https://pbx.example/trio/", True)
    assert summary["registration"]["data"]["lines"][0]["registered"] is True


@pytest.mark.parametrize(("told", "matches"), [("http://pbx.example/", False), ("https://other.example/", False)])
def test_a_phone_that_was_provisioned_elsewhere(managed_trio: Managed, told: str, matches: bool):
    managed_trio.phone.provisioned_from = told
    location = make_location(managed_trio.endpoint.group, "https://pbx.example/{MAC ADDRESS}/")
    location.devices.set(managed_trio.endpoint.group.devices.all())
    result = done(managed_trio.do("provisioning"))
    assert (result["expected"], result["matches"]) == ("https://pbx.example/0004F2A16301/", matches)


def test_older_software_has_the_first_version_alone(managed_trio: Managed):
    for path in ("/api/v2/mgmt/device/info", "/api/v2/mgmt/lineInfo"):
        del managed_trio.phone.commands[path]
    identity = done(managed_trio.do("identity"))
    assert (identity["mac"], identity["firmware"], identity["source"]) == (
        "0004F2A16301", "5.9.1.10419", "device/info v1",
    )  # fmt: skip
    assert done(managed_trio.do("lines"))["lines"][0]["user"] == "1001"
    assert done(managed_trio.do("restart"))["back"] is True


@pytest.mark.parametrize(
    ("verb", "arguments", "requests"),
    [
        ("restart", {"command": "safeReboot"}, [("POST", f"{MGMT}/safeReboot", "application/json", "")]),
        ("restart", {}, [("POST", f"{MGMT}/safeRestart", "application/json", "")]),
        ("resync", {}, [("POST", f"{MGMT}/updateConfiguration", "application/json", "")]),
        ("config_reset", {}, [("POST", f"{MGMT}/configReset", "application/json", "")]),
        ("config_reset", {"scope": "web"}, [("POST", f"{MGMT}/configReset/web", "application/json", "")]),
        ("factory_reset", {"mac": "0004f2a16301"}, [("POST", f"{MGMT}/factoryReset", "application/json", "")]),
        ("metrics", {"name": "network"}, [("GET", f"{MGMT}/network/stats", "", "")]),
        ("metrics", {"name": "device"}, [("GET", f"{MGMT}/device/stats", "", "")]),
        ("metrics", {"name": "media"}, [("GET", f"{MGMT}/media/sessionStats", "", "")]),
        ("lines", {"line": "1"}, [("GET", "/api/v2/mgmt/lineInfo?line=1", "", "")]),
        (
            "config_get", {"names": ["reg.1.address"]},
            [("POST", f"{MGMT}/config/get", "application/json", '{"data":["reg.1.address"]}')],
        ),
        (
            "config_set", {"values": {"reg.1.label": "Größe"}},
            [("POST", f"{MGMT}/config/set", "application/json", '{"data":{"reg.1.label":"GrÃ¶Ã\x9fe"}}')],
        ),
    ],
)  # fmt: skip
def test_requests_are_those_of_the_manual(
    managed_trio: Managed, verb: str, arguments: dict[str, Any], requests: list[Any]
):
    done(managed_trio.do(verb, **arguments))
    journal = managed_trio.phone.journal
    assert sent(managed_trio) == requests
    assert {entry.user for entry in journal} == {"Polycom"}


def test_lines_with_what_sip_says(managed_trio: Managed):
    assert done(managed_trio.do("lines", sip=True))["sip"]["TotalUser"] == "1"


def test_by_https_the_phone_tells_whether_it_is_on_a_call(cast: Cast):
    authority = Authority()
    with Served(PolyTrio(), authority=authority) as served:
        managed = manage(cast, served, "poly-trio", tlsPolicy="ca", tlsCA=authority.pem)
        assert done(managed.do("status"))["activity"] == "Idle"


def test_calls_end_before_the_restart(managed_trio: Managed):
    managed_trio.phone.configure({"incomingCall": {}})
    assert done(managed_trio.do("restart"))["back"] is True
    assert (managed_trio.phone.calls, managed_trio.phone.resets) == ([], 1)


def test_a_factory_reset_repeats_the_mac(managed_trio: Managed):
    assert (
        managed_trio.ask("factory_reset", 400, mac="0004F2A16302").json()["errors"][0]["field"] == "arguments.mac"
    )
    assert managed_trio.ask("factory_reset", 400).json()["errors"][0]["field"] == "arguments.mac"
    done(managed_trio.do("factory_reset", mac="0004F2A16301"))
    assert managed_trio.do("status")["kind"] in ("not_found", "unreachable")


# --- Configuration ---------------------------------------------------------------------------------------------


def test_values_tell_their_layer_and_no_secret(managed_trio: Managed):
    managed_trio.phone.configure({"layers": {"Web": {"reg.1.auth.password": "Canary-line"}}})
    names = ["reg.1.auth.password", "reg.1.address"]
    found = done(managed_trio.do("config_get", names=names))["parameters"]
    assert found == {
        "reg.1.auth.password": {"value": "***", "source": "Web"},
        "reg.1.address": {"value": "", "source": "Default"},
    }


def test_more_than_twenty_names_are_asked_in_batches(managed_trio: Managed):
    names = [f"softkey.{number}.label" for number in range(1, 41)]
    assert len(done(managed_trio.do("config_get", names=names))["parameters"]) == 40
    sizes = [len(json.loads(body)["data"]) for _, _, _, body in sent(managed_trio)]
    assert sizes == [20, 20]


def test_more_than_twenty_are_set_only_in_batches(managed_trio: Managed):
    values = {f"softkey.{number}.label": str(number) for number in range(1, 26)}
    refused = managed_trio.ask("config_set", 400, values=values).json()
    assert (refused["kind"], refused["errors"][0]["field"]) == ("invalid", "arguments.values")
    assert managed_trio.phone.journal == []
    assert done(managed_trio.do("config_set", values=values, batches=True)) == {"set": 25}
    assert managed_trio.phone.config.layers["Local"] == values


def test_twenty_kilobytes_are_checked_before_anything_is_sent(managed_trio: Managed):
    values = {f"softkey.{number}.label": "x" * 2000 for number in range(1, 12)}
    refused = managed_trio.ask("config_set", 413, values=values).json()
    assert (refused["kind"], refused["errors"][0]["field"]) == ("too_large", "arguments.values")
    assert managed_trio.phone.journal == []


@pytest.mark.parametrize(
    ("verb", "arguments", "path"),
    [
        ("config_set", {"values": ["a"]}, "arguments.values"),
        ("config_set", {"values": {}}, "arguments.values"),
        ("config_set", {"values": {"a": 1}}, "arguments.values"),
        ("config_get", {"names": [""]}, "arguments.names"),
        ("config_get", {"names": "a"}, "arguments.names"),
        ("config_reset", {"scope": "everything"}, "arguments.scope"),
        ("restart", {"mode": "immediate"}, "arguments.mode"),
    ],
)
def test_bad_arguments_are_named(managed_trio: Managed, verb: str, arguments: dict[str, Any], path: str):
    assert managed_trio.ask(verb, 400, **arguments).json()["errors"][0]["field"] == path


def test_an_entry_that_is_too_long_is_named_with_the_limit(managed_trio: Managed):
    [error] = managed_trio.ask("config_set", 400, values={"a": "1", "up.b": "x" * 21_000}).json()["errors"]
    assert error["description"] == "`up.b` must be a string of 20,000 characters at most."


def test_what_is_wrong_with_a_raw_call_is_named_as_it_was_sent(managed_trio: Managed):
    raw = {"method": "GET", "path": "/api/v1/mgmt/device/info"}
    for more, field in (({"query": {"a": 5}}, "query"), ({"body": "é" * 11_000}, "body")):
        answer = managed_trio.administrator.post(f"{managed_trio.path}/passthrough", raw | more)
        assert [error["field"] for error in answer.json()["errors"]] == [field], answer.content


@pytest.mark.parametrize(("fault", "state"), [("drop-after", "done"), ("drop-before", "failed")])
def test_a_setting_whose_answer_is_lost_is_read_back(managed_trio: Managed, fault: str, state: str):
    managed_trio.phone.faults.append(Fault(fault, path=f"{MGMT}/config/set", times=1))
    operation = managed_trio.do("config_set", values={"reg.1.label": "Desk"})
    assert (operation["state"], operation["verified"]) == (state, state == "done")
    assert len([target for _, target, _, _ in sent(managed_trio) if target.endswith("/set")]) == 1


def test_what_no_phone_has(managed_trio: Managed):
    for verb in ("run_cli", "firmware_install", "alarms", "tls_csr", "license_get", "ui_token"):
        if verb != "ui_token":
            assert managed_trio.ask(verb, 501).json()["kind"] == "unsupported"
    assert managed_trio.phone.journal == []


# --- What the phone refuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "verb", "arguments", "kind", "code"),
    [
        ({"users": {"Polycom": ["other", "Admin"]}}, "status", {}, "unauthenticated", 401),
        ({"enabled": False}, "resync", {}, "not_found", 404),
        ({}, "config_get", {"names": ["no.such"]}, "invalid", 4000),
        ({}, "lines", {"line": "9"}, "not_found", 4005),
        ({"users": {"Polycom": ["456", "Admin"]}}, "status", {}, "unauthenticated", 401),
    ],
)
def test_refusals(
    managed_trio: Managed, state: dict[str, Any], verb: str, arguments: dict[str, Any], kind: str, code: int
):
    managed_trio.phone.configure(state)
    operation = managed_trio.do(verb, **arguments)
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", kind, code)


def test_a_default_password_is_told(cast: Cast, trio: Served):
    managed = manage(cast, trio, "poly-trio")
    managed.phone.users["second"] = ("456", "Admin")
    operation = managed.do("status")
    assert (operation["kind"], operation["vendorStatus"]) == ("precondition", 4010)


def test_a_busy_phone_is_asked_again(managed_trio: Managed):
    managed_trio.phone.busy = True
    id = managed_trio.ask("resync")
    run_due_jobs()
    shown = managed_trio.operation(id)
    assert (shown["state"], shown["kind"]) == ("waiting", "busy")
    managed_trio.phone.busy = False
    DBTaskResult.objects.update(run_after=timezone.now())
    run_due_jobs()
    assert managed_trio.operation(id)["state"] == "done"
    assert managed_trio.phone.fetches == 1


@pytest.mark.parametrize("code", ["4400", "4403", "5500", "5000"])
def test_codes_that_the_manual_does_not_explain(managed_trio: Managed, code: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> Any:
        raise Status(code)

    monkeypatch.setitem(managed_trio.phone.commands, f"{MGMT}/updateConfiguration", {"POST": fail})
    operation = managed_trio.do("resync")
    assert (operation["kind"], operation["vendorStatus"]) == ("device_failed", int(code))


# --- One at a time ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_workers_ask_one_phone_one_thing_at_a_time(cast: Cast):
    with Served(PolyTrio(queues=False)) as served:
        managed = manage(cast, served, "poly-trio")
        ids = [managed.ask("config_set", values={"reg.1.label": str(number)}) for number in range(50)]
        errors: list[BaseException] = []

        def work() -> None:
            try:
                turn = runner.make_worker()
                while Job.objects.exclude(state__in=[JobState.DONE, JobState.FAILED]).exists():
                    runner.run_due(turn)
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert set(Operation.objects.values_list("state", flat=True)) == {"done"}
        assert len(ids) == 50
        bodies = [entry.body for entry in managed.phone.journal if entry.method == "POST"]
        assert bodies == [f'{{"data":{{"reg.1.label":"{number}"}}}}' for number in range(50)]
        for one, next_one in itertools.pairwise(managed.phone.journal):
            assert one.ended is not None
            assert one.ended <= next_one.began
    connection.close()


def test_who_else_asks_waits(managed_trio: Managed):
    id = managed_trio.ask("status")
    Endpoint.objects.update(leased_by="refresh 1", leased_until=timezone.now() + timedelta(minutes=1))
    run_due_jobs()
    assert managed_trio.operation(id)["state"] == "waiting"
    assert command("refresh_endpoints") == (
        "0 of 1 devices answered.\nNot asked, as an operation is being done: 1.\n"
    )
    assert managed_trio.phone.journal == []
    Endpoint.objects.update(leased_until=timezone.now())  # whoever had it was killed
    assert command("refresh_endpoints") == "1 of 1 devices answered.\n"
    assert Endpoint.objects.get().leased_by == ""


def test_a_refresh_holds_a_phone_only_while_it_asks_it(
    managed_trio: Managed, cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    """Its turn may come long after the refresh began."""
    held: list[int] = []

    def look(seconds: float) -> None:
        held.append(Endpoint.objects.filter(leased_by__startswith="refresh").count())

    monkeypatch.setattr(refresh_endpoints, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=look))
    with Served(PolyTrio(mac="64167F000002")) as other:
        manage(cast, other, "poly-trio")
        assert command("refresh_endpoints", "--at-once", "1") == "2 of 2 devices answered.\n"
    assert held == [0, 0]


# --- What the phone pushes -------------------------------------------------------------------------------------


@pytest.fixture
def receiving(
    transactional_db: None, cast: Cast, trio: Served, live_server: LiveServer, settings: Settings
) -> Managed:
    settings.MANAGEMENT_RECEIVER = live_server.url
    return manage(cast, trio, "poly-trio")


def test_a_backup_is_pushed_to_an_address_that_takes_one_file(receiving: Managed, live_server: LiveServer):
    receiving.phone.configure({"layers": {"Web": {"reg.1.label": "Desk"}}})
    operation = receiving.do("config_backup", kind="Web")
    done(operation)
    [id] = operation["artefacts"]
    file = receiving.administrator.get(f"{receiving.path}/artefacts/{id}").content
    assert b'reg.1.label="Desk"' in file
    [(url, _)] = receiving.phone.pushed
    assert sent(receiving) == [
        ("POST", f"{MGMT}/config/export", "application/json", json.dumps(
            {"data": {"Url": url, "ConfigType": "Web"}}, separators=(",", ":"))),
    ]  # fmt: skip
    path, client = url.removeprefix(live_server.url), receiving.monitor.client
    again, unknown = client.put(path, b"x"), client.put(path[:-1] + "~", b"x")
    assert client.get(path).status_code == 405
    assert (again.status_code, unknown.status_code, again.content) == (404, 404, unknown.content)


def test_without_a_receiver_nothing_is_asked(managed_trio: Managed):
    operation = managed_trio.do("config_backup")
    assert (operation["state"], operation["kind"]) == ("failed", "precondition")
    assert "MANAGEMENT_RECEIVER" in operation["message"]
    assert managed_trio.phone.journal == []


def test_a_file_that_does_not_come(receiving: Managed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.drivers.poly_trio.PUSHED_WITHIN", 0.0)
    receiving.phone.push = lambda url, content: 200
    operation = receiving.do("config_backup")
    assert (operation["state"], operation["kind"]) == ("failed", "timeout")
    receiving.phone.push = lambda url, content: 500
    operation = receiving.do("config_backup")
    assert (operation["kind"], operation["vendorStatus"]) == ("device_failed", 4008)
