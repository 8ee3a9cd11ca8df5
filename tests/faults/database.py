"""Faults of the service's processes and of its database: killed, restarted, frozen."""

import asyncio
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rig import ROOT
from rig.clients import NO_ANSWER, Connection, Phones
from rig.processes import send, wait_for
from rig.service import Service
from tests.faults.site import BULK, Calls, Site, milliseconds, shown

# --- Processes are killed -------------------------------------------------------------------------------------


async def kills(site: Site) -> None:
    """kill -9 of a worker, of the master, of PostgreSQL, at random moments under load and bulk calls."""
    rounds = 6 if site.quick else 50
    dice = random.Random(7)
    whom = [("a worker", "the master", "PostgreSQL")[number % 3] for number in range(rounds)]
    dice.shuffle(whom)
    back: dict[str, list[float]] = {}
    killed: list[tuple[float, str]] = []
    with site.service() as service, site.bulk_calls(service) as bulk:
        load = Phones(service.port, site.macs).start()
        for victim in whom:
            await asyncio.sleep(dice.uniform(0.3, 2.0))
            began = time.monotonic()
            await asyncio.to_thread(kill, site, service, victim, dice)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await answered_again(load, site.macs[0], service.workers)
            killed.append((began, victim))
            back.setdefault(victim, []).append(time.monotonic() - began)
            await asyncio.to_thread(wait_for, lambda: len(service.worker_pids()) == service.workers, 30)
        await asyncio.sleep(2)
        await load.stop()
    for victim, times in sorted(back.items()):
        middle = statistics.median(times)
        site.say(f"kill -9 of {victim}, {len(times)} times: back after {middle:.1f} s, {max(times):.1f} s at most")
    site.say(f"phones: {shown(load.statuses())}; bulk calls: {shown(bulk.statuses)}")
    for entry in sorted(load.asked, key=lambda entry: -entry.took)[:3]:
        before = [(entry.began - began, victim) for began, victim in killed if began < entry.began]
        since = f"{min(before)[0]:.1f} s after the death of {min(before)[1]}" if before else "before any death"
        site.say(f"among the slowest: {entry.took:.1f} s, {shown(Counter([entry.status]))}, asked {since}")
    site.say(f"loading the application alone takes {await asyncio.to_thread(loading, service):.1f} s here and now")
    site.say(f"orphans of a master ended within {service.longest_orphan:.1f} s")
    site.check(max(max(times) for times in back.values()) <= 5, "the service is back by itself within 5 s")
    site.check(set(load.statuses()) <= {302, 503, NO_ANSWER}, "phones see 302, 503 or a lost connection")
    site.check(set(bulk.statuses) <= {200, 201, 400, 503, NO_ANSWER}, "bulk calls see no 500")
    partial = bulk.partial(site.database)
    site.check(not partial, f"{len(bulk.allowed)} batches of {BULK} are whole or absent {partial[:3] or ''}")
    site.check_counts(load)


def loading(service: Service) -> float:
    """The part of a start that depends on nothing but the machine and who else is using it."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import redirect.asgi"],
        cwd=ROOT,
        env={**os.environ, **service.variables},
        check=True,
    )
    return time.monotonic() - began


def kill(site: Site, service: Service, victim: str, dice: random.Random) -> None:
    """Kill it; PostgreSQL is started again, the rest is for the service's own supervisors to do."""
    assert service.master is not None
    match victim:
        case "a worker":
            send(signal.SIGKILL, dice.choice(service.worker_pids()))
        case "the master":
            send(signal.SIGKILL, service.master.pid)
            service.master.wait()
        case _:
            site.database.kill()
            site.database.start()


async def answered_again(load: Phones, which: str, times: int) -> None:
    """Until new connections are answered, one after another; each worker is likely to be among them."""
    in_a_row = 0
    while in_a_row < 2 * times:
        connection = Connection(load.port)
        entry = await load.one(which, connection)
        connection.close()
        in_a_row = in_a_row + 1 if entry.status == 302 else 0
        await asyncio.sleep(0.02)


# --- PostgreSQL is restarted ----------------------------------------------------------------------------------


async def restart(site: Site) -> None:
    """PostgreSQL restarted under load, also after a longer absence, and while nobody asks."""
    absences = [0, 4] if site.quick else [0, 0, 1, 15]
    late: list[float] = []
    with site.service() as service:
        load = Phones(service.port, site.macs).start()
        calls = Calls(service.port)
        calls.start()
        for absence in absences:
            await asyncio.sleep(2)
            await asyncio.to_thread(restart_database, site, absence)
            accepts = asyncio.get_running_loop().time()
            await asyncio.sleep(6)
            errors = [entry.began - accepts for entry in load.asked if entry.status != 302]
            errors += [began - accepts for began, _, status in calls.asked if status != 200]
            late.append(max(errors, default=0.0))
        calls.stop()
        await load.stop()
        await asyncio.to_thread(restart_database, site)
        await asyncio.sleep(2)
        idle = Phones(service.port, site.macs)
        await answered_again(idle, site.macs[0], service.workers)
    site.say(f"phones: {shown(load.statuses())}, the slowest after {milliseconds(load.slowest())}")
    site.say(f"API calls: {shown(calls.statuses())}, the slowest after {milliseconds(calls.slowest())}")
    site.say(f"last error {max(late):.1f} s after PostgreSQL accepts connections")
    site.check(set(load.statuses()) <= {302, 503}, "phones see 302 or 503")
    site.check(set(calls.statuses()) <= {200, 503}, "API calls see 200 or 503")
    site.check(max(late) <= 2, "no error is later than 2 s after PostgreSQL accepts connections")
    site.check(set(idle.statuses()) == {302}, "the first phones after a restart that nobody saw are redirected")
    site.check_counts(load, idle)


async def restart_replica(site: Site) -> None:
    """The same with a streaming replica: phones notice nothing."""
    times = 1 if site.quick else 3
    replica = site.replica()
    with site.service(REPLICA_URL=replica.url) as service:
        load = Phones(service.port, site.macs).start()
        for number in range(times):
            await asyncio.sleep(2)
            if number % 2:
                await asyncio.to_thread(site.database.kill)
                await asyncio.to_thread(site.database.start)
            else:
                await asyncio.to_thread(restart_database, site)
            await asyncio.sleep(4)
        await asyncio.to_thread(site.database.stop)
        await asyncio.sleep(3)  # away for longer
        await asyncio.to_thread(site.database.start)
        await asyncio.sleep(3)
        await load.stop()
        await asyncio.sleep(3)
        site.say(f"phones: {shown(load.statuses())}, the slowest after {milliseconds(load.slowest())}")
        site.check(set(load.statuses()) == {302}, "phones see 302 throughout")
        site.check(load.slowest() <= 1, "each within 1 s")
        site.check_counts(load)


async def owed(site: Site) -> None:
    """kill -9 of all processes of the service while they owe what the replica answered; the next ones count it."""
    replica = site.replica()
    number = 500 if site.quick else 5_000
    with site.service(REPLICA_URL=replica.url) as service:
        load = Phones(service.port, site.macs)
        await answered_again(load, site.macs[-1], service.workers)
        await asyncio.to_thread(site.database.stop)
        await ask_each(load, site.macs[:number])
        assert service.master is not None
        await asyncio.to_thread(send, signal.SIGKILL, service.master.pid, *service.worker_pids())
        left = sum(path.stat().st_size for path in Path(service.variables["SPOOL"]).glob("*.owed"))
        site.say(f"{number} phones answered from the replica, {left} octets in the spool when all were killed")
        await asyncio.to_thread(site.database.start)
        await asyncio.to_thread(wait_for, lambda: len(service.worker_pids()) == service.workers, 60)
        site.say(f"phones: {shown(load.statuses())}, the slowest after {milliseconds(load.slowest())}")
        site.check(load.statuses()[302] >= number, "each phone is redirected")
        site.check_counts(load)
        gone = not list(Path(service.variables["SPOOL"]).glob("*.owed"))
        site.check(gone, "nothing is left in the spool")


async def ask_each(load: Phones, macs: Sequence[str]) -> None:
    """Ask once for each, 16 at a time."""
    waiting = iter(macs)

    async def client() -> None:
        connection = Connection(load.port)
        for which in waiting:
            await load.one(which, connection)
        connection.close()

    await asyncio.gather(*(client() for _ in range(16)))


def restart_database(site: Site, absence: float = 0) -> None:
    site.database.stop()
    time.sleep(absence)
    site.database.start()


# --- PostgreSQL is frozen -------------------------------------------------------------------------------------


async def freeze(site: Site) -> None:
    """PostgreSQL frozen by SIGSTOP for 20 s, without a replica."""
    await frozen(site, {302, 503})


async def freeze_replica(site: Site) -> None:
    """The same with a streaming replica."""
    await frozen(site, {302}, REPLICA_URL=site.replica().url)


async def frozen(site: Site, expected: set[int], **environment: str) -> None:
    seconds = 8 if site.quick else 20
    loop = asyncio.get_running_loop()
    with site.service(**environment) as service:
        load = Phones(service.port, site.macs, patience=40).start()
        api = [Calls(service.port) for _ in range(4)]
        for caller in api:
            caller.start()
        await asyncio.sleep(2)
        began = loop.time()
        site.database.freeze()
        await asyncio.sleep(seconds)
        site.database.thaw()
        thawed = loop.time()
        await asyncio.sleep(8)
        for caller in api:
            await asyncio.to_thread(caller.stop)
        await load.stop()
        calls = [call for caller in api for call in caller.asked]
        phones = [entry.took for entry in load.between(began - 1, thawed + 5)]
        after = [call for call in calls if call[0] > thawed + 2]
        site.say(f"phones: {shown(load.statuses())}, the slowest after {milliseconds(max(phones))}")
        slowest = max(took for _, took, _ in calls)
        site.say(f"API calls: {shown(Counter(status for *_, status in calls))}, the slowest after {slowest:.1f} s")
        site.check(max(phones) <= 1, "each phone is answered within 1 s")
        site.check(set(load.statuses()) <= expected, f"phones see {' or '.join(map(str, sorted(expected)))}")
        site.check(slowest <= 5, "each API call is answered within 5 s")
        site.check({status for *_, status in calls} <= {200, 503}, "API calls see 200 or 503")
        errors = [entry.began - thawed for entry in load.asked if entry.status != 302]
        errors += [start - thawed for start, _, status in calls if status != 200]
        site.say(f"last error {max(errors, default=0.0):.1f} s after SIGCONT")
        site.check(bool(after) and max(errors, default=0.0) <= 2, "all is well 2 s after SIGCONT")
        ends = [start + took - thawed for start, took, _ in calls if start < thawed]
        site.check(max(ends) <= 5, f"nothing hangs 5 s after SIGCONT (the last ended after {max(ends):.1f} s)")
        site.check_counts(load)
