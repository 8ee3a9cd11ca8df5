"""Whose word is taken for where a request comes from."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from redirect.http.client_address import ForwardedMiddleware, apply_forwarded, source_of


@pytest.fixture(autouse=True)
def trusted(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network(text) for text in ("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1")]


def client_of(peer: str, forwarded_for: str | None = None) -> str:
    """REMOTE_ADDR as the rest of the service sees it."""
    meta = {"REMOTE_ADDR": peer}
    if forwarded_for is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded_for
    apply_forwarded(meta)
    return meta["REMOTE_ADDR"]


@pytest.mark.parametrize(
    "peer", ["10.0.0.1", "10.255.255.255", "127.0.0.1", "::ffff:10.0.0.1", "2001:db8:ffff::1", "2001:DB8:FFFF:9::"]
)
def test_a_trusted_proxy_names_the_client(peer: str) -> None:
    assert client_of(peer, "198.51.100.7") == "198.51.100.7"


@pytest.mark.parametrize(
    "peer",
    ["192.0.2.1", "11.0.0.1", "127.0.0.2", "::1", "2001:db8:fffe::1", "::ffff:192.0.2.1", "", "unix:", "10.0.0"],
)
def test_nobody_else_does(peer: str) -> None:
    assert client_of(peer, "198.51.100.7") == peer


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("  198.51.100.7  ", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.1,198.51.100.7,10.0.0.2", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.3, 10.0.0.2", "198.51.100.7"),
        ("203.0.113.1, unknown, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.7"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(forwarded_for: str, client: str) -> None:
    """All that stands before it may be invented."""
    assert client_of("10.0.0.1", forwarded_for) == client


@pytest.mark.parametrize(
    "forwarded_for",
    [
        "",
        ",",
        "unknown",
        "localhost",
        "_hidden",
        "198.51.100",
        "198.51.100.7.8",
        "0x7f.1",
        "198.051.100.7",
        "198.51.100.7 198.51.100.8",
        "198.51.100.7;",
        "<script>",
        "\x00",
        "198.51.100.0/24",
        "\u0663.\u0663.\u0663.\u0663",
        "203.0.113.1, nonsense",
        "203.0.113.1, ",
        "1" * 5000,
    ],
)
def test_what_is_no_address_is_not_believed(forwarded_for: str) -> None:
    """The proxy itself stands for whoever it did not name."""
    assert client_of("10.0.0.1", forwarded_for) == "10.0.0.1"


def test_a_proxy_that_names_nobody_is_the_client() -> None:
    assert client_of("10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_SSL",
        "HTTP_X_SSL_CLIENT_VERIFY",
        "HTTP_X_SSL_CLIENT_CERT",
        "HTTP_X_SSL_CLIENT_S_DN",
    ],
)
def test_what_only_a_proxy_may_say_is_dropped_from_others(header: str) -> None:
    for peer, kept in (("10.0.0.1", True), ("192.0.2.1", False)):
        meta = {"REMOTE_ADDR": peer, header: "SUCCESS", "HTTP_USER_AGENT": "AUDC", "HTTP_HOST": "x"}
        apply_forwarded(meta)
        assert (header in meta) is kept
        assert meta["HTTP_USER_AGENT"] == "AUDC"
        assert meta["HTTP_HOST"] == "x"


def test_nobody_is_trusted_by_default(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    for peer in ("127.0.0.1", "::1", "10.0.0.1"):
        assert client_of(peer, "198.51.100.7") == peer


def test_a_request_is_rewritten_before_it_goes_on() -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append((request.META["REMOTE_ADDR"], request.headers.get("X-Forwarded-For")))
        return HttpResponse()

    for peer in ("10.0.0.1", "192.0.2.1"):
        request = HttpRequest()
        request.META = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
        ForwardedMiddleware(view)(request)
    assert seen == [("198.51.100.7", "198.51.100.7"), ("192.0.2.1", None)]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("\x00", "unknown"),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(address: str, source: str) -> None:
    assert source_of(address) == source
