"""Locations as rows of a file; the id names one in the import of devices where a group has several of one URL."""

from accounts.export import group_name
from redirect.http.table_file import Columns, attribute, time_text

LOCATION_COLUMNS: Columns = {
    "id": attribute("id"),
    "group": lambda location, viewer: group_name(location.group, viewer),
    "url": attribute("url"),
    "mutualAuth": attribute("mutual_auth"),
    "description": attribute("description"),
    "lastAccess": lambda location, viewer: time_text(location.last_access),
    "answer": attribute("answer"),
}
