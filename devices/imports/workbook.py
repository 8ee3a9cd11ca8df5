"""A workbook, read in a process of its own: `python -m devices.imports.workbook` with the file on standard input.

The libraries believe what a file says of itself: a row numbered two thousand million makes calamine ask for 64
GB, and abort the process when it does not get them. So this process has a limit of memory and of work, and no
secrets.

Input: a line of JSON, {"sheet": name or null}, then the bytes of the file. Output, lines of JSON: {"sheet": name,
"others": names of further visible sheets, "rows": how many there may be}, or {"refused": sentence}, or {"sheets":
names to choose from}. Then each row that is not empty as [number, cells], and at last {"end": true}. A cell is a
text, a number, or {"is": one of NO_TEXT, "text": what to show of it}.
"""

import datetime
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import python_calamine as calamine
import xlrd

from devices.imports import workbook_xml

MOST_MEMORY = 1 << 30  # bytes of address space
MOST_SECONDS = 30  # of one core
MOST_BYTES_UNZIPPED = 200_000_000
MOST_SHARED_TEXTS = 1_000_000  # 10 million empty ones fit into 50 kB
MOST_COLUMNS = 100
MOST_CHARACTERS = 5_000  # five times what a description may have

NO_TEXT = ("formula", "error", "boolean", "date", "long")

OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SHARED_TEXT = re.compile(rb"<(?:\w+:)?si[\s/>]")

PASSWORD = (
    "The file is protected by a password. Remove the password in the spreadsheet program, and save it again."  # noqa: S105
)


class Refused(Exception):
    """``str()`` is a sentence that says why the file is not read."""


class Page(NamedTuple):
    """A sheet. Rows and columns count from 0."""

    rows: Iterable[Sequence[Any]]  # from the first row of the sheet on
    number: int  # of rows
    first_column: int
    merged: Sequence[tuple[int, int, int]]  # first row, last row, column of the value
    no_text: Mapping[
        tuple[int, int], dict[str, str] | str
    ]  # what stands in a cell whose value the library does not give


class Sheet(NamedTuple):
    """A sheet that can be opened."""

    name: str
    visible: bool
    open: Callable[[], Page]


def main() -> None:
    """Read standard input, write standard output."""
    _limit()
    wanted = json.loads(sys.stdin.buffer.readline())["sheet"]
    data = sys.stdin.buffer.read()
    try:
        for line in read(data, wanted):
            sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    except Refused as refused:
        sys.stdout.write(json.dumps({"refused": str(refused)}) + "\n")
    except MemoryError:
        raise
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        broken = "The file is damaged: it cannot be read as .xlsx, .xls or .ods. Save it as .xlsx or .csv."
        sys.stdout.write(json.dumps({"refused": broken}) + "\n")
    sys.stdout.flush()


def _limit() -> None:
    with suppress(ImportError, OSError, ValueError):  # a system that has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError):
        os.nice(10)  # a phone comes first


def read(data: bytes, wanted: str | None) -> Iterator[Any]:
    """The lines of the answer; raises Refused and what the libraries raise."""
    sheets = _xls_sheets(data) if data.startswith(OLD_EXCEL) else _zip_sheets(data)
    visible = [sheet.name for sheet in sheets if sheet.visible]
    if wanted is not None:
        sheet = next((sheet for sheet in sheets if sheet.name.casefold() == wanted.casefold()), None)
        if sheet is None:
            raise Refused(f"The file has no sheet “{wanted[:80]}”. It has: {', '.join(visible)[:500]}.")
        page = sheet.open()
    else:
        filled = []
        for sheet in (sheet for sheet in sheets if sheet.visible):
            page = sheet.open()
            if page.number:
                filled.append((sheet, page))
            if len(filled) > 1:
                yield {"sheets": visible}
                return
        if not filled:
            raise Refused("The file has no visible sheet with anything in it.")
        sheet, page = filled[0]
    yield {"sheet": sheet.name, "others": [name for name in visible if name != sheet.name], "rows": page.number}
    yield from _rows(page)
    yield {"end": True}


def _rows(page: Page) -> Iterator[Any]:
    no_text: dict[int, dict[int, Any]] = {}
    for (row, column), cell in page.no_text.items():
        no_text.setdefault(row, {})[column] = cell
    starts = {(first, column): last for first, last, column in page.merged}
    going_on: dict[int, tuple[int, Any]] = {}  # by column: last row, value
    left = [""] * page.first_column
    for number, values in enumerate(page.rows):
        unread = no_text.get(number, {})
        if not unread and not any(value != "" for value in values):
            continue
        cells = [_cell(value) for value in (left + list(values))[:MOST_COLUMNS]]
        for column, cell in unread.items():
            if column < MOST_COLUMNS:
                cells += [""] * (column + 1 - len(cells))
                cells[column] = cell
        for column, (last, value) in list(going_on.items()):
            if number > last:
                del going_on[column]
            elif column >= len(cells) or cells[column] == "":
                cells += [""] * (column + 1 - len(cells))
                cells[column] = value
        if starts:
            for column in range(len(cells)):
                if (number, column) in starts:
                    going_on[column] = starts[number, column], cells[column]
        yield [number + 1, cells]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MOST_CHARACTERS else {"is": "long", "text": f"{len(value):,}"}
    if isinstance(value, bool):
        return {"is": "boolean", "text": str(value).upper()}
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return int(value)
        return value if abs(value) < float("inf") else {"is": "error", "text": "#NUM!"}
    if isinstance(value, int):
        return value
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return {"is": "date", "text": str(value)}


# --- Kinds of files -------------------------------------------------------------------------------------------


def _zip_sheets(data: bytes) -> list[Sheet]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = set(archive.namelist())
    if sum(part.file_size for part in archive.infolist()) > MOST_BYTES_UNZIPPED:
        raise Refused("The file is too large when unpacked. Split it, or save it as .csv.")
    if "content.xml" in names:
        extra = workbook_xml.of_ods
    elif any(name.startswith("xl/") for name in names) and "xl/workbook.bin" not in names:
        extra = workbook_xml.of_xlsx
        if "xl/sharedStrings.xml" in names:
            shared = _SHARED_TEXT.finditer(archive.read("xl/sharedStrings.xml"))
            if next(islice(shared, MOST_SHARED_TEXTS, None), None):
                raise Refused(f"The file has more than {MOST_SHARED_TEXTS:,} texts. Split it, or save it as .csv.")
    else:
        raise Refused(_kind_of_archive(names))
    try:
        book = calamine.load_workbook(io.BytesIO(data))
    except calamine.PasswordError as error:
        raise Refused(PASSWORD) from error

    def page(name: str) -> Page:
        sheet = book.get_sheet_by_name(name)
        try:
            unread = extra(archive, name)
        except workbook_xml.Malformed as error:
            raise Refused(f"The file is damaged: {error}. Save it again in a spreadsheet program.") from error
        merged = [(top, bottom, column) for (top, column), (bottom, _) in sheet.merged_cell_ranges or ()]
        last = max((row for row, _ in unread.no_text), default=-1) + 1
        rows = _and_empty_ones(sheet.iter_rows() if sheet.height else (), last)
        first_column = sheet.start[1] if sheet.start else 0
        number = max(sheet.end[0] + 1 if sheet.end else 0, last)
        return Page(rows, number, first_column, [*merged, *unread.merged], unread.no_text)

    return [
        Sheet(sheet.name, sheet.visible == calamine.SheetVisibleEnum.Visible, partial(page, sheet.name))
        for sheet in book.sheets_metadata
        if sheet.typ == calamine.SheetTypeEnum.WorkSheet
    ]


def _and_empty_ones(rows: Iterable[Sequence[Any]], number: int) -> Iterator[Sequence[Any]]:
    """The rows, and as many empty ones that there are `number`."""
    count = 0
    for row in rows:
        yield row
        count += 1
    for _ in range(count, number):
        yield ()


def _kind_of_archive(names: set[str]) -> str:
    if "xl/workbook.bin" in names:
        return "This is a binary workbook (.xlsb). Save it as .xlsx."
    if "word/document.xml" in names or "ppt/presentation.xml" in names:
        return "This is a document of a text or presentation program. Save the list as .xlsx or .csv."
    if any(name.startswith("Index/") or name == "index.apxl" for name in names):
        return "This is a file of Apple Numbers. Export it as .xlsx or .csv."
    if any(name.lower().endswith((".csv", ".xlsx", ".xls", ".ods")) for name in names):
        return "This is a zip archive. Unpack it, and upload the file that is in it."
    return "This is an archive without a workbook: it cannot be read as .xlsx. Save the list as .xlsx or .csv."


def _xls_sheets(data: bytes) -> list[Sheet]:
    if _ENCRYPTED in data:
        raise Refused(PASSWORD)
    try:
        book = xlrd.open_workbook(
            file_contents=data, formatting_info=True, ragged_rows=True, logfile=io.StringIO()
        )
    except xlrd.XLRDError as error:
        if "encrypted" in str(error):
            raise Refused(PASSWORD) from error
        if "Can't find workbook" in str(error):
            raise Refused("This is a file of an old office program, but no workbook. Save it as .xlsx.") from error
        raise

    def page(sheet: Any) -> Page:
        merged = [(top, bottom - 1, left) for top, bottom, left, _ in sheet.merged_cells]
        rows = ([_xls_value(book, cell) for cell in sheet.row(number)] for number in range(sheet.nrows))
        no_text = {
            (row, column): {"is": "error", "text": xlrd.error_text_from_code.get(cell.value, "#N/A")}
            for row in range(sheet.nrows)
            for column, cell in enumerate(sheet.row(row))
            if cell.ctype == xlrd.XL_CELL_ERROR
        }
        return Page(rows, sheet.nrows, 0, merged, no_text)

    return [Sheet(sheet.name, sheet.visibility == 0, partial(page, sheet)) for sheet in book.sheets()]


def _xls_value(book: Any, cell: Any) -> Any:
    match cell.ctype:
        case xlrd.XL_CELL_TEXT | xlrd.XL_CELL_NUMBER:
            return cell.value
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_DATE:
            with suppress(xlrd.xldate.XLDateError, OverflowError):
                return xlrd.xldate_as_datetime(cell.value, book.datemode)
            return float(cell.value)
        case _:
            return ""


if __name__ == "__main__":
    main()
