"""Files of devices by the API: sent, checked by a job, looked at row by row, confirmed, written."""

import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook

from accounts.models import Level
from api import imports as door
from audit.context import Source
from audit.models import Entry, Event
from devices.imports import imports
from devices.models import Device, Import, ImportState
from jobs.models import Job, JobState
from tests.conftest import (
    Api,
    Cast,
    Form,
    make_device,
    make_import,
    make_key,
    make_location,
    make_operator,
    make_user,
    run_due_jobs,
)

LIST = """mac,group,location,description,vendor
00:90:8F:00:00:01,Acme Voice / Berlin Phones,https://pbx.example/cfg/,Lobby,x
00-90-8F-00-00-02,Berlin Phones,,,x
00908F00,Berlin Phones,,,x
00908F000003,Foreign Phones,,,x
00908F000004,Nobody's Phones,,,x
00908F000005,Berlin Phones,https://pbx.example/other/,,x
00908F000006,Munich Phones,,,x
"""


def sent(api: Api, content: str | bytes = LIST, **more: Any) -> str:
    """The address of a new import."""
    answer = api.post("/imports", Form(file=content, **more))
    assert answer.status_code == 201, answer.content
    return str(answer.json()["url"]).removeprefix("/api/v1")


def checked(api: Api, content: str | bytes = LIST, **more: Any) -> tuple[str, dict[str, Any]]:
    """The address of an import, and how it is when all jobs are done."""
    path = sent(api, content, **more)
    run_due_jobs()
    return path, api.get(path).json()


def verdicts(api: Api, path: str) -> list[tuple[int, str]]:
    return [(row["line"], row["verdict"]) for row in api.get(f"{path}/rows").json()["rows"]]


def workbook(*sheets: list[list[Any]]) -> bytes:
    book = Workbook()
    assert book.active is not None
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        page = book.create_sheet(f"Sheet {number}")
        for row in rows:
            page.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.fixture
def places(cast: Cast) -> None:
    make_location(cast.provider, "https://pbx.example/cfg/")
    make_device(cast.sibling, "00908F000006", description="there")


# --- From the file to the devices ------------------------------------------------------------------------------


def test_a_file_is_checked_then_written(administrator: Api, cast: Cast, places: None) -> None:
    path = sent(administrator)
    first = administrator.get(path).json()
    assert (first["state"], first["counts"]) == ("Reading", {})
    run_due_jobs()
    found = administrator.get(path).json()
    assert {name: found[name] for name in ("state", "total", "checked", "good", "bad", "problem")} == {
        "state": "Checked",
        "total": 7,
        "checked": 7,
        "good": 3,
        "bad": 4,
        "problem": "",
    }
    assert found["counts"] == {
        "Created": 2,
        "Unchanged": 1,
        "InvalidMAC": 1,
        "UnknownGroup": 2,
        "UnknownLocation": 1,
    }
    assert (found["groupId"], found["fileName"], found["ignoredColumns"]) == (
        cast.reseller.pk,
        "devices.csv",
        "vendor",
    )
    assert not Device.objects.filter(mac="00908F000001").exists()

    confirmed = administrator.post(f"{path}/confirm", {})
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "Writing")
    run_due_jobs()
    done = administrator.get(path).json()
    assert (done["state"], done["good"], done["bad"]) == ("Done", 3, 4)
    assert done["finishedAt"] is not None
    device = Device.objects.get(mac="00908F000001")
    assert (device.group, device.description) == (cast.provider, "Lobby")
    assert device.location is not None
    # Of the rows those stay that were left out.
    assert verdicts(administrator, path) == [
        (4, "InvalidMAC"),
        (5, "UnknownGroup"),
        (6, "UnknownGroup"),
        (7, "UnknownLocation"),
    ]


def test_a_row_says_what_will_become_of_it(administrator: Api, cast: Cast, places: None) -> None:
    path, _ = checked(administrator)
    rows = administrator.get(f"{path}/rows").json()["rows"]
    assert rows[0] == {
        "line": 2,
        "mac": "00:90:8F:00:00:01",
        "group": "Acme Voice / Berlin Phones",
        "location": "https://pbx.example/cfg/",
        "description": "Lobby",
        "verdict": "Created",
        "good": True,
        "problem": "",
        "groupId": cast.provider.pk,
        "locationId": cast.provider.locations.get().pk,
    }
    assert rows[2]["problem"]
    page = administrator.get(f"{path}/rows", {"filter": "good=false", "limit": 3, "page": 2}).json()
    assert [row["line"] for row in page["rows"]] == [7]
    assert page["pages"] == {"total": 2, "totalElements": 4, "size": 3, "current": 2}
    only = administrator.get(f"{path}/rows", {"filter": "verdict='InvalidMAC';'Created'", "sort": "-line"}).json()
    assert [row["line"] for row in only["rows"]] == [4, 3, 2]


def test_bad_rows_are_a_file_to_correct_and_send_again(administrator: Api, cast: Cast, places: None) -> None:
    path, _ = checked(administrator)
    headers = administrator.headers | {"Accept": "text/csv"}
    answer: Any = administrator.client.get(
        f"/api/v1{path}/rows", {"filter": "verdict='UnknownLocation'"}, headers=headers
    )
    content = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert content.partition("\r\n")[0].split(",") == imports.BAD_COLUMNS
    corrected = content.replace("/other/", "/cfg/")
    assert checked(administrator, corrected)[1]["counts"] == {"Created": 1}


def test_an_export_imported_changes_nothing(cast: Cast, places: None) -> None:
    """Also of a caller who does not see the name of the reseller above."""
    make_device(cast.provider, "00908F000007", cast.provider.locations.get(), description="=1+1")
    for group in (cast.reseller, cast.provider):
        api = Api(make_user(group))
        answer: Any = api.client.get("/api/v1/devices", headers=api.headers | {"Accept": "text/csv"})
        content = b"".join(answer.streaming_content)
        _, found = checked(api, content, move="true")
        assert set(found["counts"]) == {"Unchanged"}


def test_devices_move_only_if_that_is_asked_for(administrator: Api, cast: Cast) -> None:
    old, new = make_location(cast.provider, "https://old.example/"), make_location(cast.provider)
    device = make_device(cast.provider, "00908F000001", old)
    content = f"mac,group,location\n{device.mac},Berlin Phones,{new.url}\n"
    assert checked(administrator, content)[1]["counts"] == {"Kept": 1}
    assert checked(administrator, content, move="false")[1]["counts"] == {"Kept": 1}
    path, found = checked(administrator, content, move="true")
    assert (found["counts"], found["move"]) == ({"Moved": 1}, True)
    administrator.post(f"{path}/confirm", {})
    run_due_jobs()
    device.refresh_from_db()
    assert device.location == new


def test_a_sheet_is_chosen(administrator: Api, cast: Cast) -> None:
    rows: list[list[Any]] = [["mac", "group"], ["00:90:8F:00:00:01", "Berlin Phones"]]
    path, found = checked(administrator, workbook(rows, [["mac"], ["x"]]), name="devices.xlsx")
    assert (found["state"], found["otherSheets"]) == ("ChooseSheet", ["Sheet 1", "Sheet 2"])
    assert administrator.put(path, {}).status_code == 409
    assert administrator.post(f"{path}/confirm", {}).status_code == 409
    answer = administrator.put(path, {"sheet": "Sheet 1"})
    assert (answer.status_code, answer.json()["state"]) == (200, "Reading")
    run_due_jobs()
    found = administrator.get(path).json()
    assert (found["state"], found["counts"], found["otherSheets"]) == ("Checked", {"Created": 1}, ["Sheet 2"])
    assert administrator.put(path, {"sheet": "Sheet 2"}).status_code == 409
    assert checked(administrator, workbook(rows, rows), sheet="Sheet 2")[1]["state"] == "Checked"


def test_numbers_need_a_word(administrator: Api, cast: Cast) -> None:
    rows: list[list[Any]] = [["mac", "group"], [1565123456, "Berlin Phones"]]
    path, found = checked(administrator, workbook(rows))
    assert found["counts"] == {"Restored": 1}
    refused = administrator.post(f"{path}/confirm", {})
    assert (refused.status_code, refused.json()["description"]) == (409, door.NOTHING_GOOD)
    shown = administrator.get(path).json()
    answer = administrator.put(path, shown | {"numbers": True})
    assert (answer.status_code, answer.json()["state"]) == (200, "Checking")
    run_due_jobs()
    assert administrator.get(path).json()["counts"] == {"Created": 1}
    assert checked(administrator, workbook(rows), numbers="true")[1]["counts"] == {"Created": 1}


def test_what_changed_since_is_checked_again_and_not_written(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator, "mac,group\n00908F000001,Berlin Phones\n00908F000002,Berlin Phones\n")
    make_device(cast.stranger, "00908F000001")
    assert administrator.post(f"{path}/confirm", {}).status_code == 200
    run_due_jobs()
    found = administrator.get(path).json()
    assert (found["state"], found["counts"]) == ("Checked", {"Created": 1, "OtherGroup": 1})
    assert "Nothing was written" in found["problem"]
    assert not Device.objects.filter(mac="00908F000002").exists()


def test_rows_are_checked_again_when_asked_for(administrator: Api, cast: Cast) -> None:
    path, found = checked(
        administrator, "mac,group,location\n00908F000001,Berlin Phones,https://pbx.example/cfg/\n"
    )
    assert found["counts"] == {"UnknownLocation": 1}
    make_location(cast.provider, "https://pbx.example/cfg/")
    assert administrator.put(path, {}).json()["state"] == "Checking"
    run_due_jobs()
    assert administrator.get(path).json()["counts"] == {"Created": 1}


@pytest.mark.parametrize("content", ["no list at all", b"\x89PNG", "group\nx\n"])
def test_a_file_that_cannot_be_read_fails(administrator: Api, content: str | bytes) -> None:
    path, found = checked(administrator, content)
    assert found["state"] == "Failed"
    assert found["problem"]
    assert administrator.get(f"{path}/rows").status_code == 204
    assert administrator.post(f"{path}/confirm", {}).status_code == 409


def test_it_is_confirmed_once(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator, "mac,group\n00908F000001,Berlin Phones\n")
    assert [administrator.post(f"{path}/confirm", {}).status_code for _ in range(2)] == [200, 409]
    assert administrator.delete(path).status_code == 409
    run_due_jobs()
    assert administrator.post(f"{path}/confirm", {}).status_code == 409
    assert administrator.delete(path).status_code == 409
    assert administrator.put(path, {}).status_code == 409


def test_it_is_deleted(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator)
    assert administrator.delete(path).json() == {"description": "Import deleted"}
    assert administrator.get(path).status_code == 204
    assert administrator.delete(path).status_code == 404


def test_one_that_is_left_alone_fails(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator)
    Import.objects.update(created_at="2020-01-01T00:00:00Z")
    imports.forget_old()
    found = administrator.get(path).json()
    assert (found["state"], found["problem"][:34]) == ("Failed", "It was not confirmed within a day.")


def test_one_whose_job_was_given_up_fails_and_goes_on_when_asked(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator, "mac,group\n00908F000001,Berlin Phones\n")
    administrator.put(path, {})
    Job.objects.update(state=JobState.FAILED, problem="The process that did it has died, 3 times.")
    found = administrator.get(path).json()
    assert (found["state"], found["problem"]) == (
        "Failed",
        "The rows were not checked. The process that did it has died, 3 times. Let them be checked again.",
    )
    assert administrator.put(path, {}).json()["state"] == "Checking"
    run_due_jobs()
    assert administrator.get(path).json()["state"] == "Checked"


def test_many_rows(administrator: Api, cast: Cast) -> None:
    lines = "".join(f"0090{n:08X},Berlin Phones\n" for n in range(5_000))
    path, found = checked(administrator, f"mac,group\n{lines}")
    assert found["counts"] == {"Created": 5_000}
    administrator.post(f"{path}/confirm", {})
    run_due_jobs()
    assert cast.provider.devices.count() == 5_000


# --- Who ------------------------------------------------------------------------------------------------------


def test_what_is_foreign_is_answered_like_what_is_not_there(cast: Cast) -> None:
    """Groups and locations by name and id; only that a MAC is taken is told, as POST /devices does."""
    place = make_location(cast.stranger, "https://secret.example/")
    device = make_device(cast.stranger, "00908F00000A", place)
    cells = [
        ("Foreign Telecom", "Unheard Telecom"),
        ("Foreign Telecom / Foreign Phones", "Unheard Telecom / Foreign Phones"),
        (str(cast.stranger.pk), "987654"),
    ]
    for group in (cast.reseller, cast.provider):
        api = Api(make_user(group))
        for foreign, unknown in cells:
            pair = []
            for name in (foreign, unknown):
                path, found = checked(api, f"mac,group\n00908F000001,{name}\n")
                (row,) = api.get(f"{path}/rows").json()["rows"]
                row |= {word: row[word].replace(name, "") for word in ("group", "problem")}
                pair.append((found["counts"], row))
            assert pair[0] == pair[1]
            assert pair[0][0] == {"UnknownGroup": 1}
        places = [place.url, "https://unheard.example/", str(place.pk), "987654"]
        for text in places:
            path, found = checked(api, f"mac,group,location\n00908F000001,Berlin Phones,{text}\n")
            assert found["counts"] == {"UnknownLocation": 1}, text
        path, found = checked(api, f"mac,group\n{device.mac},Berlin Phones\n")
        (row,) = api.get(f"{path}/rows").json()["rows"]
        assert (row["verdict"], row["problem"]) == ("OtherGroup", "This MAC belongs to another group.")


def test_a_provider_is_not_told_who_is_above(cast: Cast) -> None:
    api = Api(make_user(cast.provider))
    for name in ("Acme Voice / Berlin Phones", "Acme Voice", "Munich Phones"):
        _, found = checked(api, f"mac,group\n00908F000001,{name}\n")
        assert found["counts"] == {"UnknownGroup": 1}, name
    assert checked(api, "mac,group\n00908F000001,Berlin Phones\n")[1]["counts"] == {"Created": 1}


def test_the_owner_is_named_where_the_caller_sees_it(administrator: Api, cast: Cast) -> None:
    make_device(cast.sibling, "00908F00000A")
    path, _ = checked(administrator, "mac,group\n00908F00000A,Berlin Phones\n")
    (row,) = administrator.get(f"{path}/rows").json()["rows"]
    assert row["problem"] == "This MAC belongs to Munich Phones. Remove it there first."


def test_the_operator_imports_for_all_and_tenants_do_not_see_it(administrator: Api, cast: Cast) -> None:
    operator = Api(make_operator())
    path, found = checked(operator, "mac,group\n00908F000001,Foreign Phones\n00908F000002,Acme Voice\n")
    assert (found["counts"], found["groupId"]) == ({"Created": 2}, None)
    assert administrator.get(path).status_code == 204
    assert administrator.get("/imports").status_code == 204


def test_imports_are_listed_by_scope(administrator: Api, cast: Cast) -> None:
    for group in (cast.reseller, cast.provider, cast.stranger):
        make_import(group, "00908F000001", file_name=f"{group}.csv")
    listed = administrator.get("/imports", {"filter": "state='Checked'", "sort": "-fileName"}).json()
    assert [row["fileName"] for row in listed["imports"]] == ["Berlin Phones.csv", "Acme Voice.csv"]
    assert administrator.get("/imports", {"filter": "state!='Checked'"}).status_code == 204


def test_the_entry_names_who_confirmed(administrator: Api, cast: Cast) -> None:
    key, secret = make_key(cast.reseller, Level.OPERATOR)
    api = Api(key=secret)
    path, _ = checked(api, "mac,group\n00908F000001,Berlin Phones\n")
    Entry.objects.all().delete()
    confirmed = api.post(f"{path}/confirm", {})
    run_due_jobs()
    (entry,) = Entry.objects.filter(event=Event.DEVICES_IMPORTED)
    assert (entry.actor_login, entry.actor_group_id) == (f"key {key.pk}: Import", cast.reseller.pk)
    assert (entry.source, entry.cid, entry.group_id) == (Source.API, confirmed["X-Request-ID"], cast.provider.pk)
    shown = administrator.get("/audit", {"filter": "event='DevicesImported'"}).json()["audit"][0]
    assert (shown["user"], shown["macList"]) == (f"key {key.pk}: Import", ["00:90:8F:00:00:01"])


# --- What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (Form(move="true"), "file: This field is required."),
        (Form(file=b""), "file: The file is empty."),
        (Form(file=LIST, move="yes"), "move: Must be true or false."),
        (Form(file=LIST, numbers="1"), "numbers: Must be true or false."),
        (Form(file=LIST, colour="red"), "colour: Unknown attribute."),
        (Form(file=LIST, sheet="a\x00b"), "sheet: Must not hold control characters."),
        (Form(file=LIST, sheet=["a", "b"]), 'The attribute "sheet" stands twice in the request body.'),
    ],
)
def test_a_form_that_is_not_well_formed(administrator: Api, form: Form, says: str) -> None:
    answer = administrator.post("/imports", Form(form))
    assert (answer.status_code, answer.json()["description"]) == (400, says)
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/csv", LIST.encode(), 415),
        ("multipart/form-data", LIST.encode(), 400),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense", 400),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
def test_a_body_that_is_no_form(administrator: Api, content_type: str, body: bytes, status: int) -> None:
    answer = administrator.client.generic(
        "POST", "/api/v1/imports", body, content_type, headers=administrator.headers
    )
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["description"] == "Send the request body as multipart/form-data."
    assert answer.json()["description"]


def test_a_file_that_is_too_large(administrator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.imports.spreadsheet.MOST_BYTES", 100)
    answer = administrator.post("/imports", Form(file=LIST))
    assert answer.status_code == 413
    assert not Import.objects.exists()


def test_a_group_has_only_so_many_that_are_open(cast: Cast, administrator: Api) -> None:
    for _ in range(door.MOST_OPEN):
        make_import(cast.reseller, "00908F000001")
    refused = administrator.post("/imports", Form(file=LIST))
    assert (refused.status_code, refused.json()["description"]) == (409, door.TOO_MANY)
    assert sent(Api(make_user(cast.provider)))
    Import.objects.filter(group=cast.reseller).update(state=ImportState.DONE)
    assert sent(administrator)


@pytest.mark.parametrize("id", [987_654, 2**63, 10**30])
def test_an_import_that_is_not_there(administrator: Api, id: int) -> None:
    assert administrator.get(f"/imports/{id}").status_code == 204
    assert administrator.get(f"/imports/{id}/rows").status_code == 204
    assert administrator.post(f"/imports/{id}/confirm", {}).status_code == 404
    assert administrator.put(f"/imports/{id}", {}).status_code == 404
    assert administrator.delete(f"/imports/{id}").status_code == 404


# --- Again ----------------------------------------------------------------------------------------------------


def test_a_file_that_is_sent_again_is_one_import(administrator: Api, cast: Cast) -> None:
    """Each form has another boundary; the file and its name count."""
    administrator.headers["Idempotency-Key"] = "once"
    first, second = (administrator.post("/imports", Form(file=LIST)) for _ in range(2))
    assert (first.status_code, first.content) == (201, second.content)
    assert Import.objects.count() == 1
    for other in (Form(file=LIST + "x"), Form(file=LIST, name="other.csv"), Form(file=LIST, move="true")):
        assert administrator.post("/imports", other).status_code == 422
    run_due_jobs()
    administrator.headers["Idempotency-Key"] = "confirmed"
    path = first.json()["url"].removeprefix("/api/v1")
    answers = [administrator.post(f"{path}/confirm", {}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_a_change_that_was_not_seen_is_not_confirmed(administrator: Api, cast: Cast) -> None:
    path, _ = checked(administrator)
    tag = administrator.get(path)["ETag"]
    administrator.put(path, {"numbers": True})
    administrator.headers["If-Match"] = tag
    assert administrator.put(path, {}).status_code == 412
    assert administrator.delete(path).status_code == 412


# --- Statements -----------------------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_depend_on_rows(administrator: Api, cast: Cast) -> None:
    def statements(number: int) -> list[int]:
        lines = "".join(f"{Device.objects.count() + n:012X},Berlin Phones\n" for n in range(1, number + 1))
        counts = []

        def counted(call: Any) -> Any:
            with CaptureQueriesContext(connection) as queries:
                answer = call()
            counts.append(len(queries))
            return answer

        path = counted(lambda: sent(administrator, f"mac,group\n{lines}"))
        counted(run_due_jobs)
        counted(lambda: administrator.get(path))
        counted(lambda: administrator.get(f"{path}/rows?limit=1000"))
        counted(lambda: administrator.post(f"{path}/confirm", {}))
        counted(run_due_jobs)
        return counts

    statements(1)
    assert statements(2) == statements(900)
