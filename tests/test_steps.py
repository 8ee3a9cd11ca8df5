"""The counter of steps itself: it sees a pattern that backtracks, and lines that repeat."""

import re
from types import ModuleType

import pytest

from tests.steps import TooManySteps, count

PATTERNS = {
    "linear": r"a=(?:[^']|'')*+'",
    "quadratic": r"[a-z]*[a-z0-9]*!",
    "exponential": r"(?:[a-z]|[a-z]b?)*!",
}
QUADRATIC_CODE = "def read(text):\n    for _ in text:\n        for _ in text:\n            pass\n"


@pytest.fixture
def module(tmp_path) -> ModuleType:
    made = ModuleType("made")
    made.__file__ = str(tmp_path / "made.py")
    exec(compile(QUADRATIC_CODE, made.__file__, "exec"), vars(made))  # noqa: S102
    return made


@pytest.mark.parametrize("text", ["a=" + "b''" * 100, "a=" + "b''" * 100 + "'", "b" * 300])
def test_counts_a_linear_pattern(module: ModuleType, text: str) -> None:
    vars(module)["PATTERN"] = re.compile(PATTERNS["linear"])

    assert 1 <= count(module, lambda text: vars(module)["PATTERN"].match(text), text, limit=1_000) <= 3 * len(text)


@pytest.mark.parametrize("kind", ["quadratic", "exponential"])
def test_finds_a_pattern_that_backtracks(module: ModuleType, kind: str) -> None:
    vars(module)["PATTERN"] = re.compile(PATTERNS[kind])

    with pytest.raises(TooManySteps):
        count(module, lambda text: vars(module)["PATTERN"].match(text), "a" * 18, limit=180)


def test_finds_a_loop_in_a_loop(module: ModuleType) -> None:
    with pytest.raises(TooManySteps):
        count(module, module.read, "a" * 300, limit=3_000)
