"""The transaction of an import: whole or not at all, whatever happens beside it; and by the rules of the API."""

import csv
import io
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from devices import bulk
from devices.imports import checks as import_checks
from devices.imports import imports
from devices.models import Device, Import, ImportRow, ImportState
from devices.reconcile import DesiredDevice, RowOutcome
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator
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
    upload = imports.receive(user, "phones.csv", move=move)
    imports.read(upload, text.getvalue().encode())
    while upload.state == ImportState.READING:
        upload = imports.check_next(upload.pk)
    return upload


def checked_again(upload: Import) -> Import:
    upload.refresh_from_db()
    while upload.state == ImportState.READING:
        upload = imports.check_next(upload.pk)
    return upload


def write(upload: Import) -> bool:
    attempt = imports.begin(upload)
    assert attempt is not None
    written = imports.write(upload.pk, attempt)
    upload.refresh_from_db()
    return written


def page_of(upload: Import) -> str:
    return f"/admin/devices/device/import/{upload.pk}/"


def until_written(browser: Client, upload: Import) -> list[dict[str, Any]]:
    """What the page's script is told."""
    told = []
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told.append(browser.get(f"{page_of(upload)}progress/").json())
        if told[-1]["state"] != ImportState.WRITING:
            wait_for_threads()
            return told
        time.sleep(0.01)
    pytest.fail(f"It is still at work: {told[-1]}")


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "import":
            thread.join(30)


def test_a_confirmed_import_is_written_by_a_thread_and_its_rows_go(
    cast: Cast, agent: User, browser: Client
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS] + [["x", "Acme Voice"]])
    answer = browser.post(f"{page_of(upload)}confirm/")
    assert answer.status_code == 302
    told = until_written(browser, upload)
    assert told[-1]["state"] == ImportState.DONE
    assert Device.objects.filter(group=cast.reseller).count() == len(MACS)
    page = text_of(browser.get(page_of(upload)))
    assert "3,000 devices imported" in page
    assert "Invalid MAC 1 left out" in page
    assert list(ImportRow.objects.values_list("verdict", flat=True)) == [RowOutcome.INVALID_MAC]
    assert "x is no MAC" in text_of(browser.get(f"{page_of(upload)}?verdict=bad")).replace("“", "").replace(
        "”", ""
    )


def test_a_long_file_is_read_by_a_thread_too(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SECONDS_TO_READ_A_SHORT_FILE", 0)
    monkeypatch.setattr(imports, "PIECE", 1000)
    go_on, arrived = threading.Semaphore(0), threading.Semaphore(0)
    staged_row = import_checks.staged

    def slow(line: Any, first_lines: dict[str, int]) -> Any:
        if line.number % 1000 == 2:
            arrived.release()
            assert go_on.acquire(timeout=30)
        return staged_row(line, first_lines)

    monkeypatch.setattr(imports, "staged", slow)
    file = io.BytesIO("\n".join(["mac,group", *(f"{mac},Acme Voice" for mac in MACS)]).encode())
    file.name = "phones.csv"
    address = browser.post("/admin/devices/device/import/", {"file": file})["Location"]
    told = []
    for _ in range(3):
        assert arrived.acquire(timeout=30)
        told.append(browser.get(f"{address}progress/").json())
        assert "rows read" in text_of(browser.get(address))
        go_on.release()
    wait_for_threads()
    assert [(progress["state"], progress["done"]) for progress in told] == [
        ("Staging", 0),
        ("Staging", 1000),
        ("Staging", 2000),
    ]
    assert {progress["total"] for progress in told} == {3000}
    assert "0 of 3,000 rows checked" in text_of(browser.get(address))


def test_a_file_whose_reader_died_is_to_be_uploaded_again(cast: Cast, agent: User, browser: Client) -> None:
    upload = imports.receive(agent, "phones.csv", move=False)
    imports._at_work_here.clear()
    Import.objects.update(heartbeat=timezone.now() - 2 * imports.SILENT_AT_MOST)
    assert browser.get(f"{page_of(upload)}progress/").json()["stalled"] is True
    assert "has died. Upload it again." in text_of(browser.get(page_of(upload)))


def test_the_progress_is_seen_while_nothing_is_committed(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PIECE", 1000)
    go_on, arrived = threading.Semaphore(0), threading.Semaphore(0)
    put = bulk.upsert

    def slow(*arguments: Any, **options: Any) -> Any:
        arrived.release()
        assert go_on.acquire(timeout=30)
        return put(*arguments, **options)

    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    monkeypatch.setattr(bulk, "upsert", slow)
    browser.post(f"{page_of(upload)}confirm/")
    for done in (0, 1000, 2000):
        assert arrived.acquire(timeout=30)
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
    assert until_written(browser, upload)[-1]["state"] == "Done"
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
    ("error", "state"),
    [(RuntimeError("bug"), ImportState.FAILED), (OperationalError("away"), ImportState.CHECKED)],
)
def test_an_error_in_the_middle_leaves_nothing(
    cast: Cast,
    agent: User,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    state: ImportState,
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    break_after_the_first_piece(monkeypatch, error)
    assert write(upload) is False
    assert not Device.objects.exists()
    assert upload.state == state
    assert "Nothing was written" in text_of(browser.get(page_of(upload)))
    monkeypatch.undo()
    if state == ImportState.FAILED:
        assert browser.post(f"{page_of(upload)}again/").status_code == 302
        upload = checked_again(upload)
    assert write(upload) is True
    assert Device.objects.count() == len(MACS)


def break_after_the_first_piece(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    put, pieces = bulk.upsert, []

    def broken(*arguments: Any, **options: Any) -> Any:
        pieces.append(1)
        if len(pieces) > 1:
            raise error
        return put(*arguments, **options)

    monkeypatch.setattr(bulk, "upsert", broken)


class Killed(BaseException):
    """The process ends: nobody cleans up."""


def test_an_import_whose_process_died_can_be_confirmed_again(
    cast: Cast, agent: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
    break_after_the_first_piece(monkeypatch, Killed())
    attempt = imports.begin(upload)
    assert attempt is not None
    with pytest.raises(Killed):
        imports.write(upload.pk, attempt)
    monkeypatch.undo()
    assert not Device.objects.exists()
    upload.refresh_from_db()
    assert upload.state == ImportState.WRITING
    Import.objects.update(heartbeat=timezone.now() - 2 * imports.SILENT_AT_MOST)  # nobody hears of it for a while

    assert browser.get(f"{page_of(upload)}progress/").json()["stalled"] is True
    assert "has died, and nothing was written" in text_of(browser.get(page_of(upload)))
    browser.post(f"{page_of(upload)}confirm/")
    assert until_written(browser, upload)[-1]["state"] == "Done"
    assert Device.objects.count() == len(MACS)


def test_an_attempt_that_was_taken_for_dead_cannot_commit(cast: Cast, agent: User) -> None:
    upload = staged(agent, [[A, "Acme Voice"]])
    attempt = imports.begin(upload)
    assert attempt is not None
    Import.objects.update(attempt=attempt + 1)
    assert imports.write(upload.pk, attempt) is False
    assert not Device.objects.exists()


# --- Others at work ---------------------------------------------------------------------------------------------


def test_an_import_and_bulk_calls_wait_for_each_other(cast: Cast, agent: User, postgresql: None) -> None:
    """The same MACs, in any order, for two groups: each gets one owner, and nothing deadlocks."""
    api = Api(make_operator())
    body = {"group": cast.stranger.pk, "macList": MACS[::-1], "overrideCurrentAssociation": False}
    for _ in range(3):
        upload = staged(agent, [[mac, "Acme Voice"] for mac in MACS])
        attempt = imports.begin(upload)
        assert attempt is not None
        thread = imports.start(upload, attempt)
        answer = api.post("/devices", body)
        thread.join(60)
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
        phone.join(20)
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
