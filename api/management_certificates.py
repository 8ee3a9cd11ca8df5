"""The steps of a certificate flow that a person takes."""

from typing import ClassVar

from django.db import transaction
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields
from api.generics import View, lock_or_404
from api.login import EmptyBody
from api.management_operations import ACCEPTED
from api.schema import example, path_id, refusal
from api.serializers import RequestSerializer
from management import operations
from management.models import Endpoint, Operation

OPERATION_ID = path_id(examples=[10])


# Of the request that the flow of the example has made.
CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBIDCBx6ADAgECAgEHMAoGCCqGSM49BAMCMBsxGTAXBgNVBAMMEENBIG9mIGFu\n"
    "IGV4YW1wbGUwIBcNMTkwMTAxMDAwMDAwWhgPMjA5OTAxMDEwMDAwMDBaMBcxFTAT\n"
    "BgNVBAMMDDAwOTA4RkExNjMwMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMyw\n"
    "RnxPCXJw2fXf+FEXMbgfstKfdXbWRS5VJEbVmlTnZAzPpSCaFY8qwZ1GsiGEk0K2\n"
    "VzxiUfozfU/PRqLpP9EwCgYIKoZIzj0EAwIDSAAwRQIhAOQj5UC5cdOwBhLbqItd\n"
    "KeioiAxBRGkEpaPSQpz8aQfrAiAYxlJzAd9VnlKprLiUP8J9EUKs/XVBnnFyzISG\n"
    "jHnIEg==\n"
    "-----END CERTIFICATE-----\n"
)


@example({"certificate": CERTIFICATE})
class CertificateBody(RequestSerializer):
    """POST /management/operations/{id}/certificate."""

    certificate = fields.Text(
        lines=True, max_length=20_000, help_text="As PEM: of the key that the request of the flow is of."
    )
    trust = fields.Text(
        lines=True,
        max_length=100_000,
        required=False,
        help_text="PEM certificates that the device shall trust from now on, such as that of the location's CA.",
    )


class FlowView(View):
    """The base of what a person does with an operation that waits for it."""

    tag = "Management"
    actions: ClassVar = {"POST": Action.ADMINISTER_ENDPOINTS}
    id_parameter = OPERATION_ID
    queryset = Operation.objects.all()
    responses: ClassVar = {"POST": ACCEPTED | refusal(409)}

    def locked(self, id: int) -> Operation:
        """The operation, whose endpoint is locked; raises ApiError 404."""
        known = self.get_queryset().filter(pk=id).values("endpoint")
        lock_or_404(Endpoint.objects.filter(pk__in=known))
        return Operation.objects.select_related("endpoint__job").get(pk=id)

    def taken(self, operation: Operation) -> Response:
        """202 with the operation."""
        return Response({"id": operation.pk, "url": reverse("operation", args=[operation.pk])}, status=202)


class CertificateView(FlowView):
    """POST /management/operations/{id}/certificate."""

    operation_ids: ClassVar = {"POST": "bringCertificate"}
    request_class = CertificateBody

    def post(self, request: Request, id: int) -> Response:
        """Bring the certificate that a flow waits for

        For Administrators. An operation `certify` is `parked` when it has the device's request (the step `request`
        shows it) and no CA of the service's own signs it. 400 for a certificate of another key, or one that the
        redirect would not accept; 409 if the operation waits for none.
        """
        body = self.read_body()
        with transaction.atomic():
            operation = self.locked(id)
            operations.bring_certificate(operation, self.user, body["certificate"], body.get("trust", ""))
        return self.taken(operation)


class ResumeView(FlowView):
    """POST /management/operations/{id}/resume."""

    operation_ids: ClassVar = {"POST": "resumeOperation"}
    request_class = EmptyBody

    def post(self, request: Request, id: int) -> Response:
        """Let a certificate flow go on where it failed

        For Administrators. What was done is not done again; the step that failed, or whose outcome is not known,
        is. 409 for any other operation.
        """
        self.read_body()
        with transaction.atomic():
            operation = self.locked(id)
            operations.resume(operation, self.user)
        return self.taken(operation)
