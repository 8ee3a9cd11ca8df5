"""Mails that wait to go out: written in the transaction of their reason, sent by the worker until they are taken.

One worker speaks with the mail server at a time. While that is away or refuses to speak, all mails wait, and it is
tried ever less often. A worker that is killed leaves at most one mail of which it is not known whether it arrived:
that is sent again, with the same Message-ID.
"""

import logging
import smtplib
import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from email.utils import formatdate, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Level, User
from webhooks import smtp
from webhooks.models import Alert, Mail, MailServer, MailState

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # longer than one mail takes
TURN = 10.0  # seconds, in which a worker does nothing else, and one mail more
BATCH = 50
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)  # of a mail that was refused for now
LONGEST_PAUSE = timedelta(minutes=10)  # of all, while the server is away
GIVE_UP = timedelta(days=5)  # RFC 5321, 4.5.4.1
MOST_IN_DOUBT = 3  # more repetitions would be a nuisance: one of these has arrived, most likely
KEPT = timedelta(days=7)


class ServerAway(Exception):
    """The mail server cannot be spoken with now. ``str()`` is a sentence for the operator."""


def is_on() -> bool:
    """Whether the service has a mail server."""
    return not settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend")


def administrators_of(group_id: int) -> list[str]:
    """The addresses of a group's Administrators who can log in."""
    users = User.objects.filter(group=group_id, permission_level=Level.ADMINISTRATOR, is_active=True)
    return sorted({user.email for user in users if user.email})


def put(addresses: Iterable[str], subject: str, text: str, alert: Alert | None = None) -> None:
    """Within a transaction: write a mail for each of these addresses; none where the service sends no mail."""
    if not is_on():
        return
    subject = "".join(character if character.isprintable() else " " for character in subject)[:400]
    shared = {"alert": alert, "subject": subject, "text": text, "created_at": timezone.now()}
    Mail.objects.bulk_create(Mail(address=address, **shared) for address in addresses)


def turn() -> None:
    """Send what is due, for some seconds."""
    if not is_on() or not _due().exists():
        return
    lease = _lease()
    if lease is None:
        return
    end = time.monotonic() + TURN
    try:
        with _opened() as server:
            for mail in _due().select_related("alert").order_by("pk")[:BATCH]:
                if time.monotonic() > end or not _renew(lease):
                    break
                _send(server, mail)
    except ServerAway as error:
        _pause(lease, str(error))
    else:
        _server(lease).update(lease=None, leased_until=None, failures=0, paused_until=None)


def _due() -> QuerySet[Mail]:
    return Mail.objects.filter(state=MailState.PENDING, next_attempt__lte=timezone.now())


def _server(lease: uuid.UUID) -> QuerySet[MailServer]:
    return MailServer.objects.filter(pk=1, lease=lease)


def _lease() -> uuid.UUID | None:
    """The right to speak with the mail server; None if another worker has it, or the server is left alone."""
    now, lease = timezone.now(), uuid.uuid4()
    MailServer.objects.get_or_create(pk=1)
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    awake = Q(paused_until=None) | Q(paused_until__lte=now)
    taken = MailServer.objects.filter(free, awake, pk=1).update(lease=lease, leased_until=now + LEASE)
    return lease if taken else None


def _renew(lease: uuid.UUID) -> bool:
    """Whether the lease is still held; for another minute."""
    return bool(_server(lease).update(leased_until=timezone.now() + LEASE))


def _pause(lease: uuid.UUID, problem: str) -> None:
    """Leave the server alone for a while, and let go of it."""
    logger.warning("mail: %s", problem)
    failures = MailServer.objects.values_list("failures", flat=True).get(pk=1)
    pause = min(FIRST_WAIT * 2 ** min(failures, 10), LONGEST_PAUSE)
    _server(lease).update(
        lease=None, leased_until=None, failures=failures + 1, paused_until=timezone.now() + pause
    )


def _opened() -> Any:
    """A connection to the mail server, as a context; raises ServerAway."""
    connection = get_connection()
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAway(f"The mail server cannot be reached: {_words(error)}") from error
    return connection


def _send(server: Any, mail: Mail) -> None:
    """Send one mail and keep what became of it; raises ServerAway if the others are to wait, too."""
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    headers = {
        "Message-ID": f"<{mail.key.hex}@{sender.rpartition('@')[2] or 'localhost'}>",
        "Date": formatdate(mail.created_at.timestamp()),
        "Auto-Submitted": "auto-generated",  # RFC 3834: nothing answers by itself
    }
    message = EmailMessage(mail.subject, mail.text, None, [mail.address], headers=headers, connection=server)
    mail.attempts += 1
    away = None
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        is_final = 500 <= code < 600
        _not_sent(mail, f"The mail server refuses {mail.address}: {code} {_text(reply)}", give_up=is_final)
    except smtplib.SMTPDataError as error:
        _not_sent(mail, f"The mail server refuses the mail: {error.smtp_code} {_text(error.smtp_error)}")
    except (OSError, smtplib.SMTPException) as error:
        in_doubt = isinstance(error, smtp.InDoubt)
        mail.in_doubt += in_doubt
        away = f"The mail server does not take mails: {_words(error)}"
        _not_sent(mail, away, wait=FIRST_WAIT, give_up=mail.in_doubt >= MOST_IN_DOUBT)
    except ValueError as error:  # an address or a header that no mail can have
        _not_sent(mail, f"This is no mail: {_words(error)}", give_up=True)
    else:
        mail.state, mail.finished_at, mail.problem = MailState.SENT, timezone.now(), ""
    _keep(mail)
    if away is not None:
        raise ServerAway(away)


def _not_sent(mail: Mail, problem: str, *, wait: timedelta | None = None, give_up: bool = False) -> None:
    now = timezone.now()
    mail.problem = problem[:300]
    if give_up or now - mail.created_at > GIVE_UP:
        logger.warning("mail %s to %s is given up: %s", mail.pk, mail.address, problem)
        mail.state, mail.finished_at = MailState.FAILED, now
    else:
        mail.next_attempt = now + (wait or min(FIRST_WAIT * 2 ** min(mail.attempts - 1, 10), LONGEST_WAIT))


def _keep(mail: Mail) -> None:
    with transaction.atomic():
        mail.save(
            update_fields=["attempts", "in_doubt", "state", "finished_at", "next_attempt", "problem"],
        )
        if mail.alert_id is not None:
            written_together = Mail.objects.filter(alert=mail.alert_id, created_at=mail.created_at)
            problems = written_together.exclude(state=MailState.SENT).exclude(problem="").order_by("pk")
            sent = {"sent_at": mail.finished_at} if mail.state == MailState.SENT else {}
            problem = problems.values_list("problem", flat=True).first() or ""
            Alert.objects.filter(pk=mail.alert_id).update(problem=problem, **sent)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def forget_old() -> int:
    """Delete mails that were finished long ago: they have addresses of people; how many."""
    deleted, _ = Mail.objects.filter(finished_at__lt=timezone.now() - KEPT).delete()
    return deleted
