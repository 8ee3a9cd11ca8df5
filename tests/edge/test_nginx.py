"""deploy/nginx.conf: who gets which request, and what nginx says by itself."""

import re

import pytest

from rig import HOST
from rig.nginx import Nginx
from tests.edge.conftest import Answer, any_server, ask

PHONES = [
    "/00908F9D8992",
    "/cfg000b828aa872.xml",
    "/y000000000065.cfg",
    "//00156527c764.cfg",
    "/prov/yealink/00156527c764.cfg?mac=00156527c764&qpass=x",
    "/?mac=000413922D24",
    "/settings-00%3A04%3A13%3A26%3A0A%3A0B.xml",
    "/7C2F80E0D605/1A2B/",
    "/api.cfg",
    "/administration",
    "/provisioning/api/v1/00908F9D8992",
    "/healthz/00908F9D8992",
    "/firmware/x.bin",
]
OWN = [
    "/api/v1/login",
    "/api",
    "/%61pi/v1/login",
    "//api//v1/login",
    "/x/../admin/",
    "/admin",
    "/admin/login/?next=/admin/",
    "/static/desk/icon.svg",
    "/healthz",
    "/readyz",
    "/metrics",
]


def ask_by(front: Nginx, door: str, request: str | bytes) -> Answer:
    port = {"plain": front.port, "tls": front.tls_port, "old": front.old_tls_port}[door]
    return ask(port, request, tls=None if door == "plain" else any_server())


@pytest.mark.parametrize("door", ["plain", "tls", "old"])
@pytest.mark.parametrize("target", PHONES)
def test_a_phone_is_a_phone_at_every_door(front: Nginx, door: str, target: str) -> None:
    answer = ask_by(front, door, f"GET {target}")
    assert (answer.status, answer.headers["Location"]) == (302, "http://pbx.example/")
    assert (answer.told["server"], answer.told["target"]) == ("phones", target)
    assert answer.told["headers"]["X-Forwarded-Proto"] == ("http" if door == "plain" else "https")


@pytest.mark.parametrize("target", OWN)
def test_the_services_own_addresses_are_served_by_https_only(front: Nginx, target: str) -> None:
    assert ask_by(front, "tls", f"GET {target}").told["server"] == "api"
    plain = ask_by(front, "plain", f"GET {target}")
    assert (plain.status, plain.headers["Location"]) == (301, f"https://redirect.example{target}")
    posted = ask_by(front, "plain", f"POST {target}")
    assert (posted.status, posted.told) == (403, {"description": "This is served by https only."})
    assert ask_by(front, "old", f"GET {target}").status == 404


def test_no_host_of_the_outside_stands_in_a_redirect(front: Nginx) -> None:
    for host in (b"evil.example", b"user:pass@redirect.example", b"prov_server", b""):
        answer = ask(front.port, b"GET /admin/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert answer.headers["Location"] == "https://redirect.example/admin/", host


@pytest.mark.parametrize("door", ["plain", "tls", "old"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_the_service_refuses_what_phones_upload_before_it_has_come(front: Nginx, door: str, method: str) -> None:
    """The body never comes: an nginx that waited for it would answer after ten seconds, or 413."""
    head = f"{method} /0004a11a1a1a-app.log HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    answer = ask_by(front, door, head.encode())
    assert (answer.told["server"], answer.told["method"]) == ("phones", method)


@pytest.mark.parametrize("door", ["plain", "tls", "old"])
@pytest.mark.parametrize(
    "head",
    [
        b"GET /00908F9D8992?a=1 HTTP/1.0\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\nUser-Agent: x\n",
        b"HEAD /00908F9D8992?a=1 HTTP/1.1\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\nHost:\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\nHost: prov_server\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\nHost: [2001:db8::1]\r\n",
        b"GET /00908F9D8992?a=1 HTTP/1.1\r\nHost: user:pass@redirect.example\r\n",
        b"GET http://redirect.example/00908F9D8992?a=1 HTTP/1.1\r\nHost: redirect.example\r\n",
    ],
)
def test_an_old_phones_host_costs_it_nothing(front: Nginx, door: str, head: bytes) -> None:
    answer = ask_by(front, door, head + (b"\n" if b"\r" not in head else b"\r\n"))
    assert answer.status == 302
    if not head.startswith(b"HEAD"):
        assert (answer.told["server"], answer.told["target"]) == ("phones", "/00908F9D8992?a=1")


def test_without_host_the_own_addresses_are_no_phones(front: Nginx) -> None:
    assert ask_by(front, "tls", b"GET /api/v1/devices?x=1 HTTP/1.1\r\n\r\n").told["server"] == "api"
    assert ask(front.port, b"GET /api/v1/devices?x=1 HTTP/1.1\r\n\r\n").status == 301
    assert ask(front.port, b"POST /00908F9D8992 HTTP/1.1\r\n\r\n").status == 400


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (rb"AVAYA/SIP12x0" + b"\x17/04.00.04.00", "AVAYA/SIP12x0?/04.00.04.00"),
        (b"a\x01\x02b", "a?b"),
        (b"plain", "plain"),
    ],
)
def test_a_control_byte_in_a_user_agent_does_not_reach_the_service(front: Nginx, sent: bytes, told: str) -> None:
    answer = ask(front.port, b"GET /00908F9D8992 HTTP/1.1\r\nHost: x\r\nUser-Agent: " + sent + b"\r\n\r\n")
    assert answer.told["headers"]["User-Agent"] == told


def test_the_service_is_told_what_nginx_knows_and_nothing_else(front: Nginx) -> None:
    spoofed = (
        "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
        "X-SSL-Client-Verify: SUCCESS\r\nX-SSL-Client-Cert: x\r\nX_SSL_Client_Verify: SUCCESS\r\n"
    )
    headers = ask(front.port, f"GET /00908F9D8992 HTTP/1.1\r\nHost: x\r\n{spoofed}\r\n".encode()).told["headers"]
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == (HOST, "http")
    assert not [name for name in headers if "SSL" in name.upper() or name == "X-Forwarded-Host"]
    by_tls = ask(front.tls_port, "GET /00908F9D8992", tls=any_server()).told["headers"]
    assert by_tls["X-SSL-Client-Verify"] == "NONE"


def test_one_request_id_for_nginx_and_the_service(front: Nginx) -> None:
    own = "0123456789abcdef0123456789abcdef"
    for sent, kept in ((own, True), ("x" * 32, False), ('a"b', False)):
        head = f"GET /api/v1/groups HTTP/1.1\r\nHost: x\r\nX-Request-ID: {sent}\r\n\r\n"
        told = ask(front.tls_port, head.encode(), tls=any_server()).told["headers"]["X-Request-ID"]
        assert (told == sent) is kept
        assert re.fullmatch("[0-9a-f]{32}", told)


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (b"NONSENSE\r\n\r\n", 400, "not valid HTTP"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "not valid HTTP"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /../00908F9D8992 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /../00908F9D8992 HTTP/1.1\r\n\r\n", 400, "not valid HTTP"),
        (b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, "not valid HTTP"),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Method"),
        (b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", 413, "too large"),
        (b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 33_000 + b"\r\n\r\n", 431, "headers"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"\r\nX: ".join([b"a" * 30_000] * 5) + b"\r\n\r\n",
            431,
            "headers",
        ),
        (b"POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "transfer encoding"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "version"),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.parametrize("door", ["plain", "tls", "old"])
def test_nginx_refuses_in_the_form_of_the_service(
    front: Nginx, door: str, request_: bytes, status: int, words: str
) -> None:
    if door != "tls" and status == 413:
        pytest.skip("what is uploaded to these doors goes to the phones' service, which refuses it unread")
    check_error(ask_by(front, door, request_), status, words)


def check_error(answer: Answer, status: int, words: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(answer.told) == ["description"]
    assert words in answer.told["description"]


def test_plain_http_on_the_port_of_tls(front: Nginx) -> None:
    check_error(ask(front.tls_port, "GET /00908F9D8992"), 400, "use https")


@pytest.mark.parametrize("door", ["plain", "tls", "old"])
@pytest.mark.parametrize(
    "head", [b"GET /00908F9D8992 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /00908F9D8992 HTTP/1.1\r\n\r\n"]
)
def test_a_service_that_is_away(away: Nginx, door: str, head: bytes) -> None:
    answer = ask_by(away, door, head)
    check_error(answer, 503, "try again later")
    assert answer.headers["Retry-After"] in {"10", "20", "30"}


def test_the_longest_request_reaches_the_service(front: Nginx) -> None:
    target = "/api/v1/devices?filter=" + "%F0%9F%93%9E" * 2_000 + "%2C00%3A90%3A8F%3A9D%3A89%3A92" * 100
    assert ask(front.tls_port, f"GET {target}", tls=any_server()).told["target"] == target
