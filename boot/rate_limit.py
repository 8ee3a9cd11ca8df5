"""A limit of distinct MACs that were not redirected, per source, so that no source can try all MACs of a maker.

A phone that is redirected is never counted: after a power cut hundreds ask from one address.
Source: contract section 8.
"""

import threading
import time
from collections import OrderedDict

from django.conf import settings

WINDOW_SECONDS = 60
SOURCES_KEPT = 20_000


class UnknownMacLimiter:
    """Per source: when its window began, and the MACs that were not redirected in it. Safe for threads.

    A source is what `redirect.http.client_address.source_of` returns. The limit is UNKNOWN_MAC_LIMIT_PER_SOURCE
    distinct MACs in a window of 60 seconds; 0 means no limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, tuple[float, set[str]]] = OrderedDict()

    def hit(self, source: str, mac: str, now: float | None = None) -> int:
        """Count a MAC; return 0 within the limit, else the seconds until the next window of this source."""
        limit = settings.UNKNOWN_MAC_LIMIT_PER_SOURCE
        if limit == 0:
            return 0
        now = time.monotonic() if now is None else now
        with self._lock:
            began, macs = self._windows.get(source, (now, set()))
            if now - began >= WINDOW_SECONDS:
                began, macs = now, set()
                self._windows.pop(source, None)
            if mac not in macs and len(macs) >= limit:
                return max(1, round(began + WINDOW_SECONDS - now))
            macs.add(mac)
            self._windows[source] = began, macs
            if len(self._windows) > SOURCES_KEPT:
                self._windows.popitem(last=False)  # the window that began first
            return 0

    def is_exceeded(self, source: str, mac: str) -> bool:
        """Return whether this MAC would be over the limit; counts nothing."""
        if source not in self._windows:
            return False
        limit = settings.UNKNOWN_MAC_LIMIT_PER_SOURCE
        with self._lock:
            began, macs = self._windows.get(source, (0.0, set()))
            recent = time.monotonic() - began < WINDOW_SECONDS
            return 0 < limit <= len(macs) and mac not in macs and recent

    def clear(self) -> None:
        """Forget all sources."""
        with self._lock:
            self._windows.clear()


unknown_macs = UnknownMacLimiter()
