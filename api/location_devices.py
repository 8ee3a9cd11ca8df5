"""The devices of a location: their list, and giving or taking the location. Source: manual 9.7 and chapter 11."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields
from api.devices import ALL_OR_NOTHING, MACS, DeviceSerializer, DevicesView, MACArray
from api.generics import ListView, View
from api.pagination import pages_of
from api.schema import done, example, path_id, refusal
from api.serializers import RequestSerializer
from devices import bulk
from locations.models import Location

NOT_ASSOCIATED = refusal(
    400,
    "The request is not well formed, or a MAC of the list is malformed, unknown, of another group or not "
    "associated with the location: nothing is changed, and up to 20 of them are named.",
    "MAC 00:A0:C9:14:C8:29 is not associated with the location.",
)


@example({"macList": [*MACS, "00:A0:C9:14:C8:2B"], "overrideCurrentAssociation": False, "description": "Israel"})
class DevicesToAssociate(RequestSerializer):
    """POST /locations/{id}/devices/associate."""

    macList = MACArray()
    overrideCurrentAssociation = fields.Boolean(help_text="Whether devices that have a location get this one.")
    description = fields.Description()


@example({"macList": MACS})
class DevicesToDisassociate(RequestSerializer):
    """POST /locations/{id}/devices/disassociate."""

    macList = MACArray()


class LocationDevicesView(ListView):
    """GET /locations/{id}/devices. Source: manual 9.7."""

    actions: ClassVar = {"GET": Action.VIEW}
    query_parameters = ("page", "limit")
    filter_backends = ()
    tag = "Locations"
    operation_ids: ClassVar = {"GET": "listLocationDevices"}
    id_parameter = path_id(examples=[2])
    queryset = DevicesView.queryset.order_by("id")
    serializer_class = DeviceSerializer
    pagination_class = pages_of("devices")
    by_values = True

    def get(self, request: Request, id: int) -> Response:
        """The devices of a location

        204 also for a location that does not exist or is not in your scope.
        """
        location = Location.objects.visible_to(self.user).filter(pk=id)
        return self.page(location__in=location)


class LocationActionView(View):
    """The base of what acts on the devices of a location."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    tag = "Location actions"
    id_parameter = path_id(examples=[3])
    queryset = Location.objects.all()


class AssociateView(LocationActionView):
    """POST /locations/{id}/devices/associate. Source: manual 11.1."""

    operation_ids: ClassVar = {"POST": "associateDevices"}
    request_class = DevicesToAssociate
    responses: ClassVar = {"POST": done("2 out of 3 devices were associate to location") | ALL_OR_NOTHING}

    def post(self, request: Request, id: int) -> Response:
        """Give devices a location, all of a list or none

        For Administrators and Operators. With `overrideCurrentAssociation` false, devices that have a location
        keep it. `description`, if sent, goes to all devices of the list. The answer counts the devices that got
        the location.
        """
        body = self.read_body()
        changed, sent = bulk.associate(
            self.get_queryset().filter(pk=id),
            bulk.positions_in(body["macList"]),
            override=body["overrideCurrentAssociation"],
            description=body.get("description", bulk.UNSET),
        )
        return Response({"description": f"{changed} out of {sent} devices were associate to location"})


class DisassociateView(LocationActionView):
    """POST /locations/{id}/devices/disassociate. Source: manual 11.2."""

    operation_ids: ClassVar = {"POST": "disassociateDevices"}
    request_class = DevicesToDisassociate
    responses: ClassVar = {"POST": done("2 out of 2 devices were disassociate from location") | NOT_ASSOCIATED}

    def post(self, request: Request, id: int) -> Response:
        """Take a location from devices, all of a list or none

        For Administrators and Operators.
        """
        positions = bulk.positions_in(self.read_body()["macList"])
        changed, sent = bulk.disassociate(self.get_queryset().filter(pk=id), positions)
        return Response({"description": f"{changed} out of {sent} devices were disassociate from location"})
