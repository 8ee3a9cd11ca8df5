"""The audit log: in the names of the other resources, and of each entry what its reader may see."""

from typing import Any, ClassVar

from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey, Group, User
from accounts.permissions import Action
from api import filters
from api.alerts import AlertSerializer
from api.devices import DeviceSerializer
from api.filter_grammar import Value
from api.generics import DetailView, ListView
from api.groups import GroupSerializer
from api.keys import KeySerializer
from api.locations import LocationSerializer
from api.pagination import LogPagination, pages_of
from api.schema import NOT_MODIFIED, NOT_THERE, answer, example
from api.users import LoginFilter, UserSerializer
from api.webhooks import WebhookSerializer
from audit.context import Source
from audit.models import MOVES, Entry, Event, mac_of, number_of
from audit.visibility import concerning, objects_visible_to, visible_to
from devices import mac
from devices.models import Device
from locations.models import Location
from webhooks.models import Alert, Webhook

# By the name on the wire; rows of other models are support staff's affair.
OBJECT_TYPES = {
    "Group": Group,
    "User": User,
    "Key": ApiKey,
    "Location": Location,
    "Device": Device,
    "Webhook": Webhook,
    "Alert": Alert,
}
SERIALIZERS = {
    "Group": GroupSerializer,
    "User": UserSerializer,
    "Key": KeySerializer,
    "Location": LocationSerializer,
    "Device": DeviceSerializer,
    "Webhook": WebhookSerializer,
    "Alert": AlertSerializer,
}
# A column's name on the wire is the one that its resource has; these stand in no answer.
NAMES = {
    kind: {field.source.removesuffix("_id"): name for name, field in serializer().fields.items()}
    | {"password": "password", "is_active": "isActive"}
    for kind, serializer in SERIALIZERS.items()
}
GROUPS = ("group", "reseller")  # columns that hold a group's id

NONE = Q(pk__in=())

ENTRY = {
    "id": 17,
    "time": "2019-04-28T18:16:04+0000",
    "event": "DevicesCreated",
    "objectType": "Device",
    "objectId": None,
    "object": None,
    "user": "ada",
    "address": "192.0.2.7",
    "source": "API",
    "requestId": "6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f",
    "groupId": 2,
    "changes": {"locationId": [None, 7]},
    "count": 2,
    "macList": ["00:90:8F:9D:89:92", "00:90:8F:9D:89:93"],
    "idList": None,
}
CHANGED = ENTRY | {
    "id": 16,
    "event": "Changed",
    "objectType": "Group",
    "objectId": 2,
    "object": "Acme Voice",
    "changes": {"address": ["1 Old Street", "2 New Street"]},
    "count": None,
    "macList": None,
}


@example(ENTRY, CHANGED)
class EntrySerializer(serializers.Serializer[Any]):
    """What a write did, as far as the reader may see it."""

    # The context's `user` reads; with `complete` in the context, lists are whole.

    id = serializers.IntegerField()
    time = serializers.DateTimeField(source="timestamp")
    event = serializers.ChoiceField(choices=Event.choices, help_text="What happened.")
    objectType = serializers.SerializerMethodField()
    objectId = serializers.IntegerField(
        source="object_id",
        allow_null=True,
        help_text="Null for a bulk call, and for a failed login whose user is unknown.",
    )
    object = serializers.SerializerMethodField()
    user = serializers.CharField(
        source="shown_login",
        allow_null=True,
        help_text="Login of who did it, or `key <id>: <name>` for an API key; null where no user had logged in, "
        "or it is another tenant's.",
    )
    address = serializers.CharField(
        source="shown_address", allow_null=True, help_text="From where; null like `user`, and for commands."
    )
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    requestId = serializers.CharField(
        source="cid", allow_null=True, help_text="The `X-Request-ID` of the request; null for commands."
    )
    groupId = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField()
    count = serializers.SerializerMethodField()
    macList = serializers.SerializerMethodField()
    idList = serializers.SerializerMethodField()

    @property
    def reader(self) -> User:
        """Whose eyes see this."""
        user: User = self.context["user"]
        return user

    def sees(self, group_id: int | None) -> bool:
        """Whether the group is in the reader's scope."""
        return self.reader.is_operator or group_id in self.reader.groups_in_scope

    def get_objectType(self, entry: Entry) -> str:
        """Group, User, Key, Location, Device, Webhook or Alert; the operator also sees StaffRole."""
        return kind_of(entry)

    def get_object(self, entry: Entry) -> str | None:
        """The name, login, URL or MAC that it had."""
        text: str = entry.object_repr
        return (mac.display(text) if kind_of(entry) == "Device" else text) if text else None

    def get_groupId(self, entry: Entry) -> int | None:
        """To whose history it belongs; null where it is of several groups."""
        # Of a move the old group, if the reader may know it.
        seen = [id for id in (entry.group_id, entry.other_group_id) if id is not None and self.sees(id)]
        return seen[0] if seen else None

    @extend_schema_field(
        {
            "type": "object",
            "description": "By attribute the old and the new value. `***` stands for a secret. Of a bulk call the "
            "old value is null, since it differs from one to the next.",
            "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2, "items": {}},
        }
    )
    def get_changes(self, entry: Entry) -> dict[str, list[Any]]:
        """By attribute the old and the new value; of a move, either group sees its own side."""
        sides = (True, True)
        if entry.event in MOVES:
            sides = (self.sees(entry.group_id), self.sees(entry.other_group_id))
        names = NAMES.get(kind_of(entry), {})
        changes = {}
        for column, values in (entry.changes or {}).items():
            if column in names or self.reader.is_operator or entry.event == Event.CLAIM_SUSPECTED:
                changes[names.get(column, column)] = [
                    value if seen and (column not in GROUPS or self.sees(value)) else None
                    for value, seen in zip(values, sides, strict=True)
                ]
        return changes

    def get_count(self, entry: Entry) -> int | None:
        """The number of objects of a bulk call that are yours."""
        return sum(part["count"] for part in self._parts(entry)) if _is_of_many(entry) else None

    def get_macList(self, entry: Entry) -> list[str] | None:
        """The devices of a bulk call."""
        listed = self._listed(entry, "Device")
        return None if listed is None else [mac.display(text) for text in listed]

    def get_idList(self, entry: Entry) -> list[int] | None:
        """The locations of a bulk call."""
        # Or the users that staff acted on together.
        return self._listed(entry, "User" if kind_of(entry) == "User" else "Location")

    def _parts(self, entry: Entry) -> list[dict[str, Any]]:
        """The parts of a bulk call that the reader may see: all of them, where it is of one group."""
        data: dict[str, Any] = entry.additional_data or {}
        whole = entry.group_id is not None or (entry.other_group_id and self.sees(entry.other_group_id))
        return [part for part in data.get("parts", ()) if whole or self.sees(part["group"])]

    def _listed(self, entry: Entry, kind: str) -> list[Any] | None:
        if not _is_of_many(entry) or kind_of(entry) != kind:
            return None
        if self.context.get("complete"):
            listed = objects_visible_to(self.reader).filter(entry=entry)
            numbers = listed.order_by("done", "number").values_list("number", flat=True)
            return [mac_of(number) for number in numbers] if kind == "Device" else list(numbers)
        return [name for part in self._parts(entry) for name in part["first"]]


def _is_of_many(entry: Entry) -> bool:
    return "parts" in (entry.additional_data or {})


def kind_of(entry: Entry) -> str:
    """The kind of the entry's object."""
    model = ContentType.objects.get_for_id(entry.content_type_id).model_class()
    return next((kind for kind, known in OBJECT_TYPES.items() if known is model), "StaffRole")


class ObjectType(filters.Text):
    """The kind of the object."""

    operators = filters.EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        model = OBJECT_TYPES.get(self.parse(value))
        return Q(content_type=ContentType.objects.get_for_model(model).pk) if model else NONE


class ObjectName(filters.Text):
    """The name of the object at that time; a MAC in any spelling."""

    def matches(self, operator: str, value: Value) -> Q:
        text = self.parse(value)
        found = super().matches(operator, value)
        if operator == "~" and (digits := mac.fragment(text)):
            return found | Q(object_repr__icontains=digits)
        try:
            return found | Q(object_repr=mac.parse(text))
        except mac.InvalidMAC:
            return found


class MAC(filters.Text):
    """A device of the entry, alone or in a list, by its whole MAC in any spelling."""

    operators = filters.EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        text = self.parse(value)
        try:
            number = number_of(mac.parse(text))
        except mac.InvalidMAC:
            return NONE
        listed = objects_visible_to(self.parent.request.user).filter(number=number)
        return Q(pk__in=listed.values("entry"), content_type=ContentType.objects.get_for_model(Device).pk)


class OfGroup(filters.Number):
    """Whose history the entry belongs to; a group out of the scope has none."""

    operators = filters.EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        if value.quoted and not value.text:
            return NONE
        user, group_id = self.parent.request.user, self.parse(value)
        in_scope = user.is_operator or group_id in user.groups_in_scope
        return concerning([group_id]) if in_scope else NONE


class EntryFilters(filters.ClauseFilterSet):
    """GET /audit"""

    examples = ("mac='00:90:8F:9D:89:92'", "(event='LoginFailed',time>'2026-01-01T00:00:00+0000')")

    id = filters.Number("id")
    time = filters.Date("timestamp")
    event = filters.Text("event")
    objectType = ObjectType("content_type", sortable=False)
    objectId = filters.Number("object_id", optional=True)
    object = ObjectName("object_repr")
    mac = MAC("listed", sortable=False)
    user = LoginFilter("shown_login", optional=True)
    address = filters.Address("shown_address", optional=True)
    source = filters.Text("source")
    requestId = filters.Text("cid", optional=True)
    groupId = OfGroup("group_id", sortable=False)


class EntriesView(ListView):
    """GET /audit: newest first."""

    actions: ClassVar = {"GET": Action.READ_AUDIT}
    query_parameters = ("filter", "sort", "before", "page", "limit")
    tag = "Audit"
    operation_ids: ClassVar = {"GET": "listAudit"}
    serializer_class = EntrySerializer
    filterset_class = EntryFilters
    pagination_class = pages_of("audit", LogPagination)
    ordering = ("-timestamp", "-id")

    def get_queryset(self, *, depth: int = 1) -> Any:
        return visible_to(self.user)

    def get(self, request: Request) -> Response:
        """The audit log: who changed what, when and from where

        For Administrators. One entry for each write through the API, the admin or a command, and for each failed
        login; newest first. You see the entries of the groups in your scope at that moment. Who of another tenant
        did it is not told, nor from where; of support staff it says `support staff`. When something moves from one
        group to another, each of the two sees its own side. Secrets are never kept. Entries are kept for a year,
        unless the operator has set another time. Of longer lists the first 100 objects are shown;
        `GET /audit/{id}` has them all.
        """
        return self.page()


class EntryView(DetailView):
    """GET /audit/{id}"""

    actions: ClassVar = {"GET": Action.READ_AUDIT}
    tag = "Audit"
    operation_ids: ClassVar = {"GET": "getAuditEntry"}
    serializer_class = EntrySerializer
    responses: ClassVar = {"GET": answer(EntrySerializer, "The entry.") | NOT_MODIFIED | NOT_THERE}

    def get_queryset(self, *, depth: int = 1) -> Any:
        return visible_to(self.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return super().get_serializer_context() | {"complete": True}

    def get(self, request: Request, id: int) -> Response:
        """An entry of the audit log, with its whole list

        For Administrators.
        """
        return self.retrieve(pk=id)
