"""Texts in files for spreadsheet programs: harmless, and the same when they come back."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redirect.formula_guard import guard, guard_text_cell, unescape, unguard

TEXTS = st.text(alphabet=st.sampled_from("'\"=+-@;,\t\r\n \uff1da_x0D5Fd"), max_size=12)


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("Lobby, left - right", "Lobby, left - right"),
        ("=1+1", "'=1+1"),
        ("+49 30 1", "'+49 30 1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x;=1+1", "x;'=1+1"),
        ('x; "=1+1', "x;' \"=1+1"),
        ("x\n=1+1", "x\n'=1+1"),
        ("\t=1+1", "'\t'=1+1"),
        ("'=1+1", "''=1+1"),
        ("it's", "it's"),
    ],
)
def test_what_would_be_a_formula_is_not(text: str, guarded: str) -> None:
    assert guard(text) == guarded
    assert unguard(guarded) == text


@given(TEXTS)
@example("_x000D_")
@example("_x005F_x000D_")
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert unguard(unescape(guard(text))) == text
    in_xml = re.sub("_x005F_(?=x[0-9A-Fa-f]{4}_)", "_", guard_text_cell(text))
    assert unguard(in_xml) == text


@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(",;\t"))
def test_no_cell_is_a_formula_with_any_separator(texts: list[str], separator: str) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(map(guard, texts))
    for row in csv.reader(io.StringIO(line.getvalue(), newline=""), delimiter=separator):
        for cell in row:
            assert re.match('[ "]*[=+\\-@\uff1d]', cell) is None, line.getvalue()
