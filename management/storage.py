"""What is kept of a device's answers: its files, encrypted, and its summary."""

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from management import secrets
from management.drivers.base import File, Kind
from management.models import Artefact, Endpoint, Operation

ARTEFACT_DAYS = timedelta(days=90)


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
