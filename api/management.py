"""Endpoints: the management interfaces of devices, with their logins; and what is known of each."""

from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group
from accounts.permissions import Action
from api import fields, filters
from api.generics import DetailView, ListView
from api.management_fields import Fingerprint, OneMAC, OptionalMAC
from api.pagination import pages_of
from api.schema import answer, example
from api.serializers import RequestSerializer
from audit import recording
from audit.models import HIDDEN, Event
from management import endpoints, secrets
from management.drivers.catalogue import DRIVERS
from management.models import Credential, Endpoint, OperationState, TlsCheck
from management.pem import normal
from redirect.errors import Conflict, bad_attribute, forbidden
from redirect.http.addresses import AddressRefused

BASE_URL = (
    "`http://` or `https://`, host and, if it is not the usual one, port; no path. Inside the networks and ports "
    "that the operator of the service allows: a name is looked up when the device is asked."
)
CHECK = (
    "How the device's certificate is checked: by the CAs of the service's machine, by `tlsCA`, by "
    "`tlsFingerprint`, or not at all."
)
PEM = "CA certificates as PEM, and nothing else; empty without."
KEPT = "Of a user with the level Security Administrator. Kept encrypted, and never shown again."


ENDPOINT = {
    "id": 4,
    "groupId": 6,
    "driver": "mediant-7.2",
    "baseUrl": "https://10.4.219.229",
    "mac": "00:90:8F:A1:63:01",
    "locationId": None,
    "userName": "Admin",
    "tlsPolicy": "fingerprint",
    "tlsCA": "",
    "tlsFingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "allowHttp": False,
    "seenMac": "00:90:8F:A1:63:01",
    "loginRefused": False,
    "refreshedAt": "2019-04-28T18:16:04+0000",
}


@example(ENDPOINT)
class EndpointSerializer(serializers.Serializer[Endpoint]):
    """The management interface of a device, or of a location's server."""

    id = serializers.IntegerField()
    groupId = serializers.IntegerField(source="group_id", help_text="The group of the device.")
    driver = serializers.ChoiceField(choices=list(DRIVERS), help_text="What kind of device answers there.")
    baseUrl = serializers.CharField(source="base_url", help_text=BASE_URL)
    mac = OptionalMAC(help_text="The device that is managed there; null for a server.")
    locationId = serializers.IntegerField(
        source="location_id",
        allow_null=True,
        help_text="The location whose server is managed there; null for a device.",
    )
    userName = serializers.CharField(source="credential.user_name")
    tlsPolicy = serializers.ChoiceField(source="tls_policy", choices=TlsCheck.values, help_text=CHECK)
    tlsCA = serializers.CharField(source="tls_ca", help_text=PEM)
    tlsFingerprint = serializers.CharField(
        source="tls_fingerprint", help_text="SHA-256 of the certificate, in lower-case hex digits; empty without."
    )
    allowHttp = serializers.BooleanField(source="allow_http", help_text="Whether the login is sent by plain http.")
    seenMac = serializers.SerializerMethodField()
    loginRefused = serializers.BooleanField(
        source="login_refused", help_text="The device refused the login when it was last asked what it is."
    )
    refreshedAt = serializers.DateTimeField(
        source="refreshed_at", allow_null=True, help_text="When the device was last asked what it is."
    )

    def get_seenMac(self, endpoint: Endpoint) -> str | None:
        """What the device itself said; if it is not `mac`, nothing is written to it. Null if it never did."""
        return fields.MAC().to_representation(endpoint.seen_mac) if endpoint.seen_mac else None


class EndpointAttributes(RequestSerializer):
    """What a caller says of an endpoint."""

    driver = fields.Choice(choices=list(DRIVERS), help_text="What kind of device answers there.")
    baseUrl = fields.Text(source="base_url", max_length=300, help_text=BASE_URL)
    mac = OneMAC(
        required=False, allow_null=True, help_text="A device of the group. Needed, but for the driver of a server."
    )
    locationId = fields.Integer(
        source="location_id",
        required=False,
        allow_null=True,
        help_text="A location of the group, whose server this is.",
    )
    tlsPolicy = fields.Choice(source="tls_policy", choices=TlsCheck.values, required=False, help_text=CHECK)
    tlsCA = fields.Text(
        source="tls_ca", lines=True, max_length=50_000, required=False, allow_blank=True, help_text=PEM
    )
    tlsFingerprint = Fingerprint(source="tls_fingerprint", required=False, help_text="SHA-256, in hex digits.")
    allowHttp = fields.Boolean(
        source="allow_http", required=False, help_text="Send the login by plain http; false by default."
    )

    def validate_mac(self, mac: str | None) -> str:
        """The MAC; of a server, which has none, an empty text."""
        return mac or ""

    def validate_baseUrl(self, url: str) -> str:
        """An address that the deployment allows, as far as it can be seen without a look-up."""
        try:
            return endpoints.checked_base_url(url)
        except (AddressRefused, ValueError) as error:
            raise serializers.ValidationError(str(error)) from error

    def validate_tlsCA(self, pem: str) -> str:
        """One certificate or more, as they were read: Monitors are shown them."""
        try:
            return normal(pem) if pem else ""
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


@example(
    {
        "groupId": 6,
        "driver": "mediant-7.2",
        "baseUrl": "https://10.4.219.229",
        "mac": "00:90:8F:A1:63:01",
        "userName": "Admin",
        "password": "a long one",
        "tlsPolicy": "system",
    }
)
class EndpointBody(EndpointAttributes):
    """POST /management/endpoints."""

    groupId = fields.Integer(source="group_id", help_text="The group of the device. It cannot be changed later.")
    userName = fields.Text(source="user_name", max_length=100, help_text="The login at the device.")
    password = fields.Text(max_length=200, help_text=KEPT)


@example({"driver": "mediant-7.2", "baseUrl": "https://10.4.219.229", "mac": "00:90:8F:A1:63:01"})
class EndpointChanges(EndpointAttributes):
    """PUT /management/endpoints/{id}."""

    resource = EndpointSerializer

    userName = fields.Text(
        source="user_name", max_length=100, required=False, help_text="The login at the device."
    )
    password = fields.Text(
        max_length=200, required=False, allow_null=True, help_text=f"{KEPT} Absent or null: it stays as it is."
    )


class EndpointFilters(filters.ClauseFilterSet):
    """GET /management/endpoints."""

    examples = ("driver='mediant-7.2',baseUrl~'10.4.'", "loginRefused=true")

    id = filters.Number("id")
    groupId = filters.Number("group_id")
    driver = filters.Text("driver")
    baseUrl = filters.Text("base_url")
    mac = filters.Text("mac")
    locationId = filters.Number("location_id", optional=True)
    tlsPolicy = filters.Text("tls_policy")
    allowHttp = filters.Flag("allow_http")
    loginRefused = filters.Flag("login_refused")
    refreshedAt = filters.Date("refreshed_at", optional=True)
    group = filters.Number("group_id", sortable=False)


class EndpointsView(ListView):
    """GET and POST /management/endpoints."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.ADMINISTER_ENDPOINTS}
    noun, tag = "Endpoint", "Management"
    queryset = Endpoint.objects.select_related("credential")
    serializer_class = EndpointSerializer
    request_class = EndpointBody
    filterset_class = EndpointFilters
    pagination_class = pages_of("endpoints")

    def get(self, request: Request) -> Response:
        """Management interfaces of devices in your scope

        A page of endpoints, with filter, sort and depth.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Register the management interface of a device

        For Administrators. The device, or the location whose server it is, is one of the group; nothing is asked
        yet: see probe.
        """
        body = self.read_body()
        group = self.group_named_in_body(body["group_id"])
        login = {name: body.pop(name) for name in ("user_name", "password")}
        endpoint = Endpoint(**body)
        endpoints.check_tls(vars(endpoint))
        with transaction.atomic():
            # Locked, so that the group does not go meanwhile: no foreign key sees to it.
            if not Group.objects.select_for_update(of=("self",), no_key=True).filter(pk=group.pk).exists():
                raise forbidden("You have no privileges for this group.")
            endpoints.check_subject(group.pk, body)
            endpoint.save()
            Credential.objects.create(
                endpoint=endpoint, user_name=login["user_name"], secret=secrets.encrypt(login["password"].encode())
            )
            recording.record(Event.CREATED, endpoint, {"userName": [None, login["user_name"]]})
        return self.created(endpoint)


class EndpointView(DetailView):
    """GET, PUT and DELETE /management/endpoints/{id}."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.ADMINISTER_ENDPOINTS,
        "DELETE": Action.ADMINISTER_ENDPOINTS,
    }
    noun, tag = "Endpoint", "Management"
    queryset = EndpointsView.queryset
    serializer_class = EndpointSerializer
    request_class = EndpointChanges
    responses: ClassVar = {"PUT": answer(EndpointSerializer, "As it is now.", ENDPOINT | {"seenMac": None})}

    def get(self, request: Request, id: int) -> Response:
        """One endpoint

        An endpoint of your scope.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change an endpoint, or link it anew

        For Administrators. `driver`, `baseUrl` and `mac` or `locationId` must be sent; what else is absent stays
        as it is. If the login would go elsewhere or be less protected, `password` must be sent too. Afterwards the
        MAC that the device itself said counts as unknown, so that writes are possible again.
        """
        return self.update(id)

    def change(self, row: Any, changes: dict[str, Any]) -> None:
        """The endpoint and its login; 400 or 409 where they do not fit."""
        sent = {name: changes.pop(name, None) for name in ("user_name", "password")}
        login = {name: value for name, value in sent.items() if value is not None}
        if DRIVERS[row.driver].is_server != DRIVERS[changes["driver"]].is_server:
            raise bad_attribute("driver", "A server does not become a device, nor a device a server.")
        endpoints.check_subject(row.group_id, changes, pk=row.pk)
        endpoints.check_tls(vars(row) | changes)
        if "password" not in login and any(
            getattr(row, name) != changes.get(name, getattr(row, name)) for name in endpoints.GUARD
        ):
            raise bad_attribute("password", "Must be sent when the address or the TLS settings change.")
        told: dict[str, list[Any]] = {}
        if "user_name" in login and login["user_name"] != row.credential.user_name:
            told["userName"] = [row.credential.user_name, login["user_name"]]
            row.credential.user_name = login["user_name"]
        if "password" in login:
            told["secret"] = [HIDDEN, HIDDEN]
            row.credential.secret = secrets.encrypt(login["password"].encode())
            row.credential.changed_at = timezone.now()
        super().change(row, changes | endpoints.forgotten(row, changes))
        if told:
            row.credential.save()
            recording.record(Event.CHANGED, row, told)

    def delete(self, request: Request, id: int) -> Response:
        """Delete an endpoint

        For Administrators. Its login, operations and artefacts go with it.
        """
        return self.destroy(id)

    def check_unused(self, row: Endpoint) -> None:
        if row.operations.filter(state__in=[OperationState.RUNNING, OperationState.SENT]).exists():
            raise Conflict("An operation of the endpoint is being done.")
