"""Devices over HTTP, also those of a location."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import Action
from api.access import ScopedView
from api.devices.filters import AccessFilters, DeviceFilters
from api.devices.serializers import (
    AccessSerializer,
    DevicesBody,
    DeviceSerializer,
    DevicesToAssociate,
    DevicesToDisassociate,
    DevicesToRemove,
)
from api.listing import ListQuery, parameters
from api.serializers import read_body
from devices import bulk
from devices.models import Access, AccessQuerySet, Device, DeviceQuerySet
from locations.models import Location


class DevicesView(ScopedView):
    """GET and POST /devices. Source: manual 8.2 and 8.3."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def get(self, request: Request) -> Response:
        query = ListQuery.read(request, DeviceFilters)
        return query.answer(_devices(self.user, depth=query.depth), DeviceSerializer, "devices")

    def post(self, request: Request) -> Response:
        body = read_body(DevicesBody, request)
        created = bulk.create(
            self.group_named_in_body(body["group"]),
            body["macList"],
            location_id=body.get("locationId"),
            override=body["overrideCurrentAssociation"],
            description=body.get("description"),
        )
        answer = {
            "success": _bucket(created.success),
            "invalidMAC": _bucket(created.invalid),
            "duplicateMACSameGroup": _bucket(created.same_group),
            "duplicateMACOtherGroup": _bucket(created.other_group),
        }
        return Response(answer, status=201)


def _bucket(macs: list[str]) -> dict[str, Any]:
    return {"count": len(macs), "macList": macs}


class DeviceView(ScopedView):
    """GET /devices/{id} and /devices/{mac}. Source: manual 8.2."""

    actions: ClassVar = {"GET": Action.VIEW}

    def get(self, request: Request, **id_or_mac: int | str) -> Response:
        parameters(request)
        device = _devices(self.user).filter(**id_or_mac).first()
        return Response(DeviceSerializer(device).data) if device else Response(status=204)


class AccessesView(ScopedView):
    """GET /accesses: newest first; the operator also sees MACs that nobody owns."""

    actions: ClassVar = {"GET": Action.VIEW}

    def get(self, request: Request) -> Response:
        return _access_log(request, Access.objects.visible_to(self.user))


class DeviceAccessesView(ScopedView):
    """GET /devices/{id}/accesses and /devices/{mac}/accesses"""

    actions: ClassVar = {"GET": Action.VIEW}

    def get(self, request: Request, **id_or_mac: int | str) -> Response:
        device = Device.objects.filter(**id_or_mac).first()
        accesses = Access.objects.visible_to(self.user)
        of_device = accesses.filter(mac=device.mac, device_id=device.pk) if device else accesses.none()
        return _access_log(request, of_device)


def _access_log(request: Request, accesses: AccessQuerySet) -> Response:
    query = ListQuery.read(request, AccessFilters, "filter", "sort", "page", "limit")
    return query.answer(accesses, AccessSerializer, "accesses", order=("-time", "-id"))


class DevicesRemoveView(ScopedView):
    """POST /devices/remove. Source: manual 8.4."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def post(self, request: Request) -> Response:
        body = read_body(DevicesToRemove, request)
        positions = bulk.positions_in(body["macList"])
        devices = Device.objects.visible_to(self.user)
        if body.get("group") is not None:
            devices = devices.filter(group=self.group_named_in_body(body["group"]))
        return Response({"deleted": bulk.remove(devices, positions)})


class LocationDevicesView(ScopedView):
    """GET /locations/{id}/devices. Source: manual 9.7."""

    actions: ClassVar = {"GET": Action.VIEW}

    def get(self, request: Request, id: int) -> Response:
        query = ListQuery.read(request, DeviceFilters, "page", "limit")
        location = Location.objects.visible_to(self.user).filter(pk=id)
        devices = _devices(self.user).filter(location__in=location)
        return query.answer(devices, DeviceSerializer, "devices")


class AssociateView(ScopedView):
    """POST /locations/{id}/devices/associate. Source: manual 11.1."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def post(self, request: Request, id: int) -> Response:
        body = read_body(DevicesToAssociate, request)
        changed, sent = bulk.associate(
            Location.objects.visible_to(self.user).filter(pk=id),
            bulk.positions_in(body["macList"]),
            override=body["overrideCurrentAssociation"],
            description=body.get("description", bulk.UNSET),
        )
        return Response({"description": f"{changed} out of {sent} devices were associate to location"})


class DisassociateView(ScopedView):
    """POST /locations/{id}/devices/disassociate. Source: manual 11.2."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def post(self, request: Request, id: int) -> Response:
        positions = bulk.positions_in(read_body(DevicesToDisassociate, request)["macList"])
        locations = Location.objects.visible_to(self.user).filter(pk=id)
        changed, sent = bulk.disassociate(locations, positions)
        return Response({"description": f"{changed} out of {sent} devices were disassociate from location"})


def _devices(user: User, *, depth: int = 1) -> DeviceQuerySet:
    return Device.objects.visible_to(user, depth=depth).select_related("group", "location")
