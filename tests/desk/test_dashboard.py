"""The dashboard: what it tells is what happened, and only to those who may know."""

import json
import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from desk.charts import COLORS
from devices import request_upkeep
from devices.models import Access, AccessStatus, Outcome
from devices.request_counts import RequestCount
from tests.conftest import Cast, make_access, make_device, make_group, make_location, make_operator, make_user
from tests.desk.test_admin import browser_of, make_staff

NOON = datetime(2026, 11, 22, 12, 30, 20, tzinfo=timezone.get_fixed_timezone(0))


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of(make_operator())


def staff(*permissions: str) -> Client:
    return browser_of(make_staff(*permissions))


def unknown(mac: str, time: datetime) -> Access:
    return Access.objects.create(time=time, mac=mac, outcome=Outcome.UNKNOWN, address="192.0.2.9", user_agent="x")


def charts_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(chart.data) for chart in answer.context["charts"]]


def bars(chart: dict[str, Any]) -> dict[str, dict[str, int]]:
    """By outcome: the labels of those bars that are not empty."""
    return {
        one["label"]: {label: n for label, n in zip(chart["labels"], one["data"], strict=True) if n}
        for one in chart["datasets"]
        if any(one["data"])
    }


def test_requests_stand_in_their_minute_and_hour(operator: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("desk.dashboard.timezone.now", lambda: NOON)
    device = make_device(cast.provider)
    for ago, outcome in [
        (timedelta(0), Outcome.REDIRECTED),
        (timedelta(seconds=19), Outcome.REDIRECTED),
        (timedelta(seconds=21), Outcome.NO_LOCATION),
        (timedelta(minutes=59), Outcome.REDIRECTED),
        (timedelta(minutes=61), Outcome.REDIRECTED),  # no longer in the last hour
        (timedelta(hours=23), Outcome.CERTIFICATE_MISMATCH),
        (timedelta(hours=24), Outcome.CERTIFICATE_MISMATCH),  # no longer in the last day
    ]:
        make_access(device, outcome, time=NOON - ago)
    minutes, hours = charts_of(operator.get("/admin/"))
    assert (len(minutes["labels"]), len(hours["labels"])) == (60, 24)
    assert (minutes["labels"][0], minutes["labels"][-1]) == ("11:31", "12:30")
    assert (hours["labels"][0], hours["labels"][-1]) == ("13:00", "12:00")
    assert bars(minutes) == {
        Outcome.REDIRECTED.label: {"12:30": 2, "11:31": 1},
        Outcome.NO_LOCATION.label: {"12:29": 1},
    }
    assert bars(hours) == {
        Outcome.REDIRECTED.label: {"12:00": 2, "11:00": 2},
        Outcome.NO_LOCATION.label: {"12:00": 1},
        Outcome.CERTIFICATE_MISMATCH.label: {"13:00": 1},
    }


def test_groups_with_most_failures_first_and_those_of_yesterday_not(operator: Client, cast: Cast):
    some, more, old = (make_device(group) for group in (cast.provider, cast.sibling, cast.stranger))
    make_access(some, Outcome.NO_LOCATION)
    make_access(some, Outcome.REDIRECTED)
    make_access(more, Outcome.NO_LOCATION)
    make_access(more, Outcome.CERTIFICATE_REQUIRED)
    make_access(old, Outcome.NO_LOCATION, time=timezone.now() - timedelta(days=2))
    rows = operator.get("/admin/").context["failing_groups"]
    assert [(str(row["group"]), row["requests"]) for row in rows] == [("Munich Phones", 2), ("Berlin Phones", 1)]


def test_macs_that_nobody_owns(operator: Client, cast: Cast):
    now = timezone.now()
    for ago in range(3):
        unknown("00A0C914C829", now - timedelta(minutes=ago))
    unknown("00A0C914C830", now)
    unknown("00A0C914C831", now - timedelta(days=2))
    make_access(make_device(cast.provider))
    rows = operator.get("/admin/").context["unknown_macs"]
    assert [(row["mac"], row["requests"]) for row in rows] == [("00:A0:C9:14:C8:29", 3), ("00:A0:C9:14:C8:30", 1)]
    assert rows[0]["last"] == now


def test_devices_by_state_and_group(operator: Client, cast: Cast):
    location = make_location(cast.provider)
    now = timezone.now()
    make_device(cast.provider, location=location, last_access_status=AccessStatus.SUCCESS, last_access=now)
    failing = make_device(cast.provider, last_access_status=AccessStatus.FAIL, last_access=now)
    make_device(cast.provider, last_access_status=AccessStatus.FAIL, last_access=now - timedelta(days=3))
    make_device(cast.sibling)
    context = operator.get("/admin/").context
    devices = context["devices"]
    states = ("devices", "groups", "awaiting", "failing", "without_location")
    assert [devices[state] for state in states] == [4, 2, 1, 2, 3]
    assert [(str(row["group"]), row["devices"]) for row in devices["largest"]] == [
        ("Berlin Phones", 3),
        ("Munich Phones", 1),
    ]
    assert context["failing_devices"] == [failing]


def test_failing_devices_the_latest_first_of_whatever_group(operator: Client, cast: Cast):
    now = timezone.now().replace(microsecond=0)
    groups = [make_group(f"Group {number}") for number in range(14)]
    failing = []
    for number in range(40):
        time = now - timedelta(minutes=[0, 1, 1, 1, 2, 3][number % 6])
        device = make_device(groups[number * 5 % 14], last_access_status=AccessStatus.FAIL, last_access=time)
        failing.append(device)
        make_device(groups[number % 14], last_access_status=AccessStatus.SUCCESS, last_access=now)
    for device in failing[::3]:
        make_device(device.group, last_access_status=AccessStatus.FAIL, last_access=now - timedelta(days=2))
    expected = sorted(failing, key=lambda device: (now - (device.last_access or now), device.pk))
    assert operator.get("/admin/").context["failing_devices"] == expected[:10]


def test_requests_that_are_added_up_are_told_as_before(
    operator: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("desk.dashboard.timezone.now", lambda: NOON)
    location = make_location(cast.provider)
    for minutes in (1500, 500, 70, 50, 2, 0):
        time = NOON - timedelta(minutes=minutes)
        make_access(make_device(cast.provider, location=location), Outcome.REDIRECTED, time=time)
        make_access(make_device(cast.sibling), Outcome.NO_LOCATION, time=time)
        unknown("00A0C914C829", time)

    def told() -> list[Any]:
        answer = operator.get("/admin/")
        return [charts_of(answer), *(answer.context[name] for name in ("failing_groups", "unknown_macs"))]

    before = told()
    request_upkeep.keep_up()
    assert RequestCount.objects.count() == 15  # three outcomes in each minute but the newest
    assert told() == before


def test_users_who_are_blocked_now(operator: Client, cast: Cast):
    blocked = make_user(cast.provider, user_block_time=timezone.now())
    make_user(cast.provider, user_block_time=timezone.now() - timedelta(days=1))
    assert list(operator.get("/admin/").context["blocked_users"]) == [blocked]


def test_an_empty_service_says_what_to_do(operator: Client):
    page = operator.get("/admin/").content.decode()
    assert "No request came in this time" in page
    assert "There is no device yet" in page


def test_one_sees_only_what_one_may(cast: Cast):
    device = make_device(cast.provider, last_access_status=AccessStatus.FAIL, last_access=timezone.now())
    make_access(device)
    unknown("00A0C914C8FF", timezone.now())
    make_user(cast.provider, login="blocked.one", user_block_time=timezone.now())
    shown = {
        (): set(),
        ("view_access",): {"00:A0:C9:14:C8:FF", "Requests per minute"},
        ("view_device",): {device.spelled, "Last request failed"},
        ("view_user",): {"blocked.one"},
    }
    everything = set().union(*shown.values())
    for permissions, expected in shown.items():
        page = staff(*permissions).get("/admin/").content.decode()
        assert {text for text in everything if text in page} == expected
    assert Client().get("/admin/").status_code == 302


def test_statements_depend_on_no_rows(operator: Client, cast: Cast):
    def statements() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert operator.get("/admin/").status_code == 200
        return [re.sub(r"\d+", "n", query["sql"])[:200] for query in queries]

    make_access(make_device(cast.provider, last_access_status=AccessStatus.FAIL, last_access=timezone.now()))
    unknown("00A0C914C829", timezone.now())
    make_user(cast.provider, user_block_time=timezone.now())
    few = statements()
    for number in range(30):
        group = make_group(f"Group {number}")
        make_user(group, user_block_time=timezone.now())
        make_access(make_device(group, last_access_status=AccessStatus.FAIL, last_access=timezone.now()))
        unknown(f"00A0C914C8{number:02X}", timezone.now())
    many = statements()
    assert len(few) == len(many), [*few, "---", *many]


def test_refresh_every_minute_only_where_it_is_asked_for(operator: Client):
    assert 'http-equiv="refresh"' not in operator.get("/admin/").content.decode()
    assert 'http-equiv="refresh" content="60"' in operator.get("/admin/?refresh=1").content.decode()


def test_each_number_is_that_of_the_list_that_it_links_to(operator: Client, cast: Cast):
    now = timezone.now()
    location = make_location(cast.provider)
    for group, ago in ((cast.provider, 1), (cast.provider, 50), (cast.sibling, 200), (cast.stranger, 3000)):
        time = now - timedelta(minutes=ago)
        failing = make_device(group, last_access_status=AccessStatus.FAIL, last_access=time)
        make_access(failing, Outcome.NO_LOCATION, time=time)
        make_access(failing, Outcome.CERTIFICATE_REQUIRED, time=time)
        make_access(make_device(cast.provider, location=location), Outcome.REDIRECTED, time=time)
        unknown("00A0C914C829", time)
    make_user(cast.provider, user_block_time=now)
    page = operator.get("/admin/").content.decode()
    make_access(failing, Outcome.NO_LOCATION)  # after the page: not counted, and not in its lists
    numbers = re.findall(r'<a href="([^"]+)">([\d,]+)</a>', page)
    for address, number in numbers:
        listed = operator.get(unescape(address)).context["cl"].queryset
        assert listed.count() == int(number.replace(",", "")), address
    lists = {unescape(address).partition("?")[0] for address, _ in numbers}
    assert lists == {f"/admin/{table}/" for table in ("devices/device", "devices/access", "accounts/group")}
    assert len(numbers) > 20
    failing_today = re.search(r'<a href="([^"]*last_access__gte=[^"]*)">All of them', page)
    assert failing_today
    listed = operator.get(unescape(failing_today[1])).context["cl"].queryset
    assert set(listed) == set(operator.get("/admin/").context["failing_devices"])


def luminance(colour: str) -> float:
    """Of a colour such as #16a34a. Source: WCAG 2.1, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("page", ["#ffffff", "#101828", "#1b2230"])
def test_bars_stand_out_from_the_page(outcome: Outcome, page: str):
    darker, lighter = sorted((luminance(COLORS[outcome]), luminance(page)))
    assert (lighter + 0.05) / (darker + 0.05) >= 3  # WCAG 2.1, 1.4.11
