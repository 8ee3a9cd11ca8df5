"""What an endpoint may be: its address, its TLS settings, and the device or location that it is of."""

from typing import Any
from urllib.parse import urlsplit

from devices.models import Device
from locations.models import Location
from management import worker
from management.drivers.catalogue import DRIVERS
from management.models import Endpoint, TlsCheck
from redirect.errors import Conflict, bad_attribute

# A caller who changes these could have the login sent elsewhere: it must be known to him.
GUARD = ("base_url", "tls_policy", "tls_ca", "tls_fingerprint", "allow_http")


def check_tls(values: dict[str, Any]) -> None:
    """Raises ApiError 400 if the policy needs what is not there."""
    needed = {TlsCheck.CA: ("tls_ca", "tlsCA"), TlsCheck.FINGERPRINT: ("tls_fingerprint", "tlsFingerprint")}
    column, name = needed.get(values["tls_policy"], ("", ""))
    if column and not values[column]:
        raise bad_attribute(name, "Needed for this tlsPolicy.")


def check_subject(group_id: int, values: dict[str, Any], *, pk: int = 0) -> None:
    """What is managed: a device, or the server of a location.

    Raises ApiError 400, alike for what is unknown and what is another group's; 409 if it has an endpoint.
    """
    mac, location = values.get("mac") or "", values.get("location_id")
    if DRIVERS[values["driver"]].is_server:
        if not values["base_url"].startswith("https:"):
            raise bad_attribute("baseUrl", "This server is asked by https alone.")
        if mac:
            raise bad_attribute("mac", "A server is of a location, not of a device.")
        if location is None:
            raise bad_attribute("locationId", "Needed for this driver.")
        if not Location.objects.filter(group_id=group_id, pk=location).exists():
            raise bad_attribute("locationId", "The location is not defined for the group.")
        if Endpoint.objects.filter(location=location).exclude(pk=pk).exists():
            raise Conflict("The location has an endpoint already.")
        return
    if location is not None:
        raise bad_attribute("locationId", "Only the driver of a server has a location.")
    if not mac:
        raise bad_attribute("mac", "Needed for this driver.")
    if not Device.objects.filter(group_id=group_id, mac=mac).exists():
        raise bad_attribute("mac", "The device is not defined for the group.")
    if Endpoint.objects.filter(group=group_id, mac=mac).exclude(pk=pk).exists():
        raise Conflict("The device has an endpoint already.")


def forgotten(row: Endpoint, values: dict[str, Any]) -> dict[str, Any]:
    """What is no longer known of an endpoint with these values: what the old device said, if it is another one."""
    is_same = row.mac == (values.get("mac") or "") and row.location_id == values.get("location_id")
    gone = {} if is_same else {"summary": None, "refreshed_at": None}
    return {"seen_mac": "", "login_refused": False, **gone}


def checked_base_url(url: str) -> str:
    """The URL without a slash at its end; raises AddressRefused, or ValueError with a sentence."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(
            "The host is neither a name nor an address; an IPv6 address stands in brackets."
        ) from error
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("The port must be a number from 1 to 65535.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("Must begin with http:// or https:// and a host.")
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment or "?" in url:
        raise ValueError("Must have neither user nor path.")
    if not url.isascii() or any(c.isspace() for c in url):
        raise ValueError("Must be ASCII without blanks.")
    worker.rules().check_text(parts.hostname, (443 if parts.scheme == "https" else 80) if port is None else port)
    return url.rstrip("/")
