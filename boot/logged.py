"""A request of the access log, read again: the log keeps the path, the User-Agent and the kind, not the query."""

from boot.request import MAX_PATH
from boot.shapes import Kind, Shape, look
from devices.models import Access


def shape_of(access: Access) -> Shape:
    """The shape in which the phone asked; the bare MAC where the log does not tell the file.

    It does not of requests that are older than kinds, or whose path is cut.
    """
    path = access.path or ""
    if access.kind in (Kind.DIRECTORY, Kind.QUERY):
        return Shape(access.mac, Kind(access.kind))
    found = look(path.encode("latin-1", "replace"), b"", access.user_agent) if len(path) < MAX_PATH else None
    return found if found and found.mac == access.mac else Shape(access.mac, Kind.BARE)
