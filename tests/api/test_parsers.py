"""Request bodies: JSON of the strict kind, of a bounded size, and nothing else."""

import io
import json
from typing import Any

import pytest

from api import parsers
from locations.models import Location
from redirect.errors import ApiError
from tests.conftest import Api, Cast, make_location

URL = "https://pbx.example/"
TYPE = "application/json"


def send(api: Api, body: bytes | str, content_type: str = TYPE) -> Any:
    return api.client.generic("POST", "/api/v1/locations", body, content_type, headers=api.headers)


def refused(answer: Any, status: int = 400) -> str:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Request-ID" in answer.headers
    assert not Location.objects.exists()
    description: str = answer.json()["description"]
    return description


def body_of(cast: Cast, description: str) -> str:
    """A good body in which the value of `description` is written as given."""
    return f'{{"url": "{URL}", "groupId": {cast.provider.pk}, "description": {description}}}'


@pytest.mark.parametrize("written", ['"plain"', '"\\u00e9\\ud83c\\udf89"', '"é🎉"', "null"])
def test_a_good_body_is_taken(administrator: Api, cast: Cast, written: str) -> None:
    assert send(administrator, body_of(cast, written)).status_code == 201
    assert Location.objects.get().description == json.loads(written)


@pytest.mark.parametrize("space", [" ", "\n\t\r "])
def test_space_around_is_free(administrator: Api, cast: Cast, space: str) -> None:
    assert send(administrator, space + body_of(cast, "null") + space).status_code == 201


@pytest.mark.parametrize(
    "written",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "'single'",
        "1,",
        '"\t"',
        '"\\x"',
        '"\\ud800"',
        '{"\\udfff": 1}',
        '{"a": 1, "a": 1}',
        '[{"a": {"b": 1, "b": 2}}]',
        "1" * 5000,
        "01",
        "[" * 100_000,
        "[" * 21 + "]" * 21,
        '{"a":' * 21 + "1" + "}" * 21,
    ],
)
def test_what_is_not_strict_json_is_refused(administrator: Api, cast: Cast, written: str) -> None:
    refused(send(administrator, body_of(cast, written)))


def test_a_byte_order_mark_is_ignored(administrator: Api, cast: Cast) -> None:
    body = b"\xef\xbb\xbf" + body_of(cast, '"é"').encode()
    assert send(administrator, body).status_code == 201
    assert Location.objects.get().description == "é"


def test_a_second_byte_order_mark_is_none(administrator: Api, cast: Cast) -> None:
    refused(send(administrator, b"\xef\xbb\xbf" * 2 + body_of(cast, "null").encode()))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("null", "null"),
        ("[]", "an array"),
        ('"{}"', "a string"),
        ("5", "a number"),
        ("0.5", "a number"),
        ("true", "a boolean"),
    ],
)
def test_what_is_no_object_is_called_by_its_name(administrator: Api, cast: Cast, body: str, kind: str) -> None:
    said = refused(send(administrator, body))
    assert said == f"The request body must be a JSON object with url, groupId, not {kind}."


@pytest.mark.parametrize("body", ["null", "[]", '"x"', "1"])
def test_a_login_says_what_it_needs(body: str, db: None) -> None:
    answer = Api().client.generic("POST", "/api/v1/login", body, TYPE)
    assert answer.status_code == 400
    assert "must be a JSON object with userName, password, not" in answer.json()["description"]


@pytest.mark.parametrize("body", [b"", b" ", b"x", b"{", b"{}{}", b"\xef\xbb\xbf{}"])
def test_the_body_is_one_object(administrator: Api, cast: Cast, body: bytes) -> None:
    refused(send(administrator, body))


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_bad_utf_8_is_refused(administrator: Api, cast: Cast, raw: bytes) -> None:
    body = body_of(cast, '"-"').encode().replace(b"-", raw)
    assert "UTF-8" in refused(send(administrator, body))


def test_utf_16_is_refused(administrator: Api, cast: Cast) -> None:
    refused(send(administrator, body_of(cast, "null").encode("utf-16"), f"{TYPE}; charset=utf-16"))


def test_an_attribute_that_stands_twice_is_named(administrator: Api, cast: Cast) -> None:
    twice = f'{{"url": "{URL}", "groupId": {cast.provider.pk}, "url": "https://other.example/"}}'
    assert '"url"' in refused(send(administrator, twice))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_beyond_64_bit_is_refused(administrator: Api, cast: Cast, number: int) -> None:
    refused(send(administrator, f'{{"url": "{URL}", "groupId": {number}}}'))


def test_an_exception_is_never_quoted(administrator: Api, cast: Cast) -> None:
    for body in ("{", '{"a": NaN}', "[" * 100_000, "1" * 5000):
        description = refused(send(administrator, body))
        assert not any(word in description for word in ("Expecting", "Traceback", "JSONDecodeError", "recursion"))


# --- Size -----------------------------------------------------------------------------------------------------


def test_a_body_of_512_kib_is_read_and_one_byte_more_is_not(administrator: Api, cast: Cast) -> None:
    body = body_of(cast, "null").encode()
    whole = body + b" " * (512 * 1024 - len(body))
    refused(send(administrator, whole + b" "), 413)
    assert send(administrator, whole).status_code == 201


def test_a_body_far_larger_is_refused_alike(administrator: Api, cast: Cast) -> None:
    refused(send(administrator, b"[" + b"1," * 4_000_000), 413)


# --- Type -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", [TYPE, "Application/JSON", f"{TYPE}; charset=utf-8", f"{TYPE};charset=UTF-8"]
)
def test_json_may_be_said_in_any_case_with_a_charset(administrator: Api, cast: Cast, content_type: str) -> None:
    assert send(administrator, body_of(cast, "null"), content_type).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", ""],
)
def test_another_type_is_refused(administrator: Api, cast: Cast, content_type: str) -> None:
    refused(send(administrator, body_of(cast, "null"), content_type), 415)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0.1", "nonsense", ""])
def test_accept_is_ignored(administrator: Api, cast: Cast, accept: str) -> None:
    path = f"/api/v1/locations/{make_location(cast.provider).pk}"
    answer = administrator.client.get(path, headers=administrator.headers | {"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


# --- The reader itself ----------------------------------------------------------------------------------------


def load(text: str | bytes) -> Any:
    return parsers.load(io.BytesIO(text.encode() if isinstance(text, str) else text))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_20_levels_are_read_and_21_are_not(opening: str, closing: str) -> None:
    value = load(opening * 20 + "1" + closing * 20)
    for _ in range(20):
        value = value[0] if isinstance(value, list) else value["a"]
    assert value == 1
    with pytest.raises(ApiError) as refusal:
        load(opening * 21 + "1" + closing * 21)
    assert refusal.value.status == 400


@pytest.mark.parametrize("text", ["5", '"x"', "[1, 2.5, -0]", '{"a": {"a": {}}}', "true", '["a", "a"]'])
def test_values_are_those_of_json(text: str) -> None:
    assert load(text) == json.loads(text)
