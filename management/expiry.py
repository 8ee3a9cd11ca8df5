"""Certificates of devices that end soon, as far as the service knows them: told once each, to who subscribes.

Known is what a device last showed when it was asked (`tls_cert_get`), and what `certify` has installed.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils import timezone

from devices import mac as macs
from devices.models import Device
from management.certification import step
from management.models import Operation, OperationState
from redirect.db.arrays import integers
from webhooks.models import EventType
from webhooks.outbox import Message, Subscribers, one_at_a_time, put, tell_once, told_time

SOON = timedelta(days=30)


class Known(NamedTuple):
    """A device's certificate."""

    group_id: int
    mac: str
    context: str
    subject: str
    not_after: datetime
    fingerprint: str

    @property
    def key(self) -> tuple[int, str]:
        """Told's."""
        return self.group_id, f"{self.mac} {self.fingerprint}"


def turn() -> None:
    """Tell of certificates that end soon or have ended, to those who want to know."""
    subscribers = Subscribers([EventType.CERTIFICATE_EXPIRING])
    if not subscribers:
        return
    now = timezone.now()
    ending = {known.key: known for known in _known(subscribers.groups) if known.not_after <= now + SOON}
    with transaction.atomic():
        one_at_a_time()
        messages = []
        for key in sorted(tell_once(EventType.CERTIFICATE_EXPIRING, dict.fromkeys(ending, now))):
            known = ending[key]
            data = {
                "mac": macs.display(known.mac),
                "groupId": known.group_id,
                "context": known.context,
                "subject": known.subject,
                "notAfter": told_time(known.not_after),
                "fingerprint": known.fingerprint,
                "time": told_time(now),
            }
            for subscriber in subscribers.of(EventType.CERTIFICATE_EXPIRING, now, [known.group_id]):
                messages.append(Message(subscriber, EventType.CERTIFICATE_EXPIRING, known.mac, data))
        put(messages)


def _told() -> QuerySet[Any, Any]:
    """Operations that tell a device's certificate, with its TLS context."""
    done = Operation.objects.filter(state=OperationState.DONE, verb__in=["tls_cert_get", "certify"])
    return done.annotate(context=Coalesce(KeyTextTransform("context", "arguments"), Value("0", TextField())))


def _known(groups: set[int]) -> Iterator[Known]:
    """What each context of each device of the groups showed last, in one statement."""
    newer = _told().filter(endpoint=OuterRef("endpoint"), context=OuterRef("context"), pk__gt=OuterRef("pk"))
    device = Device.objects.filter(mac=OuterRef("endpoint__mac"), group=OuterRef("endpoint__group"))
    newest = _told().filter(~Exists(newer), Exists(device), endpoint__group__in=integers(sorted(groups)))
    for operation in newest.select_related("endpoint").order_by("pk").iterator():
        own = _certificate(operation)
        if own is not None:
            endpoint: Any = operation.endpoint
            yield Known(endpoint.group_id, endpoint.mac, operation.context, *own)


def _certificate(operation: Operation) -> tuple[str, datetime, str] | None:
    """Subject, end and fingerprint of a device's own certificate; None if it has none."""
    if operation.verb == "certify":
        pem = str(step(operation, "certificate")["pem"])
    else:
        shown = (operation.result or {}).get("certificates")
        if not shown:
            return None
        pem = str(shown[0]["pem"])
    certificate = x509.load_pem_x509_certificate(pem.encode())
    subject, end = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc
    return subject, end, certificate.fingerprint(SHA256()).hex()
