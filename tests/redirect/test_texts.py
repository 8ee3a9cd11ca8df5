"""The one form of texts that people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirect.texts import control_character, normalize


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Acme", "Acme"),
        ("", ""),
        (" Acme  Voice\t\n", "Acme  Voice"),
        ("\u00a0Acme\u00a0Voice\u202f", "Acme Voice"),
        ("\ufeffAcme\u200b", "Acme"),
        ("Mu\u0308ller", "M\u00fcller"),
        ("a\r\nb\rc\nd\u2028e", "a\nb\nc\nd\ne"),
        ("a\x07b", "a\x07b"),
    ],
)
def test_texts_that_look_alike_are_alike(text: str, kept: str) -> None:
    assert normalize(text) == kept


@given(st.text())
def test_what_is_normal_stays(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "lines", "found"),
    [
        ("Acme M\u00fcller \U0001f4de", False, None),
        ("a\nb", True, None),
        ("a\r\nb", True, None),
        ("a\nb", False, "U+000A"),
        ("a\tb", True, "U+0009"),
        ("a\x00b", True, "U+0000"),
        ("a\x85b", True, "U+0085"),
        ("a\ud800b", True, "U+D800"),
    ],
)
def test_a_control_character_is_found(text: str, lines: bool, found: str | None) -> None:
    assert control_character(text, lines=lines) == found
