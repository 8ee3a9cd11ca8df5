"""Bytes of a request body -> values, refusing what the API does not take.

Duplicate keys, NaN, lone surrogates, bad UTF-8 and deep nesting are refused here, so that no later rule has to
think of them. Source: contract section 2; RFC 8259.
"""

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any, NoReturn

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from redirect.errors import ApiError, bad_request

MAX_BYTES = 512 * 1024
MAX_DEPTH = 20


class StrictJSONParser(BaseParser):
    """application/json and nothing else: REST framework answers 415 for other types."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return load(stream)


class FormParser(MultiPartParser):
    """multipart/form-data with each name once, as a dict of texts and files."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        parsed = super().parse(stream, media_type, parser_context)
        values: dict[str, Any] = {}
        for name, found in (*parsed.data.lists(), *parsed.files.lists()):
            if name in values or len(found) > 1:
                raise bad_request(f"The attribute {json.dumps(name[:100])} stands twice in the request body.")
            values[name] = found[0]
        return values


class JSONOnlyNegotiation(BaseContentNegotiation):
    """`Accept` is ignored: the manual knows no other form than JSON, and 406 would help nobody."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def load(stream: IO[bytes]) -> Any:
    """The value of a JSON text of at most 512 KiB; raises ApiError 413 above that, 400 if it is not valid."""
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ApiError(413, f"The request body is larger than {MAX_BYTES} bytes.")
    try:
        text = content.decode("utf-8-sig")  # a byte order mark is ignored, as RFC 8259 section 8.1 allows
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
        _check_text_and_depth(value, MAX_DEPTH)
    except UnicodeError as error:
        raise bad_request("The request body is not valid UTF-8.") from error
    except json.JSONDecodeError as error:
        raise bad_request(
            f"The request body is not valid JSON: line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # a number of thousands of digits
        raise bad_request("The request body holds a number that is too large.") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        seen: set[str] = set()
        name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise bad_request(f"The attribute {json.dumps(name[:100])} stands twice in the request body.")
    return unique


def _constant(name: str) -> NoReturn:
    raise bad_request(f"{name} is not a JSON number.")


def _check_text_and_depth(value: Any, levels: int) -> None:
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate cannot be encoded, stored or sent back
    elif isinstance(value, dict | list):
        if levels == 0:
            raise _too_deep()
        for key in value if isinstance(value, dict) else ():
            key.encode("utf-8")
        for item in value.values() if isinstance(value, dict) else value:
            _check_text_and_depth(item, levels - 1)


def _too_deep() -> ApiError:
    return bad_request(f"The request body is nested deeper than {MAX_DEPTH} levels.")
