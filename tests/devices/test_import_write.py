"""The transaction of an import: whole or not at all, whatever happens beside it; and by the rules of the API."""

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from devices import bulk
from devices.imports import imports, rows_table, writer
from devices.models import Device, Import, ImportFile, ImportRow, ImportState
from devices.reconcile import DesiredDevice, RowOutcome
from jobs import runner
from jobs.models import Job
from locations.models import Location
from redirect.errors import ChangedMeanwhile
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator, run_due_jobs
from tests.desk.test_admin import browser_of, make_staff, text_of

pytestmark = pytest.mark.django_db(transaction=True)

MACS = [f"00908F{number:06X}" for number in range(3000)]
A, B, C = MACS[:3]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The cast of every test, committed, so that all connections see it."""
    reseller, stranger = make_group("Acme Voice"), make_group("Foreign Telecom")
    return Cast(
        reseller=reseller,
        provider=make_group("Berlin Phones", reseller),
        sibling=make_group("Munich Phones", reseller),
        stranger=stranger,
        strangers_provider=make_group("Foreign Phones", stranger),
    )


@pytest.fixture
def agent(cast: Cast) -> User:
    return make_staff("import_device", "view_device")


@pytest.fixture
def browser(agent: User) -> Client:
    return browser_of(agent)


@pytest.fixture
def postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")


def staged(user: User | None, rows: Any, *, move: bool = False) -> Import:
    """An import of these rows, checked."""
    text = io.StringIO()
    csv.writer(text).writerows([["mac", "group", "location", "description"], *rows])
    upload = imports.receive(user, "phones.csv", text.getvalue().encode(), move=move)
    imports.read_here(upload)
    while upload.state == ImportState.READING:
        upload = imports.check_next(upload.pk)
    return upload


def checked_again(upload: Import) -> Import:
    upload.refresh_from_db()
    while upload.state == ImportState.READING:
        upload = imports.check_next(upload.pk)
    return upload


def write(upload: Import) -> bool:
    assert imports.confirm(upload)
    run_due_jobs()
    upload.refresh_from_db()
    return upload.state == ImportState.DONE


def page_of(upload: Import) -> str:
    return f"/admin/devices/device/import/{upload.pk}/"


@contextmanager
def worker() -> Iterator[None]:
    """`manage.py run_jobs` at work beside the test, until the jobs that are due now are done."""

    def work() -> None:
        try:
            run_due_jobs()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(120)


def the_process_is_silent() -> None:
    """For longer than one that lives can be."""
    Job.objects.update(heartbeat=timezone.now() - 2 * runner.SILENT_AT_MOST)


class Killed(BaseException):
    """The process ends: nothing is cleaned up."""


def test_a_confirmed_import_is_written_by_a_job_and_its_rows_go(cast: Cast, agent: User, browser: Client) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS] + [["x", "Acme Voice"]])
    answer = browser.post(f"{page_of(upload)}confirm/")
    assert answer.status_code == 302
    assert not Device.objects.exists()
    assert browser.get(f"{page_of(upload)}progress/").json()["state"] == ImportState.WRITING
    run_due_jobs()
    assert browser.get(f"{page_of(upload)}progress/").json()["state"] == ImportState.DONE
    assert Device.objects.filter(group=cast.reseller).count() == len(MACS)
    page = text_of(browser.get(page_of(upload)))
    assert "3,000 devices imported" in page
    assert "Invalid MAC 1 left out" in page
    assert list(ImportRow.objects.values_list("verdict", flat=True)) == [RowOutcome.INVALID_MAC]
    assert "x is no MAC" in text_of(browser.get(f"{page_of(upload)}?verdict=bad")).replace("“", "").replace(
        "”", ""
    )


def long_file(browser: Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an import whose file is to be read by a job."""
    monkeypatch.setattr(imports, "SHORT_FILE", 1000)
    file = io.BytesIO("\n".join(["mac,group", *(f"{mac},Acme Voice" for mac in MACS)]).encode())
    file.name = "phones.csv"
    return str(browser.post("/admin/devices/device/import/", {"file": file})["Location"])


def test_a_long_file_is_read_by_a_job_too(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PIECE", 1000)
    go_on, arrived = threading.Semaphore(0), threading.Semaphore(0)
    insert = rows_table.insert

    def slow(*arguments: Any) -> None:
        insert(*arguments)
        arrived.release()
        assert go_on.acquire(timeout=120)

    monkeypatch.setattr(rows_table, "insert", slow)
    address = long_file(browser, monkeypatch)
    told = []
    with worker():
        for _ in range(3):
            assert arrived.acquire(timeout=120)
            told.append(browser.get(f"{address}progress/").json())
            assert "rows read" in text_of(browser.get(address))
            go_on.release()
    assert [(progress["state"], progress["done"]) for progress in told] == [
        ("Staging", 1000),
        ("Staging", 2000),
        ("Staging", 3000),
    ]
    assert {progress["total"] for progress in told} == {3000}
    assert "Import 3,000 devices" in text_of(browser.get(address))
    assert not ImportFile.objects.exists()


def test_a_file_whose_reader_died_is_read_again_from_its_beginning(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PIECE", 1000)
    address = long_file(browser, monkeypatch)
    insert, pieces = rows_table.insert, []

    def killed(*arguments: Any) -> None:
        insert(*arguments)
        pieces.append(1)
        if len(pieces) == 2:
            raise Killed

    monkeypatch.setattr(rows_table, "insert", killed)
    run_due_jobs()
    assert ImportRow.objects.filter(verdict=RowOutcome.CREATED).count() == 1000
    assert Import.objects.get().checked == 1000
    assert browser.get(f"{address}progress/").json()["stalled"] is False
    the_process_is_silent()
    run_due_jobs()
    assert sorted(ImportRow.objects.values_list("number", flat=True)) == list(range(2, 3002))
    assert "Import 3,000 devices" in text_of(browser.get(address))


def test_a_file_that_kills_each_reader_is_to_be_uploaded_again(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = long_file(browser, monkeypatch)

    def killed(*arguments: Any) -> None:
        raise Killed

    monkeypatch.setattr(rows_table, "insert", killed)
    for _ in range(runner.ATTEMPTS + 1):
        run_due_jobs()
        the_process_is_silent()
    assert browser.get(f"{address}progress/").json()["stalled"] is True
    assert "has died, 3 times. Upload it again." in text_of(browser.get(address))
    assert browser.post(f"{address}discard/").status_code == 302
    assert not Import.objects.exists()


def test_the_progress_is_seen_while_nothing_is_committed(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PIECE", 1000)
    go_on, arrived = threading.Semaphore(0), threading.Semaphore(0)
    put = bulk.upsert

    def slow(*arguments: Any, **options: Any) -> Any:
        arrived.release()
        assert go_on.acquire(timeout=120)
        return put(*arguments, **options)

    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    monkeypatch.setattr(bulk, "upsert", slow)
    browser.post(f"{page_of(upload)}confirm/")
    with worker():
        for done in (0, 1000, 2000):
            assert arrived.acquire(timeout=120)
            told = browser.get(f"{page_of(upload)}progress/").json()
            assert told == {
                "state": "Writing",
                "done": done,
                "total": 3000,
                "text": f"{done:,} of 3,000 rows written",
                "stalled": False,
            }
            assert not Device.objects.exists()
            assert "rows written" in text_of(browser.get(page_of(upload)))
            again = browser.post(f"{page_of(upload)}confirm/", follow=True)
            assert "not to be written now" in text_of(again)
            go_on.release()
    assert browser.get(f"{page_of(upload)}progress/").json()["state"] == "Done"
    assert Device.objects.count() == 3000


# --- Something changes between preview and confirmation ---------------------------------------------------------


def device_appears(cast: Cast, location: Location) -> None:
    make_device(cast.provider, A)


def device_is_taken(cast: Cast, location: Location) -> None:
    make_device(cast.stranger, A)


def device_moves(cast: Cast, location: Location) -> None:
    Device.objects.filter(mac=B).update(location=location)


def device_goes(cast: Cast, location: Location) -> None:
    Device.objects.filter(mac=B).delete()


def location_goes(cast: Cast, location: Location) -> None:
    location.delete()


def group_goes(cast: Cast, location: Location) -> None:
    cast.sibling.delete()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (device_appears, 2),
        (device_is_taken, 2),
        (device_moves, 3),
        (device_goes, 3),
        (location_goes, 3),
        (group_goes, 5),
    ],
)
def test_nothing_is_written_if_something_is_not_as_the_preview_had_it(
    cast: Cast, agent: User, browser: Client, change: Any, line: int
) -> None:
    location = make_location(cast.provider)
    make_device(cast.provider, B)
    rows = [
        [A, "Berlin Phones"],
        [B, "Berlin Phones", location.url],
        [C, "Berlin Phones"],
        [MACS[3], "Munich Phones"],
    ]
    upload = staged(agent, rows)
    change(cast, location)
    before = list(Device.objects.order_by("pk").values())

    assert write(upload) is False

    assert list(Device.objects.order_by("pk").values()) == before
    assert upload.state == ImportState.READING
    assert f"line {line}" in upload.problem
    upload = checked_again(upload)
    page = text_of(browser.get(f"{page_of(upload)}?verdict=changed"))
    assert "Nothing was written, because something changed since the preview" in page
    assert "(was: " in page
    assert page.count("(was: ") == 1
    assert write(upload) is True, "the fresh preview can be confirmed"


# --- Something breaks in the middle -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "given_up"),
    [(RuntimeError("bug"), True), (OperationalError("away"), False), (ChangedMeanwhile(), False)],
)
def test_an_error_in_the_middle_leaves_nothing(
    cast: Cast,
    agent: User,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    given_up: bool,
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    break_after_the_first_piece(monkeypatch, error)
    assert write(upload) is False
    assert not Device.objects.exists()
    assert browser.get(f"{page_of(upload)}progress/").json()["stalled"] is given_up
    monkeypatch.undo()
    if given_up:
        assert "Nothing was written. An error of the service" in text_of(browser.get(page_of(upload)))
        assert browser.post(f"{page_of(upload)}again/").status_code == 302
        assert write(checked_again(upload)) is True
    else:
        DBTaskResult.objects.update(run_after=timezone.now())  # the delay is over
        run_due_jobs()
    assert Device.objects.count() == len(MACS)


def break_after_the_first_piece(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    put, pieces = bulk.upsert, []

    def broken(*arguments: Any, **options: Any) -> Any:
        pieces.append(1)
        if len(pieces) > 1:
            raise error
        return put(*arguments, **options)

    monkeypatch.setattr(bulk, "upsert", broken)


def test_an_import_whose_process_died_is_written_by_another(
    cast: Cast, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    break_after_the_first_piece(monkeypatch, Killed())
    assert write(upload) is False
    monkeypatch.undo()
    assert not Device.objects.exists()
    the_process_is_silent()
    run_due_jobs()
    assert Device.objects.count() == len(MACS)
    assert Import.objects.get().state == ImportState.DONE
    assert Job.objects.latest("pk").attempt == 2


def test_an_import_that_kills_each_process_can_be_confirmed_again(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    put = bulk.upsert

    def killed(*arguments: Any, **options: Any) -> Any:
        put(*arguments, **options)
        raise Killed

    monkeypatch.setattr(bulk, "upsert", killed)
    assert imports.confirm(upload)
    for _ in range(runner.ATTEMPTS + 1):
        run_due_jobs()
        the_process_is_silent()
    monkeypatch.undo()
    assert browser.get(f"{page_of(upload)}progress/").json()["stalled"] is True
    assert "Nothing was written. The process that did it has died" in text_of(browser.get(page_of(upload)))
    assert browser.post(f"{page_of(upload)}confirm/").status_code == 302
    run_due_jobs()
    assert Device.objects.count() == len(MACS)


def test_an_attempt_that_was_taken_for_dead_cannot_commit(cast: Cast, agent: User) -> None:
    upload = staged(agent, [[A, "Acme Voice"]])
    assert imports.confirm(upload)
    assert upload.job is not None
    job = runner.claim(upload.job.pk, 1)
    assert job is not None
    Job.objects.update(attempt=2)
    runner.run(job)
    assert not Device.objects.exists()
    upload.refresh_from_db()
    assert upload.state == ImportState.WRITING


# --- Others at work ---------------------------------------------------------------------------------------------


def test_an_import_and_bulk_calls_wait_for_each_other(cast: Cast, agent: User, postgresql: None) -> None:
    """The same MACs, in any order, for two groups: each gets one owner, and nothing deadlocks."""
    api = Api(make_operator())
    body = {"group": cast.stranger.pk, "macList": MACS[::-1], "overrideCurrentAssociation": False}
    for _ in range(3):
        upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
        assert imports.confirm(upload)
        with worker():
            answer = api.post("/devices", body)
        assert answer.status_code == 201, answer.content
        upload.refresh_from_db()
        counts = {group: Device.objects.filter(group=group).count() for group in (cast.reseller, cast.stranger)}
        if upload.state == ImportState.DONE:
            assert counts == {cast.reseller: len(MACS), cast.stranger: 0}
        else:
            assert "Nothing was written" in upload.problem
            assert counts == {cast.reseller: 0, cast.stranger: len(MACS)}
        Device.objects.all()._raw_delete("default")


def test_phones_are_answered_while_an_import_holds_their_devices(
    cast: Cast, agent: User, postgresql: None
) -> None:
    device = make_device(cast.reseller, A, make_location(cast.reseller))
    with transaction.atomic():
        bulk.upsert([DesiredDevice(A, cast.reseller.pk, None, "new")], override=False)
        answers: list[Any] = []
        phone = threading.Thread(target=lambda: answers.append(ask(A)))
        phone.start()
        phone.join(60)
        assert [answer.status_code for answer in answers] == [302]
    device.refresh_from_db()
    assert device.description == "new"


def ask(mac: str) -> Any:
    try:
        return Client().get(f"/{mac}")
    finally:
        connections.close_all()


# --- The rules are the API's ------------------------------------------------------------------------------------

CELLS = st.tuples(
    st.integers(0, 7),  # which MAC
    st.integers(0, 2),  # of which group
    st.integers(0, 2),  # which of its locations, 0 for none
    st.sampled_from(["", "one", "two"]),
)
DEVICES = st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 2), st.sampled_from([None, "", "one"]))


@given(
    rows=st.lists(CELLS, max_size=8, unique_by=lambda row: row[0]),
    devices=st.lists(DEVICES, max_size=8, unique_by=lambda row: row[0]),
    move=st.booleans(),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_ends_where_the_bulk_calls_end(
    cast: Cast, agent: User, rows: list[Any], devices: list[Any], move: bool
) -> None:
    """A row with a location is what POST /devices and then associate do; one without is POST /devices, and its
    description goes to a device that exists, which the API does with a location only."""
    if not rows:
        return
    groups = [cast.reseller, cast.provider, cast.stranger]
    if not Location.objects.exists():
        for group in groups:
            make_location(group, "https://one.example/"), make_location(group, "https://two.example/")
    places = [[None, *Location.objects.filter(group=group).order_by("pk")] for group in groups]
    api = Api(make_operator())

    def prepare() -> None:
        Device.objects.all()._raw_delete("default")
        for which, group, place, description in devices:
            make_device(groups[group], MACS[which], places[group][place], description=description)

    def outcome() -> list[Any]:
        return list(Device.objects.order_by("mac").values("mac", "group", "location", "description"))

    prepare()
    lines = [
        [MACS[which], groups[group].pk, getattr(places[group][place], "pk", ""), description]
        for which, group, place, description in rows
    ]
    upload = staged(agent, lines, move=move)
    assert not upload.good or write(upload)
    imported = outcome()

    prepare()
    for which, group, place, description in rows:
        location = places[group][place]
        body: dict[str, Any] = {"macList": [MACS[which]], "overrideCurrentAssociation": move}
        described = {"description": description} if description else {}
        more = {"locationId": location.pk} if location else {}
        assert api.post("/devices", {"group": groups[group].pk, **body, **described, **more}).status_code == 201
        if location is not None:
            answer = api.post(f"/locations/{location.pk}/devices/associate", {**body, **described})
            assert answer.status_code in (200, 400)
        elif described:
            Device.objects.filter(mac=MACS[which], group=groups[group]).update(**described)
    assert imported == outcome()


# --- Upkeep -----------------------------------------------------------------------------------------------------


@pytest.fixture
def old_imports(cast: Cast, agent: User) -> list[Import]:
    uploads = [staged(agent, [[A, "Acme Voice"], ["x"]]) for _ in range(3)]
    assert write(uploads[0])
    Import.objects.filter(pk__in=[upload.pk for upload in uploads[:2]]).update(
        created_at=timezone.now() - timedelta(days=2)
    )
    return uploads


def test_housekeeping_forgets_rows_and_keeps_the_summaries(old_imports: list[Import], browser: Client) -> None:
    out = io.StringIO()
    call_command("housekeeping", stdout=out)
    assert "Imports given up: 1\n" in out.getvalue()
    assert set(ImportRow.objects.values_list("upload", flat=True)) == {old_imports[2].pk}
    assert list(Import.objects.order_by("pk").values_list("state", flat=True)) == ["Done", "Failed", "Checked"]
    given_up = text_of(browser.get(page_of(old_imports[1])))
    assert "not confirmed within a day" in given_up
    assert "Check again" not in given_up
    assert "1 device imported" in text_of(browser.get(page_of(old_imports[0])))


# --- The command ------------------------------------------------------------------------------------------------


@pytest.fixture
def file(cast: Cast, tmp_path: Any) -> Any:
    """Two good rows and a bad one."""
    path = tmp_path / "phones.csv"
    path.write_text("mac;group\n00908F000000;Acme Voice\n00908F000001;Acme Voice\nx;Acme Voice\n")
    return path


def run(*arguments: Any) -> tuple[str, str]:
    """What the command says, and why it fails."""
    out = io.StringIO()
    try:
        call_command("import_devices", *map(str, arguments), stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_the_command_writes_nothing_if_a_row_is_bad(file: Any, tmp_path: Any) -> None:
    out, error = run(file, "--errors", tmp_path / "bad.csv")
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["Created", "2"],
        ["Invalid", "MAC", "1", "bad"],
        ["Rows", "3"],
    ]
    assert error == "Nothing was written: 1 bad rows. Correct them, or leave them out by --skip-bad."
    assert not Device.objects.exists()
    assert not Import.objects.exists()
    header, bad = csv.reader((tmp_path / "bad.csv").read_text("utf-8-sig").splitlines())
    assert header == ["mac", "group", "location", "description", "line", "problem"]
    assert bad[0] == "x"
    assert bad[4] == "4"


def test_the_command_leaves_bad_rows_out_if_it_is_told_so(file: Any) -> None:
    out, error = run(file, "--skip-bad")
    assert error == ""
    assert "Devices imported: 2" in out
    assert set(Device.objects.values_list("mac", flat=True)) == {A, B}
    assert Import.objects.get().state == ImportState.DONE


def test_a_dry_run_writes_nothing(file: Any) -> None:
    out, error = run(file, "--dry-run", "--skip-bad")
    assert error == "Nothing was written (dry run): 1 bad rows."
    file.write_text("mac,group\n00908F000000,Acme Voice\n")
    out, error = run(file, "--dry-run")
    assert error == ""
    assert "Nothing was written (dry run)." in out
    assert not Device.objects.exists()
    assert not Import.objects.exists()


@pytest.mark.parametrize("move", [False, True])
def test_the_command_moves_devices_if_it_is_told_so(cast: Cast, tmp_path: Any, move: bool) -> None:
    old, new = make_location(cast.reseller), make_location(cast.reseller, "https://new.example/")
    make_device(cast.reseller, A, old)
    file = tmp_path / "phones.csv"
    file.write_text(f"mac,group,location\n{A},Acme Voice,{new.url}\n")
    assert run(file, *(["--move"] if move else []))[1] == ""
    assert Device.objects.get().location == (new if move else old)


def test_the_command_says_what_is_wrong_with_the_file(tmp_path: Any, transactional_db: None) -> None:
    assert "No such file" in run(tmp_path / "none.csv")[1]
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert "one of them must be mac" in run(tmp_path / "bad.csv")[1]
    assert "Is a directory" in run(tmp_path)[1]
