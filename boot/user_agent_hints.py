"""MACs that stand only in the User-Agent of a request that is no phone's: kept for staff to read, never believed.

A MAC is kept once an hour by each process, as many of one source as its budget of unknown MACs allows, and many in
one statement; what cannot be kept is dropped.
"""

import logging
import re
import threading
from collections import OrderedDict
from datetime import timedelta
from typing import NamedTuple

from django.db import Error as DatabaseError

from boot import database
from boot.rate_limit import UnknownMacLimiter
from boot.request import UnknownRequest
from boot.shapes import hint
from devices.hints import Hint
from redirect.http.client_address import source_of

logger = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(hours=1)
MACS_KEPT = 10_000
WAITING = 1_000

_LIKE_A_MAC = re.compile(
    r"(?:[0-9a-f]{2}[:_-]?){5}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.", re.ASCII | re.IGNORECASE
)


def may_stand_in(user_agent: str) -> bool:
    """Whether a User-Agent is worth a closer look: most of them carry nothing like a MAC."""
    return _LIKE_A_MAC.search(user_agent) is not None


class Kept(NamedTuple):
    """A hint that is not written yet."""

    mac: str
    request: UnknownRequest


class Hints:
    """The hints of one process. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, float] = OrderedDict()
        self._waiting: dict[str, Kept] = {}
        self._limiter = UnknownMacLimiter()

    def note(self, request: UnknownRequest) -> bool:
        """Whether there is something to write: this request's User-Agent carries a MAC that is to be kept."""
        mac = hint(request.user_agent)
        now = request.time.timestamp()
        with self._lock:
            if mac is None or self._is_recent(mac, now) or len(self._waiting) >= WAITING:
                return False
            if self._limiter.hit(source_of(request.address), mac):
                return False
            self._recent[mac] = now
            self._recent.move_to_end(mac)
            if len(self._recent) > MACS_KEPT:
                self._recent.popitem(last=False)
            self._waiting[mac] = Kept(mac, request)
            return True

    def _is_recent(self, mac: str, now: float) -> bool:
        last = self._recent.get(mac)
        return last is not None and 0 <= now - last < AGAIN_AFTER.total_seconds()

    def write(self) -> None:
        """Write what waits, over Django's connection of this thread."""
        with self._lock:
            kept, self._waiting = list(self._waiting.values()), {}
        rows = [Hint(mac=mac, **request._asdict()) for mac, request in kept]
        try:
            database.keep_hints(rows)
        except DatabaseError as error:
            logger.warning("%d hints of User-Agents were not kept: %s", len(rows), error)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._recent.clear()
            self._waiting.clear()
            self._limiter.clear()


hints = Hints()
