"""Where the service connects to, and what it bears: each attack is refused or cut, by the kind that says so."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate

from management.drivers.base import DeviceError, Kind, Target, TlsPolicy
from management.transport import Transport
from redirect.http.addresses import AddressRefused, Rules
from tests.simulators.mediant import Mediant
from tests.simulators.server import Authority, Listener, Served

ALL = tuple(ip_network(text) for text in ("0.0.0.0/0", "::/0"))
ANY_PORT = ((1, 65535),)
TRIAL = Rules((ip_network("127.0.0.0/8"),), ANY_PORT, loopback=True)


# --- Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("169.254.7.7", "link-local"),
        ("fe80::1", "link-local"),
        ("0.0.0.0", "link-local"),  # noqa: S104
        ("::", "link-local"),
        ("224.0.0.1", "group"),
        ("255.255.255.255", "reserved"),
    ],
)
def test_addresses_that_are_never_connected_to(address: str, reason: str):
    with pytest.raises(AddressRefused, match=reason):
        Rules(ALL, ANY_PORT).check(ip_address(address))


def test_only_addresses_of_the_networks():
    rules = Rules((ip_network("10.4.0.0/16"), ip_network("2001:db8:1::/48")), ANY_PORT)
    for good in ("10.4.219.229", "::ffff:10.4.0.1", "2001:db8:1::5"):
        rules.check(ip_address(good))
    for bad in ("10.5.0.1", "::ffff:10.5.0.1", "2001:db8:2::5", "8.8.8.8"):
        with pytest.raises(AddressRefused, match="MANAGEMENT_NETWORKS"):
            rules.check(ip_address(bad))


def test_the_services_own_addresses_are_refused(monkeypatch: pytest.MonkeyPatch):
    """Whatever a socket can be bound to is an address of this machine."""
    bound: list[Any] = []
    monkeypatch.setattr(socket.socket, "bind", lambda self, place: bound.append(place))
    with pytest.raises(AddressRefused, match="own"):
        Rules(ALL, ANY_PORT).check(ip_address("10.4.219.229"))
    assert bound == [("10.4.219.229", 0)]


def test_ports():
    rules = Rules(ALL, ((80, 80), (8000, 8010)))
    for port in (80, 8000, 8010):
        rules.check_port(port)
    for port in (22, 81, 8011):
        with pytest.raises(AddressRefused, match="MANAGEMENT_PORTS"):
            rules.check_port(port)


# --- Servers that do as they like ------------------------------------------------------------------------------


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then calls `answer` with the connection."""

    def handle(connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(4096)
            if not piece:
                return
            received += piece
        requests.append(received)
        with contextlib.suppress(OSError):
            answer(connection)

    requests: list[bytes] = []
    listener = Listener(handle)
    listener.open()
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.end()


def transport(url: str, rules: Rules = TRIAL, **target: Any) -> Transport:
    return Transport(Target(url, "Admin", "secret", **({"allow_http": True} | target)), rules)


def failure_of(
    url: str, *, seconds: float = 5, cap: int = 1000, rules: Rules = TRIAL, **target: Any
) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        transport(url, rules, **target).read("/x", seconds=seconds, cap=cap, pauses=())
    return caught.value


def test_an_address_outside_is_refused_before_connecting():
    asked = threading.Event()
    with server(lambda connection: asked.set()) as url:
        outside = Rules((ip_network("10.0.0.0/8"),), ANY_PORT)
        error = failure_of(url, rules=outside)
    assert error.kind is Kind.FORBIDDEN
    assert "MANAGEMENT_NETWORKS" in str(error)
    assert not asked.is_set()


def test_a_name_that_changes_its_address_between_check_and_connection(monkeypatch: pytest.MonkeyPatch):
    """It is looked up once: what was checked is what is connected to."""
    looked_up: list[str] = []
    honest = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **more: Any) -> Any:
        if host != "device.example":
            return honest(host, *rest, **more)
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.66.66.66"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as url:
        named = url.replace("127.0.0.1", "device.example")
        assert transport(named).read("/x", seconds=5).content == b"ok"
    assert looked_up == ["device.example"]


def test_a_name_of_an_inner_address(monkeypatch: pytest.MonkeyPatch):
    inner = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **b: inner)
    error = failure_of("http://device.example", rules=Rules(ALL, ANY_PORT))
    assert (error.kind, error.sent) == (Kind.FORBIDDEN, False)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int):
    followed = threading.Event()
    with server(lambda connection: followed.set()) as elsewhere:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        with server(lambda connection: connection.sendall(head)) as url:
            error = failure_of(url)
    assert error.kind is Kind.PROTOCOL
    assert "redirect" in str(error)
    assert not followed.is_set()


def test_an_answer_of_a_gigabyte_is_cut():
    sent = [0]

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while sent[0] < 1073741824:
            sent[0] += connection.send(b"x" * 65536)

    with server(flood) as url:
        error = failure_of(url, cap=100_000)
    assert error.kind is Kind.TOO_LARGE
    assert sent[0] < 100_000_000


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_of_a_byte_at_a_time_is_cut_at_the_deadline(head: bytes):
    """Each byte comes well before the time-out of a read: it is the whole that has a deadline."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(b"H")

    with server(drip) as url:
        error = failure_of(url, seconds=0.4)
        over.set()
    assert error.kind is Kind.TIMEOUT


def test_a_compressed_answer_is_refused():
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
    with server(lambda connection: connection.sendall(head)) as url:
        assert failure_of(url).kind is Kind.PROTOCOL


def test_a_login_is_not_sent_by_plain_http_unless_allowed():
    asked = threading.Event()
    with server(lambda connection: asked.set()) as url:
        error = failure_of(url, allow_http=False)
    assert error.kind is Kind.PRECONDITION
    assert not asked.is_set()


# --- TLS -------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(key: bytes) -> Iterator[tuple[Served, Authority]]:
    authority = Authority()
    with Served(Mediant(key=key, password="secret"), authority=authority) as served:
        yield served, authority


def read_status(url: str, policy: TlsPolicy) -> int:
    return transport(url, tls=policy).read("/api/v1/status", seconds=10, pauses=()).status


def fingerprint_of(served: Served) -> str:
    text = ssl.get_server_certificate(("127.0.0.1", served.listener.port))
    return load_der_x509_certificate(ssl.PEM_cert_to_DER_cert(text)).fingerprint(SHA256()).hex()


def test_policies(secure: tuple[Served, Authority]):
    served, authority = secure
    for good in (
        TlsPolicy("ca", authority.pem),
        TlsPolicy("fingerprint", fingerprint=fingerprint_of(served)),
        TlsPolicy("none"),
    ):
        assert read_status(served.url, good) == 200
    before = len(served.device.journal)
    for bad in (
        TlsPolicy("system"),
        TlsPolicy("ca", Authority().pem),
        TlsPolicy("fingerprint", fingerprint="00" * 32),
    ):
        with pytest.raises(DeviceError) as caught:
            read_status(served.url, bad)
        assert (caught.value.kind, caught.value.sent) == (Kind.TLS, False)
    assert len(served.device.journal) == before  # the login was not sent


def test_no_tls_where_tls_is_expected(mediant: Served):
    with pytest.raises(DeviceError) as caught:
        read_status(mediant.url.replace("http:", "https:"), TlsPolicy("none"))
    assert caught.value.kind is Kind.TLS
