"""A csv file: its encoding, its separator, and its rows."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from devices import mac
from devices.imports.columns import Twice, places_of
from devices.imports.errors import Unreadable

SEPARATORS = ",;\t|"
ROWS_ABOVE = 20  # at most, a title among them, above the names of the columns

_HINT = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a line that Excel writes and reads


class CsvFile:
    """The rows of a csv file, each with the number of the line where it begins; raises Unreadable."""

    def __init__(self, data: bytes) -> None:
        self.text = _decoded(data).lstrip("\ufeff")
        self.skipped = 0
        first, _, rest = self.text.partition("\n")
        if hint := _HINT.fullmatch(first):
            self.text, self.separator, self.skipped = rest, hint[1], 1
        else:
            self.separator = max(SEPARATORS, key=self._likeness)
        self.expected = self.text.count("\n")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        reader = _reader(self.text, self.separator)
        number = 1 + self.skipped
        try:
            for cells in reader:
                yield number, cells
                number = reader.line_num + 1 + self.skipped  # a cell may have several lines
        except csv.Error as error:
            raise Unreadable(_ABOUT.format(number=number, problem=_problem(error))) from error

    def refuse_swallowed_rows(self, number: int, cells: Sequence[str], place_of_mac: int) -> None:
        """Two quotation marks that no one meant as a pair make the rows between them the text of a cell."""
        for cell in cells:
            for line in cell.splitlines()[1:] if "\n" in cell or "\r" in cell else ():
                inner = line.split(self.separator)
                if len(inner) > max(place_of_mac, 1) and mac.mentioned_in(inner[place_of_mac]):
                    raise Unreadable(_ABOUT.format(number=number, problem=_NEVER_CLOSED))

    def _likeness(self, separator: str) -> tuple[int, int]:
        """How well the file can be understood with a separator: columns that are known by it, cells at the top."""
        cells = 0
        with suppress(csv.Error):
            for row in islice(_reader(self.text, separator), ROWS_ABOVE):
                try:
                    known = len(places_of(row))
                except Twice:
                    known = 2
                if known:
                    return known, len(row)
                cells = max(cells, len(row))
        return 0, cells


def _reader(text: str, separator: str) -> "csv._reader":  # type: ignore[name-defined]
    """Strict, so that a quotation mark that is never closed is an error; blanks before one are none of the
    text."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


_ABOUT = "The file is no csv file that can be read. Line {number}: {problem}"
_NEVER_CLOSED = (
    "a quotation mark opens a cell there and does not close it, so that the lines below would become its text."
    " Remove the mark, or close the cell with a second one."
)


def _problem(error: csv.Error) -> str:
    if "expected after" in str(error):
        return (
            "text follows a quotation mark that closes a cell. Inside of quotation marks write each of your own"
            " twice, or remove those around the cell."
        )
    if "field limit" in str(error):
        return (
            f"a cell has more than {csv.field_size_limit():,} characters. A quotation mark that is never closed"
            " does that: remove it, or close the cell with a second one."
        )
    return _NEVER_CLOSED


def _decoded(data: bytes) -> str:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        if b"\0" in data:
            raise Unreadable("The file is neither a csv nor an xlsx file, nor another workbook.")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("cp1252")  # what Excel writes in Western Europe
    except UnicodeDecodeError as error:
        raise Unreadable("The file is neither a csv nor an xlsx file. Save it as “CSV UTF-8”.") from error
