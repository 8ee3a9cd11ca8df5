"""What devices answered: summaries, alarms, TLS contexts, and the files that were fetched."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api.generics import ListView, View
from api.management_fields import ENDPOINT_ID, ShownJSON
from api.management_operations import TIME, EndpointActionView
from api.pagination import pages_of
from api.schema import NOT_THERE, Responses, answer, example
from management import secrets
from management.models import Artefact, Operation, OperationState


@example(
    {
        "refreshedAt": TIME,
        "identity": {"ok": True, "data": {"vendor": "AudioCodes", "model": "Mediant SW", "mac": "00908FA16301"}},
        "firmware": {"ok": True, "data": {"version": "7.20A.200.014"}},
        "status": {"ok": True, "data": {"state": "UNLOCKED", "ready": True}},
        "provisioning": {"ok": False, "kind": "unsupported", "message": "The device does not tell it."},
        "registration": {"ok": False, "kind": "unsupported", "message": "The device does not tell it."},
    }
)
class SummarySerializer(serializers.Serializer[Any]):
    """What a device said when it was last asked; each part with `ok` and `data`, or `kind` and `message`."""

    refreshedAt = serializers.DateTimeField()
    identity = ShownJSON()
    firmware = ShownJSON()
    status = ShownJSON()
    provisioning = ShownJSON()
    registration = ShownJSON()


class SummaryView(EndpointActionView):
    """GET /management/endpoints/{id}/summary."""

    actions: ClassVar = {"GET": Action.VIEW}
    operation_ids: ClassVar = {"GET": "getEndpointSummary"}
    responses: ClassVar = {"GET": answer(SummarySerializer, "By part.") | NOT_THERE}

    def get(self, request: Request, id: int) -> Response:
        """What a device said when it was last asked

        By `probe`, or by the operator's `manage.py refresh_endpoints`. 204 also if it never was. One part that
        failed does not hide the others.
        """
        endpoint = self.get_queryset().filter(pk=id).first()
        if endpoint is None or endpoint.summary is None:
            return Response(status=204)
        return Response(SummarySerializer({**endpoint.summary, "refreshedAt": endpoint.refreshed_at}).data)


class LastResultSerializer(serializers.Serializer[Any]):
    """The result of the newest operation of its kind."""

    time = serializers.DateTimeField()
    operationId = serializers.IntegerField()
    result = ShownJSON()


def as_it_was(operation: int, result: dict[str, Any]) -> Responses:
    """200 with the result of an operation."""
    found = {"time": TIME, "operationId": operation, "result": result}
    return answer(LastResultSerializer, "As it was then.", found)


class LastResultView(EndpointActionView):
    """The base of what the newest operation of a verb found."""

    actions: ClassVar = {"GET": Action.VIEW}
    verb: ClassVar[str]

    def last_result(self, id: int) -> Response:
        """The answer."""
        done = Operation.objects.filter(
            endpoint__in=self.get_queryset().filter(pk=id), verb=self.verb, state=OperationState.DONE
        )
        newest = done.order_by("-id").first()
        if newest is None:
            return Response(status=204)
        found = {"time": newest.finished_at, "operationId": newest.pk, "result": newest.result}
        return Response(LastResultSerializer(found).data)


class AlarmsView(LastResultView):
    """GET /management/endpoints/{id}/alarms."""

    operation_ids: ClassVar = {"GET": "getEndpointAlarms"}
    responses: ClassVar = {
        "GET": as_it_was(7, {"alarms": [], "cursor": {"after": "-1", "before": "-1"}}) | NOT_THERE
    }
    verb = "alarms"

    def get(self, request: Request, id: int) -> Response:
        """The alarms of a device, as the newest operation `alarms` found them

        204 also if there was none.
        """
        return self.last_result(id)


class TlsView(LastResultView):
    """GET /management/endpoints/{id}/tls."""

    operation_ids: ClassVar = {"GET": "getEndpointTls"}
    responses: ClassVar = {
        "GET": as_it_was(
            6,
            {
                "contexts": [
                    {
                        "id": "0",
                        "name": "default",
                        "privateKey": {"size": 2048, "valid": True},
                        "files": ["privateKey", "certificate", "trustedRoot"],
                    }
                ]
            },
        )
        | NOT_THERE
    }
    verb = "tls_contexts"

    def get(self, request: Request, id: int) -> Response:
        """The TLS contexts of a device, as the newest operation `tls_contexts` found them

        204 also if there was none.
        """
        return self.last_result(id)


@example(
    {
        "id": 2,
        "endpointId": 4,
        "operationId": 4,
        "kind": "configuration-ini",
        "name": "configuration.ini",
        "size": 20412,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "firmware": "7.20A.200.014",
        "createdAt": TIME,
        "expiresAt": TIME,
    }
)
class ArtefactSerializer(serializers.Serializer[Artefact]):
    """A file that was fetched from a device."""

    id = serializers.IntegerField()
    endpointId = serializers.IntegerField(source="endpoint_id")
    operationId = serializers.IntegerField(source="operation_id", allow_null=True)
    kind = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField(help_text="In octets.")
    sha256 = serializers.CharField()
    firmware = serializers.CharField(help_text="Of the device at that time; empty if it is not known.")
    createdAt = serializers.DateTimeField(source="created_at")
    expiresAt = serializers.DateTimeField(source="expires_at", help_text="When it will be deleted.")


class ArtefactsView(ListView):
    """GET /management/endpoints/{id}/artefacts."""

    actions: ClassVar = {"GET": Action.VIEW}
    query_parameters = ("page", "limit")
    filter_backends = ()
    tag = "Management"
    id_parameter = ENDPOINT_ID
    operation_ids: ClassVar = {"GET": "listEndpointArtefacts"}
    queryset = Artefact.objects.defer("data").order_by("-id")
    serializer_class = ArtefactSerializer
    pagination_class = pages_of("artefacts")

    def get(self, request: Request, id: int) -> Response:
        """The files that were fetched from a device

        Configurations and signing requests, the newest first.
        """
        return self.page(endpoint=id)


ARTEFACT = OpenApiParameter(
    "artefact",
    {"type": "integer", "format": "int64", "minimum": 0},
    OpenApiParameter.PATH,
    description="The id of the file.",
    examples=[OpenApiExample("Example 1", 2)],
)


class ArtefactView(View):
    """GET /management/endpoints/{id}/artefacts/{artefact}."""

    actions: ClassVar = {"GET": Action.ADMINISTER_ENDPOINTS}
    tag = "Management"
    operation_ids: ClassVar = {"GET": "getEndpointArtefact"}
    queryset = Artefact.objects.all()
    id_parameter = ENDPOINT_ID
    more_parameters = (ARTEFACT,)
    responses: ClassVar = {
        "GET": {
            200: OpenApiResponse(
                OpenApiTypes.STR,
                "The file, as application/octet-stream.",
                [OpenApiExample("Example", ";** Ini File **", response_only=True)],
            )
        }
        | NOT_THERE
    }

    def get(self, request: Request, id: int, artefact: int) -> HttpResponse:
        """One file

        For Administrators: a configuration may hold secrets.
        """
        found = self.get_queryset().filter(endpoint=id, pk=artefact).first()
        if found is None:
            return Response(status=204)
        file = HttpResponse(secrets.decrypt(found.data), content_type="application/octet-stream")
        file["Content-Disposition"] = f'attachment; filename="{found.name}"'
        return file
