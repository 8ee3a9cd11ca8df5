"""The rows of an import, as they stand in the file, and what will become of each. Beyond the manual."""

from typing import Any, ClassVar

from django.db.models import Q
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import filters
from api.filter_grammar import Value
from api.generics import ListView
from api.pagination import pages_of
from api.schema import example, path_id
from devices.imports import imports
from devices.models import Import, ImportRow
from devices.reconcile import GOOD, RowOutcome
from redirect.http.table_file import Columns

ROW = {
    "line": 3,
    "mac": "00908F9D89",
    "group": "provider 1",
    "location": "",
    "description": "Lobby",
    "verdict": "InvalidMAC",
    "good": False,
    "problem": "“00908F9D89” is no MAC: write 12 hexadecimal digits, such as 00:A0:C9:14:C8:29.",
    "groupId": None,
    "locationId": None,
}

VERDICTS = "\n".join(
    ["Null: not checked yet.", "", *(f"* `{verdict.value}`: {verdict.label}" for verdict in RowOutcome)]
)


@example(ROW)
class ImportRowSerializer(serializers.Serializer[Any]):
    """A row of the file as it stands there, and what will become of it."""

    line = serializers.IntegerField(source="number", help_text="Its line in the file.")
    mac = serializers.CharField(source="mac_cell")
    group = serializers.CharField(source="group_cell")
    location = serializers.CharField(source="location_cell")
    description = serializers.CharField(source="description_cell")
    verdict = serializers.SerializerMethodField()
    good = serializers.SerializerMethodField(help_text="Whether it can be written.")
    problem = serializers.CharField(help_text="What to correct, in a sentence; empty for a good row.")
    groupId = serializers.IntegerField(source="group_id", allow_null=True, help_text="The group that was found.")
    locationId = serializers.IntegerField(
        source="location_id", allow_null=True, help_text="The location that was found."
    )

    @extend_schema_field({"type": ["string", "null"], "enum": [*RowOutcome.values, None], "description": VERDICTS})
    def get_verdict(self, row: ImportRow) -> str | None:
        """What will become of it."""
        return row.verdict or None

    def get_good(self, row: ImportRow) -> bool:
        """Whether it can be written."""
        return row.verdict in GOOD


class Good(filters.Flag):
    """Whether a row can be written."""

    def matches(self, operator: str, value: Value) -> Q:
        good = Q(verdict__in=GOOD)
        return good if self.parse(value) else ~good


class ImportRowFilters(filters.ClauseFilterSet):
    """GET /imports/{id}/rows"""

    examples = ("good=false", "verdict='InvalidMAC';'NoGroup'")

    line = filters.Number("number")
    mac = filters.Text("mac_cell")
    group = filters.Text("group_cell")
    location = filters.Text("location_cell")
    description = filters.Text("description_cell")
    verdict = filters.Text("verdict")
    good = Good("verdict", sortable=False)
    problem = filters.Text("problem")
    groupId = filters.Number("group_id", optional=True)
    locationId = filters.Number("location_id", optional=True)


def _bad_cell(place: int) -> Any:
    return lambda row, viewer: imports.bad_cells(row)[place]


# As the import takes them, so that a file of bad rows is corrected and sent again.
ROW_COLUMNS: Columns = {name: _bad_cell(place) for place, name in enumerate(imports.BAD_COLUMNS)}


class ImportRowsView(ListView):
    """GET /imports/{id}/rows."""

    actions: ClassVar = {"GET": Action.VIEW}
    query_parameters = ("filter", "sort", "page", "limit")
    noun, tag = "ImportRow", "Imports"
    id_parameter = path_id(examples=[5])
    operation_ids: ClassVar = {"GET": "listImportRows"}
    columns = ROW_COLUMNS
    queryset = ImportRow.objects.all()
    serializer_class = ImportRowSerializer
    filterset_class = ImportRowFilters
    pagination_class = pages_of("rows")

    def get(self, request: Request, id: int) -> Response:
        """The rows of an import, with their verdicts

        By line. `filter=good=false` are those that are left out. Once an import is done only these are kept, for a
        day. As a csv file (`Accept: text/csv`) they can be corrected and sent again.
        """
        return self.page(upload__in=Import.objects.visible_to(self.user).filter(pk=id))
