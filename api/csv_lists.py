"""Lists as csv files: all rows, by the columns of the admin's exports, which the import takes. Beyond the manual.

`Accept` is ignored but for this: a GET whose `Accept` names `text/csv`, and nothing that it prefers, asks for it.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from redirect.errors import ApiError, bad_request
from redirect.http import table_file
from redirect.http.table_file import Columns

CSV, JSON = "text/csv", "application/json"
OF_PAGES = ("page", "limit")


def is_wanted(request: Request, columns: Columns | None) -> bool:
    """Whether the answer is to be a csv file; raises ApiError 406 where there is none, and none else will do."""
    asked = request._request
    if request.method not in SAFE_METHODS or not any(str(each).startswith(CSV) for each in asked.accepted_types):
        return False
    if asked.get_preferred_type([JSON, CSV]) == JSON:
        return False
    if columns is not None:
        return True
    if asked.accepts(JSON):
        return False
    raise ApiError(406, f"This address has no {CSV}: accept {JSON}.")


def answer(view: Any, rows: Any, columns: Columns) -> Any:
    """All rows of a filtered queryset, in its order, as a file that is sent while it is read.

    `view.rows` are those before any filter. Raises ApiError 400 for a page.
    """
    for name in OF_PAGES:
        if name in view.query:
            raise bad_request(f"{name}: A csv file has all rows, and no pages.")
    if view.request.method == "HEAD":
        pieces: Any = ()
    elif rows.query.order_by == ("id",):
        pieces = table_file.pieces_of(rows.select_related(*view.csv_related))
    else:
        pieces = table_file.pieces_in_order(view.rows.select_related(*view.csv_related), rows)
    cells = table_file.cells(columns, pieces, view.user)
    name = f"{view.noun.lower()}s"
    return table_file.send(view.request._request, name, "csv", list(columns), cells)


def documented(columns: Columns) -> dict[Any, OpenApiResponse]:
    """The answer in the document."""
    line = table_file.csv_line(columns)
    shown = OpenApiExample("Header", line, media_type=CSV)
    return {(200, CSV): OpenApiResponse(OpenApiTypes.STR, "All rows, as a file.", [shown])}
