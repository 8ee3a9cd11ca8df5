"""What the document says of locations. Source: manual chapter 9."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view

from api.locations import views
from api.locations.filters import LocationFilters
from api.locations.serializers import (
    LocationBody,
    LocationChanges,
    LocationSerializer,
    LocationsToRemove,
    RemovedLocations,
)
from api.openapi import (
    CHANGING,
    CREATING,
    DELETING,
    ID,
    NOT_THERE,
    READING,
    READING_ONE,
    answer,
    created,
    describe,
    done,
    list_parameters,
    page_of,
    refusal,
    sent,
)
from locations import url_template

LOCATION = {
    "id": 6,
    "url": "http://location/of/configuration/6",
    "groupId": 6,
    "groupName": "provider 6 of reseller 2",
    "numDevices": 0,
    "description": None,
    "lastAccess": None,
    "mutualAuth": False,
}
OTHER_LOCATION = LOCATION | {
    "id": 2,
    "url": "https://www.google.co.il/",
    "groupId": 2,
    "groupName": "reseller of id 2",
    "numDevices": 1,
}
URL_FORMAT = (
    "`[Protocol]://[FQDN or IPv4 address][:Port][/path]`. Protocol: 1 to 10 characters, and none that a browser "
    "runs or opens by itself. Port: 1 to 65535. Path, with its query: up to 1,000 characters of ASCII, others "
    "percent-encoded. `{MAC ADDRESS}` in it becomes the 12 upper-case digits of the device, `{mac address}` the "
    "same in lower case, `{FILE NAME}` the file that the device asked for (`<MAC>.cfg` if none), "
    "`{CUSTOMER NAME}` the percent-encoded name of its group. A path that ends in `/` gets the name of the file "
    "behind it if the device asked for one. Placeholders of other systems, such as `$mac`, are refused."
)

extend_schema_view(
    get=extend_schema(
        operation_id="listLocations",
        tags=["Locations"],
        summary="Locations in your scope",
        description="A page of locations, with filter, sort and depth.",
        parameters=list_parameters(
            LocationFilters,
            "(group=6,search~'configuration')",
            "numDevices>0,mutualAuth=false,url~'https://'",
            searched="`id`, `url`, `groupId`, `groupName` and `description`",
        ),
        responses=page_of("locations", LocationSerializer, OTHER_LOCATION, LOCATION) | READING,
    ),
    post=extend_schema(
        operation_id="createLocation",
        tags=["Locations"],
        summary="Create a location",
        description="For Administrators and Operators.",
        request=LocationBody,
        examples=[
            sent({"url": "http://location/of/configuration/6", "groupId": 6, "description": None}),
            sent(
                {
                    "url": "https://pbx.example.com:8443/{CUSTOMER NAME}/{MAC ADDRESS}.cfg",
                    "groupId": 6,
                    "mutualAuth": True,
                },
                "With placeholders",
            ),
        ],
        responses=created("locations", 1) | CREATING,
    ),
)(views.LocationsView)

extend_schema_view(
    get=extend_schema(
        operation_id="getLocation",
        tags=["Locations"],
        summary="One location",
        description="A location of your scope.",
        parameters=[ID],
        responses=answer(LocationSerializer, "The location.", LOCATION) | NOT_THERE | READING_ONE,
    ),
    put=extend_schema(
        operation_id="updateLocation",
        tags=["Locations"],
        summary="Change a location",
        description=("For Administrators and Operators. `url` must be sent; what else is absent stays as it is."),
        parameters=[ID],
        request=LocationChanges,
        examples=[sent({"url": "http://location/of/configuration/6", "description": None})],
        responses=answer(LocationSerializer, "The location as it is now.", LOCATION) | CHANGING,
    ),
    delete=extend_schema(
        operation_id="deleteLocation",
        tags=["Locations"],
        summary="Delete a location without devices",
        description="For Administrators and Operators.",
        parameters=[ID],
        responses=done("Location deleted")
        | DELETING
        | refusal(409, "Devices are still associated with it.", "The location still has devices."),
    ),
)(views.LocationView)

extend_schema_serializer(component_name="FailedLocations")(RemovedLocations.Failed)

extend_schema_view(
    post=extend_schema(
        operation_id="removeLocations",
        tags=["Locations"],
        summary="Delete several locations",
        description=(
            "Deletes those without devices. The others are listed in `fail`: by their URL, or, if the id does not "
            "exist or is not in your scope, by the id as text. `deleted` and `fail.count` add up to the number of "
            "distinct ids."
        ),
        request=LocationsToRemove,
        examples=[sent({"idList": [1, 2, 3, 4]})],
        responses=answer(
            RemovedLocations,
            "What was deleted, and what was not.",
            {"deleted": 2, "fail": {"count": 2, "locations": ["http://location/of/configuration/3", "4"]}},
        )
        | CREATING,
    )
)(views.LocationsRemoveView)

# Narrower than the service in no point; the service also refuses some protocols, hosts and ports that match, and
# the placeholders of other systems.
_PATH = r"(?:[!\"$&-\[\]-z|~]|%[0-9A-Fa-f]{2}|\{(?:MAC ADDRESS|mac address|FILE NAME|CUSTOMER NAME)\})*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_URL: dict[str, Any] = {
    "description": URL_FORMAT,
    "maxLength": url_template.MAX_LENGTH,
    "pattern": rf"^[A-Za-z][A-Za-z0-9+.-]{{0,9}}://{_LABEL}(?:\.{_LABEL})*(?::[1-9][0-9]{{0,4}})?(?:/{_PATH})?$",
}
_MUTUAL_AUTH = "Redirect only devices that show a client certificate for their MAC. Off by default."

describe(
    "Location",
    url=URL_FORMAT,
    groupId="The group that the location belongs to.",
    numDevices="Devices that are associated with it.",
    lastAccess="When a device was last redirected to it.",
    mutualAuth=_MUTUAL_AUTH,
)
describe(
    "LocationBody",
    url=_URL,
    groupId="The group that the location belongs to. It cannot be changed later.",
    mutualAuth=_MUTUAL_AUTH,
)
describe("LocationChanges", url=_URL, mutualAuth=_MUTUAL_AUTH + " Null turns it off, absence leaves it.")
describe("RemovedLocations", deleted="Locations deleted.", fail="Locations that were not deleted.")
