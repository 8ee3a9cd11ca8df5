"""The URL of a location: where phones are sent, with placeholders filled in for each phone.

``[Protocol]://[FQDN or IPv4][:Port][/path]``, with placeholders in the path or query only, so that no name of a
group can move a phone to another host. ``{MAC ADDRESS}`` and ``{CUSTOMER NAME}`` are the manual's; beyond it
``{mac address}`` is the MAC in lower case, and ``{FILE NAME}`` the file that the phone asked for, since each maker
insists on names and case of its own.

Source: section 9.1 of the manual (LTRT-23604); RFC 3986 for the path, RFC 1123 section 2.1 for the host.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address
from urllib.parse import quote

MAX_HOST = 253
MAX_PATH = 1_000
MAX_LENGTH = 10 + len("://") + MAX_HOST + len(":65535") + len("/") + MAX_PATH

# What a browser runs or opens by itself, instead of fetching it from a host.
_REFUSED_PROTOCOLS = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})

_UNUSABLE_PROTOCOLS = frozenset({"tftp", "ftp"})

FILE_NAME = "{FILE NAME}"
_PLACEHOLDER = re.compile(r"(\{(?:MAC ADDRESS|mac address|FILE NAME|CUSTOMER NAME)\})")

_PARTS = re.compile(r"(?P<protocol>[^:/]*)://(?P<host>[^:/]*)(?::(?P<port>[^/]*))?(?:/(?P<path>.*))?", re.DOTALL)
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,9}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# Visible ASCII but # % \ { }, percent-encoded octets, and the placeholders.
_PATH = re.compile(rf"(?:[!\"$&-\[\]-z|~]|%[0-9A-Fa-f]{{2}}|{_PLACEHOLDER.pattern})*")

# What stands for the MAC, the file or the model in other redirect portals and provisioning servers: Yealink's and
# Fanvil's $mac, Cisco's $MA, $MAU, $PN and $PSN, Gigaset's %MACD, Auerswald's <MACADR>, Panasonic's {MAC}, Snom's
# {mac}. A phone would get it as it is, and ask for a file of that name.
_FOREIGN = re.compile(
    r"\$[({]?(?:mac(?:_?addr(?:ess)?)?|mau?)[)}]?(?![0-9a-z])"
    r"|%{1,2}mac[a-z]{0,8}%{0,2}|<mac[ _a-z]{0,16}>|\[mac[ _a-z]{0,16}\]|__mac[_a-z]{0,16}__"
    r"|@mac@|\$[({]?p(?:sn?|n)[)}]?(?![0-9a-z])"
    r"|\{{1,2}[ $%]?mac[ _-]?(?:addr(?:ess)?)?[ ]?\}{1,2}|\{{1,2}[ $%]?file[ _-]?(?:name)?[ ]?\}{1,2}",
    re.ASCII | re.IGNORECASE,
)

_BRACES = "Braces may stand in the path only as {MAC ADDRESS}, {mac address}, {FILE NAME} or {CUSTOMER NAME}"
_PATH_PROBLEMS = {
    "{": f"{_BRACES}.",
    "}": f"{_BRACES}.",
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


def expand(template: str, *, mac: str, customer: str, file_name: str = "") -> str:
    """Return the URL for one phone from a template that ``check`` accepts.

    ``mac`` is the phone's normalized MAC; ``customer`` is any text, the name of the phone's group, and is
    percent-encoded with nothing safe. ``file_name`` is the file that the phone asked for, as it stood in the
    request, or "" where it asked for none: ``{FILE NAME}`` is then ``<MAC>.cfg``. A template that ends in a slash
    is a directory, and gets the file's name behind it, byte for byte; without a file it stays as it is, since
    AudioCodes phones append theirs themselves. What was filled in is not expanded again.
    Source: manual, section 9.1.

    >>> expand("https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg", mac="00908F9D8992", customer="A & B")
    'https://pbx.example/A%20%26%20B/00908F9D8992.cfg'
    >>> expand("https://pbx.example/snom/", mac="000413922D24", customer="", file_name="000413922D24.htm")
    'https://pbx.example/snom/000413922D24.htm'
    """

    pieces = _pieces(template)
    if len(pieces) > 1:
        values = {"{MAC ADDRESS}": mac, "{mac address}": mac.lower(), "{CUSTOMER NAME}": _encoded(customer)}
        if FILE_NAME in pieces:
            values[FILE_NAME] = _encoded_name(file_name or f"{mac}.cfg")
        pieces = [values[piece] if place % 2 else piece for place, piece in enumerate(pieces)]
    url = "".join(pieces)
    appended = file_name and template.endswith("/") and FILE_NAME not in template
    return url + _encoded_name(file_name) if appended else url


@lru_cache(maxsize=10_000)  # all phones of a location need it
def _pieces(template: str) -> list[str]:
    """The text of a template, with a placeholder at each odd place."""
    return _PLACEHOLDER.split(template)


def depends_on_file(template: str) -> bool:
    """Whether ``expand`` gives another URL for each file that a phone asks for."""
    return FILE_NAME in template or template.endswith("/")


def warning(template: str) -> str | None:
    """A sentence on a URL that is accepted, but that no phone follows in an answer over HTTP; else None."""
    protocol = template.partition("://")[0].lower()
    if protocol in _UNUSABLE_PROTOCOLS:
        return f"Phones ask this service over HTTP and follow no redirect to {protocol}; use http or https."
    return None


def leads_back(template: str, own_hosts: Collection[str]) -> bool:
    """Whether the URL's host is one of the service's own names, where the phone would be sent in a circle.

    ``own_hosts`` is as Django's ALLOWED_HOSTS: ".example.com" stands for a domain with all below it; "*" says
    nothing of what is the service's own.
    """
    host = template.partition("://")[2].partition("/")[0].partition(":")[0].lower()
    own = [name.lower() for name in own_hosts]
    return any(host == name.lstrip(".") or (name[:1] == "." and host.endswith(name)) for name in own)


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
    if foreign := _FOREIGN.search(_PLACEHOLDER.sub("\n", path)):
        raise InvalidTemplate(_foreign_problem(foreign[0]))
    if unreadable := _PATH.sub("", path, count=1):
        raise InvalidTemplate(_PATH_PROBLEMS.get(unreadable[0], _PATH_PROBLEM))


def _foreign_problem(text: str) -> str:
    """The sentence on another system's placeholder: which one to write instead."""
    if "file" in text.lower():
        instead = FILE_NAME
    elif "ma" not in text.lower():
        return (
            f"{text} is a placeholder of another system, and phones would get it as it is. Write the value itself."
        )
    elif text.isupper() and text.strip("${()}") != "MA":  # Cisco's $MA is in lower case
        instead = "{MAC ADDRESS} for the MAC in upper case, {mac address} for lower case"
    else:
        instead = "{mac address} for the MAC in lower case, {MAC ADDRESS} for upper case"
    if text[0] == "{":
        return f"{_BRACES}. Instead of {text} write {instead}."
    return f"{text} is a placeholder of another system, and phones would get it as it is. Write {instead}."


def _encoded_name(file_name: str) -> str:
    # What was encoded in the request stays so. A name of dots would be a step in the path.
    if not file_name.strip("."):
        return "%2E" * len(file_name)
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", file_name), safe="%!$'()*,;:@", errors="replace")


@lru_cache(maxsize=10_000)  # all phones of a customer need it
def _encoded(customer: str) -> str:
    # Quoting leaves dots alone, and a name of dots would be a step up or down in the path.
    if not customer.strip("."):
        return "%2E" * len(customer)
    return quote(customer, safe="", errors="replace")
