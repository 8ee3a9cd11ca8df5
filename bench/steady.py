"""Phones at a steady rate, beside some other work and alone: a saturated machine tells nothing of waits.

The phones stand for other machines. So that none of their own waits for this one's processors is taken for the
service's, the process that asks for them comes first (which takes root; without it, what it says is too high).
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from bench.data import Data
from bench.servers import Running
from rig.clients import Phones

RATE = 300.0  # phones a second
PATIENCE = 1_200  # seconds


def p99_until(is_over: Callable[[], bool], data: Data, on: Running) -> float:
    """The p99 in ms of phones that ask until it is over; ends the bench if one is not redirected."""
    with _first():
        return asyncio.run(_ask(is_over, data, on))


def p99_for(seconds: float, data: Data, on: Running) -> float:
    """The p99 in ms of phones that ask for so many seconds."""
    until = time.monotonic() + seconds
    return p99_until(lambda: time.monotonic() >= until, data, on)


async def _ask(is_over: Callable[[], bool], data: Data, on: Running) -> float:
    macs = data.macs.read_text()
    load = Phones(
        on.port, [macs[n : n + 12] for n in range(0, min(len(macs), 240_000), 12)], rate=RATE, scattered=True
    ).start()
    deadline = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(is_over):
        if time.monotonic() > deadline:
            sys.exit("What phones are measured beside does not come to an end.")
        await asyncio.sleep(0.2)
    await load.stop()
    if set(load.statuses()) != {302}:
        sys.exit(f"Phones were not redirected: {load.statuses()}")
    return load.slowest(0.99) * 1000


@contextlib.contextmanager
def _first() -> Iterator[None]:
    """Give this process the processor whenever it asks for it; what it starts meanwhile gets no such thing."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        print("The clients share the processors as equals: this is not run by root.", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
