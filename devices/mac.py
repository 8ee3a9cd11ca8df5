"""MAC addresses: 12 upper-case hexadecimal digits inside, pairs joined by colons in answers.

Source: section 8.1 of the manual (LTRT-23604); pairs joined by ``-`` are accepted beyond it.
"""

import re
from collections.abc import Callable

# The separator of the first two pairs, or its absence, is that of all.
_MAC = r"[0-9A-F]{2}(?P<separator>[:-]?)(?:[0-9A-F]{2}(?P=separator)){4}[0-9A-F]{2}"

_ANY_SPELLING = re.compile(_MAC, re.ASCII | re.IGNORECASE)

_HEX = "[0-9A-Fa-f]"
_ANYWHERE = re.compile(
    rf"(?<!{_HEX})(?:{_HEX}{{2}}(?P<pairs>[:\-_. ]?)(?:{_HEX}{{2}}(?P=pairs)){{4}}{_HEX}{{2}}"
    rf"|{_HEX}{{4}}(?P<fours>[.:\- ])(?:{_HEX}{{4}}(?P=fours)){_HEX}{{4}}"
    rf"|{_HEX}{{6}}[.:\- ]{_HEX}{{6}})(?!{_HEX})"
)
# Request ids and the like, whose last part looks like a MAC.
_UUID = re.compile(rf"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}")

# Files that all phones of a model ask for, which are no phone's: Yealink's and Akuvox's.
_OF_A_MODEL = re.compile(r"(?<![0-9a-z])[yr]\d{12}(?![0-9a-z])", re.ASCII | re.IGNORECASE)

# 15651234E5, as spreadsheet programs write it: its digits and its E may be as many as those of a MAC.
_NUMBER = re.compile(r"(?<![\w.,])\d[.,]\d+E[+-]?\d{1,3}(?![\w.,])", re.ASCII | re.IGNORECASE)

RESERVED = "{} is reserved: no device has a MAC of zeros only, or one whose first octet is odd (a group address)."

_FRAGMENT = re.compile(r"[:-]*[0-9A-F][0-9A-F:-]*", re.ASCII | re.IGNORECASE)


# What word processors and Asian keyboards make of - and of :
_SEPARATORS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
    | dict.fromkeys("\u2236\ua789\uff1a", ":")
)
_OCTETS = re.compile(rf"(?<![\w:-]){_HEX}{{1,2}}([:-])(?:{_HEX}{{1,2}}\1){{4}}{_HEX}{{1,2}}(?![\w:-])")


class InvalidMAC(ValueError):
    """A text that is no MAC address of a device. ``str()`` is a sentence for a person."""

    def __init__(
        self, description: str = "Expected a MAC address such as 00:A0:C9:14:C8:29 or 00A0C914C829."
    ) -> None:
        super().__init__(description)


def normalize(text: str) -> str:
    """Turn any accepted spelling of a device's MAC into the 12 upper-case digits that are kept.

    Accepted are 12 hexadecimal digits, or six pairs joined all by ``:`` or all by ``-``, in any case; for
    anything else, and for a reserved MAC, InvalidMAC is raised. Source: manual, section 8.1.

    >>> normalize("00:a0:c9:14:c8:29")
    '00A0C914C829'
    """
    mac = parse(text)
    if is_reserved(mac):
        raise InvalidMAC(RESERVED.format(display(mac)))
    return mac


def parse(text: str) -> str:
    """Turn a spelling that `normalize` accepts into digits, also if the MAC is reserved.

    For finding and removing devices that were added before reserved MACs were refused. Raises InvalidMAC.
    """
    if not _ANY_SPELLING.fullmatch(text):
        raise InvalidMAC
    return _digits(text)


def is_reserved(mac: str) -> bool:
    """Whether a normalized MAC can be no device's: all zeros, or a group address, FF:FF:FF:FF:FF:FF among them.

    All zeros is the name of Polycom's master file, which every phone of theirs asks for. A group address has the
    lowest bit of its first octet set. Source: IEEE 802, section 8.2.

    >>> is_reserved("01005E000001")
    True
    """
    return mac == "000000000000" or mac[1] in "13579BDF"


def display(mac: str) -> str:
    """Spell a normalized MAC as every answer does. Source: manual, section 8.1.

    >>> display("00A0C914C829")
    '00:A0:C9:14:C8:29'
    """
    return f"{mac[:2]}:{mac[2:4]}:{mac[4:6]}:{mac[6:8]}:{mac[8:10]}:{mac[10:]}"


def with_plain_separators(text: str) -> str:
    """With - and : in the place of the dashes and colons that look like them. For people's texts."""
    return text.translate(_SEPARATORS)


def with_all_zeros(text: str) -> str | None:
    """The normalized MAC of six octets that are all written without leading zeros, as arp prints them, or None.

    Where one octet has its leading zero, an octet of one digit has lost another digit.

    >>> with_all_zeros("0:90:8f:ab:1:e"), with_all_zeros("00:90:8f:ab:01:e")
    ('00908FAB010E', None)
    """
    found = _OCTETS.search(text)
    octets = found[0].split(found[1]) if found else []
    if not octets or any(len(octet) == 2 and octet[0] == "0" for octet in octets):
        return None
    return "".join(octet.zfill(2) for octet in octets).upper()


def fragment(text: str) -> str | None:
    """Return the digits to look for in kept MACs when a search text may be part of one, else None.

    A part of a MAC consists of hexadecimal digits, at least one, and of ``:`` and ``-``.

    >>> fragment("c9:14")
    'C914'
    """
    return _digits(text) if _FRAGMENT.fullmatch(text) else None


def mentioned_in(text: str) -> list[str]:
    """Return the distinct MACs that a text mentions, normalized, in their order.

    Here also groups of four digits and pairs joined by ``.``, ``_`` or spaces are known, as other makers' devices
    write them, and a MAC may stand anywhere. For people's texts; a phone's request or the API needs no guessing.

    >>> mentioned_in("GET /00a0.c914.c829.cfg from 00-A0-C9-14-C8-30")
    ['00A0C914C829', '00A0C914C830']
    """
    if _ANY_SPELLING.fullmatch(text):
        return [_digits(text)]
    text = with_plain_separators(text)
    for no_mac in (_UUID, _OF_A_MODEL, _NUMBER):
        text = no_mac.sub(" ", text)
    return list(dict.fromkeys(re.sub(r"[^0-9A-F]", "", found[0].upper()) for found in _ANYWHERE.finditer(text)))


def _digits(text: str) -> str:
    return text.replace(":", "").replace("-", "").upper()


def or_none(read: Callable[[str], str], text: str) -> str | None:
    """Return what `normalize` or `parse` reads from a text, or None where it raises InvalidMAC."""
    try:
        return read(text)
    except InvalidMAC:
        return None
