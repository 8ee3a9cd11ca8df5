"""The base of the views: the level is asked, the query string is closed, the rows are in the caller's scope."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import reverse
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group, User
from accounts.permissions import Action
from accounts.scope import Row
from api import csv_lists, etag, idempotency, parsers
from api.filters import ClauseFilterBackend, ClauseFilterSet, SortBackend
from api.pagination import PagePagination
from api.permissions import LevelAllows
from api.schema import ID, Responses, ViewSchema
from api.serializers import RequestSerializer
from redirect.errors import bad_request, forbidden, not_found
from redirect.http.table_file import Columns


class View(GenericAPIView[Any]):
    """An address. `query_parameters` are those that its GET knows: none, unless the view names them.

    `noun`, `tag`, `operation_ids` and `responses` are for the document, where it cannot tell by itself.
    """

    permission_classes: Any = (LevelAllows,)
    actions: ClassVar[dict[str, Action]] = {}
    not_for_keys: ClassVar[tuple[str, ...]] = ()  # methods that take a user, not an API key
    query_parameters: ClassVar[tuple[str, ...]] = ()
    request_class: ClassVar[type[RequestSerializer]]
    columns: ClassVar[Columns | None] = None  # of the list as a csv file
    csv_related: ClassVar[tuple[str, ...]] = ()  # what they read of other tables
    media_type: ClassVar[str] = parsers.StrictJSONParser.media_type  # of a body
    keeps_answers: ClassVar[bool] = True  # of a POST, for a repetition with the same Idempotency-Key
    http_method_names = ("get", "head", "post", "put", "delete")

    schema = ViewSchema()
    noun: ClassVar[str] = ""
    tag: ClassVar[str]
    operation_ids: ClassVar[dict[str, str]] = {}
    id_parameter = ID
    more_parameters: ClassVar[tuple[Any, ...]] = ()
    responses: ClassVar[dict[str, Responses]] = {}

    query: Mapping[str, str]
    depth: int
    as_csv: bool

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Reads the query string, once it is known that the caller may ask at all."""
        super().initial(request, *args, **kwargs)
        if request.method in self.allowed_methods:
            self.query = _query(request, self.query_parameters if request.method in SAFE_METHODS else ())
            self.depth = _depth(self.query)
            self.as_csv = csv_lists.is_wanted(request, self.columns)
        if request.method == "POST" and self.keeps_answers and (key := idempotency.key_of(request)) is not None:
            # REST framework looks for the handler after this.
            content = self.content_of(request)
            self.post = idempotency.once(request, key, content, self.post)  # type: ignore[has-type]

    def content_of(self, request: Request) -> bytes:
        """What must be the same in a repetition of a POST."""
        return request._request.body

    @property
    def user(self) -> User:
        """The caller."""
        user: Any = self.request.user
        assert isinstance(user, User)
        return user

    @staticmethod
    def unknown_parameter(name: str, known: Sequence[str]) -> str:
        """What a caller is told who sends a query parameter that the address does not know."""
        knows = f"known are {', '.join(known)}" if known else "none is known here"
        return f"Unknown query parameter '{name[:100]}': {knows}."

    def get_queryset(self, *, depth: int = 1) -> Any:
        """The rows of `queryset` that are in the caller's scope."""
        rows: Any = super().get_queryset()
        return rows.visible_to(self.user, depth=depth)

    def get_serializer_context(self) -> dict[str, Any]:
        return {"user": self.user}

    def read_body(self, instance: Model | None = None) -> dict[str, Any]:
        """The values of the body by the names of the model; raises ValidationError (400) naming attributes."""
        serializer = self.request_class(instance, data=self.request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def group_named_in_body(self, id: int) -> Group:
        """The group of an id inside a body; raises ApiError 403, alike for unknown and foreign ones."""
        group = Group.objects.visible_to(self.user).filter(pk=id).first()
        if group is None:
            raise forbidden("You have no privileges for this group.")
        return group

    def created(self, row: Model) -> Response:
        """201 with the id of a row and its address."""
        return Response({"id": row.pk, "url": reverse(self.noun.lower(), args=[row.pk])}, status=201)


class OneView(View):
    """One resource, with its tag."""

    def tag_of(self, shown: Any) -> str:
        """See etag.py."""
        body = getattr(self, "request_class", None)
        return etag.tag_of(shown, body().fields if body else shown)

    def answer_one(self, shown: Any) -> Response:
        """200 with the resource and its tag; 304 to who has it already."""
        tag = self.tag_of(shown)
        known = self.request.headers.get("If-None-Match")
        if known is not None and self.request.method in SAFE_METHODS and etag.is_same(known, tag):
            return Response(status=304, headers={"ETag": tag})
        return Response(shown, headers={"ETag": tag})


class ListView(View):
    """A page of rows, filtered and sorted."""

    query_parameters: ClassVar[tuple[str, ...]] = ("filter", "sort", "depth", "page", "limit")
    filter_backends: Any = (ClauseFilterBackend, SortBackend)
    filterset_class: ClassVar[type[ClauseFilterSet]]
    pagination_class: type[PagePagination] | None
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    by_values: ClassVar[bool] = False  # whether a row is shown without a model and a serializer of its own

    rows: QuerySet[Any]

    def page(self, **conditions: Any) -> Response:
        """The page that the query string asks for, of the rows in the scope that meet the conditions.

        All of them as a file, where that is asked for.
        """
        self.rows = self.get_queryset(depth=self.depth).filter(**conditions)
        found = self.filter_queryset(self.rows)
        if self.as_csv and self.columns is not None:
            file: Response = csv_lists.answer(self, found, self.columns)
            return file
        page = self.paginate_queryset(found)
        return self.get_paginated_response(page if self.by_values else self.get_serializer(page, many=True).data)

    def count(self, rows: QuerySet[Any]) -> int:
        """How many rows the list has."""
        return rows.count()

    def skip(self, rows: QuerySet[Any], number: int) -> tuple[QuerySet[Any], int]:
        """The rows without some of those that the page stands behind, and how many of the `number` are left."""
        return rows, number


class DetailView(OneView):
    """One row."""

    def retrieve(self, **key: Any) -> Response:
        """The row, or 204."""
        row = self.get_queryset().filter(**key).first()
        return self.answer_one(self.show(row)) if row else Response(status=204)

    def show(self, row: Any) -> Any:
        """The row on the wire."""
        return self.get_serializer(row).data

    def update(self, id: int) -> Response:
        """Change the row by the body, and show it."""
        visible = self.get_queryset().filter(pk=id)
        changes = self.read_changes(visible.first())
        with transaction.atomic():
            row = lock_or_404(visible)
            self.check_unchanged(row)
            self.change(row, changes)
        return self.answer_one(self.show(row))

    def check_unchanged(self, row: Any) -> None:
        """Raises ChangedSinceRead (412) if a row that is locked is not the one that `If-Match` names."""
        wanted = self.request.headers.get("If-Match")
        if wanted is not None:
            etag.check_match(wanted, self.tag_of(self.show(row)))

    def read_changes(self, row: Model | None) -> dict[str, Any]:
        """What the body asks for. Without a row, the answer will be 404."""
        return self.read_body(row)

    def change(self, row: Any, changes: dict[str, Any]) -> None:
        """Write the changes to a row that is locked."""
        update_fields(row, changes)

    def destroy(self, id: int) -> Response:
        """Delete the row."""
        with transaction.atomic():
            row = lock_or_404(self.get_queryset().filter(pk=id))
            self.check_unchanged(row)
            self.check_unused(row)
            row.delete()
        return Response({"description": f"{self.noun} deleted"})

    def check_unused(self, row: Any) -> None:
        """Raises ApiError if a row that is locked must not be deleted."""


def lock_or_404(rows: QuerySet[Row]) -> Row:
    """The one row of a scoped queryset, locked until the transaction ends; raises ApiError 404 without one."""
    row = rows.select_for_update(of=("self",), no_key=True).first()
    if row is None:
        raise not_found()
    return row


def update_fields(row: Model, changes: Mapping[str, Any]) -> None:
    """Write these attributes of a row, and no others."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=changes.keys())


def _query(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The query string by name; raises ApiError 400 for an unknown or repeated parameter."""
    query = {}
    for name, values in request.query_params.lists():
        if name not in known:
            raise bad_request(View.unknown_parameter(name, known))
        if len(values) > 1:
            raise bad_request(f"The query parameter '{name}' is given more than once.")
        query[name] = values[0]
    return query


def _depth(query: Mapping[str, str]) -> int:
    """`depth`: 0 for the high-level groups alone, 1 (default) for these and their providers."""
    depth = query.get("depth", "1")
    if depth not in ("0", "1"):
        raise bad_request("depth must be 0 or 1.")
    return int(depth)
