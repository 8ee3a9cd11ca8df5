"""Whether a time tells a foreign MAC from one that nobody has: a reseller calls with the one and the other."""

import statistics
from typing import Any

from bench.data import LOGIN_RESELLER, PASSWORD, Data, random_macs
from bench.servers import Running
from rig.clients import Integrator

CALLS = 50  # of each kind in a round; their median is the round's figure

Values = dict[str, list[float]]

KINDS = ("device", "accesses", "filter", "associate", "remove")
SIDES = ("foreign", "unknown")


def measure(data: Data, on: Running, build: str, rounds: int) -> Values:
    """The time of each kind of call in ms, in each round: `{build} {kind}, {side}: median`."""
    client = Integrator(on.port, LOGIN_RESELLER, PASSWORD)
    values: Values = {}
    for _ in range(rounds):
        took: Values = {}
        for foreign, unknown in zip(_foreign_macs(data), random_macs(CALLS), strict=True):
            for kind in KINDS:
                for side, mac in zip(SIDES, (foreign, unknown), strict=True):
                    _ask(client, kind, mac)
                    took.setdefault(f"{build} {kind}, {side}: median", []).append(client.took * 1000)
        for name, times in took.items():
            values.setdefault(name, []).append(statistics.median(times))
    return values


def _ask(client: Integrator, kind: str, mac: str) -> None:
    given: dict[str, Any] = {"macList": [mac]}
    if kind == "device":
        answer = client.call("GET", f"/devices/{mac}")
    elif kind == "accesses":
        answer = client.call("GET", f"/devices/{mac}/accesses")
    elif kind == "filter":
        answer = client.call("GET", "/devices", filter=f"(mac='{mac}')")
    elif kind == "associate":
        given["overrideCurrentAssociation"] = False
        answer = client.call("POST", "/locations/1/devices/associate", given)
    else:
        answer = client.call("POST", "/devices/remove", given)
    assert answer[0] in (204, 400, 403, 404), (kind, answer)


def _foreign_macs(data: Data) -> list[str]:
    """MACs of another reseller, at random."""
    with data.connect() as connection:
        rows = connection.execute(
            "SELECT mac FROM devices_device JOIN accounts_group AS g ON g.id = group_id "
            "WHERE coalesce(g.reseller_id, g.id) = 2 ORDER BY random() LIMIT %s",
            [CALLS],
        ).fetchall()
    return [mac for (mac,) in rows]
