"""The MAC that a cell means: spellings of people, and numbers of spreadsheet programs."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices import mac
from devices.imports import mac_cell

DIGITS = st.integers(0, 10**12 - 1).map(lambda number: f"{number:012}")


@pytest.mark.parametrize(
    "text",
    [
        "00908F00000A",
        "00:90:8f:00:00:0a",
        "00-90-8F-00-00-0A",
        "00_90_8f_00_00_0a",
        "0090.8f00.000a",
        "00 90 8F 00 00 0A",
        "0090 8F00000A",
        "MAC 00:90:8F:00:00:0A",
        "MAC: 00908F00000A (lobby)",
        "00\u201390\u20138F\u201300\u201300\u20130A",
        "00\uff1a90\uff1a8F\uff1a00\uff1a00\uff1a0A",
        "0:90:8F:0:0:A",
        "0-90-8f-0-0-a",
    ],
)
@pytest.mark.parametrize("in_workbook", [False, True])
def test_a_spelling_that_loses_nothing_is_read(text: str, in_workbook: bool) -> None:
    assert mac_cell.read(text, in_workbook=in_workbook) == mac_cell.Reading("00908F00000A")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write the MAC"),
        ("00:90:8F:00:00", "is no MAC: write 12 hexadecimal digits"),
        ("00:90:8F:00:00:0G", "is no MAC"),
        ("y000000000065.cfg", "is no MAC"),
        ("0:90:8F:AB:1:E:4", "is no MAC"),
        ("00:90:8F:9D:89:9", "is no MAC"),  # the others have their zeros: this one has lost another digit
        ("00:90:8F:0:0:0A", "is no MAC"),
        ("00908F00000A 00908F00000B", "has 2 MACs"),
        ("01:00:5E:00:00:01", "is reserved"),
        ("000000000000", "is reserved"),
        ("1.57E+11", "took it for a number, and lost digits of it"),
        ("1,56512E+11", "took it for a number, and lost digits of it"),
        ("1.565.123.456", "took it for a number"),
        ("-1565123456", "is no MAC"),
        ("001565123", "is no MAC"),
        ("1.56512340000E+07", "may have made 1.56512340000E+07 of 00:15:65:12:34:E0"),
        ("0.00000000000E+00", "took it for a number"),
    ],
)
def test_what_is_no_mac_says_what_to_do(text: str, said: str) -> None:
    reading = mac_cell.read(text)
    assert reading.mac is None
    assert said in reading.problem
    assert reading.problem.endswith(".")


# Seen in LibreOffice Calc 7.4, and pandas makes the same of them.
MADE_OF = {"0015651234E2": 1565123400, "001565E00006": 1565000000, "0015651234E4": 156512340000}


@pytest.mark.parametrize(("spelled", "number"), [*MADE_OF.items(), ("0015651234E0", 15651234)])
@pytest.mark.parametrize("in_workbook", [False, True])
def test_a_number_that_a_mac_with_an_e_may_have_become_is_refused(
    spelled: str, number: int, in_workbook: bool
) -> None:
    reading = mac_cell.read(str(number), is_number=in_workbook, in_workbook=in_workbook)
    assert reading.mac is None
    assert f"may have made {number} of " in reading.problem
    assert "Write it with colons" in reading.problem
    if spelled != "001565E00006":  # another MAC becomes this number as well, and is named
        assert mac.display(spelled) in reading.problem
    assert mac_cell.read(spelled, in_workbook=in_workbook) == mac_cell.Reading(spelled), "the text itself is fine"


@pytest.mark.parametrize(
    ("number", "restored"),
    [
        (1565123456, "001565123456"),
        (1122334455, "001122334455"),
        (908001122334, "908001122334"),
        (908001122330, "908001122330"),
    ],
)
def test_another_number_is_restored_and_says_so(number: int, restored: str) -> None:
    reading = mac_cell.read(str(number), is_number=True, in_workbook=True)
    assert reading == mac_cell.Reading(restored, restored=True)


@pytest.mark.parametrize(
    "text", ["1565123456", "1565123456.0", "1565123456,00", "1.565123456E+09", "1,565123456E9"]
)
def test_a_number_in_a_csv_file_is_restored_if_no_digit_is_lost(text: str) -> None:
    assert mac_cell.read(text) == mac_cell.Reading("001565123456", restored=True)


@pytest.mark.parametrize("text", ["1565123456", "15651234560", "1565123456.0"])
def test_a_text_of_a_workbook_is_no_number(text: str) -> None:
    assert mac_cell.read(text, in_workbook=True).mac is None


@pytest.mark.parametrize("number", [0, 12, 1234567, 10**12 + 1, 10**15])
def test_a_number_that_is_too_short_or_too_long_is_no_mac(number: int) -> None:
    assert mac_cell.read(str(number), is_number=True, in_workbook=True).mac is None
    assert mac_cell.read("1.5", is_number=True, in_workbook=True).mac is None


def test_twelve_digits_in_a_csv_file_are_a_mac_unless_another_may_have_become_them() -> None:
    assert mac_cell.read("908001122334") == mac_cell.Reading("908001122334")
    assert mac_cell.read("001565123400") == mac_cell.Reading("001565123400"), "its zeros are there: it is a text"
    assert mac_cell.read("156512340000").mac is None


@given(DIGITS, st.integers(1, 10))
@example("001565123400", 10)
@settings(deadline=None)
def test_no_mac_with_an_e_becomes_another(digits: str, place: int) -> None:
    """Whatever a spreadsheet program makes of it: a whole number, or one with a fraction or an exponent."""
    spelled = digits[:place] + "E" + digits[place + 1 :]
    if mac.is_reserved(spelled):
        return
    mantissa, exponent = int(spelled[:place]), int(spelled[place + 1 :])
    number = mantissa * 10**exponent if exponent < 20 else 10**20
    for text in (str(number), f"{number:.5E}", f"{number:.11E}"):
        for is_number in (True, False):
            reading = mac_cell.read(text, is_number=is_number, in_workbook=is_number)
            assert reading.mac in (None, spelled), (spelled, text)
