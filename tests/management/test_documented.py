"""The table of all documented addresses: each is known to a simulated device, and reached as the table says."""

import runpy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from management.drivers.base import VERBS, DeviceError, Driver, Kind, Support, Target, TlsPolicy
from management.drivers.catalogue import DRIVERS
from management.drivers.documented import CALLS, ENDPOINTS, PASS, Documented, find
from management.transport import Transport
from management.worker import rules
from redirect.http.addresses import Rules
from rig import ROOT
from tests.certificates import make_ca, pem
from tests.conftest import run_due_jobs
from tests.management.conftest import Managed
from tests.simulators.device import Device
from tests.simulators.mediant import Mediant
from tests.simulators.poly import PolyTrio
from tests.simulators.server import Authority, Served
from tests.simulators.sipxcom import Sipxcom

MAC = "0004F280CC95"


class Receiver:
    """Takes a file at once."""

    def open(self, kind: str, name: str) -> str:
        return "https://receiver.example/uploads/x"

    def arrived(self, seconds: float) -> bool:
        return True


@pytest.fixture(params=list(ENDPOINTS))
def one(request: pytest.FixtureRequest, key: bytes, authority: Authority) -> Iterator[tuple[str, Served]]:
    device: Device
    if request.param == "poly-trio":
        device = PolyTrio(skype=True, reset_seconds=0.05)
        device.push = lambda url, content: 200
        device.configure({"layers": {"Web": {"diags.pcap.enabled": "1", "diags.pcap.background.enabled": "1"}}})
    elif request.param == "sipxcom":
        device = Sipxcom()
        device.add_phone(MAC)
    else:
        device = Mediant(request.param.removeprefix("mediant-"), key=key, reset_seconds=0.05)
    with Served(device, authority=authority) as served:
        yield request.param, served


def driver_of(name: str, served: Served) -> Driver:
    user, (password, _) = next(iter(served.device.users.items()))
    assert served.authority is not None
    target = Target(served.url, user, password, TlsPolicy("ca", served.authority.pem))
    allowed: Rules = rules()
    return DRIVERS[name](Transport(target, allowed), secret=password, receiver=Receiver())


def kind_of(ask: Callable[[], Any]) -> Kind | None:
    """Why it failed; None if it did not."""
    try:
        ask()
    except DeviceError as error:
        return error.kind
    return None


def verbs_of(name: str, key: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each verb with arguments that send all of its calls."""
    if name.startswith("mediant"):
        yield from of_mediant(name, key)
    elif name == "poly-trio":
        yield from of_poly()
    else:
        yield from of_sipxcom()


def of_mediant(name: str, key: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    ca = make_ca("CA")
    slots = DRIVERS[name].capabilities["file_put"].arguments["slot"].choices
    yield from (("identity", {}), ("status", {"tree": True}), ("config_save", {}), ("license_get", {}))
    yield from (("alarms", {"which": which}) for which in ("active", "history"))
    yield from (("alarm", {"id": "1", "which": which}) for which in ("active", "history"))
    yield from (("metrics", {}), ("metrics", {"name": "NetUtilPackets", "index": 0}))
    yield from (("config_backup", {"kind": kind}) for kind in ("ini", "cli"))
    yield "config_apply", {"kind": "ini", "content": "A = 1", "incremental": True}
    yield "run_cli", {"script": "show system version"}
    yield from (("file_put", {"slot": slot, "content": b"x"}) for slot in slots)
    if name == "mediant-7.2":
        yield "ui_token", {"username": "ada"}
        yield "tls_contexts", {}
        yield from (("tls_cert_get", {}), ("tls_trust_get", {}), ("tls_csr", {"subjectName": "x"}))
        yield "tls_cert_put", {"pem": pem(ca.certificate)}
        yield "tls_cert_self_sign", {"subjectName": "x"}
        yield "tls_key_put", {"pem": key.decode()}
        yield "tls_key_generate", {}
        yield from (
            ("tls_trust_replace", {"pem": pem(ca.certificate)}),
            ("tls_trust_add", {"pem": pem(ca.certificate)}),
        )
    yield "firmware_install", {"content": b"MEDIANT-CMP 7.20A.250.003", "hitless": True}
    for kind in ("ini", "cli"):
        content = "A = 1" if kind == "ini" else "configure system"
        yield "config_apply", {"kind": kind, "content": content, "incremental": False}
    yield "firmware_install", {"content": b"MEDIANT-CMP 7.20A.250.003"}
    yield "license_put", {"key": "NewKey1234567890"}
    yield "restart", {}


def of_poly() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from (("identity", {}), ("status", {}), ("provisioning", {}), ("resync", {}))
    yield from (("metrics", {"name": name}) for name in ("device", "network", "media"))
    yield "lines", {"sip": True}
    yield "config_set", {"values": {"reg.1.label": "x"}}
    yield "config_get", {"names": ["reg.1.label"]}
    yield "config_backup", {}
    yield from (("config_reset", {"scope": scope}) for scope in ("all", "local", "web", "device"))
    yield from (("restart", {"command": command}) for command in ("safeRestart", "safeReboot"))


def of_sipxcom() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from (("health", {"server": "1"}), ("consistency", {}), ("phone_models", {}))
    yield from (("find_phone", {"mac": MAC}), ("update_phone", {"mac": MAC}), ("restart_phone", {"mac": MAC}))
    yield "import_phones", {"model": "snom320", "macs": ["0004F2000001"]}
    yield "profile", {"mac": MAC, "file": f"{MAC.lower()}.cfg"}
    yield from (("groups", {}), ("groups", {"mac": MAC}), ("lines", {"mac": MAC}))
    yield from (("join_group", {"mac": MAC, "group": "sales"}), ("leave_group", {"mac": MAC, "group": "sales"}))
    yield "leave_group", {"mac": MAC}
    for by in ("user", "serialNo", "ip", "callId", "server"):
        yield from (("registrations", {"by": by, "value": "x"}), ("drop_registrations", {"by": by, "value": "x"}))
    for each in ENDPOINTS["sipxcom"]:
        if each.reach.startswith("settings_"):
            yield each.reach, settings_arguments(each)
    yield "delete_phone", {"mac": "0004F2000001"}


def settings_arguments(each: Documented) -> dict[str, str]:
    """The arguments of a settings verb that send this call."""
    template = each.template.removeprefix("/sipxconfig/api/")
    scopes = {"phones/{phoneId}/settings": "phone", "phones/{phoneId}/lines": "line", "phoneGroups": "group_model",
              "gateways/{gatewayId}/port": "gateway_port", "gateways/{gatewayId}/settings": "gateway"}  # fmt: skip
    scope = next((word for start, word in scopes.items() if template.startswith(start)), template.split("/")[0])
    of = {"phone": ["mac"], "line": ["mac", "line"], "group_model": ["group", "model"], "gateway": ["gateway"],
          "gateway_port": ["gateway", "port"]}.get(scope, [])  # fmt: skip
    found = {"scope": scope} | {name: MAC if name == "mac" else "1" for name in of}
    if template.endswith(("{path}", "{settingPath}")):
        found["path"] = "line/reg/label"
    return found | ({"value": "x"} if each.reach == "settings_put" else {})


def reached(name: str, served: Served) -> set[tuple[str, str]]:
    """Method and template of each request that the device was sent and knew."""
    known = set()
    for entry in served.device.journal:
        found = find(name, entry.method, entry.target.partition("?")[0])
        assert found is not None, f"{entry.method} {entry.target} is not documented"
        assert entry.status not in (403, 404, 405) or (entry.status, found.method) == (404, "GET"), entry
        known.add((found.method, found.template))
    return known


def test_each_address_that_a_verb_reaches(one: tuple[str, Served], key: bytes):
    name, served = one
    if isinstance(served.device, Mediant):
        served.device.configure({"raiseAlarm": {"description": "x"}})
    for verb, arguments in verbs_of(name, key):
        if verb == "firmware_install" and isinstance(served.device, Mediant):
            served.device.ha = "operational" if arguments.get("hitless") else "stand-alone"
        failed = kind_of(partial(driver_of(name, served).do, verb, arguments))
        assert failed in (None, Kind.NOT_FOUND), f"{verb} {arguments}"
    if isinstance(served.device, PolyTrio):
        for path in ("/api/v2/mgmt/device/info", "/api/v2/mgmt/lineInfo"):
            del served.device.commands[path]
        for verb in ("identity", "lines"):  # of older software
            driver_of(name, served).do(verb, {})
        before = {entry.target for entry in served.device.journal}
        assert {"/api/v1/mgmt/device/info", "/api/v1/mgmt/lineInfo"} <= before
        driver_of(name, served).do("factory_reset", {"mac": served.device.mac})
        for entry in served.device.journal:
            entry.status = 200 if "/v2/" in entry.target else entry.status
    wanted = {(each.method, each.template) for each in ENDPOINTS[name] if each.reach not in (PASS, CALLS)}
    assert wanted - reached(name, served) == set()


def test_each_address_that_passes(one: tuple[str, Served]):
    name, served = one
    for each in ENDPOINTS[name]:
        if not each.passes:
            continue
        path = each.template
        for hole in ("phoneId", "serialNumber", "serialOrId"):
            path = path.replace(f"{{{hole}}}", MAC.lower())
        for word in ("{path}", "{settingPath}"):
            path = path.replace(word, "line/reg/label")
        while "{" in path:
            path = path[: path.index("{")] + "1" + path[path.index("}") + 1 :]
        kind = "text/plain" if "/settings" in path else "application/json"
        body = (
            "x" if each.method == "PUT" and kind == "text/plain" else '{"data":{}}' if each.method != "GET" else ""
        )
        send = driver_of(name, served).passthrough
        failed = kind_of(partial(send, each.method, path, body=body, contentType=kind))
        assert failed not in (Kind.UNREACHABLE, Kind.UNAUTHENTICATED, Kind.PROTOCOL, Kind.TIMEOUT)
        assert find(name, each.method, path) == each
        [entry] = served.device.journal
        assert (entry.method, entry.target) == (each.method, path)
        assert entry.status not in (403, 405)
        served.device.journal.clear()


def test_the_table_is_whole_and_its_verbs_are_there():
    assert {name: len(found) for name, found in ENDPOINTS.items()} == {
        "mediant-7.0": 31, "mediant-7.2": 47, "poly-trio": 52, "sipxcom": 254,
    }  # fmt: skip
    for name, endpoints in ENDPOINTS.items():
        assert len({(each.method, each.template) for each in endpoints}) == len(endpoints)
        for each in endpoints:
            if each.reach not in (PASS, CALLS):
                assert DRIVERS[name].capabilities[each.reach].support is not Support.NONE
    for driver in DRIVERS.values():
        assert set(driver.capabilities) <= set(VERBS)


def test_the_page_is_up_to_date():
    tool = runpy.run_path(str(ROOT / "tools" / "endpoints_table"))
    assert (ROOT / "docs" / "management-endpoints.md").read_text() == tool["page"]()


# --- Through the API -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/mgmt/safeReboot"),
        ("GET", "/api/v1/mgmt/callLogs"),
        ("POST", "/api/v1/callctrl/dial"),
        ("GET", "/api/v1/mgmt/../mgmt/device/info"),
        ("GET", "/api/v1/mgmt/%2e%2e/mgmt/device/info"),
        ("GET", "//api/v1/mgmt/device/info"),
        ("GET", "/api/v1/mgmt/device/info?x=1"),
        ("GET", "/api/v1/mgmt/device/info#x"),
        ("DELETE", "/api/v1/mgmt/device/info"),
        ("GET", "/api/v1/mgmt/unknown"),
    ],
)
def test_all_else_is_denied(managed_trio: Managed, method: str, path: str):
    answer = managed_trio.administrator.post(f"{managed_trio.path}/passthrough", {"method": method, "path": path})
    assert (answer.status_code, answer.json()["kind"]) == (403, "forbidden")
    assert managed_trio.phone.journal == []


def passed(managed: Managed, **call: Any) -> dict[str, Any]:
    answer = managed.administrator.post(f"{managed.path}/passthrough", call)
    assert answer.status_code == 202, answer.content
    run_due_jobs()
    return managed.operation(answer.json()["id"])


def test_a_raw_call_and_its_answer(managed_trio: Managed, settings: Any):
    result = passed(managed_trio, method="GET", path="/api/v1/mgmt/transferType/get")["result"]
    assert (result["status"], result["body"]) == (200, {"Status": "2000", "data": {"Type": "Consultative"}})
    settings.MANAGEMENT_CALL_CONTROL = True
    body = '{"data":{"Dest":"1234"}}'
    operation = passed(managed_trio, method="POST", path="/api/v1/callctrl/dial", body=body)
    assert (operation["state"], operation["arguments"]["body"]) == ("done", "***")
    assert [call.number for call in managed_trio.phone.calls] == ["1234"]
    assert managed_trio.phone.journal[-1].content_type == "application/json"
    refused = passed(managed_trio, method="POST", path="/api/v1/callctrl/endCall", body='{"data":{"Ref":"no"}}')
    assert (refused["state"], refused["kind"], refused["vendorStatus"]) == ("failed", "not_found", 4007)


def test_secrets_of_a_raw_answer_and_path_are_hidden(managed_server: Managed, settings: Any):
    settings.MANAGEMENT_CALL_CONTROL = True
    gateway = passed(managed_server, method="GET", path="/sipxconfig/api/gateways/1/settings")
    assert "password-of-itsp" not in str(gateway)
    assert "5568" in str(gateway["result"])
    login = passed(managed_server, method="GET", path="/sipxconfig/rest/my/logindetails")
    assert "sip-password-of-user" not in str(login)
    pin = passed(managed_server, method="PUT", path="/sipxconfig/rest/my/voicemail/pin/8642")
    assert (pin["state"], pin["arguments"]["path"]) == ("done", "/sipxconfig/rest/my/voicemail/pin/***")
    assert "8642" not in str(managed_server.administrator.get("/audit").json())


def test_packets_are_not_captured_twice_within_ten_seconds(managed_trio: Managed):
    parameters = {"diags.pcap.enabled": "1", "diags.pcap.background.enabled": "1"}
    managed_trio.phone.configure({"layers": {"Web": parameters}})
    managed_trio.phone.push = lambda url, content: 200
    call = {"method": "POST", "path": "/api/v1/mgmt/network/uploadBgCapture"}
    body = '{"data":{"url":"https://files.example/x"}}'
    assert passed(managed_trio, **call, body=body)["state"] == "done"
    second = passed(managed_trio, **call, body=body)
    assert (second["state"], second["kind"]) == ("waiting", "busy")
    assert len(managed_trio.phone.pushed) == 1
