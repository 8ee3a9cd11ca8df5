"""What the audit log can be filtered and sorted by."""

from typing import Any, ClassVar

from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Q

from accounts.models import Group, User
from api.audit.visibility import concerning, objects_visible_to
from api.filter_grammar import Value
from api.filters import EQUALITY, LOOKUPS, ClauseFilterSet, Date, Number, Text
from api.users import LoginFilter
from audit.models import number_of
from devices import mac
from devices.models import Device
from locations.models import Location

# By the name on the wire; rows of other models are support staff's affair.
OBJECT_TYPES = {"Group": Group, "User": User, "Location": Location, "Device": Device}

NONE = Q(pk__in=())


class ObjectType(Text):
    """The kind of the object."""

    operators = EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        model = OBJECT_TYPES.get(self.parse(value))
        return Q(content_type=ContentType.objects.get_for_model(model).pk) if model else NONE


class ObjectName(Text):
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


class MAC(Text):
    """A device of the entry, alone or in a list, by its whole MAC in any spelling."""

    operators = EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        text = self.parse(value)
        try:
            number = number_of(mac.parse(text))
        except mac.InvalidMAC:
            return NONE
        listed = objects_visible_to(self.parent.request.user).filter(number=number)
        return Q(pk__in=listed.values("entry"), content_type=ContentType.objects.get_for_model(Device).pk)


class Address(Text):
    """An address, compared as text: PostgreSQL would not take what is none for its own type."""

    lookups: ClassVar = LOOKUPS | {"=": "iexact"}

    def is_empty(self) -> Q:
        return Q(**{f"{self.field_name}__isnull": True})

    def sort_expression(self) -> Any:
        return F(self.field_name)


class OfGroup(Number):
    """Whose history the entry belongs to; a group out of the scope has none."""

    operators = EQUALITY

    def matches(self, operator: str, value: Value) -> Q:
        if value.quoted and not value.text:
            return NONE
        user, group_id = self.parent.request.user, self.parse(value)
        in_scope = user.is_operator or group_id in user.groups_in_scope
        return concerning([group_id]) if in_scope else NONE


class EntryFilters(ClauseFilterSet):
    """GET /audit"""

    id = Number("id")
    time = Date("timestamp")
    event = Text("event")
    objectType = ObjectType("content_type", sortable=False)
    objectId = Number("object_id", optional=True)
    object = ObjectName("object_repr")
    mac = MAC("listed", sortable=False)
    user = LoginFilter("shown_login", optional=True)
    address = Address("shown_address", optional=True)
    source = Text("source")
    requestId = Text("cid", optional=True)
    groupId = OfGroup("group_id", sortable=False)
