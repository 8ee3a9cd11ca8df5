"""Texts in files for spreadsheet programs: none is run as a formula, and each is read again as it was.

`guard` puts an apostrophe where a program would see the beginning of a formula: at the beginning of a cell, and
behind a character that ends a cell or a row for a program that splits lines at another separator. It doubles an
apostrophe that stands there already, so that `unguard` is its inverse. Sources: OWASP, CSV Injection; ECMA-376
part 1, 22.9.2.19 (the escapes `_xHHHH_`).
"""

import re

_FORMULA = r"[ \"]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
_BORDER = rf"(?:^(?='*(?:{_FORMULA}|[\t\r\n]))|(?<=[;\t\r\n])(?='*{_FORMULA}))"
_UNGUARDED = re.compile(_BORDER)
_GUARDED = re.compile(rf"{_BORDER}'")

_LIKE_AN_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x000[Dd]_|_x005[Ff]_(?=x[0-9A-Fa-f]{4}_)")


def guard(text: str) -> str:
    """The text for a cell of a csv file, harmless whatever the separator is.

    >>> guard("=1+1"), guard("x;=1+1"), guard("'=1")
    ("'=1+1", "x;'=1+1", "''=1")
    """
    return _LIKE_AN_ESCAPE.sub("_x005F_", _UNGUARDED.sub("'", text))


def guard_text_cell(text: str) -> str:
    """The text for a cell that has the type of a text, as .xlsx files have: only what `unguard` would change
    changes.

    >>> guard_text_cell("=1+1"), guard_text_cell("'=1")
    ('=1+1', "''=1")
    """
    return _LIKE_AN_ESCAPE.sub("_x005F_", _GUARDED.sub("''", text))


def unguard(text: str) -> str:
    """The text that a cell was made of.

    >>> unguard("x;'=1+1"), unguard("it's")
    ('x;=1+1', "it's")
    """
    return _GUARDED.sub("", text) if "'" in text else text


def unescape(text: str) -> str:
    """A text of a csv file without the escapes that some programs leave there.

    >>> unescape("two_x000D_ lines")
    'two\\r lines'
    """
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: "\r" if found[0].lower() == "_x000d_" else "_", text)
