"""The OpenAPI document, made from what it describes: docstrings, serializers, filters, addresses and methods.

What no code tells stands in description.md and openapi.yaml. Source: the manual; docs of drf-spectacular.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import yaml
from drf_spectacular.drainage import get_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_list_serializer
from drf_spectacular.utils import (
    Direction,
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers

from api import csv_lists, etag, filter_grammar, idempotency, pagination, parsers, rate_limits
from api.fields import Schema
from api.serializers import IDENTIFYING, Created, Done, Error, RequestSerializer
from redirect.errors import ERRORS_SHOWN

Responses = dict[int, OpenApiResponse]

GIVEN = "Example"  # the name of an example that a view gives; those of serializers are numbered

HERE = Path(__file__).parent
BY_HAND: Schema = yaml.safe_load((HERE / "openapi.yaml").read_text())
DESCRIPTION = Template((HERE / "description.md").read_text()).substitute(
    max_kib=parsers.MAX_BYTES // 1024,
    max_depth=parsers.MAX_DEPTH,
    errors_shown=ERRORS_SHOWN,
    max_characters=f"{filter_grammar.MAX_CHARACTERS:,}",
    max_terms=filter_grammar.MAX_TERMS,
    max_values=filter_grammar.MAX_VALUES,
    max_limit=f"{pagination.MAX_LIMIT:,}",
)
DATE: Schema = {
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+0000$",
    "examples": ["2019-04-28T18:16:04+0000"],
}
HEADERS_OF = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}


# --- Answers ---------------------------------------------------------------------------------------------------


REASONS = {
    400: ("The request is not well formed.", "The request body is not valid JSON: line 1, column 2."),
    401: ("No token, or one that is not valid any more.", "Authentication is required."),
    403: ("Your level, or your group, does not allow this.", "Your permission level does not allow this."),
    404: ("Does not exist, or is not in your scope.", "Not found."),
    405: ("The address does not have this method.", "Method not allowed."),
    406: ("`Accept` names `text/csv` alone, which this address does not have.",
          "This address has no text/csv: accept application/json."),
    409: ("The state of the data does not allow it, or another request came in between.",
          "Changed by another request, try again."),
    412: ("Changed since the `ETag` was read.", "Changed since you read it: read it again, and try then."),
    413: ("The request body is too large.", f"The request body is larger than {parsers.MAX_BYTES} bytes."),
    415: ("The request body is not `application/json`.", "Send the request body as application/json."),
    422: ("The `Idempotency-Key` was sent with another body before.",
          "This Idempotency-Key was sent with another body before: use a new key."),
    429: ("Too many requests.", "Too many requests."),
    503: ("The database is away or too slow. The description tells if a change may have been made all the same.",
          "Temporarily unavailable, try again."),
}  # fmt: skip


def example(*values: Any, media_type: str = "application/json") -> Callable[[type], type]:
    """Decorates a serializer: these are examples of what it takes or shows."""
    numbered = enumerate(values, 1)
    examples = [OpenApiExample(f"Example {number}", value, media_type=media_type) for number, value in numbered]
    return extend_schema_serializer(examples=examples)


def answer(serializer: Any, description: str, *examples: Any, status: int = 200) -> Responses:
    """A good answer; its examples are those of the serializer, unless others are given."""
    given = [OpenApiExample(GIVEN, value, response_only=True) for value in examples]
    return {status: OpenApiResponse(serializer, description, given)}


def done(text: str) -> Responses:
    """200 with a sentence."""
    return answer(Done, text + ".", {"description": text})


def refusal(status: int, why: str | None = None, says: str | None = None) -> Responses:
    """One error answer: why it is given (default: what the status means), and what it may say."""
    reason, usual = REASONS[status]
    return answer(Error, why or reason, {"description": says or usual}, status=status)


def _refusals(*statuses: int) -> Responses:
    return {status: response for each in statuses for status, response in refusal(each).items()}


NO_ID = refusal(
    404, "The address is not one of this API, as the id is no number. An unknown id is answered with 204."
)
NOTHING = {204: OpenApiResponse(description="Nothing to show.")}
NOT_MODIFIED = {304: OpenApiResponse(description="As it was when you read it.")}
NOT_THERE = {204: OpenApiResponse(description="Does not exist, or is not in your scope.")}


def path_id(
    schema: Schema | None = None, description: str = "Its id.", examples: Iterable[Any] = ()
) -> OpenApiParameter:
    """`{id}` in a path; without examples it has the ids of those that the view shows."""
    numbered = [OpenApiExample(f"Example {number}", value) for number, value in enumerate(examples, 1)]
    schema = schema or {"type": "integer", "format": "int64", "minimum": 0}
    return OpenApiParameter("id", schema, OpenApiParameter.PATH, description=description, examples=numbered)


ID = path_id()
DEPTH = OpenApiParameter(
    "depth",
    {"type": "integer", "enum": [0, 1], "default": 1},
    description="0: only what belongs to the high-level groups of your scope; 1: also to their providers.",
)


# --- Views -----------------------------------------------------------------------------------------------------


class ViewSchema(AutoSchema):
    """What the document says of a view of generics.py.

    The first line of a method's docstring is the summary, the rest the description. `responses` of the view, by
    method, stand before what method and address tell.
    """

    view: Any

    def get_summary(self) -> str:
        return self._texts()[0]

    def get_description(self) -> str:  # type: ignore[override]
        return " ".join(self._texts()[1].split())

    def _texts(self) -> tuple[str, str]:
        summary, _, description = (inspect.getdoc(getattr(self.view, self.method.lower())) or "").partition("\n\n")
        return summary, description

    def get_tags(self) -> list[str]:
        return [self.view.tag]

    def get_operation_id(self) -> str:
        verb = {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(self.method, "get")
        usual = f"list{self.view.noun}s" if self._is_list_view() else verb + self.view.noun
        return str(self.view.operation_ids.get(self.method, usual))

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Whether the operation is a page of a list. The page itself, a serializer with an envelope, is none."""
        if serializer is not None:
            return bool(is_list_serializer(serializer))
        return self.method == "GET" and self.view.pagination_class is not None

    def get_override_parameters(self) -> list[Any]:
        in_path = [*([self._id_parameter()] if "{id}" in self.path else []), *self.view.more_parameters]
        in_query = [DEPTH] if self.method == "GET" and "depth" in self.view.query_parameters else []
        once = [idempotency.PARAMETER] if self.method == "POST" and self.view.keeps_answers else []
        return [*in_path, *in_query, *etag.parameters(self.view, self.method), *once]

    def _id_parameter(self) -> OpenApiParameter:
        declared: OpenApiParameter = self.view.id_parameter
        if declared.examples:
            return declared
        return path_id(examples=[shown["id"] for shown in _examples(self.view.serializer_class)])

    def get_request_serializer(self) -> Any:
        return self.view.request_class

    def get_response_serializers(self) -> Any:
        said: Responses = self.view.responses.get(self.method, {})
        usual = {} if min(said, default=400) < 204 else self._success()
        as_csv = csv_lists.documented(self.view.columns) if self.method == "GET" and self.view.columns else {}
        return usual | self._refused() | said | as_csv

    def _success(self) -> Responses:
        view, noun = self.view, self.view.noun.lower()
        if self._is_list_view():
            return _page(view.pagination_class.name, view.pagination_class.pages, view.serializer_class) | NOTHING
        match self.method:
            case "GET":
                found = answer(view.serializer_class, f"The {noun}.")
                found |= NOT_MODIFIED if etag.parameters(view, "GET") else {}
                return found | NOT_THERE if "{id}" in self.path else found
            case "PUT":
                changed = _examples(view.request_class)[0]
                before = _examples(view.serializer_class)[0]
                shown = {name: changed.get(name, value) for name, value in before.items()}
                return answer(view.serializer_class, f"The {noun} as it is now.", shown)
            case "DELETE":
                return done(f"{view.noun} deleted")
            case _:
                return answer(Created, "Created.", {"id": 1, "url": f"{self.path}/1"}, status=201)

    def _refused(self) -> Responses:
        """The error answers that every view of this kind can give."""
        refused = _refusals(503) | (_refusals(401) if self.view.authentication_classes else {})
        refused |= _refusals(403) if self.view.actions else {}
        if self.method == "GET":
            refused |= _refusals(406) if self.view.columns is None else {}
            return refused | _query_refused(self.view) | (NO_ID if "{id}" in self.path else {})
        refused |= _refusals(409) | (_refusals(404) if "{id}" in self.path else {})
        refused |= _refusals(412) if etag.parameters(self.view, self.method) else {}
        if self.method == "DELETE":
            return refused
        refused |= _refusals(422) if self.method == "POST" and self.view.keeps_answers else {}
        says = self.view.request_class().not_an_object([])
        return refused | refusal(400, says=says) | _refusals(413, 415)


def _query_refused(view: Any) -> Responses:
    says = view.unknown_parameter("colour", view.query_parameters)
    return refusal(400, "A query parameter is unknown, repeated or not well formed.", says)


def _examples(serializer: type[serializers.Serializer[Any]]) -> list[Any]:
    return [example.value for example in get_override(serializer, "examples", [])]


@cache
def _page(name: str, pages: type[pagination.Pages], serializer: type[serializers.Serializer[Any]]) -> Responses:
    fields: dict[str, Any] = {name: serializer(many=True), "pages": pages()}
    rows = _examples(serializer)
    numbers: dict[str, Any] = {"total": 1, "totalElements": len(rows), "size": 25, "current": 1}
    shown = {name: rows, "pages": {field: numbers.get(field) for field in pages().get_fields()}}
    return answer(inline_serializer(f"{name.title()}Page", fields), f"One page of {name}.", shown)


class RequestSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A request body: exactly these attributes, and what a PUT may send back of its resource."""

    target_class = "api.serializers.RequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        body: RequestSerializer = self.target
        known: Mapping[str, Any] = body.fields
        properties = {name: field.documented() for name, field in known.items()}
        for name, field in (body.resource().fields if body.resource else {}).items():
            if name in properties:
                continue
            if name in IDENTIFYING:
                shown = auto_schema._map_serializer_field(field, "response")  # type: ignore[no-untyped-call]
                properties[name] = shown | {"description": "May be sent back; must be unchanged."}
            else:
                properties[name] = {"description": "May be sent back; is ignored."}
        required = [name for name, field in known.items() if field.required]
        return {
            "type": "object",
            "description": (type(body).__doc__ or "").strip(),
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


class Bearer(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Authorization: Bearer <access token>"""

    target_class = "api.authentication.TokenAuthentication"
    name = "bearer"
    priority = 1  # before what drf-spectacular brings for its base class

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of the login's answer.",
        }


# --- Hooks, named in the settings -------------------------------------------------------------------------------

Endpoint = tuple[str, str, str, Any]


def without_aliases(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Each operation once: not with a slash at the end, not under /user…, and one address for id and MAC."""
    return [
        endpoint
        for endpoint in endpoints
        if not endpoint[0].endswith("/")
        and "{mac}" not in endpoint[0]
        and not f"{endpoint[0]}/".startswith("/api/v1/user/")
    ]


def complete(result: Schema, **kwargs: Any) -> Schema:
    """What no generator knows: the texts, headers, exact types, and addresses outside REST framework."""
    result["info"]["description"] = DESCRIPTION.strip()
    result["tags"] = BY_HAND["tags"]
    schemas = result["components"]["schemas"]
    schemas["Error"]["properties"]["errors"] |= {"minItems": 1, "maxItems": ERRORS_SHOWN}
    for schema in schemas.values():
        schema["properties"] = {name: _exact(value) for name, value in schema["properties"].items()}
    result["components"]["headers"] = BY_HAND["headers"]
    result["paths"] |= BY_HAND["paths"]
    for path in result["paths"].values():
        for operation in path.values():
            operation["security"] = [needed for needed in operation.get("security", ()) if needed]
            for status, response in operation["responses"].items():
                for media in response.get("content", {}).values():
                    _prefer_given_examples(media)
                names = ["X-Request-ID", HEADERS_OF.get(status), etag.header_of(operation, status)]
                names += rate_limits.headers_of(operation, status)
                response["headers"] = {n: {"$ref": f"#/components/headers/{n}"} for n in names if n}
    result["paths"] |= BY_HAND["phones"]
    result["servers"] = BY_HAND["servers"]
    return result


def _prefer_given_examples(media: Schema) -> None:
    """drf-spectacular shows the examples of a serializer also where the view gives others."""
    if GIVEN in media.get("examples", {}):
        media["examples"] = {GIVEN: media["examples"][GIVEN]}


def _exact(schema: Schema) -> Schema:
    schema = {key: value for key, value in schema.items() if key != "x-spec-enum-id"}
    if schema.get("format") == "date-time":
        del schema["format"]
        return schema | DATE
    if schema.get("type") == "integer":
        return {"format": "int64"} | schema
    return schema
