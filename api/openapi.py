"""What the documents of views that have not moved to generics.py stand on."""

from functools import cache
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from api.fields import Schema
from api.filters import ClauseFilterBackend, ClauseFilterSet, SortBackend
from api.pagination import DEFAULT_LIMIT, PagePagination, Pages
from api.schema import DEPTH, ID, NO_ID, NOT_THERE, NOTHING, QUERY, answer, done, refusal
from api.schema import _refusals as refusals
from api.serializers import Created, Error

__all__ = ["DEPTH", "ID", "NOTHING", "NOT_THERE", "Error", "answer", "done", "refusal", "refusals"]

ONE_PAGE = {"total": 1, "totalElements": 1, "size": DEFAULT_LIMIT, "current": 1}
READING = refusals(401, 403, 503) | QUERY
READING_ONE = READING | NO_ID
CREATING = refusals(400, 401, 403, 409, 413, 415, 503)
CHANGING = CREATING | refusals(404)
DELETING = refusals(401, 403, 404, 409, 503)
API = "/api/v1/"


def example_of(value: Any, name: str = "Example", **kwargs: Any) -> OpenApiExample:
    """An example of a body."""
    return OpenApiExample(name, value, **kwargs)


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


PAGING = [
    OpenApiParameter(p["name"], p["schema"], description=p["description"])
    for p in PagePagination().get_schema_operation_parameters(None)
]


def list_parameters(filters: type[ClauseFilterSet], *examples: str, searched: str = "") -> list[OpenApiParameter]:
    """filter, sort, depth, page and limit of a resource."""
    view = type("view", (), {"filterset_class": filters})
    told = [backend().get_schema_operation_parameters(view)[0] for backend in (ClauseFilterBackend, SortBackend)]
    shown = [[OpenApiExample(text, text) for text in examples], [OpenApiExample("-id", "-id")]]
    return [
        *(
            OpenApiParameter(p["name"], p["schema"], description=p["description"], examples=e)
            for p, e in zip(told, shown, strict=True)
        ),
        DEPTH,
        *PAGING,
    ]


DETAILS: dict[str, dict[str, Schema]] = {}


def describe(component: str, **attributes: str | Schema) -> None:
    """Add to attributes of a component what its serializer does not tell: a description, or parts of a schema."""
    details = {name: {"description": a} if isinstance(a, str) else a for name, a in attributes.items()}
    DETAILS.setdefault(component, {}).update(details)


def merge_details(result: Schema, **kwargs: Any) -> Schema:
    """A hook: what `describe` was told."""
    schemas = result["components"]["schemas"]
    for component, attributes in DETAILS.items():
        for name, details in attributes.items():
            _merge(schemas[component]["properties"], name, details)
    return result


def _merge(properties: dict[str, Schema], name: str, details: Schema) -> None:
    """A reference can have no neighbours in OpenAPI 3.0, so it is wrapped."""
    current = properties[name]
    if "$ref" in current:
        current = {"allOf": [current]}
    properties[name] = current | details
