"""Rows as csv or xlsx, sent while they are read: a piece at a time, by primary key, however many there are."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from redirect.formula_guard import guard, guard_text_cell
from redirect.http.static_files import streamed

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
PIECE = 2_000
BYTES_AT_ONCE = 1 << 16
MOST_ROWS_OF_XLSX = 100_000  # it has to be complete before its first byte is sent

Row = list[Any]


def send(
    request: HttpRequest, name: str, kind: str, headers: Row, pieces: Iterable[list[Row]]
) -> HttpResponseBase:
    """The rows as a file of that kind to download, read while it is sent."""
    parts = _csv(headers, pieces) if kind == "csv" else _xlsx(headers, pieces)
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingHttpResponse(streamed(request, parts), content_type=KINDS[kind], headers=disposition)


def pieces_of(queryset: QuerySet[Any]) -> Iterator[list[Any]]:
    """The rows in the order of primary keys."""
    ordered, last = queryset.order_by("pk"), 0
    while rows := list(ordered.filter(pk__gt=last)[:PIECE]):
        yield rows
        last = rows[-1].pk


def time_text(time: datetime | None) -> str:
    """As the API spells it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000") if time else ""


def csv_line(cells: Iterable[Any]) -> str:
    """A line of csv in which no cell is run as a formula by the program that opens it.

    >>> csv_line(["=1+1", "a,b"])
    "'=1+1,\\"a,b\\"\\r\\n"
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(_harmless(cell) for cell in cells)
    return line.getvalue()


def _harmless(cell: Any) -> Any:
    return guard(cell) if isinstance(cell, str) else cell


def _csv(headers: Row, pieces: Iterable[list[Row]]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + csv_line(headers).encode()  # the mark by which Excel knows UTF-8
    for rows in pieces:
        yield "".join(map(csv_line, rows)).encode()


def _xlsx(headers: Row, pieces: Iterable[list[Row]]) -> Iterator[bytes]:
    book = Workbook(write_only=True)
    page = book.create_sheet()
    page.column_dimensions["A"].number_format = "@"  # a MAC of digits only is no number
    page.append([_as_text(page, cell) for cell in headers])
    for rows in pieces:
        for row in rows:
            page.append([_as_text(page, cell) for cell in row])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while part := file.read(BYTES_AT_ONCE):
            yield part


def _as_text(page: Any, cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = WriteOnlyCell(page, guard_text_cell(ILLEGAL_CHARACTERS_RE.sub("", cell)))
    text.data_type = "s"  # never a formula
    return text
