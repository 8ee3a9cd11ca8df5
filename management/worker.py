"""The worker's side: an endpoint's operations are done by its one job, one after the other.

No other process does them meanwhile. What was sent and not answered is never sent again: reading tells what became
of it, or it stays unknown.
"""

import base64
import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from devices.models import Device
from jobs import runner
from jobs.models import Job, JobState
from management import secrets
from management.addresses import Rules
from management.drivers.base import VERBS, DeviceError, Driver, File, Kind, Result
from management.drivers.mediant import DRIVERS
from management.models import UNFINISHED, Artefact, Endpoint, Operation, OperationState
from management.transport import Transport

logger = logging.getLogger(__name__)

BUSY_FOR, BUSY_STEP = timedelta(minutes=5), timedelta(seconds=15)
HEARTBEAT = 10.0  # seconds; a job that is silent for a minute is taken for dead
ARTEFACT_DAYS = timedelta(days=90)


def rules() -> Rules:
    """What the deployment allows."""
    return Rules(
        tuple(settings.MANAGEMENT_NETWORKS), tuple(settings.MANAGEMENT_PORTS), settings.MANAGEMENT_LOOPBACK
    )


def driver_of(endpoint: Endpoint, **transport: Any) -> Driver:
    """The driver of an endpoint, ready to ask; raises DeviceError if its login cannot be read."""
    try:
        target = endpoint.target
    except secrets.SecretUnreadable as error:
        raise DeviceError(Kind.PRECONDITION, f"{error} Set the login anew.") from error
    return DRIVERS[endpoint.driver](Transport(target, rules(), **transport), secret=target.secret)


def run(job: Job) -> None:
    """The work of an endpoint's job: its operations, the oldest first, until none is left."""
    with _heartbeats(job):
        while (operation := _take(job)) is not None:
            _do(job, operation)


def _take(job: Job) -> Operation | None:
    """The next operation of the job's endpoint; None if there is none, and then the job is finished."""
    with transaction.atomic():
        endpoints = Endpoint.objects.select_for_update(of=("self",), no_key=True)
        endpoint = endpoints.filter(pk=job.payload["endpoint"]).first()
        operation = (
            Operation.objects.filter(endpoint=endpoint, state__in=UNFINISHED).order_by("id").first()
            if endpoint is not None
            else None
        )
        if operation is None:
            # In the transaction that looked: an operation that is asked for now finds a finished job.
            Endpoint.objects.filter(pk=job.payload["endpoint"], job=job).update(job=None)
            runner.finish(job)
            return None
        if operation.state != OperationState.SENT:
            operation.state = OperationState.RUNNING
            operation.attempts += 1
            operation.started_at = operation.started_at or timezone.now()
            operation.save(update_fields=["state", "attempts", "started_at"])
        runner.fence(job, done=job.done)
    return Operation.objects.select_related("endpoint", "endpoint__credential").get(pk=operation.pk)


def _do(job: Job, operation: Operation) -> None:
    endpoint, verb = operation.endpoint, operation.verb
    driver: Driver
    interrupted = operation.state == OperationState.SENT  # the process that sent it has died
    try:
        arguments = _arguments(operation)
        driver = driver_of(endpoint, before_write=lambda: _mark_sent(job, operation, driver))
        if interrupted:
            raise DeviceError(Kind.UNKNOWN_OUTCOME, "The worker ended before the answer came.", sent=True)
        if VERBS[verb].writes:
            check_identity(endpoint, driver)
        result = driver.do(verb, arguments)
    except DeviceError as error:
        if error.kind is Kind.BUSY and timezone.now() < (operation.started_at or timezone.now()) + BUSY_FOR:
            _wait_until_idle(job, operation, error)
        elif error.sent:
            _settle(job, operation, error, driver, arguments)
        else:
            state = OperationState.UNKNOWN if interrupted else OperationState.FAILED
            _finish(job, operation, state, error=error)
    except runner.Superseded:
        raise
    except Exception:
        logger.exception("operation %s: %s", operation.pk, verb)
        state = OperationState.UNKNOWN if operation.state == OperationState.SENT else OperationState.FAILED
        bug = DeviceError(Kind.PROTOCOL, "An error of the service; its log tells more.")
        _finish(job, operation, state, error=bug)
    else:
        _finish(job, operation, OperationState.DONE, result=result)


def _arguments(operation: Operation) -> dict[str, Any]:
    """The arguments as the driver takes them; raises DeviceError."""
    try:
        arguments: dict[str, Any] = json.loads(secrets.decrypt(operation.sealed or b""))
    except secrets.SecretUnreadable as error:
        raise DeviceError(Kind.PRECONDITION, str(error)) from error
    known = DRIVERS[operation.endpoint.driver].capabilities[operation.verb].arguments
    return {name: base64.b64decode(value) if known[name].base64 else value for name, value in arguments.items()}


def check_identity(endpoint: Endpoint, driver: Driver) -> None:
    """Raises DeviceError if the device at the address is not the linked one, which is kept in mind."""
    if not Device.objects.filter(mac=endpoint.mac, group=endpoint.group_id).exists():
        raise DeviceError(Kind.PRECONDITION, "The device is no longer one of the endpoint's group.")
    seen = driver.identity().data["mac"] or ""
    if seen:
        Endpoint.objects.filter(pk=endpoint.pk).update(seen_mac=seen)
        endpoint.seen_mac = seen
    if endpoint.is_of_another_device:
        raise DeviceError(
            Kind.PRECONDITION, "The device at this address says another MAC than the linked one; nothing was sent."
        )


def _mark_sent(job: Job, operation: Operation, driver: Driver) -> None:
    """Called before a write goes out: from now on nobody may do it again blindly."""
    before = operation.before or driver.before(operation.verb)
    with transaction.atomic():
        _update(operation, state=OperationState.SENT, sent_at=timezone.now(), before=before)
        runner.fence(job, done=job.done)


def _wait_until_idle(job: Job, operation: Operation, error: DeviceError) -> None:
    """The device answered that it takes nothing now: the operation goes on later, before those behind it."""
    with transaction.atomic():
        _update(operation, state=OperationState.WAITING, kind=error.kind, message=str(error), sent_at=None)
        runner.fence(job, done=job.done)
    raise runner.TryLater(str(error), BUSY_STEP)


def _settle(
    job: Job, operation: Operation, error: DeviceError, driver: Driver, arguments: Mapping[str, Any]
) -> None:
    """What became of a write that was sent and not answered, as far as reading tells."""
    try:
        verified = driver.verify(operation.verb, arguments, operation.before)
    except DeviceError as later:
        logger.info("operation %s cannot be verified: %s", operation.pk, later)
        verified = None
    states = {True: OperationState.DONE, False: OperationState.FAILED, None: OperationState.UNKNOWN}
    result = Result({}) if verified else None
    _finish(job, operation, states[verified], error=error, result=result, verified=verified)


def _finish(
    job: Job,
    operation: Operation,
    state: OperationState,
    *,
    error: DeviceError | None = None,
    result: Result | None = None,
    verified: bool | None = None,
) -> None:
    done = job.done + 1
    with transaction.atomic():
        _update(
            operation,
            state=state,
            kind=error.kind if error else "",
            message=str(error) if error else "",
            vendor_status=error.status if error else None,
            verified=verified,
            result=result.data if result else None,
            finished_at=timezone.now(),
            sealed=None,
        )
        for file in result.files if result else ():
            keep(operation.endpoint, file, operation)
        if operation.verb == "probe" and result is not None:
            keep_summary(operation.endpoint, result.data)
        runner.fence(job, done=done)


def _update(operation: Operation, **values: Any) -> None:
    for name, value in values.items():
        setattr(operation, name, value)
    operation.save(update_fields=values.keys())


def keep(endpoint: Endpoint, file: File, operation: Operation | None = None) -> Artefact:
    """Keep a file of a device, encrypted."""
    now = timezone.now()
    return Artefact.objects.create(
        endpoint=endpoint,
        operation=operation,
        kind=file.kind,
        name=file.name,
        size=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        firmware=file.firmware,
        created_at=now,
        expires_at=now + ARTEFACT_DAYS,
        data=secrets.encrypt(file.content),
    )


def keep_summary(endpoint: Endpoint, parts: dict[str, Any]) -> None:
    """Keep what a device said of itself when it was last asked."""
    identity = parts["identity"]
    values: dict[str, Any] = {"summary": parts, "refreshed_at": timezone.now()}
    if identity["ok"] and identity["data"]["mac"]:
        values["seen_mac"] = identity["data"]["mac"]
    values["login_refused"] = identity.get("kind") == Kind.UNAUTHENTICATED
    Endpoint.objects.filter(pk=endpoint.pk).update(**values)


@contextlib.contextmanager
def _heartbeats(job: Job) -> Iterator[None]:
    """Tell that this attempt lives, however long a device takes: by a thread, as requests block this one."""
    over = threading.Event()

    def beat() -> None:
        try:
            while not over.wait(HEARTBEAT):
                ours = Job.objects.filter(pk=job.pk, attempt=job.attempt, state=JobState.RUNNING)
                try:
                    ours.update(heartbeat=timezone.now())
                except Exception as error:
                    logger.warning("%s: no heartbeat: %s", job, error)
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
