"""Rows as csv or xlsx, sent while they are read: a piece at a time, however many there are."""

import csv
import io
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from redirect.db.arrays import integers
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
# By the name of a column what it holds of a row, as a viewer may see it.
Columns = Mapping[str, Callable[[Any, Any], Any]]


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


def pieces_in_order(rows: QuerySet[Any], ordered: QuerySet[Any]) -> Iterator[list[Any]]:
    """The rows in the order of `ordered`, whose ids are read at the beginning, to 8 bytes of memory for each."""
    # The database lets go of them before the first byte is sent, however slowly the client reads.
    with transaction.atomic() if connection.vendor == "postgresql" else nullcontext():
        ids = array("q", ordered.values_list("pk", flat=True).iterator(chunk_size=PIECE))
    for start in range(0, len(ids), PIECE):
        piece = ids[start : start + PIECE].tolist()
        found = {row.pk: row for row in rows.filter(pk__in=integers(piece))}
        yield [found[pk] for pk in piece if pk in found]


def cells(columns: Columns, pieces: Iterable[list[Any]], viewer: Any = None) -> Iterator[list[Row]]:
    """What the columns hold of each row, all as texts: a spreadsheet program changes numbers."""
    for rows in pieces:
        yield [[_text(value_of(row, viewer)) for value_of in columns.values()] for row in rows]


def attribute(name: str) -> Callable[[Any, Any], Any]:
    """A column that holds an attribute of the row."""
    return lambda row, viewer: getattr(row, name)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


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
