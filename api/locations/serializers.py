"""Locations on the wire: each name of the manual is spelled here. Source: manual 9.2 to 9.6."""

from typing import Any

from rest_framework import serializers

from api.fields import Boolean, Description, Integer, IntegerArray, Text
from api.serializers import RequestSerializer
from locations import url_template
from locations.models import Location


class LocationSerializer(serializers.Serializer[Location]):
    """A location."""

    id = serializers.IntegerField()
    url = serializers.CharField()
    groupId = serializers.IntegerField(source="group_id")
    groupName = serializers.CharField(source="group.name")
    numDevices = serializers.IntegerField(source="device_count")
    description = serializers.CharField(allow_null=True)
    lastAccess = serializers.DateTimeField(source="last_access", allow_null=True)
    mutualAuth = serializers.BooleanField(source="mutual_auth")


class LocationAttributes(RequestSerializer):
    """What a caller says of a location."""

    url = Text(max_length=url_template.MAX_LENGTH)
    description = Description()
    mutualAuth = Boolean(source="mutual_auth", required=False, allow_null=True)

    def validate_url(self, url: str) -> str:
        """A URL template, as manual 9.1 has it."""
        try:
            url_template.check(url)
        except url_template.InvalidTemplate as error:
            raise serializers.ValidationError(str(error)) from error
        return url

    def validate_mutualAuth(self, mutual_auth: bool | None) -> bool:
        """None means the default: off."""
        return bool(mutual_auth)


class LocationChanges(LocationAttributes):
    """PUT /locations/{id}."""

    resource = LocationSerializer


class LocationBody(LocationAttributes):
    """POST /locations."""

    groupId = Integer(source="group_id")


class LocationsToRemove(RequestSerializer):
    """POST /locations/remove."""

    idList = IntegerArray()


class RemovedLocations(serializers.Serializer[Any]):
    """What POST /locations/remove answers."""

    class Failed(serializers.Serializer[Any]):
        """The locations that were not deleted."""

        count = serializers.IntegerField()
        locations = serializers.ListField(child=serializers.CharField())

    deleted = serializers.IntegerField()
    fail = Failed()  # type: ignore[assignment]
