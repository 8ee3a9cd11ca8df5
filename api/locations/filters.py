"""What the lists of locations can be filtered and sorted by. Source: manual chapter 4 and 9.2."""

from django.db.models import Q

from accounts.models import Group, User
from api.filters import ClauseFilterSet, Date, Flag, Number, Search, Text
from redirect.db.search import among, contains


def matching_locations(user: User, term: str) -> Q:
    """The locations in whose attributes the term stands, in any case."""
    groups = among("group", Group.objects.visible_to(user), contains(term, texts=("name",), ids=("id",)))
    return contains(term, texts=("url", "description"), ids=("id",)) | groups


class LocationFilters(ClauseFilterSet):
    """GET /locations"""

    id = Number("id")
    url = Text("url")
    groupId = Number("group_id")
    groupName = Text("group__name")
    numDevices = Number("device_count")
    description = Text("description", optional=True)
    lastAccess = Date("last_access", optional=True)
    mutualAuth = Flag("mutual_auth")
    group = Number("group_id", sortable=False)
    search = Search(matching_locations, "`id`, `url`, `groupId`, `groupName` and `description`")
