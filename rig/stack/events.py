"""What happens to a stack under load, and what that may cost. Each event is done, and undone if it is not over."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rig.processes import send
from rig.stack import pool
from rig.stack.database import TTL, wait_until
from rig.stack.figures import worst_of
from rig.stack.files import DATABASE_HOSTS
from rig.stack.hosts import Host
from rig.stack.site import Stack

SECONDS_TO_PROMOTE = 90
MOMENT = "moment"
PHONES = {"refused": 0, "lost": 0}
WRITES = {"errors": 0, "writes_lost": 0}
SAFE = {**PHONES, **WRITES}


@dataclass(frozen=True)
class Event:
    """What is done to the stack, and the most that each figure may be.

    It may return figures of its own, and the MOMENT of time.monotonic() at which it was done.
    """

    do: Callable[[Stack], Awaitable[dict[str, float] | None]]
    must: dict[str, float]
    under_load: bool = True

    @property
    def says(self) -> str:
        """What happens."""
        return str(self.do.__doc__)


async def switchover(stack: Stack) -> None:
    """Patroni is asked to make another host the primary."""
    await asyncio.to_thread(stack.databases.switchover, primary_of(stack))


async def crash(stack: Stack) -> None:
    """kill -9 of the primary's PostgreSQL."""
    primary = primary_of(stack)
    await asyncio.to_thread(stack.databases.kill, primary)
    await another_primary(stack, primary)


async def freeze(stack: Stack) -> None:
    """All processes of the primary's host are stopped, until another is the primary, and go on then."""
    primary = primary_of(stack)
    await asyncio.to_thread(primary.freeze)
    try:
        await another_primary(stack, primary)
        await asyncio.sleep(3)
    finally:
        await asyncio.to_thread(primary.thaw)


async def without_etcd(stack: Stack) -> None:
    """The primary's host does not reach etcd, for longer than Patroni's ttl; it stays primary (failsafe_mode)."""
    primary = primary_of(stack)
    await asyncio.to_thread(primary.drop, "-p tcp --dport 2379", "-p tcp --dport 2380")
    try:
        await asyncio.sleep(TTL + 8)
    finally:
        await asyncio.to_thread(primary.let_pass)


async def cut_off(stack: Stack) -> None:
    """The primary's host does not reach the other databases, and app hosts reach all of them."""
    primary = primary_of(stack)
    others = [f"-d {address}" for name, address in DATABASE_HOSTS.items() if name != primary.name]
    await asyncio.to_thread(primary.drop, *others)
    try:
        await another_primary(stack, primary)
        await asyncio.sleep(3)
    finally:
        await asyncio.to_thread(primary.let_pass)


async def host_gone(stack: Stack) -> None:
    """The primary's host is off the network, until another is the primary."""
    primary = primary_of(stack)
    await asyncio.to_thread(primary.unplug)
    try:
        await another_primary(stack, primary)
        await asyncio.sleep(3)
    finally:
        await asyncio.to_thread(primary.plug)


async def app_host_gone(stack: Stack) -> dict[str, float]:
    """One of the two app hosts is off the network for a while."""
    host = stack.apps[0].host
    await asyncio.to_thread(host.unplug)
    moment = time.monotonic()
    try:
        await asyncio.sleep(17)
    finally:
        await asyncio.to_thread(host.plug)
    return {MOMENT: moment}


async def reload(stack: Stack) -> None:
    """nginx reads its configuration again, three times."""
    for _ in range(3):
        send(signal.SIGHUP, stack.front.programs["nginx"].process.pid)
        await asyncio.sleep(2)


async def rolling_restart(stack: Stack) -> None:
    """The service is restarted on one app host, then on the other."""
    for app in stack.apps:
        await asyncio.to_thread(app.restart)


async def dead_pool(stack: Stack) -> dict[str, float]:
    """All connections of an API process to its database are dead; the first calls after that are timed."""
    return worst_of([await asyncio.to_thread(pool.first_call, stack, app) for app in stack.apps])


EVENTS = {
    "switchover": Event(switchover, {**SAFE, "gap": 3.0}),
    "crash": Event(crash, {**SAFE, "gap": 8.0}),
    "freeze": Event(freeze, {**SAFE, "gap": TTL + 3.0}),
    "without-etcd": Event(without_etcd, {**SAFE, "gap": TTL + 3.0}),
    "cut-off": Event(cut_off, {**SAFE, "gap": TTL + 3.0}),
    "host-gone": Event(host_gone, {**SAFE, "gap": TTL + 3.0}),
    "app-host-gone": Event(app_host_gone, {**SAFE, "slowest": 2.5, "p99": 0.5, "unanswered": 0}),
    "reload": Event(reload, {**SAFE, "writes_refused": 0}),
    "rolling-restart": Event(rolling_restart, {**SAFE, "writes_refused": 0}),
    "dead-pool": Event(dead_pool, {"first_call": 0.5, "writes_refused": 0}, under_load=False),
}


def primary_of(stack: Stack) -> Host:
    """The primary; raises RuntimeError if there is none."""
    primary = stack.databases.primary()
    if primary is None:
        raise RuntimeError("no host says that it is the primary")
    return primary


async def another_primary(stack: Stack, before: Host) -> None:
    """Return when another host is the primary; raises TimeoutError."""

    def is_promoted() -> bool:
        return any(
            member["role"] == "leader" and member["state"] == "running" and member["name"] != before.name
            for member in stack.databases.members(besides=before)
        )

    await asyncio.to_thread(
        wait_until,
        f"another host than {before.name} is the primary",
        is_promoted,
        SECONDS_TO_PROMOTE,
        shown=stack.databases.members,
    )
