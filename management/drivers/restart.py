"""Waiting for a device that was told to restart."""

import time
from collections.abc import Callable
from typing import Any

from management.drivers.base import DeviceError, Kind

BACK_WITHIN, BACK_STEP = 300.0, 2.0  # seconds

AWAY = (Kind.UNREACHABLE, Kind.TIMEOUT, Kind.TLS, Kind.PROTOCOL, Kind.DEVICE_FAILED)


def is_back(
    pause: Callable[[float], None], read_up_time: Callable[[], Any], up_time: Any, *, within: float | None = None
) -> bool | None:
    """Wait for a device to go down and to answer again: True; False if it stays away; None if it never went.

    `read_up_time` asks for the seconds since its start, and raises DeviceError. A connection that is refused right
    after a restart was asked for is a sign of success.
    """
    until, is_down = time.monotonic() + (BACK_WITHIN if within is None else within), False
    while time.monotonic() < until:
        try:
            now = read_up_time()
        except DeviceError as error:
            if error.kind not in AWAY:
                raise
            is_down = True
        else:
            if is_down or (isinstance(now, int) and isinstance(up_time, int) and now < up_time):
                return True
        pause(BACK_STEP)
    return False if is_down else None
