"""manage.py refresh_endpoints: ask all devices what they are, many at a time."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any
from uuid import uuid4

from django.core.management import BaseCommand
from django.db import transaction
from tqdm import tqdm

from management import leases
from management.drivers.base import DeviceError, Driver, failure
from management.drivers.catalogue import DRIVERS
from management.models import Endpoint
from management.provisioning import parts_with_expected
from management.storage import keep_summary
from management.worker import driver_of
from redirect.db.transactions import commit_without_waiting

AT_ONCE = 8
A_SECOND = 25.0  # a thousand devices in 40 seconds: phones on the same machine come first
PARTS = ("identity", "status", "provisioning", "registration", "firmware")


class Command(BaseCommand):
    """Refreshes summaries."""

    help = (
        "Ask each endpoint's device what it is and how it does, and keep the answers for the API."
        " Devices that refused their login are left out until it is changed: they may lock it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"devices at a time (default {AT_ONCE})")
        parser.add_argument(
            "--a-second", type=_rate, default=A_SECOND, help=f"devices a second at most (default {A_SECOND:g})"
        )
        parser.add_argument("--group", type=int, help="only endpoints of this group")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = Endpoint.objects.filter(login_refused=False).select_related("credential").order_by("id")
        if options["group"] is not None:
            endpoints = endpoints.filter(group=options["group"])
        at_once, gap = max(1, options["at_once"]), 1 / options["a_second"]
        self.total = self.reached = self.left_out = 0
        self.holder = f"refresh {uuid4()}"
        asked: dict[Future[dict[str, Any]], Endpoint] = {}
        turn = time.monotonic()
        # Threads ask devices; this one alone uses the database.
        with ThreadPoolExecutor(at_once) as pool:
            for endpoint in tqdm(endpoints, desc="endpoints", disable=None):
                while asked and (len(asked) == at_once or time.monotonic() < turn):
                    full = len(asked) == at_once
                    pause = None if full else max(0.0, turn - time.monotonic())
                    for future in wait(asked, pause, FIRST_COMPLETED).done:
                        self._keep(asked.pop(future), future.result())
                time.sleep(max(0.0, turn - time.monotonic()))
                turn = max(turn, time.monotonic()) + gap
                if (driver := self._driver_of(endpoint)) is not None:
                    asked[pool.submit(_probe, driver)] = endpoint
            for future in as_completed(asked):
                self._keep(asked[future], future.result())
        self.stdout.write(f"{self.reached} of {self.total} devices answered.")
        if self.left_out:
            self.stdout.write(f"{self.left_out} were left out: an operation of theirs is being done.")

    def _driver_of(self, endpoint: Endpoint) -> Driver | None:
        """The driver to ask the device with now; None if it is not to be asked."""
        alone = DRIVERS[endpoint.driver].one_at_a_time
        if alone and not leases.take(endpoint.pk, self.holder, leases.FOR_A_QUESTION):
            self.left_out += 1
            return None
        try:
            return driver_of(endpoint)
        except DeviceError as error:
            self._keep(endpoint, dict.fromkeys(PARTS, failure(error)))
            return None

    def _keep(self, endpoint: Endpoint, found: dict[str, Any]) -> None:
        parts = parts_with_expected(endpoint, found)
        with transaction.atomic():
            commit_without_waiting()  # the next refresh asks again
            keep_summary(endpoint, parts)
        if DRIVERS[endpoint.driver].one_at_a_time:
            leases.give_back(endpoint.pk, self.holder)
        self.reached += parts["identity"]["ok"]
        self.total += 1


def _rate(text: str) -> float:
    """A number above 0; argparse words the refusal of anything else."""
    if not 0 < (rate := float(text)) < float("inf"):
        raise ArgumentTypeError(f"{text} is no number above 0")
    return rate


def _probe(driver: Driver) -> dict[str, Any]:
    return driver.probe().data
