"""A location against the server that it is."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields
from api.generics import View
from api.management_operations import TIME
from api.schema import NOT_THERE, answer, example, path_id
from locations.models import Location
from management.consistency import report


@example(
    {
        "time": TIME,
        "operationId": 5,
        "missingOnServer": ["00:90:8F:9D:89:93"],
        "notRedirected": [],
        "neverRegistered": ["00:90:8F:9D:89:92"],
        "consistent": 0,
    }
)
class ConsistencySerializer(serializers.Serializer[Any]):
    """Where the devices of a location and the phones of its server differ."""

    time = serializers.DateTimeField(help_text="When the server was asked.")
    operationId = serializers.IntegerField()
    missingOnServer = serializers.ListField(
        child=fields.MAC(), help_text="Devices of the location that the server does not know."
    )
    notRedirected = serializers.ListField(
        child=fields.MAC(), help_text="Phones of the server that are no devices of the location."
    )
    neverRegistered = serializers.ListField(
        child=fields.MAC(), help_text="Devices that the server knows, and that are not registered."
    )
    consistent = serializers.IntegerField(help_text="How many devices are known and registered.")


class ConsistencyView(View):
    """GET /locations/{id}/consistency."""

    actions: ClassVar = {"GET": Action.VIEW}
    tag = "Management"
    operation_ids: ClassVar = {"GET": "getLocationConsistency"}
    id_parameter = path_id(examples=[7])
    queryset = Location.objects.all()
    responses: ClassVar = {"GET": answer(ConsistencySerializer, "As it is by now.") | NOT_THERE}

    def get(self, request: Request, id: int) -> Response:
        """A location against the server that it is

        The location's devices as they are now, against what its server (an endpoint with `locationId`) said when
        it was last asked by the operation `consistency`. 204 also if it never was.
        """
        location = self.get_queryset().filter(pk=id).first()
        found = report(location) if location is not None else None
        return Response(ConsistencySerializer(found).data) if found else Response(status=204)
