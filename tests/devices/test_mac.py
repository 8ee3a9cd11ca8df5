import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import mac as module
from devices.mac import (
    InvalidMAC,
    display,
    fragment,
    is_reserved,
    mentioned_in,
    normalize,
    parse,
)
from tests import steps

MAC = "00A0C914C829"
INVALID = [
    "",
    "00A0C914C82",
    "00A0C914C8299",
    "00A0C914C82G",
    "00:A0:C9:14:C8",
    "00:A0:C9:14:C8:29:",
    ":00:A0:C9:14:C8:29",
    "00:A0:C9:14:C8:29:11",
    "00:A0:C9:14:C829",
    "00:A0-C9:14-C8:29",
    "00A0C9-14C829",
    "00A0:C914:C829",
    "00A0.C914.C829",
    "00 A0 C9 14 C8 29",
    "0:A0:C9:14:C8:29",
    "000:A0:C9:14:C8:9",
    " 00A0C914C829",
    "00A0C914C829 ",
    "00A0C914C829\n",
    "00A0C914C829\x00",
    "0x00A0C914C8",
    "00A0C914C82\u0663",
    "00A0C914C82\uff21",
    "\uff10\uff10A0C914C829",
    "00\u2010A0\u2010C9\u201014\u2010C8\u201029",
]


def macs() -> st.SearchStrategy[str]:
    return st.text("0123456789ABCDEF", min_size=12, max_size=12).filter(lambda mac: not is_reserved(mac))


def spellings(mac: str) -> list[str]:
    pairs = re.findall("..", mac)
    return [separator.join(pairs) for separator in ("", ":", "-")]


@pytest.mark.parametrize("text", [*spellings(MAC), *spellings(MAC.lower()), "00:a0:C9:14:c8:29"])
def test_normalizes_every_accepted_spelling(text: str) -> None:
    assert normalize(text) == MAC


@pytest.mark.parametrize("text", INVALID)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(InvalidMAC, match=r"^Expected a MAC address such as 00:A0:C9:14:C8:29"):
        normalize(text)


@pytest.mark.parametrize("mac", ["000000000000", "FFFFFFFFFFFF", "01005E000001", "0F0000000000", "333300000001"])
def test_what_can_be_no_device_is_reserved(mac: str) -> None:
    assert is_reserved(mac)
    assert parse(display(mac).lower()) == mac
    with pytest.raises(InvalidMAC, match=rf"^{display(mac)} is reserved: "):
        normalize(mac)


@pytest.mark.parametrize(
    "mac", [MAC, "000000000001", "100000000000", "FEFFFFFFFFFF", "020000000000", "F0F000000000"]
)
def test_what_can_be_a_device_is_not(mac: str) -> None:
    assert not is_reserved(mac)


def test_displays_as_the_manual_does() -> None:
    assert display(MAC) == "00:A0:C9:14:C8:29"


@given(macs())
def test_all_spellings_are_one_mac(mac: str) -> None:
    for text in spellings(mac):
        assert normalize(text) == normalize(text.lower()) == normalize(normalize(text)) == mac
    assert normalize(display(mac)) == mac


@given(st.text("0Aaf9:-g \n", max_size=20))
def test_what_is_accepted_is_one_of_the_spellings(text: str) -> None:
    try:
        mac = normalize(text)
    except InvalidMAC:
        return
    assert text.upper() in spellings(mac)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("a", "A"),
        ("c9:14", "C914"),
        (":C9-", "C9"),
        ("00:a0:c9:14:c8:29", MAC),
        ("123", "123"),
        ("", None),
        (":", None),
        ("-:-", None),
        ("g", None),
        ("a b", None),
        ("a\n", None),
        ("\u0663", None),
        ("\uff21", None),
        ("10.4", None),
    ],
)
def test_fragment(text: str, digits: str | None) -> None:
    assert fragment(text) == digits


@given(macs(), st.data())
def test_a_piece_of_a_displayed_mac_is_found_in_the_kept_one(mac: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, 16))
    piece = display(mac)[start : data.draw(st.integers(start + 1, 17))]
    digits = fragment(piece)

    assert (digits is None) == (piece == ":")
    assert digits is None or digits in mac


@pytest.mark.parametrize("filler", ["0", ":", "-", "00:", "/", "/00", "0000.", "00 "])
def test_long_texts_cost_little(filler: str) -> None:
    text = filler * 300 + "g"

    for read in (fragment, mentioned_in):
        for start in ("", "/"):
            steps.count(module, read, start + text, limit=20 * len(text))
