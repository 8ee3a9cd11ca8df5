"""Imports: a file of devices, checked row by row, and written when it is confirmed. Beyond the manual."""

import hashlib
import json
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields, filters, parsers
from api.filter_grammar import Value
from api.generics import DetailView, ListView, View, lock_or_404, update_fields
from api.login import EmptyBody
from api.pagination import pages_of
from api.schema import answer, example, refusal
from api.serializers import RequestSerializer
from devices.imports import imports, spreadsheet
from devices.models import Import, ImportState
from devices.reconcile import RowOutcome
from redirect.errors import ApiError, Conflict, bad_attribute
from redirect.http.body_limit import limit_of
from redirect.texts import control_character

MOST_OPEN = 20
MOST_OF_FORM = limit_of("/api/v1/imports")

# How far an import is, in words that need no knowledge of how it is done.
STATES = {
    ImportState.STAGING: "Reading",
    ImportState.CHOICE: "ChooseSheet",
    ImportState.READING: "Checking",
    ImportState.CHECKED: "Checked",
    ImportState.WRITING: "Writing",
    ImportState.DONE: "Done",
    ImportState.FAILED: "Failed",
}
OPEN = [state for state in ImportState if state not in (ImportState.DONE, ImportState.FAILED)]

FILE = (
    f"A csv, xlsx, xls or ods file of at most {spreadsheet.MOST_ROWS:,} rows and "
    f"{spreadsheet.MOST_BYTES // 1_000_000} MB. "
    "Its first line names the columns: mac, group, location, description. Others are ignored."
)
MOVE = "Whether devices that have another location get the one of the file. Default: false."
NUMBERS = (
    "Whether MACs are taken that a spreadsheet program has made numbers of. Set it once you have compared the "
    "rows of the verdict `Restored` with the devices. It is never taken back. Default: false."
)
SHEET = "The sheet of a workbook to read. Needed only where several are visible."

WHOSE = "Whose it is. Null for the platform operator and support staff."
FINISHED = "When it was written; null where nothing was."
NOT_NOW = "The import is not in a state that allows this: look at it again."
NOTHING_GOOD = "No row of this import can be written."
TOO_MANY = f"Your group has {MOST_OPEN} imports that are neither done nor failed: confirm or delete some."

IMPORT = {
    "id": 5,
    "groupId": 2,
    "fileName": "devices.csv",
    "state": "Checked",
    "move": False,
    "numbers": False,
    "sheet": "",
    "otherSheets": [],
    "ignoredColumns": "vendor",
    "total": 2,
    "checked": 2,
    "good": 1,
    "bad": 1,
    "counts": {"Created": 1, "InvalidMAC": 1},
    "problem": "",
    "createdAt": "2019-04-28T18:16:04+0000",
    "finishedAt": None,
}


@example(IMPORT)
class ImportSerializer(serializers.Serializer[Any]):
    """An import of devices."""

    id = serializers.IntegerField()
    groupId = serializers.IntegerField(source="group_id", allow_null=True, help_text=WHOSE)
    fileName = serializers.CharField(source="file_name")
    state = serializers.SerializerMethodField()
    move = serializers.BooleanField(help_text=MOVE)
    numbers = serializers.BooleanField(help_text=NUMBERS)
    sheet = serializers.CharField(help_text=SHEET)
    otherSheets = serializers.ListField(
        source="other_sheets",
        child=serializers.CharField(),
        help_text="Visible sheets that are not read; in the state `ChooseSheet` those to choose from.",
    )
    ignoredColumns = serializers.CharField(
        source="ignored_columns", help_text="The names of columns that mean nothing here, by commas."
    )
    total = serializers.IntegerField(help_text="Rows of the file; while it is read, about how many there will be.")
    checked = serializers.IntegerField(help_text="How many of them have their verdict.")
    good = serializers.IntegerField(help_text="How many rows can be written, or were. Known from `Checked` on.")
    bad = serializers.SerializerMethodField(help_text="How many rows are left out. Known from `Checked` on.")
    counts = serializers.SerializerMethodField()
    problem = serializers.CharField(source="told", help_text="Why nothing was written; empty if nothing is wrong.")
    createdAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True, help_text=FINISHED)

    @extend_schema_field({"type": "string", "enum": list(STATES.values()), "description": "How far it is."})
    def get_state(self, upload: Import) -> str:
        """`Failed` also where the service gave up."""
        return STATES[ImportState.FAILED if upload.is_stuck else ImportState(upload.state)]

    def get_bad(self, upload: Import) -> int:
        """How many rows are left out."""
        return int(sum(upload.counts.values())) - upload.good

    @extend_schema_field(
        {
            "type": "object",
            "description": "Rows by verdict. Known from `Checked` on.",
            "additionalProperties": {"type": "integer"},
        }
    )
    def get_counts(self, upload: Import) -> dict[str, int]:
        """Rows by verdict."""
        return {verdict.value: upload.counts[verdict] for verdict in RowOutcome if upload.counts.get(verdict)}


EXAMPLE = "mac,group,location,description\n00:A0:C9:14:C8:29,provider 1,,Lobby\n"


@example({"file": EXAMPLE, "move": True}, media_type=parsers.FormParser.media_type)
class ImportBody(RequestSerializer):
    """POST /imports, as multipart/form-data."""

    file = fields.File(max_bytes=spreadsheet.MOST_BYTES, help_text=FILE)
    move = fields.FormBoolean(help_text=MOVE)
    numbers = fields.FormBoolean(help_text=NUMBERS)
    sheet = fields.Text(max_length=255, required=False, allow_blank=True, help_text=SHEET)


@example({"numbers": True})
class ImportChanges(RequestSerializer):
    """PUT /imports/{id}."""

    resource = ImportSerializer

    sheet = fields.Text(max_length=255, required=False, allow_blank=True, help_text=SHEET)
    numbers = fields.OptionalBoolean(help_text=NUMBERS)


class State(filters.Text):
    """How far an import is."""

    operators = filters.EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        wanted = self.parse(value)
        return Q(state__in=[state for state, name in STATES.items() if name == wanted])


class ImportFilters(filters.ClauseFilterSet):
    """GET /imports"""

    examples = ("state='Checked'", "fileName~'devices',createdAt>'2019-01-01T00:00:00+0000'")

    id = filters.Number("id")
    groupId = filters.Number("group_id", optional=True)
    fileName = filters.Text("file_name")
    state = State("state", sortable=False)
    move = filters.Flag("move")
    numbers = filters.Flag("numbers")
    total = filters.Number("total")
    checked = filters.Number("checked")
    createdAt = filters.Date("created_at")
    finishedAt = filters.Date("finished_at", optional=True)


class ImportsView(ListView):
    """GET and POST /imports."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    noun, tag = "Import", "Imports"
    parser_classes = (parsers.FormParser,)
    media_type = parsers.FormParser.media_type
    queryset = Import.objects.select_related("job")
    serializer_class = ImportSerializer
    request_class = ImportBody
    filterset_class = ImportFilters
    pagination_class = pages_of("imports")
    query_parameters = ("filter", "sort", "depth", "page", "limit")
    responses: ClassVar = {
        "POST": refusal(400, "The request is not well formed.", "file: This field is required.")
        | refusal(409, "The group has too many imports that are open.", TOO_MANY)
        | refusal(413, "The file is too large.", f"The request body is larger than {MOST_OF_FORM} bytes.")
        | refusal(415, "The request body is no form.", "Send the request body as multipart/form-data.")
    }

    def get(self, request: Request) -> Response:
        """Imports of your scope

        Those of the groups in it; a file that a reseller has sent is the reseller's, whosever devices it names.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Send a file of devices

        For Administrators and Operators. Nothing is written before `POST /imports/{id}/confirm`. Look at the
        import until its state is `Checked`, or `ChooseSheet` or `Failed`. Groups are those in your scope.
        """
        body = self.read_body()
        file, group = body["file"], self.user.group
        if file.size > spreadsheet.MOST_BYTES:
            raise ApiError(413, f"The file is larger than {spreadsheet.MOST_BYTES // 1_000_000} MB. Split it.")
        if not file.size:
            raise bad_attribute("file", "The file is empty.")
        if control_character(file.name):
            raise bad_attribute("file", "Its name must not hold control characters.")
        if Import.objects.filter(group=group, by_job=True, state__in=OPEN).count() >= MOST_OPEN:
            raise Conflict(TOO_MANY)
        options = {"move": body.get("move", False), "numbers": body.get("numbers", False), "group": group}
        with transaction.atomic():
            user = self.user if self.user.pk else None
            sheet = body.get("sheet", "")
            upload = imports.receive(user, file.name, file.read(), sheet=sheet, by_job=True, **options)
            imports.start_reading(upload)
        return self.created(upload)

    def content_of(self, request: Request) -> bytes:
        """Not the body: a form that is sent again has another boundary."""
        data: Any = request.data
        return json.dumps([(name, _content(data[name])) for name in sorted(data)]).encode()


def _content(value: Any) -> Any:
    if isinstance(value, str):
        return value
    digest = hashlib.file_digest(value.file, "sha256").hexdigest()
    value.seek(0)
    return [value.name, digest]


class ImportView(DetailView):
    """GET, PUT and DELETE /imports/{id}."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.CHANGE_DEVICES_AND_LOCATIONS,
        "DELETE": Action.CHANGE_DEVICES_AND_LOCATIONS,
    }
    noun, tag = "Import", "Imports"
    queryset = ImportsView.queryset
    serializer_class = ImportSerializer
    request_class = ImportChanges
    responses: ClassVar = {
        "PUT": answer(
            ImportSerializer,
            "The import as it is now.",
            IMPORT | {"numbers": True, "state": "Checking", "checked": 0},
        )
        | refusal(409, "The state of the import does not allow it.", NOT_NOW),
        "DELETE": refusal(409, "It is being written, or is done.", NOT_NOW),
    }

    def get(self, request: Request, id: int) -> Response:
        """How far an import is

        Its rows are read and checked, and after `POST /imports/{id}/confirm` written.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Choose the sheet, or let all rows be checked again

        For Administrators and Operators. In the state `ChooseSheet` name the sheet. In `Checked` or `Failed` all
        rows are checked anew: after you have changed groups or locations, or with `numbers`.
        """
        return self.update(id)

    def delete(self, request: Request, id: int) -> Response:
        """Forget an import that has written nothing

        For Administrators and Operators. One in the state `Writing` or `Done` stays: 409. One that is left alone
        for a day fails by itself.
        """
        return self.destroy(id)

    def change(self, row: Import, changes: dict[str, Any]) -> None:
        numbers, sheet = changes.get("numbers", False), changes.get("sheet") or row.sheet
        if row.state == ImportState.CHOICE:
            done = bool(sheet) and imports.choose_sheet(row, sheet)
            update_fields(row, {"numbers": numbers or row.numbers})
        else:
            done = sheet == row.sheet and imports.check_again(row, numbers=numbers)
        if not done:
            raise Conflict(NOT_NOW)

    def destroy(self, id: int) -> Response:
        with transaction.atomic():
            row = lock_or_404(self.get_queryset().filter(pk=id))
            self.check_unchanged(row)
            if not imports.discard(row):
                raise Conflict(NOT_NOW)
        return Response({"description": "Import deleted"})


class ConfirmImportView(View):
    """POST /imports/{id}/confirm."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    tag = "Imports"
    operation_ids: ClassVar = {"POST": "confirmImport"}
    queryset = ImportsView.queryset
    request_class = EmptyBody
    serializer_class = ImportSerializer
    responses: ClassVar = {
        "POST": answer(ImportSerializer, "It is being written.", IMPORT | {"state": "Writing"})
        | refusal(409, "It is not checked, no row of it is good, or it is being written or done.", NOT_NOW)
    }

    def post(self, request: Request, id: int) -> Response:
        """Write the good rows, all of them or none

        For Administrators and Operators. Look at the import until its state is `Done`. Where something has changed
        since the rows were checked nothing is written: they are checked again, `problem` says why, and the state
        is `Checked` again. Rows that are not good are left out, and can be read for a day.
        """
        self.read_body()
        with transaction.atomic():
            upload = lock_or_404(self.get_queryset().filter(pk=id))
            if not upload.good and upload.state == ImportState.CHECKED:
                raise Conflict(NOTHING_GOOD)
            if not imports.confirm(upload):
                raise Conflict(NOT_NOW)
        return Response(self.get_serializer(upload).data)
