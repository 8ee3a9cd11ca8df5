"""Calls with an Idempotency-Key that come many times, or whose answer gets lost when the process is killed."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rig.clients import NO_ANSWER, Integrator
from rig.processes import send, wait_for
from rig.service import manage
from rig.tenant import LOGIN, PASSWORD, mac
from tests.faults.site import BULK, Site, shown

FIRST = 0x0C0000000000
PATH = "/devices"


def batch(site: Site, number: int) -> dict[str, Any]:
    """5,000 new devices, told by their description."""
    macs = [mac(FIRST + number * BULK + n) for n in range(BULK)]
    return {
        "macList": macs,
        "overrideCurrentAssociation": False,
        "group": site.group,
        "description": f"retry-{number}",
    }


def done(site: Site, number: int) -> tuple[int, int]:
    """How many devices of a batch there are, and how many entries of the audit log tell of it."""
    devices = "SELECT count(*) FROM devices_device WHERE description = %s"
    entries = "SELECT count(*) FROM audit_entry WHERE changes->'description'->>1 = %s"
    ((rows,),) = site.database.rows(devices, f"retry-{number}")
    ((told,),) = site.database.rows(entries, f"retry-{number}")
    return rows, told


async def same_key(site: Site) -> None:
    """100 clients send the same bulk create with the same key at the same moment."""
    with site.service() as service:
        first = Integrator(service.port, LOGIN, PASSWORD, patience=60)
        clients = [first, *(first.another(service.port) for _ in range(99))]
        body = batch(site, 10_000)
        busy: list[int] = []

        def ask(api: Integrator) -> tuple[int, Any]:
            """Again if the service is too busy, as it then says itself."""
            status, said = api.call("POST", PATH, body, key="together")
            while status == 503 and len(busy) < 1_000:
                busy.append(status)
                time.sleep(0.5)
                status, said = api.call("POST", PATH, body, key="together")
            return status, said

        with ThreadPoolExecutor(len(clients)) as pool:
            answers = list(pool.map(ask, clients))
        answers.append(ask(first))
    statuses = Counter(status for status, _ in answers)
    site.say(f"answers: {shown(statuses)}; {len(busy)} times 503 before")
    site.check(set(statuses) <= {201, 409}, "every answer is the one answer, or 409")
    site.check(len({json.dumps(said) for status, said in answers if status == 201}) == 1, "the answer is one")
    site.check(answers[-1][0] == 201 and answers[-1][1]["success"]["count"] == BULK, "it tells what was done")
    site.check(done(site, 10_000) == (BULK, 1), f"the work is done once: {done(site, 10_000)}")


async def lost_answers(site: Site) -> None:
    """kill -9 of the workers at random moments of a keyed bulk create, or at its commit; then it is sent again."""
    rounds, last = (8, 4) if site.quick else (50, 12)
    dice = random.Random(11)
    first_answers: Counter[int] = Counter()
    committed = 0
    wrong: list[str] = []
    with site.service() as service:
        api = Integrator(service.port, LOGIN, PASSWORD, patience=60)
        began = time.monotonic()
        api.call("POST", PATH, batch(site, 0), key="calm")
        usual = time.monotonic() - began
        for number in range(1, rounds + last + 1):
            body, key = batch(site, number), f"round-{number}"
            workers = service.worker_pids()
            asked = asyncio.create_task(asyncio.to_thread(api.call, "POST", PATH, body, key=key))
            if number <= rounds:
                await asyncio.sleep(dice.uniform(0, 1.3) * usual)
            else:
                await asyncio.to_thread(until_committed, site, body["macList"][0])
            send(signal.SIGKILL, *workers)
            status, said = await asked
            first_answers[status] += 1
            await asyncio.to_thread(wait_for, lambda: len(service.worker_pids()) == service.workers, 30)
            committed += status == NO_ANSWER and done(site, number)[0] == BULK
            again = NO_ANSWER
            repeated: Any = None
            until = time.monotonic() + 30
            while again in (NO_ANSWER, 409, 503) and time.monotonic() < until:
                again, repeated = await asyncio.to_thread(api.call, "POST", PATH, body, key=key)
            if again != 201 or repeated["success"]["count"] != BULK or (status == 201 and said != repeated):
                wrong.append(f"round {number}: first {status}, then {again}")
            if done(site, number) != (BULK, 1):
                wrong.append(f"round {number}: done {done(site, number)}")
    site.say(f"a calm call takes {usual:.2f} s; first answers: {shown(first_answers)}")
    site.say(f"{committed} of those without an answer had been committed")
    site.check(committed > 0, "the workers were killed between a commit and its answer")
    kept = manage(site.variables, "check_counters").strip()
    site.check("is right" in kept, f"what the database keeps is true: {kept}")
    site.check(not wrong, f"each is done once, and a repetition gets the first answer {wrong[:3] or ''}")


def until_committed(site: Site, mac: str) -> None:
    """Look without a pause until there is this device, for half a minute at most."""
    with site.database.connect() as connection:
        connection.autocommit = True
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if connection.execute("SELECT FROM devices_device WHERE mac = %s", [mac]).rowcount:
                return
