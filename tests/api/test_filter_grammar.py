import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, LarkError

from api import filter_grammar
from api.filter_grammar import (
    MAX_CHARACTERS,
    MAX_TERMS,
    MAX_VALUES,
    Clause,
    FilterError,
    Value,
    parse,
    parse_boolean,
    parse_datetime,
    parse_integer,
)
from tests import steps

ORACLE = Lark(
    r"""
    start: terms | "(" terms ")"
    terms: term ("," term)*
    term: FIELD OPERATOR value (";" value)*
    value: INTEGER | "true" | "false" | STRING
    FIELD: /[A-Za-z][A-Za-z0-9_]*/
    OPERATOR: "=" | "!=" | "<" | ">" | "<=" | ">=" | "~" | "!~"
    INTEGER: /-?[0-9]+/
    STRING: /'(?:[^'\x00-\x1f\x7f-\x9f\ud800-\udfff]|'')*'/
    %ignore " "
    """,
    parser="lalr",
)

OPERATORS = ["=", "!=", "<", ">", "<=", ">=", "~", "!~"]
PIECES: list[str] = [
    "",
    *OPERATORS,
    *"()',; !-_.",
    *["''", "a", "group", "true", "false", "True", "0", "17", "-5", "'hi'", "'It''s'", "a=1", ",b~'x'", ";2"],
    *["\t", "\n", "\x7f", "\x85", "\ud800", "\u00a0", "\u0663", "\u00e4", "+", '"', "%", "\\"],
]


def strings() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("', ;()="), max_size=12)


def written_values() -> st.SearchStrategy[tuple[str, bool]]:
    bare = st.integers().map(str) | st.sampled_from(["true", "false", "-0", "007"])
    return st.tuples(bare, st.just(False)) | st.tuples(strings(), st.just(True))


def terms() -> st.SearchStrategy[tuple[str, str, list[tuple[str, bool]]]]:
    return st.tuples(
        st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True),
        st.sampled_from(OPERATORS),
        st.lists(written_values(), min_size=1, max_size=4),
    )


@st.composite
def filters(draw: st.DrawFn) -> tuple[str, list[Clause]]:
    """A valid filter, written with spaces wherever they are free, and what it must be read as."""
    text = ""

    def write(token: str) -> int:
        nonlocal text
        text += draw(st.sampled_from(["", "", " ", "  "]))
        position = len(text) + 1
        text += token
        return position

    enclosed = draw(st.booleans())
    clauses = []
    if enclosed:
        write("(")
    for number, (field, operator, values) in enumerate(draw(st.lists(terms(), min_size=1, max_size=5))):
        if number:
            write(",")
        position = write(field)
        write(operator)
        read = []
        for index, (value, quoted) in enumerate(values):
            if index:
                write(";")
            written = f"'{value.replace(chr(39), chr(39) * 2)}'" if quoted else value
            read.append(Value(value, quoted, write(written)))
        clauses.append(Clause(field, operator, tuple(read), position))
    if enclosed:
        write(")")
    write("")
    return text, clauses


def thrown_filter(dice: Random) -> str:
    """A valid filter, with spaces where they are free."""

    def joined(separator: str, make: Callable[[], list[str]], most: int) -> list[str]:
        tokens = make()
        for _ in range(dice.randrange(most)):
            tokens += [separator, *make()]
        return tokens

    def value() -> list[str]:
        return [dice.choice(["0", "-17", "true", "false", "''", "'hi there'", "'It''s'", "'),;('"])]

    def term() -> list[str]:
        return [dice.choice(["a", "group", "true", "B_2"]), dice.choice(OPERATORS), *joined(";", value, 3)]

    tokens = joined(",", term, 3)
    if dice.random() < 0.5:
        tokens = ["(", *tokens, ")"]
    return "".join(dice.choice(["", "", " ", "  "]) + token for token in [*tokens, ""])


def damaged(text: str, dice: Random) -> str:
    start = dice.randint(0, len(text))
    end = start + dice.randrange(3)
    return text[:start] + dice.choice(PIECES) + text[end:]


def thrown_text(dice: Random) -> str:
    if dice.random() < 0.3:
        return "".join(dice.choices(PIECES, k=dice.randrange(12)))
    text = thrown_filter(dice)
    for _ in range(dice.randrange(3)):
        text = damaged(text, dice)
    return text


def accepts(text: str) -> bool:
    try:
        parse(text)
    except FilterError as refused:
        error = refused
    else:
        return True
    assert str(error).endswith(f" at character {error.position}.")
    assert 1 <= error.position <= len(text) + 1
    return False


def oracle_accepts(text: str) -> bool:
    try:
        ORACLE.parse(text)
    except LarkError:
        return False
    return True


def clause(field: str, operator: str, *values: Value, at: int) -> Clause:
    return Clause(field, operator, values, at)


def bare(text: str, at: int = 1) -> Value:
    return Value(text, False, at)


def quoted(text: str, at: int = 1) -> Value:
    return Value(text, True, at)


def refusal(text: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("(group=115)", [clause("group", "=", bare("115", 8), at=2)]),
        (
            "(group=1,assigned=true,search~'hi there')",
            [
                clause("group", "=", bare("1", 8), at=2),
                clause("assigned", "=", bare("true", 19), at=10),
                clause("search", "~", quoted("hi there", 31), at=24),
            ],
        ),
        (
            "X=1;2;4,y>6,y<9,z~'test'",
            [
                clause("X", "=", bare("1", 3), bare("2", 5), bare("4", 7), at=1),
                clause("y", ">", bare("6", 11), at=9),
                clause("y", "<", bare("9", 15), at=13),
                clause("z", "~", quoted("test", 19), at=17),
            ],
        ),
        ("a!~''", [clause("a", "!~", quoted("", 4), at=1)]),
        ("a='It''s'", [clause("a", "=", quoted("It's", 3), at=1)]),
        ("a=''''", [clause("a", "=", quoted("'", 3), at=1)]),
        ("a='),;('", [clause("a", "=", quoted("),;(", 3), at=1)]),
        ("  (  a_1  >=  -5  ;  false  )  ", [clause("a_1", ">=", bare("-5", 15), bare("false", 22), at=6)]),
        ("true=true", [clause("true", "=", bare("true", 6), at=1)]),
    ],
)
def test_reads(text: str, clauses: list[Clause]) -> None:
    assert parse(text) == clauses


@pytest.mark.parametrize("operator", OPERATORS)
def test_reads_every_operator(operator: str) -> None:
    assert parse(f"a{operator}1")[0].operator == operator


FIELD = "Expected a field name"
OPERATOR = "Expected an operator"
VALUE = "Expected a whole number, true, false, or a string or date in single quotes,"
QUOTE = "Expected a closing quote"
MORE = "Expected ',', ';' or the end of the filter"
MORE_ENCLOSED = "Expected ',', ';' or ')'"
END = "Expected the end of the filter"
READABLE = "Expected readable text"


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", FIELD, 1),
        ("   ", FIELD, 4),
        ("()", FIELD, 2),
        ("( )", FIELD, 3),
        ("((a=1))", FIELD, 2),
        ("=1", FIELD, 1),
        ("1=a", FIELD, 1),
        ("_a=1", FIELD, 1),
        ("\u00e4=1", FIELD, 1),
        ("a=1,", FIELD, 5),
        ("a=1,,b=2", FIELD, 5),
        ("a", OPERATOR, 2),
        ("a 1", OPERATOR, 3),
        ("a!1", OPERATOR, 2),
        ("a b=1", OPERATOR, 3),
        ("a-b=1", OPERATOR, 2),
        ("a=", VALUE, 3),
        ("a= ;1", VALUE, 4),
        ("a=1;", VALUE, 5),
        ("a==1", VALUE, 3),
        ("a< =1", VALUE, 4),
        ("a<>1", VALUE, 3),
        ("a=hello", VALUE, 3),
        ("a=2008-11-25", VALUE, 3),
        ("a=10.4.100.5", VALUE, 3),
        ("a=TRUE", VALUE, 3),
        ("a=trueish", VALUE, 3),
        ("a=1b", VALUE, 3),
        ("a=-", VALUE, 3),
        ("a=+1", VALUE, 3),
        ("a=- 1", VALUE, 3),
        ("a=\u0663", VALUE, 3),
        ("a=1\u00a0", VALUE, 3),
        ('a="x"', VALUE, 3),
        ("a='x", QUOTE, 3),
        ("a=1,b='x'';", QUOTE, 7),
        ("a='''", QUOTE, 3),
        ("a=1)", MORE, 4),
        ("a='x' 'y'", MORE, 7),
        ("a='x'y", MORE, 6),
        ("a=1 2", MORE, 5),
        ("(a=1", MORE_ENCLOSED, 5),
        ("(a=1 b=2)", MORE_ENCLOSED, 6),
        ("(a=1))", END, 6),
        ("(a=1),b=2", END, 6),
        ("(a=1)(b=2)", END, 6),
        ("a=\t1", READABLE, 3),
        ("a='x\n'", READABLE, 5),
        ("a='\x00'", READABLE, 4),
        ("a='\x85'", READABLE, 4),
        ("a='\ud800'", READABLE, 4),
    ],
)
def test_refuses_saying_what_was_expected_and_where(text: str, problem: str, position: int) -> None:
    error = refusal(text)

    assert str(error).startswith(problem)
    assert str(error).endswith(f" at character {position}.")
    assert error.position == position


def test_limit_of_characters() -> None:
    longest = f"a='{'x' * (MAX_CHARACTERS - 4)}'"
    assert len(longest) == MAX_CHARACTERS
    assert parse(longest)

    assert str(refusal(longest + " ")) == "Expected at most 2,000 characters, found another at character 2001."


def test_as_many_macs_as_values_fit_in_any_spelling() -> None:
    macs = [f"00{mark}90{mark}8F{mark}9D{mark}89{mark}{n:02X}" for n, mark in enumerate("-:" * (MAX_VALUES // 2))]
    text = "(mac=" + ";".join(f"'{mac}'" for mac in macs) + ")"
    assert len(text) > MAX_CHARACTERS
    assert [value.text for value in parse(text)[0].values] == macs

    digits = len(text) - MAX_VALUES * 5
    assert parse(text + " " * (MAX_CHARACTERS - digits))
    assert refusal(text + " " * (MAX_CHARACTERS - digits + 1)).position == MAX_CHARACTERS + 1
    assert refusal("a='" + "00:" * (MAX_CHARACTERS // 3) + "'").position == MAX_CHARACTERS + 1


def test_limit_of_terms() -> None:
    assert len(parse(",".join(["a=1"] * MAX_TERMS))) == MAX_TERMS

    error = refusal(",".join(["a=1"] * (MAX_TERMS + 1)))
    assert str(error) == "Expected at most 20 terms, found another at character 81."


def test_limit_of_values_counts_over_all_terms() -> None:
    half = ";".join(["1"] * (MAX_VALUES // 2))
    assert len(parse(f"a={half},b={half}")) == 2

    error = refusal(f"a={half},b={half};1")
    assert str(error) == f"Expected at most 100 values, found another at character {error.position}."
    assert error.position == len(f"a={half},b={half};1")


@pytest.mark.parametrize("text", ["a='{}'", "a='{}", "a={}", "{}", "a=1{}"])
@pytest.mark.parametrize("filler", ["''", "(", " ", "a", "1", ";1", "'x'"])
def test_time_is_linear(text: str, filler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_grammar, "MAX_CHARACTERS", 1_000_000)
    text = text.format(filler * 300)

    steps.count(filter_grammar, accepts, text, limit=20 * len(text))


@given(filters())
@settings(max_examples=100, deadline=None)
def test_reads_back_what_was_written(written: tuple[str, list[Clause]]) -> None:
    text, clauses = written
    assert parse(text) == clauses


def test_agrees_with_an_independent_grammar() -> None:
    dice = Random(5)
    verdicts: Counter[bool] = Counter()

    for text in (thrown_text(dice) for _ in range(10_000)):
        verdict = accepts(text)
        assert verdict == oracle_accepts(text), text
        verdicts[verdict] += 1

    assert min(verdicts[True], verdicts[False]) > 2_000


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    accepts(text)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2019-04-28T18:16:04+0000", "2019-04-28T18:16:04+00:00"),
        ("2019-04-28T18:16:04 0000", "2019-04-28T18:16:04+00:00"),
        ("2019-04-28T18:16:04 02:00", "2019-04-28T16:16:04+00:00"),
        ("2019-04-28T18:16:04-0130", "2019-04-28T19:46:04+00:00"),
        ("2019-04-28T18:16:04-00:00", "2019-04-28T18:16:04+00:00"),
        ("2008-11-25T14:00:13", "2008-11-25T14:00:13+00:00"),
        ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57+00:00"),
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000+00:00"),
        ("1985-04-12t23:20:50.1234567899z", "1985-04-12T23:20:50.123456+00:00"),
        ("1985-04-12T23:20:50.5", "1985-04-12T23:20:50.500000+00:00"),
        ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00+00:00"),
        ("1990-12-31T23:59:60.25Z", "1991-01-01T00:00:00.250000+00:00"),
        ("1937-01-01T12:00:27+00:20", "1937-01-01T11:40:27+00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_reads_dates_as_utc(text: str, utc: str) -> None:
    assert parse_datetime(quoted(text)).isoformat() == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "20190428T181604Z",
        "2019-04-28",
        "2019-04-28T18:16",
        "2019-04-28T18:16Z",
        "2019-04-28 18:16:04",
        "2019-04-28T18:16:04+",
        "2019-04-28T18:16:04+00",
        "2019-04-28T18:16:04+00000",
        "2019-04-28T18:16:04+24:00",
        "2019-04-28T18:16:04+00:60",
        "2019-04-28T18:16:04Z+0000",
        "2019-04-28T18:16:04 Z",
        "2019-04-28T18:16:04  0000",
        "2019-04-28T18:16:04.",
        "2019-04-28T18:16:04,5Z",
        " 2019-04-28T18:16:04Z",
        "2019-04-28T18:16:04Z ",
        "2019-04-28T18:16:04Z\n",
        "2019-04-28T18:16:61Z",
        "2019-04-28T18:60:00Z",
        "2019-04-28T24:00:00Z",
        "2019-02-29T00:00:00Z",
        "2019-13-01T00:00:00Z",
        "2019-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "\u0662019-04-28T18:16:04Z",
        "2019-04-28T18:16:0\u0664Z",
        "2019-W17-7T18:16:04Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
    ],
)
def test_refuses_other_dates(text: str) -> None:
    with pytest.raises(FilterError, match=r"^Expected a date such as .* at character 7\.$"):
        parse_datetime(quoted(text, at=7))


@given(
    st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999),
    st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.booleans(),
    st.booleans(),
)
def test_reads_back_any_date(moment: datetime, zone: timezone, colon: bool, raw_plus: bool) -> None:
    text = moment.astimezone(zone).isoformat()
    if not colon:
        text = text[:-3] + text[-2:]
    if raw_plus:
        text = text.replace("+", " ")

    assert parse_datetime(quoted(text)) == moment


@given(
    st.from_regex(re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[-+ ][0-9]{4})?"))
)
def test_what_looks_like_a_date_is_read_or_refused(text: str) -> None:
    with suppress(FilterError):
        assert parse_datetime(quoted(text)).tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (bare("0"), 0),
        (bare("-0"), 0),
        (bare("007"), 7),
        (quoted("42"), 42),
        (bare("9223372036854775807"), 2**63 - 1),
        (bare("-9223372036854775808"), -(2**63)),
    ],
)
def test_reads_integers(value: Value, number: int) -> None:
    assert parse_integer(value) == number


@pytest.mark.parametrize(
    "value",
    [
        *map(bare, ["9223372036854775808", "-9223372036854775809", "9" * 1990, "true"]),
        *map(quoted, ["", "-", "+1", " 1", "1 ", "1\n", "1_0", "5.0", "1e3", "0x1", "\u0663", "x"]),
    ],
)
def test_refuses_other_integers(value: Value) -> None:
    with pytest.raises(FilterError, match=r"^Expected a whole number .* at character 1\.$"):
        parse_integer(value)


def test_reads_booleans() -> None:
    assert parse_boolean(bare("true")) is True
    assert parse_boolean(bare("false")) is False


@pytest.mark.parametrize("value", [quoted("true"), quoted("false"), quoted(""), bare("1"), bare("0")])
def test_refuses_other_booleans(value: Value) -> None:
    with pytest.raises(FilterError, match=r"^Expected true or false, without quotes, at character 1\.$"):
        parse_boolean(value)
