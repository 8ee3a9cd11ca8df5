"""Devices: phones and others, by MAC. Source: manual chapter 8."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import Action
from api import fields, filters
from api.filter_grammar import Value
from api.generics import DetailView, ListView, View
from api.pagination import pages_of
from api.schema import answer, example, path_id, refusal
from api.serializers import RequestSerializer
from devices import bulk, counts, mac
from devices.claims import quotas_shown_to
from devices.export import DEVICE_COLUMNS
from devices.models import AccessStatus, Device
from devices.search import TENANT_ATTRIBUTES, matching

ID_OR_MAC = path_id(
    {"type": "string", "pattern": f"^([0-9]{{1,11}}|{fields.MAC_SPELLINGS})$"},
    "Its id, or its MAC in any accepted spelling. Digits only, and fewer than 12, are an id.",
    ["3", "10:22:33:44:44:44", "102233444444"],
)
NO_ID_OR_MAC = refusal(404, "Neither an id nor a MAC. An unknown one is answered with 204.")
ALL_OR_NOTHING = refusal(
    400,
    "The request is not well formed, or a MAC of the list is malformed, unknown or of another group: nothing is "
    "changed, and up to 20 of them are named, those that are unknown and those that are another tenant's alike.",
    "MAC 00:A0:C9:14:C8:29 is not defined for the group.",
)
OVER_QUOTA = refusal(
    409,
    "The group's quota of devices, or its reseller's, has no room for all that are new, or another request "
    "came in between: nothing is changed. If both have no room, both are told. How many devices a reseller may "
    "have, and has, is told to its own users only.",
)
MACS = ["00A0C914C829", "00:A0:C9:14:C8:2A"]
FAR = 5_000  # so many devices are walked over before a page, rather than asked where it begins


@example(
    {
        "id": 3,
        "mac": "10:22:33:44:44:44",
        "groupId": 2,
        "groupName": "reseller of id 2",
        "locationId": 2,
        "locationUrl": "https://www.google.co.il/",
        "lastAccessStatus": "Success",
        "numRequests": 3,
        "description": None,
        "lastAccess": "2019-04-04T09:37:04+0000",
    }
)
class DeviceSerializer(serializers.Serializer[Device]):
    """A device."""

    id = serializers.IntegerField()
    mac = fields.MAC(help_text="Unique over the whole service.")
    groupId = serializers.IntegerField(source="group_id", help_text="The group that the device belongs to.")
    groupName = serializers.CharField(source="group.name")
    locationId = serializers.IntegerField(
        source="location_id",
        allow_null=True,
        help_text="Where the device is redirected to; null if it is nowhere.",
    )
    locationUrl = serializers.CharField(source="location.url", allow_null=True)
    lastAccessStatus = serializers.ChoiceField(
        source="last_access_status",
        choices=AccessStatus.choices,
        help_text="Whether the last request of the device was redirected.",
    )
    lastAccess = serializers.DateTimeField(
        source="last_access", allow_null=True, help_text="When the device last asked."
    )
    numRequests = serializers.IntegerField(source="num_requests", help_text="How often the device asked.")
    description = serializers.CharField(allow_null=True)


class MACArray(fields.TextArray):
    """MACs that must all be valid."""

    def __init__(self, **kwargs: Any) -> None:
        items = {"type": "string", "pattern": f"^({fields.MAC_SPELLINGS})$"}
        super().__init__(help_text="MACs in any accepted spelling.", schema={"items": items}, **kwargs)


@example(
    {
        "group": 2,
        "locationId": 3,
        "macList": [*MACS, "1123235544"],
        "overrideCurrentAssociation": True,
        "description": "Israel",
    }
)
class DevicesBody(RequestSerializer):
    """POST /devices."""

    group = fields.Integer(help_text="The group of the devices.")
    locationId = fields.Integer(required=False, allow_null=True, help_text="A location of that group.")
    macList = fields.TextArray(help_text="MACs in any accepted spelling; others are answered in `invalidMAC`.")
    overrideCurrentAssociation = fields.Boolean(
        help_text="Whether devices of the group that have a location get the new one."
    )
    description = fields.Description()


@example({"macList": MACS})
class DevicesToRemove(RequestSerializer):
    """POST /devices/remove."""

    macList = MACArray()
    group = fields.Integer(required=False, allow_null=True, help_text="Only devices of this group.")


class Bucket(serializers.Serializer[Any]):
    """Some of the MACs that were sent, in the order sent."""

    count = serializers.IntegerField()
    macList = serializers.ListField(child=serializers.CharField())


@example(
    {
        "success": {"count": 1, "macList": ["00:A0:C9:14:C8:29"]},
        "invalidMAC": {"count": 1, "macList": ["1123235544"]},
        "duplicateMACSameGroup": {"count": 1, "macList": ["00:A0:C9:14:C8:2A"]},
        "duplicateMACOtherGroup": {"count": 0, "macList": []},
    }
)
class CreatedDevices(serializers.Serializer[Any]):
    """What POST /devices answers: each MAC that was sent stands in exactly one bucket."""

    success = Bucket(help_text="The created devices.")
    invalidMAC = Bucket(help_text="What is no MAC, as it was sent.")
    duplicateMACSameGroup = Bucket(help_text="Devices that the group already has.")
    duplicateMACOtherGroup = Bucket(help_text="Devices that another group has; they are left alone.")


class MACFilter(filters.Text):
    """A MAC in any spelling, or a part of one."""

    def matches(self, operator: str, value: Value) -> Q:
        text = self.parse(value)
        try:
            spelled = mac.parse(text)
        except mac.InvalidMAC:
            spelled = (mac.fragment(text) or text) if operator == "~" else text
        return super().matches(operator, Value(spelled, value.quoted, value.position))


class Assigned(filters.Flag):
    """Whether the device has a location."""

    def matches(self, operator: str, value: Value) -> Q:
        return Q(**{f"{self.field_name}__isnull": not self.parse(value)})


def matching_devices(user: User, term: str) -> Q:
    """What `search` finds."""
    return matching(term, TENANT_ATTRIBUTES, viewer=user)


class DeviceFilters(filters.ClauseFilterSet):
    """GET /devices. Source: manual chapter 4."""

    examples = (
        "(group=1,assigned=true,search~'hi there')",
        "numRequests>3,lastAccess<'2026-01-01T00:00:00+0000'",
        "mac~'00:A0:C9',locationId=''",
    )

    id = filters.Number("id")
    mac = MACFilter("mac")
    groupId = filters.Number("group_id")
    groupName = filters.Text("group__name")
    locationId = filters.Number("location_id", optional=True)
    locationUrl = filters.Text("location__url", optional=True)
    lastAccessStatus = filters.Text("last_access_status")
    lastAccess = filters.Date("last_access", optional=True)
    numRequests = filters.Number("num_requests")
    description = filters.Text("description", optional=True)
    group = filters.Number("group_id", sortable=False)
    assigned = Assigned("location", sortable=False)
    search = filters.Search(matching_devices, "`mac`, `locationId`, `groupName` and `description`")


class DevicesView(ListView):
    """GET and POST /devices. Source: manual 8.2 and 8.3."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    noun, tag = "Device", "Devices"
    operation_ids: ClassVar = {"POST": "createDevices"}
    queryset = Device.objects.select_related("group", "location")
    serializer_class = DeviceSerializer
    request_class = DevicesBody
    filterset_class = DeviceFilters
    pagination_class = pages_of("devices")
    by_values = True
    columns = DEVICE_COLUMNS
    csv_related = ("group__reseller", "location")
    responses: ClassVar = {
        "POST": answer(CreatedDevices, "Where each MAC went.", status=201)
        | refusal(
            400,
            "The request is not well formed, or the location is not one of the group.",
            "locationId: The location is not defined for the group.",
        )
        | OVER_QUOTA
    }

    def get(self, request: Request) -> Response:
        """Devices in your scope

        A page of devices, with filter, sort and depth.
        """
        return self.page()

    def count(self, rows: QuerySet[Any]) -> int:
        """All that are in the scope are not counted, but known."""
        return super().count(rows) if "filter" in self.query else counts.total(self.user, depth=self.depth)

    def skip(self, rows: QuerySet[Any], number: int) -> tuple[QuerySet[Any], int]:
        """In the order of ids, those that are in the scope are known by blocks of ids."""
        sort = self.query.get("sort", "id")
        if number < FAR or "filter" in self.query or sort not in ("id", "-id"):
            return rows, number
        ids, left = counts.skip(self.user, number, depth=self.depth, descending=sort == "-id")
        return rows.filter(pk__gte=ids.start, pk__lt=ids.stop), left

    def post(self, request: Request) -> Response:
        """Create devices, up to 5,000 at a time

        For Administrators and Operators. Each MAC that is sent stands in exactly one bucket of the answer, in the
        order sent. A MAC that is sent twice is first in `success`, then in `duplicateMACSameGroup`. A device that
        the group already has gets the location if it has none, or if `overrideCurrentAssociation` is true. A
        device of another group is never touched. `description` goes to the created devices. 201 once the request
        itself is valid, also if nothing was created. Where the group may claim MACs of some makers only, a new MAC
        of another maker is in `invalidMAC`.
        """
        body = self.read_body()
        group = self.group_named_in_body(body["group"])
        with quotas_shown_to(self.user.group_id):
            created = bulk.create(
                group,
                body["macList"],
                location_id=body.get("locationId"),
                override=body["overrideCurrentAssociation"],
                description=body.get("description"),
            )
        buckets = {
            "success": created.success,
            "invalidMAC": created.invalid,
            "duplicateMACSameGroup": created.same_group,
            "duplicateMACOtherGroup": created.other_group,
        }
        shown = {name: {"count": len(macs), "macList": macs} for name, macs in buckets.items()}
        return Response(shown, status=201)


class DeviceView(DetailView):
    """GET /devices/{id} and /devices/{mac}. Source: manual 8.2."""

    actions: ClassVar = {"GET": Action.VIEW}
    noun, tag = "Device", "Devices"
    id_parameter = ID_OR_MAC
    queryset = DevicesView.queryset
    serializer_class = DeviceSerializer
    responses: ClassVar = {"GET": NO_ID_OR_MAC}

    def get(self, request: Request, **id_or_mac: int | str) -> Response:
        """One device

        A device of your scope, by its id or by its MAC.
        """
        return self.retrieve(**id_or_mac)


class DevicesRemoveView(View):
    """POST /devices/remove. Source: manual 8.4."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    tag = "Devices"
    operation_ids: ClassVar = {"POST": "removeDevices"}
    queryset = Device.objects.all()
    request_class = DevicesToRemove
    responses: ClassVar = {
        "POST": answer(
            inline_serializer("RemovedDevices", {"deleted": serializers.IntegerField()}),
            "All are deleted.",
            {"deleted": 2},
        )
        | ALL_OR_NOTHING
    }

    def post(self, request: Request) -> Response:
        """Delete devices, all of a list or none

        For Administrators and Operators. Works over your scope, or over the one group that `group` names. A MAC
        that is sent twice counts once.
        """
        body = self.read_body()
        positions = bulk.positions_in(body["macList"])
        devices = self.get_queryset()
        if body.get("group") is not None:
            devices = devices.filter(group=self.group_named_in_body(body["group"]))
        return Response({"deleted": bulk.remove(devices, positions)})
