"""Devices on the wire: each name of the manual is spelled here. Source: manual chapters 8 and 11."""

from typing import Any

from rest_framework import serializers

from api.fields import Boolean, Description, Integer, TextArray
from api.serializers import RequestSerializer
from devices import mac
from devices.models import Access, AccessStatus, Device, Outcome


class MACField(serializers.CharField):
    """Six pairs joined by colons, as every answer shows a MAC. Source: manual 8.1."""

    def to_representation(self, value: str) -> str:
        return mac.display(value)


class DeviceSerializer(serializers.Serializer[Device]):
    """A device."""

    id = serializers.IntegerField()
    mac = MACField()
    groupId = serializers.IntegerField(source="group_id")
    groupName = serializers.CharField(source="group.name")
    locationId = serializers.IntegerField(source="location_id", allow_null=True)
    locationUrl = serializers.CharField(source="location.url", allow_null=True)
    lastAccessStatus = serializers.ChoiceField(source="last_access_status", choices=AccessStatus.choices)
    lastAccess = serializers.DateTimeField(source="last_access", allow_null=True)
    numRequests = serializers.IntegerField(source="num_requests")
    description = serializers.CharField(allow_null=True)


class DevicesBody(RequestSerializer):
    """POST /devices."""

    group = Integer()
    locationId = Integer(required=False, allow_null=True)
    macList = TextArray()
    overrideCurrentAssociation = Boolean()
    description = Description()


class DevicesToRemove(RequestSerializer):
    """POST /devices/remove."""

    macList = TextArray()
    group = Integer(required=False, allow_null=True)


class DevicesToAssociate(RequestSerializer):
    """POST /locations/{id}/devices/associate."""

    macList = TextArray()
    overrideCurrentAssociation = Boolean()
    description = Description()


class DevicesToDisassociate(RequestSerializer):
    """POST /locations/{id}/devices/disassociate."""

    macList = TextArray()


class Bucket(serializers.Serializer[Any]):
    """Some of the MACs that were sent, in the order sent."""

    count = serializers.IntegerField()
    macList = serializers.ListField(child=serializers.CharField())


class CreatedDevices(serializers.Serializer[Any]):
    """What POST /devices answers: each MAC that was sent stands in exactly one bucket."""

    success = Bucket()
    invalidMAC = Bucket()
    duplicateMACSameGroup = Bucket()
    duplicateMACOtherGroup = Bucket()


class AccessSerializer(serializers.Serializer[Access]):
    """A phone's request and what it got."""

    time = serializers.DateTimeField()
    mac = MACField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    address = serializers.CharField()
    userAgent = serializers.CharField(source="user_agent")
    certificateSubject = serializers.CharField(source="certificate_subject", allow_null=True)
    locationUrl = serializers.CharField(source="location_url", allow_null=True)
