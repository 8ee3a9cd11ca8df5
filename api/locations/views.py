"""Locations over HTTP. What acts on the devices of a location lives in api/devices/views.py."""

from typing import ClassVar

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import Action
from api.access import ScopedView, lock_or_404, update_fields
from api.listing import ListQuery, parameters
from api.locations.filters import LocationFilters
from api.locations.serializers import LocationBody, LocationChanges, LocationSerializer, LocationsToRemove
from api.serializers import read_body
from audit.models import Event
from audit.recording import Part, record_list
from locations.models import Location, LocationQuerySet
from redirect.db.arrays import integers
from redirect.errors import conflict


class LocationsView(ScopedView):
    """GET and POST /locations. Source: manual 9.2 and 9.3."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def get(self, request: Request) -> Response:
        query = ListQuery.read(request, LocationFilters)
        return query.answer(_locations(self.user, depth=query.depth), LocationSerializer, "locations")

    def post(self, request: Request) -> Response:
        body = read_body(LocationBody, request)
        body["group_id"] = self.group_named_in_body(body["group_id"]).pk
        with transaction.atomic():
            location = Location.objects.create(**body)
        return Response({"id": location.pk, "url": f"/api/v1/locations/{location.pk}"}, status=201)


class LocationView(ScopedView):
    """GET, PUT and DELETE /locations/{id}. Source: manual 9.2, 9.4 and 9.5."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.CHANGE_DEVICES_AND_LOCATIONS,
        "DELETE": Action.CHANGE_DEVICES_AND_LOCATIONS,
    }

    def get(self, request: Request, id: int) -> Response:
        parameters(request)
        location = _locations(self.user).filter(pk=id).first()
        return Response(LocationSerializer(location).data) if location else Response(status=204)

    def put(self, request: Request, id: int) -> Response:
        visible = _locations(self.user).filter(pk=id)
        changes = read_body(LocationChanges, request, visible.first())
        with transaction.atomic():
            location = lock_or_404(visible)
            update_fields(location, changes)
        return Response(LocationSerializer(location).data)

    def delete(self, request: Request, id: int) -> Response:
        parameters(request)
        with transaction.atomic():
            location = lock_or_404(Location.objects.visible_to(self.user).filter(pk=id))
            if location.devices.exists():
                raise conflict("The location still has devices.")
            location.delete()
        return Response({"description": "Location deleted"})


class LocationsRemoveView(ScopedView):
    """POST /locations/remove. Source: manual 9.6."""

    actions: ClassVar = {"POST": Action.CHANGE_DEVICES_AND_LOCATIONS}

    def post(self, request: Request) -> Response:
        ids = list(dict.fromkeys(read_body(LocationsToRemove, request)["idList"]))
        with transaction.atomic():
            removed, failed = _remove_unused(Location.objects.visible_to(self.user), ids)
        return Response({"deleted": removed, "fail": {"count": len(failed), "locations": failed}})


def _remove_unused(visible: LocationQuerySet, ids: list[int]) -> tuple[int, list[str]]:
    """Delete those without devices; how many, and what stays: its URL, or the id that is not in the scope."""
    possible = [id for id in ids if 0 < id < 2**63]
    found = visible.filter(pk__in=integers(possible)).order_by("pk")
    rows = list(found.select_for_update(of=("self",)).values_list("pk", "url", "group_id"))
    urls = {id: url for id, url, _ in rows}
    used = set(found.filter(devices__isnull=False).values_list("pk", flat=True).distinct())
    unused = urls.keys() - used
    Location.objects.filter(pk__in=integers(unused))._raw_delete(Location.objects.db)
    by_group: dict[int, list[int]] = {}
    for id, _, group_id in rows:
        if id in unused:
            by_group.setdefault(group_id, []).append(id)
    parts = [Part(group_id, "Removed", listed) for group_id, listed in by_group.items()]
    record_list(Event.LOCATIONS_REMOVED, Location, parts, urls=[urls[id] for id in sorted(unused)[:100]])
    return len(unused), [urls.get(id, str(id)) for id in ids if id not in unused]


def _locations(user: User, *, depth: int = 1) -> LocationQuerySet:
    return Location.objects.visible_to(user, depth=depth).with_device_count().select_related("group")
