"""Operations: asked once, done in order and one at a time, never blindly twice, whatever dies."""

import itertools
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from audit.models import Entry
from devices.models import Device
from jobs import runner
from jobs.models import Job, JobState
from management import worker
from management.models import Endpoint, Operation
from management.transport import Transport
from tests.conftest import Api, Cast, make_operator, make_user, run_due_jobs
from tests.management.conftest import PASSWORD_OF_DEVICE, Managed, manage
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served

SAVE = "/api/v1/actions/saveConfiguration"


# --- Asking ----------------------------------------------------------------------------------------------------


def test_an_operation_is_answered_before_it_is_done(managed: Managed):
    id = managed.ask("config_save")
    shown = managed.operation(id)
    assert (shown["state"], shown["attempts"], shown["finishedAt"]) == ("waiting", 0, None)
    assert managed.device.journal == []
    run_due_jobs()
    assert managed.operation(id)["state"] == "done"
    assert Endpoint.objects.get().job is None


@pytest.mark.parametrize(
    ("verb", "arguments", "path"),
    [
        ("fly", {}, "verb"),
        ("restart", {"mode": "now"}, "arguments.mode"),
        ("restart", {"wait": "9"}, "arguments.wait"),
        ("restart", {"wait": 1}, "arguments.wait"),
        ("restart", {"save": 1}, "arguments.save"),
        ("restart", {"when": 1}, "arguments.when"),
        ("run_cli", {}, "arguments.script"),
        ("run_cli", {"script": " "}, "arguments.script"),
        ("file_put", {"slot": "cpt", "content": "not base64!"}, "arguments.content"),
        ("tls_cert_put", {"pem": "x" * 100_001}, "arguments.pem"),
    ],
)
def test_bad_arguments_are_named(managed: Managed, verb: str, arguments: dict[str, Any], path: str):
    answer = managed.ask(verb, 400, **arguments).json()
    assert answer["errors"][0]["field"] == path
    assert not Operation.objects.exists()


def test_a_key_that_is_repeated_asks_once(managed: Managed):
    def send(key: str, verb: str = "config_save") -> Any:
        return managed.administrator.client.post(
            f"/api/v1{managed.path}/operations",
            {"verb": verb},
            content_type="application/json",
            headers={**managed.administrator.headers, "Idempotency-Key": key},
        )

    first, again, other = send("a"), send("a"), send("b")
    assert [first.status_code, again.status_code, other.status_code] == [202, 202, 202]
    assert first.json() == again.json() != other.json()
    assert send("a", "status").status_code == 422
    run_due_jobs()
    assert len(managed.requests("POST")) == 2


def test_operations_of_an_endpoint_are_done_in_order(managed: Managed):
    for number in range(5):
        managed.ask("config_apply", kind="ini", content=f"A = {number}", incremental=True)
    assert Job.objects.count() == 1
    run_due_jobs()
    bodies = [entry.body for entry in managed.device.journal if entry.method == "PUT"]
    assert [body.partition("A = ")[2][0] for body in bodies] == list("01234")
    listed = managed.monitor.get("/management/operations", {"sort": "id"}).json()["operations"]
    assert {shown["state"] for shown in listed} == {"done"}
    managed.do("status")  # a new job


def test_who_asked_is_shown_to_those_who_may_know(managed: Managed, cast: Cast):
    id = managed.ask("status")
    by_operator = (
        Api(make_operator(login="root")).post(f"{managed.path}/operations", {"verb": "status"}).json()["id"]
    )
    assert managed.operation(id)["user"]
    assert managed.operation(by_operator)["user"] is None
    reseller = Api(make_user(cast.reseller))
    assert reseller.get(f"/management/operations/{id}").json()["user"] == managed.operation(id)["user"]


# --- The right device ------------------------------------------------------------------------------------------


def test_nothing_is_written_to_another_device(managed: Managed):
    managed.device.mac = "00908FFFFFFE"
    operation = managed.do("restart")
    assert (operation["state"], operation["kind"]) == ("failed", "precondition")
    assert managed.requests("POST") == []
    assert managed.monitor.get(managed.path).json()["seenMac"] == "00:90:8F:FF:FF:FE"
    assert managed.ask("restart", 409).json()["kind"] == "precondition"
    assert managed.do("status")["state"] == "done"  # reading goes on
    assert managed.administrator.post(f"{managed.path}/uiToken", {}).status_code == 409
    managed.device.mac = managed.endpoint.mac
    link_anew = {"driver": "mediant-7.2", "baseUrl": managed.served.url, "mac": managed.endpoint.mac}
    assert managed.operator.put(managed.path, link_anew).status_code == 403
    assert managed.administrator.put(managed.path, link_anew).status_code == 200
    assert managed.do("restart")["state"] == "done"


def test_a_device_that_was_moved_is_not_written_to(managed: Managed, cast: Cast):
    id = managed.ask("config_save")
    Device.objects.update(group=cast.sibling)
    run_due_jobs()
    assert managed.operation(id)["kind"] == "precondition"
    assert managed.requests("POST") == []
    managed.ask("config_save", 409)


def test_an_old_device_with_the_new_driver_gets_no_upload(cast: Cast, old_mediant: Served):
    managed = manage(cast, old_mediant, "mediant-7.2")
    operation = managed.do("config_apply", kind="ini", content="A = 1", incremental=False)
    assert (operation["state"], operation["kind"]) == ("failed", "unsupported")
    assert "mediant-7.0" in operation["message"]
    assert managed.requests("PUT") == []


# --- Whatever dies ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process were gone: nothing that follows is done."""


def kill_in(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Die once, at this step of an operation."""
    original: dict[str, Callable[..., Any]] = {
        "take": worker._do, "send": Transport._send, "sent": Transport._send, "finish": worker._finish,
    }  # fmt: skip
    armed = [True]

    def die_before(*args: Any, **more: Any) -> Any:
        if armed and more.get("writes", True):
            armed.clear()
            raise Killed
        return original[place](*args, **more)

    def die_after(*args: Any, **more: Any) -> Any:
        found = original[place](*args, **more)
        if armed and more["writes"]:
            armed.clear()
            raise Killed
        return found

    match place:
        case "take":
            monkeypatch.setattr(worker, "_do", die_before)
        case "send":
            monkeypatch.setattr(Transport, "_send", die_before)
        case "sent":
            monkeypatch.setattr(Transport, "_send", die_after)
        case "finish":
            monkeypatch.setattr(worker, "_finish", die_before)


@pytest.mark.parametrize(
    ("place", "verb", "state", "writes"),
    [
        ("take", "config_save", "done", 1),
        ("send", "config_save", "unknown", 0),
        ("sent", "config_save", "unknown", 1),
        ("finish", "config_save", "unknown", 1),
        ("sent", "restart", "done", 1),
        ("finish", "status", "done", 0),
    ],
)
def test_a_worker_that_is_killed(
    managed: Managed, place: str, verb: str, state: str, writes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("management.drivers.restart.BACK_WITHIN", 2.0)
    kill_in(monkeypatch, place)
    id, behind = managed.ask(verb), managed.ask("identity")
    with pytest.raises(Killed):
        run_first_attempt()
    assert managed.operation(id)["finishedAt"] is None
    Job.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))  # silent for as long
    run_due_jobs()
    assert managed.operation(id)["state"] == state
    assert managed.operation(behind)["state"] == "done"
    assert len(managed.requests("POST")) == writes


def run_first_attempt() -> None:
    """As the worker does, but for catching all there is."""
    job = Job.objects.get()
    claimed = runner.claim(job.pk, 1)
    assert claimed is not None
    runner.run(claimed)


def test_a_worker_that_was_taken_for_dead_sends_nothing_more(managed: Managed):
    id = managed.ask("config_save")
    job = runner.claim(Job.objects.get().pk, 1)
    assert job is not None
    Job.objects.update(attempt=2)  # another one has it
    runner.run(job)
    assert managed.requests("POST") == []
    assert managed.operation(id)["state"] == "waiting"


def test_an_error_of_the_service_ends_the_operation_alone(managed: Managed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.drivers.mediant.Mediant.status", lambda self: 1 / 0)
    operation = managed.do("status")
    assert (operation["state"], operation["message"]) == ("failed", "An error of the service; its log tells more.")
    assert managed.do("identity")["state"] == "done"


@pytest.mark.django_db(transaction=True)
def test_two_workers_ask_one_device_one_thing_at_a_time(cast: Cast, key: bytes):
    with Served(Mediant("7.2", key=key)) as served:
        managed = manage(cast, served, "mediant-7.2")
        ids = [managed.ask("config_save") for _ in range(20)]
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
        assert {managed.operation(id)["state"] for id in ids} == {"done"}
        journal = managed.device.journal
        assert len([entry for entry in journal if entry.target == SAVE]) == 20
        for one, next_one in itertools.pairwise(journal):
            assert one.ended is not None
            assert one.ended <= next_one.began
    connection.close()


# --- Secrets ---------------------------------------------------------------------------------------------------


def test_no_secret_is_kept_or_shown(managed: Managed, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    canaries = ["Canary-script", "Canary-licence-1234", "Canary-key-password", PASSWORD_OF_DEVICE]
    managed.do("run_cli", script="configure system\n  snmp-community Canary-script")
    managed.do("run_cli", script="show running-config")
    managed.do("license_put", key="Canary-licence-1234")
    managed.do("tls_key_put", pem="no key", password="Canary-key-password")
    managed.do("config_apply", kind="ini", content="AdminPassword Canary-script", incremental=True)
    managed.administrator.post(f"{managed.path}/uiToken", {})
    managed.do("config_backup")
    managed.administrator.put(
        managed.path,
        {
            "driver": "mediant-7.2",
            "baseUrl": managed.served.url,
            "mac": managed.endpoint.mac,
            "password": "Canary-new",
        },
    )
    token = [json.loads(e.body)["username"] for e in managed.device.journal if e.target.endswith("authToken")]
    assert token
    shown = [managed.administrator.get(path).content.decode() for path in (managed.path, "/management/operations")]
    dump = everything() + caplog.text + "".join(shown)
    found = [secret for secret in [*canaries, "Canary-new", *managed.device.tokens] if secret in dump]
    assert found == []
    assert Entry.objects.filter(changes__has_key="secret").exists()


def everything() -> str:
    """All that stands in the database, as text."""
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            text += [str(bytes(v) if isinstance(v, memoryview) else v) for row in cursor.fetchall() for v in row]
    return "\n".join(text)


def test_the_login_is_not_sent_elsewhere_by_a_caller_who_does_not_know_it(managed: Managed):
    elsewhere = {"driver": "mediant-7.2", "baseUrl": "https://127.0.0.9", "mac": managed.endpoint.mac}
    answer = managed.administrator.put(managed.path, elsewhere)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "password")
    assert managed.administrator.put(managed.path, elsewhere | {"password": "known"}).status_code == 200
    assert managed.endpoint.credential.user_name == "Admin"
