"""Did the redirect take? Where a device says it was provisioned from, against where the service sends it."""

from typing import Any
from urllib.parse import urlsplit

from devices.models import Device
from locations.url_template import expand
from management.drivers.base import Result
from management.models import Endpoint


def compared(endpoint: Endpoint, verb: str, result: Result) -> Result:
    """The result of `provisioning`, or of `probe`, with the address that was meant and whether it is the one."""
    if verb == "provisioning":
        return Result(with_expected(endpoint, result.data), result.files)
    if verb == "probe":
        return Result(parts_with_expected(endpoint, result.data), result.files)
    return result


def parts_with_expected(endpoint: Endpoint, parts: dict[str, Any]) -> dict[str, Any]:
    """The parts of a summary, that of the provisioning compared."""
    part = parts["provisioning"]
    if not part["ok"]:
        return parts
    return {**parts, "provisioning": {"ok": True, "data": with_expected(endpoint, part["data"])}}


def with_expected(endpoint: Endpoint, data: dict[str, Any]) -> dict[str, Any]:
    """`expected` is the URL that the redirect tells, None without a location; `matches`: same scheme and host."""
    device = Device.objects.filter(mac=endpoint.mac, group=endpoint.group_id)
    found = device.select_related("location", "group").first()
    if found is None or found.location is None or "serverUrl" not in data:
        return {**data, "expected": None, "matches": None}
    url = expand(found.location.url, mac=found.mac, customer=found.group.name)
    return {**data, "expected": url, "matches": _is_same(url, data["serverUrl"], data.get("serverType", ""))}


def _is_same(expected: str, told: str, kind: str) -> bool:
    """Devices tell a whole URL, or the host alone with its protocol apart."""
    wanted = urlsplit(expected)
    found = urlsplit(told if "://" in told else f"{kind or wanted.scheme}://{told}")
    return (found.scheme.lower(), found.hostname) == (wanted.scheme.lower(), wanted.hostname)
