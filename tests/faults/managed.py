"""The worker that speaks with devices is killed at whatever step it is at."""

import asyncio
import base64
import os
import random
import secrets
import signal
import subprocess
import sys
from collections import Counter

from rig import ROOT
from rig.processes import end, wait_for
from rig.service import manage
from rig.tenant import mac
from tests.faults.site import Site
from tests.simulators.device import Fault
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served

MAC = 0x0E0000000000

ASK = """
from accounts.models import Group, User
from devices.models import Device
from management import operations, secrets
from management.models import Credential, Endpoint
group = Group.objects.get(pk={group})
Device.objects.get_or_create(mac="{mac}", group=group)
where = {{"driver": "mediant-7.2", "base_url": "{url}", "allow_http": True}}
endpoint = Endpoint.objects.create(group=group, mac="{mac}", **where)
Credential.objects.create(endpoint=endpoint, user_name="Admin", secret=secrets.encrypt(b"Admin"))
user = User.objects.get(login="admin")
for number in range({count}):
    content = f"Parameter{{number}} = 1"
    operations.ask(endpoint, user, "config_apply", {{"kind": "ini", "content": content, "incremental": True}})
"""
SILENT = "UPDATE jobs_job SET heartbeat = heartbeat - interval '5 minutes' WHERE state = 'Running' RETURNING id"
STATES = "SELECT state, count(*) FROM management_operation GROUP BY state"


async def worker_kills(site: Site) -> None:
    """kill -9 of the worker at random moments of the writes to a device; none is lost, and none is sent twice."""
    count, dice = 40 if site.quick else 200, random.Random(7)
    variables = {
        **site.variables,
        "MANAGEMENT_NETWORKS": "127.0.0.0/8",
        "MANAGEMENT_LOOPBACK": "on",
        "MANAGEMENT_PORTS": "1-65535",
        "MANAGEMENT_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    device = Mediant(mac=mac(MAC))
    with Served(device) as served:
        device.faults.append(Fault("delay", seconds=0.05))
        await asyncio.to_thread(manage, variables, "migrate", "-v0")
        program = ASK.format(group=site.group, mac=mac(MAC), url=served.url, count=count)
        await asyncio.to_thread(manage, variables, "shell", "-c", program)
        kills = 0
        while unfinished(site):
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "run_jobs"], cwd=ROOT, env={**os.environ, **variables}
            )
            try:
                seen = len(device.journal)
                await asyncio.to_thread(
                    wait_for,
                    lambda seen=seen: len(device.journal) > seen or not unfinished(site),  # type: ignore[misc]
                    120,
                )
                await asyncio.sleep(dice.uniform(0, 1.0))
                worker.send_signal(signal.SIGKILL)
                kills += 1
            finally:
                await asyncio.to_thread(end, worker)
            site.database.rows(SILENT)  # as if it had been silent for as long as it takes to be missed
    ended = states(site)
    sent = Counter(entry.body for entry in device.journal if entry.method == "PUT")
    twice = [body for body, times in sent.items() if times > 1]
    site.say(f"{kills} kills; operations: {shown_states(ended)}; {len(sent)} writes came to the device")
    site.check(kills >= 3, "the worker was killed more than once")
    site.check(sum(ended.values()) == count, f"all {count} operations are there: {sum(ended.values())}")
    site.check(set(ended) <= {"done", "unknown"}, f"each is done, or tells that it is not known: {ended}")
    site.check(ended.get("unknown", 0) <= kills, "no more are unknown than the worker was killed")
    site.check(not twice, f"no write was sent twice: {len(twice)} were")
    site.check(len(sent) >= ended.get("done", 0), "what is done has come to the device")


def states(site: Site) -> dict[str, int]:
    """How many operations are in which state."""
    return dict(site.database.rows(STATES))


def unfinished(site: Site) -> bool:
    """Whether the worker has anything left to do."""
    return bool(states(site).keys() & {"waiting", "running", "sent"})


def shown_states(found: dict[str, int]) -> str:
    """In words."""
    return ", ".join(f"{count} {state}" for state, count in sorted(found.items()))
