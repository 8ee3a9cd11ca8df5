"""Which addresses the service may connect to for a tenant: tenants choose the URL, the operator the networks."""

import contextlib
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Clouds give their machines secrets at these: AWS, Azure, Google and others, Alibaba, Oracle.
METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192"))
)
_NAT64 = ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The service does not connect there. ``str()`` is a sentence for the one who gave the address."""


_LABEL = re.compile("[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def is_host(text: str) -> bool:
    """Whether an ASCII text can be the host of a URL: an address, or a name of RFC 1123 that is no broken address.

    >>> [is_host(text) for text in ("hooks.example", "2001:db8::1", "a..b", "256.1.1.1", "xn--.example")]
    [True, True, False, False, False]
    """
    with contextlib.suppress(ValueError):
        ip_address(text)
        return True
    name = text.removesuffix(".")
    labels = name.split(".")
    try:
        name.encode("ascii").decode("idna")
    except UnicodeError:
        return False
    return len(name) < 254 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


@dataclass(frozen=True)
class Rules:
    """What the deployment allows. `ports` are pairs of first and last; `loopback` is for trials and tests.

    `public`: any address of the public internet too. `setting` is how the names of the settings begin.
    """

    networks: tuple[IPv4Network | IPv6Network, ...]
    ports: tuple[tuple[int, int], ...]
    loopback: bool = False
    public: bool = False
    setting: str = "MANAGEMENT"

    def check_port(self, port: int) -> None:
        """Raises AddressRefused."""
        if not any(first <= port <= last for first, last in self.ports):
            raise AddressRefused(f"Port {port} is not one of {self.setting}_PORTS.")

    def check(self, address: Address) -> None:
        """Raises AddressRefused."""
        plain = _plain(address)
        if not self._is_within(plain):
            raise AddressRefused(f"The address {plain} is not inside {self.setting}_NETWORKS.")
        for each in (*_embedded(plain), plain):
            if each.is_loopback:
                if not self.loopback:
                    raise AddressRefused(f"The address {plain} is this machine's own (loopback).")
            elif each in METADATA:
                raise AddressRefused(f"The address {plain} is one where clouds tell secrets (metadata).")
            elif each.is_link_local or each.is_multicast or each.is_unspecified or each.is_reserved:
                raise AddressRefused(f"The address {plain} is link-local, a group's, or reserved.")
            elif _is_own(each):
                raise AddressRefused(f"The address {plain} is the service's own.")

    def _is_within(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        reached = (address, *_embedded(address))
        return self.public and all(each.is_global or (self.loopback and each.is_loopback) for each in reached)

    def check_text(self, host: str, port: int) -> None:
        """As `check` and `check_port`, of an address as it is written; a name is left to `resolve`."""
        self.check_port(port)
        try:
            address = ip_address(host)
        except ValueError:
            return
        self.check(address)

    def resolve(self, host: str, port: int) -> str:
        """The address to connect to; raises AddressRefused if none is allowed, OSError if the name has none.

        The caller connects to this very address: a second look-up could answer another one.
        """
        self.check_port(port)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        refused: AddressRefused | None = None
        for address in _addresses(found):
            try:
                self.check(address)
            except AddressRefused as error:
                refused = refused or error
            else:
                return str(address)
        raise refused or OSError("The name has no address.")


def _addresses(found: Iterable[Sequence[object]]) -> Iterable[Address]:
    for entry in found:
        place = entry[4]
        assert isinstance(place, tuple)
        yield ip_address(str(place[0]).partition("%")[0])


def _plain(address: Address) -> Address:
    """An IPv4 address for one that is mapped into IPv6."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _embedded(address: Address) -> Iterable[Address]:
    """The IPv4 addresses that a gateway would make of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_own(address: Address) -> bool:
    """Whether an interface of this machine has it: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False
