"""What may be asked of a device, by whom and when; what was asked is done by the worker (worker.py)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import User
from audit import recording
from audit.models import Event
from devices import mac
from devices.models import Device
from jobs import runner
from locations.models import Location
from management import certification, secrets, worker
from management.drivers import documented
from management.drivers.base import VERBS, Argument, DeviceError, Kind, Support
from management.drivers.catalogue import DRIVERS
from management.models import LANE, UNFINISHED, Endpoint, Operation, OperationState
from management.pem import normal
from management.redaction import HIDDEN
from redirect.errors import ApiError, Conflict, FieldError, bad_attribute

ATTEMPTS = 10_000  # of the job, which also waits for busy devices; each operation has limits of its own
WAITING_AT_MOST = 1000  # operations of one endpoint
IMPORTED_AT_MOST = 5000
MOST_OF_ENTRY = 20_000  # characters
EXPECTED = {
    str: "Must be a string.",
    bool: "Must be true or false.",
    int: "Must be a whole number.",
    dict: "Must be a JSON object.",
    list: "Must be a list.",
}
STATUS_OF = {
    Kind.BUSY: 409,
    Kind.CONFLICT: 409,
    Kind.NOT_FOUND: 404,
    Kind.PRECONDITION: 409,
    Kind.UNSUPPORTED: 501,
    Kind.INVALID: 400,
    Kind.TOO_LARGE: 413,
    Kind.TIMEOUT: 504,
}


def check(endpoint: Endpoint, verb: str, arguments: Mapping[str, Any], *, within: str = "arguments.") -> None:
    """Raises ApiError if the endpoint's driver does not have the verb (501), or not with these arguments (400).

    `within` is where the request has the arguments, for the names of the attributes at fault.
    """
    capability = DRIVERS[endpoint.driver].capabilities.get(verb)
    if capability is None:
        raise bad_attribute("verb", f"Unknown; known are {', '.join(VERBS)}.")
    if capability.support is Support.NONE:
        raise ApiError(501, capability.note, kind=Kind.UNSUPPORTED.value)
    for name in arguments:
        if name not in capability.arguments:
            known = ", ".join(capability.arguments) or "none"
            raise bad_attribute(f"{within}{name[:100]}", f"Unknown argument; known are {known}.")
    for name, argument in capability.arguments.items():
        if name in arguments:
            _check_argument(f"{within}{name}", argument, arguments[name])
        elif argument.required:
            raise bad_attribute(f"{within}{name}", "This argument is required.")
    macs = [(f"{within}mac", arguments["mac"])] if "mac" in arguments else []
    macs += [(f"{within}macs[{place}]", text) for place, text in enumerate(arguments.get("macs", ()))]
    for path, text in macs:
        try:
            parsed = mac.parse(text)
        except mac.InvalidMAC as error:
            raise bad_attribute(path, str(error)) from error
        if verb == "factory_reset" and parsed != endpoint.mac:
            raise bad_attribute(path, "Must repeat the MAC of the device.")
    if verb == "passthrough":
        _check_passthrough(endpoint, arguments["method"], arguments["path"])
    try:
        DRIVERS[endpoint.driver].check(verb, arguments)
    except DeviceError as error:
        raise api_error(error, within) from error


def _check_passthrough(endpoint: Endpoint, method: str, path: str) -> None:
    """Raises ApiError 403 for what the allow list of the driver does not let through."""
    found = documented.find(endpoint.driver, method, path)
    if found is None or not found.passes:
        raise ApiError(403, "The pass-through does not let this call through.", kind=Kind.FORBIDDEN.value)
    if found.is_of_calls and not settings.MANAGEMENT_CALL_CONTROL:
        raise ApiError(
            403,
            "Call control and what is a person's own are switched off (MANAGEMENT_CALL_CONTROL).",
            kind=Kind.FORBIDDEN.value,
        )


def api_error(error: DeviceError, within: str = "") -> ApiError:
    """How a device's error is answered, where it was asked within the request."""
    headers = {"Retry-After": "15"} if error.kind is Kind.BUSY else None
    errors = [FieldError(f"{within}{error.argument}", str(error))] if error.argument else []
    status = STATUS_OF.get(error.kind, 502)
    return ApiError(status, str(error), errors=errors, headers=headers, kind=error.kind.value)


def _check_argument(path: str, argument: Argument, value: Any) -> None:
    if type(value) is not argument.type:
        raise bad_attribute(path, EXPECTED[argument.type])
    if argument.choices and value not in argument.choices:
        raise bad_attribute(path, f"Must be one of {', '.join(map(str, argument.choices))}.")
    if isinstance(value, dict | list):
        _check_entries(path, argument, value)
    elif isinstance(value, str):
        if len(value) > argument.most:
            raise bad_attribute(path, f"Must have {argument.most:,} characters at most.")
        if argument.required and not value.strip():
            raise bad_attribute(path, "Must not be empty.")
        if argument.base64:
            try:
                base64.b64decode(value, validate=True)
            except ValueError as error:
                raise bad_attribute(path, "Must be base64.") from error
        if argument.certificates and value:
            try:
                normal(value)
            except ValueError as error:
                raise bad_attribute(path, str(error)) from error
    elif isinstance(value, int) and not argument.choices and not argument.least <= value <= argument.most:
        raise bad_attribute(path, f"Must be {argument.least:,} to {argument.most:,}.")


def _check_entries(path: str, argument: Argument, value: dict[str, Any] | list[Any]) -> None:
    if len(value) > argument.most:
        raise bad_attribute(path, f"Must have {argument.most:,} entries at most.")
    if argument.required and not value:
        raise bad_attribute(path, "Must not be empty.")
    if not all(len(name) <= MOST_OF_ENTRY for name in value if isinstance(name, str)):
        raise bad_attribute(path, f"An entry must have {MOST_OF_ENTRY:,} characters at most.")
    for name, text in value.items() if isinstance(value, dict) else enumerate(value):
        if not isinstance(text, str) or len(text) > MOST_OF_ENTRY:
            entry = f"`{name[:100]}`" if isinstance(name, str) else f"Entry {name}"
            raise bad_attribute(path, f"{entry} must be a string of {MOST_OF_ENTRY:,} characters at most.")
    if not all(value):
        raise bad_attribute(path, "An entry must not be empty.")


def ask(endpoint: Endpoint, user: User, verb: str, arguments: Mapping[str, Any]) -> Operation:
    """Take an operation in, for an endpoint that is locked; its arguments were checked. Raises ApiError 409."""
    if VERBS[verb].writes:
        check_link(endpoint)
    if endpoint.operations.filter(state__in=UNFINISHED).count() >= WAITING_AT_MOST:
        raise Conflict(f"{WAITING_AT_MOST:,} operations of this endpoint are waiting already.")
    if verb == "import_phones":
        arguments = {**arguments, "macs": _macs(endpoint, arguments.get("macs"))}
    if verb == "certify" and _flows(endpoint).exists():
        raise Conflict("Another certificate flow of the endpoint is under way.")
    known = DRIVERS[endpoint.driver].capabilities[verb].arguments
    arguments = {
        name: normal(value) if known[name].certificates and value else value for name, value in arguments.items()
    }
    shown, told = dict(arguments), verb
    if verb == "passthrough":
        found = documented.find(endpoint.driver, arguments["method"], arguments["path"])
        assert found is not None  # it was checked
        shown["path"] = documented.shown_path(found, arguments["path"])
        told = f"{verb} {arguments['method']} {shown['path']}"
    owner = user if user.pk else None  # an API key acts as a user that no table has
    hidden = {name: known[name].secret or known[name].base64 for name in arguments}
    operation = Operation.objects.create(
        endpoint=endpoint,
        verb=verb,
        user=owner,
        user_login=user.login,
        arguments={name: HIDDEN if hidden[name] else value for name, value in shown.items()},
        sealed=secrets.encrypt(json.dumps(arguments).encode()),
    )
    recording.record(Event.CHANGED, endpoint, {"operation": [None, told]})
    _enqueue(endpoint, user)
    return operation


def _enqueue(endpoint: Endpoint, user: User) -> None:
    """See to it that a job does the endpoint's operations."""
    if endpoint.job is None or endpoint.job.is_finished:
        owner = user if user.pk else None  # an API key acts as a user that no table has
        endpoint.job = runner.enqueue(worker.run, owner, attempts=ATTEMPTS, lane=LANE, endpoint=endpoint.pk)
        endpoint.save(update_fields=["job"])


def bring_certificate(operation: Operation, user: User, pem: str, trust: str) -> None:
    """Let a flow go on with a certificate; its endpoint is locked. Raises ApiError 400 or 409."""
    if operation.state != OperationState.PARKED:
        raise Conflict("The operation does not wait for a certificate.")
    try:
        certification.check(operation, pem)
    except certification.Refused as error:
        raise bad_attribute("certificate", str(error)) from error
    try:
        trusted = normal(trust) if trust else ""
    except ValueError as error:
        raise bad_attribute("trust", str(error)) from error
    brought = {"pem": normal(pem), "trust": trusted, "by": user.login}
    certification.note(operation, "certificate", certification.DONE, **brought)
    _go_on(operation, user)


def resume(operation: Operation, user: User) -> None:
    """Let a flow go on that failed; its endpoint is locked. Raises ApiError 409."""
    ended = operation.state in (OperationState.FAILED, OperationState.UNKNOWN)
    if operation.verb != "certify" or not ended:
        raise Conflict("Only a certificate flow that failed can go on.")
    if _flows(operation.endpoint).exists():
        raise Conflict("Another certificate flow of the endpoint is under way.")
    check_link(operation.endpoint)
    for known in operation.steps:
        if known["state"] == certification.IN_DOUBT and known["step"] == "save":
            known["state"] = certification.WAITING  # a person wants it done again
    _go_on(operation, user)


def _go_on(operation: Operation, user: User) -> None:
    values = {"state": OperationState.WAITING, "kind": "", "message": "", "finished_at": None, "started_at": None}
    for name, value in values.items():
        setattr(operation, name, value)
    operation.save(update_fields=["steps", *values])
    recording.record(Event.CHANGED, operation.endpoint, {"operation": [None, "certify"]})
    _enqueue(operation.endpoint, user)


def _flows(endpoint: Endpoint) -> QuerySet[Operation]:
    return endpoint.operations.filter(verb="certify", state__in=[*UNFINISHED, OperationState.PARKED])


def _macs(endpoint: Endpoint, named: list[str] | None) -> list[str]:
    """Those that are named, or those of all devices of the server's location; 12 upper-case digits each."""
    if named:
        return [mac.parse(text) for text in named]
    of_location = Device.objects.filter(location=endpoint.location_id, group=endpoint.group_id)
    found = list(of_location.order_by("mac").values_list("mac", flat=True)[: IMPORTED_AT_MOST + 1])
    if not found:
        raise Conflict("The location has no devices.")
    if len(found) > IMPORTED_AT_MOST:
        raise Conflict(f"The location has more than {IMPORTED_AT_MOST:,} devices: name them, part by part.")
    return found


def check_link(endpoint: Endpoint) -> None:
    """Raises ApiError 409 if a write would reach another device than the one that is meant."""
    if endpoint.is_of_another_device:
        raise ApiError(
            409,
            "The device at this address says another MAC than the linked one. Nothing is written to it until an "
            "Administrator links the endpoint anew.",
            kind=Kind.PRECONDITION.value,
        )
    if endpoint.location_id is not None:
        if not Location.objects.filter(endpoint.of_location).exists():
            raise ApiError(409, "The location is gone.", kind=Kind.PRECONDITION.value)
    elif not Device.objects.filter(mac=endpoint.mac, group=endpoint.group_id).exists():
        raise ApiError(409, "The device is no longer one of the endpoint's group.", kind=Kind.PRECONDITION.value)
