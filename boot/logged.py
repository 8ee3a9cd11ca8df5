"""A request of the access log, asked again: what would the same request get now?

The log keeps path, User-Agent and kind of a request, and no query.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from boot.decision import CertificateStatus, DeviceRecord, decide
from boot.request import MAX_PATH, BootRequest
from boot.response import settings_for
from boot.shapes import Kind, Shape, look, maker_of
from devices.models import Access, Device
from locations import url_template


class Given(NamedTuple):
    """Where a phone is pointed; None if it is refused.

    ``file_name`` is the file that the URL is for, "" if it is the same for all files or the phone asked for none.
    ``maker`` is that of the settings which point the phone there, None if it is redirected.
    """

    url: str | None = None
    file_name: str = ""
    maker: str | None = None


def shape_of(access: Access) -> Shape:
    """The shape in which the phone asked; the bare MAC where the log does not tell the file.

    It does not of requests that are older than kinds, or whose path is cut.
    """
    path = access.path or ""
    if access.kind in (Kind.DIRECTORY, Kind.QUERY):
        return Shape(access.mac, Kind(access.kind))
    found = look(path.encode("latin-1", "replace"), b"", access.user_agent) if len(path) < MAX_PATH else None
    return found if found and found.mac == access.mac else Shape(access.mac, Kind.BARE)


def request_like(access: Access | None, mac: str) -> BootRequest:
    """The request that a phone of this MAC sent last, or one for its bare MAC where the log has none."""
    if access is None:
        return BootRequest(Shape(mac, Kind.BARE), datetime.now(UTC), f"/{mac}")
    shape = shape_of(access)
    path = f"/{mac}" if shape.kind is Kind.BARE else access.path or "/"
    return BootRequest(shape, datetime.now(UTC), path, user_agent=access.user_agent)


def given_now(device: Device, last: Access | None) -> Given:
    """What the device gets now if it asks as it last did, and shows its own certificate."""
    if device.location is None:
        return Given()
    location, request = device.location, request_like(last, device.mac)
    record = DeviceRecord(device.group.name, location.url, location.mutual_auth, location.answer)
    file_name = request.shape.file_name
    decision = decide(record, device.mac, CertificateStatus.VERIFIED, file_name)
    if settings_for(request, decision):
        return Given(decision.settings_url, maker=maker_of(request.shape, request.user_agent))
    return Given(decision.url, file_name if url_template.depends_on_file(location.url) else "")
