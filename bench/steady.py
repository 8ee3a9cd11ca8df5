"""Phones at a steady rate, beside some other work and alone: a saturated machine tells nothing of waits."""

import asyncio
import sys
import time
from collections.abc import Callable

from bench.data import Data
from bench.servers import Running
from rig.clients import Phones

RATE = 300.0  # phones a second
PATIENCE = 1_200  # seconds


def p99_until(is_over: Callable[[], bool], data: Data, on: Running) -> float:
    """The p99 in ms of phones that ask until it is over; ends the bench if one is not redirected."""
    return asyncio.run(_ask(is_over, data, on))


def p99_for(seconds: float, data: Data, on: Running) -> float:
    """The p99 in ms of phones that ask for so many seconds."""
    until = time.monotonic() + seconds
    return p99_until(lambda: time.monotonic() >= until, data, on)


async def _ask(is_over: Callable[[], bool], data: Data, on: Running) -> float:
    macs = data.macs.read_text()
    load = Phones(on.port, [macs[n : n + 12] for n in range(0, min(len(macs), 240_000), 12)], rate=RATE).start()
    deadline = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(is_over):
        if time.monotonic() > deadline:
            sys.exit("What phones are measured beside does not come to an end.")
        await asyncio.sleep(0.2)
    await load.stop()
    if set(load.statuses()) != {302}:
        sys.exit(f"Phones were not redirected: {load.statuses()}")
    return load.slowest(0.99) * 1000
