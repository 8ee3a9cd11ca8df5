"""The URL of a location: where phones are sent, with placeholders filled in for each phone.

``[Protocol]://[FQDN or IPv4][:Port][/path]``, with ``{MAC ADDRESS}`` and ``{CUSTOMER NAME}`` in the path or
query only, so that no name of a group can move a phone to another host.

Source: section 9.1 of the manual (LTRT-23604); RFC 3986 for the path, RFC 1123 section 2.1 for the host.
"""

import re
from ipaddress import IPv4Address
from urllib.parse import quote

MAX_HOST = 253
MAX_PATH = 1_000
MAX_LENGTH = 10 + len("://") + MAX_HOST + len(":65535") + len("/") + MAX_PATH

# What a browser runs or opens by itself, instead of fetching it from a host.
_REFUSED_PROTOCOLS = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})

_MAC_ADDRESS = "{MAC ADDRESS}"
_PLACEHOLDER = re.compile(r"\{MAC ADDRESS\}|\{CUSTOMER NAME\}")

_PARTS = re.compile(r"(?P<protocol>[^:/]*)://(?P<host>[^:/]*)(?::(?P<port>[^/]*))?(?:/(?P<path>.*))?", re.DOTALL)
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,9}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# Visible ASCII but # % \ { }, percent-encoded octets, and the placeholders.
_PATH = re.compile(rf"(?:[!\"$&-\[\]-z|~]|%[0-9A-Fa-f]{{2}}|{_PLACEHOLDER.pattern})*")

_PATH_PROBLEMS = {
    "{": "Braces may stand in the path only as {MAC ADDRESS} or {CUSTOMER NAME}.",
    "}": "Braces may stand in the path only as {MAC ADDRESS} or {CUSTOMER NAME}.",
    "%": "A percent sign in the path must be followed by two hexadecimal digits.",
    "#": "The path must not contain '#', as phones do not send what follows it; write %23.",
}
_PATH_PROBLEM = "The path must be ASCII without spaces, backslashes and control characters; percent-encode them."


class InvalidTemplate(ValueError):
    """A URL that no location may have. ``str()`` is a sentence for a person."""


def check(text: str) -> None:
    """Accept the URL of a location, or raise InvalidTemplate saying what is wrong with it.

    Narrower than the manual's "string of up to 1000 characters", the path (with its query) is visible ASCII
    without backslash. A ``#`` is refused: what follows it never reaches a server. So is a ``%`` that begins
    no encoded octet: with ``%{CUSTOMER NAME}`` the name would choose the octet. A port has no leading zeros,
    and ``?`` needs a ``/`` before it. A host of one label is valid, as in the manual's own examples. Source:
    manual, section 9.1.
    """
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise InvalidTemplate(
            "A URL must look like protocol://host, protocol://host:port or protocol://host:port/path."
        )
    _check_protocol(parts["protocol"])
    _check_host(parts["host"])
    _check_port(parts["port"])
    _check_path(parts["path"] or "")


def expand(template: str, *, mac: str, customer: str) -> str:
    """Return the URL for one phone from a template that ``check`` accepts.

    ``mac`` is the phone's normalized MAC; ``customer`` is any text, the name of the phone's group, and is
    percent-encoded with nothing safe. What was filled in is not expanded again. Source: manual, section 9.1.

    >>> expand("https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg", mac="00908F9D8992", customer="A & B")
    'https://pbx.example/A%20%26%20B/00908F9D8992.cfg'
    """
    return _PLACEHOLDER.sub(lambda found: mac if found[0] == _MAC_ADDRESS else _encoded(customer), template)


def _check_protocol(protocol: str) -> None:
    if not _PROTOCOL.fullmatch(protocol):
        raise InvalidTemplate(
            "The protocol must be 1 to 10 characters, a letter first, then letters, digits, '+', '.' or '-'."
        )
    if protocol.lower() in _REFUSED_PROTOCOLS:
        raise InvalidTemplate(f"The protocol {protocol.lower()} is not allowed.")


def _check_host(host: str) -> None:
    if not (_is_ipv4(host) or _is_fqdn(host)):
        raise InvalidTemplate(
            "The host must be a domain name or an IPv4 address, with only a port or a path behind it, "
            "and without a user name, a password or placeholders."
        )


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_fqdn(host: str) -> bool:
    labels = host.split(".")
    return len(host) <= MAX_HOST and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _check_port(port: str | None) -> None:
    if port is not None and not (_PORT.fullmatch(port) and int(port) <= 65535):
        raise InvalidTemplate("The port must be a number from 1 to 65535.")


def _check_path(path: str) -> None:
    if len(path) > MAX_PATH:
        raise InvalidTemplate(f"The path must be at most {MAX_PATH:,} characters.")
    if unreadable := _PATH.sub("", path, count=1):
        raise InvalidTemplate(_PATH_PROBLEMS.get(unreadable[0], _PATH_PROBLEM))


def _encoded(customer: str) -> str:
    # Quoting leaves dots alone, and a name of dots would be a step up or down in the path.
    if not customer.strip("."):
        return "%2E" * len(customer)
    return quote(customer, safe="", errors="replace")
