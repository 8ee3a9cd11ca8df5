"""Alerts: mails about what happens to devices, at once or once a day. Beyond the manual."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group, User
from accounts.permissions import Action
from api import fields, filters
from api.generics import DetailView, ListView
from api.pagination import pages_of
from api.schema import example, path_id, refusal
from api.serializers import RequestSerializer
from api.webhooks import Events
from redirect.db.search import among, contains
from redirect.texts import control_character
from webhooks import alerts
from webhooks.models import ALARMS, Alert, EventType, Mode

GROUP = "The id of the group whose events it tells of; of a reseller, those of its providers too."
MODE = (
    "`AtOnce`: a mail within half a minute, or after the storm, and at most one in 15 minutes. `Daily`: one a day."
)
EVENTS = f"What it tells of. Null: {', '.join(ALARMS)}."
HOUR = "The hour of a daily mail, 0 to 23, in `timeZone`. A day without events has no mail."
TIME_ZONE = "A name of the IANA's time zones. Times in mails are told in it."
ADDRESSES = "Where mails go: 1 to 10 addresses. Null: to all Administrators of the group that have one."
ENABLED = "Whether mails are sent. What happens while it is off is not told later."
PROBLEM = "Why the last mail, or one of its addresses, has not gone out; empty without."
REFUSED = refusal(409, "The service sends no mail, or the group has 20 alerts already.", alerts.OFF)

CHANGES = {
    "mode": "Daily",
    "events": ["device.failing", "device.recovered", "device.first_seen"],
    "hour": 7,
    "timeZone": "Europe/Berlin",
    "addresses": ["noc@provider.example"],
    "description": "For the morning shift",
    "enabled": True,
}
ALERT = {
    "id": 3,
    "groupId": 1,
    "groupName": "provider 1",
    "createdAt": "2019-04-28T18:16:04+0000",
    "lastMail": None,
    "problem": "",
} | CHANGES


@example(ALERT)
class AlertSerializer(serializers.Serializer[Any]):
    """An alert."""

    id = serializers.IntegerField()
    groupId = serializers.IntegerField(source="group_id", help_text=GROUP)
    groupName = serializers.CharField(source="group.name")
    mode = serializers.ChoiceField(choices=Mode.choices, help_text=MODE)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EventType.values), allow_null=True, help_text=EVENTS
    )
    hour = serializers.IntegerField(help_text=HOUR)
    timeZone = serializers.CharField(source="time_zone", help_text=TIME_ZONE)
    addresses = serializers.ListField(child=serializers.EmailField(), allow_null=True, help_text=ADDRESSES)
    description = serializers.CharField(allow_null=True)
    enabled = serializers.BooleanField(help_text=ENABLED)
    createdAt = serializers.DateTimeField(source="created_at")
    lastMail = serializers.DateTimeField(
        source="sent_at", allow_null=True, help_text="When the mail server took one last."
    )
    problem = serializers.CharField(help_text=PROBLEM)


class Addresses(fields.TextArray):
    """E-mail addresses, each once."""

    item_name = "address"
    problem = "Must be an e-mail address."

    def __init__(self, **kwargs: Any) -> None:
        items = {"type": "string", "format": "email", "maxLength": 254}
        super().__init__(
            max_length=alerts.MOST_ADDRESSES,
            required=False,
            allow_null=True,
            help_text=ADDRESSES,
            schema={"items": items},
            **kwargs,
        )

    def takes(self, item: Any) -> bool:
        if not isinstance(item, str) or len(item) > 254 or control_character(item):
            return False
        try:
            validate_email(item)
        except ValidationError:
            return False
        return True

    def to_internal_value(self, data: Any) -> list[Any]:
        return list(dict.fromkeys(super().to_internal_value(data)))


class AlertAttributes(RequestSerializer):
    """What a caller says of an alert."""

    mode = fields.Choice(choices=Mode.choices, required=False, help_text=MODE)
    events = Events(help_text=EVENTS)
    hour = fields.Integer(required=False, help_text=HOUR, schema={"minimum": 0, "maximum": 23})
    timeZone = fields.Text(source="time_zone", max_length=50, required=False, help_text=TIME_ZONE)
    addresses = Addresses()
    description = fields.Description()

    def validate_hour(self, hour: int) -> int:
        if not 0 <= hour <= 23:
            raise serializers.ValidationError("Must be a whole number from 0 to 23.")
        return hour

    def validate_timeZone(self, name: str) -> str:
        if name not in alerts.time_zones():
            raise serializers.ValidationError("Must be a name of the IANA's time zones, such as Europe/Berlin.")
        return name


@example(CHANGES)
class AlertChanges(AlertAttributes):
    """PUT /alerts/{id}."""

    resource = AlertSerializer

    enabled = fields.Boolean(required=False, help_text=ENABLED)


@example({name: value for name, value in CHANGES.items() if name != "enabled"} | {"groupId": 1})
class AlertBody(AlertAttributes):
    """POST /alerts."""

    groupId = fields.Integer(help_text=GROUP)


def matching_alerts(user: User, term: str) -> Q:
    """The alerts in whose attributes the term stands, in any case."""
    groups = contains(term, texts=("name",), ids=("id",))
    return contains(term, texts=("description",), ids=("id",)) | among(
        "group", Group.objects.visible_to(user), groups
    )


class AlertFilters(filters.ClauseFilterSet):
    """GET /alerts"""

    examples = ("(groupId=1,mode='Daily')", "enabled=true")

    id = filters.Number("id")
    groupId = filters.Number("group_id")
    groupName = filters.Text("group__name")
    mode = filters.Text("mode")
    hour = filters.Number("hour")
    timeZone = filters.Text("time_zone")
    description = filters.Text("description", optional=True)
    enabled = filters.Flag("enabled")
    createdAt = filters.Date("created_at")
    lastMail = filters.Date("sent_at", optional=True)
    problem = filters.Text("problem")
    search = filters.Search(matching_alerts, "ids, names of groups, and `description`")


class AlertsView(ListView):
    """GET and POST /alerts."""

    actions: ClassVar = {"GET": Action.MANAGE_ALERTS, "POST": Action.MANAGE_ALERTS}
    noun, tag = "Alert", "Alerts"
    queryset = Alert.objects.select_related("group")
    serializer_class = AlertSerializer
    request_class = AlertBody
    filterset_class = AlertFilters
    pagination_class = pages_of("alerts")
    responses: ClassVar = {"POST": REFUSED}

    def get(self, request: Request) -> Response:
        """Alerts in your scope

        Administrators only.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Get mail about what happens

        Administrators only, for the own group or one below it. One mail tells of all events since the one before
        it, counted and with some as examples, in plain text: of 10,000 devices that fail at once there is one. The
        events are those of webhooks (*Webhooks*, at the top). A mail that the mail server does not take is tried
        again for five days; a group has at most 20 alerts.
        """
        body = self.read_body()
        group = self.group_named_in_body(body.pop("groupId"))
        alerts.check_on()
        with transaction.atomic():
            alerts.check_room(group)
            alert = Alert.objects.create(**body, group=group)
        return self.created(alert)


class AlertView(DetailView):
    """GET, PUT and DELETE /alerts/{id}."""

    actions: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), Action.MANAGE_ALERTS)
    noun, tag = "Alert", "Alerts"
    id_parameter = path_id(description="The id of the alert.", examples=[3])
    queryset = AlertsView.queryset
    serializer_class = AlertSerializer
    request_class = AlertChanges
    responses: ClassVar = {"PUT": REFUSED}

    def get(self, request: Request, id: int) -> Response:
        """One alert

        Administrators only.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change an alert, or switch it off and on

        Administrators only. An attribute that is absent stays as it is.
        """
        return self.update(id)

    def change(self, row: Alert, changes: dict[str, Any]) -> None:
        if changes.get("enabled") and not row.enabled:
            alerts.check_on()
        super().change(row, changes)

    def delete(self, request: Request, id: int) -> Response:
        """Delete an alert

        Administrators only. What it has not told of is not told any more.
        """
        return self.destroy(id)
