"""No secret of a phone or a server in log, audit, API answer, admin page or dump of the database."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.conftest import make_operator, run_due_jobs
from tests.management.conftest import PASSWORD_OF_DEVICE, Managed
from tests.management.test_operations import everything

MAC = "0004f280cc95"


def passed(managed: Managed, **call: Any) -> None:
    answer = managed.administrator.post(f"{managed.path}/passthrough", call)
    assert answer.status_code == 202, answer.content
    run_due_jobs()
    assert managed.operation(answer.json()["id"])["state"] == "done"


def told(managed: Managed, log: str) -> str:
    """All that anybody is told, and all that is kept."""
    browser = Client()
    browser.force_login(make_operator())
    operations = list(managed.endpoint.operations.values_list("pk", flat=True))
    files = list(managed.endpoint.artefacts.values_list("pk", flat=True))
    pages = [f"/admin/management/operation/{pk}/change/" for pk in operations]
    pages += [f"/admin/management/artefact/{pk}/change/" for pk in files]
    pages += [f"/admin/management/endpoint/{managed.endpoint.pk}/{what}/" for what in ("change", "history")]
    pages += ["/admin/management/endpoint/", "/admin/management/operation/", "/admin/audit/entry/"]
    shown = [browser.get(page) for page in pages]
    assert {answer.status_code for answer in shown} == {200}
    calls = [managed.path, "/management/operations", "/audit", f"{managed.path}/artefacts"]
    shown += [managed.administrator.get(call) for call in calls]
    return everything() + log + "".join(answer.content.decode() for answer in shown)


def test_of_a_phone(
    managed_trio: Managed, caplog: pytest.LogCaptureFixture, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level("DEBUG")
    phone = managed_trio.phone
    phone.skype, phone.push = True, lambda url, content: 200
    settings.MANAGEMENT_CALL_CONTROL, settings.MANAGEMENT_RECEIVER = True, "https://redirect.example"
    monkeypatch.setattr("management.drivers.poly_trio.PUSHED_WITHIN", 0.0)
    phone.configure({"layers": {"Web": {"reg.1.auth.password": "Canary-line"}}, "incomingCall": {}})
    managed_trio.do("config_get", names=["reg.1.auth.password"])
    managed_trio.do("config_set", values={"reg.1.auth.password": "Canary-set"})
    managed_trio.do("metrics", name="media")
    managed_trio.do("config_backup")
    body = '{"data":{"Address":"a","User":"b","Password":"Canary-skype","Domain":"","LockCode":"Canary-lock"}}'
    passed(managed_trio, method="POST", path="/api/v1/mgmt/skype/signIn", body=body)
    managed_trio.ask("config_set", values={"reg.1.auth.password": "Canary-waiting"})
    token = phone.pushed[0][0].rpartition("/")[2]
    canaries = [PASSWORD_OF_DEVICE, "Canary-", "0a1b2c3d", token]
    dump = told(managed_trio, caplog.text)
    assert [canary for canary in canaries if canary in dump] == []


def test_of_a_server(managed_server: Managed, caplog: pytest.LogCaptureFixture, settings: Settings):
    caplog.set_level("DEBUG")
    settings.MANAGEMENT_CALL_CONTROL = True
    managed_server.server.add_phone(MAC).lines.append({"user": "200", "password": "Canary-line"})
    for verb in ("lines", "find_phone"):
        managed_server.do(verb, mac=MAC)
    managed_server.do("settings_get", scope="gateway", gateway="1")
    managed_server.do("settings_put", scope="phone", mac=MAC, path="line/auth/password", value="Canary-value")
    managed_server.do("profile", mac=MAC, file=f"{MAC}.cfg")
    for method, path in (
        ("GET", "/sipxconfig/rest/my/logindetails"),
        ("GET", "/sipxconfig/api/phones"),
        ("PUT", "/sipxconfig/rest/my/voicemail/pin/864297531"),
        ("PUT", "/sipxconfig/rest/my/portal/password/Canary-portal"),
    ):
        passed(managed_server, method=method, path=path)
    canaries = [
        PASSWORD_OF_DEVICE,
        "Canary-",
        "864297531",
        "password-of-itsp",
        "sip-password-of",
        "password-of-line",
    ]
    dump = told(managed_server, caplog.text)
    assert [canary for canary in canaries if canary in dump] == []
