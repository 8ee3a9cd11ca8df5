import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from re import _parser as pattern_parser  # there is no public way to look into a pattern
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boot import makers, shapes
from boot.shapes import Kind, Shape, from_environ, hint, look, maker_of
from devices.mac import is_reserved

OWN = {"api", "admin", "static", "healthz", "readyz", "metrics", "docs"}
YEALINK = "Yealink SIP-T46S 66.86.0.15 00:15:65:27:c7:64"


class Request(NamedTuple):
    name: str
    maker: str
    line: str
    headers: list[str]
    status: int
    mac: str
    kind: str

    @property
    def environ(self) -> dict[str, str]:
        """As gunicorn hands it on."""
        target = self.line.split(" ")[1]
        return {"RAW_URI": target, "QUERY_STRING": target.partition("?")[2]}

    @property
    def user_agent(self) -> str:
        prefix = "User-Agent: "
        return next((line.removeprefix(prefix) for line in self.headers if line.startswith(prefix)), "")


REQUESTS = [
    Request(*row) for row in tomllib.loads((Path(__file__).parent / "shapes.toml").read_text("utf-8"))["requests"]
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_each_request_names_its_phone_or_none(request_: Request) -> None:
    shape = look(*from_environ(request_.environ), request_.user_agent, own=OWN)

    if not request_.mac:
        assert shape is None
        return
    assert shape is not None
    assert (shape.mac, shape.kind) == (request_.mac, request_.kind)
    asked = request_.line.split(" ")[1].partition("?")[0].rpartition("/")[2]
    assert shape.file_name == (asked if shape.kind in (Kind.FILE, Kind.COMMON) else "")


def test_the_rows_have_names_of_their_own() -> None:
    names = [request.name for request in REQUESTS]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("row", makers.NAMED, ids=lambda row: row.example)
def test_each_form_of_a_file_name_is_known_by_its_example(row: makers.Named) -> None:
    shape = look(row.example.encode())

    assert shape is not None
    assert (shape.kind, shape.named_by) == (Kind.FILE, row.maker or None)
    assert shape.file_name == row.example.rpartition("/")[2]


@pytest.mark.parametrize("row", makers.COMMON, ids=lambda row: row.example)
def test_a_common_file_tells_the_phone_only_together_with_a_user_agent(row: makers.Common) -> None:
    for maker in row.makers:
        agent = next(agent for agent in makers.AGENTS if agent.maker == maker)
        shape = look(row.example.encode(), b"", agent.example)

        assert shape is not None
        assert (shape.kind, shape.named_by, shape.mac) == (Kind.COMMON, maker, hint(agent.example))
        assert maker_of(shape, agent.example) == maker
    assert look(row.example.encode()) is None


@pytest.mark.parametrize("row", makers.AGENTS, ids=lambda row: row.example)
def test_a_user_agent_is_believed_in_its_whole_form_only(row: makers.Agent) -> None:
    mac = hint(row.example)

    assert mac is not None
    assert mac in re.sub("[^0-9A-F]", "", row.example.upper())
    assert maker_of(Shape(mac, Kind.BARE), row.example) == row.maker
    assert hint(f"x{row.example}") is None
    assert hint(f"{row.example}x") is None
    assert hint(row.example.replace(row.example[:3], "Foo", 1)) is None


@pytest.mark.parametrize(
    ("path", "user_agent", "maker"),
    [
        (b"/00908F9D8992", "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1", "AudioCodes"),
        (b"/00908F9D8992", "", None),
        (b"/00908F9D8992", "curl/8", None),
        (b"/spa8843e157ddcc.xml", "", "Cisco"),
        (b"/spa8843e157ddcc.xml", YEALINK, None),
        (b"/cfg001fc11c22a9.xml", "Htek UC903 2.0.4.2 00:1f:c1:1c:22:a9", "Htek"),
        (b"/cfg001fc11c22a9.xml", "", None),
        (b"/SIP00140EA1B2C3.cfg", "AVAYA/SIP12x0\x17/04.00.04.00", "Avaya 12xx"),
        (b"/7c2f80e0d605.xml", '"Gigaset N870 IP PRO/83.V2.11.0;7C2F80E0D605;Handset=3"', "Gigaset Nx70"),
    ],
)
def test_the_maker_is_told_by_user_agent_and_name_unless_they_disagree(
    path: bytes, user_agent: str, maker: str | None
) -> None:
    shape = look(path, b"", user_agent)

    assert shape is not None
    assert maker_of(shape, user_agent) == maker


def test_a_decoded_path_of_wsgi_gives_the_same() -> None:
    target = "/prov/settings-00%3A04%3A13%3A26%3A0A%3A0B.xml"
    kept = look(*from_environ({"RAW_URI": f"http://h{target}?a=b", "QUERY_STRING": "a=b"}))
    decoded = look(*from_environ({"PATH_INFO": "/prov/settings-00:04:13:26:0A:0B.xml"}))

    assert kept == Shape("000413260A0B", Kind.FILE, "settings-00%3A04%3A13%3A26%3A0A%3A0B.xml")
    assert decoded == Shape("000413260A0B", Kind.FILE, "settings-00:04:13:26:0A:0B.xml")


@pytest.mark.parametrize("length", [0, 2_020, 2_021, 2_030, 2_048, 20_000])
def test_a_query_is_read_to_its_end(length: int) -> None:
    padding, agent = b"x=" + b"a" * length, YEALINK.replace("00:15:65:27:c7:64", "00:15:65:11:4c:33")
    named = Shape("00156527C764", Kind.QUERY)

    for path in (b"/prov", b"/y000000000065.cfg"):
        assert look(path, padding + b"&mac=00156527c764", agent) == named
        assert look(path, b"m%61C=00156527c764&" + padding, agent) == named
        assert look(path, padding + b"&mac=0015.6527.c764.0001", agent) is None
        assert look(path, b"mac=00156527c764&" + padding + b"&address=0004f2e765da", agent) is None
    assert look(b"/prov", padding + b"&xmac=00156527c764&mac;=0004f2e765da&mac=") is None


# What phones' paths are made of, and what only looks like it.
MACS = st.sampled_from(
    ["00156527C764", "0004f2e765da", "00-04-13-92-2d-24", "00:90:8f:9d:89:92", "0090.8f9d.8992"]
)
SIGNS = [
    "/",
    "//",
    ".",
    "..",
    "-",
    "_",
    ":",
    "&",
    "?",
    "%2F",
    "%00",
    "%3A",
    "\xe9",
    ".cfg",
    ".xml",
    ".boot",
    ".bin",
]
WORDS = ["cfg", "spa", "ata", "SEP", "VVX600-", "phone", "startup.cfg", "api", "F0", "a", "7", "mac=", "address="]
NO_PHONES = ["000000000000", "FFFFFFFFFFFF", "01005E000001", "550e8400-e29b-41d4-a716-446655440000"]
PIECES = MACS | st.sampled_from([*SIGNS, *WORDS, *NO_PHONES, "y000000000065.cfg"])
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(max_codepoint=255), max_size=60)
USER_AGENTS = st.sampled_from([agent.example for agent in makers.AGENTS]) | TEXTS


def digits(text: bytes | str) -> str:
    raw = text.encode("latin-1") if isinstance(text, str) else unquote_to_bytes(text)
    return re.sub(r"[:._-]", "", raw.decode("latin-1")).upper()


@given(TEXTS.map(lambda path: f"/{path}".encode("latin-1")), TEXTS.map(str.encode), USER_AGENTS)
def test_no_other_mac_is_named_than_the_one_that_stands_there(path: bytes, query: bytes, user_agent: str) -> None:
    shape = look(path, query, user_agent, own=OWN)

    if shape is None:
        return
    places: dict[Kind, bytes | str] = {Kind.QUERY: query, Kind.COMMON: user_agent}
    assert shape.mac in digits(places.get(shape.kind, path))
    assert re.fullmatch("[0-9A-F]{12}", shape.mac)
    assert not is_reserved(shape.mac)
    assert shape.file_name in path.decode("latin-1")
    assert re.fullmatch(r"[0-9A-Za-z._:%-]*", shape.file_name)


@given(st.from_regex(r"\A[0-9A-Fa-f]{12}\Z"), st.sampled_from(makers.NAMED), USER_AGENTS)
def test_any_mac_stands_in_any_form_of_name(mac: str, row: makers.Named, user_agent: str) -> None:
    example = re.sub("([0-9A-Fa-f]{12}|(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2})(?=[.]|$)", mac, row.example)
    shape = look(example.encode(), b"", user_agent)

    assert (shape and shape.mac) == (None if is_reserved(mac.upper()) else mac.upper())


DIRECTORIES = ["", "/prov", "/API", "/.", "/a.b", "/x/y", "/0004f2e765da", "/" + "x" * 130]
BEFORE = ["", "-", "cfg", "cfg-", "SEP", "spa", "VVX600-", "snom370-", "pb", "y", "0", "ff", "token"]
DIGITS = ["000b828aa872", "0004F2E765DA", "000413922d2400", "000000000000", "01005E000001", "00-04-13-92-2d-24"]
BEHIND = [
    "",
    ".cfg",
    ".cnf.xml",
    "-phone.cfg",
    ".BIN",
    ".tar.gz",
    "00.cfg",
    "-000b828aa872",
    ".0011",
    "_",
    ".b.c.d",
]


def test_a_path_says_the_same_whether_a_letter_is_encoded_or_not() -> None:
    for parts in product(DIRECTORIES, BEFORE, DIGITS, BEHIND):
        path = "{}/{}{}{}".format(*parts).encode()
        for own in (OWN, {"000b828aa872.cfg"}):
            shape, encoded = (look(way, own=own) for way in (path, b"/%%%02x" % path[1] + path[2:]))

            assert (shape and shape._replace(file_name="")) == (encoded and encoded._replace(file_name="")), path


def test_of_a_flood_of_paths_no_more_are_remembered_than_a_limit() -> None:
    for number in range(2 * shapes.PATHS_REMEMBERED):
        look(b"/no-phone-%d" % number)

    assert len(shapes._remembered) <= shapes.PATHS_REMEMBERED


TOKENS = (
    st.uuids().map(str) | st.uuids().map(lambda uuid: uuid.hex) | st.binary(min_size=7, max_size=24).map(bytes.hex)
)


@given(
    TOKENS,
    st.sampled_from(
        ["/{}", "/{}.cfg", "/prov/{}/", "/prov/{}/a.xml", "/prov/{}/1A2B/", "/{}/x/y", "/cfg{}.xml", "/-{}"]
    ),
    st.sampled_from(["", "mac={}", "address={}"]),
)
def test_no_token_is_a_phones(token: str, path: str, query: str) -> None:
    for text in (token, token.upper()):
        assert look(path.format(text).encode(), query.format(text).encode(), own=OWN) is None


LONG: list[Callable[[int], bytes]] = [
    lambda size: b"/" + b"a" * size,
    lambda size: b"/" + b"a/" * (size // 2),
    lambda size: b"/" + b"%2F" * (size // 3),
    lambda size: b"/" + b"00156527c764/" * (size // 13),
    lambda size: b"/" + b"00156527c764" * (size // 12) + b".cfg",
    lambda size: b"/" + b"cfg-" * (size // 4) + b"00156527c764",
    lambda size: b"/" * size + b"y000000000065.cfg",
]


def steps(path: bytes, query: bytes, user_agent: str) -> int:
    """How many lines of Python the look takes."""
    count = 0

    def trace(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        look(path, query, user_agent, own=OWN)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("path", LONG)
def test_the_look_is_linear_in_the_length_of_the_path(path: Callable[[int], bytes]) -> None:
    short, long = (steps(path(size), b"mac=" * (size // 4), "Yealink " * (size // 8)) for size in (4_096, 8_192))

    assert long <= 2 * short


def patterns() -> Iterator[re.Pattern[str]]:
    yield from (value for value in vars(shapes).values() if isinstance(value, re.Pattern))
    for forms in shapes._AGENTS.values():
        yield from forms


def unbounded(parsed: Any) -> Iterator[Any]:
    """Each repetition in a parsed pattern that may be given back, character by character, without a limit."""
    for operation, argument in parsed:
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] > 200:
            yield argument
        for part in argument if isinstance(argument, tuple | list) else ():
            if isinstance(part, pattern_parser.SubPattern):
                yield from unbounded(part)
            elif isinstance(part, list):
                for branch in part:
                    yield from unbounded(branch if isinstance(branch, pattern_parser.SubPattern) else ())


def test_no_pattern_repeats_without_a_limit() -> None:
    assert list(unbounded(pattern_parser.parse("(?:x|a+)b")))
    for pattern in patterns():
        assert not list(unbounded(pattern_parser.parse(pattern.pattern))), pattern.pattern
