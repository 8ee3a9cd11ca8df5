"""Counts what reading a text costs, in steps that no other load on the machine changes.

`re` backtracks, and no trace or profile function of Python sees it. So its patterns are walked here in the order
in which it walks them, one step for each character looked at, over the tree that its own parser makes.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from re import _constants as kinds
from re import _parser as parser
from types import FrameType, ModuleType
from typing import Any

import pytest

Groups = dict[int, tuple[int, int]]


class TooManySteps(AssertionError):
    """The text took more steps than it may."""


class Steps:
    """How many steps were taken, of those that may be."""

    def __init__(self, limit: int) -> None:
        self.taken = 0
        self.limit = limit

    def take(self) -> None:
        self.taken += 1
        if self.taken > self.limit:
            raise TooManySteps(f"More than {self.limit:,} steps.")


def count(
    module: ModuleType,
    read: Callable[[str], Any],
    text: str,
    *,
    limit: int,
    refusals: type[Exception] = ValueError,
) -> int:
    """Return the steps that `read`, a function of the module, takes over the text: the characters that the
    module's compiled patterns look at, and the lines of the module that run. That it may refuse the text with a
    ValueError changes nothing.

    Raises TooManySteps as soon as there are more than the limit, so that an exponential pattern ends too.
    """
    steps = Steps(limit)

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            steps.take()
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename == module.__file__ else None

    with pytest.MonkeyPatch.context() as patch:
        for name, value in list(vars(module).items()):
            if isinstance(value, re.Pattern):
                patch.setattr(module, name, Counted(value, steps))
        before = sys.gettrace()
        sys.settrace(call)
        try:
            with suppress(ValueError):
                read(text)
        finally:
            sys.settrace(before)
    return steps.taken


class Counted:
    """A compiled pattern that answers as it always does, once its steps are counted: first, as the real matcher
    of a pattern that backtracks would not come to an end."""

    def __init__(self, pattern: re.Pattern[str], steps: Steps) -> None:
        self.pattern = pattern
        self.walk = Walk(pattern, steps)

    def match(self, text: str, start: int = 0) -> re.Match[str] | None:
        end = self.walk.end(text, start)
        found = self.pattern.match(text, start)
        assert end == (found.end() if found else None)
        return found

    def fullmatch(self, text: str) -> re.Match[str] | None:
        end = self.walk.end(text, 0, whole=True)
        found = self.pattern.fullmatch(text)
        assert end == (found.end() if found else None)
        return found

    def search(self, text: str) -> re.Match[str] | None:
        span = next(self.walk.spans(text), None)
        found = self.pattern.search(text)
        assert span == (found.span() if found else None)
        return found

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        spans = list(self.walk.spans(text))
        found = list(self.pattern.finditer(text))
        assert spans == [match.span() for match in found]
        return iter(found)

    def sub(self, new: Any, text: str, count: int = 0) -> str:
        for number, _ in enumerate(self.walk.spans(text), 1):
            if number == count:
                break
        return self.pattern.sub(new, text, count=count)


class Walk:
    """The way of a backtracking matcher through a pattern. Each method that yields gives the ends of a piece of
    the pattern which begins at `at`, the preferred one first; asking for the next one is to backtrack."""

    def __init__(self, pattern: re.Pattern[str], steps: Steps) -> None:
        self.tree = list(parser.parse(pattern.pattern, pattern.flags))
        self.fold = str.lower if pattern.flags & re.IGNORECASE else str
        self.steps = steps

    def end(self, text: str, start: int, *, whole: bool = False) -> int | None:
        """Where the pattern ends that begins at the start: first of all, or at the end of the text."""
        ends = self._sequence(self.tree, text, start, {})
        return next((end for end in ends if not whole or end == len(text)), None)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the pattern is found from left to right."""
        start = 0
        while start <= len(text):
            end = self.end(text, start)
            if end is not None:
                yield start, end
            start = end if end is not None and end > start else start + 1

    def _sequence(self, nodes: list[Any], text: str, at: int, groups: Groups) -> Iterator[int]:
        if not nodes:
            yield at
            return
        kind, value = nodes[0]
        for end in self._node(kind, value, text, at, groups):
            yield from self._sequence(nodes[1:], text, end, groups)

    def _node(self, kind: Any, value: Any, text: str, at: int, groups: Groups) -> Iterator[int]:
        if kind in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.IN, kinds.ANY):
            self.steps.take()
            if at < len(text) and self._is(kind, value, self.fold(text[at])):
                yield at + 1
        elif kind is kinds.BRANCH:
            for branch in value[1]:
                yield from self._sequence(list(branch), text, at, groups)
        elif kind is kinds.SUBPATTERN:
            yield from self._group(value[0], list(value[3]), text, at, groups)
        elif kind is kinds.GROUPREF:
            start, end = groups[value]
            self.steps.taken += end - start
            if text.startswith(text[start:end], at):
                yield at + end - start
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            start = at if value[0] > 0 else at - value[1].getwidth()[0]
            held = start >= 0 and any(True for _ in self._sequence(list(value[1]), text, start, groups))
            if held is (kind is kinds.ASSERT):
                yield at
        elif kind is kinds.MAX_REPEAT:
            yield from self._repeat(value[0], value[1], list(value[2]), text, at, groups)
        elif kind is kinds.POSSESSIVE_REPEAT:
            yield from self._first(self._repeat(value[0], value[1], list(value[2]), text, at, groups))
        else:
            raise NotImplementedError(f"No pattern of the product had a {kind} when this was written. Add it.")

    def _group(self, number: int | None, body: list[Any], text: str, at: int, groups: Groups) -> Iterator[int]:
        for end in self._sequence(body, text, at, groups):
            if number is not None:
                groups[number] = at, end
            yield end

    def _repeat(self, least: int, most: int, body: list[Any], text: str, at: int, groups: Groups) -> Iterator[int]:
        # A list of what is being tried, not a recursion: a text may be longer than Python's stack is deep.
        starts, tried = [at], [self._sequence(body, text, at, groups)]
        while tried:
            end = next(tried[-1], None) if len(tried) <= most else None
            if end is not None and end > starts[-1]:
                starts.append(end)
                tried.append(self._sequence(body, text, end, groups))
            elif end is None:
                tried.pop()
                start = starts.pop()
                if len(starts) >= least:
                    yield start

    @staticmethod
    def _first(ends: Iterator[int]) -> Iterator[int]:
        for end in ends:
            yield end
            return

    def _is(self, kind: Any, value: Any, character: str) -> bool:
        if kind is kinds.IN:
            negated = value[0][0] is kinds.NEGATE
            return any(self._is(one, of, character) for one, of in value[negated:]) is not negated
        if kind is kinds.RANGE:
            return any(value[0] <= ord(spelling) <= value[1] for spelling in (character, character.upper()))
        if kind is kinds.ANY:
            return True  # as with re.DOTALL
        return (self.fold(chr(value)) == character) is (kind is kinds.LITERAL)
