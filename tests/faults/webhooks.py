"""The worker that sends webhooks is killed at whatever message it is at, and the receiver fails one in three."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

from rig import ROOT
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
Webhook.objects.create(group=group, url="{url}", secret=secrets.encrypt(secrets.new()))
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
    first: dict[str, list[str]] = {}
    for message in taken:
        told = first.setdefault(message.json["data"]["mac"], [])
        told += [message.json["type"]] if message.json["type"] not in told else []
    site.say(f"{kills} kills; {len(receiver.messages)} messages sent, {len(taken)} taken, {again} of them again")
    site.check(len(arrived) == 2 * devices, f"each of {2 * devices} events has arrived: {len(arrived)}")
    site.check(again <= kills, f"at most one came again for each kill: {again}")
    in_order = all(told == ["device.claimed", "device.removed"] for told in first.values())
    site.check(in_order and len(first) == devices, "those of one device came in their order")
