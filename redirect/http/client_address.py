"""The address of the client, and the headers that only a trusted proxy may set.

Such a header from any other peer is removed before all other code, so that no later rule can trust it by mistake.
"""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

PROXY_HEADERS = ("HTTP_X_FORWARDED_", "HTTP_X_SSL_CLIENT_")


class ForwardedMiddleware:
    """Sets REMOTE_ADDR to the client that a trusted proxy names; drops what an untrusted peer claims."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        apply_forwarded(request.META)
        return self.get_response(request)


def apply_forwarded(meta: dict[str, str]) -> None:
    """Rewrite a WSGI environment in place, as the middleware's docstring says."""
    if _is_trusted(meta.get("REMOTE_ADDR", "")):
        meta["REMOTE_ADDR"] = _client(meta["REMOTE_ADDR"], meta.get("HTTP_X_FORWARDED_FOR", ""))
    else:
        for name in [name for name in meta if name.startswith(PROXY_HEADERS)]:
            del meta[name]


@lru_cache(maxsize=10_000)  # phones ask from few addresses, and each asks here twice
def source_of(address: str) -> str:
    """What is limited as one source: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed or "unknown")


def _client(peer: str, forwarded_for: str) -> str:
    """The last address of X-Forwarded-For that is not itself a trusted proxy: all before it may be invented."""
    client = peer
    for entry in reversed(forwarded_for.split(",")):
        if parse_address(entry) is None:
            break
        client = entry.strip()
        if not _is_trusted(client):
            break
    return client


@lru_cache(maxsize=10_000)  # every phone asks here, most of them by the same proxies
def _is_trusted(address: str) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in settings.TRUSTED_PROXIES)


@lru_cache(maxsize=10_000)
def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """The address in its own type, an IPv4 one also where it is written as IPv6; None for what is none."""
    try:
        parsed = ip_address(address.strip())
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


@receiver(setting_changed)
def _forget_trusted(**_: object) -> None:
    """Tests change TRUSTED_PROXIES; nothing else does while the service runs."""
    _is_trusted.cache_clear()
