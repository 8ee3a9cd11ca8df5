"""The MAC that a cell of a list means, as people and spreadsheet programs write it.

A spreadsheet program takes a MAC of digits for a number, and drops its leading zeros; and one with an E among
digits for a power of ten: LibreOffice 7.4 and pandas make 1565123400 of 0015651234E2. Put back to 12 digits, that
is the MAC of another phone. So no number becomes a MAC unless no MAC with an E can have become the number, and a
person agrees.
"""

import re
from decimal import Decimal
from typing import NamedTuple

from devices import mac

ADVICE = "Write it with colons, such as 00:A0:C9:14:C8:29, which stay a text, or format the column as text first."

# A number in the spelling of a text: whole, or with a fraction, or with an exponent; with a decimal point or
# comma.
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[Ee][+-]?\d{1,3})?", re.ASCII)
_TWELVE = re.compile("[0-9A-Fa-f]{12}")
_LIKE_A_NUMBER = re.compile("[1-9][0-9]{11}")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,' ]\d{3}){2,}", re.ASCII)


class Reading(NamedTuple):
    """A MAC, normalized, or why there is none. `restored`: it was a number, and a person must agree."""

    mac: str | None
    problem: str = ""
    restored: bool = False


def read(text: str, *, is_number: bool = False, in_workbook: bool = False) -> Reading:
    """What a cell means. A text of a csv file may have been a number; in a workbook the cell tells.

    >>> read("MAC 00-90-8f-00-00-0a").mac
    '00908F00000A'
    >>> read("1565123456", is_number=True, in_workbook=True)
    Reading(mac='001565123456', problem='', restored=True)
    """
    if not text:
        return Reading(None, "Write the MAC, such as 00:A0:C9:14:C8:29.")
    if is_number or (_NUMBER.fullmatch(text) and not _TWELVE.fullmatch(text)):
        return _of_number(text) if is_number or not in_workbook else Reading(None, _about(text))
    mentioned = _mentioned(text)
    if len(mentioned) > 1:
        return Reading(None, f"“{text[:60]}” has {len(mentioned)} MACs. Write one in each row.")
    if not mentioned:
        return Reading(None, _about(text))
    if not in_workbook and _LIKE_A_NUMBER.fullmatch(text) and (other := exponent_of(int(text))):
        return Reading(None, _ambiguous(text, mentioned[0], other))
    return _unless_reserved(Reading(mentioned[0]))


def exponent_of(number: int) -> str | None:
    """A MAC with one E among digits that a spreadsheet program takes for this number, or None if there is none.

    It is m E k with 11 digits in m and k together, and m * 10^k is the number. Only what can be a device's counts.

    >>> exponent_of(1565123400), exponent_of(1565123456)
    ('0015651234E2', None)
    """
    for of_k in range(1, 11):
        of_m = 11 - of_k
        for k in range(min(10**of_k, 13)):
            m, rest = divmod(number, 10**k)
            if rest:
                break
            spelled = f"{m:0{of_m}}E{k:0{of_k}}"
            if len(spelled) == 12 and not mac.is_reserved(spelled):
                return spelled
    return None


def _of_number(text: str) -> Reading:
    value = _whole(text)
    if value is None or not 8 <= len(str(value)) <= 12:
        return Reading(None, _about(text))
    restored = f"{value:012}"
    if other := exponent_of(value):
        return Reading(None, _ambiguous(text, restored, other))
    return _unless_reserved(Reading(restored, restored=True))


def _whole(text: str) -> int | None:
    """The whole number that a text spells, if all of its digits are there."""
    if not _NUMBER.fullmatch(text) or text[0] not in "123456789":
        return None
    mantissa = re.split("[Ee]", text.replace(",", "."))[0]
    value = Decimal(text.replace(",", "."))
    digits = len(mantissa.replace(".", ""))
    if value != value.to_integral_value() or value >= 10**12 or digits < len(str(int(value))):
        return None
    return int(value)


def _mentioned(text: str) -> list[str]:
    if found := mac.mentioned_in(text):
        return found
    if short := mac.with_all_zeros(mac.with_plain_separators(text)):
        return [short]
    return mac.mentioned_in("".join(text.split()))


def _unless_reserved(reading: Reading) -> Reading:
    if reading.mac and mac.is_reserved(reading.mac):
        return Reading(None, mac.RESERVED.format(mac.display(reading.mac)))
    return reading


def _ambiguous(text: str, digits: str, other: str) -> str:
    return (
        f"A spreadsheet program may have made {text} of {mac.display(other)} or of {mac.display(digits)}. Look at"
        f" the device. {ADVICE}"
    )


def _about(text: str) -> str:
    shown = f"“{text[:40]}” is no MAC: write 12 hexadecimal digits, such as 00:A0:C9:14:C8:29."
    if _NUMBER.fullmatch(text) or _GROUPED.fullmatch(text):
        return f"{shown} The spreadsheet program took it for a number, and lost digits of it. {ADVICE}"
    return shown
