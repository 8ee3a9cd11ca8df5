"""What a refresh of all endpoints costs phones: their p99 beside `manage.py refresh_endpoints`, and alone.

The devices are simulated ones of tools/simulate that take their time for each answer. They stand for other
machines and yet share this one's processors: they run when nothing else does. The refresh does, too, by its unit
(deploy/systemd/phone-redirect-refresh.service).
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.request import Request, urlopen

from cryptography.fernet import Fernet
from tqdm import tqdm

from bench.data import Data
from bench.servers import FILES, SERVICE, Running, running, service_environment
from bench.steady import p99_for, p99_until
from bench.storm import Storm
from rig import HOST, ROOT
from rig.processes import end
from rig.service import manage
from rig.units import unit

ENDPOINTS = 1_000
DELAY = 0.05  # seconds before each answer of a device
DEVICES = ["tools/simulate", "mediant-7.2", "--count", str(ENDPOINTS)]  # whose login is Admin, Admin

# Endpoints of devices that the database has, at the addresses of the simulated ones.
ENROL = """
from devices.models import Device
from management import secrets
from management.models import Credential, Endpoint
addresses = {addresses}
devices = Device.objects.order_by("pk")[: len(addresses)]
endpoints = Endpoint.objects.bulk_create(
    Endpoint(group_id=device.group_id, mac=device.mac, driver="mediant-7.2", base_url=address, allow_http=True)
    for device, address in zip(devices, addresses, strict=True)
)
secret = secrets.encrypt(b"Admin")
Credential.objects.bulk_create(Credential(endpoint=one, user_name="Admin", secret=secret) for one in endpoints)
"""


def measure(data: Data, rounds: int, progress: "tqdm[Any]") -> dict[str, list[float]]:
    """The p99 of phones in ms and the seconds of a refresh, round by round; a first round does not count."""
    figures: dict[str, list[float]] = {"beside": [], "alone": [], "seconds": []}
    variables = service_environment(data.url) | {
        "MANAGEMENT_NETWORKS": f"{HOST}/32",
        "MANAGEMENT_LOOPBACK": "on",
        "MANAGEMENT_PORTS": "1-65535",
        "MANAGEMENT_KEYS": Fernet.generate_key().decode(),
    }
    manage(variables, "migrate", "management", "--verbosity", "0")
    try:
        with (
            unit("devices", "idle") as elsewhere,
            unit("refresh", "idle") as within,
            _devices(elsewhere) as addresses,
            running(SERVICE, data.url) as on,
        ):
            manage(variables, "shell", "-c", ENROL.format(addresses=addresses))
            Storm(data, 2, progress).warm_up(on)
            took = 0.0
            for number in range(rounds + 1):
                alone = p99_for(took, data, on) if number % 2 else 0.0
                beside, took = _beside(data, on, variables, within)
                progress.update()
                alone = alone or p99_for(took, data, on)
                progress.update()
                found = {"beside": beside, "alone": alone, "seconds": took}
                for name, value in found.items() if number else ():
                    figures[name].append(value)
                said = ", ".join(f"{name} {value:,.1f}" for name, value in found.items())
                progress.write(f"management  {said}", file=sys.stderr)
    finally:
        manage(variables, "migrate", "management", "zero", "--verbosity", "0")
    return figures


def _beside(data: Data, on: Running, variables: dict[str, str], within: Sequence[str]) -> tuple[float, float]:
    """The p99 of phones in ms while all devices are asked, and how many seconds that took."""
    with (FILES / "refresh.log").open("w+") as log:
        began = time.monotonic()
        command = subprocess.Popen(
            [*within, sys.executable, "manage.py", "refresh_endpoints"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        p99 = p99_until(lambda: command.poll() is not None, data, on)
        took = time.monotonic() - began
        log.seek(0)
        if f"{ENDPOINTS} of {ENDPOINTS} devices answered." not in (said := log.read()):
            sys.exit(f"Not all devices were asked: {said[-2000:]}")
    return p99, took


@contextlib.contextmanager
def _devices(within: Sequence[str]) -> Iterator[list[str]]:
    """The addresses of simulated devices that answer while the block runs."""
    simulated = subprocess.Popen(
        [*within, sys.executable, *DEVICES],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        addresses, control = [], ""
        for line in simulated.stdout or ():
            if line.startswith("control"):
                control = line.split()[1]
                break
            addresses.append(line.split()[2])
        fault = json.dumps({"kind": "delay", "seconds": DELAY}).encode()
        for number in range(len(addresses)):
            with urlopen(Request(f"{control}/devices/{number}/faults", fault), timeout=10):  # noqa: S310 - http
                pass
        yield addresses
    finally:
        end(simulated)
