"""Each verb of a sipXcom, from the API over the worker to a simulated server and back; and the comparison."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from management.models import Endpoint
from tests.conftest import Api, Cast, make_device, make_location, make_user
from tests.management.conftest import Managed
from tests.simulators.device import Fault

API = "/sipxconfig/api"
MAC = "0004f280cc95"


@pytest.fixture
def pbx(managed_server: Managed) -> Managed:
    """A server with one phone, and no requests so far."""
    managed_server.server.add_phone(MAC)
    return managed_server


def done(operation: dict[str, Any]) -> Any:
    assert (operation["state"], operation["kind"], operation["message"]) == ("done", "", ""), operation
    return operation["result"]


def sent(managed: Managed) -> list[tuple[str, str, str, str]]:
    journal = managed.server.journal
    return [(entry.method, entry.target, entry.content_type, entry.body) for entry in journal]


@pytest.mark.parametrize(
    ("verb", "arguments", "request_"),
    [
        ("find_phone", {"mac": "00:04:F2:80:CC:95"}, ("GET", f"{API}/phones/{MAC}", "", "")),
        (
            "update_phone", {"mac": MAC, "description": "Lobby"},
            ("PUT", f"{API}/phones/{MAC}", "application/json", f'{{"serialNo":"{MAC}","description":"Lobby"}}'),
        ),
        ("delete_phone", {"mac": MAC}, ("DELETE", f"{API}/phones/{MAC}", "", "")),
        ("phone_models", {}, ("GET", f"{API}/phones/models?page=1&pagesize=1000", "", "")),
        ("restart_phone", {"mac": MAC}, ("PUT", f"{API}/phones/{MAC}/sendProfile/restart", "", "")),
        ("profile", {"mac": MAC, "file": f"{MAC}.cfg"}, ("GET", f"{API}/phones/{MAC}/profile/{MAC}.cfg", "", "")),
        ("groups", {}, ("GET", f"{API}/phoneGroups", "", "")),
        ("groups", {"mac": MAC}, ("GET", f"{API}/phones/{MAC}/groups", "", "")),
        ("join_group", {"mac": MAC, "group": "sales"}, ("POST", f"{API}/phones/{MAC}/groups/sales", "", "")),
        ("leave_group", {"mac": MAC, "group": "sales"}, ("DELETE", f"{API}/phones/{MAC}/groups/sales", "", "")),
        ("leave_group", {"mac": MAC}, ("DELETE", f"{API}/phones/{MAC}/groups", "", "")),
        ("lines", {"mac": MAC}, ("GET", f"{API}/phones/{MAC}/lines", "", "")),
        ("settings_get", {"scope": "dns"}, ("GET", f"{API}/dns/settings", "", "")),
        (
            "settings_get", {"scope": "phone", "mac": MAC, "path": "line/reg"},
            ("GET", f"{API}/phones/{MAC}/settings/line/reg", "", ""),
        ),
        (
            "settings_put",
            {"scope": "group_model", "group": "1", "model": "snom320", "path": "a/b", "value": "x"},
            ("PUT", f"{API}/phoneGroups/1/model/snom320/settings/a/b", "text/plain", "x"),
        ),
        (
            "settings_put", {"scope": "gateway_port", "gateway": "1", "port": "2", "path": "a", "value": "x"},
            ("PUT", f"{API}/gateways/1/port/2/settings/a", "text/plain", "x"),
        ),
        (
            "settings_reset", {"scope": "line", "mac": MAC, "line": "7", "path": "line/reg/label"},
            ("DELETE", f"{API}/phones/{MAC}/lines/7/settings/line/reg/label", "", ""),
        ),
        ("settings_reset", {"scope": "gateway", "gateway": "1", "path": "a"},
         ("DELETE", f"{API}/gateways/1/settings/a", "", "")),
        ("registrations", {}, ("GET", f"{API}/registrations?start=0&limit=1000", "", "")),
        ("registrations", {"by": "user", "value": "200"},
         ("GET", f"{API}/registrations/user/200?start=0&limit=1000", "", "")),
        ("registrations", {"by": "serialNo", "value": "00:04:F2:80:CC:95"},
         ("GET", f"{API}/registrations/serialNo/{MAC}", "", "")),
        ("drop_registrations", {"by": "ip", "value": "10.1.2.3"},
         ("DELETE", f"{API}/registrations/ip/10.1.2.3", "", "")),
        ("health", {}, ("GET", "/sipxconfig/rest/my/time", "", "")),
    ],
)  # fmt: skip
def test_requests_are_those_of_the_manual(pbx: Managed, verb: str, arguments: dict[str, Any], request_: Any):
    done(pbx.do(verb, **arguments))
    assert sent(pbx) == [request_]


def test_the_dns_advisor_is_asked_for_a_server(pbx: Managed):
    assert done(pbx.do("health", server="1"))["dnsIsRight"] is True
    pbx.server.missing_records = ";; Missing naptr records"
    assert done(pbx.do("health", server="1"))["dns"] == ";; Missing naptr records"
    assert sent(pbx)[-1][1] == f"{API}/dns/advisor/server/1"


def test_no_password_of_a_line_is_shown(pbx: Managed):
    pbx.server.phones[0].lines.append({"user": "200", "password": "Canary-line"})
    for verb in ("lines", "find_phone"):
        assert "Canary-line" not in str(done(pbx.do(verb, mac=MAC)))
    assert "password-of-itsp" not in str(done(pbx.do("settings_get", scope="gateway", gateway="1")))
    operation = pbx.do("profile", mac=MAC, file=f"{MAC}.cfg")
    assert "password" not in str(done(operation))
    file = pbx.administrator.get(f"{pbx.path}/artefacts/{operation['artefacts'][0]}")
    assert b"password-of-line" in file.content
    pbx.do("settings_put", scope="phone", mac=MAC, path="line/auth/password", value="Canary-value")
    assert "Canary-value" not in str(pbx.administrator.get("/management/operations").json())


@pytest.mark.parametrize(
    ("verb", "arguments", "description"),
    [
        ("settings_get", {"scope": "phone"}, "mac: `mac` is needed"),
        ("settings_get", {"scope": "phone", "path": "a"}, "mac: `mac` is needed"),
        ("settings_get", {"scope": "phone", "mac": MAC}, "path: `path` is needed"),
        ("settings_get", {"scope": "dns", "mac": MAC}, "mac: `mac` has no meaning"),
        ("settings_get", {"scope": "world"}, "scope: Must be one of"),
        ("registrations", {"by": "user"}, "value: `value` is needed"),
        ("find_phone", {"mac": "no mac"}, "mac: Expected a MAC"),
        ("import_phones", {"model": "snom320", "macs": ["x"]}, "macs[0]: Expected a MAC"),
    ],
)
def test_bad_arguments_are_named(pbx: Managed, verb: str, arguments: dict[str, Any], description: str):
    [error] = pbx.ask(verb, 400, **arguments).json()["errors"]
    assert f"{error['field']}: {error['description']}".startswith(f"arguments.{description}")
    assert sent(pbx) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "status"),
    [({"mac": "0004f2000000"}, "not_found", 404), ({"mac": MAC, "group": "none"}, "not_found", 404)],
)
def test_refusals(pbx: Managed, arguments: dict[str, Any], kind: str, status: int):
    operation = pbx.do("join_group" if "group" in arguments else "find_phone", **arguments)
    assert (operation["kind"], operation["vendorStatus"]) == (kind, status)


# --- Import ----------------------------------------------------------------------------------------------------


def devices_of_location(managed: Managed, *macs: str) -> None:
    location = managed.endpoint.location
    assert location is not None
    for mac in macs:
        make_device(location.group, mac, location)


def test_all_devices_of_the_location_are_imported(pbx: Managed):
    devices_of_location(pbx, MAC.upper(), "0004F2000001", "0004F2000002")
    result = done(pbx.do("import_phones", model="polycomTrio8800", description="by the redirect"))
    assert result["phones"] == {"0004F2000001": "created", "0004F2000002": "created", "0004F280CC95": "known"}
    assert [body for method, _, _, body in sent(pbx) if method == "POST"] == [
        f'{{"serialNumber":"{mac}","model":"polycomTrio8800","description":"by the redirect"}}'
        for mac in ("0004f2000001", "0004f2000002")
    ]
    assert done(pbx.do("import_phones", model="polycomTrio8800"))["known"] == 3


def test_a_model_that_the_server_does_not_know(pbx: Managed):
    result = done(pbx.do("import_phones", model="typewriter", macs=["0004F2000001"]))
    assert (result["refused"], result["phones"]["0004F2000001"]) == (
        1,
        "refused: The server answers 400. It does not know the model typewriter: `phone_models` tells those that "
        "it knows.",
    )


def test_a_location_without_devices(pbx: Managed):
    assert "has no devices" in pbx.ask("import_phones", 409, model="snom320").json()["description"]


@pytest.mark.parametrize(("fault", "state"), [("drop-after", "done"), ("drop-before", "failed")])
def test_an_import_whose_answer_is_lost(pbx: Managed, fault: str, state: str):
    pbx.server.faults.append(Fault(fault, "POST", f"{API}/phones", times=1))
    operation = pbx.do("import_phones", model="snom320", macs=["0004F2000001"])
    assert (operation["state"], operation["verified"]) == (state, state == "done")
    assert len([method for method, *_ in sent(pbx) if method == "POST"]) == 1


# --- A server's endpoint ---------------------------------------------------------------------------------------


def test_a_server_is_of_a_location(pbx: Managed, cast: Cast):
    shown = pbx.monitor.get(pbx.path).json()
    assert (shown["mac"], shown["locationId"]) == (None, pbx.endpoint.location_id)
    body = {"groupId": cast.provider.pk, "driver": "sipxcom", "baseUrl": "https://127.0.0.1:1", "userName": "a"}
    body["password"] = "b"
    foreign = make_location(cast.sibling)
    for more, field in (
        ({}, "locationId"), ({"locationId": foreign.pk}, "locationId"), ({"locationId": 10**9}, "locationId"),
        ({"mac": "0004F2000001", "locationId": pbx.endpoint.location_id}, "mac"),
        ({"driver": "mediant-7.2"}, "mac"),
        ({"driver": "mediant-7.2", "locationId": pbx.endpoint.location_id}, "locationId"),
    ):  # fmt: skip
        answer = pbx.administrator.post("/management/endpoints", body | more)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    again = pbx.administrator.post("/management/endpoints", body | {"locationId": pbx.endpoint.location_id})
    assert again.status_code == 409
    device = {"driver": "mediant-7.2", "baseUrl": "https://127.0.0.1:1", "mac": "0004F2000001"}
    assert pbx.administrator.put(pbx.path, device).json()["errors"][0]["field"] == "driver"


def test_a_location_that_is_gone_takes_its_endpoint_along(pbx: Managed):
    assert pbx.administrator.delete(f"/locations/{pbx.endpoint.location_id}").status_code == 200
    assert not Endpoint.objects.exists()


def test_a_probe_counts(pbx: Managed):
    pbx.server.configure({"register": {"mac": MAC}})
    done(pbx.do("probe"))
    summary = pbx.monitor.get(f"{pbx.path}/summary").json()
    assert summary["registration"] == {"ok": True, "data": {"phones": 1, "registered": 1}}
    assert (summary["identity"]["ok"], summary["provisioning"]["kind"]) == (True, "unsupported")


def test_over_plain_http_there_is_none(pbx: Managed):
    values = {"driver": "sipxcom", "locationId": pbx.endpoint.location_id, "password": "x", "allowHttp": True}
    answer = pbx.administrator.put(pbx.path, values | {"baseUrl": pbx.served.url.replace("https", "http")})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "baseUrl"


# --- The comparison --------------------------------------------------------------------------------------------


def test_a_location_against_its_server(pbx: Managed, cast: Cast):
    location = f"/locations/{pbx.endpoint.location_id}/consistency"
    assert pbx.monitor.get(location).status_code == 204
    devices_of_location(pbx, MAC.upper(), "0004F2000001", "0004F2000002")
    for mac in ("0004f2000002", "0004f2000009"):
        pbx.server.add_phone(mac)
    pbx.server.configure({"register": {"mac": MAC}})
    done(pbx.do("consistency"))
    report = pbx.monitor.get(location).json()
    assert report | {"time": "", "operationId": 0} == {
        "time": "", "operationId": 0,
        "missingOnServer": ["00:04:F2:00:00:01"],
        "notRedirected": ["00:04:F2:00:00:09"],
        "neverRegistered": ["00:04:F2:00:00:02"],
        "consistent": 1,
    }  # fmt: skip
    Device.objects.filter(mac="0004F2000001").delete()
    assert pbx.monitor.get(location).json()["missingOnServer"] == []
    assert Api(make_user(cast.stranger)).get(location).status_code == 204


def test_statements_of_the_comparison_do_not_depend_on_devices(pbx: Managed):
    location = f"/locations/{pbx.endpoint.location_id}/consistency"
    numbers = []
    for first, count in ((1, 1), (2, 40)):
        devices_of_location(pbx, *(f"0004F2{first:02X}{number:04X}" for number in range(count)))
        for number in range(count):
            pbx.server.add_phone(f"0004f2{first + 8:02x}{number:04x}")
        done(pbx.do("consistency"))
        with CaptureQueriesContext(connection) as queries:
            report = pbx.monitor.get(location).json()
        assert len(report["missingOnServer"]) >= count
        assert len(report["notRedirected"]) >= count
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
