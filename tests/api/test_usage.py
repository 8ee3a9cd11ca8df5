"""GET /usage: what each group had and asked for in a month, before and after housekeeping has dropped the log."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Group
from devices import usage
from devices.claims import Claim
from devices.models import Access, Outcome
from devices.usage import UsageDevice, UsageMonth
from tests.conftest import Api, Cast, make_access, make_device, make_group, make_operator, make_user

MONTH = "2026-03"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FIELDS = ("devices", "peakDevices", "redirectedDevices", "requests")


def of(group: Group, answer: Any) -> tuple[int, ...]:
    """The four numbers of a group."""
    [row] = [row for row in answer.json()["usage"] if row["groupId"] == group.pk]
    return tuple(row[name] for name in FIELDS)


def claim(group: Group, mac: str, began: datetime | None, ended: datetime | None = None) -> None:
    Claim.objects.create(group_id=group.pk, mac=mac, began=began, ended=ended)


def ask(group: Group, mac: str, *times: datetime, outcome: str = Outcome.REDIRECTED) -> None:
    Access.objects.bulk_create(
        Access(time=time, mac=mac, device_id=1, group_id=group.pk, outcome=outcome, address="", user_agent="")
        for time in times
    )


def test_the_current_month_is_told_as_it_is_now(administrator: Api, cast: Cast) -> None:
    devices = [make_device(cast.provider) for _ in range(3)]
    for outcome in (Outcome.REDIRECTED, Outcome.REDIRECTED, Outcome.NO_LOCATION):
        make_access(devices[0], outcome)
    make_access(devices[1], Outcome.NO_LOCATION)
    devices[2].delete()
    answer = administrator.get("/usage")
    assert answer.json()["month"] == f"{timezone.now():%Y-%m}"
    assert [row["groupId"] for row in answer.json()["usage"]] == [
        group.pk for group in (cast.reseller, cast.provider, cast.sibling)
    ]
    assert of(cast.provider, answer) == (2, 3, 1, 4)
    assert of(cast.sibling, answer) == (0, 0, 0, 0)


def test_a_device_that_moves_counts_for_both_groups(administrator: Api, cast: Cast) -> None:
    device = make_device(cast.provider)
    administrator.post("/devices/move", {"macList": [device.mac], "group": cast.sibling.pk})
    answer = administrator.get("/usage")
    assert of(cast.provider, answer)[:2] == (0, 1)
    assert of(cast.sibling, answer)[:2] == (1, 1)


def test_a_month_ends_with_its_last_moment(administrator: Api, cast: Cast) -> None:
    end = datetime(2026, 4, 1, tzinfo=UTC)
    claim(cast.provider, "00908F000001", None)
    claim(cast.provider, "00908F000002", BEGIN - SECOND, BEGIN)  # there when the month begins
    claim(cast.provider, "00908F000003", None, BEGIN - SECOND)
    claim(cast.provider, "00908F000004", end - SECOND)
    claim(cast.provider, "00908F000005", end)
    claim(cast.provider, "00908F000006", BEGIN + SECOND, BEGIN + 9 * SECOND)
    claim(cast.provider, "00908F000007", BEGIN + 9 * SECOND, end)  # when the other goes: no peak
    ask(cast.provider, "00908F000001", BEGIN - SECOND, BEGIN, end - SECOND, end)
    answer = administrator.get("/usage", {"month": MONTH})
    assert of(cast.provider, answer) == (3, 3, 1, 2)


def test_a_month_stays_right_while_its_log_is_dropped(administrator: Api, cast: Cast) -> None:
    """The days of March are closed one by one; what is told does not change, nor once the rows are gone."""
    days = [BEGIN + timedelta(days=number, hours=number % 24) for number in range(31)]
    ask(cast.provider, "00908F000001", *days)
    ask(cast.provider, "00908F000002", *days[5:9], outcome=Outcome.NO_LOCATION)
    ask(cast.provider, "00908F000003", days[30])
    ask(cast.sibling, "00908F000001", *days[3:5])
    ask(cast.sibling, "00908F000001", days[30] + timedelta(days=1))  # of April
    expected = {cast.provider: (2, 36), cast.sibling: (1, 2)}

    def assert_right() -> None:
        answer = administrator.get("/usage", {"month": MONTH})
        for group, numbers in expected.items():
            assert of(group, answer)[2:] == numbers

    assert_right()
    for day in (4, 20, 34, 35, 60):
        usage.close_days(BEGIN.date() + timedelta(days=day), 30)
        assert_right()
    Access.objects.all().delete()
    assert_right()
    assert usage.close_days(BEGIN.date() + timedelta(days=60), 30) == 0
    assert not UsageDevice.objects.filter(month=date(2026, 3, 1)).exists()
    assert UsageMonth.objects.filter(month=date(2026, 3, 1)).count() == 2
    assert of(cast.sibling, administrator.get("/usage", {"month": "2026-04"}))[2:] == (1, 1)


def test_housekeeping_closes_days_before_it_drops_them(administrator: Api, cast: Cast, settings: Settings) -> None:
    settings.ACCESS_LOG_DAYS = 1
    now = timezone.now()
    old = now - timedelta(days=2)
    ask(cast.provider, "00908F000001", old, old, now)
    call_command("housekeeping")
    assert Access.objects.count() == 1
    months = {f"{moment:%Y-%m}" for moment in (old, now)}
    told = [of(cast.provider, administrator.get("/usage", {"month": month})) for month in months]
    assert sum(requests for *_, requests in told) == 3


def test_csv_has_the_columns_of_json(administrator: Api, cast: Cast) -> None:
    make_group("=cmd()", cast.reseller)
    make_device(cast.provider)
    answer = administrator.get("/usage", {"format": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    lines = answer.getvalue().decode("utf-8-sig").split("\r\n")
    assert lines[0] == "groupId,groupName,resellerId,devices,peakDevices,redirectedDevices,requests"
    assert f"{cast.provider.pk},Berlin Phones,{cast.reseller.pk},1,1,0,0" in lines
    assert "'=cmd()" in lines[4]


@pytest.mark.parametrize(
    "query",
    [
        *(
            {"month": month}
            for month in ("", "2026", "2026-13", "2026-00", "26-01", "2026-1", "٢٠٢٦-01", "0000-01")
        ),
        {"month": "2999-01"},
        {"format": "xml"},
        {"page": "1"},
    ],
)
def test_what_is_no_month_is_refused(administrator: Api, query: dict[str, str]) -> None:
    answer = administrator.get("/usage", query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["description"]


def test_a_stranger_sees_nothing_of_it(cast: Cast) -> None:
    make_device(cast.provider)
    answer = Api(make_user(cast.strangers_provider)).get("/usage")
    assert [row["groupId"] for row in answer.json()["usage"]] == [cast.strangers_provider.pk]


def test_without_groups_there_is_nothing(db: None) -> None:
    assert Api(make_operator()).get("/usage").status_code == 204


def test_the_number_of_statements_is_fixed(administrator: Api, cast: Cast) -> None:
    counts = []
    for turn in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert administrator.get("/usage").status_code == 200
        counts.append(len(queries))
        for number in range(30):
            make_access(make_device(make_group(f"Group {turn} {number}", cast.reseller)), Outcome.REDIRECTED)
    assert counts[0] == counts[1] == 7
