"""Every fault against every kind of verb of Mediants: the kind is right, and no write is sent twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from jobs.models import Job
from management.drivers.base import Kind
from management.models import Operation
from tests.certificates import make_ca, pem
from tests.conftest import run_due_jobs
from tests.management.conftest import Managed
from tests.simulators.device import FAULTS, Fault, Request, described

PATIENCE, DELAY = 1.0, 1.5  # seconds that a device has to answer, where it is late, and that it takes

#              fault           reading                asks  writing                          state
TABLE = {
    "refused":      (Kind.UNREACHABLE,   0, Kind.UNREACHABLE,     "failed"),
    "drop-before":  (Kind.UNREACHABLE,   3, Kind.UNKNOWN_OUTCOME, "unknown"),
    "drop-after":   (Kind.UNREACHABLE,   3, Kind.UNKNOWN_OUTCOME, "unknown"),
    "cut":          (Kind.PROTOCOL,      2, Kind.UNKNOWN_OUTCOME, "unknown"),
    "garbage":      (Kind.PROTOCOL,      2, Kind.PROTOCOL,        "unknown"),
    "noise":        (Kind.PROTOCOL,      2, Kind.PROTOCOL,        "unknown"),
    "error":        (Kind.DEVICE_FAILED, 3, Kind.DEVICE_FAILED,   "failed"),
    "delay":        (Kind.TIMEOUT,       3, Kind.UNKNOWN_OUTCOME, "unknown"),
}  # fmt: skip

STATUSES = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    406: Kind.INVALID,
    409: Kind.BUSY,
    418: Kind.PROTOCOL,
    500: Kind.DEVICE_FAILED,
    503: Kind.DEVICE_FAILED,
}
SAVE = "/api/v1/actions/saveConfiguration"
INI = "/api/v1/files/ini/incremental"


@pytest.fixture(params=["mediant-7.2", "mediant-7.0"])
def either(db: None, request: pytest.FixtureRequest) -> Managed:  # pytest-django makes what is asked for by name
    found: Managed = request.getfixturevalue("managed" if request.param == "mediant-7.2" else "managed_old")
    return found


def test_the_table_has_every_fault():
    assert set(TABLE) == {*FAULTS, "refused"}


def suffer(managed: Managed, fault: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "refused":
        return
    managed.device.faults.append(Fault(fault, path=path, seconds=DELAY if fault == "delay" else 0))
    if fault == "delay":
        for name in ("mediant.QUICK", "mediant.CONFIG", "mediant_http.QUICK"):
            monkeypatch.setattr(f"management.drivers.{name}", PATIENCE)


@pytest.mark.parametrize("fault", TABLE)
def test_a_question(either: Managed, fault: str, monkeypatch: pytest.MonkeyPatch):
    suffer(either, fault, "/api/v1/status", monkeypatch)
    if fault == "refused":
        either.served.listener.close()
    operation = either.do("status")
    kind, asks, _, _ = TABLE[fault]
    assert (operation["state"], operation["kind"]) == ("failed", kind.value), operation
    assert len(either.device.journal) == asks


@pytest.mark.parametrize("fault", TABLE)
@pytest.mark.parametrize("verb", ["config_save", "config_apply"])
def test_a_write_is_sent_once(either: Managed, verb: str, fault: str, monkeypatch: pytest.MonkeyPatch):
    path = SAVE if verb == "config_save" else INI
    suffer(either, fault, path, monkeypatch)
    if fault == "refused":
        close_after_identity(either)
    arguments = {} if verb == "config_save" else {"kind": "ini", "content": "A = 1", "incremental": True}
    operation = either.do(verb, **arguments)
    _, _, kind, state = TABLE[fault]
    assert (operation["state"], operation["kind"]) == (state, kind.value), operation
    writes = [entry for entry in either.device.journal if entry.target == path]
    assert len(writes) == (0 if fault == "refused" else 1)


def close_after_identity(managed: Managed) -> None:
    """The device goes away between the question what it is and the write."""
    answered = managed.device.answer

    def answer(request: Request) -> Any:
        found = answered(request)
        last = "/status" if managed.device.is_7_2 else "/cliScript/incremental"
        if request.path.endswith(last):
            managed.served.listener.refuse()  # before the answer is out: the write follows it at once
        return found

    managed.device.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_what_a_device_refuses(either: Managed, status: int, kind: Kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.drivers.base.Driver.busy_for", -1.0)
    answered = either.device.answer

    def answer(request: Request) -> Any:
        return described("For a reason", status) if request.path in (SAVE, INI) else answered(request)

    either.device.answer = answer  # type: ignore[method-assign]
    operation = either.do("config_save")
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", kind.value, status)
    assert "For a reason" in operation["message"]
    assert len(either.requests("POST")) == 1


# --- What reading tells of a write whose answer is missing ------------------------------------------------------


@pytest.mark.parametrize(("fault", "state"), [("drop-after", "done"), ("drop-before", "unknown")])
def test_a_restart_whose_answer_is_missing(managed: Managed, fault: str, state: str, monkeypatch: Any):
    monkeypatch.setattr("management.drivers.restart.BACK_WITHIN", 1.5)
    managed.device.faults.append(Fault(fault, path="/api/v1/actions/reset"))
    operation = managed.do("restart")
    assert (operation["state"], operation["verified"]) == (state, True if state == "done" else None)
    assert len(managed.requests("POST")) == 1


@pytest.mark.parametrize(("fault", "state"), [("drop-after", "done"), ("drop-before", "failed")])
def test_a_trusted_root_whose_answer_is_missing(managed: Managed, fault: str, state: str):
    managed.device.faults.append(Fault(fault, path="/api/v1/files/tls/0/trustedRoot/incremental"))
    operation = managed.do("tls_trust_add", pem=pem(make_ca("CA").certificate))
    assert (operation["state"], operation["verified"]) == (state, state == "done")
    assert operation["kind"] == Kind.UNKNOWN_OUTCOME.value
    assert len(managed.requests("PUT")) == 1


@pytest.mark.parametrize(("fault", "state"), [("drop-after", "unknown"), ("drop-before", "failed")])
@pytest.mark.parametrize("arguments", [{}, {"bits": 2048}])
def test_a_key_whose_answer_is_missing(managed: Managed, fault: str, state: str, arguments: dict[str, int]):
    """The device has a key of 1,024 bits. One of the right size may have been there before."""
    managed.device.faults.append(Fault(fault, method="POST"))
    operation = managed.do("tls_key_generate", **arguments)
    assert (operation["state"], operation["kind"]) == (state, Kind.UNKNOWN_OUTCOME.value)


@pytest.mark.parametrize(
    ("place", "verb", "state"),
    [
        ("worker._settle", "config_save", "unknown"),
        ("provisioning.compared", "config_save", "unknown"),
        ("provisioning.compared", "status", "failed"),
        ("certification.Flow.run", "certify", "failed"),
    ],
)
def test_an_error_of_the_service_ends_the_operation(
    managed: Managed, place: str, verb: str, state: str, monkeypatch: pytest.MonkeyPatch
):
    """It must not hold up those behind it for ever."""

    def fail(*args: Any, **more: Any) -> None:
        raise KeyError("an error of the service")

    if place == "worker._settle":
        managed.device.faults.append(Fault("drop-after", path=SAVE))
    monkeypatch.setattr(f"management.{place}", fail)
    first, second = managed.ask(verb), managed.ask("identity")
    run_due_jobs()
    operation = managed.operation(first)
    assert (operation["state"], operation["kind"]) == (state, Kind.PROTOCOL.value)
    assert "its log tells more" in operation["message"]
    assert operation["finishedAt"] is not None
    assert managed.operation(second)["finishedAt"] is not None


# --- A busy device ---------------------------------------------------------------------------------------------


def test_a_busy_device_is_asked_again_later(managed: Managed):
    managed.device.ha = "synchronizing"
    first, second = managed.ask("config_save"), managed.ask("status")
    run_due_jobs()
    assert managed.operation(first)["state"] == "waiting"
    assert managed.operation(second)["state"] == "waiting"  # in order
    job = Job.objects.get()
    assert timedelta(seconds=10) < job.not_before - job.created_at
    managed.device.ha = "stand-alone"
    run_now()
    assert [managed.operation(id)["state"] for id in (first, second)] == ["done", "done"]
    assert [entry.status for entry in managed.device.journal if entry.target == SAVE] == [409, 200]
    assert Operation.objects.get(pk=first).attempts == 2


def run_now() -> None:
    DBTaskResult.objects.update(run_after=timezone.now())
    run_due_jobs()


def test_a_device_that_stays_busy(managed: Managed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.drivers.base.Driver.busy_for", -1.0)
    managed.device.ha = "synchronizing"
    operation = managed.do("config_save")
    assert (operation["state"], operation["kind"]) == ("failed", "busy")
    assert "synchronization" in operation["message"]


def test_kinds_are_one_list():
    assert {kind.value for kind in Kind} == {
        "unauthenticated", "forbidden", "busy", "conflict", "not_found", "precondition", "unsupported", "invalid",
        "too_large", "device_failed", "protocol", "unreachable", "tls", "timeout", "unknown_outcome",
    }  # fmt: skip
