"""Device lists as people keep them, csv files and workbooks, read into lines of text."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from devices.imports.columns import COLUMNS, Twice, places_of
from devices.imports.csv_file import ROWS_ABOVE, CsvFile
from devices.imports.errors import SheetNotChosen, Unreadable
from devices.imports.workbook_process import open_workbook
from redirect.formula_guard import unescape, unguard
from redirect.texts import control_character, normalize

__all__ = ["COLUMNS", "Line", "Sheet", "SheetNotChosen", "Unreadable", "is_id", "read"]

MOST_ROWS = 100_000
MOST_BYTES = 20_000_000
MOST_CHARACTERS = 5_000  # of a cell: five times what a description may have

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
_OTHERS = {
    b"%PDF": "a PDF document",
    b"{\\rtf": "a text document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a compressed file",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
    b"ID;P": "a SYLK file",
    b"<": "a web page or an XML file, whatever its name says",
}

Rows = Iterator[tuple[int, list[Any]]]


class Line(NamedTuple):
    """A row with its number in the file; a cell that is missing is an empty text."""

    number: int
    mac: str
    group: str
    location: str
    description: str
    is_number: bool = False  # the MAC: it has lost its leading zeros, if it had any
    in_workbook: bool = False  # else a number cannot be told from a text
    problem: str = ""  # a sentence, if a cell cannot be read


@dataclass
class Sheet:
    """What a file holds: the names of columns that mean nothing here, about how many rows there are, and the
    rows, which are read when they are asked for, and may turn out to be Unreadable. Of a workbook: the sheet that
    is read, and the visible ones that are not.
    """

    ignored: list[str]
    expected: int
    lines: Iterator[Line]
    name: str = ""
    others: list[str] = field(default_factory=list)


def read(data: bytes, sheet: str | None = None) -> Sheet:
    """A csv file or a workbook; which of them it is, is seen from its content.

    `sheet` names one of a workbook. Raises Unreadable if it is neither, too large, or has no column `mac`, and
    SheetNotChosen if there are several visible sheets and none was named.
    """
    if len(data) > MOST_BYTES:
        raise Unreadable(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    if data.startswith(_WORKBOOKS):
        workbook = open_workbook(data, sheet)
        places, ignored, _ = _header(workbook.rows)
        lines = _lines(_from_workbook(workbook.rows), places)
        return Sheet(ignored, workbook.expected, lines, workbook.sheet, workbook.others)
    for beginning, kind in _OTHERS.items():
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(beginning):
            raise Unreadable(
                f"This is {kind}. Open it in a spreadsheet program, and save the list as .xlsx or .csv."
            )
    if sheet is not None:
        raise Unreadable(f"A csv file has no sheets: leave out the name “{sheet[:80]}”.")
    file = CsvFile(data)
    rows = iter(file)
    places, ignored, width = _header(rows)
    lines = _lines(_from_csv(rows, file, places["mac"]), places, width)
    return Sheet(ignored, file.expected, lines)


def _header(rows: Rows) -> tuple[dict[str, int], list[str], int]:
    """The places of the columns, the names of others, and how many there are; a title may stand above."""
    first: list[str] = []
    for _, cells in islice(rows, ROWS_ABOVE):
        names = [normalize(cell) if isinstance(cell, str) else "" for cell in cells]
        if not any(names):
            continue
        first = first or names
        try:
            places = places_of(names)
        except Twice as twice:
            raise Unreadable(f"The column {twice} stands in the first line twice.") from twice
        if places:
            taken = set(places.values())
            return places, [name for place, name in enumerate(names) if name and place not in taken], len(names)
    if not first:
        raise Unreadable("The file is empty.")
    raise Unreadable(
        f"The first line must name the columns, and one of them must be mac (known: {', '.join(COLUMNS)}; found:"
        f" {', '.join(name[:40] for name in first[:10] if name)})."
    )


def _from_csv(rows: Rows, file: CsvFile, place_of_mac: int) -> Rows:
    for number, cells in rows:
        file.refuse_swallowed_rows(number, cells, place_of_mac)
        yield number, [unescape(cell) for cell in cells]


def _from_workbook(rows: Rows) -> Rows:
    yield from rows


def _lines(rows: Rows, places: dict[str, int], width: int | None = None) -> Iterator[Line]:
    """`width`: the columns of a csv file, in which a text with a separator reaches beyond the last."""
    count, in_workbook = 0, width is None
    wanted = [(name, places.get(name, sys.maxsize)) for name in COLUMNS]
    for number, cells in rows:
        found = [_text(name, cells[place]) if place < len(cells) else ("", "") for name, place in wanted]
        (mac, group, location, description), problems = zip(*found, strict=True)
        problem = next(filter(None, problems), "")
        if width and width - 1 in places.values():  # else it is a column that means nothing that goes on
            problem = problem or _beyond(cells[width:])
        if not (mac or group or location or description or problem):
            continue
        count += 1
        if count > MOST_ROWS:
            raise Unreadable(f"The file has more than {MOST_ROWS:,} rows. Split it.")
        is_number = isinstance(cells[places["mac"]], int | float) if mac else False
        yield Line(number, mac, group, location, description, is_number, in_workbook, problem)
    if not count:
        raise Unreadable("The file has a line with the names of the columns, and no rows below it.")


def _beyond(cells: list[str]) -> str:
    """A sentence about what stands behind the last column."""
    if text := next(filter(None, map(normalize, cells)), ""):
        return f"Behind the last column stands “{text[:40]}”. Write a text that holds the separator in quotes."
    return ""


# --- Cells to texts -------------------------------------------------------------------------------------------

_UNREADABLE = {
    "formula": "The {column} is a formula without a result: the program that wrote the file did not calculate it."
    " Open the file in a spreadsheet program, save it, and upload it again.",
    "error": "The {column} is the error {text}. Correct the formula, or write the value.",
    "boolean": "The spreadsheet program took the {column} for a truth value ({text}). Format the column as text,"
    " and write it again.",
    "date": "The spreadsheet program took the {column} for a date or a time ({text}). Format the column as text,"
    " and write it again.",
    "long": "The {column} has {text} characters. Shorten it.",
}
_CONTROL = "The {column} has a control character ({text}). Remove it."


def _text(column: str, cell: Any) -> tuple[str, str]:
    """The text of a cell, and a sentence if it cannot be read."""
    if isinstance(cell, str):
        text = normalize(unguard(cell))
        if len(text) > MOST_CHARACTERS:
            return text[:100], _UNREADABLE["long"].format(column=column, text=f"{len(text):,}")
        if control := control_character(text, lines=column == "description"):
            return _without_controls(text), _CONTROL.format(column=column, text=control)
        return text, ""
    if isinstance(cell, dict):
        kind, text = cell["is"], cell["text"]
        if column == "description" and kind in ("boolean", "date"):
            return text, ""
        return ("" if kind == "long" else text), _UNREADABLE[kind].format(column=column, text=text)
    return str(cell), ""


def _without_controls(text: str) -> str:
    """With a sign in the place of each, as it may be kept to be shown."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


def is_id(text: str) -> bool:
    """Whether a cell may name a row by its id: `5`, and the `5.0` of some spreadsheets; `0005` may be a name."""
    return re.fullmatch(r"[1-9][0-9]{0,17}(\.0)?", text, re.ASCII) is not None
