"""Texts that people type: one form of each, whatever door it comes in by."""

import re
import unicodedata

# What stands around a text unseen: blanks of all kinds, line breaks, and marks of byte order and of width zero.
_AROUND = " \t\r\n\ufeff\u200b\u2060"
_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_BREAK = re.compile(r"\r\n?|[\u2028\u2029]")


def normalize(text: str) -> str:
    """The form in which a text is kept and looked for: NFC, plain blanks, LF for line breaks, none of these
    around it.

    So two texts that look alike are alike, and what a spreadsheet program does to a text on its way out and in
    again changes nothing. Source of NFC: Unicode Standard Annex 15.

    >>> normalize(" Acme\\u00a0Voice\\r\\n")
    'Acme Voice'
    """
    if text.isascii():
        return (_LINE_BREAK.sub("\n", text) if "\r" in text else text).strip(_AROUND)
    text = _LINE_BREAK.sub("\n", _BLANK.sub(" ", text))
    return unicodedata.normalize("NFC", text).strip(_AROUND)


def control_character(text: str, *, lines: bool = False) -> str | None:
    """The first character of a text that cannot be kept, such as "U+0007", or None: a control character, or half
    of a surrogate pair. Line breaks (CR, LF) are allowed where `lines` is set.
    """
    if text.isprintable():
        return None
    allowed = "\r\n" if lines else ""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in allowed:
            return f"U+{ord(character):04X}"
    return None
