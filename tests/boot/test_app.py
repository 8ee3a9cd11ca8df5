"""What a phone sees, under ASGI and under WSGI: contract section 8, row by row."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from asgiref.testing import ApplicationCommunicator
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.core.asgi import get_asgi_application
from django.db import OperationalError
from django.test import Client
from pytest_django.fixtures import Settings

from boot import database, rate_limit, request
from boot.app import BootApplication
from boot.recorder import DatabaseUnavailable
from boot.request import BootRequest
from devices.models import Access, AccessStatus, Device, Outcome
from tests.conftest import Cast, make_device, make_group, make_location

DJANGO = get_asgi_application()

PHONE = "192.0.2.7"
PROXY = "10.0.0.1"
UNKNOWN = "00908FAAAAAA"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


def ask_asgi(
    path: str,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    source: str = PHONE,
) -> Response:
    """One request to a BootApplication of its own, which is closed afterwards."""

    async def ask() -> Response:
        application = BootApplication(DJANGO)
        communicator = ApplicationCommunicator(
            application,
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method,
                "scheme": "http",
                "path": path,
                "raw_path": quote(path, safe="/:").encode(),
                "query_string": b"",
                "root_path": "",
                "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
                "client": (source, 40000),
                "server": ("127.0.0.1", 8000),
            },
        )
        await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await communicator.receive_output(60)
        body = b""
        while True:
            part = await communicator.receive_output(60)
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        await communicator.wait(60)
        await close(application)
        names = [name.decode().lower() for name, _ in start["headers"]]
        assert len(set(names)) == len(names)
        values = [value.decode() for _, value in start["headers"]]
        return Response(start["status"], dict(zip(names, values, strict=True)), body)

    return asyncio.run(ask())


async def close(application: BootApplication) -> None:
    """What the server says when it ends."""
    lifespan = ApplicationCommunicator(application, {"type": "lifespan"})
    for event in ("startup", "shutdown"):
        await lifespan.send_input({"type": f"lifespan.{event}"})
        assert await lifespan.receive_output(60) == {"type": f"lifespan.{event}.complete"}
    await lifespan.wait(60)


def ask_wsgi(
    path: str,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    source: str = PHONE,
) -> Response:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    client: Any = Client(raise_request_exception=False)
    response = client.generic(method, path, REMOTE_ADDR=source, **environ)
    assert not response.cookies
    named = {name.lower(): value for name, value in response.items()}
    return Response(response.status_code, named, response.content)


def ask(path: str, method: str = "GET", headers: Sequence[tuple[str, str]] = (), source: str = PHONE) -> Response:
    """The answer, which must be the same to the byte under both."""
    asgi, wsgi = ask_asgi(path, method, headers, source), ask_wsgi(path, method, headers, source)
    ids = [response.headers.pop("x-request-id", "") for response in (asgi, wsgi)]
    assert bool(ids[0]) == bool(ids[1]) == (asgi == not_found("Not found."))  # a phone's has none
    assert asgi == wsgi
    return asgi


REDIRECTED = {
    "content-length": "0",
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


def refused(mac: str) -> Response:
    return not_found(f"device MAC {mac} was not found")


def not_found(description: str) -> Response:
    body = json.dumps({"description": description}).encode()
    headers = {
        "content-length": str(len(body)),
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Response(404, headers, body)


KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(mac: str) -> str:
    """As nginx hands a factory certificate on."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Client_{mac}")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(7).not_valid_before(now - timedelta(days=1))
    shown = builder.not_valid_after(now + timedelta(days=1)).sign(KEY, SHA256())
    return quote(shown.public_bytes(Encoding.PEM).decode(), safe="")


def showing(mac: str, verify: str = "SUCCESS") -> list[tuple[str, str]]:
    """The headers of a proxy for a phone that shows the certificate of a MAC."""
    return [
        ("X-Forwarded-For", PHONE),
        ("X-SSL-Client-Verify", verify),
        ("X-SSL-Client-Cert", certificate(mac)),
    ]


committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]


@pytest.fixture(autouse=True)
def _the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of budgets do not move, so that two answers tell the same time to wait."""
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=lambda: 1000.0))


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("https://pbx.example/cfg/", "https://pbx.example/cfg/"),
        ("http://pbx.example:8080/{MAC ADDRESS}.cfg?x=1", "http://pbx.example:8080/00908F9D8992.cfg?x=1"),
        ("ftp://10.1.2.3", "ftp://10.1.2.3"),
        ("tftp://pbx.example/{CUSTOMER NAME}/", "tftp://pbx.example/Caf%C3%A9%20%26%20%7BMAC%20ADDRESS%7D/"),
    ],
)
@committed
def test_a_device_with_a_location_is_redirected(cast: Cast, template: str, expanded: str):
    group = make_group("Café & {MAC ADDRESS}", cast.reseller)
    device = make_device(group, "00908F9D8992", make_location(group, template))
    before = datetime.now(UTC).replace(microsecond=0)
    response = ask("/00908F9D8992")
    assert response == Response(302, {"location": expanded, **REDIRECTED}, b"")
    device.refresh_from_db()
    assert (device.num_requests, device.last_access_status) == (2, AccessStatus.SUCCESS)
    assert device.location is not None
    assert device.last_access == device.location.last_access
    assert device.last_access is not None
    assert device.last_access.microsecond == 0
    assert before <= device.last_access <= datetime.now(UTC)


@committed
def test_every_spelling(cast: Cast):
    make_device(cast.provider, "00908F9D8992", make_location(cast.provider))
    for spelled in ("00908F9D8992", "00908f9d8992", "00:90:8F:9D:89:92", "00-90-8f-9d-89-92"):
        for suffix in ("", ".cfg", ".ini", ".xml", ".txt", ".CFG"):
            assert ask(f"/{spelled}{suffix}").status == 302


@committed
def test_unknown_without_location_and_without_certificate_look_the_same(cast: Cast):
    unassigned = make_device(cast.provider)
    strict = make_location(cast.provider, mutual_auth=True)
    bare, other, unverified = (make_device(cast.provider, location=strict) for _ in range(3))
    assert ask(f"/{UNKNOWN}") == refused(UNKNOWN)
    assert ask(f"/{unassigned.mac}") == refused(unassigned.mac)
    assert ask(f"/{bare.mac}") == refused(bare.mac)
    assert ask(f"/{other.mac}", headers=showing(UNKNOWN), source=PROXY) == refused(other.mac)
    failed = showing(unverified.mac, "FAILED:unable to verify the first certificate")
    assert ask(f"/{unverified.mac}", headers=failed, source=PROXY) == refused(unverified.mac)
    # Not from the proxy: a client that sends such headers itself has shown nothing.
    assert ask(f"/{bare.mac}", headers=showing(bare.mac)) == refused(bare.mac)
    rows = Device.objects.filter(num_requests__gt=0).values_list("num_requests", "last_access_status")
    assert sorted(rows) == [(2, AccessStatus.FAIL)] * 3 + [(4, AccessStatus.FAIL)]
    strict.refresh_from_db()
    assert strict.last_access is None


@committed
def test_a_good_certificate_opens_a_location_that_wants_one(cast: Cast):
    location = make_location(cast.provider, mutual_auth=True)
    device = make_device(cast.provider, location=location)
    response = ask(f"/{device.mac}", headers=showing(device.mac), source=PROXY)
    assert response == Response(302, {"location": location.url, **REDIRECTED}, b"")


@committed
def test_over_the_budget_of_misses_all_misses_get_429_and_known_phones_are_redirected(
    cast: Cast, settings: Settings
):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 3
    known = make_device(cast.provider, location=make_location(cast.provider))
    unassigned = make_device(cast.provider)
    bare = make_device(cast.provider, location=make_location(cast.provider, mutual_auth=True))
    for number in range(3):
        assert ask(f"/00908FAAAAA{number}").status == 404
    assert ask("/00908FAAAAA0").status == 404  # the same MAC again is no scan
    over = [ask(f"/{mac}") for mac in (UNKNOWN, unassigned.mac, bare.mac)]
    waits = [int(response.headers.pop("retry-after")) for response in over]
    assert all(1 <= wait <= 60 for wait in waits)
    assert over[0] == over[1] == over[2]
    assert over[0].status == 429
    assert list(json.loads(over[0].body)) == ["description"]
    assert over[0].headers["cache-control"] == "no-store"
    assert ask(f"/{known.mac}").status == 302
    assert ask(f"/{UNKNOWN}", source="192.0.2.8").status == 404  # another source has its own
    bare.refresh_from_db()
    assert (bare.num_requests, bare.last_access_status) == (2, AccessStatus.FAIL)


@committed
def test_one_ipv6_network_is_one_source(settings: Settings):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 1
    assert ask("/00908FAAAAA0", source="2001:db8::1").status == 404
    assert ask("/00908FAAAAA1", source="2001:db8::ffff:2").status == 429
    assert ask("/00908FAAAAA1", source="2001:db8:0:1::1").status == 404


class UnavailableRecorder:
    from_replica = 0
    is_connected = False
    owed = 0

    async def open(self) -> None:
        pass

    async def record(self, batch: Sequence[BootRequest]) -> Any:
        raise DatabaseUnavailable("no database")

    async def close(self) -> None:
        pass


def test_when_the_service_cannot_tell(monkeypatch: pytest.MonkeyPatch):
    def unavailable(request: BootRequest) -> Any:
        raise OperationalError("no database")

    monkeypatch.setattr("boot.database.open_recorder", UnavailableRecorder)
    monkeypatch.setattr(database, "record", unavailable)
    seen = set()
    for _ in range(8):
        responses = ask_asgi(f"/{UNKNOWN}"), ask_wsgi(f"/{UNKNOWN}")
        waits = [int(response.headers.pop("retry-after")) for response in responses]
        assert all(5 <= wait <= 30 for wait in waits)
        seen.update(waits)
        assert responses[0] == responses[1]
        assert responses[0].status == 503
        assert responses[0].headers["content-type"] == "application/json"
        assert list(json.loads(responses[0].body)) == ["description"]
    assert len(seen) > 2  # phones come back at different times


@pytest.mark.parametrize(
    "path",
    [
        "/00908F9D899",
        "/00908F9D89922",
        "/00908F9D8992.bin",
        "/00:908F9D8992",
        "/é",
        "/favicon.ico",
        "/y000000000065.cfg",
        "/002e3a6fe532d90943e6fcaf08e1a408/y000000000065.cfg",
    ],
)
def test_what_no_phone_asks_for_is_not_found_without_django(path: str):
    assert ask(path) == not_found("Not found.")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/nothing",
        "/%61pi/00908F9D8992",
        "/admin/x/00908F9D8992.cfg",
        "/healthz/",
    ],
)
def test_the_services_own_addresses_are_never_a_phones(path: str):
    asgi, wsgi = ask_asgi(unquote(path)), ask_wsgi(path)
    assert asgi.status == wsgi.status
    assert asgi.status in (200, 302, 404)
    assert "x-request-id" in asgi.headers
    assert "x-request-id" in wsgi.headers


def test_uploads_are_never_a_phones_also_while_device_management_is_off(monkeypatch: pytest.MonkeyPatch):
    """nginx sends them to the API whatever is on."""
    monkeypatch.setattr(request, "get_resolver", lambda: SimpleNamespace(url_patterns=[]))
    assert "uploads" in request.own_segments.__wrapped__()


@committed
def test_head_is_get_without_the_body(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    assert ask(f"/{device.mac}", "HEAD") == ask(f"/{device.mac}")
    gotten, headed = ask(f"/{UNKNOWN}"), ask(f"/{UNKNOWN}", "HEAD")
    assert (headed.status, headed.headers, headed.body) == (gotten.status, gotten.headers, b"")
    device.refresh_from_db()
    assert device.num_requests == 4


@committed
def test_other_methods_are_refused_and_not_counted(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        response = ask(f"/{device.mac}", method)
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
        assert list(json.loads(response.body)) == ["description"]
        assert ask(f"/{UNKNOWN}", method) == response
        for path in ("/boot.log", "/T46S.rom", "/log/00908F9D8992/x/y", "/?x=1"):
            # By POST nothing is sent that is a phone's alone: an unknown address is unknown, as it is in the API.
            assert ask(path, method) == (ask(path) if method == "POST" else response)
    device.refresh_from_db()
    assert device.num_requests == 0
    assert not Access.objects.exists()


@committed
def test_any_host_or_none(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    for host in ([], [("Host", "evil.example")], [("Host", "[::1")], [("Host", "")]):
        assert ask(f"/{device.mac}", headers=host).status == 302


@committed
def test_a_changed_association_is_true_for_the_next_request(cast: Cast):
    one, two = make_location(cast.provider), make_location(cast.provider, "https://two.example/")
    device = make_device(cast.provider, location=one)
    assert ask(f"/{device.mac}").headers["location"] == one.url
    Device.objects.update(location=two)
    assert ask(f"/{device.mac}").headers["location"] == two.url
    Device.objects.update(location=None)
    assert ask(f"/{device.mac}").status == 404


# --- What is written down of it -------------------------------------------------------------------------------


@pytest.fixture(params=[ask_asgi, ask_wsgi], ids=["asgi", "wsgi"])
def under(request: pytest.FixtureRequest) -> Iterator[Any]:
    return request.param  # type: ignore[no-any-return]


@committed
def test_the_log_of_a_redirect(cast: Cast, under: Any):
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}", mutual_auth=True)
    device = make_device(cast.provider, location=location)
    agent = "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1"
    before = datetime.now(UTC)
    under(f"/{device.mac}.cfg", headers=[("User-Agent", agent), *showing(device.mac)], source=PROXY)
    row = Access.objects.get()
    assert before <= row.time <= datetime.now(UTC)
    assert (row.mac, row.device_id, row.group_id) == (device.mac, device.pk, cast.provider.pk)
    assert (row.outcome, row.address, row.user_agent) == (Outcome.REDIRECTED, PHONE, agent)
    assert (row.certificate_subject, row.location_url) == (f"CN=Client_{device.mac}", location.url)
    assert row.counted


@committed
def test_the_log_of_what_was_not_redirected(cast: Cast, under: Any):
    unassigned = make_device(cast.provider)
    strict = make_location(cast.provider, mutual_auth=True)
    device = make_device(cast.provider, location=strict)
    under(f"/{UNKNOWN}")
    under(f"/{unassigned.mac}")
    under(f"/{device.mac}")
    under(f"/{device.mac}", headers=showing(UNKNOWN), source=PROXY)
    rows = Access.objects.order_by("time", "id").values_list(
        "mac", "device_id", "group_id", "outcome", "certificate_subject", "location_url"
    )
    known = device.mac, device.pk, cast.provider.pk
    assert list(rows) == [
        (UNKNOWN, None, None, Outcome.UNKNOWN, None, None),
        (unassigned.mac, unassigned.pk, cast.provider.pk, Outcome.NO_LOCATION, None, None),
        (*known, Outcome.CERTIFICATE_REQUIRED, None, strict.url),
        (*known, Outcome.CERTIFICATE_MISMATCH, f"CN=Client_{UNKNOWN}", strict.url),
    ]
    assert set(Access.objects.values_list("user_agent", flat=True)) == {""}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("x" * 300, "x" * 200),
        ("a\x1b[31mred\tb", "a?[31mred?b"),
        ("caf\xe9 \x85\xad", "café ??"),
    ],
)
@committed
def test_a_user_agent_is_cut_and_cleaned(cast: Cast, under: Any, sent: str, kept: str):
    under(f"/{make_device(cast.provider).mac}", headers=[("User-Agent", sent)])
    assert Access.objects.get().user_agent == kept


@committed
def test_an_unreadable_certificate_is_no_certificate(cast: Cast, under: Any):
    device = make_device(cast.provider, location=make_location(cast.provider, mutual_auth=True))
    shown = [("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-Cert", "%2D%2Dnonsense%00")]
    assert under(f"/{device.mac}", headers=shown, source=PROXY).status == 404
    row = Access.objects.get()
    assert (row.outcome, row.certificate_subject) == (Outcome.CERTIFICATE_MISMATCH, None)


@committed
def test_the_address_is_the_last_one_that_is_no_trusted_proxy(cast: Cast, under: Any):
    device = make_device(cast.provider)
    under(f"/{device.mac}", headers=[("X-Forwarded-For", "1.1.1.1, 2001:db8::5, 10.0.0.9")], source=PROXY)
    under(f"/{device.mac}", headers=[("X-Forwarded-For", "1.1.1.1")], source=PHONE)
    addresses = Access.objects.order_by("time", "id").values_list("address", flat=True)
    assert list(addresses) == ["2001:db8::5", PHONE]


@committed
def test_unknown_macs_are_logged_within_the_budget_only(cast: Cast, under: Any, settings: Settings):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 3
    unassigned = make_device(cast.provider)
    for number in range(8):
        under(f"/00908FAAAAA{number}")
    logged = Access.objects.order_by("mac").values_list("mac", flat=True)
    assert list(logged) == [f"00908FAAAAA{number}" for number in range(3)]
    assert under(f"/{unassigned.mac}").status == 429
    assert Access.objects.filter(device_id=unassigned.pk).count() == 1  # a known one is logged always
    device = Device.objects.get()
    assert device.num_requests == 1


@committed
def test_many_phones_at_once_over_one_application(cast: Cast):
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}")
    devices = [make_device(cast.provider, location=location) for _ in range(40)]
    macs = [device.mac for device in devices] * 5

    async def storm() -> list[str]:
        application = BootApplication(DJANGO)

        async def one(mac: str) -> str:
            scope = {"type": "http", "method": "GET", "path": f"/{mac}", "headers": [], "client": (PHONE, 1)}
            communicator = ApplicationCommunicator(application, scope)
            start = await communicator.receive_output(60)
            await communicator.receive_output(60)
            assert start["status"] == 302
            return str(dict(start["headers"])[b"Location"], "ascii")

        answers = await asyncio.gather(*(one(mac) for mac in macs))
        await close(application)
        return answers

    assert asyncio.run(storm()) == [f"https://pbx.example/{mac}" for mac in macs]
    assert set(Device.objects.values_list("num_requests", flat=True)) == {5}
    assert Access.objects.count() == 200
