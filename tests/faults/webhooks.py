"""The worker of webhooks is killed, whatever it is at: a message, or a piece of the access log."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rig import ROOT
from rig.clients import Phones
from rig.processes import end, wait_for
from rig.service import manage
from tests.faults.site import Site
from tests.webhooks.receiver import Message, Receiver

FIRST = 0x0C8000000000

HAPPEN = """
from accounts.models import Group
from devices import bulk
from devices.models import Device
from webhooks import secrets
from webhooks.models import Webhook
group = Group.objects.get(pk={group})
events = ["device.claimed", "device.removed"]
Webhook.objects.create(group=group, url="{url}", secret=secrets.encrypt(secrets.new()), events=events)
macs = [f"{{{first} + n:012X}}" for n in range({devices})]
bulk.create(group, macs, location_id=None, override=False, description=None)
bulk.remove(Device.objects.filter(group=group), {{mac: 0 for mac in macs}})
"""
# As if the lease had run out.
MISSED = "UPDATE webhooks_webhook SET leased_until = now() RETURNING id"
LEFT = (
    "SELECT (SELECT count(*) FROM audit_entry WHERE untold_from IS NOT NULL)"
    " + (SELECT count(*) FROM webhooks_delivery WHERE state = 'Pending')"
)


async def webhook_kills(site: Site) -> None:
    """kill -9 of the worker at any message: each event arrives, in order, one more time for each kill at most."""
    devices, kills = (500, 6) if site.quick else (5_000, 20)
    dice, taken = random.Random(7), list[Message]()

    def answer(handler: Any, message: Message) -> int:
        if dice.random() < 1 / 3:
            return 500
        taken.append(message)
        return 204

    with Receiver() as receiver:
        receiver.answer = answer
        variables = {
            **site.variables,
            "WEBHOOK_LOOPBACK": "on",
            "WEBHOOK_PORTS": "1-65535",
            "WEBHOOK_RETRIES": ",".join(["0", "0", *["1"] * 40]),
        }
        program = HAPPEN.format(group=site.group, url=receiver.url, first=FIRST, devices=devices)
        await asyncio.to_thread(manage, variables, "shell", "-c", program)
        for number in range(kills + 1):
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "run_jobs"], cwd=ROOT, env={**os.environ, **variables}
            )
            try:
                share = len(taken) + (2 * devices - len(taken)) // (kills + 1 - number)
                await asyncio.to_thread(
                    wait_for,
                    lambda n=number, share=share: (  # type: ignore[misc]
                        site.database.rows(LEFT) == [(0,)] if n == kills else len(taken) >= share
                    ),
                    1_200,
                )
                worker.send_signal(signal.SIGKILL)
            finally:
                await asyncio.to_thread(end, worker)
            site.database.rows(MISSED)
    arrived = Counter(message.headers["webhook-id"] for message in taken)
    again = sum(times - 1 for times in arrived.values())
    told: dict[str, list[str]] = {}  # what each device's messages were, a repetition beside its first left out
    for message in taken:
        types = told.setdefault(message.json["data"]["mac"], [])
        types += [message.json["type"]] if types[-1:] != [message.json["type"]] else []
    site.say(f"{kills} kills; {len(receiver.messages)} messages sent, {len(taken)} taken, {again} of them again")
    site.check(len(arrived) == 2 * devices, f"each of {2 * devices} events has arrived: {len(arrived)}")
    site.check(again <= kills, f"at most one came again for each kill: {again}")
    in_order = all(types == ["device.claimed", "device.removed"] for types in told.values())
    site.check(in_order and len(told) == devices, "those of one device came in their order")


SUBSCRIBE = """
from accounts.models import Group
from devices import bulk
from webhooks import secrets
from webhooks.models import Webhook
group = Group.objects.get(pk={group})
secret = secrets.encrypt(secrets.new())
events = ["device.first_seen", "device.failing", "device.recovered"]
Webhook.objects.create(group=group, url="http://127.0.0.1:1/", secret=secret, events=events)
macs = [f"{{{first} + n:012X}}" for n in range({devices})]
bulk.create(group, macs, location_id=None, override=False, description=None)
"""
LOCATE = "UPDATE devices_device SET location_id = %s WHERE mac BETWEEN %s AND %s RETURNING id"
TOLD = (
    "SELECT mac, event FROM webhooks_delivery"
    " WHERE webhook_id = (SELECT max(id) FROM webhooks_webhook) AND mac BETWEEN %s AND %s ORDER BY id"
)
FORGET = (
    "WITH gone AS (DELETE FROM webhooks_delivery WHERE webhook_id = (SELECT max(id) FROM webhooks_webhook))"
    " DELETE FROM webhooks_webhook WHERE id = (SELECT max(id) FROM webhooks_webhook) RETURNING id"
)
MARK = "SELECT read_to - (SELECT last_value FROM devices_access_id_seq) FROM webhooks_readmark"
PHONES_FIRST = FIRST + 1_000_000


async def phone_kills(site: Site) -> None:
    """kill -9 of the worker while it reads what phones asked for: each event is there once, and in order."""
    devices, kills = (300, 3) if site.quick else (2_000, 10)
    macs = [f"{PHONES_FIRST + n:012X}" for n in range(devices)]
    between = (macs[0], macs[-1])
    program = SUBSCRIBE.format(group=site.group, first=PHONES_FIRST, devices=devices)
    await asyncio.to_thread(manage, site.variables, "shell", "-c", program)
    dice = random.Random(7)
    with site.service() as service:
        await asyncio.to_thread(killed, site, 1, lambda: site.database.rows(MARK) != [])
        for all_of_them in (2 * devices, 3 * devices):  # without a location, then with one
            load = Phones(service.port, macs, rate=devices / 30).start()
            for _ in range(kills):
                more = min(len(site.database.rows(TOLD, *between)) + 1, all_of_them)
                await asyncio.to_thread(
                    killed,
                    site,
                    dice.random() / 5,
                    lambda more=more: len(site.database.rows(TOLD, *between)) >= more,  # type: ignore[misc]
                )
            while {entry.mac for entry in load.asked} < set(macs):
                await asyncio.sleep(0.1)
            await load.stop()
            await asyncio.to_thread(killed, site, 0, lambda: site.database.rows(MARK) == [(0,)])
            site.database.rows(LOCATE, site.location, *between)
    told_of: dict[str, list[str]] = {}
    for which, event in site.database.rows(TOLD, *between):
        told_of.setdefault(which, []).append(event.removeprefix("device."))
    wrong = {which: told for which, told in told_of.items() if told != ["first_seen", "failing", "recovered"]}
    site.say(f"{sum(map(len, told_of.values()))} events of {len(told_of)} phones; {2 * kills} kills within them")
    site.check(not wrong, f"each event is there once, in order; not so of {list(wrong.items())[:3]}")
    site.check(len(told_of) == devices, f"those of all {devices} phones are there")
    site.database.rows(FORGET)


def killed(site: Site, moment: float, is_reached: Callable[[], bool]) -> None:
    """A worker works until something is reached and a moment longer; then it is killed."""
    variables = {**os.environ, **site.variables}
    worker = subprocess.Popen([sys.executable, "manage.py", "run_jobs"], cwd=ROOT, env=variables)
    try:
        wait_for(is_reached, 300)
        time.sleep(moment)
        worker.send_signal(signal.SIGKILL)
    finally:
        end(worker)
