"""Every example of the manual (LTRT-23604), chapters 2 to 12, with its own values.

Where an example cannot hold, CORRECTED says what stands for it here, and why.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import Group, GroupType, Level, LoginStatus, User
from devices.models import AccessStatus, Device
from locations.models import Location
from tests.conftest import Api, make_device, make_location, make_operator, make_user

pytestmark = pytest.mark.django_db

# chapter, what the manual prints, what holds, why
CORRECTED: list[tuple[str, Any, Any, str]] = [
    ("2", "123456", "harbour 42 lantern", "a password has 8 characters at least, and is not a common one"),
    ("3", "1234567", "lantern 43 harbour", "a password has 8 characters at least, and is not a common one"),
    ("10.3, 10.4", "test1234", "gravel 19 sunset", "a common password"),
    ("2", '"3600"', 3600, "expires_in is a number: the table"),
    ("2", " aviu", "aviu", "a login holds no spaces"),
    (
        "8.2.1",
        "112233444444",
        "10:22:33:44:44:44",
        "11 begins a group address, which is no device's; shown in the first format of 8.1",
    ),
    (
        "8.2.1",
        "552255225522",
        "54:22:55:22:55:22",
        "55 begins a group address, which is no device's; shown in the first format of 8.1",
    ),
    ("8.2.2", "1122334444444", "102233444444", "13 digits are no MAC; it is the device of 8.2.1"),
    ("8.3", "1123235544", "10:23:23:55:44:00", "10 digits are an invalid MAC, never under `success`"),
    ("8.3", "00A0C914C829", "00:A0:C9:14:C8:29", "answers show a MAC in the first format of 8.1"),
    ("9.2", "(no answer)", "redirect", "beyond the manual: phones that follow no redirect"),
    ("9.2", "(no mutualAuth)", False, "revision 23604 added mutualAuth to the table, not to the examples"),
    ("9.6", "location/url/1", "http://location/url/1", "`fail` lists the URLs of the locations"),
    (
        "9.7",
        "112233444444",
        "10:22:33:44:44:44",
        "11 begins a group address, which is no device's; shown in the first format of 8.1",
    ),
    ("11", "djhfdkjdkk", "00:A0:C9:14:C8:29", "no MAC: the call fails as a whole"),
    ("11", "1123235544", "10:23:23:55:44:00", "no MAC: the call fails as a whole"),
    ("10.2", "users/1", 1_000_001, "any id will do; on an empty database 1 is the first that asks"),
    ("10.3", "{URL_PREFIX}/users/1", "/api/v1/users/1", "url is path-absolute, as in 9.3"),
    ("12", "1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00+0000", "a leap second is the next second"),
]


def corrected(printed: Any) -> Any:
    """What stands for a value of the manual."""
    return next(holds for _, wrong, holds, _ in CORRECTED if wrong == printed)


GROUP_KEYS = {
    "id", "name", "groupType", "address", "description", "resellerId", "locationCount", "deviceCount", "providers",
}  # fmt: skip
DEVICE_KEYS = {
    "id", "mac", "groupId", "groupName", "locationId", "locationUrl", "lastAccessStatus", "lastAccess",
    "numRequests", "description",
}  # fmt: skip
LOCATION_KEYS = {
    "id", "url", "groupId", "groupName", "numDevices", "description", "lastAccess", "mutualAuth", "answer",
}  # fmt: skip
USER_KEYS = {
    "id", "firstName", "lastName", "groupType", "groupName", "permissionLevel", "email", "description",
    "forceChangePasswordNextLogin", "lastLoginStatus", "failLoginAttempts", "login", "group", "phone1", "phone2",
    "lastLogin", "userBlockTime",
}  # fmt: skip

PAGE_KEYS = {"total", "totalElements", "size", "current"}
LOGIN_KEYS = {
    "user", "access_token", "token_type", "expires_in", "refresh_token", "id_token", "description",
}  # fmt: skip


@pytest.fixture
def manual(db: None) -> Api:
    """The groups, locations and devices of chapters 7 to 9, asked for by the Administrator of reseller 2."""
    reseller = Group.objects.create(id=2, name="reseller of id 2", group_type=GroupType.RESELLER)
    for id, address, description in (
        (4, "address 1", "provider 4 desc"),
        (6, "aaa", "second provider of reseller 2"),
    ):
        Group.objects.create(
            id=id,
            name=f"provider {id} of reseller 2",
            group_type=GroupType.PROVIDER,
            address=address,
            description=description,
            reseller=reseller,
        )
    Location.objects.create(id=2, url="https://www.google.co.il/", group_id=2)
    Location.objects.create(id=4, url="http://location/of/configuration/4", group_id=4)
    Location.objects.create(id=6, url="http://location/of/configuration/6", group_id=6)
    Device.objects.create(
        id=3,
        mac="102233444444",
        group_id=2,
        location_id=2,
        last_access_status=AccessStatus.SUCCESS,
        num_requests=3,
        last_access=datetime(2019, 4, 4, 9, 37, 4, tzinfo=UTC),
    )
    Device.objects.create(
        id=6, mac="542255225522", group_id=4, last_access_status=AccessStatus.FAIL, num_requests=1
    )
    return Api(make_user(reseller))


DEVICE_3 = {
    "id": 3,
    "mac": corrected("112233444444"),
    "groupId": 2,
    "groupName": "reseller of id 2",
    "locationId": 2,
    "locationUrl": "https://www.google.co.il/",
    "lastAccessStatus": "Success",
    "numRequests": 3,
    "description": None,
    "lastAccess": "2019-04-04T09:37:04+0000",
}
DEVICE_6 = {
    "id": 6,
    "mac": corrected("552255225522"),
    "groupId": 4,
    "groupName": "provider 4 of reseller 2",
    "locationId": None,
    "locationUrl": None,
    "lastAccessStatus": "Fail",
    "numRequests": 1,
    "description": None,
    "lastAccess": None,
}


def location(id: int, group_name: str, url: str, devices: int = 0) -> dict[str, Any]:
    return {
        "id": id,
        "url": url,
        "groupId": id,
        "groupName": group_name,
        "numDevices": devices,
        "description": None,
        "lastAccess": None,
        "mutualAuth": corrected("(no mutualAuth)"),
        "answer": corrected("(no answer)"),
    }


LOCATION_2 = location(2, "reseller of id 2", "https://www.google.co.il/", devices=1)
LOCATION_4 = location(4, "provider 4 of reseller 2", "http://location/of/configuration/4")
LOCATION_6 = location(6, "provider 6 of reseller 2", "http://location/of/configuration/6")


def ok(response: Any, status: int = 200) -> Any:
    """The body of an answer of this status, as JSON."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    return response.json()


# --- 2 Login --------------------------------------------------------------------------------------------------


@pytest.fixture
def avi(db: None) -> User:
    """The user of chapter 2."""
    group = Group.objects.create(id=1, name="Reseller", group_type=GroupType.RESELLER)
    return make_user(
        group,
        id=3,
        first_name="Avi",
        last_name="Uri",
        email="aviu@gmail.com",
        description="",
        login=corrected(" aviu"),
        phone1="0523333333333",
        phone2="08555555555522",
    )


@pytest.fixture
def avis_password(avi: User) -> str:
    password: str = corrected("123456")
    avi.set_password(password)
    avi.save()
    return password


def test_login(avi: User, avis_password: str):
    """Chapter 2."""
    body = ok(Api().post("/login", {"userName": "aviu", "password": avis_password}))
    assert set(body) == LOGIN_KEYS
    last_login = body["user"].pop("lastLogin")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(last_login)).total_seconds()) < 60
    assert last_login.endswith("+0000")
    assert body["user"] == {
        "id": 3,
        "firstName": "Avi",
        "lastName": "Uri",
        "groupType": "Reseller",
        "groupName": "Reseller",
        "permissionLevel": "Administrator",
        "email": "aviu@gmail.com",
        "description": "",
        "lastLoginStatus": "Success",
        "failLoginAttempts": 0,
        "login": "aviu",
        "group": 1,
        "phone1": "0523333333333",
        "phone2": "08555555555522",
        "userBlockTime": None,
        "forceChangePasswordNextLogin": False,  # in the table of 10.2, not in this example
    }
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == corrected('"3600"')
    assert type(body["expires_in"]) is int
    assert body["description"] == "Login succeeded"
    for name in ("access_token", "refresh_token", "id_token"):
        assert body[name].count(".") == 2, name


def test_the_access_token_authenticates(avi: User, avis_password: str):
    """Chapter 1.1: `Authorization: Bearer <access token>`; the other two tokens do not."""
    body = Api().post("/login", {"userName": "aviu", "password": avis_password}).json()
    api = Api()
    for name, status in {"access_token": 200, "refresh_token": 401, "id_token": 401}.items():
        api.headers["Authorization"] = f"Bearer {body[name]}"
        assert api.get("/users/me").status_code == status, name


def test_a_failed_login_tells_the_reason(avi: User):
    """Chapter 2: the two attributes of a failed login, and no others."""
    body = ok(Api().post("/login", {"userName": "aviu", "password": "123456"}), 401)
    assert set(body) == {"description", "forceChangePasswordNextLogin"}
    assert body["forceChangePasswordNextLogin"] is False


def test_a_forced_change(avi: User, avis_password: str):
    """Chapters 2 and 3: the login says that the password must be changed, /changePassword does it."""
    User.objects.filter(pk=3).update(force_change_password=True)
    login = {"userName": "aviu", "password": avis_password}
    body = ok(Api().post("/login", login), 403)
    assert set(body) == {"description", "forceChangePasswordNextLogin"}
    assert body["forceChangePasswordNextLogin"] is True
    new = corrected("1234567")
    change = {"userName": "aviu", "oldPassword": avis_password, "newPassword": new}
    ok(Api().post("/changePassword", change))
    ok(Api().post("/login", login | {"password": new}))


@pytest.mark.parametrize("new", ["1234567", "123456", "test1234"])
def test_passwords_of_the_manual_are_refused(avi: User, avis_password: str, new: str):
    """Chapters 3 and 10: too short, or too common."""
    change = {"userName": "aviu", "oldPassword": avis_password, "newPassword": new}
    body = ok(Api().post("/changePassword", change), 400)
    assert {e["field"] for e in body["errors"]} == {"newPassword"}


# --- 4 and 5 Filters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "ids"),
    [
        ("/devices", "filter=(group=1,assigned=true,search~'hi there')", []),
        ("/devices", "filter=(group=2,assigned=true,search~'hi there')", [9]),
        ("/devices", "filter=(assigned=true)", [3, 9]),
        ("/devices", "filter=(assigned=false)", [6]),
        ("/devices", "sort=-id&depth=1&page=1&limit=25", [9, 6, 3]),
        ("/devices", "sort=id&depth=0", [3, 9]),
        ("/locations", "sort=url", [4, 6, 2]),
        ("/locations", "sort=-url", [2, 6, 4]),
        ("/locations", "filter=(group=115)", []),
        ("/devices", "filter=(group=10;20,assigned=true,search~'avi')", []),
        ("/devices", "filter=(group=2;4,assigned=true,search~'HI')", [9]),
        ("/devices", "filter=(id=3;6;9,numRequests>1,numRequests<9,description~'test')", []),
        ("/devices", "filter=(id=3;6;9,numRequests>0,numRequests<9,groupName~'reseller')", [3, 6]),
        ("/devices", "filter=( group = 2 , assigned = true )", [3, 9]),
        ("/devices", "filter=(mac='102233444444')", [3]),
        ("/devices", "filter=(lastAccess>'2008-11-25T14:00:13')", [3]),
        ("/devices", "filter=(lastAccess='2019-04-04T09:37:04%2B0000')", [3]),
        ("/devices", "filter=(numRequests=9383)", []),
        ("/devices", "filter=(description='')", [3, 6]),
        ("/devices", "filter=(description!='')", [9]),
    ],
)
def test_filters(manual: Api, path: str, query: str, ids: list[int]):
    """The filters and query strings of chapters 4 and 5, written into the address as the manual does."""
    make_device(Group.objects.get(pk=2), location=Location.objects.get(pk=2), id=9, description="say hi there")
    response = manual.get(f"{path}?{query}")
    found = [row["id"] for row in ok(response)[path[1:]]] if ids else []
    assert (response.status_code, found if "sort" in query else sorted(found)) == (200 if ids else 204, ids)


def test_an_unknown_filter_field_is_a_bad_request(manual: Api):
    """Chapter 5, guidelines."""
    for path in ("/devices", "/locations", "/users"):
        assert set(ok(manual.get(path, {"filter": "(x=1)"}), 400)) == {"description"}


def test_search_looks_at_what_the_manual_lists(manual: Api):
    """8.2: mac, locationId, groupName and description."""
    for term, ids in {"44:44": [3], "552255": [6], "reseller of": [3], "provider 4": [6], "2": [3, 6]}.items():
        rows = ok(manual.get("/devices", {"filter": f"(search~'{term}')"}))["devices"]
        assert [row["id"] for row in rows] == ids, term


# --- 6 Paging -------------------------------------------------------------------------------------------------


def test_pages(manual: Api):
    """Chapter 6: 25 a page, from page 1; attributes at the end of the answer, in the case of the examples."""
    for _ in range(30):
        make_device(Group.objects.get(pk=2))
    body = ok(manual.get("/devices"))
    assert list(body) == ["devices", "pages"]
    assert len(body["devices"]) == 25
    assert body["pages"] == {"total": 2, "totalElements": 32, "size": 25, "current": 1}
    body = ok(manual.get("/devices", {"page": 4, "limit": 10}))
    assert len(body["devices"]) == 2
    assert body["pages"] == {"total": 4, "totalElements": 32, "size": 10, "current": 4}
    assert manual.get("/devices", {"page": 5, "limit": 10}).status_code == 204


# --- 7 Groups -------------------------------------------------------------------------------------------------

PROVIDER_4 = {
    "id": 4,
    "name": "provider 4 of reseller 2",
    "groupType": "Provider",
    "address": "address 1",
    "description": "provider 4 desc",
    "resellerId": 2,
    "locationCount": 1,
    "deviceCount": 2,
    "providers": [],
}
PROVIDER_6 = {
    "id": 6,
    "name": "provider 6 of reseller 2",
    "groupType": "Provider",
    "address": "aaa",
    "description": "second provider of reseller 2",
    "resellerId": 2,
    "locationCount": 1,
    "deviceCount": 1,
    "providers": [],
}


@pytest.fixture
def counted(manual: Api) -> Api:
    """As many devices as the examples of 7.1 count."""
    make_device(Group.objects.get(pk=4))
    make_device(Group.objects.get(pk=6))
    return manual


def test_get_all_groups(counted: Api):
    """7.1.1; the reseller itself is there too, with its providers nested."""
    body = ok(counted.get("/groups"))
    assert set(body) == {"groups"}
    reseller, *providers = body["groups"]
    assert providers == [PROVIDER_4, PROVIDER_6]
    assert reseller == {
        "id": 2,
        "name": "reseller of id 2",
        "groupType": "Reseller",
        "address": None,
        "description": None,
        "resellerId": None,
        "locationCount": 1,
        "deviceCount": 1,
        "providers": [PROVIDER_4, PROVIDER_6],
    }
    assert {frozenset(group) for group in body["groups"]} == {frozenset(GROUP_KEYS)}


def test_get_groups_by_depth(counted: Api):
    """Chapter 4: 0 is high-level groups alone."""
    (reseller,) = ok(counted.get("/groups?depth=0"))["groups"]
    assert (reseller["id"], reseller["providers"]) == (2, [])
    assert [group["id"] for group in ok(counted.get("/groups?depth=1"))["groups"]] == [2, 4, 6]


def test_get_single_group(counted: Api):
    """7.1.2"""
    assert ok(counted.get("/groups/6")) == PROVIDER_6


def test_no_group_is_no_content(counted: Api):
    """7.1"""
    response = counted.get("/groups/3")
    assert (response.status_code, response.content) == (204, b"")


def test_create_change_and_delete_a_group(manual: Api):
    """7.1.3, 7.2 and 7.3"""
    body = {
        "name": "group 1",
        "groupType": "Provider",
        "address": "Gan Yavne Israel",
        "description": "Example group description",
        "resellerId": 2,
    }
    made = ok(manual.post("/groups", body), 201)
    assert made == {"id": made["id"], "url": f"/api/v1/groups/{made['id']}"}
    path = f"/groups/{made['id']}"
    rest = {"id": made["id"], "locationCount": 0, "deviceCount": 0, "providers": []}
    assert ok(manual.get(path)) == body | rest

    changes = {"name": "group 2", "address": "Second address", "description": "New description"}
    assert ok(manual.put(path, changes)) == body | rest | changes
    assert ok(manual.put(path, {"id": made["id"]})) == body | rest | changes  # "Optional, non-modifiable"
    ok(manual.put(path, {"id": 1}), 400)
    assert ok(manual.get(path)) == body | rest | changes

    assert set(ok(manual.delete(path))) == {"description"}
    assert manual.get(path).status_code == 204


def test_create_a_reseller(db: None):
    """7.1.3: the other group type, without the attributes that are optional."""
    operator = Api(make_operator())
    made = ok(operator.post("/groups", {"name": "group 1", "groupType": "Reseller"}), 201)
    group = ok(operator.get(f"/groups/{made['id']}"))
    assert (group["address"], group["description"], group["resellerId"]) == (None, None, None)


# --- 8 Devices ------------------------------------------------------------------------------------------------


def test_get_all_devices(manual: Api):
    """8.2.1"""
    body = ok(manual.get("/devices"))
    assert body == {
        "devices": [DEVICE_3, DEVICE_6],
        "pages": {"total": 1, "totalElements": 2, "current": 1, "size": 25},
    }
    assert {frozenset(device) for device in body["devices"]} == {frozenset(DEVICE_KEYS)}
    assert set(body["pages"]) == PAGE_KEYS


@pytest.mark.parametrize("spelling", ["3", "102233444444", "10:22:33:44:44:44"])
def test_get_single_device(manual: Api, spelling: str):
    """8.2.2, by id and in both formats of 8.1"""
    assert ok(manual.get(f"/devices/{spelling}")) == DEVICE_3


def test_a_mac_of_13_digits_is_none(manual: Api):
    """8.2.2 as printed"""
    assert manual.get("/devices/1122334444444").status_code == 404
    assert corrected("1122334444444") == "102233444444"


def test_create_devices(manual: Api):
    """8.3: each of the four buckets, as the MACs are sent; answers show the first format of 8.1."""
    Location.objects.create(id=3, url="http://location/of/configuration/3", group_id=2)
    make_device(Group.objects.get(pk=2), "00A0C914C830")
    body = {
        "group": 2,
        "locationId": 3,
        "macList": ["00A0C914C829", "00:A0:C9:14:C8:30", "542255225522", "1123235544"],
        "overrideCurrentAssociation": True,
        "description": "Israel",
    }
    assert ok(manual.post("/devices", body), 201) == {
        "success": {"count": 1, "macList": [corrected("00A0C914C829")]},
        "invalidMAC": {"count": 1, "macList": ["1123235544"]},
        "duplicateMACSameGroup": {"count": 1, "macList": ["00:A0:C9:14:C8:30"]},
        "duplicateMACOtherGroup": {"count": 1, "macList": [corrected("552255225522")]},
    }
    made = ok(manual.get("/devices/00A0C914C829"))
    assert made == {
        "id": made["id"],
        "mac": "00:A0:C9:14:C8:29",
        "groupId": 2,
        "groupName": "reseller of id 2",
        "locationId": 3,
        "locationUrl": "http://location/of/configuration/3",
        "lastAccessStatus": "Await access",
        "lastAccess": None,
        "numRequests": 0,
        "description": "Israel",
    }
    associated = ok(manual.get("/devices/00A0C914C830"))
    assert (associated["locationId"], associated["description"]) == (3, None)
    assert ok(manual.get("/devices/6")) == DEVICE_6


def test_create_devices_as_corrected(manual: Api):
    """8.3: both MACs under `success`, the second one completed to 12 digits."""
    body = {
        "group": 2,
        "macList": ["00A0C914C829", corrected("1123235544")],
        "overrideCurrentAssociation": True,
    }
    empty = {"count": 0, "macList": []}
    assert ok(manual.post("/devices", body), 201) == {
        "success": {"count": 2, "macList": ["00:A0:C9:14:C8:29", "10:23:23:55:44:00"]},
        "invalidMAC": empty,
        "duplicateMACSameGroup": empty,
        "duplicateMACOtherGroup": empty,
    }


def test_delete_devices(manual: Api):
    """8.4: 25 devices."""
    macs = [make_device(Group.objects.get(pk=4)).mac for _ in range(25)]
    assert ok(manual.post("/devices/remove", {"macList": macs})) == {"deleted": 25}


def test_delete_devices_all_or_none(manual: Api):
    """8.4: an error if not all can be removed, and then none is."""
    body = ok(manual.post("/devices/remove", {"macList": ["102233444444", "00A0C914C829"]}), 400)
    assert "00:A0:C9:14:C8:29" in body["description"]
    assert ok(manual.get("/devices/3")) == DEVICE_3


def test_no_device_is_no_content(manual: Api):
    """8.2"""
    for path in ("/devices/5", "/devices/00A0C914C829", "/devices?filter=(group=6)"):
        response = manual.get(path)
        assert (response.status_code, response.content) == (204, b""), path


# --- 9 Locations ----------------------------------------------------------------------------------------------


def test_get_all_locations(manual: Api):
    """9.2.1"""
    body = ok(manual.get("/locations"))
    assert body == {
        "locations": [LOCATION_2, LOCATION_4, LOCATION_6],
        "pages": {"total": 1, "totalElements": 3, "size": 25, "current": 1},
    }
    assert {frozenset(row) for row in body["locations"]} == {frozenset(LOCATION_KEYS)}


def test_get_single_location(manual: Api):
    """9.2.2"""
    assert ok(manual.get("/locations/6")) == LOCATION_6


def test_create_change_and_delete_a_location(manual: Api):
    """9.3, 9.4 and 9.5"""
    body = {"url": "http://location/of/configuration/6", "groupId": 6, "description": None}
    made = ok(manual.post("/locations", body), 201)
    assert made == {"id": made["id"], "url": f"/api/v1/locations/{made['id']}"}
    path = f"/locations/{made['id']}"
    assert ok(manual.get(path)) == LOCATION_6 | {"id": made["id"]}

    changes = {"url": "http://location/of/configuration/6", "description": None}
    assert ok(manual.put(path, changes)) == LOCATION_6 | {"id": made["id"]}
    all_of_them = {"url": "https://10.4.100.5:8443/{MAC ADDRESS}.cfg", "description": "x", "mutualAuth": True}
    assert ok(manual.put(path, all_of_them)) == LOCATION_6 | {"id": made["id"]} | all_of_them

    assert set(ok(manual.delete(path))) == {"description"}
    assert manual.get(path).status_code == 204


def test_url_format(manual: Api):
    """9.1: protocol of 1 to 10 characters, host, port of 1 to 65535, path of up to 1000, both placeholders."""
    for url, status in {
        "h://pbx.example": 201,
        "abcdefghij://pbx.example": 201,
        "abcdefghijk://pbx.example": 400,
        "pbx.example/path": 400,
        "http://": 400,
        "http://10.4.100.5": 201,
        "http://10.4.100.256": 400,
        "http://pbx.example:1": 201,
        "http://pbx.example:65535/": 201,
        "http://pbx.example:0/": 400,
        "http://pbx.example:65536/": 400,
        "http://pbx.example/" + "a" * 1000: 201,
        "http://pbx.example/" + "a" * 1001: 400,
        "http://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg": 201,
        "http://pbx.example/{customer name}": 400,
    }.items():
        assert manual.post("/locations", {"url": url, "groupId": 6}).status_code == status, url


def test_delete_locations(manual: Api):
    """9.6: ten ids, of which three stay."""
    group = Group.objects.get(pk=6)
    unused = [make_location(group).pk for _ in range(7)]
    used = [make_location(group, f"http://location/url/{n}") for n in (1, 2, 3)]
    for place in used:
        make_device(group, location=place)
    body = ok(manual.post("/locations/remove", {"idList": unused + [place.pk for place in used]}))
    urls = [corrected("location/url/1"), "http://location/url/2", "http://location/url/3"]
    assert body == {"deleted": 7, "fail": {"count": 3, "locations": urls}}


def test_get_devices_of_a_location(manual: Api):
    """9.7"""
    assert ok(manual.get("/locations/2/devices")) == {
        "devices": [DEVICE_3],
        "pages": {"total": 1, "totalElements": 1, "size": 25, "current": 1},
    }
    assert ok(manual.get("/locations/2/devices?page=1&limit=1"))["pages"]["size"] == 1
    assert manual.get("/locations/2/devices?page=2").status_code == 204


# --- 10 Users -------------------------------------------------------------------------------------------------

USER_1: dict[str, Any] = {
    "id": corrected("users/1"),
    "firstName": "avi",
    "lastName": "umaha",
    "groupType": "Provider",
    "groupName": "provider 1",
    "permissionLevel": "Administrator",
    "email": "aviu@mydomain.com",
    "description": "great",
    "forceChangePasswordNextLogin": False,
    "lastLoginStatus": "Success",
    "failLoginAttempts": 0,
    "login": "aviu",
    "group": 1,
    "phone1": "054852188445",
    "phone2": None,
    "lastLogin": "2019-04-28T18:16:04+0000",
    "userBlockTime": None,
}


@pytest.fixture
def user_1(manual: Api) -> Api:
    """The user of 10.2, who asks for himself."""
    group = Group.objects.create(id=1, name="provider 1", group_type=GroupType.PROVIDER, reseller_id=2)
    user = make_user(
        group,
        Level.ADMINISTRATOR,
        id=USER_1["id"],
        first_name="avi",
        last_name="umaha",
        email="aviu@mydomain.com",
        description="great",
        login="aviu",
        phone1="054852188445",
        last_login=datetime(2019, 4, 28, 18, 16, 4, tzinfo=UTC),
        last_login_status=LoginStatus.SUCCESS,
    )
    return Api(user)


def test_get_all_users(user_1: Api):
    """10.2.1"""
    body = ok(user_1.get("/users"))
    assert body == {
        "users": [USER_1],
        "pages": {"total": 1, "totalElements": 1, "size": 25, "current": 1},
    }
    assert set(body["users"][0]) == USER_KEYS


@pytest.mark.parametrize("path", ["/user/1000001", "/users/1000001", "/user/me", "/users/me"])
def test_get_single_user_and_self(user_1: Api, path: str):
    """10.2.2 and 10.2.3, under both names"""
    assert ok(user_1.get(path)) == USER_1


@pytest.mark.parametrize("prefix", ["/user", "/users"])
def test_create_change_and_delete_a_user(manual: Api, prefix: str):
    """10.3, 10.4 and 10.5"""
    body = {
        "firstName": "Avi",
        "lastName": "Usher",
        "password": corrected("test1234"),
        "permissionLevel": "Administrator",
        "forceChangePasswordNextLogin": False,
        "email": "aviu@mydomain.com",
        "description": "great",
        "login": "aviu",
        "group": 4,
        "phone1": "054852188445",
        "phone2": "08545421555",
    }
    refused = ok(manual.post(prefix, body | {"password": "test1234"}), 400)
    assert [e["field"] for e in refused["errors"]] == ["password"]

    made = ok(manual.post(prefix, body), 201)
    assert made == {"id": made["id"], "url": corrected("{URL_PREFIX}/users/1").replace("/1", f"/{made['id']}")}
    path = f"{prefix}/{made['id']}"
    shown = body | {
        "id": made["id"],
        "groupType": "Provider",
        "groupName": "provider 4 of reseller 2",
        "lastLoginStatus": None,
        "failLoginAttempts": 0,
        "lastLogin": None,
        "userBlockTime": None,
    }
    del shown["password"]
    assert ok(manual.get(path)) == shown
    ok(Api().post("/login", {"userName": "aviu", "password": body["password"]}))

    new_password = "sunset 20 gravel"  # again not test1234
    changes = {
        "firstName": "Avi",
        "lastName": "Usher",
        "password": new_password,
        "forceChangePasswordNextLogin": False,
        "email": "aviu@mydomain.com",
        "description": "great",
        "login": "aviu",
        "phone1": "054852188445",
        "phone2": None,
    }
    changed = ok(manual.put(path, changes))
    assert set(changed) == USER_KEYS
    assert changed["phone2"] is None
    ok(Api().post("/login", {"userName": "aviu", "password": new_password}))

    assert set(ok(manual.delete(path))) == {"description"}
    assert manual.get(path).status_code == 204


# --- 11 Location actions --------------------------------------------------------------------------------------


def test_associate(manual: Api):
    """11.1: two of three, since one has a location already and that is not overridden; descriptions go to all."""
    group = Group.objects.get(pk=2)
    make_device(group, corrected("djhfdkjdkk").replace(":", ""))
    make_device(group, corrected("1123235544").replace(":", ""))
    macs = [corrected("djhfdkjdkk"), "102233444444", corrected("1123235544")]
    new = make_location(group)
    body = {"macList": macs, "overrideCurrentAssociation": False, "description": "Israel"}
    answer = ok(manual.post(f"/locations/{new.pk}/devices/associate", body))
    assert answer == {"description": "2 out of 3 devices were associate to location"}
    rows = ok(manual.get("/devices", {"filter": "group=2", "sort": "mac"}))["devices"]
    assert [row["locationId"] for row in rows] == [new.pk, 2, new.pk]
    assert {row["description"] for row in rows} == {"Israel"}

    answer = ok(manual.post(f"/locations/{new.pk}/devices/associate", body | {"overrideCurrentAssociation": True}))
    assert answer == {"description": "3 out of 3 devices were associate to location"}


def test_disassociate(manual: Api):
    """11.2"""
    answer = ok(manual.post("/locations/2/devices/disassociate", {"macList": ["102233444444"]}))
    assert answer == {"description": "1 out of 1 devices were disassociate from location"}
    assert ok(manual.get("/devices/3"))["locationId"] is None
    ok(manual.post("/locations/2/devices/disassociate", {"macList": ["102233444444"]}), 400)


@pytest.mark.parametrize(
    ("action", "more"),
    [("associate", {"overrideCurrentAssociation": True, "description": "Israel"}), ("disassociate", {})],
)
@pytest.mark.parametrize("other", ["djhfdkjdkk", "1123235544", "542255225522", "00A0C914C829"])
def test_actions_all_or_nothing(manual: Api, action: str, more: dict[str, Any], other: str):
    """11.1 and 11.2: what is no MAC, or not of the location's group, fails the whole call with 400."""
    body = {"macList": ["102233444444", other], **more}
    answer = ok(manual.post(f"/locations/2/devices/{action}", body), 400)
    assert [e["field"] for e in answer["errors"]] == ["macList[1]"]
    assert ok(manual.get("/devices/3")) == DEVICE_3


# --- 12 Dates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("2019-04-28T18:16:04+0000", datetime(2019, 4, 28, 18, 16, 4, tzinfo=UTC)),
        ("1996-12-19T16:39:57-08:00", datetime(1996, 12, 20, 0, 39, 57, tzinfo=UTC)),
        ("1996-12-20T00:39:57Z", datetime(1996, 12, 20, 0, 39, 57, tzinfo=UTC)),
        ("1990-12-31T15:59:60-08:00", datetime.fromisoformat(corrected("1990-12-31T15:59:60-08:00"))),
        ("1990-12-31T23:59:60Z", datetime(1991, 1, 1, tzinfo=UTC)),
        ("1937-01-01T12:00:27+00:20", datetime(1937, 1, 1, 11, 40, 27, tzinfo=UTC)),
        ("2008-11-25T14:00:13", datetime(2008, 11, 25, 14, 0, 13, tzinfo=UTC)),
    ],
)
def test_dates(manual: Api, written: str, means: datetime):
    """Each date of chapters 5 and 12 is found by, and shown in the first form."""
    Device.objects.filter(pk=3).update(last_access=means)
    (device,) = ok(manual.get("/devices", {"filter": f"(lastAccess='{written}')"}))["devices"]
    assert device["lastAccess"] == means.strftime("%Y-%m-%dT%H:%M:%S+0000")


# --- 13 Response rules ----------------------------------------------------------------------------------------


def test_response_rules(manual: Api):
    """Chapter 13: each code has its case."""
    assert manual.get("/groups/2").status_code == 200
    assert manual.post("/locations", {"url": "http://pbx.example", "groupId": 2}).status_code == 201
    assert manual.get("/groups/77").status_code == 204
    assert manual.post("/locations", {"url": "pbx", "groupId": 2}).status_code == 400
    assert Api().post("/login", {"userName": "aviu", "password": "wrong"}).status_code == 401
    assert Api(make_user(Group.objects.get(pk=2), Level.MONITOR)).get("/users").status_code == 403
    assert manual.get("/nothing").status_code == 404
    assert manual.delete("/groups/4").status_code == 409
