"""What calamine does not tell of a sheet: formulas without a result, errors, and in .ods truth values and merged
cells.

To calamine these cells are empty (0.9.1), and a device would be made without the location that stands there. Only
sheets that have such cells are looked at. Sources: ECMA-376 part 1, 18.3.1.4 (c) and 18.3.1.40 (f);
OpenDocument 1.3 part 3, 9.1.3 to 9.1.5 and 19.
"""

import posixpath
import re
import zipfile
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

MOST_ROWS = 1 << 20  # of a sheet of Excel

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_XLSX_SIGNS = re.compile(rb"""<(?:\w+:)?f[\s/>]|\st\s*=\s*["']e["']""")
_ODS_SIGNS = re.compile(
    rb"""formula\s*=|number-rows-spanned\s*=|value-type\s*=\s*["'](?:error|boolean|percentage|currency)"""
)
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")

_VALUES = {"value", "date-value", "time-value"}
Cells = dict[tuple[int, int], dict[str, str] | str]


class Malformed(Exception):
    """``str()`` says what is wrong with the XML."""


class Unread(NamedTuple):
    """Cells by row and column from 0, as workbook.py answers them; merged: first row, last row, column."""

    no_text: Cells
    merged: list[tuple[int, int, int]]


def _checked(unread: Unread) -> Unread:
    if any(row >= MOST_ROWS for row, _ in unread.no_text):
        raise Malformed(f"a cell lies below row {MOST_ROWS:,}")
    return unread


def of_xlsx(archive: zipfile.ZipFile, sheet: str) -> Unread:
    """What the sheet of that name of an .xlsx file has."""
    data = _part(archive, _path_of(archive, sheet))
    reader = _Xlsx()
    if _XLSX_SIGNS.search(data) or data.startswith(_UTF16):
        _parse(data, reader.start, reader.end, reader.text)
    return _checked(Unread(reader.found, []))


def of_ods(archive: zipfile.ZipFile, sheet: str) -> Unread:
    """What the sheet of that name of an .ods file has."""
    data = _part(archive, "content.xml")
    reader = _Ods(sheet)
    if _ODS_SIGNS.search(data) or data.startswith(_UTF16):
        _parse(data, reader.start, reader.end, reader.text)
    return _checked(Unread(reader.found, reader.merged))


def _path_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """By the workbook and its relations."""
    try:
        book = ElementTree.fromstring(_part(archive, "xl/workbook.xml"))  # noqa: S314
        relations = ElementTree.fromstring(_part(archive, "xl/_rels/workbook.xml.rels"))  # noqa: S314
    except ElementTree.ParseError as error:
        raise Malformed("its list of sheets cannot be read") from error
    for element in book.iter():
        if _local(element.tag) == "sheet" and element.get("name") == sheet:
            wanted = next((value for name, value in element.items() if name.endswith("}id")), None)
            for relation in relations.iter():
                if wanted is not None and relation.get("Id") == wanted:
                    return posixpath.normpath(posixpath.join("/xl", relation.get("Target", "")))[1:]
    raise Malformed(f"the sheet {sheet[:80]} is not in it")


def _part(archive: zipfile.ZipFile, path: str) -> bytes:
    name = next((name for name in archive.namelist() if name.lower() == path.lower()), None)
    if name is None:
        raise Malformed(f"its part {path[:80]} is missing")
    return archive.read(name)


def _local(name: str) -> str:
    return re.split("[:}]", name)[-1]


def _parse(
    data: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Malformed("a sheet is no valid XML") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise Malformed("a sheet has a document type")


class _Xlsx:
    def __init__(self) -> None:
        self.found: Cells = {}
        self.row, self.column = -1, -1
        self.kind, self.value = "", ""
        self.has_formula = self.has_value = self.in_value = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        match _local(tag):
            case "row":
                number = attributes.get("r", "")
                self.row = _count(number) - 1 if number else self.row + 1
                self.column = -1
            case "c":
                place = _REFERENCE.fullmatch(attributes.get("r", ""))
                if place:
                    self.column, self.row = _column(place[1]), int(place[2]) - 1
                else:
                    self.column += 1
                self.kind, self.value = attributes.get("t", "n"), ""
                self.has_formula = self.has_value = False
            case "f":
                self.has_formula = True
            case "v":
                self.in_value = self.has_value = True

    def text(self, text: str) -> None:
        if self.in_value:
            self.value += text

    def end(self, tag: str) -> None:
        match _local(tag):
            case "v":
                self.in_value = False
            case "c" if self.kind == "e":
                self.found[self.row, self.column] = {"is": "error", "text": self.value[:20] or "#N/A"}
            case "c" if self.has_formula and not self.value and not (self.has_value and self.kind == "str"):
                self.found[self.row, self.column] = {"is": "formula", "text": ""}


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


class _Ods:
    def __init__(self, sheet: str) -> None:
        self.found: Cells = {}
        self.merged: list[tuple[int, int, int]] = []
        self.sheet, self.inside = sheet, False
        self.row, self.rows, self.column, self.columns = 0, 1, 0, 1
        self.kind, self.value = "", ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        local = _local(tag)
        named = {_local(name): value for name, value in attributes.items()}
        if local == "table":
            self.inside, self.row = named.get("name") == self.sheet, 0
        elif self.inside and local == "table-row":
            self.rows, self.column = _count(named.get("number-rows-repeated")), 0
        elif self.inside and local in ("table-cell", "covered-table-cell"):
            self.columns = _count(named.get("number-columns-repeated"))
            kinds = {value for name, value in attributes.items() if _local(name) == "value-type"}
            self.kind, self.value = "", ""
            if "error" in kinds:
                self.kind = "error"
            elif "boolean" in kinds:
                self.kind, self.value = "boolean", named.get("boolean-value", "").upper()
            elif "formula" in named and (not kinds or ("string" not in kinds and not _VALUES & named.keys())):
                self.kind = "formula"
            elif kinds & {"percentage", "currency"}:
                self.kind = "shown"
            elif "formula" in named and "float" in kinds:
                self.kind = "truth"
            if (spanned := _count(named.get("number-rows-spanned"))) > 1:
                self.merged.append((self.row, self.row + spanned - 1, self.column))

    def text(self, text: str) -> None:
        if self.kind in ("error", "shown", "truth"):
            self.value += text

    def end(self, tag: str) -> None:
        if not self.inside:
            return
        match _local(tag):
            case "table":
                self.inside = False
            case "table-row":
                self.row += self.rows
            case "table-cell" | "covered-table-cell":
                if cell := self.cell():
                    for row in range(self.row, self.row + min(self.rows, 100_001)):
                        for column in range(self.column, min(self.column + self.columns, 100)):
                            self.found[row, column] = cell
                self.kind = ""
                self.column += self.columns

    def cell(self) -> dict[str, str] | str | None:
        """The cell that ends, if its value is not what calamine gives."""
        shown = self.value.strip()[:20]
        match self.kind:
            case "":
                return None
            case "shown":
                return shown  # 500 % is not 5
            case "truth":  # LibreOffice makes a number of one that came from .xlsx, and shows TRUE
                return None if not shown or re.search(r"\d", shown) else {"is": "boolean", "text": shown.upper()}
            case kind:
                return {"is": kind, "text": shown}


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 1
