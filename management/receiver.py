"""Files that a device pushes: an address for one file, which it alone is told, once and not for long."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from management.drivers.base import DeviceError, File, Kind
from management.models import Artefact, Operation, Upload
from management.storage import keep

OPEN_FOR = timedelta(minutes=5)
STEP = 0.2
PATH = "/uploads/"


class PushReceiver:
    """Receives what one operation makes a device push."""

    def __init__(self, operation: Operation, pause: Callable[[float], None] = time.sleep) -> None:
        self._operation, self._pause = operation, pause

    def open(self, kind: str, name: str) -> str:
        """A new address for a file; raises DeviceError where the deployment has none."""
        if not settings.MANAGEMENT_RECEIVER:
            raise DeviceError(
                Kind.PRECONDITION,
                "The device pushes the file, and nothing receives it: set MANAGEMENT_RECEIVER to the https "
                "address at which devices reach this service.",
            )
        token = secrets.token_urlsafe(32)
        Upload.objects.create(
            digest=digest_of(token),
            operation=self._operation,
            kind=kind,
            name=name,
            expires_at=timezone.now() + OPEN_FOR,
        )
        return f"{settings.MANAGEMENT_RECEIVER}{PATH}{token}"

    def arrived(self, seconds: float) -> bool:
        """Whether the file has come; waits for it so long."""
        until = time.monotonic() + seconds
        while not Upload.objects.filter(operation=self._operation, arrived_at__isnull=False).exists():
            if time.monotonic() >= until:
                return False
            self._pause(STEP)
        return True


def digest_of(token: str) -> str:
    """What is kept of the secret part of an address."""
    return hashlib.sha256(token.encode()).hexdigest()


def receive(token: str, content: bytes) -> Artefact | None:
    """Keep a file that came to an address; None if the address is unknown, used or too old."""
    with transaction.atomic():
        waiting = Upload.objects.select_for_update(of=("self",), no_key=True).filter(
            digest=digest_of(token), arrived_at=None, expires_at__gt=timezone.now()
        )
        upload = waiting.select_related("operation__endpoint").first()
        if upload is None:
            return None
        upload.arrived_at = timezone.now()
        upload.save(update_fields=["arrived_at"])
        file = File(upload.kind, upload.name, content)
        return keep(upload.operation.endpoint, file, upload.operation)
