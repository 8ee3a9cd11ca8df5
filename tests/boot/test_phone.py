"""GET /<MAC>: what a booting phone sees, on the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.core.handlers.wsgi import WSGIHandler
from django.db import InterfaceError, OperationalError, connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_group, make_location

MAC = "00908F9D8992"
COLONS = "00:90:8F:9D:89:92"
UNKNOWN = "00908FAAAAAA"
SPELLINGS = [MAC, MAC.lower(), COLONS, COLONS.lower(), COLONS.replace(":", "-"), "00-90-8f-9D-89-92"]
PROXY = override_settings(TRUSTED_PROXIES=[ip_network("127.0.0.1/32")])
KEY = ec.generate_private_key(ec.SECP256R1())


def ask(path: str = f"/{MAC}", method: str = "GET", **more: Any) -> Any:
    """What a phone gets, without following it."""
    return Client(raise_request_exception=False).generic(method, path, **more)


def certificate(common_name: str, *, days: int = 1, serial: int = 1) -> str:
    """A certificate as the proxy hands it on; its date ends in `days`."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .sign(KEY, SHA256())
    )
    return quote(made.public_bytes(Encoding.PEM).decode(), safe="")


def as_proxied(shown: str, verify: str = "SUCCESS") -> dict[str, Any]:
    return {"headers": {"X-SSL-Client-Verify": verify, "X-SSL-Client-Cert": shown}}


def headers(answer: Any) -> dict[str, str]:
    return dict(answer.items())


def requests_of(mac: str = MAC) -> tuple[int, str, bool]:
    """How often a device asked, how the last time ended, and whether a time is noted."""
    device = Device.objects.get(mac=mac)
    return device.num_requests, device.last_access_status, device.last_access is not None


@contextmanager
def database_away(error: Exception) -> Iterator[None]:
    def fail(*args: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        yield


@pytest.fixture
def location(cast: Cast) -> Location:
    return make_location(cast.provider, "https://pbx.example/cfg/")


@pytest.fixture
def phone(cast: Cast, location: Location) -> Device:
    return make_device(cast.provider, MAC, location)


# --- Redirected -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("phone")
def test_a_device_with_a_location_is_redirected() -> None:
    answer = ask(headers={"User-Agent": "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1"})
    assert (answer.status_code, answer.content) == (302, b"")
    assert headers(answer) == {
        "Location": "https://pbx.example/cfg/",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "0",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    assert not answer.cookies


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("suffix", ["", ".cfg", ".ini", ".xml", ".txt", ".CFG"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_with_or_without_a_suffix(spelling: str, suffix: str) -> None:
    assert ask(f"/{spelling}{suffix}").status_code == 302
    assert requests_of() == (1, "Success", True)


@pytest.mark.usefixtures("phone")
def test_colons_may_be_percent_encoded_and_a_query_changes_nothing() -> None:
    assert ask("/" + COLONS.replace(":", "%3A")).status_code == 302
    assert ask(f"/{MAC}?x=1").headers["Location"] == "https://pbx.example/cfg/"


@pytest.mark.parametrize(
    "url",
    [
        "http://pbx.example",
        "https://pbx.example/",
        "https://pbx.example:8443/a/b/",
        "tftp://10.1.2.3/firmware",
        "sip-x+y.1://pbx.example:5060/;transport=tls",
        "FTP://pbx.example/a?b=c&d=%20",
        "https://pbx.example/a//../b/?",
    ],
)
def test_a_url_is_sent_as_it_is(cast: Cast, url: str) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider, url))
    assert ask().headers["Location"] == url


@pytest.mark.parametrize(
    ("customer", "encoded"),
    [
        ("Acme", "Acme"),
        ("A & B/C?#", "A%20%26%20B%2FC%3F%23"),
        ("Zoë 🎉", "Zo%C3%AB%20%F0%9F%8E%89"),
        ("{MAC ADDRESS}", "%7BMAC%20ADDRESS%7D"),
        ("100%", "100%25"),
        ("a\nSet-Cookie: b", "a%0ASet-Cookie%3A%20b"),
        ("..", "%2E%2E"),
    ],
)
def test_placeholders_are_expanded_once(cast: Cast, customer: str, encoded: str) -> None:
    group = make_group(customer, cast.reseller)
    url = "https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg?c={CUSTOMER NAME}"
    make_device(group, MAC, make_location(group, url))
    assert ask(f"/{COLONS.lower()}").headers["Location"] == f"https://pbx.example/{encoded}/{MAC}.cfg?c={encoded}"


# --- Not redirected -------------------------------------------------------------------------------------------


def not_redirected(cast: Cast, why: str) -> None:
    if why == "unassigned":
        make_device(cast.provider, UNKNOWN)
    elif why == "without a certificate":
        make_device(cast.provider, UNKNOWN, make_location(cast.provider, mutual_auth=True))


@pytest.mark.parametrize("why", ["unknown", "unassigned", "without a certificate"])
@pytest.mark.parametrize("path", [f"/{UNKNOWN}", "/00:90:8f:aa:aa:aa.cfg"])
def test_who_is_not_redirected_gets_the_same_whatever_the_reason(cast: Cast, why: str, path: str) -> None:
    not_redirected(cast, why)
    answer = ask(path)
    body = b'{"description": "device MAC 00908FAAAAAA was not found"}'
    assert (answer.status_code, answer.content) == (404, body)
    assert headers(answer) == {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    assert not answer.cookies


@pytest.mark.parametrize(
    "path",
    [
        "/00908F9D899",
        "/00908F9D89922",
        "/00:90-8F:9D-89:92",
        f"/{MAC}x",
        f"/x{MAC}.cfg",
        f"/{MAC}.bin",
        f"/{MAC}%0A",
        f"/{MAC}%00",
        f"/api/{MAC}",
    ],
)
@pytest.mark.usefixtures("phone")
def test_what_is_not_a_mac_is_not_found(path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"description"}
    assert requests_of() == (0, "Await access", False)


# --- Methods and Host -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("path", [f"/{MAC}", f"/{UNKNOWN}"])
def test_head_is_answered_as_get_without_the_body(path: str) -> None:
    get, head = ask(path), ask(path, "HEAD")
    assert head.status_code == get.status_code
    assert headers(head) == headers(get)
    # Django's test client drops a body by itself; a server would send it.
    raw = WSGIHandler()(RequestFactory().head(path).environ, lambda *_: bytes.__len__)
    assert b"".join(raw) == b""


@pytest.mark.usefixtures("phone")
def test_head_is_counted() -> None:
    ask(method="HEAD")
    assert requests_of() == (1, "Success", True)


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("mac", [MAC, UNKNOWN])
def test_other_methods_are_refused_and_not_counted(method: str, mac: str) -> None:
    answer = ask(f"/{mac}", method)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert set(answer.json()) == {"description"}
    assert requests_of() == (0, "Await access", False)


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("host", ["10.0.0.7", "evil.example:99999", "a b", "", "[::1", "ä"])
def test_host_is_not_checked(host: str) -> None:
    assert ask(HTTP_HOST=host).status_code == 302


@pytest.mark.usefixtures("phone")
def test_host_may_be_absent() -> None:
    """As HTTP/1.0 has it; the server does not know its own name either."""
    assert ask(SERVER_NAME="_", SERVER_PROTOCOL="HTTP/1.0").status_code == 302


@pytest.mark.usefixtures("phone")
def test_what_a_browser_would_send_changes_nothing() -> None:
    sent = {"Cookie": "sessionid=x; csrftoken=y", "Authorization": "Bearer x", "Accept": "text/html"}
    answer = ask(headers=sent | {"If-None-Match": "*", "Range": "bytes=0-1", "Accept-Encoding": "gzip"})
    assert headers(answer) == headers(ask())
    assert not answer.cookies


# --- Counts ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("phone")
def test_each_request_is_counted_and_shown_in_device_and_location(administrator: Api, location: Location) -> None:
    before = timezone.now().replace(microsecond=0)
    for _ in range(3):
        ask()
    device = administrator.get(f"/devices/{MAC}").json()
    assert (device["numRequests"], device["lastAccessStatus"]) == (3, "Success")
    seen = datetime.strptime(device["lastAccess"], "%Y-%m-%dT%H:%M:%S%z")
    assert before <= seen <= timezone.now()
    shown = administrator.get(f"/locations/{location.pk}").json()["lastAccess"]
    assert before <= datetime.strptime(shown, "%Y-%m-%dT%H:%M:%S%z") <= timezone.now()


@pytest.mark.parametrize("why", ["unassigned", "without a certificate"])
def test_a_known_device_that_is_not_redirected_fails_and_is_counted(cast: Cast, why: str) -> None:
    not_redirected(cast, why)
    ask(f"/{UNKNOWN}")
    ask(f"/{UNKNOWN}", "HEAD")
    assert requests_of(UNKNOWN) == (2, "Fail", True)
    assert not Location.objects.filter(last_access__isnull=False).exists()


@pytest.mark.usefixtures("phone")
def test_the_last_request_decides_on_the_status() -> None:
    ask()
    Device.objects.update(location=None)
    ask()
    assert requests_of() == (2, "Fail", True)


@pytest.mark.usefixtures("phone")
def test_only_the_device_and_the_location_that_were_asked_for_change(cast: Cast) -> None:
    make_device(cast.provider, UNKNOWN, make_location(cast.provider))
    ask()
    assert requests_of(UNKNOWN) == (0, "Await access", False)
    assert Location.objects.filter(last_access__isnull=False).count() == 1


@pytest.mark.usefixtures("phone")
def test_a_request_leaves_the_other_columns_alone(location: Location) -> None:
    def rows() -> tuple[Any, Any]:
        visit = {"num_requests": 0, "last_access": None, "last_access_status": ""}
        return Device.objects.values().get() | visit, Location.objects.values().get() | {"last_access": None}

    before = rows()
    ask()
    assert rows() == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the statement is PostgreSQL's")
@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("path", [f"/{MAC}", f"/{UNKNOWN}"])
def test_a_request_is_one_statement(path: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        ask(path)
    assert len(queries) == 1, "\n".join(query["sql"] for query in queries)


# --- mutualAuth -----------------------------------------------------------------------------------------------

CERTIFICATES = {
    "factory": (as_proxied(certificate(f"Client_{MAC}")), True),
    "the MAC alone": (as_proxied(certificate(COLONS.lower())), True),
    "serial number": (as_proxied(certificate("IP phone", serial=int("02" + MAC, 16))), True),
    "another MAC": (as_proxied(certificate(f"Client_{UNKNOWN}")), False),
    "out of date": (as_proxied(certificate(f"Client_{MAC}", days=-1)), False),
    "other chain": (as_proxied(certificate(f"Client_{MAC}"), "FAILED:unable to verify"), False),
    "no verdict": (as_proxied(certificate(f"Client_{MAC}"), ""), False),
    "garbage": (as_proxied("garbage"), False),
    "none": ({}, False),
    "verdict alone": ({"headers": {"X-SSL-Client-Verify": "SUCCESS"}}, False),
}


@pytest.mark.parametrize("mutual_auth", [True, False])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_is_asked_for_where_mutual_auth_says_so(cast: Cast, name: str, mutual_auth: bool) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider, mutual_auth=mutual_auth))
    request, good = CERTIFICATES[name]
    with PROXY:
        answer = ask(**request)
    redirected = good or not mutual_auth
    assert answer.status_code == (302 if redirected else 404)
    assert requests_of() == (1, "Success" if redirected else "Fail", True)
    assert Location.objects.filter(last_access__isnull=False).exists() is redirected


@pytest.mark.parametrize("proxies", [[], ["192.0.2.0/24"]])
def test_a_certificate_is_believed_from_a_trusted_proxy_alone(cast: Cast, proxies: list[str]) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider, mutual_auth=True))
    request, _ = CERTIFICATES["factory"]
    with override_settings(TRUSTED_PROXIES=[ip_network(proxy) for proxy in proxies]):
        assert ask(**request).status_code == 404
        assert ask(**request, REMOTE_ADDR="198.51.100.1").status_code == 404
    with PROXY:
        assert ask(**request, REMOTE_ADDR="198.51.100.1").status_code == 404
        assert ask(**request).status_code == 302


def test_refused_certificates_are_told_from_nothing(cast: Cast) -> None:
    with PROXY:
        unknown = [(ask(**request).content, headers(ask(**request))) for request, _ in CERTIFICATES.values()]
        make_device(cast.provider, MAC, make_location(cast.provider, mutual_auth=True))
        bad = [request for request, good in CERTIFICATES.values() if not good]
        refused = [(ask(**request).content, headers(ask(**request))) for request in bad]
    assert all(answer == unknown[0] for answer in unknown + refused)


# --- The database is away -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("connection closed")])
@pytest.mark.parametrize("path", [f"/{MAC}", f"/{UNKNOWN}"])
def test_without_the_database_a_phone_is_asked_to_come_back(path: str, error: Exception) -> None:
    waits = set()
    with database_away(error):
        for _ in range(30):
            answer = ask(path)
            assert answer.status_code == 503
            assert set(answer.json()) == {"description"}
            assert "connection" not in answer.content.decode()
            assert answer["Cache-Control"] == "no-store"
            waits.add(int(answer["Retry-After"]))
    assert min(waits) >= 1
    assert len(waits) > 3, "all phones would come back at once"
