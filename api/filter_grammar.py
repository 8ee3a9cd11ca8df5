"""The filter language of the list requests: ``(group=1;2,search~'hi there')``.

Terms joined by ``,`` must all hold; values joined by ``;`` are alternatives within one term. The language
knows no fields: which of them exist, and which operators and types suit them, is for the caller to say.

Source: chapters 4, 5 and 12 of the manual (LTRT-23604).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_CHARACTERS = 2_000
MAX_TERMS = 20
MAX_VALUES = 100

# Each token takes the spaces behind it along, so the scanner always stands on the next token.
_OPENING = re.compile(r"(\() *")
_CLOSING = re.compile(r"(\)) *")
_COMMA = re.compile(r"(,) *")
_SEMICOLON = re.compile(r"(;) *")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_]*) *")
_OPERATOR = re.compile(r"(!=|!~|<=|>=|=|<|>|~) *")
_BARE = re.compile(r"(-?[0-9]+|true|false)(?![^ ,;)]) *")
# Possessive: a quote that was read as half of a doubled one never becomes the closing one.
_QUOTED = re.compile(r"'((?:[^']|'')*+)' *")

# A MAC counts as its 12 digits: as many as there may be values fit, also with colons.
_SPELLED_MAC = re.compile(r"'[0-9A-Fa-f]{2}(?:[-:][0-9A-Fa-f]{2}){5}'")
_MAC_AS_COUNTED = "'" + 12 * "0" + "'"
_MOST_CHARACTERS = MAX_CHARACTERS + MAX_VALUES * len(":::::")

_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]+")
_SIGNED_64_BIT = range(-(2**63), 2**63)
_DATETIME = re.compile(
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9])"
    r":(?P<second>[0-5][0-9]|60)(?P<fraction>\.[0-9]+)?"
    r"(?P<offset>Z|[-+ ](?:[01][0-9]|2[0-3]):?[0-5][0-9])?",
    re.ASCII | re.IGNORECASE,
)
_HH_MM = "([01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = f"([Zz]|[-+ ]{_HH_MM.replace(':', ':?')})"
# The same for the document, in ECMA-262's words. A day beyond its month's end is refused, though it matches.
DATE_PATTERN = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_HH_MM}:([0-5][0-9]|60)(\.[0-9]+)?{_OFFSET}?"


class FilterError(ValueError):
    """A filter that cannot be read: ``str()`` is a sentence for a person, ``position`` counts from 1."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"{problem} at character {position}.")
        self.position = position


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its text without quotes, whether it had any, and where it (with its quote) begins."""

    text: str
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class Clause:
    """One term: a field compared to one or more alternative values, and where the field's name begins."""

    field: str
    operator: str
    values: tuple[Value, ...]
    position: int


def parse(text: str) -> list[Clause]:
    """Read a filter, with or without its outer parentheses, into its terms, in the order written.

    Raises FilterError, saying what was expected and where, for anything that is not a filter or is over a
    limit. Takes time proportional to the length. Source: manual, chapter 5.
    """
    _refuse_unreadable(text)
    scanner = _Scanner(text)
    enclosed = scanner.take(_OPENING) is not None
    clauses = [_clause(scanner)]
    while scanner.take(_COMMA):
        clauses.append(_clause(scanner))
    if enclosed and not scanner.take(_CLOSING):
        raise FilterError("Expected ',', ';' or ')'", scanner.position)
    if not scanner.at_end:
        continuation = "" if enclosed else "',', ';' or "
        raise FilterError(f"Expected {continuation}the end of the filter", scanner.position)
    _refuse_excess(clauses)
    return clauses


def parse_integer(value: Value) -> int:
    """Read a whole number, bare or quoted, in ASCII digits; raise FilterError for anything else.

    Numbers beyond signed 64 bit, which no database column holds, are refused too.
    """
    if _INTEGER.fullmatch(value.text) and (number := int(value.text)) in _SIGNED_64_BIT:
        return number
    raise FilterError("Expected a whole number of at most 64 bits", value.position)


def parse_boolean(value: Value) -> bool:
    """Read a bare ``true`` or ``false``; raise FilterError for anything else, a quoted one too."""
    if not value.quoted and value.text in ("true", "false"):
        return value.text == "true"
    raise FilterError("Expected true or false, without quotes,", value.position)


def parse_datetime(value: Value) -> datetime:
    """Read a date and time as an aware datetime in UTC; raise FilterError for anything else.

    In goes ``2019-04-28T18:16:04+0000`` (manual, chapter 12) or RFC 3339, with or without a fraction of the
    second; no offset means UTC. A leap second, ``:60``, is the second after it. A space is taken for the
    ``+`` of the offset, which is what a ``+`` sent raw in a query string becomes.
    """
    try:
        return _utc(value.text)
    except (ValueError, OverflowError):
        raise FilterError("Expected a date such as '2019-04-28T18:16:04+0000'", value.position) from None


class _Scanner:
    """Walks through a text token by token, and never back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = len(text) - len(text.lstrip(" "))

    @property
    def position(self) -> int:
        return self._index + 1

    @property
    def at_end(self) -> bool:
        return self._index == len(self._text)

    def stands_on(self, character: str) -> bool:
        return self._text.startswith(character, self._index)

    def take(self, token: re.Pattern[str]) -> str | None:
        """Step over the token and return its text; where another one stands, stay and return None."""
        found = token.match(self._text, self._index)
        if found is None:
            return None
        self._index = found.end()
        return found[1]


def _clause(scanner: _Scanner) -> Clause:
    position = scanner.position
    if (field := scanner.take(_FIELD)) is None:
        raise FilterError("Expected a field name", position)
    if (operator := scanner.take(_OPERATOR)) is None:
        raise FilterError("Expected an operator (= != < > <= >= ~ !~)", scanner.position)
    values = [_value(scanner)]
    while scanner.take(_SEMICOLON):
        values.append(_value(scanner))
    return Clause(field, operator, tuple(values), position)


def _value(scanner: _Scanner) -> Value:
    position = scanner.position
    if scanner.stands_on("'"):
        if (quoted := scanner.take(_QUOTED)) is None:
            raise FilterError("Expected a closing quote for the one that opens", position)
        return Value(quoted.replace("''", "'"), True, position)
    if (bare := scanner.take(_BARE)) is None:
        raise FilterError("Expected a whole number, true, false, or a string or date in single quotes,", position)
    return Value(bare, False, position)


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_CHARACTERS and (
        len(text) > _MOST_CHARACTERS or len(_SPELLED_MAC.sub(_MAC_AS_COUNTED, text)) > MAX_CHARACTERS
    ):
        raise FilterError(f"Expected at most {MAX_CHARACTERS:,} characters, found another", MAX_CHARACTERS + 1)
    if found := _UNREADABLE.search(text):
        raise FilterError(
            "Expected readable text, found a control character or half a surrogate pair", found.start() + 1
        )


def _refuse_excess(clauses: list[Clause]) -> None:
    if len(clauses) > MAX_TERMS:
        raise FilterError(f"Expected at most {MAX_TERMS} terms, found another", clauses[MAX_TERMS].position)
    values = [value for clause in clauses for value in clause.values]
    if len(values) > MAX_VALUES:
        raise FilterError(f"Expected at most {MAX_VALUES} values, found another", values[MAX_VALUES].position)


def _utc(text: str) -> datetime:
    found = _DATETIME.fullmatch(text)
    if found is None:
        raise ValueError
    leap = found["second"] == "60"
    second = "59" if leap else found["second"]
    offset = (found["offset"] or "Z").replace(" ", "+")
    moment = datetime.fromisoformat(f"{found['minute']}:{second}{found['fraction'] or ''}{offset}".upper())
    return moment.astimezone(UTC) + timedelta(seconds=leap)
