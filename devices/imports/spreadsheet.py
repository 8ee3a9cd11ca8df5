"""Device lists as people keep them, csv and xlsx, read into lines of text.

What spreadsheet programs do to MACs and ids on the way is undone here.
"""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import openpyxl

COLUMNS = ("mac", "group", "location", "description")

MOST_ROWS = 100_000
MOST_BYTES = 20_000_000
MOST_BYTES_UNZIPPED = 200_000_000
MOST_COLUMNS = 100

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_HINT = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # a line that Excel writes and reads
_QUOTED_FORMULA = re.compile(r"'[=+\-@\t\r]")


class Unreadable(ValueError):
    """A file that is no list of devices. ``str()`` is a sentence for a person."""


class Line(NamedTuple):
    """A row with its number in the file; a cell that is missing is an empty text."""

    number: int
    mac: str
    group: str
    location: str
    description: str


@dataclass
class Sheet:
    """What a file holds: the names of columns that mean nothing here, about how many rows there are, and the rows,
    which are read when they are asked for, and may turn out to be Unreadable.
    """

    ignored: list[str]
    expected: int
    lines: Iterator[Line]


def read(data: bytes) -> Sheet:
    """A csv or xlsx file; which of them it is, is seen from its content.

    Raises Unreadable if it is neither, too large, or has no column `mac`.
    """
    if len(data) > MOST_BYTES:
        raise Unreadable(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    if data.startswith(_OLD_EXCEL):
        raise Unreadable("This is an old Excel file. Save it as .xlsx or .csv.")
    with _unreadable():
        expected, rows = _open_xlsx(data) if data.startswith(_ZIP) else _open_csv(data)
        for _, cells in rows:
            if any(cell not in (None, "") for cell in cells):
                places, ignored = _header(cells)
                return Sheet(ignored, expected, _lines(rows, places))
    raise Unreadable("The file is empty.")


@contextmanager
def _unreadable() -> Iterator[None]:
    """Whatever a broken or hostile file makes of the libraries is a sentence for whoever sent it."""
    try:
        yield
    except Unreadable:
        raise
    except csv.Error as error:
        raise Unreadable(f"The file is no csv file that can be read: {error}.") from error
    except Exception as error:
        raise Unreadable("The file cannot be read as .xlsx. Save it again in the spreadsheet program.") from error


def _lines(rows: Iterator[tuple[int, list[Any]]], places: dict[str, int]) -> Iterator[Line]:
    count = 0
    with _unreadable():
        for number, cells in rows:
            found = {name: cells[place] for name, place in places.items() if place < len(cells)}
            line = Line(number, _mac(found.get("mac")), *(_text(found.get(name)) for name in COLUMNS[1:]))
            if not any(line[1:]):
                continue
            count += 1
            if count > MOST_ROWS:
                raise Unreadable(f"The file has more than {MOST_ROWS:,} rows. Split it.")
            yield line
        if not count:
            raise Unreadable("The file has a first line with the names of the columns, and no rows below it.")


def _header(cells: list[Any]) -> tuple[dict[str, int], list[str]]:
    names = [_text(cell) for cell in cells]
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        known = " ".join(name.lower().split())
        if known in COLUMNS:
            if known in places:
                raise Unreadable(f"The column {known} stands in the first line twice.")
            places[known] = place
    if "mac" not in places:
        found = ", ".join(name[:40] for name in names[:10] if name)
        raise Unreadable(
            f"The first line must name the columns, and one of them must be mac (known: {', '.join(COLUMNS)};"
            f" found: {found})."
        )
    return places, [name for name in names if name and " ".join(name.lower().split()) not in COLUMNS]


# --- Files to cells -------------------------------------------------------------------------------------------


def _open_csv(data: bytes) -> tuple[int, Iterator[tuple[int, list[Any]]]]:
    text = _decoded(data)
    first, _, rest = text.partition("\n")
    if hint := _HINT.fullmatch(first):
        text, separator, skipped = rest, hint[1], 1
    else:
        head = next((line for line in text.splitlines() if line.strip()), "")
        separator, skipped = max(",;\t", key=head.count), 0
    return text.count("\n"), _csv_rows(text, separator, skipped)


def _csv_rows(text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    number = 1 + skipped
    for cells in reader:
        yield number, list(cells)
        number = reader.line_num + 1 + skipped  # a cell may have several lines


def _decoded(data: bytes) -> str:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        if b"\0" in data:
            raise Unreadable("The file is neither a csv nor an xlsx file.")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("cp1252")  # what Excel writes in Western Europe
    except UnicodeDecodeError as error:
        raise Unreadable("The file is neither a csv nor an xlsx file. Save it as “CSV UTF-8”.") from error


def _open_xlsx(data: bytes) -> tuple[int, Iterator[tuple[int, list[Any]]]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST_BYTES_UNZIPPED:
            raise Unreadable("The file is too large when unpacked. Split it, or save it as .csv.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and the like, which nobody asked for
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    if not book.worksheets:
        raise Unreadable("The file has no sheet.")
    page = book.worksheets[0]
    expected = page.max_row or 0
    page.reset_dimensions()  # some programs write wrong ones
    return expected, _xlsx_rows(book, page)


def _xlsx_rows(book: Any, page: Any) -> Iterator[tuple[int, list[Any]]]:
    try:
        for number, cells in enumerate(page.iter_rows(values_only=True, max_col=MOST_COLUMNS), start=1):
            yield number, list(cells)
    finally:
        book.close()


# --- Cells to texts -------------------------------------------------------------------------------------------


def _text(cell: Any) -> str:
    """The text of a cell; a whole number without the ".0" that spreadsheets add."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = str(cell).replace("\0", "").encode("utf-8", "replace").decode().strip()
    return text[1:] if _QUOTED_FORMULA.match(text) else text


def _mac(cell: Any) -> str:
    """A MAC without spaces. One of digits only may have become a number, and have lost its zeros at the front."""
    text = "".join(_text(cell).split())
    if isinstance(cell, int | float) and text.isdigit() and len(text) >= 8:
        return text.zfill(12)
    return text


def is_id(text: str) -> bool:
    """Whether a cell may name a row by its id; `12.0` is 12."""
    return re.fullmatch(r"[0-9]{1,18}(\.0+)?", text, re.ASCII) is not None
