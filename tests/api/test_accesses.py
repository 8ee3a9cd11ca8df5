"""GET /accesses and /devices/{id or MAC}/accesses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, Level
from devices.models import Access, Device, Outcome
from tests.conftest import Api, Cast, make_device, make_location, make_operator, make_user

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN = "00908FAAAAAA"


def log(device: Device | None, *ats: datetime, outcome: str = Outcome.NO_LOCATION, **more: Any) -> None:
    """Rows as the phone's path writes them, one for each moment."""
    values: dict[str, Any] = {
        "mac": device.mac if device else UNKNOWN,
        "device_id": device.pk if device else None,
        "group_id": device.group_id if device else None,
        "outcome": outcome if device else Outcome.UNKNOWN,
        "address": "192.0.2.7",
        "user_agent": "AUDC/3.4",
    }
    Access.objects.bulk_create(Access(time=at, **(values | more)) for at in ats)


def minutes(*numbers: int) -> Sequence[datetime]:
    return [NOON + timedelta(minutes=number) for number in numbers]


def times(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["time"][11:16] for row in answer.json()["accesses"]]


def test_every_attribute_newest_first(cast: Cast, administrator: Api):
    location = make_location(cast.provider)
    device = make_device(cast.provider, "00908F9D8992", location)
    log(device, NOON)
    log(
        device,
        NOON + timedelta(seconds=61, microseconds=900_000),
        outcome=Outcome.REDIRECTED,
        address="2001:db8::7",
        certificate_subject="CN=Client_00908F9D8992",
        certificate_problem="",
        location_url=location.url,
        path="/cfg00908f9d8992.xml",
        kind="file",
    )
    newest, oldest = administrator.get("/accesses").json()["accesses"]
    assert newest == {
        "time": "2026-03-01T12:01:01+0000",
        "mac": "00:90:8F:9D:89:92",
        "outcome": "Redirected",
        "address": "2001:db8::7",
        "userAgent": "AUDC/3.4",
        "certificateSubject": "CN=Client_00908F9D8992",
        "certificateSeen": True,
        "locationUrl": location.url,
        "path": "/cfg00908f9d8992.xml",
        "kind": "file",
    }
    assert (oldest["time"], oldest["outcome"]) == ("2026-03-01T12:00:00+0000", "NoLocation")
    assert (oldest["certificateSubject"], oldest["certificateSeen"], oldest["locationUrl"]) == (None, False, None)


@pytest.mark.parametrize("spelled", ["00908F9D8992", "00:90:8f:9d:89:92", "00-90-8F-9D-89-92"])
def test_of_a_device_by_id_and_by_mac(cast: Cast, administrator: Api, spelled: str):
    device, other = make_device(cast.provider, "00908F9D8992"), make_device(cast.provider)
    log(device, *minutes(1, 2))
    log(other, *minutes(3))
    assert times(administrator.get(f"/devices/{device.pk}/accesses")) == ["12:02", "12:01"]
    assert times(administrator.get(f"/devices/{spelled}/accesses")) == ["12:02", "12:01"]
    assert times(administrator.get("/accesses")) == ["12:03", "12:02", "12:01"]


def test_pages_repeat_and_skip_nothing_also_where_times_are_equal(cast: Cast, administrator: Api):
    device = make_device(cast.provider)
    for number in range(7):
        log(device, NOON, address=f"192.0.2.{number}")
    seen = []
    for page in (1, 2, 3):
        answer = administrator.get(f"/devices/{device.pk}/accesses", {"page": page, "limit": 3}).json()
        assert answer["pages"].items() >= {"total": 3, "totalElements": 7, "size": 3, "current": page}.items()
        seen += [row["address"] for row in answer["accesses"]]
    assert seen == [f"192.0.2.{number}" for number in reversed(range(7))]
    past = administrator.get(f"/devices/{device.pk}/accesses", {"page": 4, "limit": 3})
    assert (past.status_code, past.content) == (204, b"")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("(outcome='Redirected')", ["12:03"]),
        ("(outcome='Redirected';'CertificateRequired')", ["12:03", "12:02"]),
        ("(outcome!='NoLocation')", ["12:03", "12:02"]),
        ("(time>='2026-03-01T12:02:00+0000')", ["12:03", "12:02"]),
        ("(time<'2026-03-01T12:02:00Z')", ["12:01"]),
        ("(time>='2026-03-01T13:02:00+01:00',time<='2026-03-01T12:02:00')", ["12:02"]),
        ("(mac~'9d:89')", ["12:03", "12:02", "12:01"]),
        ("(address='192.0.2.9')", ["12:02"]),
        ("(userAgent~'audc')", ["12:03", "12:02", "12:01"]),
        ("(certificateSubject='')", ["12:03", "12:01"]),
        ("(locationUrl~'pbx')", ["12:03"]),
    ],
)
def test_filters(cast: Cast, administrator: Api, query: str, expected: list[str]):
    device = make_device(cast.provider, "00908F9D8992")
    one, two, three = minutes(1, 2, 3)
    log(device, one)
    log(device, two, outcome=Outcome.CERTIFICATE_REQUIRED, address="192.0.2.9", certificate_subject="CN=x")
    log(device, three, outcome=Outcome.REDIRECTED, location_url="https://pbx.example/")
    assert times(administrator.get("/accesses", {"filter": query})) == expected
    assert times(administrator.get(f"/devices/{device.pk}/accesses", {"filter": query})) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "(outcome='Nothing')"},
        {"filter": "(time>'2027-01-01T00:00:00Z')"},
        {"page": "2"},
    ],
)
def test_nothing_to_show_is_204(cast: Cast, administrator: Api, query: dict[str, str]):
    log(make_device(cast.provider), NOON)
    answer = administrator.get("/accesses", query)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "(time>'yesterday')"},
        {"filter": "(time~'2026')"},
        {"filter": "(outcome=Redirected)"},
        {"filter": "(deviceId=1)"},
        {"filter": ""},
        {"sort": "deviceId"},
        {"depth": "1"},
        {"page": "0"},
        {"limit": "x"},
        {"colour": "blue"},
    ],
)
def test_nonsense_is_400_in_a_sentence(cast: Cast, administrator: Api, query: dict[str, str]):
    device = make_device(cast.provider)
    for path in ("/accesses", f"/devices/{device.pk}/accesses"):
        answer = administrator.get(path, query)
        assert answer.status_code == 400
        assert isinstance(answer.json()["description"], str)


def test_sort(cast: Cast, administrator: Api):
    device = make_device(cast.provider)
    log(device, *minutes(2, 1, 3))
    assert times(administrator.get("/accesses", {"sort": "time"})) == ["12:01", "12:02", "12:03"]
    assert times(administrator.get("/accesses", {"sort": "outcome"})) == ["12:03", "12:02", "12:01"]


@pytest.mark.parametrize("level", Level.values)
def test_any_level_may_look(cast: Cast, level: str):
    log(make_device(cast.provider), NOON)
    assert times(Api(make_user(cast.provider, level)).get("/accesses")) == ["12:00"]


def test_nobody_may_look_without_a_token_or_without_a_group(cast: Cast):
    assert Api().get("/accesses").status_code == 401
    assert Api(make_user(None, None, is_staff=True)).get("/accesses").status_code == 403
    assert Api(make_operator()).post("/accesses", {}).status_code == 405


def visible(user_group: Group | None) -> list[str]:
    api = Api(make_user(user_group) if user_group else make_operator())
    answer = api.get("/accesses", {"sort": "time"})
    return [] if answer.status_code == 204 else times(answer)


def test_each_sees_the_rows_of_the_own_groups(cast: Cast):
    groups = cast.reseller, cast.provider, cast.sibling, cast.stranger, cast.strangers_provider
    for group, at in zip(groups, minutes(1, 2, 3, 4, 5), strict=True):
        log(make_device(group), at)
    log(None, *minutes(6))
    assert visible(cast.reseller) == ["12:01", "12:02", "12:03"]
    assert visible(cast.provider) == ["12:02"]
    assert visible(cast.strangers_provider) == ["12:05"]
    assert visible(None) == ["12:01", "12:02", "12:03", "12:04", "12:05", "12:06"]


def test_a_foreign_device_looks_like_none(cast: Cast, administrator: Api):
    foreign = make_device(cast.stranger)
    log(foreign, NOON)
    answers = [administrator.get(f"/devices/{which}/accesses") for which in (foreign.pk, foreign.mac, 999_999)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 3


def test_only_the_operator_sees_macs_that_nobody_owns(cast: Cast, administrator: Api):
    log(None, NOON)
    log(make_device(cast.provider), NOON)
    query = {"filter": "(outcome='Unknown')"}
    assert administrator.get("/accesses", query).status_code == 204
    (row,) = Api(make_operator()).get("/accesses", query).json()["accesses"]
    assert (row["mac"], row["outcome"]) == ("00:90:8F:AA:AA:AA", "Unknown")


def test_a_mac_that_moved_shows_its_new_owner_nothing_of_the_old_one(cast: Cast):
    old_owner, new_owner = Api(make_user(cast.provider)), Api(make_user(cast.strangers_provider))
    device = make_device(cast.provider, "00908F9D8992")
    log(device, *minutes(1), location_url="https://secret.example/")
    device.group = cast.strangers_provider
    device.save()
    for which in (device.pk, device.mac):
        assert new_owner.get(f"/devices/{which}/accesses").status_code == 204
    assert new_owner.get("/accesses").status_code == 204
    log(device, *minutes(2))
    assert times(new_owner.get(f"/devices/{device.mac}/accesses")) == ["12:02"]
    assert times(old_owner.get("/accesses")) == ["12:01"]


def test_a_mac_that_was_removed_and_made_again_begins_anew(cast: Cast):
    old_owner, new_owner = Api(make_user(cast.provider)), Api(make_user(cast.strangers_provider))
    device = make_device(cast.provider, "00908F9D8992")
    log(device, *minutes(1))
    device.delete()
    again = make_device(cast.strangers_provider, "00908F9D8992")
    assert again.pk != device.pk
    assert new_owner.get(f"/devices/{again.mac}/accesses").status_code == 204
    assert times(old_owner.get("/accesses", {"filter": "(mac='00908F9D8992')"})) == ["12:01"]


@pytest.mark.parametrize("path", ["/accesses", "/devices/{id}/accesses"])
def test_the_number_of_statements_does_not_depend_on_that_of_rows(cast: Cast, administrator: Api, path: str):
    device = make_device(cast.provider)
    counts = []
    for rows in (1, 99):
        log(device, *minutes(*range(rows)))
        with CaptureQueriesContext(
            connection,
        ) as statements:
            answer = administrator.get(path.format(id=device.pk), {"limit": "1000"})
        assert len(answer.json()["accesses"]) == (1 if rows == 1 else 100)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert counts[0] <= 6
