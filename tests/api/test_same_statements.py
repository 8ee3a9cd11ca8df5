"""What is another tenant's costs the database what a missing row costs: no time tells the one from the other."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, User
from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_access, make_device, make_group, make_location, make_user

UNKNOWN_MAC = "00908FFFFFFF"
NO_ID = 987_654


@dataclass(frozen=True)
class Target:
    """The MAC of a device, and ids of rows, that a caller names."""

    mac: str
    device: int
    location: int
    user: int
    group: int


@pytest.fixture
def foreign(cast: Cast) -> Target:
    ContentType.objects.get_for_models(Group, User, Location, Device)  # a process looks them up once
    location = make_location(cast.stranger)
    device = make_device(cast.stranger, location=location)
    make_access(device)
    empty = make_group("Empty Phones", cast.stranger)
    return Target(device.mac, device.pk, location.pk, make_user(cast.stranger).pk, empty.pk)


@pytest.fixture
def missing() -> Target:
    return Target(UNKNOWN_MAC, NO_ID, NO_ID, NO_ID, NO_ID)


CALLS: dict[str, Callable[[Api, Target, int], Any]] = {
    "device by MAC": lambda api, target, own: api.get(f"/devices/{target.mac}"),
    "device by id": lambda api, target, own: api.get(f"/devices/{target.device}"),
    "accesses by MAC": lambda api, target, own: api.get(f"/devices/{target.mac}/accesses"),
    "accesses by id": lambda api, target, own: api.get(f"/devices/{target.device}/accesses"),
    "devices by filter": lambda api, target, own: api.get("/devices", {"filter": f"(mac='{target.mac}')"}),
    "devices by search": lambda api, target, own: api.get("/devices", {"filter": f"(search~'{target.mac}')"}),
    "associate": lambda api, target, own: api.post(
        f"/locations/{own}/devices/associate", {"macList": [target.mac], "overrideCurrentAssociation": True}
    ),
    "disassociate": lambda api, target, own: api.post(
        f"/locations/{own}/devices/disassociate", {"macList": [target.mac]}
    ),
    "remove": lambda api, target, own: api.post("/devices/remove", {"macList": [target.mac]}),
    "location": lambda api, target, own: api.get(f"/locations/{target.location}"),
    "devices of a location": lambda api, target, own: api.get(f"/locations/{target.location}/devices"),
    "change a location": lambda api, target, own: api.put(f"/locations/{target.location}", {"description": "x"}),
    "delete a location": lambda api, target, own: api.delete(f"/locations/{target.location}"),
    "associate with a location": lambda api, target, own: api.post(
        f"/locations/{target.location}/devices/associate",
        {"macList": ["00908F000001"], "overrideCurrentAssociation": True},
    ),
    "user": lambda api, target, own: api.get(f"/users/{target.user}"),
    "change a user": lambda api, target, own: api.put(f"/users/{target.user}", {"firstName": "Ada"}),
    "delete a user": lambda api, target, own: api.delete(f"/users/{target.user}"),
    "group": lambda api, target, own: api.get(f"/groups/{target.group}"),
    "change a group": lambda api, target, own: api.put(f"/groups/{target.group}", {"description": "x"}),
    "delete a group": lambda api, target, own: api.delete(f"/groups/{target.group}"),
}


def shapes_of(call: Callable[[], Any]) -> tuple[int, list[str]]:
    """The status, and the statements without their values."""
    with CaptureQueriesContext(connection) as queries:
        answer = call()
    return answer.status_code, [re.sub(r"'[^']*'|\b\d+\b|\bs\d+_x\d+\b", "?", query["sql"]) for query in queries]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_foreign_and_missing_are_one_to_the_database(
    administrator: Api, cast: Cast, foreign: Target, missing: Target, call: Callable[[Api, Target, int], Any]
) -> None:
    own = make_location(cast.provider).pk
    answers = [shapes_of(partial(call, administrator, target, own)) for target in (foreign, missing)]
    assert answers[0] == answers[1]
    assert answers[0][1], "no statement was captured"
