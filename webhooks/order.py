"""The order of events: what was done to devices (events.py) and what phones asked for (phones.py) are two logs,
and are told as one, the older first.

An entry of the audit log has whole seconds. It comes after the requests of the seconds before, so the access log
is read up to there first; and before those of its own second, as phones ask because of what was done. An entry
that is committed after a request was answered comes behind it. While nothing wants to know of phones, no entry
waits.
"""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from webhooks import events, phones

TURN = 3.0  # seconds, in which a worker does nothing else
SECONDS_FOR_OVERDUE = 1.0
PATIENCE = timedelta(minutes=2)  # so old an entry becomes at most while the access log is not read


def turn() -> None:
    """Tell of what was done and of what phones have asked for until now, for some seconds."""
    log = phones.look()
    if log.subscribers:
        tell(time.monotonic() + TURN, log)


def tell(end: float, log: phones.Log | None = None) -> None:
    """Tell of what was done to devices, and first of what phones asked for before; until that moment of the clock
    `time.monotonic`. With a log, tell also of what phones have asked for since.
    """
    phones_too = log is not None
    while time.monotonic() < end:
        moment = events.oldest()
        if moment is None and not phones_too:
            return
        if log is None or (moment is not None and moment > log.looked_at):
            log = phones.look()
            moment = events.oldest()  # it may be older than what the log shows now
        if not log.tell_before(moment, end):
            _tell_overdue()
            return
        if moment is None:
            return
        events.tell_next()


def _tell_overdue() -> None:
    """The access log cannot be read, or there was no time for all of it: what was done does not wait for long."""
    end = time.monotonic() + SECONDS_FOR_OVERDUE
    while _is_overdue(events.oldest()) and time.monotonic() < end:
        events.tell_next()


def _is_overdue(moment: datetime | None) -> bool:
    return moment is not None and timezone.now() - moment > PATIENCE
