"""LIKE of the embedded database folds the case of every letter; the functions are also asked by themselves."""

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from redirect.db.sqlite.base import like

ON_SQLITE = pytest.mark.skipif("connection.vendor != 'sqlite'")


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("élan", "ÉLAN", True),
        ("%ÉLAN%", "un élan vital", True),
        ("elan", "élan", False),
        ("a%", "Abc", True),
        ("a%", "ba", False),
        ("%a", "ba", True),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("a_c", "abbc", False),
        ("_", "\n", True),
        ("%b%", "a\nb\nc", True),
        ("", "", True),
        ("%", "", True),
        ("_", "", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("(a", "(A", True),
        ("a\\b", "a\\b", True),
        ("1%", 12, True),
        (None, "a", None),
        ("a", None, None),
    ],
)
def test_like(pattern: str | None, text: object, expected: bool | None) -> None:
    assert like(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("100\\%", "100%", True),
        ("100\\%", "1000", False),
        ("a\\_b", "a_b", True),
        ("a\\_b", "axb", False),
        ("\\\\", "\\", True),
        ("\\é", "É", True),
        ("a\\", "a", True),
    ],
)
def test_an_escaped_character_stands_for_itself(pattern: str, text: str, expected: bool) -> None:
    assert like(pattern, text, "\\") is expected


@given(st.text("aÉé%_\\.*(\n", max_size=6), st.text("aÉé%_\\.*(\n", max_size=6))
def test_contains_is_that_of_python(term: str, text: str) -> None:
    """With the escapes that Django writes for `icontains`."""
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    assert like(f"%{escaped}%", text, "\\") is (term.casefold() in text.casefold())


@ON_SQLITE
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'ÉLAN' LIKE '%élan%'", 1),
        ("'ÉLAN' NOT LIKE '%élan%'", 0),
        ("'100%' LIKE '100\\%' ESCAPE '\\'", 1),
        ("'1000' LIKE '100\\%' ESCAPE '\\'", 0),
        ("NULL LIKE 'a'", None),
        ("'a' LIKE NULL", None),
    ],
)
def test_the_database_uses_it(expression: str, expected: int | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        assert cursor.fetchone() == (expected,)
