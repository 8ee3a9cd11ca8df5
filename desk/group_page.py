"""What the page of a group gathers: numbers, failures, users and changes; in a fixed number of statements."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Group, User
from audit import history
from desk import audit_words
from devices.models import AccessStatus, Device
from locations.models import Location

SHOWN = 10


@dataclass(frozen=True, slots=True)
class GroupPage:
    """What this member of staff may see of a group; None where the permission is missing."""

    group: Group
    now: datetime
    numbers: dict[str, int] | None
    failing: list[Device] | None
    locations: list[Location] | None
    users: list[User] | None
    changes: list[audit_words.Line] | None
    providers: list[Group]


def gather(request: HttpRequest, group: Group) -> GroupPage:
    """The page of a group that exists."""
    may: Any = request.user.has_perm
    devices = Device.objects.filter(group=group)
    failing = devices.filter(last_access_status=AccessStatus.FAIL)
    locations: Any = Location.objects.filter(group=group)
    return GroupPage(
        group=group,
        now=timezone.now(),
        numbers=_numbers(devices) if may("devices.view_device") else None,
        failing=list(failing.order_by("-last_access", "pk")[:SHOWN]) if may("devices.view_device") else None,
        locations=list(locations.with_device_count().order_by("url", "pk")[:SHOWN])
        if may("locations.view_location")
        else None,
        users=list(User.objects.filter(group=group).order_by("login")[:SHOWN])
        if may("accounts.view_user")
        else None,
        changes=audit_words.lines(history.of_group(group.pk)[:SHOWN]) if may("audit.view_entry") else None,
        providers=list(Group.objects.filter(reseller=group).order_by("name", "pk")[:SHOWN]),
    )


def _numbers(devices: Any) -> dict[str, int]:
    numbers: dict[str, int] = devices.aggregate(
        devices=Count("pk"),
        failing=Count("pk", filter=Q(last_access_status=AccessStatus.FAIL)),
        awaiting=Count("pk", filter=Q(last_access_status=AccessStatus.AWAIT)),
        without_location=Count("pk", filter=Q(location=None)),
    )
    return numbers
