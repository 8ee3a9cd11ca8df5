"""The worker's side: an endpoint's operations are done by its one job, one after the other.

No other process does them meanwhile. What was sent and not answered is never sent again: reading tells what became
of it, or it stays unknown.
"""

import base64
import contextlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.utils import timezone

from devices.models import Device
from jobs import runner
from jobs.models import Job, JobState
from locations.models import Location
from management import certification, leases, provisioning, secrets
from management.drivers.base import VERBS, DeviceError, Driver, Kind, Receiver, Result
from management.drivers.catalogue import DRIVERS
from management.models import UNFINISHED, Endpoint, Operation, OperationState
from management.receiver import PushReceiver
from management.storage import keep, keep_summary
from management.transport import Transport
from redirect.db.failures import is_temporary
from redirect.http.addresses import Rules

logger = logging.getLogger(__name__)

LEASE_STEP = timedelta(seconds=1)
HEARTBEAT = 10.0  # seconds; a job that is silent for a minute is taken for dead


def rules() -> Rules:
    """What the deployment allows."""
    return Rules(
        tuple(settings.MANAGEMENT_NETWORKS), tuple(settings.MANAGEMENT_PORTS), settings.MANAGEMENT_LOOPBACK
    )


def driver_of(endpoint: Endpoint, receiver: Receiver | None = None, **transport: Any) -> Driver:
    """The driver of an endpoint, ready to ask; raises DeviceError if its login cannot be read."""
    try:
        target = endpoint.target
    except secrets.SecretUnreadable as error:
        raise DeviceError(Kind.PRECONDITION, f"{error} Set the login anew.") from error
    driver = DRIVERS[endpoint.driver]
    return driver(Transport(target, rules(), **transport), secret=target.secret, receiver=receiver)


def run(job: Job) -> None:
    """The work of an endpoint's job: its operations, the oldest first, until none is left."""
    try:
        with _heartbeats(job):
            while (operation := _take(job)) is not None:
                _do(job, operation)
    finally:
        leases.give_back(job.payload["endpoint"], _holder(job))


def _holder(job: Job) -> str:
    return f"job {job.pk}"


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
        if not leases.take(operation.endpoint_id, _holder(job), leases.FOR_A_JOB):
            raise runner.TryLater("Another process is asking the device.", LEASE_STEP)
        if operation.state != OperationState.SENT:
            operation.state = OperationState.RUNNING
            operation.attempts += 1
            operation.started_at = operation.started_at or timezone.now()
            operation.save(update_fields=["state", "attempts", "started_at"])
        runner.fence(job, done=job.done)
    return Operation.objects.select_related("endpoint", "endpoint__credential").get(pk=operation.pk)


def _do(job: Job, operation: Operation) -> None:
    """Do one operation. It comes to its end whatever goes wrong: it would hold up those behind it for ever."""
    try:
        (_certify if operation.verb == "certify" else _carry_out)(job, operation)
    except (runner.Superseded, runner.TryLater):
        raise
    except Exception as error:
        if isinstance(error, DatabaseError) and is_temporary(error):
            raise
        logger.exception("operation %s: %s", operation.pk, operation.verb)
        bug = DeviceError(Kind.PROTOCOL, "An error of the service; its log tells more.")
        _finish(job, operation, OperationState.UNKNOWN if operation.sent_at else OperationState.FAILED, error=bug)


def _carry_out(job: Job, operation: Operation) -> None:
    endpoint, verb = operation.endpoint, operation.verb
    driver: Driver
    interrupted = operation.state == OperationState.SENT  # the process that sent it has died
    try:
        arguments = _arguments(operation)
        receiver = PushReceiver(operation)
        driver = driver_of(endpoint, receiver, before_write=lambda: _mark_sent(job, operation, driver))
        if interrupted:
            raise DeviceError(Kind.UNKNOWN_OUTCOME, "The worker ended before the answer came.", sent=True)
        if VERBS[verb].writes:
            check_identity(endpoint, driver)
        _check_pause(operation, driver, arguments)
        result = provisioning.compared(endpoint, verb, driver.do(verb, arguments))
    except DeviceError as error:
        if error.kind is Kind.BUSY and _is_worth_waiting(operation):
            _wait_until_idle(job, operation, error)
        elif error.sent:
            _settle(job, operation, error, driver, arguments)
        else:
            state = OperationState.UNKNOWN if interrupted else OperationState.FAILED
            _finish(job, operation, state, error=error)
    else:
        _finish(job, operation, OperationState.DONE, result=result)


def _certify(job: Job, operation: Operation) -> None:
    """The guided flow, which keeps for itself how far it is."""

    def save() -> None:
        with transaction.atomic():
            _update(operation, steps=operation.steps)
            runner.fence(job, done=job.done)

    flow: certification.Flow
    try:
        driver = driver_of(operation.endpoint, before_write=lambda: flow.before_write())
        check_identity(operation.endpoint, driver)
        flow = certification.Flow(operation, driver, operation.arguments, save)
        result = flow.run()
    except certification.Parked:
        _park(job, operation)
    except DeviceError as error:
        if error.kind is Kind.BUSY and _is_worth_waiting(operation):
            _wait_until_idle(job, operation, error)
        state = OperationState.UNKNOWN if error.kind is Kind.UNKNOWN_OUTCOME else OperationState.FAILED
        _finish(job, operation, state, error=error)
    else:
        _finish(job, operation, OperationState.DONE, result=result)


def _park(job: Job, operation: Operation) -> None:
    """Let those behind it go on until a person brings what is missing."""
    with transaction.atomic():
        _update(operation, state=OperationState.PARKED, kind="", message="")
        runner.fence(job, done=job.done)


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
    if driver.is_server:
        if not Location.objects.filter(endpoint.of_location).exists():
            raise DeviceError(Kind.PRECONDITION, "The location is no longer one of the endpoint's group.")
        return
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
    raise runner.TryLater(str(error), timedelta(seconds=DRIVERS[operation.endpoint.driver].busy_step))


def _check_pause(operation: Operation, driver: Driver, arguments: Mapping[str, Any]) -> None:
    """Raises DeviceError (busy) if the device would not take this so soon after the last of its kind."""
    seconds = driver.pause_between(operation.verb, arguments)
    if not seconds:
        return
    since = timezone.now() - timedelta(seconds=seconds)
    alike = operation.endpoint.operations.filter(verb=operation.verb, sent_at__gt=since)
    if alike.filter(arguments__path=operation.arguments["path"]).exclude(pk=operation.pk).exists():
        raise DeviceError(Kind.BUSY, f"The device takes this once in {seconds:.0f} seconds.")


def _is_worth_waiting(operation: Operation) -> bool:
    driver = DRIVERS[operation.endpoint.driver]
    return timezone.now() < (operation.started_at or timezone.now()) + timedelta(seconds=driver.busy_for)


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
                    leases.renew(job.payload["endpoint"], _holder(job), leases.FOR_A_JOB)
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
