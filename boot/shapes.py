"""Who asks: from the bytes of a request to the MAC of the phone, or None for a request that is no phone's.

The path decides, then the query; a User-Agent is free text, and is believed only for a listed file that a whole
series of phones asks for, in its maker's whole form, where path and query name no MAC.

Source: contract section 8; the makers' forms in boot/makers.toml.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from boot import makers
from devices.mac import is_reserved

# No name or User-Agent in the table comes near these; longer ones are looked at no further.
MAX_SEGMENT = 128
MAX_REMEMBERED = 256
PATHS_REMEMBERED = 2_000
MAX_USER_AGENT = 300


class Kind(StrEnum):
    """Where in a request the MAC stands."""

    BARE = "bare"
    FILE = "file"
    DIRECTORY = "directory"
    QUERY = "query"
    COMMON = "common"


class Shape(NamedTuple):
    """A phone's request.

    ``mac`` is normalized. ``file_name`` is the last segment of the path as it was sent, still percent-encoded if
    it was, for the kinds FILE and COMMON; "" for the others. ``named_by`` is the maker whose file name this is.
    """

    mac: str
    kind: Kind
    file_name: str = ""
    named_by: str | None = None


_BARE, _FILE, _COMMON_FILE = Kind.BARE, Kind.FILE, Kind.COMMON  # a look into an enum takes as long as the pattern
_FLAGS = re.ASCII | re.IGNORECASE
_MAC = (
    r"(?P<mac>[0-9a-f]{2}(?P<by>[:_-]?)(?:[0-9a-f]{2}(?P=by)){4}[0-9a-f]{2}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})"
)
_SEPARATORS = str.maketrans("", "", ":-_.")
_AT_ONCE = re.compile(rb"/([0-9A-Fa-f]{12})")
_SPELLED = re.compile(_MAC, _FLAGS)


def _first_of(patterns: Iterable[str]) -> str:
    """One pattern of many, each a group of its own, whose name holds the row."""
    return "|".join(f"(?P<r{row}>{pattern})" for row, pattern in enumerate(patterns))


def _after(by: str) -> str:
    """The pattern of what may stand behind a MAC whose pairs are joined ``by`` this."""
    # What goes on in pairs or fours is longer than a MAC; and a name with two MACs names no phone.
    no_more = rf"(?!{by}[0-9a-f]{{2}}(?![0-9a-z]))(?!\.[0-9a-f]{{4}}(?![0-9a-z]))"
    return rf"{no_more}(?:[-_](?![0-9a-f]{{12}}(?![0-9a-z]))[0-9a-z]{{1,32}})?(?:\.([0-9a-z]{{1,8}})){{0,2}}"


_BEFORE = re.compile(_first_of(row.before for row in makers.NAMED), _FLAGS)
_ANY_BEFORE = "|".join(row.before for row in makers.NAMED)
_NAMED = re.compile(f"(?:{_ANY_BEFORE}){_MAC}{_after('(?P=by)')}", _FLAGS)
# The same for a path without dots, percent signs and the like, whose MAC is 12 digits: most of those with a file.
_NAMED_AT_ONCE = re.compile(
    rf"((?:/[0-9a-z_-]++){{0,8}})/({_ANY_BEFORE})([0-9a-f]{{12}}){_after('')}".encode("ascii"), re.IGNORECASE
)
_COMMON = re.compile(_first_of(row.name for row in makers.COMMON), _FLAGS)
_STARTS = re.compile(_first_of(row.pattern for row in makers.STARTS), _FLAGS)
_AGENTS: dict[str, list[re.Pattern[str]]] = {}
for _agent in makers.AGENTS:
    _AGENTS.setdefault(_agent.maker, []).append(re.compile(_agent.form.replace("{MAC}", _MAC), _FLAGS))

_REFUSED = frozenset(suffix.encode("ascii") for suffix in makers.REFUSED_SUFFIXES)

# In the directory of a phone: a file of any name, or an id such as Gigaset's, with a slash behind it.
_IN_DIRECTORY = re.compile(r"[0-9a-z._-]{0,64}", _FLAGS)
_ID = re.compile(r"[0-9a-z]{1,16}", _FLAGS)
# VTech's phones look for their directory under pb<MAC>.
_DIRECTORY = re.compile(rf"(?:pb)?{_MAC}", _FLAGS)


def _also_encoded(name: str) -> str:
    return "".join(f"(?:{letter}|%{ord(letter):x}|%{ord(letter.upper()):x})" for letter in name)


_PARAMETER = re.compile(
    rf"(?:\A|(?<=&))(?:{_also_encoded('mac')}|{_also_encoded('address')})=([^&]++)".encode(), re.IGNORECASE
)


def look(path: bytes, query: bytes = b"", user_agent: str = "", *, own: Collection[str] = ()) -> Shape | None:
    """Say which phone asks, by the first kind that fits, or None where no phone can be told.

    ``path`` and ``query`` are as they stand in the request line, percent-encoded (ASGI's ``raw_path`` and
    ``query_string``; ``from_environ`` for WSGI); ``user_agent`` is decoded as ISO 8859-1. ``own`` holds the first
    segments of the addresses that the service itself answers, in lower case: nothing below them is a phone's.
    The work grows with the length of path and query, not faster.

    >>> look(b"/prov/cfg000b828aa872.xml")
    Shape(mac='000B828AA872', kind=<Kind.FILE: 'file'>, file_name='cfg000b828aa872.xml', named_by=None)
    """
    if at_once := _AT_ONCE.fullmatch(path):  # most phones, at half of the cost
        mac = at_once[1].upper().decode("ascii")
        if not is_reserved(mac):
            return Shape(mac, _BARE)
    told = _remembered.get(path)
    if told is None:
        if shape := _file_at_once(path, own):
            return shape
        told = _told_by(path)
        if told.shape is None and len(path) <= MAX_REMEMBERED:
            _remember(path, told)
    if told.is_nobodys or told.first in own:
        return None
    if told.shape is not None:
        return told.shape
    given = _mac_parameters(query) if query else []
    return _by_query(given) if given else _by_user_agent(told, user_agent)


def is_own(path: bytes, own: Collection[str], query: bytes = b"") -> bool:
    """Whether the service itself answers a path as it stands in a request: ``own`` is as ``look`` wants it.

    The empty path without a query is its start page.

    >>> is_own(b"/%61pi/v1/devices", {"api"})
    True
    """
    if path in (b"", b"/"):
        return not query
    segments = unquote_to_bytes(path).decode("latin-1").split("/")
    return _first(segments) in own and not _steps_up(segments)


def maker_of(shape: Shape, user_agent: str) -> str | None:
    """The maker of a phone by its User-Agent or the name of its file, or None where they disagree or say nothing.

    Never by the MAC: makers resell each other's hardware.

    >>> maker_of(Shape("00908F9D8992", Kind.BARE), "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1")
    'AudioCodes'
    """
    found = _STARTS.match(user_agent)
    by_agent = makers.STARTS[_row(found)].maker if found else None
    if by_agent and shape.named_by and by_agent != shape.named_by:
        return None
    return by_agent or shape.named_by


def hint(user_agent: str) -> str | None:
    """The MAC that a User-Agent of a maker's whole form carries, for staff to read; nothing is decided by it."""
    for forms in _AGENTS.values():
        if (mac := _in_user_agent(user_agent, forms)) is not None:
            return mac
    return None


def from_environ(environ: dict[str, str]) -> tuple[bytes, bytes]:
    """Path and query for ``look`` from a WSGI environment whose PATH_INFO Django has decoded.

    gunicorn keeps the request line's target as RAW_URI, with its fragment; from PATH_INFO, which is decoded, the
    path is encoded again, so that both servers' requests give the same answer.
    """
    query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
    target = environ.get("RAW_URI", "")
    if not target:
        return quote(environ.get("PATH_INFO", ""), safe="/:", errors="replace").encode("ascii"), query
    before = target.partition("#")[0].partition("?")[0]
    path = re.sub(r"\Ahttps?://[^/]*+", "", before, flags=re.IGNORECASE)
    return path.encode("latin-1", "replace"), query


def _file_at_once(path: bytes, own: Collection[str]) -> Shape | None:
    """What ``_told_by`` tells of most paths that carry a MAC in a file's name, faster; None for all others."""
    found = _NAMED_AT_ONCE.fullmatch(path)
    if found is None:
        return None
    directory, before, digits, suffix = found.groups()
    name = path[len(directory) + 1 :].decode("ascii")
    first = directory.split(b"/", 2)[1].decode("ascii") if directory else name
    mac = digits.upper().decode("ascii")
    if first.lower() in own or (suffix and suffix.lower() in _REFUSED) or is_reserved(mac):
        return None
    if len(name) == 12:
        return Shape(mac, _BARE)
    return Shape(mac, _FILE, name, _maker_of_name(before))


@lru_cache(maxsize=1_000)  # a model or a word
def _maker_of_name(before: bytes) -> str | None:
    """The maker by what stands before the MAC in the name of a file."""
    return makers.NAMED[_row(_BEFORE.fullmatch(before.decode("ascii")))].maker or None


class _Told(NamedTuple):
    """What a path tells, whatever stands beside it in the request.

    ``first`` is the first segment, in lower case. ``is_nobodys`` tells of firmware and the like, of a step up, and
    of an encoded slash. ``makers`` are those whose phones ask for this file by a name without a MAC.
    """

    first: str
    is_nobodys: bool
    shape: Shape | None
    makers: Sequence[str]
    file_name: str


# Of paths that name no phone: the files that all phones of a model ask for are few, and asked for again and again.
_remembered: dict[bytes, _Told] = {}


def _remember(path: bytes, told: _Told) -> None:
    if len(_remembered) >= PATHS_REMEMBERED:
        _remembered.clear()
    _remembered[path] = told


def _told_by(path: bytes) -> _Told:
    segments = unquote_to_bytes(path).decode("latin-1").split("/")
    # No phone encodes a slash, and behind one nothing is what it seems.
    if _is_refused(segments[-1]) or _steps_up(segments) or len(segments) != path.count(b"/") + 1:
        return _Told(_first(segments), True, None, (), "")
    raw_name = path.rpartition(b"/")[2]
    shape = _by_path(segments, raw_name)
    is_common = shape is None and not any(_DIRECTORY.fullmatch(segment) for segment in segments[:-1])
    makers_of_file = _common_to(segments[-1]) if is_common else ()
    return _Told(_first(segments), False, shape, makers_of_file, raw_name.decode("latin-1"))


def _by_path(segments: list[str], raw_name: bytes) -> Shape | None:
    name = segments[-1]
    if len(name) <= MAX_SEGMENT:
        if (found := _SPELLED.fullmatch(name)) and (shape := _shape(found["mac"], Kind.BARE)):
            return shape
        if found := _NAMED.fullmatch(name):
            before = _BEFORE.fullmatch(name, endpos=found.start("mac"))
            named_by = makers.NAMED[_row(before)].maker or None
            if shape := _shape(found["mac"], Kind.FILE, raw_name.decode("latin-1"), named_by):
                return shape
    return _by_directory(segments)


def _by_directory(segments: list[str]) -> Shape | None:
    """By the segment before the last, or the one before an id that a slash ends."""
    if len(segments) < 2 or not _IN_DIRECTORY.fullmatch(segments[-1]):
        return None
    places = [segments[-2]]
    if len(segments) > 2 and not segments[-1] and _ID.fullmatch(segments[-2]):
        places.append(segments[-3])
    for place in places:
        if (found := _DIRECTORY.fullmatch(place)) and (shape := _shape(found["mac"], Kind.DIRECTORY)):
            return shape
    return None


def _by_query(given: list[str]) -> Shape | None:
    found = [_SPELLED.fullmatch(value) for value in given]
    macs = {_normalized(match["mac"]) for match in found if match}
    return _shape(macs.pop(), Kind.QUERY) if len(macs) == 1 and all(found) else None


def _common_to(name: str) -> Sequence[str]:
    """The makers whose phones all ask for a file of that name."""
    found = _COMMON.fullmatch(name) if len(name) <= MAX_SEGMENT else None
    return makers.COMMON[_row(found)].makers if found else ()


def _by_user_agent(told: _Told, user_agent: str) -> Shape | None:
    for maker in told.makers:
        if (mac := _in_user_agent(user_agent, _AGENTS[maker])) is not None:
            return None if is_reserved(mac) else Shape(mac, _COMMON_FILE, told.file_name, maker)
    return None


def _mac_parameters(query: bytes) -> list[str]:
    """What the query gives as the MAC, decoded."""
    return [unquote_to_bytes(value).decode("latin-1") for value in _PARAMETER.findall(query)]


def _in_user_agent(user_agent: str, forms: list[re.Pattern[str]]) -> str | None:
    text = user_agent.strip()
    if len(text) > MAX_USER_AGENT:
        return None
    for form in forms:
        if found := form.fullmatch(text):
            return _normalized(found["mac"])
    return None


def _first(segments: list[str]) -> str:
    return next((segment for segment in segments if segment not in ("", ".")), "").lower()


def _steps_up(segments: list[str]) -> bool:
    return ".." in segments  # which would lead below another address; neither phones nor browsers send it


def _is_refused(name: str) -> bool:
    return name.rpartition(".")[2].lower() in makers.REFUSED_SUFFIXES and "." in name


def _shape(mac: str, kind: Kind, file_name: str = "", named_by: str | None = None) -> Shape | None:
    normalized = _normalized(mac)
    return None if is_reserved(normalized) else Shape(normalized, kind, file_name, named_by)


def _normalized(mac: str) -> str:
    return mac.upper() if len(mac) == 12 else mac.upper().translate(_SEPARATORS)


def _row(found: re.Match[str] | None) -> int:
    """The row of the table whose pattern matched: no pattern has groups of its own."""
    assert found is not None
    assert found.lastgroup is not None
    return int(found.lastgroup[1:])
