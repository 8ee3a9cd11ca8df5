"""What is done with a webhook: try it, and send a message again. Beyond the manual."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api.generics import View, lock_or_404
from api.schema import answer, example
from api.serializers import RequestSerializer
from api.webhooks import WEBHOOK_ID, Queued, WebhooksView
from audit import recording
from audit.models import Changes, Event
from redirect.db.time import now
from webhooks.models import TEST, Delivery, DeliveryState, Webhook

DELIVERY_ID = OpenApiParameter(
    "delivery",
    {"type": "integer", "format": "int64", "minimum": 0},
    OpenApiParameter.PATH,
    description="The id of the delivery.",
    examples=[OpenApiExample("Example 1", 17)],
)
QUEUED = answer(
    Queued,
    "It is sent within seconds.",
    {"id": 17, "messageId": "msg_6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f"},
    status=202,
)


@example({})
class NoAttributes(RequestSerializer):
    """An empty object."""


class WebhookActionView(View):
    """Something that is done with a webhook; its entry in the audit log says which delivery it is about."""

    actions: ClassVar = {"POST": Action.MANAGE_WEBHOOKS}
    tag = "Webhooks"
    queryset = WebhooksView.queryset
    id_parameter = WEBHOOK_ID
    request_class = NoAttributes
    responses: ClassVar = {"POST": QUEUED}

    def queued(self, webhook: Webhook, delivery: Delivery, what: str) -> Response:
        """202 with the delivery."""
        changes: Changes = {what: [None, delivery.pk]}
        recording.record(Event.CHANGED, webhook, changes)
        return Response({"id": delivery.pk, "messageId": f"msg_{delivery.key.hex}"}, status=202)


class WebhookTestView(WebhookActionView):
    """POST /webhooks/{id}/test."""

    operation_ids: ClassVar = {"POST": "testWebhook"}

    def post(self, request: Request, id: int) -> Response:
        """Send a message to try a webhook

        Administrators only. Its type is `webhook.test`. The deliveries tell what the receiver answered.
        """
        self.read_body()
        with transaction.atomic():
            webhook = lock_or_404(self.get_queryset().filter(pk=id))
            data = {"webhookId": webhook.pk, "time": f"{now():%Y-%m-%dT%H:%M:%S}+0000"}
            delivery = Delivery.objects.create(webhook=webhook, event=TEST, data=data)
            return self.queued(webhook, delivery, "test")


class ReplayView(WebhookActionView):
    """POST /webhooks/{id}/deliveries/{delivery}/replay."""

    operation_ids: ClassVar = {"POST": "replayDelivery"}
    more_parameters: ClassVar[tuple[Any, ...]] = (DELIVERY_ID,)

    def post(self, request: Request, id: int, delivery: int) -> Response:
        """Send a message again

        Administrators only; whatever became of it. It keeps its `webhook-id`, and has all attempts before it.
        """
        self.read_body()
        with transaction.atomic():
            webhook = lock_or_404(self.get_queryset().filter(pk=id))
            row = lock_or_404(Delivery.objects.visible_to(self.user).filter(webhook=webhook, pk=delivery))
            row.state, row.attempts, row.next_attempt, row.finished_at = DeliveryState.PENDING, 0, now(), None
            row.save(update_fields=["state", "attempts", "next_attempt", "finished_at"])
            return self.queued(webhook, row, "replay")
