"""Exports of the admin's lists: filtered, streamed, and no cell that a spreadsheet program would run."""

import asyncio
import csv
import io
import re
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from devices.models import Device
from redirect.http import table_file
from tests.conftest import Cast, make_device, make_group, make_location, make_operator, make_user
from tests.desk.test_admin import browser_of, make_staff

DEVICES = "/admin/devices/device/"
HEADER = ["mac", "group", "location", "description", "lastAccess", "lastAccessStatus", "numRequests"]


@pytest.fixture
def browser(db: None) -> Client:
    return browser_of(make_staff("view_device"))


def rows_of(kind: str, answer: Any) -> list[list[Any]]:
    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith(f'.{kind}"')
    data = b"".join(answer.streaming_content)
    if kind == "csv":
        return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    cells = load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)
    return [["" if cell is None else cell for cell in row] for row in cells]


@pytest.mark.parametrize("kind", table_file.KINDS)
def test_a_device_is_exported_as_the_import_takes_it(cast: Cast, browser: Client, kind: str) -> None:
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}.cfg")
    now = timezone.now().replace(microsecond=0)
    make_device(cast.provider, "00908F00000A", location, description="Lobby", last_access=now, num_requests=3)
    make_device(cast.reseller, "00908F00000B")
    header, first, second = rows_of(kind, browser.get(f"{DEVICES}export.{kind}"))
    assert header == HEADER
    time = now.strftime("%Y-%m-%dT%H:%M:%S+0000")
    assert list(map(str, first)) == [
        "00:90:8F:00:00:0A",
        "Acme Voice / Berlin Phones",
        location.url,
        "Lobby",
        time,
        "Await access",
        "3",
    ]
    assert list(map(str, second)) == ["00:90:8F:00:00:0B", "Acme Voice", "", "", "", "Await access", "0"]


@pytest.mark.parametrize("kind", table_file.KINDS)
@pytest.mark.parametrize(
    ("query", "number"),
    [("", 3), ("?q=908F00000B", 1), ("?location__isempty=1", 2), ("?q=Foreign", 1), ("?q=zzz", 0)],
)
def test_the_rows_are_those_of_the_list(cast: Cast, browser: Client, kind: str, query: str, number: int) -> None:
    make_device(cast.provider, "00908F00000A", make_location(cast.provider))
    make_device(cast.provider, "00908F00000B")
    make_device(cast.stranger, "00908F00000C")
    assert len(rows_of(kind, browser.get(f"{DEVICES}export.{kind}{query}"))) == 1 + number
    assert f"export.{kind}?" in browser.get(DEVICES + query).content.decode()


@pytest.mark.parametrize("kind", table_file.KINDS)
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "x;=1", "x\n=1"])
def test_no_cell_is_a_formula(cast: Cast, browser: Client, kind: str, text: str) -> None:
    make_device(cast.provider, description=text)
    answer = browser.get(f"{DEVICES}export.{kind}")
    if kind == "csv":
        assert rows_of(kind, answer)[1][3] == re.sub(r"(?=[=+\-@\uff1d])", "'", text, count=1)
    else:
        cell = load_workbook(io.BytesIO(answer.getvalue())).active["D2"]
        assert cell.data_type == "s"


def test_what_is_exported_is_read_a_piece_at_a_time(
    cast: Cast, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", 10)
    Device.objects.bulk_create(Device(group=cast.provider, mac=f"0090{n:08X}") for n in range(35))
    answer: Any = browser.get(f"{DEVICES}export.csv")
    parts = iter(answer.streaming_content)
    with CaptureQueriesContext(connection) as queries:
        assert next(parts)
        assert next(parts).count(b"\r\n") == 10
    assert len(queries) == 1
    assert "LIMIT 10" in queries[0]["sql"]
    assert b"".join(parts).count(b"\r\n") == 25


@pytest.mark.django_db(transaction=True)
def test_under_asgi_the_first_bytes_come_before_the_last_row_is_read(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", 10)
    operator = make_operator()
    browser = browser_of(operator)
    group = make_group("Acme Voice")
    Device.objects.bulk_create(Device(group=group, mac=f"0090{n:08X}") for n in range(35))
    read = []
    pieces_of = table_file.pieces_of

    def watched(queryset: Any) -> Any:
        for rows in pieces_of(queryset):
            read.append(len(rows))
            yield rows

    monkeypatch.setattr(table_file, "pieces_of", watched)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"{DEVICES}export.csv",
        "query_string": b"",
        "headers": [(b"cookie", cookies.encode()), (b"host", b"localhost")],
    }

    async def ask() -> tuple[list[list[int]], bytes]:
        asked = ApplicationCommunicator(ASGIHandler(), scope)
        await asked.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await asked.receive_output(30)
        assert start["status"] == 200
        seen, body, more = [], b"", True
        while more:
            part = await asked.receive_output(30)
            body, more = body + part.get("body", b""), part.get("more_body", False)
            seen.append(list(read))
        await asked.wait(60)
        return seen, body

    seen, body = asyncio.run(ask())
    assert body.count(b"\r\n") == 36
    assert sum(seen[0]) < 35
    assert sum(seen[-1]) == 35


@pytest.mark.parametrize(
    ("address", "permission", "header"),
    [
        ("/admin/accounts/group/", "view_group", "name,groupType,reseller,address,description"),
        ("/admin/locations/location/", "view_location", "id,group,url,mutualAuth,description,lastAccess,answer"),
        ("/admin/accounts/user/", "view_user", "login,group,permissionLevel,"),
        (DEVICES, "view_device", "mac,group,location,description,"),
    ],
)
def test_each_list_is_exported_to_those_who_may_see_it(
    cast: Cast, address: str, permission: str, header: str
) -> None:
    make_location(cast.provider)
    user = make_user(cast.provider, email="ada@acme.example")
    answer: Any = browser_of(make_staff(permission)).get(f"{address}export.csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert text.startswith(header)
    assert user.password not in text
    assert browser_of(make_staff()).get(f"{address}export.csv").status_code == 403
    assert Client().get(f"{address}export.csv").status_code == 302


@pytest.mark.parametrize("kind", ["xlsx", "exe"])
def test_what_cannot_be_sent_is_told_of_at_the_list(
    cast: Cast, browser: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_device(cast.provider, "00908F00000A")
    monkeypatch.setattr(table_file, "MOST_ROWS_OF_XLSX", 0)
    answer = browser.get(f"{DEVICES}export.{kind}?q=00908F", follow=True)
    assert answer.status_code == 200
    assert "take csv" in answer.content.decode()
    assert answer.request["QUERY_STRING"] == "q=00908F"


HUGE = "9" * 20
ODD = ["foo=1", "group__id__exact=abc", f"group__id__exact={HUGE}", "p=-1", "q=%00", "id__in=x", "o=99"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("table", ["devices/device", "accounts/group", "accounts/user", "locations/location"])
def test_an_odd_address_is_no_error_of_the_service(cast: Cast, table: str, kind: str) -> None:
    browser = browser_of(make_operator())
    make_device(cast.provider)
    for query in ODD:
        for page in (f"/admin/{table}/export.{kind}", f"/admin/{table}/", f"/admin/{table}/add/"):
            assert browser.get(f"{page}?{query}").status_code in (200, 302, 400), (page, query)
    for value in ("abc", HUGE, ""):
        assert browser.get(f"/admin/{table}/add/?group={value}&location={value}").status_code == 200
