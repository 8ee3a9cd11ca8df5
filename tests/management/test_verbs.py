"""Each verb of a Mediant, from the API over the worker to a simulated device and back."""

import base64
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.certificates import key_pem, make_ca, pem
from tests.management.conftest import Managed
from tests.simulators.device import Fault


@pytest.fixture(params=["7.2", "7.0"])
def either(db: None, request: pytest.FixtureRequest) -> Managed:  # pytest-django makes what is asked for by name
    found: Managed = request.getfixturevalue("managed" if request.param == "7.2" else "managed_old")
    return found


def done(operation: dict[str, Any]) -> Any:
    assert (operation["state"], operation["kind"], operation["message"]) == ("done", "", ""), operation
    return operation["result"]


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_probe_fills_the_summary(either: Managed):
    assert either.monitor.get(f"{either.path}/summary").status_code == 204
    answer = either.monitor.post(f"{either.path}/probe")
    assert answer.status_code == 202
    either.do("identity")  # the worker does both
    summary = either.monitor.get(f"{either.path}/summary").json()
    assert summary["identity"]["data"]["mac"] == "00908FA16301"
    assert summary["identity"]["data"]["serial"] == "101780235059663"
    assert summary["firmware"]["data"]["version"] == either.device.version
    assert summary["status"]["data"]["driverGuess"] == either.endpoint.driver
    assert summary["provisioning"] == {
        "ok": False, "kind": "unsupported", "message": "The device does not tell where it was provisioned from.",
    }  # fmt: skip
    assert either.monitor.get(either.path).json()["seenMac"] == "00:90:8F:A1:63:01"


def test_one_part_that_fails_hides_no_other(managed_old: Managed):
    managed_old.device.faults.append(Fault("error", path="/api/v1/license"))
    managed_old.do("probe")
    summary = managed_old.monitor.get(f"{managed_old.path}/summary").json()
    assert (summary["identity"]["ok"], summary["identity"]["kind"]) == (False, "device_failed")
    assert summary["status"]["data"]["state"] == "UNLOCKED"


def test_a_refused_login_is_asked_once(managed: Managed):
    managed.device.users = {"Admin": ("another", "Security Administrator")}
    managed.do("probe")
    assert len(managed.device.journal) == 1
    assert managed.monitor.get(managed.path).json()["loginRefused"] is True


def test_status(managed: Managed):
    result = done(managed.do("status"))
    assert (result["state"], result["ready"]) == ("UNLOCKED", True)


def test_restart(either: Managed):
    assert done(either.do("restart"))["back"] is True
    assert either.device.resets == 1


def test_a_graceful_restart_is_not_waited_for(managed: Managed):
    managed.device.calls = 2
    assert done(managed.do("restart", mode="wait", save=False))["back"] is None
    assert managed.device.journal[-1].body == '{"saveConfiguration":false,"gracefulTimeout":1}'


def test_configuration_is_saved(either: Managed):
    either.device.running.load_ini(b"A = 1", incremental=True)
    assert done(either.do("config_save")) == {}
    assert not either.device.state()["unsaved"]


@pytest.mark.parametrize("kind", ["ini", "cli"])
def test_a_backup_is_kept_encrypted_and_downloaded_by_administrators(either: Managed, kind: str):
    operation = either.do("config_backup", kind=kind)
    done(operation)
    [shown] = either.monitor.get(f"{either.path}/artefacts").json()["artefacts"]
    assert operation["artefacts"] == [shown["id"]]
    file = f"{either.path}/artefacts/{shown['id']}"
    assert either.operator.get(file).status_code == 403
    answer = either.administrator.get(file)
    assert answer["Content-Disposition"] == f'attachment; filename="configuration.{kind}"'
    assert hashlib.sha256(answer.content).hexdigest() == shown["sha256"]
    assert (b"SyslogServerIP" in answer.content) == (kind == "ini")


def test_a_part_of_a_configuration(either: Managed):
    done(either.do("config_apply", kind="ini", content="NTPServerIP = 10.9.9.9", incremental=True))
    assert either.device.running.ini["SYSTEM Params"]["NTPServerIP"] == "10.9.9.9"
    assert either.device.resets == 0


@pytest.mark.parametrize(("kind", "content"), [("ini", "A = 1"), ("cli", "configure system\n  hostname x")])
def test_a_whole_configuration(either: Managed, kind: str, content: str):
    result = done(either.do("config_apply", kind=kind, content=content, incremental=False))
    assert (result["back"], either.device.resets) == (True, 1)


def test_a_script_and_its_output_without_secrets(either: Managed):
    done(either.do("run_cli", script="configure system\n  admin-password Canary-secret"))
    output = done(either.do("run_cli", script="show running-config"))["output"]
    assert "configure system" in output
    assert "Canary-secret" not in output


def test_a_script_that_the_device_refuses(either: Managed):
    operation = either.do("run_cli", script="copy firmware from x")
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", "invalid", 400)
    assert "Invalid command" in operation["message"]


def test_firmware(either: Managed):
    result = done(either.do("firmware_install", content=b64(b"MEDIANT-CMP 7.20A.250.003")))
    assert (result["back"], either.device.version) == (True, "7.20A.250.003")
    either.device.ha = "operational"
    done(either.do("firmware_install", content=b64(b"MEDIANT-CMP 7.20A.260.001"), hitless=True))
    assert (either.device.version, either.device.resets) == ("7.20A.260.001", 1)


def test_other_files(either: Managed):
    done(either.do("file_put", slot="dialplan", content=b64(b"\x00plan")))
    assert either.device.files == {"dialplan": b"\x00plan"}


def test_alarms(either: Managed):
    assert done(either.do("alarms"))["alarms"] == []
    either.device.configure({"raiseAlarm": {"description": "Trunk is down"}})
    done(either.do("alarms"))
    shown = either.monitor.get(f"{either.path}/alarms").json()["result"]
    assert shown["alarms"][0]["description"] == "Trunk is down"
    assert shown["cursor"] == {"after": "-1", "before": "-1"}
    assert ("lastChange" in shown) == either.device.is_7_2
    assert len(done(either.do("alarms", which="history", limit=5))["alarms"]) == 1
    assert done(either.do("alarm", id="1"))["severity"] == "Major"
    missing = either.do("alarm", id="99", which="history")
    assert (missing["state"], missing["kind"], missing["vendorStatus"]) == ("failed", "not_found", 404)


def test_metrics(either: Managed):
    assert "NetUtilPackets" in done(either.do("metrics"))["items"]
    assert done(either.do("metrics", name="NetUtilPackets"))["indexes"] == [0, 1]
    assert done(either.do("metrics", name="NetUtilPackets", index=1, interval=2))["interval"] == 2


def test_license(either: Managed):
    shown = done(either.do("license_get"))
    assert (shown["serialNumber"], shown["key"]) == ("101780235059663", "***")
    done(either.do("license_put", key="NewKey1234567890", serial="101780235059663"))
    assert either.device.license_key == "NewKey1234567890"
    either.device.ha = "operational"
    refused = either.do("license_put", key="OtherKey1234567890")
    assert (refused["state"], refused["kind"]) == ("failed", "precondition")
    done(either.do("license_put", key="101780235059663 FileKey1234567", file=True))
    assert either.device.license_key == "FileKey1234567"


def test_certificates(managed: Managed):
    done(managed.do("tls_key_generate"))
    assert managed.device.tls["0"].size == 2048
    csr = done(managed.do("tls_csr", subjectName="00908FA16301", companyName="ACL"))["csr"]
    request = x509.load_pem_x509_csr(csr.encode())
    assert isinstance(request.signature_hash_algorithm, SHA256)
    assert request.subject.rfc4514_string() == "O=ACL,CN=00908FA16301"
    ca = make_ca("CA")
    certificate, _ = ca.issue(request.subject, key=request)
    done(managed.do("tls_cert_put", pem=pem(certificate)))
    done(managed.do("tls_trust_replace", pem=pem(make_ca("other").certificate)))
    done(managed.do("tls_trust_add", pem=pem(ca.certificate)))
    shown = done(managed.do("tls_cert_get"))
    assert shown["privateKey"] == {"size": 2048, "valid": True}
    assert shown["certificates"][0]["subject"] == "O=ACL,CN=00908FA16301"
    assert len(done(managed.do("tls_trust_get"))["certificates"]) == 2
    done(managed.do("tls_contexts"))
    [context] = managed.monitor.get(f"{managed.path}/tls").json()["result"]["contexts"]
    assert (context["name"], context["files"]) == ("default", ["privateKey", "certificate", "trustedRoot"])
    done(managed.do("tls_cert_self_sign", subjectName="x"))
    key = key_pem(rsa.generate_private_key(65537, 2048))
    done(managed.do("tls_key_put", pem=key))
    assert managed.device.state()["tls"]["0"] == {"name": "default", "size": 2048, "valid": False}


def test_weak_keys_and_signatures_are_not_offered(managed: Managed):
    for verb, arguments in (
        ("tls_key_generate", {"bits": 1024}),
        ("tls_csr", {"subjectName": "x", "signatureAlgorithm": "sha1"}),
    ):
        assert "Must be one of" in managed.ask(verb, 400, **arguments).json()["description"]
    assert managed.device.journal == []


def test_what_firmware_7_0_does_not_have(managed_old: Managed):
    for verb in ("tls_contexts", "tls_key_generate", "tls_csr"):
        answer = managed_old.ask(verb, 501).json()
        assert answer == {
            "description": "Firmware 7.0 has no files of TLS contexts; it came with 7.2.", "kind": "unsupported",
        }  # fmt: skip
    assert managed_old.administrator.post(f"{managed_old.path}/uiToken", {}).status_code == 501
    assert managed_old.device.journal == []


def test_a_token_is_passed_through_and_kept_nowhere(managed: Managed):
    answer = managed.administrator.post(f"{managed.path}/uiToken", {"level": "operator"})
    assert answer.status_code == 200, answer.content
    url = answer.json()["url"]
    [token] = managed.device.tokens
    assert url == f"{managed.served.url}/index.html?mode=web&authToken={token}"
    assert managed.device.tokens[token][1]["privLevel"] == "operator"
    managed.device.ha = "synchronizing"
    managed.device.faults.clear()
    assert managed.operator.post(f"{managed.path}/uiToken", {}).status_code == 403
    assert "alone" in managed.ask("ui_token", 400, username="x").json()["description"]


def test_capabilities_tell_each_verb(either: Managed):
    shown = either.monitor.get(f"{either.path}/capabilities").json()
    assert shown["driver"] == either.endpoint.driver
    assert shown["verbs"]["restart"]["level"] == "Operator"
    assert shown["verbs"]["resync"]["support"] == "none"
    assert shown["verbs"]["tls_csr"]["support"] == ("native" if either.device.is_7_2 else "none")
