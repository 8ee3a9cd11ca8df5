"""Raw calls of addresses that the documentation lets through."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields
from api.management_fields import JSONObject
from api.management_operations import ACCEPTED, EndpointActionView
from api.schema import example
from api.serializers import RequestSerializer


@example({"method": "GET", "path": "/api/v1/status"})
class PassthroughBody(RequestSerializer):
    """POST /management/endpoints/{id}/passthrough."""

    method = fields.Choice(choices=["GET", "POST", "PUT", "DELETE"], help_text="Of the raw call.")
    path = fields.Text(max_length=1000, help_text="One that `docs/management-endpoints.md` lets through.")
    query = JSONObject(required=False, help_text="Names and values of the query string; all are strings.")
    body = fields.Text(
        required=False, allow_blank=True, lines=True, max_length=20_480, help_text="As it is to be sent."
    )
    contentType = fields.Choice(
        choices=["application/json", "text/plain", "application/xml"], required=False, help_text="JSON by default."
    )


class PassthroughView(EndpointActionView):
    """POST /management/endpoints/{id}/passthrough."""

    actions: ClassVar = {"POST": Action.ADMINISTER_ENDPOINTS}
    operation_ids: ClassVar = {"POST": "createPassthrough"}
    request_class = PassthroughBody
    responses: ClassVar = {"POST": ACCEPTED}

    def post(self, request: Request, id: int) -> Response:
        """Send a raw call to a device

        For Administrators. An operation like others, in its order; its result has `status`, `contentType` and
        `body`, in which secrets are hidden. 403 for what the allow list of the driver does not let through.
        """
        return self.ask(id, "passthrough", self.read_body(), within="")
