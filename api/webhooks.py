"""Webhooks: addresses that are told what happens to devices. Beyond the manual."""

from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group, User
from accounts.permissions import Action
from api import fields, filters
from api.generics import DetailView, ListView, update_fields
from api.pagination import pages_of
from api.schema import answer, example, path_id
from api.serializers import Created, RequestSerializer
from redirect.db.search import among, contains
from redirect.http.addresses import AddressRefused, is_host
from webhooks import secrets, sender
from webhooks.models import Delivery, DeliveryState, EventType, Webhook

URL = (
    "`http://` or `https://`; a name is looked up when a message is sent. Public addresses alone, unless the "
    "operator of the service allows others."
)
EVENTS = "What it is told of. Null: of everything, also of what is added later."
GROUP = "The id of the group whose events it is told of; of a reseller, those of its providers too."
ENABLED = (
    "Whether messages are sent. What is pending stays so while it is off, and comes after true has switched it on "
    "again, each at its `nextAttempt`; what happens while it is off is not told later."
)
REASON = "Why the service switched it off; null if it did not."
SECRET = "What signs the messages (Standard Webhooks). It is shown in this answer and never again."  # noqa: S105

WEBHOOK_ID = path_id(description="The id of the webhook.", examples=[3])

CHANGES = {
    "url": "https://hooks.example.com/phones",
    "events": ["device.claimed", "device.removed"],
    "description": "Inventory",
    "enabled": True,
}
WEBHOOK = {
    "id": 3,
    "groupId": 1,
    "groupName": "provider 1",
    "disabledReason": None,
    "failingSince": None,
    "createdAt": "2019-04-28T18:16:04+0000",
} | CHANGES


@example(WEBHOOK)
class WebhookSerializer(serializers.Serializer[Any]):
    """A webhook, without its secret."""

    id = serializers.IntegerField()
    groupId = serializers.IntegerField(source="group_id", help_text=GROUP)
    groupName = serializers.CharField(source="group.name")
    url = serializers.CharField(help_text=URL)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EventType.values), allow_null=True, help_text=EVENTS
    )
    description = serializers.CharField(allow_null=True)
    enabled = serializers.BooleanField(help_text=ENABLED)
    disabledReason = serializers.CharField(source="disabled_reason", allow_null=True, help_text=REASON)
    failingSince = serializers.DateTimeField(
        source="failing_since", allow_null=True, help_text="The first failure after the last success."
    )
    createdAt = serializers.DateTimeField(source="created_at")


class Events(fields.TextArray):
    """Types of events, each once."""

    item_name = "event"
    problem = f"Must be one of {', '.join(EventType.values)}."

    def __init__(self, help_text: str = EVENTS, **kwargs: Any) -> None:
        items = {"type": "string", "enum": list(EventType.values)}
        super().__init__(
            max_length=20,
            required=False,
            allow_null=True,
            help_text=help_text,
            schema={"items": items},
            **kwargs,
        )

    def takes(self, item: Any) -> bool:
        return item in EventType.values if isinstance(item, str) else False

    def to_internal_value(self, data: Any) -> list[Any]:
        return list(dict.fromkeys(super().to_internal_value(data)))


class WebhookAttributes(RequestSerializer):
    """What a caller says of a webhook."""

    events = Events()
    description = fields.Description()
    enabled = fields.Boolean(required=False, help_text=ENABLED)

    def validate_url(self, url: str) -> str:
        """An address that the deployment allows, as far as it can be seen without a look-up."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", _port_of(parts)
            if parts.scheme not in ("http", "https") or not host or not url.isascii() or " " in url:
                raise ValueError("Must begin with http:// or https:// and a host, in ASCII without spaces.")
            if parts.username is not None or parts.password is not None or parts.fragment:
                raise ValueError("Must have no user, password or fragment.")
            if not is_host(host):
                raise ValueError("Must have a host that is a name or an address.")
            sender.rules().check_text(host, {"http": 80, "https": 443}[parts.scheme] if port is None else port)
        except (AddressRefused, ValueError) as error:
            raise serializers.ValidationError(str(error)) from error
        return url


def _port_of(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise ValueError("Must have a port from 1 to 65535, or none.") from error


@example(CHANGES)
class WebhookChanges(WebhookAttributes):
    """PUT /webhooks/{id}."""

    resource = WebhookSerializer

    url = fields.Text(max_length=1000, required=False, help_text=URL)


@example(CHANGES | {"groupId": 1})
class WebhookBody(WebhookAttributes):
    """POST /webhooks."""

    groupId = fields.Integer(help_text=GROUP)
    url = fields.Text(max_length=1000, help_text=URL)


@example({"id": 3, "url": "/api/v1/webhooks/3", "secret": "whsec_" + "0" * 43 + "="})
class WebhookCreated(Created):
    """A new webhook."""

    secret = serializers.RegexField("^whsec_[A-Za-z0-9+/]{43}=$", help_text=SECRET)


def matching_webhooks(user: User, term: str) -> Q:
    """The webhooks in whose attributes the term stands, in any case."""
    groups = contains(term, texts=("name",), ids=("id",))
    return contains(term, texts=("url", "description"), ids=("id",)) | among(
        "group", Group.objects.visible_to(user), groups
    )


class WebhookFilters(filters.ClauseFilterSet):
    """GET /webhooks"""

    examples = ("(groupId=1,search~'hooks')", "enabled=true")

    id = filters.Number("id")
    groupId = filters.Number("group_id")
    groupName = filters.Text("group__name")
    url = filters.Text("url")
    description = filters.Text("description", optional=True)
    enabled = filters.Flag("enabled")
    failingSince = filters.Date("failing_since", optional=True)
    createdAt = filters.Date("created_at")
    search = filters.Search(matching_webhooks, "ids, names of groups, `url` and `description`")


class WebhooksView(ListView):
    """GET and POST /webhooks."""

    actions: ClassVar = {"GET": Action.MANAGE_WEBHOOKS, "POST": Action.MANAGE_WEBHOOKS}
    noun, tag = "Webhook", "Webhooks"
    queryset = Webhook.objects.select_related("group")
    serializer_class = WebhookSerializer
    request_class = WebhookBody
    filterset_class = WebhookFilters
    pagination_class = pages_of("webhooks")
    responses: ClassVar = {"POST": answer(WebhookCreated, "Created. The secret is shown this once.", status=201)}

    def get(self, request: Request) -> Response:
        """Webhooks in your scope

        Administrators only. The secrets are not shown.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Be told of events instead of asking

        Administrators only, for the own group or one below it. Each event is sent as a POST of JSON with `type`,
        `timestamp` and `data`, signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`,
        `webhook-signature`), at least once: a repetition has the same `webhook-id`. *Webhooks*, at the top, has
        the types of events and their `data`. Events of one device come in the order in which they happened
        (*Order* there): the next is sent when the one before it has arrived or was given up. Any status from 200
        to 299 within ten seconds takes a message; others are sent again for a day, ever less often. 410, and a day
        without success, switch the webhook off.
        """
        body = self.read_body()
        group = self.group_named_in_body(body.pop("groupId"))
        secret = secrets.new()
        webhook = Webhook(**body, group=group, secret=secrets.encrypt(secret))
        with transaction.atomic():
            webhook.save(force_insert=True)
        shown = {"id": webhook.pk, "url": reverse("webhook", args=[webhook.pk]), "secret": secret}
        return Response(shown, status=201)


class WebhookView(DetailView):
    """GET, PUT and DELETE /webhooks/{id}."""

    actions: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), Action.MANAGE_WEBHOOKS)
    noun, tag = "Webhook", "Webhooks"
    queryset = WebhooksView.queryset
    serializer_class = WebhookSerializer
    request_class = WebhookChanges

    def get(self, request: Request, id: int) -> Response:
        """One webhook

        Administrators only.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change a webhook, or switch it off and on

        Administrators only. An attribute that is absent stays as it is. For another secret create another webhook.
        """
        return self.update(id)

    def change(self, row: Any, changes: dict[str, Any]) -> None:
        if changes.get("enabled") or "url" in changes:  # a new beginning
            changes = changes | {"failing_since": None, "unanswered": 0, "paused_until": None}
            changes |= {"disabled_reason": None} if changes.get("enabled") else {}
        update_fields(row, changes)

    def delete(self, request: Request, id: int) -> Response:
        """Delete a webhook

        Administrators only. What is pending is not sent any more.
        """
        return self.destroy(id)


DELIVERY = {
    "id": 17,
    "messageId": "msg_6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f",
    "event": "device.claimed",
    "mac": "00:90:8F:9D:89:92",
    "data": {
        "mac": "00:90:8F:9D:89:92",
        "groupId": 1,
        "locationId": None,
        "time": "2019-04-28T18:16:04+0000",
    },
    "state": "Pending",
    "attempts": 1,
    "lastStatus": 500,
    "lastProblem": "The receiver answers 500.",
    "createdAt": "2019-04-28T18:16:04+0000",
    "nextAttempt": "2019-04-28T18:16:09+0000",
    "finishedAt": None,
}


@example(DELIVERY)
class DeliverySerializer(serializers.Serializer[Any]):
    """An event for a webhook, and what became of it."""

    id = serializers.IntegerField()
    messageId = serializers.SerializerMethodField()
    event = serializers.CharField(help_text="The type of the event, or `webhook.test`.")
    mac = fields.MAC(allow_null=True, help_text="Null where it is about no device.")
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="The `data` of the message."
    )
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    attempts = serializers.IntegerField(help_text="How often it was sent.")
    lastStatus = serializers.IntegerField(
        source="last_status", allow_null=True, help_text="What the receiver answered; null if it did not."
    )
    lastProblem = serializers.CharField(source="last_problem", help_text="In a sentence; empty without.")
    createdAt = serializers.DateTimeField(source="created_at")
    nextAttempt = serializers.SerializerMethodField()
    finishedAt = serializers.DateTimeField(
        source="finished_at", allow_null=True, help_text="When it had arrived, or was given up."
    )

    def get_messageId(self, delivery: Delivery) -> str:
        """The header `webhook-id`; a repetition has the same."""
        return f"msg_{delivery.key.hex}"

    def get_nextAttempt(self, delivery: Delivery) -> str | None:
        """From when on it is sent, if nothing about its device is before it; null if it is finished."""
        pending = delivery.state == DeliveryState.PENDING
        return f"{delivery.next_attempt:%Y-%m-%dT%H:%M:%S}+0000" if pending else None


class DeliveriesView(ListView):
    """GET /webhooks/{id}/deliveries."""

    actions: ClassVar = {"GET": Action.MANAGE_WEBHOOKS}
    query_parameters = ("page", "limit")
    filter_backends = ()
    tag = "Webhooks"
    operation_ids: ClassVar = {"GET": "listWebhookDeliveries"}
    queryset = Delivery.objects.order_by("-id")
    id_parameter = WEBHOOK_ID
    serializer_class = DeliverySerializer
    pagination_class = pages_of("deliveries")

    def get(self, request: Request, id: int) -> Response:
        """What was sent to a webhook, and what is to be

        Administrators only; newest first. Finished deliveries are kept for 30 days.
        """
        return self.page(webhook=id)


class Queued(serializers.Serializer[Any]):
    """A message that is sent within seconds: the deliveries tell what became of it."""

    id = serializers.IntegerField()
    messageId = serializers.CharField()
