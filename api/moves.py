"""Moving devices between groups of the caller's scope. Beyond the manual."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields
from api.devices import OVER_QUOTA
from api.generics import View
from api.schema import answer, example, refusal
from api.serializers import RequestSerializer
from devices import moving
from devices.bulk import positions_in
from devices.claims import quotas_shown_to
from devices.models import Device


@example(
    {
        "macList": ["00:A0:C9:14:C8:29", "00:90:8F:9D:89:92"],
        "group": 2,
        "locationId": None,
        "keepDescription": True,
        "keepCounters": False,
    }
)
class DevicesToMove(RequestSerializer):
    """POST /devices/move."""

    macList = fields.TextArray(help_text="The MACs of the devices, in any accepted spelling.")
    group = fields.Integer(help_text="The id of the group that they are to belong to.")
    locationId = fields.Integer(
        required=False,
        allow_null=True,
        help_text="A location of that group for all of them. Absent or null: each keeps a location only if that "
        "group has one of the same URL.",
    )
    keepDescription = fields.OptionalBoolean(
        help_text="Whether the new group sees what the old one wrote. Default: false."
    )
    keepCounters = fields.OptionalBoolean(
        help_text="Whether `numRequests`, `lastAccess` and `lastAccessStatus` go on. Default: false."
    )


@example({"moved": 2, "withoutLocation": 1})
class MovedDevices(serializers.Serializer[Any]):
    """What a move did."""

    moved = serializers.IntegerField(help_text="How many came to the group; not those that it had already.")
    withoutLocation = serializers.IntegerField(
        source="without_location",
        help_text="How many of these have no location now, so that they are not redirected.",
    )


class DevicesMoveView(View):
    """POST /devices/move."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    tag = "Devices"
    operation_ids: ClassVar = {"POST": "moveDevices"}
    queryset = Device.objects.all()
    request_class = DevicesToMove
    responses: ClassVar = {
        "POST": answer(MovedDevices, "How many were moved.")
        | refusal(
            400,
            "The request is not well formed, a MAC is not a device in your scope, or the location is not "
            "one of the group.",
            "MAC 00:A0:C9:14:C8:29 is not defined for the group.",
        )
        | OVER_QUOTA
    }

    def post(self, request: Request) -> Response:
        """Move devices to another group

        For Administrators and Operators, between groups of their scope; all of the devices or none. The phones are
        served without a gap: device and location change together. The audit log of either group tells it.
        """
        body = self.read_body()
        positions = positions_in(body["macList"])
        group = self.group_named_in_body(body["group"])
        with quotas_shown_to(self.user.group_id):
            moved = moving.move_within_scope(
                self.get_queryset(),
                positions,
                group=group,
                location_id=body.get("locationId"),
                keep_description=body.get("keepDescription", False),
                keep_counters=body.get("keepCounters", False),
            )
        return Response(MovedDevices(moved).data)
