"""The deny list of certificates, and what a location tells of the certificates of its devices."""

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from devices.models import DeniedCertificate
from tests.certificates import make_ca, named, pem
from tests.conftest import Cast, make_device, make_location, make_operator

FINGERPRINT = "ab" * 32
ADD = "/admin/devices/deniedcertificate/add/"


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


def test_a_denied_certificate_leaves_an_entry_with_its_reason(operator: Client) -> None:
    response = operator.post(ADD, {"name": ":".join(["AB"] * 32), "reason": "Sold at an auction"})
    assert response.status_code == 302
    row = DeniedCertificate.objects.get()
    assert row.name == f"sha256 {FINGERPRINT}"
    operator.post(f"/admin/devices/deniedcertificate/{row.pk}/change/", {"reason": "Found again", "name": "other"})
    row.refresh_from_db()
    assert (row.name, row.reason) == (f"sha256 {FINGERPRINT}", "Found again")
    operator.post(f"/admin/devices/deniedcertificate/{row.pk}/delete/", {"post": "yes"})
    assert not DeniedCertificate.objects.exists()
    entries = (
        Entry.objects.filter(content_type__model="deniedcertificate")
        .order_by("timestamp", "id")
        .values_list("event", "changes")
    )
    assert list(entries) == [
        ("Created", {"name": [None, row.name], "reason": [None, "Sold at an auction"]}),
        ("Changed", {"reason": ["Sold at an auction", "Found again"]}),
        ("Deleted", {"name": [row.name, None], "reason": ["Found again", None]}),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FINGERPRINT, f"sha256 {FINGERPRINT}"),
        (f"sha256 {FINGERPRINT}", f"sha256 {FINGERPRINT}"),
        ("sha256 Fingerprint=" + ":".join(["AB"] * 32), f"sha256 {FINGERPRINT}"),
        ("0290908F9D8992 CN=CA_ipp1,O=ACL", "290908f9d8992 CN=CA_ipp1,O=ACL"),
        ("serial=02:90:90\nissuer=CN=CA_ipp1,O=ACL", "29090 CN=CA_ipp1,O=ACL"),
    ],
)
def test_a_certificate_is_denied_by_any_of_its_names(operator: Client, text: str, name: str) -> None:
    assert operator.post(ADD, {"name": text, "reason": "Stolen"}).status_code == 302
    assert DeniedCertificate.objects.get().name == name
    again = operator.post(ADD, {"name": text, "reason": "Stolen"})
    assert "already exists" in again.content.decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "required"),
        ("stolen", "no certificate, no fingerprint"),
        (FINGERPRINT[:-1], "no certificate, no fingerprint"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not one certificate"),
        (pem(make_ca("A").certificate) * 2, "not one certificate"),
        ("01 " + "CN=x" * 200, "too long"),
    ],
)
def test_what_is_no_certificate_is_not_denied(operator: Client, text: str, words: str) -> None:
    response = operator.post(ADD, {"name": text, "reason": "Stolen"})
    assert words in response.content.decode()
    assert not DeniedCertificate.objects.exists()


def test_the_certificate_itself_is_denied_by_its_fingerprint(operator: Client) -> None:
    shown, _ = make_ca("A").issue(named(CN="00908F9D8992"))
    operator.post(ADD, {"name": pem(shown), "reason": "Stolen"})
    assert DeniedCertificate.objects.get().name.startswith("sha256 ")


def test_a_location_tells_how_many_of_its_devices_could_do_with_mutual_auth(operator: Client, cast: Cast) -> None:
    location = make_location(cast.provider)
    for seen in (timezone.now(), None, None):
        device = make_device(cast.provider, location=location)
        device.certificate_seen = seen
        device.save()
    page = operator.get(f"/admin/locations/location/{location.pk}/change/").content.decode()
    assert "1 devices have shown a good certificate, 2 never have" in page
