"""No change is lost to another one: ETag, If-Match and If-None-Match (RFC 9110, sections 8.8.3 and 13.1)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey, Group, User
from api import generics
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_key, make_location, make_user

Make = Callable[[Cast], Any]
TAG = r'"[0-9a-f]{18}-[0-9a-f]{18}"'


def user(cast: Cast) -> User:
    return make_user(cast.provider)


RESOURCES: dict[str, tuple[Make, dict[str, Any], dict[str, Any]]] = {
    "groups": (lambda cast: cast.sibling, {"description": "one"}, {"description": "other"}),
    "users": (user, {"firstName": "One"}, {"firstName": "Other"}),
    "locations": (
        lambda cast: make_location(cast.provider),
        {"url": "https://one.example/"},
        {"url": "https://other.example/"},
    ),
    "keys": (lambda cast: make_key(cast.provider)[0], {"name": "One"}, {"name": "Other"}),
}


@pytest.fixture(params=RESOURCES)
def resource(request: pytest.FixtureRequest, cast: Cast) -> tuple[str, Any, dict[str, Any], dict[str, Any]]:
    """Its path and row, and two changes."""
    make, one, other = RESOURCES[request.param]
    row = make(cast)
    return f"/{request.param}/{row.pk}", row, one, other


def get(api: Api, path: str, **headers: str) -> Any:
    return api.client.get("/api/v1" + path, headers=api.headers | headers)


def put(api: Api, path: str, body: Any, tag: str) -> Any:
    headers = api.headers | {"If-Match": tag}
    return api.client.put("/api/v1" + path, body, content_type="application/json", headers=headers)


def delete(api: Api, path: str, tag: str) -> Any:
    return api.client.delete("/api/v1" + path, headers=api.headers | {"If-Match": tag})


def refused(answer: Any) -> bool:
    assert answer.status_code == 412
    assert answer.json() == {"description": "Changed since you read it: read it again, and try then."}
    return True


def test_the_second_of_two_changes_is_refused(administrator: Api, resource: Any) -> None:
    path, _, one, other = resource
    tag = get(administrator, path)["ETag"]
    first = put(administrator, path, one, tag)
    assert first.status_code == 200
    assert first["ETag"] != tag
    assert refused(put(administrator, path, other, tag))
    assert refused(delete(administrator, path, tag))
    assert administrator.get(path).json() == first.json()
    # Who has read the change goes on.
    assert first["ETag"] == get(administrator, path)["ETag"]
    second = put(administrator, path, other, first["ETag"])
    assert second.status_code == 200
    assert delete(administrator, path, second["ETag"]).status_code == 200


def test_without_if_match_the_last_one_wins(administrator: Api, resource: Any) -> None:
    path, _, one, other = resource
    assert administrator.put(path, one).status_code == 200
    assert administrator.put(path, other).status_code == 200
    assert administrator.delete(path).status_code == 200


def test_a_tag_stands_for_the_bytes(administrator: Api, resource: Any) -> None:
    path, _, one, _ = resource
    tags = [get(administrator, path)["ETag"] for _ in range(2)]
    assert tags[0] == tags[1]
    assert administrator.put(path, one)["ETag"] != tags[0]
    assert not tags[0].startswith("W/")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("{}", 200),
        ("*", 200),
        (' {} , "other"', 200),
        ('"other", {}', 200),
        ("W/{}", 412),
        ('"other"', 412),
        ("", 412),
        ("nonsense", 412),
        ('""', 412),
        ('"-"', 412),
    ],
)
def test_forms_of_if_match(administrator: Api, resource: Any, form: str, status: int) -> None:
    path, _, one, _ = resource
    tag = get(administrator, path)["ETag"]
    assert put(administrator, path, one, form.replace("{}", tag)).status_code == status


def test_what_is_not_there_is_not_there_whatever_the_tag(administrator: Api, cast: Cast) -> None:
    """In the same bytes for what is foreign; and a bad body is told first."""
    for target in (cast.stranger.pk, 900_000):
        for tag in ("*", '"other"'):
            assert put(administrator, f"/groups/{target}", {"name": "x"}, tag).status_code == 404
            assert delete(administrator, f"/groups/{target}", tag).status_code == 404
    assert put(administrator, f"/groups/{cast.sibling.pk}", {"name": 5}, '"other"').status_code == 400


MOVED: dict[str, Callable[[Any, Cast], Any]] = {
    "groups": lambda row, cast: make_device(row),
    "users": lambda row, cast: User.objects.filter(pk=row.pk).update(last_login=timezone.now()),
    "locations": lambda row, cast: make_device(cast.provider, location=row),
    "keys": lambda row, cast: ApiKey.objects.filter(pk=row.pk).update(last_used=timezone.now()),
}


def test_counters_are_no_change_but_other_bytes(administrator: Api, cast: Cast, resource: Any) -> None:
    """A phone that boots does not stand in the way of a change; a cache notices it."""
    path, row, one, _ = resource
    tag = get(administrator, path)["ETag"]
    MOVED[path.split("/")[1]](row, cast)
    moved = get(administrator, path, **{"If-None-Match": tag})
    assert moved.status_code == 200
    assert moved["ETag"] != tag
    assert put(administrator, path, one, tag).status_code == 200


def test_not_modified(administrator: Api, cast: Cast, resource: Any) -> None:
    path, _, one, _ = resource
    tag = get(administrator, path)["ETag"]
    for form in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = get(administrator, path, **{"If-None-Match": form})
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
    assert get(administrator, path, **{"If-None-Match": '"other"'}).status_code == 200
    administrator.put(path, one)
    assert get(administrator, path, **{"If-None-Match": tag}).status_code == 200


def test_single_devices_and_the_own_user_have_one_too(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider)
    for path in (f"/devices/{device.pk}", f"/devices/{device.mac}", "/users/me"):
        answer = get(administrator, path)
        assert get(administrator, path, **{"If-None-Match": answer["ETag"]}).status_code == 304
    own = answer.json()["id"]
    assert get(administrator, f"/users/{own}")["ETag"] == answer["ETag"]


def test_lists_and_what_is_empty_have_none(administrator: Api, cast: Cast) -> None:
    for path in ("/groups", "/users", "/groups/900000"):
        assert "ETag" not in get(administrator, path).headers


def test_it_is_checked_under_the_lock(
    administrator: Api, cast: Cast, monkeypatch: pytest.MonkeyPatch, resource: Any
) -> None:
    """A change that comes in after the row was read, and before it is locked, is seen."""
    path, row, one, _ = resource
    tag = get(administrator, path)["ETag"]
    model: Any = type(row)
    before: dict[Any, dict[str, Any]] = {
        Group: {"description": "meanwhile"},
        User: {"first_name": "Meanwhile"},
        Location: {"url": "https://meanwhile.example/"},
        ApiKey: {"name": "Meanwhile"},
    }
    lock = generics.lock_or_404

    def lock_late(rows: Any) -> Any:
        model.objects.filter(pk=row.pk).update(**before[model])
        return lock(rows)

    monkeypatch.setattr(generics, "lock_or_404", lock_late)
    assert refused(put(administrator, path, one, tag))
