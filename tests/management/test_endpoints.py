"""Endpoints by the API: what is shown may be sent back; where certificates belong, nothing else is kept."""

from typing import Any

import pytest

from audit.models import Entry
from management.models import Endpoint, Operation
from tests.certificates import key_pem, make_ca, pem
from tests.conftest import Cast, make_device
from tests.management.conftest import Managed

KEY = "PRIVATE KEY"


@pytest.fixture(params=["managed", "managed_old", "managed_trio", "managed_server"])
def each(request: pytest.FixtureRequest, db: None) -> Managed:
    """An endpoint of each driver."""
    found: Managed = request.getfixturevalue(request.param)
    return found


def sent_back(managed: Managed, **changes: Any) -> dict[str, Any]:
    """PUT what GET shows, with changes, and the answer."""
    shown = managed.administrator.get(managed.path).json()
    answer = managed.administrator.put(managed.path, shown | changes)
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


# --- What is shown may be sent back ----------------------------------------------------------------------------


def test_what_is_shown_may_be_sent_back(each: Managed):
    before = each.administrator.get(each.path).json()
    assert None in (before["mac"], before["locationId"])
    assert sent_back(each) == before
    assert sent_back(each, userName="another")["userName"] == "another"


def test_a_password_that_is_null_stays(each: Managed):
    secret = bytes(Endpoint.objects.get().credential.secret)
    assert sent_back(each, password=None) == each.administrator.get(each.path).json()
    assert bytes(Endpoint.objects.get().credential.secret) == secret
    moved = each.administrator.get(each.path).json() | {"allowHttp": False, "password": None}
    moved |= {"tlsPolicy": "none"}
    answer = each.administrator.put(each.path, moved)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "password")


def test_an_endpoint_may_be_registered_as_it_is_shown(each: Managed):
    shown = each.administrator.get(each.path).json()
    assert each.administrator.delete(each.path).status_code == 200
    names = [name for name in shown if name not in ("id", "seenMac", "loginRefused", "refreshedAt")]
    body = {name: shown[name] for name in names} | {"password": "a long one"}
    answer = each.administrator.post("/management/endpoints", body)
    assert answer.status_code == 201, answer.content
    anew = each.administrator.get(f"/management/endpoints/{answer.json()['id']}").json()
    assert {name: anew[name] for name in names} == {name: shown[name] for name in names}


@pytest.mark.parametrize("name", ["driver", "baseUrl"])
def test_what_must_be_sent_is_refused_as_null(managed: Managed, name: str):
    shown = managed.administrator.get(managed.path).json()
    answer = managed.administrator.put(managed.path, shown | {name: None})
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["field"] == name


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:-1", "The port must be a number from 1 to 65535."),
        ("http://127.0.0.1:http", "The port must be a number from 1 to 65535."),
        ("http://127.0.0.1:70000", "The port must be a number from 1 to 65535."),
        ("http://127.0.0.1:0", "Port 0 is not one of MANAGEMENT_PORTS."),
        ("http://[::1", "The host is neither a name nor an address; an IPv6 address stands in brackets."),
    ],
)
def test_an_address_that_is_none(managed: Managed, url: str, told: str):
    shown = managed.administrator.get(managed.path).json()
    answer = managed.administrator.put(managed.path, shown | {"baseUrl": url, "password": "a long one"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "baseUrl", "description": told}]


def test_what_another_device_said_is_forgotten(managed: Managed, cast: Cast):
    assert managed.do("probe")["state"] == "done"
    assert sent_back(managed)["refreshedAt"] is not None  # the same device
    other = make_device(cast.provider)
    assert sent_back(managed, mac=other.mac)["refreshedAt"] is None
    assert managed.monitor.get(f"{managed.path}/summary").status_code == 204


# --- Certificates alone ----------------------------------------------------------------------------------------


def mixed() -> list[str]:
    """Texts that hold a certificate, and more than that or less."""
    ca = make_ca("CA")
    own, key = pem(ca.certificate), key_pem(ca.key)
    headed = own.replace("CERTIFICATE-----\n", "CERTIFICATE-----\nX-Key: secret\n\n", 1)
    return [own + key, key + own, key, f"the password is secret\n{own}", f"{own}# secret", headed, own[:-30], "x"]


@pytest.mark.parametrize("number", range(8))
def test_a_ca_is_certificates_and_nothing_else(managed: Managed, number: int):
    answer = managed.administrator.put(
        managed.path,
        managed.administrator.get(managed.path).json() | {"tlsCA": mixed()[number], "password": "a long one"},
    )
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == ["tlsCA"]
    assert Endpoint.objects.get().tls_ca == ""
    assert KEY not in str(list(Entry.objects.values_list("changes", flat=True)))


def test_a_ca_is_kept_as_it_was_read(managed: Managed):
    first, second = pem(make_ca("CA").certificate), pem(make_ca("other").certificate)
    shown = sent_back(managed, tlsCA=f"\n\n{first}\n  \n{second.strip()}", password="a long one")
    assert shown["tlsCA"] == first + second
    assert sent_back(managed) == shown  # and no password is asked for: nothing has changed


@pytest.mark.parametrize(
    ("verb", "name"),
    [("tls_cert_put", "pem"), ("tls_trust_replace", "pem"), ("tls_trust_add", "pem"), ("certify", "trust")],
)
@pytest.mark.parametrize("number", range(8))
def test_certificates_of_operations_are_nothing_else(managed: Managed, verb: str, name: str, number: int):
    answer = managed.ask(verb, 400, **{name: mixed()[number]}).json()
    assert answer["errors"][0]["field"] == f"arguments.{name}"
    assert not Operation.objects.exists()


def test_an_operation_shows_the_certificates_that_were_read(managed: Managed, cast: Cast):
    own = pem(make_ca("CA").certificate)
    id = managed.ask("tls_trust_add", pem=own.replace("\n", "\r\n") + "\n\n")
    assert managed.monitor.get(f"/management/operations/{id}").json()["arguments"] == {"pem": own}
