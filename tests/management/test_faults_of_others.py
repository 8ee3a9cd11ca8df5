"""Every fault against a Poly Trio and a sipXcom: the kind is right, and no write is sent twice."""

from typing import Any

import pytest

from tests.management.conftest import Managed
from tests.management.test_faults import DELAY, PATIENCE, TABLE
from tests.simulators.device import Answer, Fault, Request

MAC = "0004f280cc95"
# A question with its address, and a write that no reading can verify.
POLY = {
    "question": ("metrics", {"name": "network"}, "/api/v1/mgmt/network/stats"),
    "write": ("resync", {}, "/api/v1/mgmt/updateConfiguration"),
}
SIPXCOM = {
    "question": ("find_phone", {"mac": MAC}, f"/sipxconfig/api/phones/{MAC}"),
    "write": ("restart_phone", {"mac": MAC}, f"/sipxconfig/api/phones/{MAC}/sendProfile/restart"),
}

STATUSES_OF_POLY = {
    400: "invalid", 401: "unauthenticated", 403: "busy", 404: "not_found", 405: "unsupported", 413: "too_large",
    418: "protocol", 500: "device_failed", 503: "device_failed",
}  # fmt: skip
CODES_OF_POLY = {
    4000: "invalid", 4001: "busy", 4002: "precondition", 4003: "conflict", 4004: "unsupported", 4005: "not_found",
    4006: "precondition", 4007: "not_found", 4008: "device_failed", 4009: "too_large", 4010: "precondition",
    4400: "device_failed", 4403: "device_failed", 5000: "device_failed", 5500: "device_failed",
}  # fmt: skip
STATUSES_OF_SIPXCOM = {
    400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "unsupported",
    406: "precondition", 409: "conflict", 422: "invalid", 743: "device_failed", 744: "device_failed",
    745: "device_failed", 747: "invalid", 418: "protocol", 500: "device_failed", 503: "device_failed",
}  # fmt: skip


@pytest.fixture(params=["poly-trio", "sipxcom"])
def either(db: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Managed:
    monkeypatch.setattr("management.drivers.poly_trio.PolyTrio.busy_for", -1.0)
    found: Managed
    if request.param == "poly-trio":
        found = request.getfixturevalue("managed_trio")
    else:
        found = request.getfixturevalue("managed_server")
        found.server.add_phone(MAC)
    return found


def verb_of(managed: Managed, what: str) -> tuple[str, dict[str, Any], str]:
    return (POLY if managed.endpoint.driver == "poly-trio" else SIPXCOM)[what]


def suffer(managed: Managed, fault: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    managed.served.device.faults.append(Fault(fault, path=path, seconds=DELAY if fault == "delay" else 0))
    if fault == "delay":
        for name in ("poly_http.QUICK", "poly_trio.QUICK", "poly_trio.CONFIG", "sipxcom.QUICK", "sipxcom.CONFIG"):
            monkeypatch.setattr(f"management.drivers.{name}", PATIENCE)


@pytest.mark.parametrize("fault", [fault for fault in TABLE if fault != "refused"])
@pytest.mark.parametrize("what", ["question", "write"])
def test_a_fault(either: Managed, what: str, fault: str, monkeypatch: pytest.MonkeyPatch):
    verb, arguments, path = verb_of(either, what)
    suffer(either, fault, path, monkeypatch)
    operation = either.do(verb, **arguments)
    kind, asks, kind_of_write, state = TABLE[fault]
    if what == "question":
        state, times, kind_of_write = "failed", asks, kind
    else:
        times = 1
    assert (operation["state"], operation["kind"]) == (state, kind_of_write.value), operation
    assert len([entry for entry in either.served.device.journal if entry.target == path]) == times


@pytest.mark.parametrize("what", ["question", "write"])
def test_a_refused_connection(either: Managed, what: str):
    verb, arguments, _ = verb_of(either, what)
    either.served.listener.close()
    operation = either.do(verb, **arguments)
    assert (operation["state"], operation["kind"]) == ("failed", "unreachable")
    assert either.served.device.journal == []


def refuse(managed: Managed, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What becomes of a write that is answered so; of a phone after the question what it is."""
    verb, arguments, path = verb_of(managed, "write")
    answered = managed.served.device.answer

    def instead(request: Request) -> Answer:
        return answer if request.path == path else answered(request)

    monkeypatch.setattr(managed.served.device, "answer", instead)
    operation = managed.do(verb, **arguments)
    assert len([entry for entry in managed.served.device.journal if entry.target == path]) == 1
    return operation


@pytest.mark.parametrize(("status", "kind"), STATUSES_OF_POLY.items())
def test_what_a_phone_refuses(managed_trio: Managed, status: int, kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("management.drivers.poly_trio.PolyTrio.busy_for", -1.0)
    operation = refuse(managed_trio, Answer(status), monkeypatch)
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", kind, status)


@pytest.mark.parametrize(("code", "kind"), CODES_OF_POLY.items())
def test_what_a_phone_tells(managed_trio: Managed, code: int, kind: str, monkeypatch: pytest.MonkeyPatch):
    """Its `Status` counts, whatever comes with it: the manual says nothing of that."""
    monkeypatch.setattr("management.drivers.poly_trio.PolyTrio.busy_for", -1.0)
    status = 400 if code % 2 else 200
    operation = refuse(managed_trio, Answer(status, b'{"Status": "%d"}' % code, "application/json"), monkeypatch)
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", kind, code)


@pytest.mark.parametrize(("status", "kind"), STATUSES_OF_SIPXCOM.items())
def test_what_a_server_refuses(managed_server: Managed, status: int, kind: str, monkeypatch: pytest.MonkeyPatch):
    managed_server.server.add_phone(MAC)
    operation = refuse(managed_server, Answer(status), monkeypatch)
    assert (operation["state"], operation["kind"], operation["vendorStatus"]) == ("failed", kind, status)
