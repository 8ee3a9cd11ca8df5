"""GET /api/v1/audit: each Administrator reads the own log, and nothing of anybody else's."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Level, User
from audit import recording
from audit.models import Entry, EntryObject, Event
from devices import mac
from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_location, make_operator, make_user

KEYS = {
    "id",
    "time",
    "event",
    "objectType",
    "objectId",
    "object",
    "user",
    "address",
    "source",
    "requestId",
    "groupId",
    "changes",
    "count",
    "macList",
    "idList",
}


@pytest.fixture
def readers(cast: Cast) -> dict[str, Api]:
    """Administrators by the group that they are of, and the platform operator."""
    groups = {"reseller": cast.reseller, "provider": cast.provider, "sibling": cast.sibling}
    groups |= {"stranger": cast.stranger, "strangers_provider": cast.strangers_provider}
    apis = {name: Api(make_user(group, login=f"{name}.admin")) for name, group in groups.items()}
    return apis | {"operator": Api(make_operator(login="root"))}


def forget() -> None:
    Entry.objects.all().delete()
    EntryObject.objects.all().delete()


def read(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/audit", query)
    assert answer.status_code in (200, 204), answer.content
    rows: list[dict[str, Any]] = answer.json()["audit"] if answer.status_code == 200 else []
    return rows


def test_a_change_in_the_names_of_the_api(cast: Cast, readers: dict[str, Api]):
    location = make_location(cast.provider)
    forget()
    answer = readers["provider"].put(
        f"/locations/{location.pk}", {"url": "https://n.example/", "mutualAuth": True}
    )
    (row,) = read(readers["provider"])
    assert set(row) == KEYS
    assert row | {"id": 0, "time": ""} == {
        "id": 0,
        "time": "",
        "event": "Changed",
        "objectType": "Location",
        "objectId": location.pk,
        "object": "https://n.example/",
        "user": "provider.admin",
        "address": "127.0.0.1",
        "source": "API",
        "requestId": answer["X-Request-ID"],
        "groupId": cast.provider.pk,
        "changes": {"url": [location.url, "https://n.example/"], "mutualAuth": [False, True]},
        "count": None,
        "macList": None,
        "idList": None,
    }


def test_every_column_has_the_name_of_its_attribute(cast: Cast, readers: dict[str, Api]):
    user = make_user(cast.provider, Level.MONITOR)
    device = make_device(cast.provider)
    forget()
    changes: dict[str, Any] = {"firstName": "New", "forceChangePasswordNextLogin": True, "password": "x y z 12345"}
    readers["provider"].put(f"/users/{user.pk}", changes)
    (row,) = read(readers["provider"])
    assert row["changes"] == {
        "firstName": ["Ada", "New"],
        "forceChangePasswordNextLogin": [False, True],
        "password": ["***", "***"],
    }
    forget()
    device.location = make_location(cast.provider)
    device.save()
    (row, _) = read(readers["provider"], filter="objectType='Device';'Location'")
    assert row["changes"] == {"locationId": [None, device.location.pk]}
    assert row["object"] == mac.display(device.mac)


def test_who_sees_whose(cast: Cast, readers: dict[str, Api]):
    forget()
    for group in (cast.reseller, cast.provider, cast.sibling, cast.stranger, cast.strangers_provider):
        make_location(group)
    seen = {name: {row["groupId"] for row in read(api)} for name, api in readers.items()}
    family = {cast.reseller.pk, cast.provider.pk, cast.sibling.pk}
    strangers = {cast.stranger.pk, cast.strangers_provider.pk}
    assert seen == {
        "reseller": family,
        "provider": {cast.provider.pk},
        "sibling": {cast.sibling.pk},
        "stranger": strangers,
        "strangers_provider": {cast.strangers_provider.pk},
        "operator": family | strangers,
    }


def test_who_did_it_is_told_within_the_scope_only(cast: Cast, readers: dict[str, Api]):
    """Neither by showing it nor by a filter that would find it."""
    location = make_location(cast.provider)
    forget()
    for name in ("reseller", "provider", "operator"):
        readers[name].put(f"/locations/{location.pk}", {"url": f"https://{name}.example/"})
    shown = {row["object"]: (row["user"], row["address"]) for row in read(readers["provider"])}
    assert shown == {
        "https://reseller.example/": (None, None),
        "https://provider.example/": ("provider.admin", "127.0.0.1"),
        "https://operator.example/": ("support staff", None),
    }
    for hidden in ("user='reseller.admin'", "user='root'", "user~'res'"):
        assert read(readers["provider"], filter=hidden) == []
    assert len(read(readers["provider"], filter="address='127.0.0.1'")) == 1
    assert len(read(readers["provider"], filter="user='Support Staff'")) == 1
    assert len(read(readers["reseller"], filter="user='provider.admin';'reseller.admin'")) == 2
    assert {row["user"] for row in read(readers["operator"])} == {"reseller.admin", "provider.admin", "root"}


def test_a_device_that_moves_shows_each_group_its_own_side(cast: Cast, readers: dict[str, Api]):
    old, new = make_location(cast.provider), make_location(cast.strangers_provider)
    device = make_device(cast.provider, location=old, description="ours")
    forget()
    device.group, device.location, device.description = cast.strangers_provider, new, "theirs"
    device.save()
    (before,), (after,) = read(readers["provider"]), read(readers["strangers_provider"])
    assert before["event"] == after["event"] == "DeviceMoved"
    assert before["changes"] == {
        "groupId": [cast.provider.pk, None],
        "locationId": [old.pk, None],
        "description": ["ours", None],
    }
    assert after["changes"] == {
        "groupId": [None, cast.strangers_provider.pk],
        "locationId": [None, new.pk],
        "description": [None, "theirs"],
    }
    assert (before["groupId"], after["groupId"]) == (cast.provider.pk, cast.strangers_provider.pk)
    assert read(readers["sibling"]) == []
    (whole,) = read(readers["operator"])
    assert whole["changes"]["groupId"] == [cast.provider.pk, cast.strangers_provider.pk]
    for reader, foreign in (("provider", cast.strangers_provider), ("strangers_provider", cast.provider)):
        assert read(readers[reader], filter=f"groupId={foreign.pk}") == []
    assert len(read(readers["reseller"], filter=f"groupId={cast.provider.pk}")) == 1


def test_a_provider_that_changes_its_reseller(cast: Cast, readers: dict[str, Api]):
    forget()
    cast.provider.reseller = cast.stranger
    cast.provider.save()
    (left,), (got,) = read(readers["reseller"]), read(readers["stranger"])
    assert left["changes"] == {"resellerId": [cast.reseller.pk, None]}
    assert got["changes"] == {"resellerId": [None, cast.stranger.pk]}


def test_of_a_list_over_several_groups_each_sees_its_own(cast: Cast, readers: dict[str, Api]):
    own, other = make_device(cast.provider).mac, make_device(cast.sibling).mac
    forget()
    readers["reseller"].post("/devices/remove", {"macList": [own, other]})
    for name, macs in {"provider": [own], "sibling": [other], "reseller": [own, other]}.items():
        (row,) = read(readers[name])
        whole = readers[name].get(f"/audit/{row['id']}").json()
        for each in (row, whole):
            assert each["macList"] == [mac.display(text) for text in macs], name
            assert each["count"] == len(macs)
    assert read(readers["stranger"]) == []
    assert read(readers["provider"], filter=f"mac='{other}'") == []
    assert len(read(readers["provider"], filter=f"mac='{mac.display(own).lower()}'")) == 1


def test_a_list_moved_from_several_groups_to_one(cast: Cast, readers: dict[str, Api]):
    """The new owner sees all that it was given; each of the old ones what it has lost."""
    forget()
    parts = [
        recording.Part(g.pk, "Moved", [f"00908F00000{i}"]) for i, g in enumerate((cast.provider, cast.sibling))
    ]
    recording.record_list(Event.DEVICES_MOVED, Device, parts, other_group_id=cast.stranger.pk)
    counts = {name: [row["count"] for row in read(api)] for name, api in readers.items()}
    assert counts == {
        "reseller": [2],
        "provider": [1],
        "sibling": [1],
        "stranger": [2],
        "strangers_provider": [],
        "operator": [2],
    }
    for name in ("provider", "stranger"):
        (row,) = read(readers[name])
        assert len(readers[name].get(f"/audit/{row['id']}").json()["macList"]) == row["count"]


def test_a_long_list_is_shown_in_part_and_told_whole(cast: Cast, readers: dict[str, Api]):
    macs = [f"00908F{i:06X}" for i in range(150)]
    forget()
    body = {"group": cast.provider.pk, "macList": macs, "overrideCurrentAssociation": False}
    readers["provider"].post("/devices", body)
    (row,) = read(readers["provider"])
    assert (row["count"], len(row["macList"])) == (150, recording.SHOWN)
    whole = readers["provider"].get(f"/audit/{row['id']}").json()
    assert whole["macList"] == [mac.display(text) for text in macs]


def test_locations_are_listed_by_id(cast: Cast, readers: dict[str, Api]):
    ids = [make_location(cast.provider).pk for _ in range(2)]
    forget()
    readers["provider"].post("/locations/remove", {"idList": ids})
    (row,) = read(readers["provider"])
    assert (row["idList"], row["macList"], row["objectType"]) == (ids, None, "Location")
    assert readers["provider"].get(f"/audit/{row['id']}").json()["idList"] == ids


def test_a_failed_login_shows_where_it_came_from(cast: Cast, readers: dict[str, Api]):
    make_user(cast.provider, login="berta")
    forget()
    Api().post("/login", {"userName": "berta", "password": "wrong"})
    Api().post("/login", {"userName": "nobody", "password": "wrong"})
    (row,) = read(readers["provider"])
    assert (row["event"], row["object"], row["user"], row["address"]) == (
        "LoginFailed",
        "berta",
        None,
        "127.0.0.1",
    )
    assert len(read(readers["operator"])) == 2


def test_commands_and_staff_roles(cast: Cast, readers: dict[str, Api]):
    forget()
    make_location(cast.provider)
    (row,) = read(readers["provider"])
    assert (row["source"], row["user"], row["address"], row["requestId"]) == (
        "Command",
        "support staff",
        None,
        None,
    )
    (row,) = read(readers["operator"])
    assert row["user"] not in (None, "support staff")
    forget()
    user = User.objects.get(login="provider.admin")
    user.is_active, user.is_staff = False, True
    user.save()
    (row,) = read(readers["reseller"])
    assert row["changes"] == {"isActive": [True, False]}
    (row,) = read(readers["operator"])
    assert row["changes"] == {"isActive": [True, False], "is_staff": [False, True]}


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("event='Created'", 2),
        ("event!='Created'", 1),
        ("event~'delet'", 1),
        ("objectType='Location'", 2),
        ("objectType='Device'", 1),
        ("objectType!='Device'", 2),
        ("objectType='Nothing'", 0),
        ("object='https://a.example/'", 2),
        ("object~'EXAMPLE'", 2),
        ("object='00-90-8f-00-00-aa'", 1),
        ("object~'90:8f'", 1),
        ("mac='00908F0000AA'", 1),
        ("mac!='00908F0000AA'", 2),
        ("mac=''", 0),
        ("user='provider.ADMIN'", 1),
        ("user=''", 0),
        ("address=''", 2),
        ("address='127.0.0.1'", 1),
        ("address='127.0.0.1';'no address'", 1),
        ("address='a:b'", 0),
        ("address~'127.'", 1),
        ("address!='127.0.0.1'", 2),
        ("source='API'", 1),
        ("requestId=''", 2),
        ("requestId!=''", 1),
        ("groupId=900000", 0),
        ("groupId!=900000", 3),
        ("groupId=''", 0),
        ("objectId>0", 3),
        ("time>'2020-01-01T00:00:00Z'", 3),
        ("time<'2020-01-01T00:00:00Z'", 0),
    ],
)
def test_filters(cast: Cast, readers: dict[str, Api], query: str, number: int):
    forget()
    location = make_location(cast.provider, "https://a.example/")
    make_device(cast.provider, "00908F0000AA")
    readers["provider"].delete(f"/locations/{location.pk}")
    assert len(read(readers["provider"], filter=query)) == number
    if "user" not in query and "address" not in query:
        assert len(read(readers["operator"], filter=query)) == number


@pytest.mark.parametrize("query", ["mac~'0090'", "objectType~'x'", "groupId>1", "depth=0", "secret='x'"])
def test_filters_that_make_no_sense(readers: dict[str, Api], query: str):
    assert readers["provider"].get("/audit", {"filter": query}).status_code == 400


@pytest.mark.parametrize(
    "sort", ["id", "-time", "event", "objectId", "object", "user,-address", "source,requestId", "-address"]
)
@pytest.mark.parametrize("reader", ["provider", "operator"])
def test_sorting_neither_loses_nor_repeats_a_row(cast: Cast, readers: dict[str, Api], sort: str, reader: str):
    forget()
    location = make_location(cast.provider)
    make_device(cast.provider)
    readers["provider"].delete(f"/locations/{location.pk}")
    ids = [row["id"] for page in (1, 2, 3) for row in read(readers[reader], sort=sort, page=page, limit=1)]
    assert len(set(ids)) == 3


def test_newest_first_and_pages(cast: Cast, readers: dict[str, Api]):
    forget()
    for _ in range(3):
        make_location(cast.provider)
    Entry.objects.filter(pk=Entry.objects.latest("id").pk).update(timestamp=timezone.now() - timedelta(days=1))
    answer = readers["provider"].get("/audit", {"limit": 2}).json()
    assert answer["pages"].items() >= {"total": 2, "totalElements": 3, "size": 2, "current": 1}.items()
    times = [row["time"] for page in (1, 2) for row in read(readers["provider"], limit=2, page=page)]
    assert times == sorted(times, reverse=True)
    assert times[2] < times[1]


def test_a_time_that_was_shown_finds_its_entry(cast: Cast, readers: dict[str, Api]):
    forget()
    make_location(cast.provider)
    (row,) = read(readers["provider"])
    assert read(readers["provider"], filter=f"time='{row['time']}'") == [row]
