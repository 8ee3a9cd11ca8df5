"""What can be asked of a device: its driver's verbs."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api.generics import View
from api.management_fields import ENDPOINT_ID, ShownJSON
from api.schema import NOT_THERE, answer, example
from management.drivers.base import VERBS
from management.drivers.catalogue import DRIVERS
from management.models import Endpoint


@example(
    {
        "driver": "mediant-7.2",
        "verbs": {
            "restart": {
                "support": "native",
                "level": "Operator",
                "writes": True,
                "arguments": {"mode": {"type": "string", "choices": ["immediate", "graceful", "wait"]}},
                "note": "",
            }
        },
    }
)
class CapabilitiesSerializer(serializers.Serializer[Any]):
    """What can be asked of a device."""

    driver = serializers.CharField()
    verbs = ShownJSON(
        help_text="By verb: `support` (native, partial, emulated, none), `level`, `writes`, arguments."
    )


def shown_capabilities(driver: str) -> dict[str, Any]:
    """As CapabilitiesSerializer has it."""
    names = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array"}
    verbs = {}
    for verb, capability in DRIVERS[driver].capabilities.items():
        arguments = {
            name: {"type": names[argument.type], "required": argument.required}
            | ({"choices": list(argument.choices)} if argument.choices else {})
            | ({"encoding": "base64"} if argument.base64 else {})
            for name, argument in capability.arguments.items()
        }
        verbs[verb] = {
            "support": capability.support.value,
            "level": VERBS[verb].level.value,
            "writes": VERBS[verb].writes,
            "arguments": arguments,
            "note": capability.note,
        }
    return {"driver": driver, "verbs": verbs}


class CapabilitiesView(View):
    """GET /management/endpoints/{id}/capabilities."""

    actions: ClassVar = {"GET": Action.VIEW}
    tag = "Management"
    operation_ids: ClassVar = {"GET": "getEndpointCapabilities"}
    id_parameter = ENDPOINT_ID
    queryset = Endpoint.objects.all()
    responses: ClassVar = {"GET": answer(CapabilitiesSerializer, "By verb.") | NOT_THERE}

    def get(self, request: Request, id: int) -> Response:
        """What can be asked of the device

        Each verb with how well the device can do it, the arguments, and who may ask for it.
        """
        endpoint = self.get_queryset().filter(pk=id).first()
        return Response(shown_capabilities(endpoint.driver)) if endpoint else Response(status=204)
