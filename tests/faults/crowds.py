"""Others in a phone's way: locks, bulk calls, floods of logins, storms, scans, slow clients."""

import asyncio
import contextlib
import time
from collections import Counter

from rig import nginx
from rig.clients import NO_ANSWER, Connection, Phones
from rig.service import Service
from rig.tenant import PASSWORD, mac
from tests.faults.site import UNKNOWN_MAC, Calls, Site, milliseconds, shown


async def locks(site: Site) -> None:
    """A row lock held on a device and on a location for 20 s."""
    seconds = 5 if site.quick else 20
    few = site.macs[:50]  # so that the held ones are asked for all the time
    with site.service() as service, site.database.connect() as holder:
        holder.execute("SELECT 1 FROM devices_device WHERE mac = ANY(%s) FOR UPDATE", [few[:2]])
        holder.execute("SELECT 1 FROM locations_location WHERE id = %s FOR UPDATE", [site.location])
        load = Phones(service.port, few).start()
        await asyncio.sleep(seconds)
        held = [entry.took for entry in load.asked if entry.mac in few[:2]]
        site.say(
            f"{len(held)} phones asked for a held device, the slowest was answered after {milliseconds(max(held))}"
        )
        holder.rollback()
        await asyncio.sleep(3)
        await load.stop()
    check_quick(site, load)
    site.check_counts(load)


async def bulk(site: Site) -> None:
    """Bulk calls of 5,000 without a pause."""
    with site.service() as service:
        calm = await calm_load(site, service)
        with site.bulk_calls(service) as calls:
            load = Phones(service.port, site.macs).start()
            await asyncio.sleep(8 if site.quick else 25)
            await load.stop()
    site.say(f"bulk calls: {shown(calls.statuses)}, the slowest after {calls.longest:.1f} s")
    site.check(set(calls.statuses) <= {200, 201}, "bulk calls succeed")
    check_quick(site, load)
    site.check_counts(calm, load)


async def logins(site: Site) -> None:
    """50 clients flood /login, each from an address of its own."""
    statuses: Counter[int] = Counter()
    body = f'{{"userName": "nobody", "password": "{PASSWORD}"}}'
    stop = asyncio.Event()

    async def client(number: int, port: int) -> None:
        connection = Connection(port)
        request = (
            f"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: 198.51.100.{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        while not stop.is_set():
            try:
                status, _, _ = await connection.exchange(request.encode())
            except (OSError, EOFError):
                status = NO_ANSWER
                connection.close()
            statuses[status] += 1

    with site.service() as service:
        calm = await calm_load(site, service)
        integrator = Calls(service.port)
        clients = [asyncio.create_task(client(number, service.port)) for number in range(50)]
        integrator.start()
        load = Phones(service.port, site.macs, rate=150).start()
        await asyncio.sleep(8 if site.quick else 25)
        await load.stop()
        await asyncio.to_thread(integrator.stop)
        stop.set()
        await asyncio.gather(*clients)
    site.say(f"logins: {shown(statuses)}")
    site.say(f"API calls: {shown(integrator.statuses())}, the slowest after {integrator.slowest():.1f} s")
    site.check(set(statuses) <= {401, 429, 503}, "logins see 401, 429 or 503")
    check_quick(site, load)
    site.check_counts(calm, load)


async def calm_load(site: Site, service: Service) -> Phones:
    """The same phones without anybody in their way, to compare."""
    load = Phones(service.port, site.macs, rate=150).start()
    await asyncio.sleep(3)
    await load.stop()
    site.say(f"phones alone: p99 {milliseconds(load.slowest(0.99))}")
    return load


def check_quick(site: Site, load: Phones) -> None:
    p50, p99 = load.slowest(0.5), load.slowest(0.99)
    site.say(
        f"phones: {shown(load.statuses())}; p50 {milliseconds(p50)}, p99 {milliseconds(p99)},"
        f" the slowest {milliseconds(load.slowest())}"
        f" (the client itself was late by {milliseconds(load.lag)} at worst)"
    )
    site.check(set(load.statuses()) == {302}, "phones see 302 throughout")
    site.check(p99 < 0.25, "phones' p99 is under 250 ms")


# --- Many phones behind one address ---------------------------------------------------------------------------


async def storm(site: Site) -> None:
    """10,000 known phones of one address within 60 s, then 2,000 at the same moment."""
    count, seconds = (2_000, 12) if site.quick else (10_000, 55)
    with site.service() as service:
        load = Phones(service.port, site.macs[:count], patience=30)
        gate = asyncio.Semaphore(500)

        async def boot(number: int, delay: float) -> None:
            await asyncio.sleep(delay)
            async with gate:
                connection = Connection(service.port)
                await load.one(site.macs[number], connection)
                connection.close()

        await asyncio.gather(*(boot(number, seconds * number / count) for number in range(count)))
        site.say(
            f"{count} phones in {seconds} s: {shown(load.statuses())}; p99 {milliseconds(load.slowest(0.99))}"
        )
        burst = Phones(service.port, site.macs, patience=30)
        gate = asyncio.Semaphore(2_000)
        load, first = burst, load
        began = time.monotonic()
        await asyncio.gather(*(boot(number, 0) for number in range(2_000)))
        site.say(
            f"2000 phones at once: {shown(burst.statuses())}; all answered after {time.monotonic() - began:.1f} s,"
            f" p99 {milliseconds(burst.slowest(0.99))}"
        )
    site.check(set(first.statuses()) == {302}, f"{count} phones of one address are redirected")
    site.check(set(burst.statuses()) == {302}, "2000 phones at the same moment are redirected")
    site.check_counts(first, burst)


async def scan(site: Site) -> None:
    """10,000 unknown MACs from one address, while known phones of the same address boot."""
    count, limit = (2_000 if site.quick else 10_000), 120
    with site.service(UNKNOWN_MAC_LIMIT_PER_SOURCE=str(limit)) as service:
        load = Phones(service.port, site.macs, rate=100).start()
        guesses = Phones(service.port, [])
        unknown = iter([mac(UNKNOWN_MAC + number) for number in range(count)])
        began = time.monotonic()

        async def guess() -> None:
            connection = Connection(service.port)
            for number, which in enumerate(unknown):
                if number % 20 == 0:
                    connection.close()  # so that all workers are asked
                await guesses.one(which, connection)
            connection.close()

        await asyncio.gather(*(guess() for _ in range(20)))
        minutes = 1 + int((time.monotonic() - began) // 60)
        await load.stop()
        statuses = guesses.statuses()
        by_tag = "SELECT count(*) FROM devices_access WHERE user_agent LIKE %s"
        ((logged,),) = site.database.rows(by_tag, f"{guesses.tag}-%")
    budget = limit * minutes
    site.say(f"{count} unknown MACs in {time.monotonic() - began:.0f} s: {shown(statuses)}; {logged} logged")
    site.say(f"known phones of the same address: {shown(load.statuses())}")
    site.check(set(statuses) == {404, 429}, "unknown MACs see 404, then 429")
    site.check(statuses[404] <= budget, f"no more than {budget} of them are told 404")
    site.check(logged <= budget + 40, f"no more than {budget} are logged, but for those under way")
    site.check(set(load.statuses()) == {302}, "known phones of the same address are redirected")
    site.check_counts(load)


# --- Slow clients ---------------------------------------------------------------------------------------------


async def slow(site: Site) -> None:
    """200 connections that send a byte a second, to the service and to nginx in front of it."""
    seconds = 6 if site.quick else 20
    with site.service() as service:
        calm = await calm_load(site, service)
        front = nginx.of_the_project(site.home / "nginx", service.port)
        try:
            loads = [calm]
            for name, port in (("the bare server", service.port), ("nginx", front.port)):
                slow_ones = [asyncio.create_task(trickle(port, number)) for number in range(200)]
                await asyncio.sleep(1)
                load = Phones(port, site.macs, rate=150, keep_alive=False).start()
                await asyncio.sleep(seconds)
                await load.stop()
                left = sum(not task.done() for task in slow_ones)
                site.say(f"beside slow clients of {name}, of which {left} are still connected:")
                check_quick(site, load)
                loads.append(load)
                for task in slow_ones:
                    task.cancel()
                await asyncio.gather(*slow_ones, return_exceptions=True)
        finally:
            front.stop()
    site.check_counts(*loads)


async def trickle(port: int, number: int) -> None:
    """A byte a second, of a phone's request or of a login."""
    request = f"GET /{mac(number)} HTTP/1.1\r\nHost: x\r\nUser-Agent: {'slow' * 50}\r\n\r\n"
    if number % 2:
        body = '{"userName": "admin", "password": "' + "x" * 400
        request = (
            f"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n"
            f"Content-Type: application/json\r\n\r\n{body}"
        )
        head = request.index("\r\n\r\n") + 4
    else:
        head = 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError):
        writer.write(request[:head].encode())
        for byte in request[head:]:
            writer.write(byte.encode())
            await writer.drain()
            await asyncio.sleep(1)
            if reader.at_eof():
                break
    writer.close()
