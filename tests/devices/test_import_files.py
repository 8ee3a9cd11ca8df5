"""Files of customers, by the pages and by the command alike: what becomes of them, and what a person is asked."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from openpyxl import Workbook

from accounts.models import User
from devices.models import Device, Import, ImportFile, ImportState
from devices.reconcile import RowOutcome
from tests.conftest import Cast, make_device, make_group, make_location
from tests.desk.test_admin import browser_of, make_staff, text_of
from tests.desk.test_import_pages import check, checked, confirm, page_of, send, upload, verdicts

A, B, C, D = (f"00:90:8F:00:00:0{digit}" for digit in "ABCD")
DEVICES = "/admin/devices/device/"


@pytest.fixture
def agent(db: None) -> User:
    return make_staff("import_device", "view_device")


@pytest.fixture
def browser(agent: User) -> Client:
    return browser_of(agent)


def book_of(**sheets: Any) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def command(path: Path, *options: str) -> str:
    """What the command writes; it raises CommandError where it fails."""
    out = io.StringIO()
    call_command("import_devices", str(path), *options, stdout=out, stderr=out)
    return out.getvalue()


def refusal(path: Path, *options: str) -> str:
    with pytest.raises(CommandError) as raised:
        command(path, *options)
    return str(raised.value)


def file_of(folder: Path, data: bytes, name: str = "phones.xlsx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# --- Which sheet ----------------------------------------------------------------------------------------------

TWO_SHEETS = {"Old": [["mac", "group"], [A, "Acme Voice"]], "New": [["mac", "group"], [B, "Acme Voice"]]}


def test_the_page_asks_which_sheet(cast: Cast, browser: Client) -> None:
    made = upload(browser, book_of(**TWO_SHEETS))
    page = browser.get(page_of(made))
    assert "several sheets" in text_of(page)
    for name in TWO_SHEETS:
        assert f'name="sheet" value="{name}"' in page.content.decode()
    assert browser.post(f"{page_of(made)}sheet/", {"sheet": "New"}).status_code == 302
    made = check(browser, made)
    assert list(made.rows.values_list("mac", flat=True)) == [B.replace(":", "")]
    assert "The sheet “New” is read; not read: Old." in text_of(browser.get(page_of(made)))
    assert not ImportFile.objects.exists()
    assert browser.post(f"{page_of(made)}sheet/", {"sheet": "Old"}).status_code == 302
    assert Import.objects.get().sheet == "New", "the choice is over"


def test_only_its_maker_chooses_and_may_discard_it(cast: Cast, browser: Client) -> None:
    made = upload(browser, book_of(**TWO_SHEETS))
    other = browser_of(make_staff("import_device"))
    assert other.post(f"{page_of(made)}sheet/", {"sheet": "New"}).status_code == 403
    assert browser.get(f"{page_of(made)}sheet/").status_code == 405
    assert browser.get(f"{page_of(made)}progress/").json()["state"] == ImportState.CHOICE
    assert browser.post(f"{page_of(made)}discard/").status_code == 302
    assert not Import.objects.exists()


def test_a_sheet_that_is_not_there_is_told(cast: Cast, browser: Client) -> None:
    made = upload(browser, book_of(**TWO_SHEETS))
    browser.post(f"{page_of(made)}sheet/", {"sheet": "Third"})
    assert "no sheet “Third”. It has: Old, New." in text_of(browser.get(page_of(made)))


def test_the_command_wants_the_name_of_the_sheet(cast: Cast, tmp_path: Path) -> None:
    path = file_of(tmp_path, book_of(**TWO_SHEETS))
    assert "has several sheets: Old, New. Name the one to read by --sheet NAME." in refusal(path)
    assert not Import.objects.exists()
    assert "Sheet New is read; not read: Old" in command(path, "--sheet", "New")
    assert list(Device.objects.values_list("mac", flat=True)) == [B.replace(":", "")]


# --- Numbers for MACs -----------------------------------------------------------------------------------------

NUMBERS = [["mac", "group"], [1565123456, "Acme Voice"], [1565123400, "Acme Voice"], [A, "Acme Voice"]]


def test_a_mac_that_was_a_number_is_confirmed_apart(cast: Cast, browser: Client) -> None:
    made = checked(browser, book_of(P=NUMBERS))
    assert verdicts(made) == {2: RowOutcome.RESTORED, 3: RowOutcome.INVALID_MAC, 4: RowOutcome.CREATED}
    page = text_of(browser.get(page_of(made)))
    assert "Take 1 MAC restored from numbers" in page
    assert "1565123456: 00:15:65:12:34:56" in page
    assert "may have made 1565123400 of 00:15:65:12:34:E2 or of 00:15:65:12:34:00" in page
    assert browser.post(f"{page_of(made)}numbers/").status_code == 302
    made = check(browser, made)
    assert verdicts(made) == {2: RowOutcome.CREATED, 3: RowOutcome.INVALID_MAC, 4: RowOutcome.CREATED}
    page = text_of(browser.get(page_of(made)))
    assert "Take 1 MAC" not in page
    assert "MACs that were restored from numbers are taken." in page
    assert confirm(made)
    assert set(Device.objects.values_list("mac", flat=True)) == {"001565123456", A.replace(":", "")}


def test_a_mac_that_was_a_number_is_not_written_unless_it_was_confirmed(cast: Cast, browser: Client) -> None:
    made = checked(browser, book_of(P=NUMBERS))
    assert confirm(made)
    assert list(Device.objects.values_list("mac", flat=True)) == [A.replace(":", "")]
    assert browser_of(make_staff("import_device")).post(f"{page_of(made)}numbers/").status_code == 403


def test_the_command_takes_numbers_if_it_is_told_to(cast: Cast, tmp_path: Path) -> None:
    path = file_of(tmp_path, book_of(P=NUMBERS))
    assert "2 bad rows" in refusal(path)
    assert "2 bad rows" in refusal(path, "--dry-run")
    assert "1 bad rows" in refusal(path, "--numbers")
    assert not Device.objects.exists()
    assert "Devices imported: 2" in command(path, "--numbers", "--skip-bad")
    assert Device.objects.filter(mac="001565123456").exists()


# --- Whose devices ----------------------------------------------------------------------------------------


def test_an_id_is_spelled_as_an_id(cast: Cast, browser: Client) -> None:
    pk = cast.strangers_provider.pk
    rows = [["mac", "group"], [A, f"000{pk}"], [B, str(pk)], [C, f"{pk}.0"], [D, f"{pk}.00"]]
    made = checked(browser, "\n".join(map(",".join, rows)).encode())
    unknown, created = RowOutcome.UNKNOWN_GROUP, RowOutcome.CREATED
    assert verdicts(made) == {2: unknown, 3: created, 4: created, 5: unknown}


def test_the_owner_is_named_before_anything_is_written(cast: Cast, browser: Client, tmp_path: Path) -> None:
    rows = [["mac", "group"], [A, cast.strangers_provider.pk], [B, cast.strangers_provider.pk], [C, "Acme Voice"]]
    data = book_of(P=rows)
    page = text_of(browser.get(page_of(checked(browser, data))))
    assert "Foreign Telecom / Foreign Phones: 2 rows" in page
    assert "Acme Voice: 1 row" in page
    told = command(file_of(tmp_path, data), "--dry-run")
    assert "For Foreign Telecom / Foreign Phones: 2" in told
    assert "For Acme Voice: 1" in told


# --- There and back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_own_export_changes_nothing(cast: Cast, browser: Client, kind: str) -> None:
    first = make_location(cast.provider, "https://twice.example/;=a")
    second = make_location(cast.provider, "https://twice.example/;=a")
    group = make_group("Acme Voice", make_group("A/B/C/D/E/F/G/H"))
    texts = [
        "=1+1", "'=1+1", "''-1", "x;=1+1", "\uff1d1", "a\n=b", 'say "hi", or;not', "0012", "1e5", "TRUE",
        "_x000D_", "_x005F_x000D_", "2026-01-01", "M\u00fcller \U0001f4de", "#N/A", "27\" monitor", "'", "a\n\nb",
    ]  # fmt: skip
    for number, text in enumerate(texts):
        make_device(cast.provider, f"00908F0001{number:02X}", [None, first, second][number % 3], description=text)
    make_device(group, A.replace(":", ""))
    make_device(cast.reseller, B.replace(":", ""), description="")
    data = browser.get(f"{DEVICES}export.{kind}").getvalue()
    made = checked(browser, data, move="on")
    found = dict(made.rows.exclude(verdict=RowOutcome.UNCHANGED).values_list("description_cell", "problem"))
    assert found == {}
    assert made.total == len(texts) + 2


def test_bad_rows_spell_macs_with_colons_and_doubted_ones_as_they_stood(cast: Cast, browser: Client) -> None:
    rows = [["mac", "group"], ["00908f00000a", "Nobody"], [1565123456, "Acme Voice"], [1565123400, "Acme Voice"]]
    made = checked(browser, book_of(P=rows))
    text = browser.get(f"{page_of(made)}bad.csv").getvalue().decode("utf-8-sig")
    assert [row[0] for row in csv.reader(io.StringIO(text))][1:] == [A, "1565123456", "1565123400"]
    assert set(verdicts(checked(browser, text.encode())).values()) == {
        RowOutcome.UNKNOWN_GROUP,
        RowOutcome.RESTORED,
        RowOutcome.INVALID_MAC,
    }


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_file_of_errors_is_not_the_file_itself(cast: Cast, tmp_path: Path, link: Any) -> None:
    path = file_of(tmp_path, b"mac,group\nx,Acme Voice\n", "phones.csv")
    errors = path
    if link:
        link(path, errors := tmp_path / "errors.csv")
    assert "--errors names the file to import" in refusal(path, "--errors", str(errors))
    assert path.read_bytes() == b"mac,group\nx,Acme Voice\n"
    assert "1 bad rows" in refusal(path, "--errors", str(tmp_path / "bad.csv"))
    assert "x,Acme Voice" in (tmp_path / "bad.csv").read_text()


# --- Every row counts -----------------------------------------------------------------------------------------


def test_a_cell_that_cannot_be_read_is_a_bad_row(cast: Cast, browser: Client, tmp_path: Path) -> None:
    data = book_of(P=[["mac", "group", "location"], [A, "Acme Voice", "=A1"], ["=A1", None, None]])
    made = checked(browser, data)
    assert verdicts(made) == {2: RowOutcome.UNREADABLE, 3: RowOutcome.UNREADABLE}
    assert "The location is a formula without a result" in text_of(browser.get(page_of(made)))
    assert "2 bad rows" in refusal(file_of(tmp_path, data))


def test_a_control_character_is_refused_as_the_api_does(cast: Cast, browser: Client) -> None:
    made = checked(browser, b"mac,group,description\n" + f"{A},Acme Voice,a\x07b\n".encode())
    assert verdicts(made) == {2: RowOutcome.UNREADABLE}
    assert "control character (U+0007)" in text_of(browser.get(page_of(made)))


def test_a_file_that_is_refused_names_the_line_at_the_form_and_in_the_command(
    cast: Cast, browser: Client, tmp_path: Path
) -> None:
    data = f'mac,group,location,description\n{A},Acme Voice,,"Lobby\n{B},Acme Voice,,Hall\n'.encode()
    assert "Line 2: a quotation mark opens a cell there" in text_of(send(browser, data))
    assert "Line 2: a quotation mark opens a cell there" in refusal(file_of(tmp_path, data, "phones.csv"))
    assert not Import.objects.exists()
