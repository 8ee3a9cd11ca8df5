"""Device management in the admin: who sees and asks what, logins that are never shown, files, device pages."""

import re
from typing import Any

import pytest
from django.test import Client

from audit.models import Entry
from management import secrets
from management.models import Artefact, Endpoint, Operation, OperationState
from tests.certificates import key_pem, make_ca, pem
from tests.conftest import Cast, make_device, make_endpoint, make_location
from tests.desk.test_roles import browsers as browsers  # the fixtures
from tests.desk.test_roles import cast as cast
from tests.desk.test_roles import cookies as cookies
from tests.desk.test_roles import shared_cast as shared_cast

ADD = "/admin/management/endpoint/add/"
CANARY = "Canary-9c41-password"


def form(group: int, **more: Any) -> dict[str, Any]:
    values = {"driver": "mediant-7.2", "group": group, "base_url": "https://127.0.0.1:8443", "user_name": "Admin"}
    return values | {"password": CANARY, "tls_policy": "system", "mac": "00908F000001"} | more


def errors(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def endpoint(cast: Cast) -> Endpoint:
    return make_endpoint(make_device(cast.provider, "00908F000001"))


# --- Interfaces and logins --------------------------------------------------------------------------------------


def test_an_interface_is_made_and_its_password_never_shown(browsers: dict[str, Client], cast: Cast):
    lead = browsers["lead"]
    make_device(cast.provider, "00908F000001")
    assert lead.post(ADD, form(cast.provider.pk, mac="00:90:8f:00:00:01")).status_code == 302
    endpoint = Endpoint.objects.get()
    assert secrets.decrypt(endpoint.credential.secret).decode() == CANARY
    page = f"/admin/management/endpoint/{endpoint.pk}/"
    for address in ("change/", "history/"):
        assert CANARY not in lead.get(page + address).content.decode()
    assert CANARY not in str(list(Entry.objects.values_list("changes", "object_repr")))

    changed = form(cast.provider.pk, password="", user_name="other")
    assert lead.post(f"{page}change/", changed).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.credential.user_name, endpoint.seen_mac) == ("other", "")
    assert secrets.decrypt(endpoint.credential.secret).decode() == CANARY
    moved = changed | {"base_url": "https://127.0.0.1:9443"}
    assert "Must be given when the address" in errors(lead.post(f"{page}change/", moved))
    assert lead.post(f"{page}change/", moved | {"password": "new"}).status_code == 302
    assert browsers["agent"].post(f"{page}change/", moved).status_code == 403


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"mac": "x"}, "Expected a MAC address"),
        ({"mac": "00908FFFFFFF"}, "The device is not defined for the group."),
        ({"mac": ""}, "Needed for this driver."),
        ({"base_url": "https://10.0.0.1"}, "not inside MANAGEMENT_NETWORKS"),
        ({"base_url": "ftp://127.0.0.1"}, "Must begin with http:// or https://"),
        ({"password": ""}, "Must be given."),
        ({"tls_policy": "ca"}, "Needed for this tlsPolicy."),
        ({"driver": "sipxcom"}, "A server is of a location, not of a device."),
        ({"driver": "sipxcom", "mac": ""}, "Needed for this driver."),
    ],
)
def test_what_no_interface_may_be(browsers: dict[str, Client], cast: Cast, more: dict[str, Any], told: str):
    make_device(cast.provider, "00908F000001")
    shown = errors(browsers["lead"].post(ADD, form(cast.provider.pk, **more)))
    assert told in shown
    assert not Endpoint.objects.exists()


def test_a_ca_is_certificates_and_nothing_else(browsers: dict[str, Client], cast: Cast):
    lead, ca = browsers["lead"], make_ca("CA")
    make_device(cast.provider, "00908F000001")
    values = form(cast.provider.pk, tls_policy="ca", tls_ca=pem(ca.certificate) + key_pem(ca.key))
    assert "Must be certificates as PEM, and nothing else" in errors(lead.post(ADD, values))
    values["tls_ca"] = pem(ca.certificate).replace("\n", "\r\n")  # as browsers send it
    assert lead.post(ADD, values).status_code == 302
    kept = Endpoint.objects.get()
    assert kept.tls_ca == pem(ca.certificate)
    again = lead.post(f"/admin/management/endpoint/{kept.pk}/change/", values | {"password": ""})
    assert again.status_code == 302  # nothing has changed: no password is asked for


def test_a_server_is_of_a_location_of_its_group(browsers: dict[str, Client], cast: Cast):
    foreign, own = make_location(cast.sibling), make_location(cast.provider)
    values = form(cast.provider.pk, driver="sipxcom", mac="", location=foreign.pk)
    assert "not defined for the group" in errors(browsers["lead"].post(ADD, values))
    assert browsers["lead"].post(ADD, values | {"location": own.pk}).status_code == 302
    assert Endpoint.objects.get().location == own


# --- Asking -----------------------------------------------------------------------------------------------------

ASKED = {"probe": "reader", "restart": "agent", "config_backup": "agent", "config_save": "lead", "certify": "lead"}


@pytest.mark.parametrize("verb", ASKED)
def test_each_asks_what_its_role_may(browsers: dict[str, Client], endpoint: Endpoint, verb: str):
    roles = ["reader", "agent", "lead"]
    for role in roles:
        Operation.objects.all().delete()
        page = browsers[role].get(f"/admin/devices/device/{device_of(endpoint)}/change/").content.decode()
        answer = browsers[role].post(f"/admin/management/endpoint/{endpoint.pk}/ask/", {"verb": verb})
        allowed = roles.index(role) >= roles.index(ASKED[verb])
        assert (f'value="{verb}"' in page) == allowed
        assert answer.status_code == (302 if allowed else 403)
        assert Operation.objects.filter(verb=verb, user_login__gt="").exists() == allowed


def device_of(endpoint: Endpoint) -> int:
    from devices.models import Device

    return Device.objects.get(mac=endpoint.mac).pk


def test_what_the_device_or_a_button_cannot_do_is_refused(browsers: dict[str, Client], endpoint: Endpoint):
    for verb in ("resync", "run_cli", "ui_token", ""):
        answer = browsers["operator"].post(f"/admin/management/endpoint/{endpoint.pk}/ask/", {"verb": verb})
        assert answer.status_code == 403
    Endpoint.objects.update(seen_mac="00908F0000FF")
    answer = browsers["operator"].post(
        f"/admin/management/endpoint/{endpoint.pk}/ask/", {"verb": "restart"}, follow=True
    )
    assert "another MAC than the linked one" in answer.content.decode()


def test_how_far_an_operation_is(browsers: dict[str, Client], endpoint: Endpoint):
    steps = [{"step": "key", "state": "done", "at": "now"}, {"step": "request", "state": "done", "at": "now"}]
    operation = endpoint.operations.create(verb="certify", state=OperationState.RUNNING, steps=steps)
    page = f"/admin/management/operation/{operation.pk}/"
    told = browsers["reader"].get(f"{page}progress/").json()
    assert (told["state"], told["done"], told["total"]) == ("running", 2, 7)
    assert told["text"] == "Running: 2 of 7 steps are done"
    shown = browsers["reader"].get(f"{page}change/").content.decode()
    assert 'id="work-progress"' in shown
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.PARKED)
    assert "waits for the certificate" in browsers["reader"].get(f"{page}change/").content.decode()


# --- Files ------------------------------------------------------------------------------------------------------


def test_files_are_downloaded_by_permission_and_that_is_told(browsers: dict[str, Client], endpoint: Endpoint):
    artefact = Artefact.objects.get()
    download = f"/admin/management/artefact/{artefact.pk}/download/"
    assert browsers["agent"].get(download).status_code == 403
    Entry.objects.all().delete()
    answer = browsers["lead"].get(download)
    assert (answer.status_code, answer.content) == (200, b"a file")
    assert answer["Content-Disposition"] == 'attachment; filename="x.csr"'
    assert Entry.objects.get().changes == {"download": [None, f"{artefact.pk} x.csr"]}
    for page in (f"/admin/management/artefact/{artefact.pk}/change/", "/admin/management/artefact/"):
        assert b"a file" not in browsers["lead"].get(page).content


def test_the_device_page_of_another_role_and_device(browsers: dict[str, Client], cast: Cast, endpoint: Endpoint):
    page = f"/admin/devices/device/{device_of(endpoint)}/change/"
    assert "What the device says" in browsers["reader"].get(page).content.decode()
    other = make_device(cast.provider)
    shown = browsers["reader"].get(f"/admin/devices/device/{other.pk}/change/").content.decode()
    assert "What the device says" not in shown
