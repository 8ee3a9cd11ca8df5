"""Workbooks as programs and people send them: read as meant, or refused with a sentence; bounded in any case."""

import datetime
import io
import resource
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from devices.imports import spreadsheet
from devices.imports.spreadsheet import Line, SheetNotChosen, Unreadable
from tests.devices.workbook_files import (
    STRICT_MAIN,
    STRICT_RELATIONS,
    archive_of,
    cell,
    ods_of,
    ods_row,
    rows_of,
    xlsx_of,
)

A, B, C = "00:90:8F:00:00:0A", "00:90:8F:00:00:0B", "00:90:8F:00:00:0C"
HEADER = ["mac", "group", "location", "description"]


def lines_of(data: bytes, sheet: str | None = None) -> list[Line]:
    return list(spreadsheet.read(data, sheet).lines)


def problem_of(data: bytes, sheet: str | None = None) -> str:
    with pytest.raises(Unreadable) as raised:
        lines_of(data, sheet)
    return str(raised.value)


def book_of(**sheets: list[list[Any]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    return book


def saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# --- Sheets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_not_read(state: str) -> None:
    book = book_of(Old=[["mac", "group"], [A, "Old"]], Phones=[["mac", "group"], [B, "Acme"]])
    book["Old"].sheet_state = state
    sheet = spreadsheet.read(saved(book))
    assert [(line.mac, line.group) for line in sheet.lines] == [(B, "Acme")]
    assert (sheet.name, sheet.others) == ("Phones", [])


def test_of_several_visible_sheets_one_must_be_named() -> None:
    data = saved(book_of(Old=[["mac"], [A]], Phones=[["mac"], [B]], Empty=[]))
    with pytest.raises(SheetNotChosen, match=r"several sheets: Old, Phones, Empty\. Choose") as raised:
        spreadsheet.read(data)
    assert raised.value.names == ["Old", "Phones", "Empty"]
    sheet = spreadsheet.read(data, "phones")
    assert (sheet.name, sheet.others, [line.mac for line in sheet.lines]) == ("Phones", ["Old", "Empty"], [B])
    assert "no sheet “New”. It has: Old, Phones, Empty." in problem_of(data, "New")


def test_sheets_without_anything_in_them_are_no_choice() -> None:
    sheet = spreadsheet.read(saved(book_of(Sheet1=[["mac"], [A]], Sheet2=[], Sheet3=[])))
    assert (sheet.name, sheet.others) == ("Sheet1", ["Sheet2", "Sheet3"])


def test_a_csv_file_has_no_sheets() -> None:
    assert "has no sheets" in problem_of(b"mac\nA\n", "Phones")


# --- Cells ----------------------------------------------------------------------------------------------------


def test_the_value_of_merged_cells_holds_for_all_their_rows() -> None:
    book = book_of(
        Phones=[
            ["Phones of Acme", None, None],
            ["mac", "group", "location"],
            [A, "Acme", "https://a.example/"],
            [B, None, None],
            [C, "Other", None],
        ]
    )
    page = book["Phones"]
    page.merge_cells("A1:C1")
    page.merge_cells("B3:B4")
    page.merge_cells("C3:C1000")
    assert [line[:4] for line in lines_of(saved(book))] == [
        (3, A, "Acme", "https://a.example/"),
        (4, B, "Acme", "https://a.example/"),
        (5, C, "Other", "https://a.example/"),
    ]


def test_a_cell_that_cannot_be_read_makes_a_bad_row_and_no_row_is_lost() -> None:
    """The first two formulas are as openpyxl writes them, and many programs that make reports."""
    rows: Any = [
        [A, ("", "<f>B9</f><v/>"), None, None],
        [("", "<f>A9</f><v></v>"), None, None, None],
        [A, "Acme", ("", "<f>1+1</f>"), None],
        [(' t="e"', "<v>#N/A</v>"), "Acme", None, None],
        [A, "Acme", (' t="e"', "<f>VLOOKUP(1,A:B,2)</f><v>#REF!</v>"), None],
        [(' t="b"', "<v>1</v>"), "Acme", None, None],
        [A, "Acme", None, (' t="str"', "<f>A1</f><v>fine</v>")],
        [A, "Acme", None, (' t="str"', '<f>""</f><v></v>')],
        [A, "Acme", None, "x" * 5_001],
    ]
    lines = lines_of(xlsx_of(rows_of(HEADER, *rows)))
    assert [line.number for line in lines] == list(range(2, 11))
    said = [line.problem.split(":")[0].split(". ")[0] for line in lines]
    assert said == [
        "The group is a formula without a result",
        "The mac is a formula without a result",
        "The location is a formula without a result",
        "The mac is the error #N/A",
        "The location is the error #REF!",
        "The spreadsheet program took the mac for a truth value (TRUE)",
        "",
        "",
        "The description has 5,001 characters",
    ]
    assert [line.description for line in lines[6:8]] == ["fine", ""]


def test_a_date_is_a_description_and_nothing_else() -> None:
    day = datetime.date(2026, 5, 12)
    lines = lines_of(saved(book_of(P=[HEADER, [day, "Acme", None, None], [A, "Acme", None, day]])))
    assert "took the mac for a date or a time (2026-05-12)" in lines[0].problem
    assert (lines[1].problem, lines[1].description) == ("", "2026-05-12")


def test_numbers_are_told_from_texts() -> None:
    lines = lines_of(saved(book_of(P=[["mac", "group"], [1565123456, 5.0], ["1565123456", 5.5], [1.5e9, "5"]])))
    assert [(line.mac, line.group, line.is_number) for line in lines] == [
        ("1565123456", "5", True),
        ("1565123456", "5.5", False),
        ("1500000000", "5", True),
    ]
    assert all(line.in_workbook for line in lines)


def test_characters_that_excel_escapes_are_read() -> None:
    line = lines_of(xlsx_of(rows_of(HEADER, [A, "Acme", None, "two_x000D_\nlines _x005F_x000D_ "])))[0]
    assert line.description == "two\nlines _x000D_"


# --- Kinds of files -------------------------------------------------------------------------------------------


def test_an_xls_file_is_read_alike() -> None:
    """Saved by LibreOffice Calc 7.4: a hidden sheet before it, merged groups, a number, a formula's error."""
    sheet = spreadsheet.read(Path(__file__).with_name("phones.xls").read_bytes())
    assert (sheet.name, sheet.others) == ("Phones", [])
    first, second, number, formula = sheet.lines
    assert (first.mac, first.group, first.location) == (A, "Acme", "https://a.example/")
    assert first.description == "Büro, 2. Stock"
    assert (second.mac, second.group, second.description) == ("00908f00000b", "Acme", '27" monitor')
    assert (number.mac, number.is_number, number.group) == ("1565123456", True, "5")
    assert (formula.mac, formula.group) == (C, "Acme")
    assert "#DIV/0!" in formula.problem


def test_an_ods_file_is_read_alike() -> None:
    spanned = 'table:number-rows-spanned="2" office:value-type="string"'
    error = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
    truth = 'office:value-type="boolean" office:boolean-value="true"'
    data = ods_of(
        Hidden=ods_row("mac", "group") + ods_row(A, "Old"),
        Phones=ods_row(*HEADER)
        + ods_row(A, (spanned, "<text:p>Acme</text:p>"), "https://a.example/", "Lobby")
        + ods_row(B, None, ('table:formula="of:=1+1"', ""), None)
        + ods_row(1565123456, "Acme", (error, "<text:p>#N/A</text:p>"), None)
        + ods_row(C, (truth, "<text:p>TRUE</text:p>"), None, None)
        + ods_row(None, repeated=1_048_571),
    )
    sheet = spreadsheet.read(data)
    lines = list(sheet.lines)
    assert (sheet.name, len(lines)) == ("Phones", 4)
    assert lines[0][:5] == (2, A, "Acme", "https://a.example/", "Lobby")
    assert (lines[1].group, lines[2].mac, lines[2].is_number) == ("Acme", "1565123456", True)
    assert [line.problem[:45] for line in lines[1:]] == [
        "The location is a formula without a result: t",
        "The location is the error #N/A. Correct the f",
        "The spreadsheet program took the group for a ",
    ]


def test_what_an_ods_file_shows_is_no_id() -> None:
    """LibreOffice makes a number of a truth value that came from an .xlsx file, and shows TRUE."""
    number = 'office:value-type="{}" office:value="{}"'
    data = ods_of(
        Phones=ods_row(*HEADER)
        + ods_row(A, ('table:formula="of:=TRUE()" ' + number.format("float", 1), "<text:p>TRUE</text:p>"))
        + ods_row(B, (number.format("percentage", 5), "<text:p>500%</text:p>"))
        + ods_row(C, ('table:formula="of:=2+3" ' + number.format("float", 5), "<text:p>5</text:p>"))
        + ods_row("00908F00000D", "Acme", ('table:formula="of:=[.B3]" office:value-type="float"', ""))
    )
    lines = lines_of(data)
    assert [line.group for line in lines] == ["TRUE", "500%", "5", "Acme"]
    assert [line.problem[:49] for line in lines] == [
        "The spreadsheet program took the group for a trut",
        "",
        "",
        "The location is a formula without a result: the p",
    ]


def test_a_strict_file_is_read() -> None:
    data = xlsx_of(rows_of(["mac", "group"], [A, "Acme"]), main=STRICT_MAIN, relations=STRICT_RELATIONS)
    assert [line[:3] for line in lines_of(data)] == [(2, A, "Acme")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (archive_of({"word/document.xml": ""}), "text or presentation program"),
        (archive_of({"Index/Document.iwa": ""}), "Apple Numbers"),
        (archive_of({"xl/workbook.bin": ""}), "binary workbook (.xlsb)"),
        (archive_of({"phones.csv": "mac"}), "Unpack it"),
        (archive_of({"readme.txt": ""}), "archive without a workbook"),
        (xlsx_of(rows_of(["mac"], [A]))[:900], "damaged"),
        (xlsx_of(""), "no visible sheet with anything in it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_workbook_is_named_for_what_it_is(data: bytes, said: str) -> None:
    assert said in problem_of(data)


# --- Bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            xlsx_of(rows_of(["mac"], [A]) + f'<row r="2000000000">{cell("A2000000000", B)}</row>'),
            "too much memory or work",
        ),
        (xlsx_of(rows_of(["mac"], [A]) + f'<row r="1048576">{cell("XFD1048576", B)}</row>'), "too much memory"),
        (xlsx_of(rows_of(["mac"], [A]), shared="<si/>" * 10_000_000), "more than 1,000,000 texts"),
        (ods_of(P=ods_row("mac") + ods_row("x" * 100, repeated=150_000)), "more than 100,000 rows"),
        (
            xlsx_of(
                rows_of(["mac", "group"], [A, "Acme"])
                + f'<row r="9999999">{cell("A9999999", ("", "<f>1</f>"))}</row>'
            ),
            "a cell lies below row 1,048,576",
        ),
    ],
    ids=["row", "corner", "texts", "repeated", "formula"],
)
def test_a_small_file_that_is_large_inside_is_refused(data: bytes, said: str) -> None:
    assert len(data) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert said in problem_of(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kB in the process that serves"


@pytest.mark.parametrize("before", ["", '<dimension ref="A1:XFD1048576"/>', '<dimension ref="A1:A1"/>'])
def test_what_a_file_says_of_its_size_changes_nothing(before: str) -> None:
    sheet = spreadsheet.read(xlsx_of(rows_of(["mac", "group"], [A, "Acme"]), before=before))
    assert (sheet.expected, [line[:3] for line in sheet.lines]) == (2, [(2, A, "Acme")])


def test_one_phone_in_a_sheet_that_is_formatted_to_its_last_row_is_read() -> None:
    empty = "".join(f'<row r="{n}" s="1" customFormat="1"><c r="A{n}" s="1"/></row>' for n in range(3, 1_048_577))
    sheet = spreadsheet.read(xlsx_of(rows_of(["mac", "group"], [A, "Acme"]) + empty))
    assert (sheet.expected, [line[:3] for line in sheet.lines]) == (2, [(2, A, "Acme")])


def test_rows_that_are_not_asked_for_end_the_process() -> None:
    """A list that is too long, or that a caller leaves, is not read to its end."""
    lines = spreadsheet.read(xlsx_of(rows_of(["mac"], *[[A]] * 20_000))).lines
    assert next(lines).mac == A
    lines.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(lines)
