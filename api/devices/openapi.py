"""What the document says of devices, and of what a phone sees. Source: manual chapters 8 and 11."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers

from api.devices import views
from api.devices.filters import AccessFilters, DeviceFilters
from api.devices.serializers import (
    AccessSerializer,
    CreatedDevices,
    DevicesBody,
    DeviceSerializer,
    DevicesToAssociate,
    DevicesToDisassociate,
    DevicesToRemove,
)
from api.fields import Schema
from api.openapi import (
    CHANGING,
    CREATING,
    ID,
    NOT_THERE,
    PAGING,
    READING,
    READING_ONE,
    answer,
    describe,
    done,
    list_parameters,
    page_of,
    refusal,
    sent,
)

DEVICE = {
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
ACCESS = {
    "time": "2019-04-04T09:37:04+0000",
    "mac": "10:22:33:44:44:44",
    "outcome": "Redirected",
    "address": "192.0.2.7",
    "userAgent": "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1",
    "certificateSubject": None,
    "locationUrl": "https://www.google.co.il/",
}
OTHER_DEVICE = DEVICE | {
    "id": 6,
    "mac": "54:22:55:22:55:22",
    "groupId": 4,
    "groupName": "provider 4 of reseller 2",
    "locationId": None,
    "locationUrl": None,
    "lastAccessStatus": "Fail",
    "numRequests": 1,
    "lastAccess": None,
}

_PAIR = "[0-9A-Fa-f]{2}"
SPELLINGS = f"{_PAIR}(:{_PAIR}){{5}}|{_PAIR}(-{_PAIR}){{5}}|[0-9A-Fa-f]{{12}}"
SHOWN = "^[0-9A-F]{2}(:[0-9A-F]{2}){5}$"

ID_OR_MAC = OpenApiParameter(
    "id",
    {"type": "string", "pattern": f"^([0-9]{{1,11}}|{SPELLINGS})$"},
    OpenApiParameter.PATH,
    description="Its id, or its MAC in any accepted spelling. Digits only, and fewer than 12, are an id.",
)

ALL_OR_NOTHING = refusal(
    400,
    "The request is not well formed, or a MAC of the list is malformed, unknown or of another group: nothing is "
    "changed, and up to 20 of them are named, those that are unknown and those that are another tenant's alike.",
    "MAC 00:A0:C9:14:C8:29 is not defined for the group.",
)
NOT_ASSOCIATED = refusal(
    400,
    "The request is not well formed, or a MAC of the list is malformed, unknown, of another group or not "
    "associated with the location: nothing is changed, and up to 20 of them are named.",
    "MAC 00:A0:C9:14:C8:29 is not associated with the location.",
)
MACS = ["00A0C914C829", "00:A0:C9:14:C8:2A"]

extend_schema_view(
    get=extend_schema(
        operation_id="listDevices",
        tags=["Devices"],
        summary="Devices in your scope",
        description="A page of devices, with filter, sort and depth.",
        parameters=list_parameters(
            DeviceFilters,
            "(group=1,assigned=true,search~'hi there')",
            "numRequests>3,lastAccess<'2026-01-01T00:00:00+0000'",
            "mac~'00:A0:C9',locationId=''",
            searched="`mac`, `locationId`, `groupName` and `description`",
        ),
        responses=page_of("devices", DeviceSerializer, DEVICE, OTHER_DEVICE) | READING,
    ),
    post=extend_schema(
        operation_id="createDevices",
        tags=["Devices"],
        summary="Create devices, up to 5,000 at a time",
        description=(
            "For Administrators and Operators. Each MAC that is sent stands in exactly one bucket of the answer, "
            "in the order sent. A MAC that is sent twice is first in `success`, then in `duplicateMACSameGroup`. "
            "A device that the group already has gets the location if it has none, or if "
            "`overrideCurrentAssociation` is true. A device of another group is never touched. `description` goes "
            "to the created devices. 201 once the request itself is valid, also if nothing was created."
        ),
        request=DevicesBody,
        examples=[
            sent(
                {
                    "group": 2,
                    "locationId": 3,
                    "macList": [*MACS, "1123235544"],
                    "overrideCurrentAssociation": True,
                    "description": "Israel",
                }
            )
        ],
        responses=answer(
            CreatedDevices,
            "Where each MAC went.",
            {
                "success": {"count": 1, "macList": ["00:A0:C9:14:C8:29"]},
                "invalidMAC": {"count": 1, "macList": ["1123235544"]},
                "duplicateMACSameGroup": {"count": 1, "macList": ["00:A0:C9:14:C8:2A"]},
                "duplicateMACOtherGroup": {"count": 0, "macList": []},
            },
            status=201,
        )
        | CREATING
        | refusal(
            400,
            "The request is not well formed, or the location is not one of the group.",
            "locationId: The location is not defined for the group.",
        ),
    ),
)(views.DevicesView)

extend_schema_view(
    get=extend_schema(
        operation_id="getDevice",
        tags=["Devices"],
        summary="One device",
        description="A device of your scope, by its id or by its MAC.",
        parameters=[ID_OR_MAC],
        responses=answer(DeviceSerializer, "The device.", DEVICE)
        | NOT_THERE
        | READING_ONE
        | refusal(404, "Neither an id nor a MAC. An unknown one is answered with 204."),
    )
)(views.DeviceView)

ACCESS_LOG = (
    "Beyond the manual. Newest first; the rows of your groups at that moment, so a MAC that has moved shows its "
    "new owner nothing of the old one. Rows are kept for 30 days, unless the operator has set another time."
)
ACCESS_PARAMETERS = [p for p in list_parameters(AccessFilters, "outcome='NoLocation'") if p.name != "depth"]

extend_schema_view(
    get=extend_schema(
        operation_id="listAccesses",
        tags=["Devices"],
        summary="The access log: what phones asked for, and what they got",
        description=(
            f"{ACCESS_LOG} The platform operator also sees MACs that nobody owns: `filter=(outcome='Unknown')`."
        ),
        parameters=ACCESS_PARAMETERS,
        responses=page_of("accesses", AccessSerializer, ACCESS) | READING,
    )
)(views.AccessesView)

extend_schema_view(
    get=extend_schema(
        operation_id="listDeviceAccesses",
        tags=["Devices"],
        summary="The access log of a device",
        description=f"{ACCESS_LOG} In place of the id there may be the MAC, in any accepted spelling.",
        parameters=[ID, *ACCESS_PARAMETERS],
        responses=page_of("accesses", AccessSerializer, ACCESS) | READING_ONE,
    )
)(views.DeviceAccessesView)

extend_schema_view(
    post=extend_schema(
        operation_id="removeDevices",
        tags=["Devices"],
        summary="Delete devices, all of a list or none",
        description=(
            "For Administrators and Operators. Works over your scope, or over the one group that `group` names. A "
            "MAC that is sent twice counts once."
        ),
        request=DevicesToRemove,
        examples=[sent({"macList": MACS})],
        responses=answer(
            inline_serializer("RemovedDevices", {"deleted": serializers.IntegerField()}),
            "All are deleted.",
            {"deleted": 2},
        )
        | CREATING
        | ALL_OR_NOTHING,
    )
)(views.DevicesRemoveView)

extend_schema_view(
    get=extend_schema(
        operation_id="listLocationDevices",
        tags=["Locations"],
        summary="The devices of a location",
        description="204 also for a location that does not exist or is not in your scope.",
        parameters=[ID, *PAGING],
        responses=page_of("devices", DeviceSerializer, DEVICE) | READING_ONE,
    )
)(views.LocationDevicesView)

extend_schema_view(
    post=extend_schema(
        operation_id="associateDevices",
        tags=["Location actions"],
        summary="Give devices a location, all of a list or none",
        description=(
            "For Administrators and Operators. With `overrideCurrentAssociation` false, devices that have a "
            "location keep it. `description`, if sent, goes to all devices of the list. The answer counts the "
            "devices that got the location."
        ),
        parameters=[ID],
        request=DevicesToAssociate,
        examples=[sent({"macList": MACS, "overrideCurrentAssociation": True, "description": "Israel"})],
        responses=done("2 out of 3 devices were associate to location") | CHANGING | ALL_OR_NOTHING,
    )
)(views.AssociateView)

extend_schema_view(
    post=extend_schema(
        operation_id="disassociateDevices",
        tags=["Location actions"],
        summary="Take a location from devices, all of a list or none",
        description="For Administrators and Operators.",
        parameters=[ID],
        request=DevicesToDisassociate,
        examples=[sent({"macList": MACS})],
        responses=done("2 out of 2 devices were disassociate from location") | CHANGING | NOT_ASSOCIATED,
    )
)(views.DisassociateView)

# --- Attributes ------------------------------------------------------------------------------------------------

_VALID_MACS: Schema = {
    "description": "MACs in any accepted spelling.",
    "items": {"type": "string", "pattern": f"^({SPELLINGS})$"},
}
_SHOWN_MACS: Schema = {"items": {"type": "string", "pattern": SHOWN}}

describe(
    "Device",
    mac={"pattern": SHOWN, "description": "Unique over the whole service."},
    groupId="The group that the device belongs to.",
    locationId="Where the device is redirected to; null if it is nowhere.",
    lastAccessStatus="Whether the last request of the device was redirected.",
    lastAccess="When the device last asked.",
    numRequests="How often the device asked.",
)
describe(
    "DevicesBody",
    group="The group of the devices.",
    locationId="A location of that group.",
    macList="MACs in any accepted spelling; others are answered in `invalidMAC`.",
    overrideCurrentAssociation="Whether devices of the group that have a location get the new one.",
)
describe("DevicesToRemove", macList=_VALID_MACS, group="Only devices of this group.")
describe(
    "DevicesToAssociate",
    macList=_VALID_MACS,
    overrideCurrentAssociation="Whether devices that have a location get this one.",
)
describe("DevicesToDisassociate", macList=_VALID_MACS)
describe(
    "CreatedDevices",
    success="The created devices.",
    invalidMAC="What is no MAC, as it was sent.",
    duplicateMACSameGroup="Devices that the group already has.",
    duplicateMACOtherGroup="Devices that another group has; they are left alone.",
)
