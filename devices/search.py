"""The search for devices: in which attributes a term may stand. Called by the API, the admin and Find."""

from collections.abc import Collection

from django.db.models import Q

from accounts.models import Group
from accounts.scope import Viewer
from devices.mac import fragment
from locations.models import Location
from redirect.db.search import among, contains

# What the manual lists for the API (8.2); support staff search by the URL of a location instead of by its id.
TENANT_ATTRIBUTES = ("mac", "description", "groupName", "locationId")
STAFF_ATTRIBUTES = ("mac", "description", "groupName", "locationUrl")
OWN_ATTRIBUTES = ("mac", "description")  # for a page that lists groups and locations apart


def matching(term: str, attributes: Collection[str], *, viewer: Viewer | None = None) -> Q:
    """The devices that hold the term in one of these attributes, in any case; a MAC also in any spelling.

    Groups and locations outside the viewer's scope are not looked at; None is support staff, who see all.
    """
    found = contains(term, texts=("description",))
    if digits := fragment(term):
        found |= Q(mac__icontains=digits)
    groups, locations = Group.objects.all(), Location.objects.all()
    if viewer is not None:
        groups, locations = groups.visible_to(viewer), locations.visible_to(viewer)
    if "groupName" in attributes:
        found |= among("group", groups, contains(term, texts=("name",)))
    if "locationUrl" in attributes:
        found |= among("location", locations, contains(term, texts=("url",)))
    if "locationId" in attributes and term.isascii() and term.isdigit():
        found |= among("location", locations, contains(term, ids=("id",)))
    return found
