"""GET of a list with `Accept: text/csv`: the rows of the JSON list, all of them, as the import takes them."""

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Level
from devices.imports import imports
from devices.models import Device
from redirect.http import table_file
from tests.conftest import Api, Cast, make_device, make_location, make_operator, make_user

HEADERS = {
    "/devices": ["mac", "group", "location", "description", "lastAccess", "lastAccessStatus", "numRequests"],
    "/locations": ["id", "group", "url", "mutualAuth", "description", "lastAccess", "answer"],
    "/groups": ["name", "groupType", "reseller", "address", "description"],
}


def ask(api: Api, path: str, accept: str | None = "text/csv", **more: Any) -> Any:
    headers = api.headers | ({"Accept": accept} if accept is not None else {})
    return api.client.get("/api/v1" + path, headers=headers, **more)


def rows_of(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def devices(cast: Cast) -> list[Device]:
    place = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}.cfg")
    return [
        make_device(cast.provider, "00908F00000C", place, description="Lobby", num_requests=3),
        make_device(cast.reseller, "00908F00000A", description="Attic", num_requests=30),
        make_device(cast.sibling, "00908F00000B"),
        make_device(cast.stranger, "00908F00000D"),
    ]


def test_the_rows_are_those_of_the_scope(administrator: Api, devices: list[Device]) -> None:
    header, *rows = rows_of(ask(administrator, "/devices"))
    assert header == HEADERS["/devices"]
    assert rows[0] == [
        "00:90:8F:00:00:0C",
        "Acme Voice / Berlin Phones",
        "https://pbx.example/{MAC ADDRESS}.cfg",
        "Lobby",
        "",
        "Await access",
        "3",
    ]
    assert [row[0][-2:] for row in rows] == ["0C", "0A", "0B"]  # by id


def test_a_name_above_the_scope_is_not_shown(cast: Cast, devices: list[Device]) -> None:
    api = Api(make_user(cast.provider))
    assert rows_of(ask(api, "/devices"))[1:] == [
        [
            "00:90:8F:00:00:0C",
            "Berlin Phones",
            "https://pbx.example/{MAC ADDRESS}.cfg",
            "Lobby",
            "",
            "Await access",
            "3",
        ]
    ]
    for path in ("/groups", "/users", "/locations"):
        assert not any("Acme" in cell for row in rows_of(ask(api, path)) for cell in row), path


@pytest.mark.parametrize(
    "query",
    [
        "sort=-numRequests",
        "sort=description,-mac",
        "sort=locationUrl",
        "sort=-id",
        "filter=(groupName~'phones')",
        "filter=search~'attic'&sort=mac",
        "depth=0",
        "filter=id=0",
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 2000])
def test_filter_sort_and_depth_are_those_of_the_list(
    administrator: Api, devices: list[Device], query: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", piece)
    page = ask(administrator, f"/devices?{query}", None)
    listed = [row["mac"] for row in page.json()["devices"]] if page.status_code == 200 else []
    _header, *rows = rows_of(ask(administrator, f"/devices?{query}"))
    assert [row[0] for row in rows] == listed


@pytest.mark.parametrize("query", ["page=1", "limit=10", "page=2&limit=5"])
def test_a_file_has_no_pages(administrator: Api, query: str) -> None:
    answer = ask(administrator, f"/devices?{query}")
    assert answer.status_code == 400
    assert answer.json()["description"].endswith("A csv file has all rows, and no pages.")


def test_there_is_no_limit_of_rows(administrator: Api, cast: Cast) -> None:
    Device.objects.bulk_create(Device(group=cast.provider, mac=f"0090{n:08X}") for n in range(4_321))
    assert len(rows_of(ask(administrator, "/devices"))) == 4_322
    assert len(rows_of(ask(administrator, "/devices?sort=-mac"))) == 4_322


@pytest.mark.parametrize("path", ["/devices", "/locations", "/users", "/groups"])
def test_a_list_with_nothing_in_it_is_a_header(cast: Cast, path: str) -> None:
    api = Api(make_user(cast.strangers_provider))
    query = "" if path == "/groups" else "?filter=id=0"
    header, *rows = rows_of(ask(api, path + query))
    assert header == HEADERS.get(path, header)
    assert len(rows) == (1 if path == "/groups" else 0)


def test_users_show_nothing_that_helps_to_log_in(administrator: Api, cast: Cast) -> None:
    user = make_user(cast.provider, Level.MONITOR, email="ada@acme.example")
    make_user(cast.stranger, login="stranger")
    _header, *rows = rows_of(ask(administrator, "/users"))
    assert [user.login, "Acme Voice / Berlin Phones", "Monitor"] in [row[:3] for row in rows]
    assert "stranger" not in [row[0] for row in rows]
    assert not any(user.password in cell for row in rows for cell in row)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "'=1"])
def test_no_cell_is_a_formula(administrator: Api, cast: Cast, text: str) -> None:
    make_device(cast.provider, description=text)
    assert rows_of(ask(administrator, "/devices"))[1][3] == "'" + text


def test_an_export_that_is_imported_changes_nothing(administrator: Api, cast: Cast, devices: list[Device]) -> None:
    """Also texts that are guarded, and a group with two locations of one URL."""
    twins = [make_location(cast.provider, "https://twin.example/") for _ in range(2)]
    make_device(cast.provider, "00908F000001", twins[1], description="=1+1")
    make_device(cast.provider, "00908F000002", twins[0], description="'quoted\nlines")
    content = b"".join(ask(administrator, "/devices").streaming_content)
    upload = imports.receive(make_operator(), "devices.csv", content, move=True)
    imports.start_reading(upload)
    assert imports.check_next(upload.pk).counts == {"Unchanged": 5}


@pytest.mark.parametrize("query", ["", "?sort=groupName,-description"])
@pytest.mark.parametrize("path", ["/devices", "/locations", "/users", "/groups"])
def test_the_number_of_statements_is_that_of_the_pieces(
    administrator: Api, cast: Cast, path: str, query: str
) -> None:
    if path == "/groups" and query:
        return

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            rows_of(ask(administrator, path + query))
        return len(queries)

    make_device(cast.provider, location=make_location(cast.provider))
    few = statements()
    for _ in range(20):
        make_device(cast.sibling, location=make_location(cast.sibling))
        make_user(cast.provider)
    assert statements() == few


# --- Accept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept",
    [
        *(
            None,
            "",
            "*/*",
            "application/json",
            "text/*;q=0.1",
            "text/html",
            "nonsense",
            "application/json,text/csv",
        ),
        *("text/csv;q=0.5,application/json", "text/csv;q=0", "text/csv;q=0,*/*", "text/csv;q=0.1, */*;q=0.9"),
    ],
)
@pytest.mark.parametrize("path", ["/devices", "/locations", "/users", "/groups"])
def test_unchanged_clients_get_the_same_bytes(
    administrator: Api, devices: list[Device], path: str, accept: str | None
) -> None:
    usual, answer = ask(administrator, path, "application/json"), ask(administrator, path, accept)
    names = set(answer.headers) - {"X-Request-ID"}
    assert (answer.status_code, answer.content) == (200, usual.content)
    assert {name: answer[name] for name in names} == {name: usual[name] for name in names}
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "accept", ["text/csv", "TEXT/CSV", "text/csv; header=present", "text/csv, */*;q=0.1", "text/csv,text/html"]
)
def test_who_prefers_csv_gets_it(administrator: Api, devices: list[Device], accept: str) -> None:
    assert rows_of(ask(administrator, "/devices", accept))[0] == HEADERS["/devices"]


@pytest.mark.parametrize(
    "path", ["/accesses", "/audit", "/keys", "/users/me", "/groups/1", "/locations/1/devices"]
)
def test_csv_of_what_has_none_is_406(administrator: Api, path: str) -> None:
    answer = ask(administrator, path)
    assert answer.status_code == 406
    assert answer.json() == {"description": "This address has no text/csv: accept application/json."}
    assert ask(administrator, path, "text/csv, application/json;q=0.5").status_code in (200, 204)


def test_refusals_are_json_and_come_first(administrator: Api, cast: Cast) -> None:
    assert ask(Api(), "/devices").status_code == 401
    assert ask(Api(), "/audit").status_code == 401
    assert ask(Api(make_user(cast.provider, Level.MONITOR)), "/users").status_code == 403
    assert ask(administrator, "/devices?colour=red").json()["description"].startswith("Unknown query parameter")
    assert ask(administrator, "/devices?filter=colour=1").status_code == 400


def test_head_reads_no_row(administrator: Api, devices: list[Device]) -> None:
    headers = administrator.headers | {"Accept": "text/csv"}
    with CaptureQueriesContext(connection) as queries:
        answer: Any = administrator.client.head("/api/v1/devices", headers=headers)
        b"".join(answer.streaming_content)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert not any('FROM "devices_device"' in query["sql"] for query in queries)


def test_what_a_write_accepts_is_ignored(administrator: Api, cast: Cast) -> None:
    headers = administrator.headers | {"Accept": "text/csv"}
    place = make_location(cast.provider)
    answer = administrator.client.delete(f"/api/v1/locations/{place.pk}", headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
