"""The import's pages over HTTP: each verdict, the preview, the confirmation, who may, and without scripts."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook, load_workbook

from accounts.models import Group, User
from devices import mac
from devices.imports import imports
from devices.models import Device, Import, ImportRow, ImportState
from devices.reconcile import RowOutcome
from tests.conftest import Cast, make_device, make_group, make_location, make_operator, run_due_jobs
from tests.desk.test_admin import browser_of, make_staff, text_of

PAGES = "/admin/devices/device/import/"
HEADER = ["mac", "group", "location", "description"]
A, B, C, D, E, F = (f"00908F00000{digit}" for digit in "ABCDEF")

Rows = Sequence[Sequence[Any]]


def csv_of(rows: Rows, header: Sequence[str] = HEADER) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def xlsx_of(rows: Rows, header: Sequence[str] = HEADER) -> bytes:
    book = Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


KINDS = {"csv": csv_of, "xlsx": xlsx_of}


@pytest.fixture
def agent(db: None) -> User:
    return make_staff("import_device", "view_device")


@pytest.fixture
def browser(agent: User) -> Client:
    return browser_of(agent)


def send(browser: Client, data: bytes, name: str = "phones.csv", **form: Any) -> Any:
    file = io.BytesIO(data)
    file.name = name
    return browser.post(PAGES, {"file": file, **form})


def upload(browser: Client, data: bytes, **form: Any) -> Import:
    """A file that is accepted."""
    answer = send(browser, data, **form)
    assert answer.status_code == 302, text_of(answer)
    return Import.objects.latest("pk")


def page_of(upload: Import) -> str:
    return f"{PAGES}{upload.pk}/"


def check(browser: Client, upload: Import) -> Import:
    """What the page's script does."""
    for _ in range(200):
        answer = browser.post(f"{page_of(upload)}next/", headers={"Accept": "application/json"})
        if answer.json()["state"] != ImportState.READING:
            break
    upload.refresh_from_db()
    assert upload.state == ImportState.CHECKED
    return upload


def checked(browser: Client, data: bytes, **form: Any) -> Import:
    return check(browser, upload(browser, data, **form))


def verdicts(upload: Import) -> dict[int, str]:
    return dict(upload.rows.order_by("number").values_list("number", "verdict"))


def confirm(upload: Import) -> bool:
    """What the job of a confirmed import does, here and now; whether all was written."""
    assert imports.confirm(upload)
    run_due_jobs()
    upload.refresh_from_db()
    return upload.state == ImportState.DONE


def state_of(mac: str) -> tuple[Any, ...]:
    return Device.objects.values_list("group__name", "location__url", "description").get(mac=mac)


# --- Verdicts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("move", [False, True])
def test_each_row_gets_its_verdict_and_the_good_ones_are_written(
    cast: Cast, browser: Client, kind: str, move: bool
) -> None:
    here, there = make_location(cast.provider, "https://here.example/"), make_location(cast.provider)
    make_location(cast.provider, "https://twice.example/")
    second = make_location(cast.provider, "https://twice.example/")
    foreign = make_location(cast.stranger, "https://foreign.example/")
    make_group("Berlin Phones", cast.stranger)
    berlin = "Acme Voice / Berlin Phones"
    make_device(cast.provider, B, there, description="old")
    make_device(cast.provider, C, here, description="old")
    make_device(cast.provider, D, here, description="old")
    make_device(cast.provider, E)
    make_device(cast.stranger, F)
    rows: list[tuple[RowOutcome, list[Any]]] = [
        (RowOutcome.CREATED, ["00:90:8f:00:00:0a", berlin, "https://here.example/", "new"]),
        (RowOutcome.MOVED if move else RowOutcome.KEPT_AND_CHANGED, [B, cast.provider.pk, here.pk, "new"]),
        (RowOutcome.CHANGED, [C, f"{berlin}", "", "new"]),
        (RowOutcome.UNCHANGED, [D, "Acme Voice/Berlin Phones", "https://here.example/", ""]),
        (RowOutcome.MOVED, [E, f"{cast.provider.pk}.0", f"{here.pk}.0", ""]),
        (RowOutcome.INVALID_MAC, ["00:90:8F:00:00", berlin, "", ""]),
        (RowOutcome.INVALID_MAC, ["", berlin, "", ""]),
        (RowOutcome.REPEATED_MAC, [A, berlin, "", ""]),
        (RowOutcome.NO_GROUP, ["0090 8F00 0010", "", "", ""]),
        (RowOutcome.UNKNOWN_GROUP, ["00908F000011", "Nobody's", "", ""]),
        (RowOutcome.UNKNOWN_GROUP, ["00908F000012", "999999", "", ""]),
        (RowOutcome.AMBIGUOUS_GROUP, ["00908F000013", "Berlin Phones", "", ""]),
        (RowOutcome.OTHER_GROUP, [F, berlin, "", ""]),
        (RowOutcome.UNKNOWN_LOCATION, ["00908F000014", berlin, foreign.url, ""]),
        (RowOutcome.UNKNOWN_LOCATION, ["00908F000015", berlin, foreign.pk, ""]),
        (RowOutcome.AMBIGUOUS_LOCATION, ["00908F000016", berlin, "https://twice.example/", ""]),
        (RowOutcome.CREATED, ["00908F000017", berlin, second.pk, ""]),
        (RowOutcome.LONG_DESCRIPTION, ["00908F000018", berlin, "", "x" * 1001]),
    ]
    form = {"move": "on"} if move else {}
    made = checked(browser, KINDS[kind]([row for _, row in rows]), **form)

    expected = {number: verdict for number, (verdict, _) in enumerate(rows, start=2)}
    assert verdicts(made) == expected
    assert Device.objects.count() == 5, "nothing is written before it is confirmed"
    for row in imports.bad_rows(made):
        assert row.problem.endswith("."), row.verdict
    for row in imports.good_rows(made):
        assert row.problem == ""

    assert confirm(made)
    assert made.good == 6
    name = cast.provider.name
    assert state_of(A) == (name, "https://here.example/", "new")
    assert state_of(B) == (name, "https://here.example/" if move else there.url, "new")
    assert state_of(C) == (name, "https://here.example/", "new")
    assert state_of(D) == (name, "https://here.example/", "old")
    assert state_of(E) == (name, "https://here.example/", None)
    assert state_of(F) == (cast.stranger.name, None, None)
    assert state_of("00908F000017") == (name, second.url, None)
    assert Device.objects.count() == 7


def test_a_problem_says_what_to_do(cast: Cast, browser: Client) -> None:
    make_device(cast.stranger, F)
    make_group("Berlin Phones", cast.stranger)
    rows = [[A, "Acme Voice"], [A, "Acme Voice"], [F, "Acme Voice"], [B, "Berlin Phones"], ["1.00E+11", "x"]]
    made = checked(browser, csv_of(rows))
    problems = dict(imports.bad_rows(made).values_list("number", "problem"))
    assert "Line 2 has this MAC already" in problems[3]
    assert "belongs to Foreign Telecom" in problems[4]
    assert "Acme Voice / Berlin Phones" in problems[5]
    assert "Write “Reseller / Provider”, or the id" in problems[5]
    assert "format the column as text" in problems[6]
    page = text_of(browser.get(page_of(made) + "?verdict=OtherGroup"))
    assert "belongs to Foreign Telecom" in page
    assert "Berlin Phones" not in page


def test_a_number_that_names_one_group_and_is_the_id_of_another_is_not_guessed(
    cast: Cast, browser: Client
) -> None:
    make_group(str(cast.provider.pk))
    made = checked(browser, csv_of([[A, cast.provider.pk]]))
    assert verdicts(made) == {2: RowOutcome.AMBIGUOUS_GROUP}


def test_a_name_with_a_slash_is_found(cast: Cast, browser: Client) -> None:
    make_group("North/South", make_group("A/B"))
    made = checked(browser, csv_of([[A, "North/South"], [B, "A/B / North/South"], [C, "A/B"]]))
    assert set(verdicts(made).values()) == {RowOutcome.CREATED}


# --- The way through ------------------------------------------------------------------------------------------


def test_the_progress_moves_with_each_piece(cast: Cast, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = upload(browser, csv_of([[f"00908F{number:06X}", "Acme Voice"] for number in range(5_000)]))
    assert browser.post(f"{page_of(made)}again/").status_code == 302
    told = []
    for _ in range(3):
        answer = browser.post(f"{page_of(made)}next/", headers={"Accept": "application/json"})
        told.append(answer.json())
        assert browser.get(f"{page_of(made)}progress/").json()["state"] == answer.json()["state"]
    assert [progress["done"] for progress in told] == [2000, 4000, 5000]
    assert [progress["state"] for progress in told] == ["Reading", "Reading", "Checked"]
    assert {progress["total"] for progress in told} == {5000}
    assert told[0]["text"] == "2,000 of 5,000 rows checked"


def test_without_scripts_a_button_goes_on(cast: Cast, browser: Client) -> None:
    made = upload(browser, csv_of([[A, "Acme Voice"]]))
    browser.post(f"{page_of(made)}again/")
    page = browser.get(page_of(made))
    assert "Check the next rows" in text_of(page)
    assert b"<progress" in page.content
    answer = browser.post(f"{page_of(made)}next/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 302
    assert answer["Location"] == page_of(made)
    assert "Import 1 device" in text_of(browser.get(page_of(made)))


def test_the_preview_counts_and_pages_the_rows(cast: Cast, browser: Client) -> None:
    rows = [[f"00908F{number:06X}", "Acme Voice"] for number in range(150)] + [["x", "Acme Voice"]]
    made = checked(browser, csv_of(rows))
    page = text_of(browser.get(page_of(made)))
    assert "Created 150" in page
    assert "Invalid MAC 1 left out" in page
    assert "Import 150 devices, leave 1 out" in page
    assert "Page 1 of 2" in page
    assert "Page 2 of 2" in text_of(browser.get(page_of(made) + "?page=2"))
    bad = text_of(browser.get(page_of(made) + "?verdict=bad"))
    assert "Page 1 of 1" in bad
    assert "“x” is no MAC" in bad


@pytest.mark.parametrize("kind", KINDS)
def test_bad_rows_can_be_corrected_and_uploaded_again(cast: Cast, browser: Client, kind: str) -> None:
    made = checked(browser, csv_of([[A, "Acme Voice"], [B, "Acme"], ["x", "=cmd|' /C calc'!A0", "", "-1"]]))
    answer = browser.get(f"{page_of(made)}bad.{kind}")
    assert "attachment" in answer["Content-Disposition"]
    data = answer.getvalue()
    rows = read_back(kind, data)
    assert rows[0] == ["mac", "group", "location", "description", "line", "problem"]
    assert [str(row[4]) for row in rows[1:]] == ["3", "4"]
    assert rows[1][0] == mac.display(B)
    again = checked(browser, data)
    assert dict(again.rows.values_list("mac_cell", "group_cell"))["x"] == "=cmd|' /C calc'!A0"
    assert again.ignored_columns == "line, problem"
    for row in rows[1:]:
        row[0], row[1] = row[0].replace("x", C), "Acme Voice"
    corrected = checked(browser, KINDS[kind](rows[1:], rows[0]))
    assert set(verdicts(corrected).values()) == {RowOutcome.CREATED}


def read_back(kind: str, data: bytes) -> list[list[Any]]:
    if kind == "xlsx":
        return [list(row) for row in load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)]
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_can_be_uploaded(browser: Client, kind: str) -> None:
    answer = browser.get(f"{PAGES}template.{kind}")
    assert answer.status_code == 200
    made = checked(browser, answer.getvalue())
    assert verdicts(made) == {2: RowOutcome.UNKNOWN_GROUP}


def test_an_unreadable_file_is_told_of_at_the_form(browser: Client) -> None:
    answer = send(browser, b"a,b\n1,2\n")
    assert answer.status_code == 200
    assert "one of them must be mac" in text_of(answer)
    assert not Import.objects.exists()


def test_an_import_that_was_not_confirmed_can_be_discarded(cast: Cast, browser: Client) -> None:
    made = checked(browser, csv_of([[A, "Acme Voice"]]))
    assert browser.post(f"{page_of(made)}discard/").status_code == 302
    assert not Import.objects.exists()
    assert not ImportRow.objects.exists()


def test_no_page_has_a_script_that_the_content_policy_forbids(cast: Cast, browser: Client) -> None:
    made = upload(browser, csv_of([[A, "Acme Voice"], [B, "<script>alert(1)</script>"]]))
    answers = [browser.get(PAGES), browser.get(page_of(made))]
    check(browser, made)
    answers.append(browser.get(page_of(made)))
    for answer in answers:
        assert answer.status_code == 200
        assert re.search(rb"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", answer.content) is None


# --- Who may --------------------------------------------------------------------------------------------------


def test_only_who_may_import_sees_the_pages(cast: Cast, browser: Client) -> None:
    made = checked(browser, csv_of([[A, "Acme Voice"]]))
    reader = browser_of(make_staff("view_device", "change_device", "add_device"))
    for address in (
        PAGES,
        f"{PAGES}template.csv",
        page_of(made),
        f"{page_of(made)}progress/",
        f"{page_of(made)}bad.csv",
    ):
        assert reader.get(address).status_code == 403
        assert Client().get(address).status_code == 302, "to the login"
    for action in ("next", "confirm", "again", "discard"):
        assert reader.post(f"{page_of(made)}{action}/").status_code == 403
    assert "Import</a>" not in reader.get("/admin/devices/device/").content.decode()
    assert "Import</a>" in browser.get("/admin/devices/device/").content.decode()


def test_others_may_look_and_only_its_maker_decides(cast: Cast, browser: Client) -> None:
    made = checked(browser, csv_of([[A, "Acme Voice"]]))
    for colleague in (browser_of(make_staff("import_device")), browser_of(make_operator())):
        page = colleague.get(page_of(made))
        assert page.status_code == 200
        assert "Import 1 device" not in text_of(page)
        for action in ("next", "confirm", "again", "discard"):
            assert colleague.post(f"{page_of(made)}{action}/").status_code == 403
    assert Import.objects.get().state == ImportState.CHECKED


@pytest.mark.parametrize("action", ["next", "confirm", "again", "discard"])
def test_nothing_is_done_by_a_link(cast: Cast, browser: Client, action: str) -> None:
    made = upload(browser, csv_of([[A, "Acme Voice"]]))
    assert browser.get(f"{page_of(made)}{action}/").status_code == 405


# --- Statements -----------------------------------------------------------------------------------------------


def test_a_piece_takes_as_many_statements_whatever_stands_in_it(cast: Cast, agent: User) -> None:
    """Its import; the rows; groups, names, locations, devices, owners; the verdicts; the import again."""
    some, many = (of_groups(agent, number) for number in (2, 300))
    few, much = statements_of_reading(some), statements_of_reading(many)
    assert len(few) == len(much), "\n".join([*few, "", *much])
    written = re.findall(
        r"^(?:\d+ times: )?(?:INSERT|UPDATE|COPY).*devices_importrow", "\n".join(much), re.MULTILINE
    )
    assert len(written) == 1, "each row is written once, with its verdict"
    few = statements_of_piece(some)
    much = statements_of_piece(many)
    assert len(few) == len(much), "\n".join([*few, "", *much])
    ContentType.objects.get_for_model(Group)  # asked for once in a process
    few, much = statements_of_writing(some), statements_of_writing(many)
    assert len(few) == len(much), "\n".join([*few, "", *much])
    assert Device.objects.filter(location__isnull=False).count() == 2 * 302


def of_groups(agent: User, number: int) -> Import:
    """Devices that are new, and that exist, in so many groups with a location each."""
    groups = [
        Group(name=f"G{number}-{n}", group_type="Provider", reseller=Group.objects.first()) for n in range(number)
    ]
    lines = []
    for n, group in enumerate(Group.objects.bulk_create(groups)):
        url = f"https://g{n}.example/"
        make_location(group, url)
        make_device(group, f"0090{number:04X}{n:04X}")
        lines += [[f"0090{number:04X}{n:04X}", group.name, url], [f"0091{number:04X}{n:04X}", group.name, url]]
    return imports.receive(agent, "phones.csv", csv_of([[*line, "x"] for line in lines]), move=True)


def statements_of_reading(upload: Import) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        imports.read_here(upload)
    assert upload.state == ImportState.CHECKED
    return [query["sql"][:200] for query in queries]


def statements_of_piece(upload: Import) -> list[str]:
    assert imports.check_again(upload)
    with CaptureQueriesContext(connection) as queries:
        imports.check_next(upload.pk)
    upload.refresh_from_db()
    assert upload.state == ImportState.CHECKED
    return [query["sql"][:200] for query in queries]


def statements_of_writing(upload: Import) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert confirm(upload)
    return [query["sql"][:200] for query in queries]
