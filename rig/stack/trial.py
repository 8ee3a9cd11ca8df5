"""Events done to a stack under load, one after another, and what each of them cost."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence

from rig import counts
from rig.clients import NO_ANSWER, TOO_LATE
from rig.stack.events import EVENTS, MOMENT, Event
from rig.stack.figures import Figures, Row, table, worst_of
from rig.stack.load import Load
from rig.stack.site import Stack, say

WORDS = {NO_ANSWER: "no answer", TOO_LATE: "too late"}


def run(stack: Stack, names: Sequence[str], rounds: int, calm: float) -> int:
    """Do the events, each so many times, `calm` seconds of load before and after each; print the table.

    Returns the exit code: 1 if a figure is above what it must be.
    """
    found: dict[str, list[Figures]] = {name: [] for name in names}
    loads = dict.fromkeys(names, 0.0)
    tried = Counter[str]()
    broken = False
    for number in range(rounds):
        for name in names:
            if broken:
                break
            began = time.monotonic()
            say(f"{name} ({number + 1} of {rounds}): {EVENTS[name].says}")
            tried[name] += 1
            try:
                found[name].append(asyncio.run(try_event(stack, EVENTS[name], calm)))
            except (RuntimeError, TimeoutError, OSError) as error:
                say(f"    FAILED: {type(error).__name__}: {error}")
                # A figure that was not taken is a figure that is missed.
                found[name].append(dict.fromkeys(EVENTS[name].must, float("inf")))
                broken = not is_whole_again(stack)
            loads[name] = max(loads[name], os.getloadavg()[0])
            say(f"    {time.monotonic() - began:.0f} s, load average {os.getloadavg()[0]:.1f}")
    rows = [Row(name, tried[name], worst_of(found[name]), EVENTS[name].must, loads[name]) for name in names]
    say("")
    say(table(rows))
    return 1 if any(row.missed for row in rows) else 0


async def try_event(stack: Stack, event: Event, calm: float) -> Figures:
    """Do one event and return what it cost."""
    if not event.under_load:
        own = await event.do(stack) or {}
        say(f"    {', '.join(f'{name} {value:.3f}' for name, value in own.items())}")
        return own
    load = await asyncio.to_thread(Load, stack)
    async with load:
        await asyncio.sleep(calm)
        moment = time.monotonic()
        own = await event.do(stack) or {}
        moment = own.pop(MOMENT, moment)
        await asyncio.to_thread(stack.wait_until_whole)
        await asyncio.sleep(calm)
    return {**await asyncio.to_thread(figures_of, stack, load, moment), **own}


def figures_of(stack: Stack, load: Load, moment: float) -> dict[str, float]:
    """What phones and the integrator saw, and what the database has of it; the event began at `moment`."""
    phones, written = load.phones.statuses(), load.statuses()
    found = counts.count(stack.databases.rows, load.phones)
    unanswered = written[NO_ANSWER] + written[TOO_LATE]
    lost = load.lost()
    say(
        f"    phones: {shown(phones)}; {found.missing} not in the log, {found.twice} twice,"
        f" counters {found.counters}, rows {found.rows}, all there {found.waited:.1f} s after the last answer"
    )
    say(f"    the client itself was late by {load.phones.lag:.2f} s at worst")
    say(f"    writes: {shown(written)}; {unanswered} unanswered, {load.in_flight(moment)} in flight at the event")
    bad = [(entry.began, entry.took, entry.status) for entry in load.phones.asked if entry.status != 302][:5]
    bad += [
        (write.began, write.ended - write.began, write.status) for write in load.writes if write.status != 201
    ][:5]
    for began, took, status in bad:
        say(f"    {WORDS.get(status, status)} {began - moment:+.2f} s from the event, after {took:.2f} s")
    return {
        "refused": sum(phones.values()) - phones[302],
        "lost": found.missing + max(0, found.rows - found.counters),
        "slowest": load.phones.slowest(),
        "p99": load.phones.slowest(0.99),
        "gap": load.longest_gap(),
        "errors": phones[500] + written[500],
        "writes_lost": len(lost),
        "writes_refused": sum(written.values()) - written[201] - unanswered,
        "unanswered": max(0, unanswered - load.in_flight(moment)),
    }


def is_whole_again(stack: Stack) -> bool:
    """Whether the stack recovers from an event that failed, so that others can be tried."""
    try:
        stack.wait_until_whole()
    except TimeoutError as error:
        say(f"    The stack does not recover: {error}")
        return False
    return True


def shown(statuses: Counter[int]) -> str:
    """How many ended how, in words."""
    return ", ".join(f"{WORDS.get(status, status)}: {count}" for status, count in sorted(statuses.items()))
