"""The table of the rows of imports: written, read and deleted in pieces, each by as many statements."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

from django.db import connection
from django.db.models import QuerySet

from devices.models import Import, ImportRow
from redirect.db.arrays import Kind, integers, table_of_rows

PIECE = 2_000  # rows for each statement: far below the deadlines of the database, and steps that one sees


@dataclass(slots=True)
class Row:
    """A row of the file as it stands there, and what was found out about it: an ImportRow without its model."""

    number: int
    mac_cell: str
    group_cell: str
    location_cell: str
    description_cell: str
    mac: str | None = None
    group_id: int | None = None
    location_id: int | None = None
    verdict: str = ""
    was: str = ""
    problem: str = ""


COLUMNS = [field.name for field in fields(Row)]
_VERDICT: dict[str, Kind] = {
    "number": "bigint",
    "group_id": "bigint",
    "location_id": "bigint",
    "verdict": "text",
    "was": "text",
    "problem": "text",
}


def insert(upload: Import, rows: Sequence[Row]) -> None:
    """Keep these rows, new to the import."""
    names, values_of = ", ".join(["upload_id", *COLUMNS]), attrgetter(*COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            places = ", ".join(["%s"] * (len(COLUMNS) + 1))
            statement = f"INSERT INTO devices_importrow ({names}) VALUES ({places})"  # noqa: S608 - names, no value
            cursor.executemany(statement, [(upload.pk, *values_of(row)) for row in rows])
            return
        with connection.wrap_database_errors, cursor.copy(f"COPY devices_importrow ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((upload.pk, *values_of(row)))


def read(upload: Import, first: int, number: int) -> list[Row]:
    """So many rows in the order of their lines, behind the `first` ones."""
    values = upload.rows.order_by("number").values_list(*COLUMNS)
    return [Row(*columns) for columns in values[first : first + number]]


def save_verdicts(upload: Import, rows: Sequence[Row]) -> None:
    """Keep what was found out about rows that are there."""
    values_of = attrgetter(*_VERDICT)
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            # Joined with a list, SQLite would go through the whole list for each row of the import.
            given = ", ".join(f"{name} = %s" for name in _VERDICT)
            statement = f"UPDATE devices_importrow SET {given} WHERE upload_id = %s AND number = %s"  # noqa: S608
            cursor.executemany(statement, [(*values_of(row), upload.pk, row.number) for row in rows])
            return
        source, listed = table_of_rows(_VERDICT, [values_of(row) for row in rows])
        given = ", ".join(f"{name} = listed.{name}" for name in _VERDICT if name != "number")
        cursor.execute(
            f"""
            UPDATE devices_importrow SET {given} FROM {source}
            WHERE devices_importrow.upload_id = %s AND devices_importrow.number = listed.number
            """,  # noqa: S608 - names of columns and the text of a table expression, no value
            [*listed, upload.pk],
        )


def delete(rows: QuerySet[ImportRow]) -> None:
    """In short transactions."""
    while ids := list(rows.values_list("pk", flat=True)[:PIECE]):
        ImportRow.objects.filter(pk__in=integers(ids))._raw_delete(ImportRow.objects.db)
