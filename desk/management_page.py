"""What the pages show of a managed device: its summary, its last operations, and what may be asked of it."""

from dataclasses import dataclass
from typing import Any

from devices.models import Device
from management.certification import OVER, STEPS
from management.drivers.base import VERBS, Level, Support
from management.drivers.catalogue import DRIVERS
from management.models import UNFINISHED, Endpoint, Operation, OperationState
from redirect.times import exact

OPERATIONS_SHOWN = 10
PERMISSIONS = {
    Level.VIEW: "management.view_endpoint",
    Level.OPERATE: "management.operate_endpoint",
    Level.ADMINISTER: "management.administer_endpoint",
}
# In this order, as far as the device can: what needs no arguments.
BUTTONS = {
    "probe": "Ask what it is and how it does",
    "restart": "Restart",
    "resync": "Fetch its configuration",
    "config_backup": "Back up its configuration",
    "config_save": "Save its configuration",
    "certify": "Make a certificate",
    "consistency": "Compare with the location",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a summary, in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Managed:
    """All that is shown of an interface."""

    endpoint: Endpoint
    asked: str | None
    parts: list[Part]
    other_device: bool
    operations: list[Operation]
    buttons: list[tuple[str, str]]


def of_device(device: Device, user: Any) -> Managed | None:
    """What is shown on the page of a device; None if it is not managed, or not this user's to see."""
    if not user.has_perm(PERMISSIONS[Level.VIEW]):
        return None
    endpoint = Endpoint.objects.filter(mac=device.mac, group=device.group_id).first()
    return of_endpoint(endpoint, user) if endpoint else None


def of_endpoint(endpoint: Endpoint, user: Any) -> Managed:
    """What is shown of an interface."""
    shown = ("id", "endpoint", "verb", "state", "message", "created_at")
    return Managed(
        endpoint=endpoint,
        asked=exact(endpoint.refreshed_at) if endpoint.refreshed_at else None,
        parts=[_part(name, part) for name, part in (endpoint.summary or {}).items()],
        other_device=endpoint.is_of_another_device,
        operations=list(endpoint.operations.only(*shown).order_by("-pk")[:OPERATIONS_SHOWN]),
        buttons=[(verb, BUTTONS[verb]) for verb in verbs_for(endpoint, user)],
    )


def verbs_for(endpoint: Endpoint, user: Any) -> list[str]:
    """What this user may ask of the device by a button."""
    known = DRIVERS[endpoint.driver].capabilities
    return [
        verb
        for verb in BUTTONS
        if verb in known
        and known[verb].support is not Support.NONE
        and user.has_perm(PERMISSIONS[VERBS[verb].level])
    ]


def _part(name: str, part: dict[str, Any]) -> Part:
    if not part["ok"]:
        return Part(name, f"{part['kind']}: {part['message']}")
    shown = {key: value for key, value in part["data"].items() if key != "raw" and value not in (None, "", [])}
    return Part(name, ", ".join(f"{key}: {_short(value)}" for key, value in shown.items()) or "it answers")


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(len(value)) if isinstance(value, list) else str(value)[:200]


def progress(operation: Operation) -> dict[str, Any]:
    """How far an operation is, for the bar: a flow by its steps."""
    over = [each for each in operation.steps if each["state"] in OVER]
    total = len(STEPS) if operation.verb == "certify" else 1
    finished = operation.state not in (*UNFINISHED, OperationState.PARKED)
    text = operation.get_state_display()
    if operation.steps and not finished:
        text = f"{text}: {len(over)} of {total} steps are done"
    return {
        "state": operation.state,
        "total": total,
        "done": total if finished else min(len(over), total),
        "text": text,
        "stalled": operation.state == OperationState.PARKED,
    }
