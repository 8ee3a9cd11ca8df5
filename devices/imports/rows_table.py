"""The table of the rows of imports: written and deleted in pieces, each by as many statements."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import QuerySet

from devices.models import Import, ImportRow
from redirect.db.arrays import Kind, integers, table_of_rows

PIECE = 2_000  # rows for each statement: far below the deadlines of the database, and steps that one sees


def insert(upload: Import, rows: Sequence[ImportRow]) -> None:
    columns = ("mac_cell", "group_cell", "location_cell", "description_cell", "mac", "verdict", "problem")
    names = ", ".join(columns)
    values = [(row.number, *(getattr(row, name) for name in columns)) for row in rows]
    source, listed = table_of_rows(_columns(["number"], columns), values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO devices_importrow (upload_id, was, number, {names})
            SELECT %s, '', number, {names} FROM {source}
            """,  # noqa: S608 - the text of a table expression, no value
            [upload.pk, *listed],
        )


def _columns(numbers: Sequence[str], texts: Sequence[str]) -> dict[str, Kind]:
    columns: dict[str, Kind] = dict.fromkeys(numbers, "bigint")
    for name in texts:
        columns[name] = "text"
    return columns


def save_verdicts(rows: Sequence[ImportRow]) -> None:
    values = [(row.pk, row.group_id, row.location_id, row.verdict, row.was, row.problem) for row in rows]
    columns = _columns(["id", "group_id", "location_id"], ["verdict", "was", "problem"])
    source, listed = table_of_rows(columns, values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE devices_importrow SET group_id = listed.group_id, location_id = listed.location_id,
                verdict = listed.verdict, was = listed.was, problem = listed.problem
            FROM {source} WHERE devices_importrow.id = listed.id
            """,  # noqa: S608 - the text of a table expression, no value
            listed,
        )


def delete(rows: QuerySet[ImportRow]) -> None:
    """In short transactions."""
    while ids := list(rows.values_list("pk", flat=True)[:PIECE]):
        ImportRow.objects.filter(pk__in=integers(ids))._raw_delete(ImportRow.objects.db)
