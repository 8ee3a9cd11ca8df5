"""What the lists of devices can be filtered and sorted by. Source: manual chapter 4 and 8.2."""

from django.db.models import Q

from accounts.models import User
from api.filter_grammar import Value
from api.filters import ClauseFilterSet, Date, Flag, Number, Search, Text
from devices import mac
from devices.search import TENANT_ATTRIBUTES, matching


class MAC(Text):
    """A MAC in any spelling, or a part of one."""

    def matches(self, operator: str, value: Value) -> Q:
        text = self.parse(value)
        try:
            spelled = mac.parse(text)
        except mac.InvalidMAC:
            spelled = (mac.fragment(text) or text) if operator == "~" else text
        return super().matches(operator, Value(spelled, value.quoted, value.position))


class Assigned(Flag):
    """Whether the device has a location."""

    def matches(self, operator: str, value: Value) -> Q:
        return Q(**{f"{self.field_name}__isnull": not self.parse(value)})


def matching_devices(user: User, term: str) -> Q:
    """What `search` finds."""
    return matching(term, TENANT_ATTRIBUTES, viewer=user)


class DeviceFilters(ClauseFilterSet):
    """GET /devices"""

    id = Number("id")
    mac = MAC("mac")
    groupId = Number("group_id")
    groupName = Text("group__name")
    locationId = Number("location_id", optional=True)
    locationUrl = Text("location__url", optional=True)
    lastAccessStatus = Text("last_access_status")
    lastAccess = Date("last_access", optional=True)
    numRequests = Number("num_requests")
    description = Text("description", optional=True)
    group = Number("group_id", sortable=False)
    assigned = Assigned("location", sortable=False)
    search = Search(matching_devices, "`mac`, `locationId`, `groupName` and `description`")


class AccessFilters(ClauseFilterSet):
    """GET /accesses and /devices/{id}/accesses"""

    time = Date("time")
    mac = MAC("mac")
    outcome = Text("outcome")
    address = Text("address")
    userAgent = Text("user_agent")
    certificateSubject = Text("certificate_subject", optional=True)
    locationUrl = Text("location_url", optional=True)
