"""The certificate flow: from a key on the device to a certificate that the redirect accepts, whatever dies."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from devices.models import Device
from jobs import runner
from jobs.models import Job
from management.models import Operation
from management.transport import Transport
from tests.certificates import CA, key_pem, make_ca, named, pem
from tests.conftest import make_location, run_due_jobs
from tests.management.conftest import Managed
from tests.simulators.device import Fault
from tests.simulators.mediant_tls import new_key

MAC = "00908FA16301"
CONTEXT = "/files/tls/0"
WRITES = [
    f"POST {CONTEXT}/privateKey/generate",
    f"POST {CONTEXT}/certificate/request",
    f"PUT {CONTEXT}/certificate",
    f"PUT {CONTEXT}/trustedRoot/incremental",
    "POST /actions/saveConfiguration",
]


@pytest.fixture(scope="session")
def strong_keys() -> list[bytes]:
    """As the device makes them; two for all tests, as making one takes long."""
    return [new_key(2048), new_key(2048)]


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch, strong_keys: list[bytes]) -> None:
    made = iter(strong_keys)
    monkeypatch.setattr("tests.simulators.mediant_routes.new_key", lambda size: next(made))


@pytest.fixture(scope="session")
def ca() -> CA:
    return make_ca("CA of the location")


@pytest.fixture
def with_location(managed: Managed) -> Managed:
    """The device has a location that wants a certificate."""
    location = make_location(managed.endpoint.group, "https://pbx.example/cfg/", mutual_auth=True)
    Device.objects.filter(mac=MAC).update(location=location)
    return managed


@pytest.fixture
def with_local_ca(with_location: Managed, ca: CA, settings: Settings, tmp_path: Path) -> Managed:
    """The deployment signs requests itself."""
    (tmp_path / "ca.pem").write_text(pem(ca.certificate))
    (tmp_path / "ca.key").write_text(key_pem(ca.key))
    settings.MANAGEMENT_CA_CERTIFICATE = str(tmp_path / "ca.pem")
    settings.MANAGEMENT_CA_KEY = str(tmp_path / "ca.key")
    return with_location


DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000"


def step(operation: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in operation["steps"] if each["step"] == name)
    return found


def signed(ca: CA, csr: str, mac: str = MAC) -> str:
    request = x509.load_pem_x509_csr(csr.encode())
    certificate, _ = ca.issue(named(CN=mac), key=request)
    return pem(certificate)


def bring(managed: Managed, id: int, status: int = 202, **body: str) -> Any:
    answer = managed.administrator.post(f"/management/operations/{id}/certificate", body)
    assert answer.status_code == status, answer.content
    return answer.json()


def writes(managed: Managed) -> list[str]:
    return managed.requests("POST", "PUT")


# --- The whole of it -------------------------------------------------------------------------------------------


def test_from_a_key_to_a_certificate_that_is_accepted(with_location: Managed, ca: CA):
    managed = with_location
    parked = managed.do("certify", companyName="ACL")
    assert (parked["state"], parked["finishedAt"]) == ("parked", None)
    assert re.fullmatch(DATE, parked["startedAt"])
    request = x509.load_pem_x509_csr(step(parked, "request")["csr"].encode())
    assert request.subject.rfc4514_string() == f"O=ACL,CN={MAC}"
    assert isinstance(request.signature_hash_algorithm, SHA256)
    assert managed.do("status")["state"] == "done"  # nobody waits for the person

    certificate = signed(ca, step(parked, "request")["csr"])
    assert managed.operator.post(
        f"/management/operations/{parked['id']}/certificate", {"certificate": certificate}
    ).status_code == 403  # fmt: skip
    bring(managed, parked["id"], certificate=certificate, trust=pem(ca.certificate))
    run_due_jobs()
    done = managed.operation(parked["id"])
    assert (done["state"], done["message"]) == ("done", "")
    assert [(each["step"], each["state"]) for each in done["steps"]] == [
        (name, "done") for name in ("key", "request", "certificate", "install", "trust", "save", "verify")
    ]
    for dated in (*done["steps"], done["result"]):
        assert re.fullmatch(DATE, dated["at"])
    assert done["result"]["outcome"] == "Redirected"
    assert done["result"]["url"] == "https://pbx.example/cfg/"
    assert writes(managed) == WRITES
    bodies = {entry.target: entry.body for entry in managed.device.journal}
    assert bodies[f"/api/v1{CONTEXT}/privateKey/generate"] == '{"size":2048}'
    assert bodies[f"/api/v1{CONTEXT}/certificate/request"] == (
        f'{{"subjectName":"{MAC}","signatureAlgorithm":"sha256","companyName":"ACL"}}'
    )
    assert managed.device.tls["0"].valid
    assert not managed.device.state()["unsaved"]


def test_a_local_ca_signs_at_once(with_local_ca: Managed):
    done = with_local_ca.do("certify")
    assert (done["state"], step(done, "certificate")["by"]) == ("done", "local CA")
    shown = x509.load_pem_x509_certificate(with_local_ca.device.tls["0"].certificate)
    assert shown.subject.rfc4514_string() == f"CN={MAC}"
    usage = shown.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert writes(with_local_ca) == WRITES


@pytest.mark.parametrize("missing", ["MANAGEMENT_CA_KEY", "MANAGEMENT_CA_CERTIFICATE"])
def test_files_of_the_ca_that_cannot_be_read(with_local_ca: Managed, settings: Settings, missing: str):
    setattr(settings, missing, "/nowhere.pem")
    failed = with_local_ca.do("certify")
    assert (failed["state"], failed["kind"]) == ("failed", "precondition")
    assert "cannot be read" in failed["message"]


# --- What a person brings --------------------------------------------------------------------------------------


def test_certificates_that_are_of_no_use(with_location: Managed, ca: CA):
    parked = with_location.do("certify")
    csr = step(parked, "request")["csr"]
    of_another_key = pem(ca.issue(named(CN=MAC))[0])
    for certificate, why in (
        ("x", "Must be one certificate"),
        (of_another_key, "another key"),
        (signed(ca, csr, "00908FFFFFFF"), "certificate is not of this MAC"),
    ):
        assert why in bring(with_location, parked["id"], 400, certificate=certificate)["description"]
    good = signed(ca, csr)
    for text in ("x", pem(ca.certificate) + key_pem(ca.key)):
        refused = bring(with_location, parked["id"], 400, certificate=good, trust=text)
        assert refused["errors"][0]["field"] == "trust"
    refused = bring(with_location, parked["id"], 400, certificate=key_pem(ca.key) + good)
    assert refused["errors"][0]["field"] == "certificate"
    assert "PRIVATE KEY" not in str(with_location.operation(parked["id"]))
    bring(with_location, parked["id"], certificate=good)
    bring(with_location, parked["id"], 409, certificate=good)
    run_due_jobs()
    done = with_location.operation(parked["id"])
    assert (done["state"], step(done, "trust")["state"]) == ("done", "skipped")


def test_one_flow_at_a_time(with_location: Managed):
    parked = with_location.do("certify")
    assert "under way" in with_location.ask("certify", 409).json()["description"]
    resumed = with_location.administrator.post(f"/management/operations/{parked['id']}/resume", {})
    assert resumed.status_code == 409


def test_firmware_7_0_has_none(managed_old: Managed):
    assert managed_old.ask("certify", 501).json()["kind"] == "unsupported"


# --- Whatever dies ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process were gone."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int, *, before: bool) -> None:
    """Die once, right before or after the write of this number has left."""
    original: Callable[..., Any] = Transport._send
    count = iter(range(100))

    def send(*args: Any, writes: bool, **more: Any) -> Any:
        hit = writes and next(count) == number
        if hit and before:
            raise Killed
        found = original(*args, writes=writes, **more)
        if hit:
            raise Killed
        return found

    monkeypatch.setattr(Transport, "_send", send)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", range(5))
def test_a_worker_that_is_killed_at_any_step(
    with_local_ca: Managed, number: int, before: bool, monkeypatch: pytest.MonkeyPatch
):
    kill_at(monkeypatch, number, before=before)
    id = with_local_ca.ask("certify")
    job = runner.claim(Job.objects.get().pk, 1)
    assert job is not None
    with pytest.raises(Killed):
        runner.run(job)
    Job.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))
    run_due_jobs()
    after = with_local_ca.operation(id)
    expected = list(WRITES)
    if number == 1 and not before:
        expected.insert(1, WRITES[1])  # a request is a question: asked again
    if number == 4:
        assert (after["state"], after["kind"]) == ("unknown", "unknown_outcome")
        assert "config_save" in after["message"]
        assert writes(with_local_ca) == WRITES[: 4 if before else 5]  # nothing was sent again
        answer = with_local_ca.administrator.post(f"/management/operations/{id}/resume", {})
        assert answer.status_code == 202
        run_due_jobs()
        after, expected = with_local_ca.operation(id), WRITES[: 4 if before else 5] + WRITES[4:]
    assert (after["state"], after["message"]) == ("done", "")
    assert writes(with_local_ca) == expected


@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "cut"])
@pytest.mark.parametrize("number", [0, 2, 3])
def test_an_answer_that_is_lost(with_local_ca: Managed, number: int, fault: str):
    method, _, path = WRITES[number].partition(" ")
    with_local_ca.device.faults.append(Fault(fault, method, f"/api/v1{path}", times=1))
    done = with_local_ca.do("certify")
    assert (done["state"], done["message"]) == ("done", "")
    expected = list(WRITES)
    if fault == "drop-before":
        expected.insert(number, WRITES[number])  # it is known that nothing came of it
    assert writes(with_local_ca) == expected


def test_a_busy_device_is_waited_for(with_local_ca: Managed, monkeypatch: pytest.MonkeyPatch):
    id = with_local_ca.ask("certify")
    with_local_ca.device.ha = "synchronizing"
    run_due_jobs()
    assert (with_local_ca.operation(id)["state"], with_local_ca.operation(id)["kind"]) == ("waiting", "busy")
    with_local_ca.device.ha = "stand-alone"
    DBTaskResult.objects.update(run_after=timezone.now())
    run_due_jobs()
    assert with_local_ca.operation(id)["state"] == "done"


def test_a_step_that_failed_goes_on_where_it_stood(with_local_ca: Managed):
    with_local_ca.device.faults.append(Fault("error", "PUT", f"/api/v1{CONTEXT}/certificate", times=1))
    failed = with_local_ca.do("certify")
    assert (failed["state"], failed["kind"]) == ("failed", "device_failed")
    path = f"/management/operations/{failed['id']}/resume"
    assert with_local_ca.operator.post(path, {}).status_code == 403
    assert with_local_ca.administrator.post(path, {}).status_code == 202
    run_due_jobs()
    assert with_local_ca.operation(failed["id"])["state"] == "done"
    assert writes(with_local_ca) == [*WRITES[:3], *WRITES[2:]]
    assert with_local_ca.administrator.post(path, {}).status_code == 409  # it is done
    assert Operation.objects.count() == 1


def test_a_flow_ends_only_with_proof(with_local_ca: Managed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.certification.problem_with", lambda *_, **__: "issuer is no device CA")
    failed = with_local_ca.do("certify")
    assert (failed["state"], failed["kind"]) == ("failed", "precondition")
    assert "issuer is no device CA" in failed["message"]
