"""Locations: where devices are redirected to. Source: manual chapter 9."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group, User
from accounts.permissions import Action
from api import fields, filters
from api.generics import DetailView, ListView, View
from api.pagination import pages_of
from api.schema import answer, example, refusal
from api.serializers import RequestSerializer
from locations import url_template
from locations.export import LOCATION_COLUMNS
from locations.models import Answer, Location, check_url
from locations.removal import remove_unused
from redirect.db.search import among, contains
from redirect.errors import Conflict

URL_FORMAT = (
    "`[Protocol]://[FQDN or IPv4 address][:Port][/path]`. Protocol: 1 to 10 characters, and none that a browser "
    "runs or opens by itself. Port: 1 to 65535. Path, with its query: up to 1,000 characters of ASCII, others "
    "percent-encoded. `{MAC ADDRESS}` in it becomes the 12 upper-case digits of the device, `{mac address}` the "
    "same in lower case, `{FILE NAME}` the file that the device asked for (`<MAC>.cfg` if none), "
    "`{CUSTOMER NAME}` the percent-encoded name of its group. A path that ends in `/` gets the name of the file "
    "behind it if the device asked for one. Placeholders of other systems, such as `$mac`, are refused."
)
# Narrower than the service in no point; the service also refuses some protocols, hosts and ports that match, and
# the placeholders of other systems.
_PATH = r"(?:[!\x22$&-\[\]-z|~]|%[0-9A-Fa-f]{2}|\{(?:MAC ADDRESS|mac address|FILE NAME|CUSTOMER NAME)\})*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
URL_PATTERN = rf"^[A-Za-z][A-Za-z0-9+.-]{{0,9}}://{_LABEL}(?:\.{_LABEL})*(?::[1-9][0-9]{{0,4}})?(?:/{_PATH})?$"

GROUP = "The group that the location belongs to."
ANSWER = (
    "Beyond the manual. `redirect` (the default) or `settings`: devices of a maker whose configuration format is "
    "known get, in place of a redirect, a small file in that format that points them to the URL; for devices that "
    "follow no redirect. All others are redirected."
)
MUTUAL_AUTH = "Redirect only devices that show a client certificate for their MAC. Off by default."


@example(
    {
        "id": 6,
        "url": "http://location/of/configuration/6",
        "groupId": 6,
        "groupName": "provider 6 of reseller 2",
        "numDevices": 0,
        "description": None,
        "lastAccess": None,
        "mutualAuth": False,
        "answer": "redirect",
    }
)
class LocationSerializer(serializers.Serializer[Location]):
    """A location."""

    id = serializers.IntegerField()
    url = serializers.CharField(help_text=URL_FORMAT)
    groupId = serializers.IntegerField(source="group_id", help_text=GROUP)
    groupName = serializers.CharField(source="group.name")
    numDevices = serializers.IntegerField(source="device_count", help_text="Devices that are associated with it.")
    description = serializers.CharField(allow_null=True)
    lastAccess = serializers.DateTimeField(
        source="last_access", allow_null=True, help_text="When a device was last redirected to it."
    )
    mutualAuth = serializers.BooleanField(source="mutual_auth", help_text=MUTUAL_AUTH)
    answer = serializers.ChoiceField(choices=Answer.choices, help_text=ANSWER)


class LocationAttributes(RequestSerializer):
    """What a caller says of a location."""

    url = fields.Text(
        max_length=url_template.MAX_LENGTH,
        help_text=URL_FORMAT,
        schema={"maxLength": url_template.MAX_LENGTH, "pattern": URL_PATTERN},
    )
    description = fields.Description()
    mutualAuth = fields.OptionalBoolean(source="mutual_auth", help_text=MUTUAL_AUTH)
    answer = fields.Choice(choices=Answer.values, required=False, help_text=ANSWER)

    def validate_url(self, url: str) -> str:
        """A URL template, as manual 9.1 has it."""
        if self.instance is not None and self.instance.url == url:
            return url  # it was accepted by the rules of its time
        try:
            check_url(url)
        except url_template.InvalidTemplate as error:
            raise serializers.ValidationError(str(error)) from error
        return url


@example({"url": "http://location/of/configuration/6", "description": None})
class LocationChanges(LocationAttributes):
    """PUT /locations/{id}."""

    resource = LocationSerializer

    mutualAuth = fields.OptionalBoolean(
        source="mutual_auth", help_text=f"{MUTUAL_AUTH} Null turns it off, absence leaves it."
    )


@example(
    {"url": "http://location/of/configuration/6", "groupId": 6, "description": None},
    {"url": "https://pbx.example.com:8443/{CUSTOMER NAME}/{MAC ADDRESS}.cfg", "groupId": 6, "mutualAuth": True},
)
class LocationBody(LocationAttributes):
    """POST /locations."""

    groupId = fields.Integer(source="group_id", help_text=f"{GROUP} It cannot be changed later.")


@example({"idList": [1, 2, 3, 4]})
class LocationsToRemove(RequestSerializer):
    """POST /locations/remove."""

    idList = fields.IntegerArray()


class FailedLocations(serializers.Serializer[Any]):
    """The locations that were not deleted."""

    count = serializers.IntegerField()
    locations = serializers.ListField(child=serializers.CharField())


@example({"deleted": 2, "fail": {"count": 2, "locations": ["http://location/of/configuration/3", "4"]}})
class RemovedLocations(serializers.Serializer[Any]):
    """What POST /locations/remove answers."""

    deleted = serializers.IntegerField(help_text="Locations deleted.")
    fail = FailedLocations(help_text="Locations that were not deleted.")  # type: ignore[assignment]


def matching_locations(user: User, term: str) -> Q:
    """The locations in whose attributes the term stands, in any case."""
    groups = among("group", Group.objects.visible_to(user), contains(term, texts=("name",), ids=("id",)))
    return contains(term, texts=("url", "description"), ids=("id",)) | groups


class LocationFilters(filters.ClauseFilterSet):
    """GET /locations. Source: manual chapter 4."""

    examples = ("(group=6,search~'configuration')", "numDevices>0,mutualAuth=false,url~'https://'")

    id = filters.Number("id")
    url = filters.Text("url")
    groupId = filters.Number("group_id")
    groupName = filters.Text("group__name")
    numDevices = filters.Number("device_count")
    description = filters.Text("description", optional=True)
    lastAccess = filters.Date("last_access", optional=True)
    mutualAuth = filters.Flag("mutual_auth")
    answer = filters.Text("answer")
    group = filters.Number("group_id", sortable=False)
    search = filters.Search(matching_locations, "`id`, `url`, `groupId`, `groupName` and `description`")


class LocationsView(ListView):
    """GET and POST /locations. Source: manual 9.2 and 9.3."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    noun, tag = "Location", "Locations"
    queryset = Location.objects.with_device_count().select_related("group")
    serializer_class = LocationSerializer
    request_class = LocationBody
    filterset_class = LocationFilters
    pagination_class = pages_of("locations")
    columns = LOCATION_COLUMNS
    csv_related = ("group__reseller",)

    def get(self, request: Request) -> Response:
        """Locations in your scope

        A page of locations, with filter, sort and depth.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Create a location

        For Administrators and Operators.
        """
        body = self.read_body()
        body["group_id"] = self.group_named_in_body(body["group_id"]).pk
        with transaction.atomic():
            location = Location.objects.create(**body)
        return self.created(location)


class LocationView(DetailView):
    """GET, PUT and DELETE /locations/{id}. Source: manual 9.2, 9.4 and 9.5."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.CHANGE_DEVICES_AND_LOCATIONS,
        "DELETE": Action.CHANGE_DEVICES_AND_LOCATIONS,
    }
    noun, tag = "Location", "Locations"
    queryset = LocationsView.queryset
    serializer_class = LocationSerializer
    request_class = LocationChanges
    responses: ClassVar = {
        "DELETE": refusal(409, "Devices are still associated with it.", "The location still has devices.")
    }

    def get(self, request: Request, id: int) -> Response:
        """One location

        A location of your scope.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change a location

        For Administrators and Operators. `url` must be sent; what else is absent stays as it is.
        """
        return self.update(id)

    def delete(self, request: Request, id: int) -> Response:
        """Delete a location without devices

        For Administrators and Operators.
        """
        return self.destroy(id)

    def check_unused(self, row: Location) -> None:
        if row.devices.exists():
            raise Conflict("The location still has devices.")


class LocationsRemoveView(View):
    """POST /locations/remove. Source: manual 9.6."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}
    tag = "Locations"
    operation_ids: ClassVar = {"POST": "removeLocations"}
    queryset = Location.objects.all()
    request_class = LocationsToRemove
    responses: ClassVar = {"POST": answer(RemovedLocations, "What was deleted, and what was not.")}

    def post(self, request: Request) -> Response:
        """Delete several locations

        Deletes those without devices. The others are listed in `fail`: by their URL, or, if the id does not exist
        or is not in your scope, by the id as text. `deleted` and `fail.count` add up to the number of distinct
        ids.
        """
        ids = list(dict.fromkeys(self.read_body()["idList"]))
        with transaction.atomic():
            removed, failed = remove_unused(self.get_queryset(), ids)
        return Response({"deleted": removed, "fail": {"count": len(failed), "locations": failed}})
