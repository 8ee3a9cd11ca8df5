"""Logs grow while they are read: who follows `pages.next` sees every row once. Beyond the manual."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.models import Group
from audit.models import Entry, Event
from devices.models import Access, Device
from tests.conftest import Api, Cast, make_access, make_device

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Each time twice or more, as a log has it that is told in whole seconds.
TIMES = [NOON + timedelta(seconds=n // 3, microseconds=250_000 * (n % 2)) for n in range(8)]
MAC = "00908F9D8992"
LISTS = ["/audit", "/accesses", f"/devices/{MAC}/accesses", "/devices/{id}/accesses"]


def write(path: str, device: Device, moment: datetime, mark: str) -> None:
    """One row of the log at this address."""
    if path == "/audit":
        entry = Entry.objects.note(Event.CHANGED, device, {"description": [None, mark]})
        Entry.objects.filter(pk=entry.pk).update(timestamp=moment)
    else:
        make_access(device, time=moment, user_agent=mark)


def mark_of(row: dict[str, Any]) -> str:
    return str(row["changes"]["description"][1] if "changes" in row else row["userAgent"])


class Log:
    """One of the three lists, and what it held when its reader began."""

    def __init__(self, path: str, cast: Cast, api: Api) -> None:
        self.device = make_device(cast.provider, MAC)
        self.path = path.format(id=self.device.pk)
        self.name = "audit" if path == "/audit" else "accesses"
        self.api = api
        for number, moment in enumerate(TIMES):
            write(path, self.device, moment, f"old {number}")
        self.write = lambda moment, mark: write(path, self.device, moment, mark)

    def get(self, address: str, **query: Any) -> Any:
        return self.api.get(address.removeprefix("/api/v1"), query or None)

    def page(self, **query: Any) -> dict[str, Any]:
        """The page at the list's own address."""
        answer = self.get(self.path, **query)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def walk(self, meanwhile: Callable[[int], None], **query: Any) -> list[str]:
        """The marks of all rows, from one page to the next; `meanwhile` runs behind each page."""
        found = self.page(**query)
        marks, number = [], 0
        while True:
            marks += [mark_of(row) for row in found[self.name]]
            if found["pages"]["next"] is None:
                return marks
            number += 1
            assert number < 50
            meanwhile(number)
            answer = self.get(found["pages"]["next"])
            assert answer.status_code == 200, answer.content
            found = answer.json()


@pytest.fixture
def log(request: pytest.FixtureRequest, cast: Cast, administrator: Api) -> Log:
    Access.objects.all().delete()
    Entry.objects.all().delete()
    made = Log(request.param, cast, administrator)
    if made.name == "audit":
        Entry.objects.exclude(changes__has_key="description").delete()
    return made


every_list = pytest.mark.parametrize("log", LISTS, indirect=True)


@every_list
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_rows_that_come_in_meanwhile_neither_repeat_nor_hide_others(log: Log, limit: int):
    def meanwhile(number: int) -> None:
        log.write(NOON + timedelta(hours=number), f"new {number}")
        # Of a transaction that took long: its row stands between those that were shown and those to come.
        log.write(TIMES[4], f"late {number}")

    marks = log.walk(meanwhile, limit=limit)
    assert len(set(marks)) == len(marks)
    assert [mark for mark in marks if mark.startswith("old")] == in_order(log)
    assert not any(mark.startswith("new") for mark in marks)


def in_order(log: Log) -> list[str]:
    """Newest first; of one time the row that was written later first."""
    numbers = sorted(range(len(TIMES)), key=lambda n: (TIMES[n], n), reverse=True)
    return [f"old {number}" for number in numbers]


@every_list
def test_pages_by_number_would_repeat(log: Log):
    first = [mark_of(row) for row in log.page(limit=3)[log.name]]
    log.write(NOON + timedelta(hours=1), "new")
    second = [mark_of(row) for row in log.page(limit=3, page=2)[log.name]]
    assert set(first) & set(second)


@every_list
def test_next_keeps_the_filter_and_the_limit(log: Log):
    for number in range(3):
        log.write(TIMES[number], f"other {number}")
    text = "id>0" if log.name == "audit" else "userAgent~'old'"
    found = log.page(limit=2, filter=text, sort="-time")
    following = urlsplit(found["pages"]["next"])
    assert following.netloc == ""
    assert following.path == "/api/v1" + log.path
    marks = log.walk(lambda number: None, limit=2, filter=text)
    assert log.name == "audit" or [mark for mark in marks if mark.startswith("other")] == []
    assert [mark for mark in marks if mark.startswith("old")] == in_order(log)


@every_list
def test_next_is_null_at_the_end_and_in_another_order(log: Log):
    assert log.page(limit=len(TIMES))["pages"]["next"] is None
    assert log.page(limit=len(TIMES) - 1)["pages"]["next"] is not None
    assert log.page(limit=2, page=4)["pages"]["next"] is None
    assert log.page(limit=2, sort="time")["pages"]["next"] is None


@every_list
def test_before_a_time(log: Log):
    bound = TIMES[3].replace(microsecond=0)
    for spelled in (bound.strftime("%Y-%m-%dT%H:%M:%SZ"), bound.strftime("%Y-%m-%dT%H:%M:%S+0000")):
        found = log.page(before=spelled)
        assert {mark_of(row) for row in found[log.name]} == {f"old {n}" for n in range(8) if TIMES[n] < bound}
        assert found["pages"]["totalElements"] == sum(moment < bound for moment in TIMES)
    assert log.get(log.path, before="2020-01-01T00:00:00Z").status_code == 204


@every_list
@pytest.mark.parametrize(
    "before",
    [
        "",
        "17",
        "yesterday",
        "2026-03-01",
        "2026-02-30T00:00:00Z",
        "2026-03-01T12:00:00Z/",
        "2026-03-01T12:00:00Z/x",
        "2026-03-01T12:00:00Z/-1",
        "2026-03-01T12:00:00Z/1/2",
        "2026-03-01T12:00:00Z/" + "9" * 19,
    ],
)
def test_what_is_no_bound_is_refused_by_name(log: Log, before: str):
    answer = log.get(log.path, before=before)
    assert answer.status_code == 400
    assert answer.json()["description"].startswith("before must be a time")


@pytest.mark.parametrize("path", ["/devices", "/locations", "/users"])
def test_the_lists_of_the_manual_keep_their_envelope(path: str, cast: Cast, administrator: Api):
    make_device(cast.provider)
    Group.objects.get(pk=cast.provider.pk).locations.create(url="https://pbx.example/")
    assert set(administrator.get(path).json()["pages"]) == {"total", "totalElements", "size", "current"}
    assert administrator.get(path, {"before": "2026-01-01T00:00:00Z"}).status_code == 400
