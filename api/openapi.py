"""The OpenAPI document: what all operations share. What an app's operations say stands in its own openapi.py.

The views know nothing of this. The document is generated from their serializers, and completed here with what a
generator cannot see. Source: the manual; docs of drf-spectacular.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import (
    Direction,
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api import fields, filter_grammar, listing, parsers
from api.listing import Attribute, Date, Filters, Flag, Number
from api.serializers import IDENTIFYING, RequestSerializer
from redirect.errors import ERRORS_SHOWN

Schema = dict[str, Any]

API = "/api/v1/"

DESCRIPTION = f"""
Tells each phone, gateway or SBC at boot where its configuration is. Resellers and their providers keep their
devices and locations here; a device that asks for its MAC is redirected to its location.

## Logging in

1. `POST /api/v1/login` with `userName` and `password` answers with an `access_token`.
2. Send it with every other request: `Authorization: Bearer <access_token>`.
3. It lasts `expires_in` seconds. Then log in again, or spend the `refresh_token` at `POST /api/v1/refresh`.

A first login may be refused with 403 and `forceChangePasswordNextLogin: true`: change the password with
`POST /api/v1/changePassword`, then log in. After too many failures a user is blocked for a while; this refuses
logins only, tokens in use go on. Every token of a user ends at once when the password is changed or reset, the
user is deactivated or deleted, or gets another level or group.

## Requests

- Bodies are JSON in UTF-8, sent as `application/json`, of at most {parsers.MAX_BYTES // 1024} KiB and
  {parsers.MAX_DEPTH} levels. `Accept` is ignored: JSON is sent.
- Types are strict: `"5"`, `5.0` and `true` are not the number 5, `"yes"` is no boolean. Unknown attributes,
  attributes that stand twice, and unknown or repeated query parameters are refused with 400.
- `null` means "none" for every optional attribute, and `""` is kept as `""`. In a PUT, `null` for an attribute
  that cannot be none (the name of a group, a password) leaves it as it is, as if it were absent.
- GET, edit, PUT works: what a resource shows may be sent back. What identifies it (`id`, `login`, `group`,
  `groupId`, `groupType`, `resellerId`, `permissionLevel`) must be unchanged, other read-only attributes are
  ignored. An attribute that is absent from a PUT stays as it is. `PUT /locations/{{id}}` always needs `url`.
- Dates are sent as `2019-04-28T18:16:04+0000`, in UTC and whole seconds.
- A MAC is accepted as 12 hexadecimal digits, or as six pairs joined by `:` or by `-`, in any case. Answers show
  `00:A0:C9:14:C8:29`.

## Answers

Every answer from 400 up is `{{"description": "<a sentence for a person>"}}`. Where attributes are at fault,
`errors` names them, {ERRORS_SHOWN} at most:

```json
{{
  "description": "name: This field is required. (1 more, see errors.)",
  "errors": [
    {{"field": "name", "description": "This field is required."}},
    {{"field": "groupType", "description": "Must be one of Reseller, Provider."}}
  ]
}}
```

The checks come in this order, so that no answer tells more than it should: 401, who are you; 403, may your
level do this at all; 400, is the request well formed; 403 or 404, is it in your scope; 409, does the state allow
it. What is not in your scope is answered like what does not exist: 204 for a GET of a single id, a list with
nothing in it or a page past its end, 404 for a write to it, 403 for a group named in a body.

429 and 503 carry `Retry-After` in seconds. 405 (with `Allow`) answers a method that an address does not have.
Every answer but those to phones carries `X-Request-ID`, under which the log of the service has it; a UUID that you
send in this header is kept.

## Filter

`filter` holds terms joined by `,` that must all hold, with or without parentheses around the whole:

```
filter=(group=10;20,assigned=true,search~'hi there')
filter=numRequests>3,lastAccess<'2026-01-01T00:00:00+0000'
filter=description!~'test',locationId=''
```

- A term is `field operator value`. Alternatives are joined by `;`: `group=10;20` is 10 or 20.
- Operators: `=` and `!=` for all; `<`, `>`, `<=`, `>=` for numbers and dates; `~` (contains) and `!~` for strings.
  `!=` and `!~` are the exact opposite of `=` and `~`, also with `;` and also for rows in which the attribute is
  empty: `group!=10;20` is neither 10 nor 20.
- Strings and dates stand in single quotes, a quote inside is doubled: `'It''s'`. Numbers stand bare or quoted,
  `true` and `false` bare. `''` is the empty value: `locationId=''` finds devices without a location.
- Strings are equal to the letter with `=`, and contained in any case with `~`, where `%` and `_` are themselves.
  A MAC is found in any spelling.
- A date is given as dates are sent, or as in RFC 3339 with `Z` or an offset; without an offset it is UTC. The
  space that a raw `+` becomes in a query string is taken as the `+`.
- Fields are the attributes of the resource under their own names, and `group`, `assigned` (devices) and `search`
  (contains, over the attributes that the operation lists).
- Spaces are free. At most {filter_grammar.MAX_CHARACTERS:,} characters, {filter_grammar.MAX_TERMS} terms and
  {filter_grammar.MAX_VALUES} values. An empty filter, an unknown field, or an operator that makes no sense for the
  type is refused with 400, which says what is wrong and at which character.

## Sort, depth and pages

- `sort=-lastAccess,mac` sorts by any attribute of the resource, `-` descending. Empty values come last either
  way, and the id breaks ties, so that pages neither repeat nor skip a row.
- `depth=0` keeps what belongs to the high-level groups of your scope (resellers for a reseller, the own provider
  for a provider); `depth=1`, the default, adds their providers. Scope, depth and filter must all hold.
- `page` and `limit` count from 1. A `limit` over {listing.MAX_LIMIT:,} is served as {listing.MAX_LIMIT:,}, and
  shown so in `pages`.
- `GET /groups` knows `depth` only: it answers with all visible groups at once. `GET /locations/{{id}}/devices`
  knows `page` and `limit` only.
"""

TAGS = [
    {"name": "Login", "description": "Tokens and passwords. Manual, chapters 1 to 3."},
    {"name": "Groups", "description": "Resellers and their providers. Manual, chapter 7."},
    {"name": "Devices", "description": "Phones and other devices, by MAC. Manual, chapter 8."},
    {"name": "Locations", "description": "Where devices are redirected to. Manual, chapter 9."},
    {"name": "Users", "description": "Who may log in, and with which level. Manual, chapter 10."},
    {"name": "Location actions", "description": "Give devices a location, or take it. Manual, chapter 11."},
    {"name": "Audit", "description": "Who changed what, when and from where. Beyond the manual."},
    {"name": "Phones", "description": "What a device sees when it boots."},
    {"name": "Service", "description": "For load balancers and operators."},
]

DATE: Schema = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+0000$",
    "example": "2019-04-28T18:16:04+0000",
}
INT64: Schema = {
    "type": "integer",
    "format": "int64",
    "minimum": -fields.INT64,
    "maximum": fields.INT64 - 1,
}

CONTROLS = r"\x00-\x1F\x7F-\x9F"
CONTROLS_BUT_LINE_BREAKS = r"\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\x9F"

HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "The id of this request in the log of the service.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "The scheme in which to authenticate.",
        "required": True,
        "schema": {"type": "string", "enum": ["Bearer"]},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "Allow": {
        "description": "The methods that the address has.",
        "required": True,
        "schema": {"type": "string"},
    },
}
HEADERS_OF = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}


# --- Answers ---------------------------------------------------------------------------------------------------


class Error(serializers.Serializer[Any]):
    """What every answer from 400 up says."""

    class ErrorAttribute(serializers.Serializer[Any]):
        """What is wrong with one attribute of the body."""

        field = serializers.CharField()
        description = serializers.CharField()

    description = serializers.CharField()
    errors = serializers.ListField(child=ErrorAttribute(), required=False)  # type: ignore[assignment]


class Done(serializers.Serializer[Any]):
    """What was done, in a sentence."""

    description = serializers.CharField()


class Created(serializers.Serializer[Any]):
    """What was created, and its address."""

    id = serializers.IntegerField()
    url = serializers.CharField()


class Pages(serializers.Serializer[Any]):
    """Which page of how many this is. Source: manual chapter 6."""

    total = serializers.IntegerField()
    totalElements = serializers.IntegerField()
    size = serializers.IntegerField()
    current = serializers.IntegerField()


ONE_PAGE = {"total": 1, "totalElements": 1, "size": listing.DEFAULT_LIMIT, "current": 1}

REASONS = {
    400: ("The request is not well formed.", "The request body must be a JSON object."),
    401: ("No token, or one that is not valid any more.", "Authentication is required."),
    403: ("Your level, or your group, does not allow this.", "Your permission level does not allow this."),
    404: ("Does not exist, or is not in your scope.", "Not found."),
    405: ("The address does not have this method.", "Method not allowed."),
    409: ("The state of the data does not allow it, or another request came in between.",
          "Changed by another request, try again."),
    413: ("The request body is too large.", f"The request body is larger than {parsers.MAX_BYTES} bytes."),
    415: ("The request body is not `application/json`.", "Send the request body as application/json."),
    429: ("Too many requests.", "Too many requests."),
    503: ("The database is away or too slow.", "Temporarily unavailable, try again."),
}  # fmt: skip


def example_of(value: Any, name: str = "Example", **kwargs: Any) -> OpenApiExample:
    """An example of a body."""
    return OpenApiExample(name, value, **kwargs)


def refusal(status: int, why: str | None = None, says: str | None = None) -> dict[int, OpenApiResponse]:
    """One error answer: why it is given (default: what the status means), and what it may say."""
    reason, usual = REASONS[status]
    example = example_of({"description": says or usual}, response_only=True)
    return {status: OpenApiResponse(Error, why or reason, [example])}


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """Error answers in the usual words."""
    return {status: answer for each in statuses for status, answer in refusal(each).items()}


# A list refuses its parameters; a single resource also what is no id at all.
READING = refusals(401, 403, 503) | refusal(
    400, "A query parameter is unknown, repeated or not well formed.", "depth must be 0 or 1."
)
READING_ONE = READING | refusal(
    404, "The address is not one of this API, as the id is no number. An unknown id is answered with 204."
)
CREATING = refusals(400, 401, 403, 409, 413, 415, 503)
CHANGING = CREATING | refusals(404)
DELETING = refusals(401, 403, 404, 409, 503)

NOTHING = {204: OpenApiResponse(description="Nothing to show.")}
NOT_THERE = {204: OpenApiResponse(description="Does not exist, or is not in your scope.")}


def answer(
    serializer: Any, description: str, example: Any, *, status: int = 200, name: str = "Example"
) -> dict[int, OpenApiResponse]:
    """A good answer with its example."""
    return {status: OpenApiResponse(serializer, description, [example_of(example, name, response_only=True)])}


def done(text: str) -> dict[int, OpenApiResponse]:
    """200 with a sentence."""
    return answer(Done, text + ".", {"description": text})


def created(address: str, example: int) -> dict[int, OpenApiResponse]:
    """201 with an id and an address."""
    return answer(Created, "Created.", {"id": example, "url": f"{API}{address}/{example}"}, status=201)


def page_of(
    name: str, serializer: type[serializers.Serializer[Any]], *examples: Any
) -> dict[int, OpenApiResponse]:
    """200 with one page of a list, 204 where there is nothing to show."""
    pages = ONE_PAGE | {"totalElements": len(examples)}
    return (
        answer(_page(name, serializer), f"One page of {name}.", {name: list(examples), "pages": pages}) | NOTHING
    )


@cache
def _page(name: str, serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    return inline_serializer(f"{name.title()}Page", {name: serializer(many=True), "pages": Pages()})


def sent(value: Any, name: str = "Example") -> OpenApiExample:
    """An example of a request body."""
    return example_of(value, name, request_only=True)


# --- Parameters ------------------------------------------------------------------------------------------------

ID = OpenApiParameter(
    "id", {"type": "integer", "format": "int64", "minimum": 0}, OpenApiParameter.PATH, description="Its id."
)

DEPTH = OpenApiParameter(
    "depth",
    {"type": "integer", "enum": [0, 1], "default": 1},
    description="0: only what belongs to the high-level groups of your scope; 1: also to their providers.",
)


def _count(name: str, default: int, description: str) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": default}
    return OpenApiParameter(name, schema, description=description)


PAGING = [
    _count("page", 1, "The number of the page."),
    _count(
        "limit",
        listing.DEFAULT_LIMIT,
        f"The number of rows on a page; more than {listing.MAX_LIMIT:,} is served as {listing.MAX_LIMIT:,}.",
    ),
]


def list_parameters(filters: type[Filters], *examples: str, searched: str = "") -> list[OpenApiParameter]:
    """filter, sort, depth, page and limit of a resource; `searched` names what `search` looks at."""
    attributes: dict[str, Attribute] = filters.base_filters
    rows = "\n".join(f"| `{name}` | {_kind(a)} | {_operators(a)} |" for name, a in attributes.items())
    sortable = [name for name, attribute in attributes.items() if attribute.sortable]
    return [
        OpenApiParameter(
            "filter",
            {
                "type": "string",
                "minLength": 1,
                "maxLength": filter_grammar.MAX_CHARACTERS,
                "pattern": _filter_pattern(attributes),
            },
            description=(
                "Terms joined by `,` that must all hold; alternatives within one are joined by `;`. The grammar "
                f"is described at the top.\n\n| field | type | operators |\n|---|---|---|\n{rows}"
                + (f"\n\n`search` looks at {searched}." if searched else "")
            ),
            examples=[OpenApiExample(text, text) for text in examples],
        ),
        OpenApiParameter(
            "sort",
            {"type": "string", "pattern": _joined(rf"-?({'|'.join(sortable)})")},
            description="Attributes joined by `,`, each with `-` before it for descending order.",
            examples=[OpenApiExample("-id", "-id")],
        ),
        DEPTH,
        *PAGING,
    ]


def _kind(attribute: Attribute) -> str:
    match attribute:
        case Number():
            return "number"
        case Date():
            return "date"
        case Flag():
            return "boolean"
        case _:
            return "string"


def _operators(attribute: Attribute) -> str:
    return " ".join(f"`{operator}`" for operator in attribute.operators)


def _filter_pattern(attributes: dict[str, Attribute]) -> str:
    """The grammar for these fields, without what dates hold and whether both parentheses stand there."""
    text = rf"'([^'{CONTROLS}]|'')*'"
    values = {
        "number": r"(-?[0-9]{1,19}|'(-?[0-9]{1,19})?')",
        "boolean": "(true|false)",
        "date": text,
        "string": text,
    }
    terms: dict[tuple[str, str], list[str]] = {}
    for name, attribute in attributes.items():
        operators = "|".join(attribute.operators)
        terms.setdefault((f"({operators})", values[_kind(attribute)]), []).append(name)
    term = "|".join(f"({'|'.join(names)}) *{op} *{_alternatives(value)}" for (op, value), names in terms.items())
    return _joined(f"({term})", before=r"\(?", after=r"\)?")


def _alternatives(value: str) -> str:
    return f"{value}( *; *{value})*"


def _joined(part: str, before: str = "", after: str = "") -> str:
    return f"^ *{before} *{part}( *, *{part})* *{after} *$"


# --- Bodies ----------------------------------------------------------------------------------------------------

DETAILS: dict[str, dict[str, Schema]] = {}


def describe(component: str, **attributes: str | Schema) -> None:
    """Add to attributes of a component what its serializer does not tell: a description, or parts of a schema."""
    details = {name: {"description": a} if isinstance(a, str) else a for name, a in attributes.items()}
    DETAILS.setdefault(component, {}).update(details)


class BodySchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A request body: exactly these attributes, and what a PUT may send back of its resource."""

    target_class = "api.serializers.RequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        body: RequestSerializer = self.target
        properties = {name: _attribute(field) for name, field in body.fields.items()}
        resource = body.resource().fields if body.resource else {}
        for name, field in resource.items():
            if name in properties:
                continue
            if name in IDENTIFYING:
                shown = auto_schema._map_serializer_field(field, "response")  # type: ignore[no-untyped-call]
                properties[name] = shown | {"description": "May be sent back; must be unchanged."}
            else:
                properties[name] = {"description": "May be sent back; is ignored."}
        required = [name for name, field in body.fields.items() if field.required]
        return {
            "type": "object",
            "description": (type(body).__doc__ or "").strip(),
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


def _attribute(field: serializers.Field[Any, Any, Any, Any]) -> Schema:
    """What the strict fields of fields.py accept."""
    schema: Schema
    match field:
        case fields.Text():
            controls = CONTROLS_BUT_LINE_BREAKS if field.allowed_controls else CONTROLS
            schema = {"type": "string", "maxLength": field.max_length}
            if field.allow_blank:
                schema |= {"pattern": f"^[^{controls}]*$"}
            else:  # something else than spaces
                schema |= {"minLength": 1, "pattern": rf"^[^{controls}]*[^\s{controls}][^{controls}]*$"}
        case fields.Integer():
            schema = dict(INT64)
        case fields.Boolean():
            schema = {"type": "boolean"}
        case fields.Choice():
            schema = {"type": "string", "enum": list(field.choices)}
        case fields.Array():
            items = {"type": "string"} if isinstance(field, fields.TextArray) else {"type": "integer"}
            schema = {"type": "array", "items": items, "minItems": 1, "maxItems": field.max_items}
        case _:
            raise TypeError(f"The document does not know {type(field).__name__}.")
    if field.allow_null:
        schema["nullable"] = True
    return schema


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
        and not f"{endpoint[0]}/".startswith(f"{API}user/")
    ]


def complete(result: Schema, **kwargs: Any) -> Schema:
    """What no generator knows: the texts, headers, exact types, and addresses outside REST framework."""
    result["info"]["description"] = DESCRIPTION.strip()
    result["tags"] = TAGS
    schemas = result["components"]["schemas"]
    schemas["Error"]["properties"]["errors"] |= {"minItems": 1, "maxItems": ERRORS_SHOWN}
    for schema in schemas.values():
        schema["properties"] = {name: _exact(value) for name, value in schema["properties"].items()}
    for component, attributes in DETAILS.items():
        for name, details in attributes.items():
            _merge(schemas[component]["properties"], name, details)
    result["paths"] |= SERVICE_PATHS
    result["components"]["headers"] = HEADERS
    for path in result["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                names = ["X-Request-ID", HEADERS_OF.get(status)]
                response["headers"] = {n: {"$ref": f"#/components/headers/{n}"} for n in names if n}
    return result


def _exact(schema: Schema) -> Schema:
    schema = {key: value for key, value in schema.items() if key != "x-spec-enum-id"}
    if schema.get("format") == "date-time":
        del schema["format"]
        return schema | DATE
    if schema.get("type") == "integer":
        return {"format": "int64"} | schema
    return schema


def _merge(properties: dict[str, Schema], name: str, details: Schema) -> None:
    """A reference can have no neighbours in OpenAPI 3.0, so it is wrapped."""
    current = properties[name]
    if "$ref" in current:
        current = {"allOf": [current]}
    properties[name] = current | details


def _service_path(operation_id: str, summary: str, responses: Schema) -> Schema:
    return {"get": {"operationId": operation_id, "summary": summary, "tags": ["Service"], "responses": responses}}


def json_response(description: str, schema: Schema, example: Any) -> Schema:
    """A response in the document's own form, for operations that no REST framework view answers."""
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


def error_response(status: int, description: str | None = None, example: str | None = None) -> Schema:
    """`refusal` in the document's own form."""
    reason, usual = REASONS[status]
    schema = {"$ref": "#/components/schemas/Error"}
    return json_response(description or reason, schema, {"description": example or usual})


def _status(*names: str) -> Schema:
    return {
        "type": "object",
        "properties": {"status": {"type": "string", "enum": list(names)}},
        "required": ["status"],
    }


SERVICE_PATHS: Schema = {
    "/healthz": _service_path(
        "getHealth",
        "Does the process live?",
        {"200": json_response("It does.", _status("ok"), {"status": "ok"})},
    ),
    "/readyz": _service_path(
        "getReadiness",
        "Is the database reachable, with every migration applied?",
        {
            "200": json_response(
                "It is.", _status("ok"), {"status": "ok", "database": "ok", "migrations": "applied"}
            ),
            "503": json_response(
                "It is not; the answer says which of the two is missing.",
                {"allOf": [{"$ref": "#/components/schemas/Error"}, _status("unavailable")]},
                {
                    "description": "The database is unreachable.",
                    "status": "unavailable",
                    "database": "unreachable",
                },
            ),
        },
    ),
}


# --- Pages -----------------------------------------------------------------------------------------------------


class SchemaView(APIView):
    """The document. It is the same for everybody, so it is made once."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer,)
    http_method_names = ("get", "head")

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(_document())


@cache
def _document() -> Schema:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    document: Schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


class DocsView(SpectacularSwaggerSplitView):
    """The document to read and to try, without any inline script: the content policy allows none."""

    authentication_classes = ()
    http_method_names = ("get", "head")
    template_name = "docs.html"
