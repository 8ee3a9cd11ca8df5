"""What is asked of devices, and what they answered: operations, summaries, artefacts."""

import re
from threading import BoundedSemaphore
from typing import Any, ClassVar
from uuid import uuid4

from django.db import transaction
from django.db.models import Prefetch
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action, is_allowed
from api import fields, filters
from api.generics import DetailView, ListView, View, lock_or_404
from api.login import EmptyBody
from api.management_fields import ENDPOINT_ID, JSONObject, ShownJSON
from api.pagination import pages_of
from api.schema import REASONS, answer, example, refusal
from api.serializers import Created, RequestSerializer
from audit import recording
from audit.models import Event
from management import leases, operations, worker
from management.drivers.base import VERBS, DeviceError, Kind, Level
from management.models import Artefact, Endpoint, Operation, OperationState
from redirect.errors import bad_attribute, forbidden, unavailable

ACTION_OF = {
    Level.VIEW: Action.VIEW,
    Level.OPERATE: Action.OPERATE_ENDPOINTS,
    Level.ADMINISTER: Action.ADMINISTER_ENDPOINTS,
}
REASONS.setdefault(
    501, ("The device cannot do this; `description` is the reason.", "The device has no such action.")
)
ACCEPTED = answer(
    Created,
    "Taken in; the address shows how far it is.",
    {"id": 9, "url": "/api/v1/management/operations/9"},
    status=202,
)
LIVE = BoundedSemaphore(1)  # requests of this process that wait for a device


TIME = "2019-04-28T18:16:04+0000"
KEPT_DATE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC")


@example(
    {
        "id": 9,
        "endpointId": 4,
        "verb": "restart",
        "arguments": {"mode": "graceful", "wait": 60},
        "user": "ada",
        "state": "done",
        "kind": "",
        "message": "",
        "vendorStatus": None,
        "verified": None,
        "attempts": 1,
        "result": {"description": "Device will reset now", "back": None},
        "steps": [],
        "artefacts": [],
        "createdAt": TIME,
        "startedAt": TIME,
        "finishedAt": TIME,
    }
)
class OperationSerializer(serializers.Serializer[Operation]):
    """What was asked of a device, and what became of it."""

    id = serializers.IntegerField()
    endpointId = serializers.IntegerField(source="endpoint_id")
    verb = serializers.CharField()
    arguments = ShownJSON(help_text="Secrets and files are shown as `***`.")
    user = serializers.SerializerMethodField()
    state = serializers.ChoiceField(
        choices=OperationState.choices,
        help_text="`unknown`: it was sent, and neither answer nor reading tells what became of it.",
    )
    kind = serializers.ChoiceField(choices=["", *(k.value for k in Kind)], help_text="Of the error.")
    message = serializers.CharField(help_text="The error in a sentence; empty without.")
    vendorStatus = serializers.IntegerField(
        source="vendor_status", allow_null=True, help_text="The HTTP status of the device, where it refused."
    )
    verified = serializers.BooleanField(
        allow_null=True, help_text="What reading told of a write whose answer is missing; null if nothing."
    )
    attempts = serializers.IntegerField()
    result = ShownJSON(allow_null=True, help_text="By the verb; null until it is done.")
    steps = serializers.ListField(
        child=ShownJSON(),
        help_text="Of a certificate flow: each with `step`, `state` and `at`; `request` has the `csr`.",
    )
    artefacts = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at")
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)

    def to_representation(self, operation: Operation) -> dict[str, Any]:
        """With the dates of a flow as all others are."""
        shown: dict[str, Any] = super().to_representation(operation)
        shown["steps"] = [_with_date(step) for step in shown["steps"]]
        if operation.verb == "certify" and shown["result"] is not None:
            shown["result"] = _with_date(shown["result"])
        return shown

    def get_user(self, operation: Operation) -> str | None:
        """The login of who asked; null if it is another tenant's, or gone."""
        viewer, user = self.context["user"], operation.user
        if viewer.is_operator:
            return operation.user_login
        return user.login if user is not None and user.group_id in viewer.groups_in_scope else None

    def get_artefacts(self, operation: Operation) -> list[int]:
        """The ids of the files that it fetched."""
        return [artefact.pk for artefact in operation.artefacts.all()]


def _with_date(step: dict[str, Any]) -> dict[str, Any]:
    """A step whose `at` is kept as people read it in the admin (redirect/times.py, `exact`)."""
    return step | {"at": KEPT_DATE.sub(r"\1T\2+0000", step["at"])} if "at" in step else step


@example({"verb": "restart", "arguments": {"mode": "graceful", "wait": 60}})
class OperationBody(RequestSerializer):
    """POST /management/endpoints/{id}/operations."""

    verb = fields.Choice(choices=list(VERBS), help_text="What the device shall do: see its capabilities.")
    arguments = JSONObject(required=False, help_text="By the verb: see the capabilities of the endpoint.")


class OperationFilters(filters.ClauseFilterSet):
    """GET /management/operations."""

    examples = ("(endpointId=4,state='failed')", "(verb='restart',createdAt>'2026-01-01T00:00:00Z')")

    id = filters.Number("id")
    endpointId = filters.Number("endpoint_id")
    verb = filters.Text("verb")
    state = filters.Text("state")
    kind = filters.Text("kind")
    createdAt = filters.Date("created_at")
    startedAt = filters.Date("started_at", optional=True)
    finishedAt = filters.Date("finished_at", optional=True)
    group = filters.Number("endpoint__group_id", sortable=False)


class OperationsView(ListView):
    """GET /management/operations."""

    actions: ClassVar = {"GET": Action.VIEW}
    noun, tag = "Operation", "Management"
    queryset = Operation.objects.select_related("user").prefetch_related(
        Prefetch("artefacts", Artefact.objects.only("id", "operation").order_by("id"))
    )
    serializer_class = OperationSerializer
    filterset_class = OperationFilters
    pagination_class = pages_of("operations")

    def get(self, request: Request) -> Response:
        """Operations in your scope

        A page of what was asked of devices, with filter, sort and depth.
        """
        return self.page()


class OperationView(DetailView):
    """GET /management/operations/{id}."""

    actions: ClassVar = {"GET": Action.VIEW}
    noun, tag = "Operation", "Management"
    queryset = OperationsView.queryset
    serializer_class = OperationSerializer

    def get(self, request: Request, id: int) -> Response:
        """One operation

        What became of it so far.
        """
        return self.retrieve(id=id)


class EndpointActionView(View):
    """The base of what concerns one endpoint."""

    tag = "Management"
    id_parameter = ENDPOINT_ID
    queryset = Endpoint.objects.all()

    def check_level(self, verb: str) -> None:
        """Raises ApiError 403."""
        if not is_allowed(self.user, ACTION_OF[VERBS[verb].level]):
            raise forbidden()

    def ask(self, id: int, verb: str, arguments: dict[str, Any], *, within: str = "arguments.") -> Response:
        """202 with the operation; `within` is where the request has the arguments."""
        self.check_level(verb)
        with transaction.atomic():
            endpoint = lock_or_404(self.get_queryset().filter(pk=id))
            operations.check(endpoint, verb, arguments, within=within)
            operation = operations.ask(endpoint, self.user, verb, arguments)
        return Response({"id": operation.pk, "url": reverse("operation", args=[operation.pk])}, status=202)


class EndpointOperationsView(EndpointActionView):
    """POST /management/endpoints/{id}/operations."""

    actions: ClassVar = {"POST": Action.VIEW}
    operation_ids: ClassVar = {"POST": "createOperation"}
    request_class = OperationBody
    responses: ClassVar = {"POST": ACCEPTED | refusal(501)}

    def post(self, request: Request, id: int) -> Response:
        """Ask something of a device

        Monitors ask what reads, Operators also for restarts and backups, Administrators for all: see the
        capabilities. Operations of one endpoint are done one after the other. 409 if the verb writes and the
        device said another MAC than the linked one.
        """
        body = self.read_body()
        if body["verb"] == "ui_token":
            raise bad_attribute("verb", "A token is told by POST uiToken alone: it lives for ten seconds.")
        return self.ask(id, body["verb"], body.get("arguments", {}))


class ProbeView(EndpointActionView):
    """POST /management/endpoints/{id}/probe."""

    actions: ClassVar = {"POST": Action.VIEW}
    operation_ids: ClassVar = {"POST": "probeEndpoint"}
    request_class = EmptyBody
    responses: ClassVar = {"POST": ACCEPTED}

    def post(self, request: Request, id: int) -> Response:
        """Ask a device what it is and how it does

        An operation like others; once it is done, `summary` tells what was found: whether the device was reached,
        its TLS and login accepted, and which driver fits.
        """
        self.read_body()
        return self.ask(id, "probe", {})


@example({"level": "monitor"})
class UiTokenBody(RequestSerializer):
    """POST /management/endpoints/{id}/uiToken."""

    level = fields.Choice(
        choices=["admin", "operator", "monitor"],
        required=False,
        help_text="On the device's page; monitor by default.",
    )


@example({"url": "https://10.4.219.229/index.html?mode=web&authToken=4675cd93ab9f80f4", "expiresIn": 10})
class UiTokenSerializer(serializers.Serializer[Any]):
    """An address that opens the device's own web page."""

    url = serializers.CharField(help_text="To be opened within `expiresIn` seconds.")
    expiresIn = serializers.IntegerField()


class UiTokenView(EndpointActionView):
    """POST /management/endpoints/{id}/uiToken. The only call that waits for a device: nothing of it is kept."""

    actions: ClassVar = {"POST": Action.ADMINISTER_ENDPOINTS}
    operation_ids: ClassVar = {"POST": "createUiToken"}
    keeps_answers = False  # a token is kept nowhere
    request_class = UiTokenBody
    responses: ClassVar = {"POST": answer(UiTokenSerializer, "For you alone.") | refusal(501)}

    def post(self, request: Request, id: int) -> Response:
        """Open the device's web page without its password

        For Administrators. The token in the address lives for ten seconds; it is neither kept nor logged. What the
        device refuses is answered by its kind: 400, 404, 409, 501, else 502, and 504 if it does not answer in
        time.
        """
        arguments = {"username": self.user.login[:64], **self.read_body()}
        with transaction.atomic():
            endpoint = lock_or_404(self.get_queryset().filter(pk=id))
            operations.check(endpoint, "ui_token", arguments, within="")
            operations.check_link(endpoint)
        if not LIVE.acquire(blocking=False):
            raise unavailable(retry_after=2)
        holder = f"token {uuid4()}"
        try:
            if not leases.take(endpoint.pk, holder, leases.FOR_A_QUESTION):
                raise DeviceError(Kind.BUSY, "Another operation of the endpoint is being done.")
            driver = worker.driver_of(endpoint)
            worker.check_identity(endpoint, driver)
            data = driver.do("ui_token", arguments).data
        except DeviceError as error:
            raise operations.api_error(error) from error
        finally:
            leases.give_back(endpoint.pk, holder)
            LIVE.release()
        with transaction.atomic():
            recording.record(Event.CHANGED, endpoint, {"operation": [None, "ui_token"]})
        return Response({"url": endpoint.base_url + data["path"], "expiresIn": data["expiresIn"]})
