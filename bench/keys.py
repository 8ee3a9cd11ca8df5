"""What a call costs that is made with an API key, against the same call with a token.

The call is the cheapest that there is, so that what tells who calls weighs most.
"""

import sys
from typing import Any

from tqdm import tqdm

from bench.data import LOGIN_RESELLER, PASSWORD, Data
from bench.servers import SERVICE, running
from rig.clients import Integrator
from rig.processes import processor_seconds

CALLS = 400  # with each in a round: the clock of processor time has ticks of 10 ms


def measure(data: Data, rounds: int, progress: "tqdm[Any]") -> dict[str, list[float]]:
    """Processor time of a call in microseconds, that of the service and of PostgreSQL, round by round.

    The user and the key have the same group and level, so they see the same rows.
    """
    costs: dict[str, list[float]] = {"token": [], "key": []}
    postmaster = data.postmaster()
    mac = data.one("SELECT mac FROM devices_device WHERE group_id = 1 ORDER BY id LIMIT 1")
    with running(SERVICE, data.url) as on:
        user = Integrator(on.port, LOGIN_RESELLER, PASSWORD)
        body = {"name": "bench", "group": 1, "permissionLevel": "Administrator"}
        status, made = user.call("POST", "/keys", body)
        if status != 201:
            sys.exit(f"No key was made: {status} {made}")
        tokens = {"token": user.token, "key": made["key"]}
        for number in range(rounds + 1):
            for kind in list(costs)[:: -1 if number % 2 else 1]:
                client = Integrator.holding(on.port, tokens[kind])  # a connection, and so a worker, by chance
                before = on.processor_seconds() + processor_seconds(postmaster)
                for _ in range(CALLS):
                    status, answer = client.call("GET", f"/devices/{mac}")
                    if status != 200:
                        sys.exit(f"A call with a {kind} was answered by {status} {answer}")
                spent = on.processor_seconds() + processor_seconds(postmaster) - before
                client.close()
                progress.update()
                if number:  # the first round warms up
                    costs[kind].append(spent / CALLS * 1e6)
        user.call("DELETE", f"/keys/{made['id']}")
    for kind, values in costs.items():
        progress.write(f"call with a {kind:34} {sum(values) / len(values):8,.0f} us", file=sys.stderr)
    return costs
