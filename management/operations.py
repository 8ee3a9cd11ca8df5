"""What may be asked of a device, by whom and when; what was asked is done by the worker (worker.py)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from accounts.models import User
from audit import recording
from audit.models import Event
from devices.models import Device
from jobs import runner
from management import secrets, worker
from management.drivers.base import VERBS, Argument, Kind, Support
from management.drivers.mediant import DRIVERS
from management.models import UNFINISHED, Endpoint, Operation
from management.redaction import HIDDEN
from redirect.errors import ApiError, Conflict, bad_attribute

ATTEMPTS = 10_000  # of the job, which also waits for busy devices; each operation has limits of its own
WAITING_AT_MOST = 1000  # operations of one endpoint


def check(endpoint: Endpoint, verb: str, arguments: Mapping[str, Any]) -> None:
    """Raises ApiError if the endpoint's driver does not have the verb (501), or not with these arguments (400)."""
    capability = DRIVERS[endpoint.driver].capabilities.get(verb)
    if capability is None:
        raise bad_attribute("verb", f"Unknown; known are {', '.join(VERBS)}.")
    if capability.support is Support.NONE:
        raise ApiError(501, capability.note, kind=Kind.UNSUPPORTED.value)
    for name in arguments:
        if name not in capability.arguments:
            known = ", ".join(capability.arguments) or "none"
            raise bad_attribute(f"arguments.{name[:100]}", f"Unknown argument; known are {known}.")
    for name, argument in capability.arguments.items():
        if name in arguments:
            _check_argument(f"arguments.{name}", argument, arguments[name])
        elif argument.required:
            raise bad_attribute(f"arguments.{name}", "This argument is required.")


def _check_argument(path: str, argument: Argument, value: Any) -> None:
    if type(value) is not argument.type:
        raise bad_attribute(path, {str: "Must be a string.", bool: "Must be true or false."}.get(
            argument.type, "Must be a whole number."))  # fmt: skip
    if argument.choices and value not in argument.choices:
        raise bad_attribute(path, f"Must be one of {', '.join(map(str, argument.choices))}.")
    if isinstance(value, str):
        if len(value) > argument.most:
            raise bad_attribute(path, f"Must have {argument.most:,} characters at most.")
        if argument.required and not value.strip():
            raise bad_attribute(path, "Must not be empty.")
        if argument.base64:
            try:
                base64.b64decode(value, validate=True)
            except ValueError as error:
                raise bad_attribute(path, "Must be base64.") from error
    elif isinstance(value, int) and not argument.choices and not argument.least <= value <= argument.most:
        raise bad_attribute(path, f"Must be {argument.least:,} to {argument.most:,}.")


def ask(endpoint: Endpoint, user: User, verb: str, arguments: Mapping[str, Any]) -> Operation:
    """Take an operation in, for an endpoint that is locked; its arguments were checked. Raises ApiError 409."""
    if VERBS[verb].writes:
        check_link(endpoint)
    if endpoint.operations.filter(state__in=UNFINISHED).count() >= WAITING_AT_MOST:
        raise Conflict(f"{WAITING_AT_MOST:,} operations of this endpoint are waiting already.")
    known = DRIVERS[endpoint.driver].capabilities[verb].arguments
    owner = user if user.pk else None  # an API key acts as a user that no table has
    hidden = {name: known[name].secret or known[name].base64 for name in arguments}
    operation = Operation.objects.create(
        endpoint=endpoint,
        verb=verb,
        user=owner,
        user_login=user.login,
        arguments={name: HIDDEN if hidden[name] else value for name, value in arguments.items()},
        sealed=secrets.encrypt(json.dumps(arguments).encode()),
    )
    recording.record(Event.CHANGED, endpoint, {"operation": [None, verb]})
    if endpoint.job is None or endpoint.job.is_finished:
        endpoint.job = runner.enqueue(worker.run, owner, attempts=ATTEMPTS, endpoint=endpoint.pk)
        endpoint.save(update_fields=["job"])
    return operation


def check_link(endpoint: Endpoint) -> None:
    """Raises ApiError 409 if a write would reach another device than the one that is meant."""
    if endpoint.is_of_another_device:
        raise ApiError(
            409,
            "The device at this address says another MAC than the linked one. Nothing is written to it until an "
            "Administrator links the endpoint anew.",
            kind=Kind.PRECONDITION.value,
        )
    if not Device.objects.filter(mac=endpoint.mac, group=endpoint.group_id).exists():
        raise ApiError(409, "The device is no longer one of the endpoint's group.", kind=Kind.PRECONDITION.value)
