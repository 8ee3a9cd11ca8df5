"""The audit log on the wire: in the names of the other resources, and of each entry what its reader may see."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from rest_framework import serializers

from accounts.models import User
from api.audit.filters import OBJECT_TYPES
from api.audit.visibility import objects_visible_to
from api.devices import DeviceSerializer
from api.groups import GroupSerializer
from api.locations import LocationSerializer
from api.users import UserSerializer
from audit.context import Source
from audit.models import MOVES, Entry, Event, mac_of
from devices import mac

SERIALIZERS = {
    "Group": GroupSerializer,
    "User": UserSerializer,
    "Location": LocationSerializer,
    "Device": DeviceSerializer,
}
# A column's name on the wire is the one that its resource has; these stand in no answer.
NAMES = {
    kind: {field.source.removesuffix("_id"): name for name, field in serializer().fields.items()}
    | {"password": "password", "is_active": "isActive"}
    for kind, serializer in SERIALIZERS.items()
}
GROUPS = ("group", "reseller")  # columns that hold a group's id


class EntrySerializer(serializers.Serializer[Any]):
    """What a write did, to whoever may read it: the context's `user`. `complete` in it gives whole lists."""

    id = serializers.IntegerField()
    time = serializers.DateTimeField(source="timestamp")
    event = serializers.ChoiceField(choices=Event.choices)
    objectType = serializers.SerializerMethodField()
    objectId = serializers.IntegerField(source="object_id", allow_null=True)
    object = serializers.SerializerMethodField()
    user = serializers.CharField(source="shown_login", allow_null=True)
    address = serializers.CharField(source="shown_address", allow_null=True)
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    requestId = serializers.CharField(source="cid", allow_null=True)
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
        return kind_of(entry)

    def get_object(self, entry: Entry) -> str | None:
        """The name, login, URL or MAC that it had."""
        text: str = entry.object_repr
        return (mac.display(text) if kind_of(entry) == "Device" else text) if text else None

    def get_groupId(self, entry: Entry) -> int | None:
        """The group to whose history it belongs; of a move the old one, if the reader may know it."""
        seen = [id for id in (entry.group_id, entry.other_group_id) if id is not None and self.sees(id)]
        return seen[0] if seen else None

    def get_changes(self, entry: Entry) -> dict[str, list[Any]]:
        """By attribute the old and the new value; of a move, either group sees its own side."""
        sides = (True, True)
        if entry.event in MOVES:
            sides = (self.sees(entry.group_id), self.sees(entry.other_group_id))
        names = NAMES.get(kind_of(entry), {})
        changes = {}
        for column, values in (entry.changes or {}).items():
            if column in names or self.reader.is_operator:
                changes[names.get(column, column)] = [
                    value if seen and (column not in GROUPS or self.sees(value)) else None
                    for value, seen in zip(values, sides, strict=True)
                ]
        return changes

    def get_count(self, entry: Entry) -> int | None:
        """The number of objects of a bulk call."""
        return sum(part["count"] for part in self._parts(entry)) if _is_of_many(entry) else None

    def get_macList(self, entry: Entry) -> list[str] | None:
        """The devices of a bulk call."""
        listed = self._listed(entry, "Device")
        return None if listed is None else [mac.display(text) for text in listed]

    def get_idList(self, entry: Entry) -> list[int] | None:
        """The locations of a bulk call, or the users that staff acted on together."""
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
