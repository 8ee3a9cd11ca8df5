"""manage.py refresh_endpoints: ask all devices what they are, many at a time."""

import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any
from uuid import uuid4

from django.core.management import BaseCommand, CommandError
from django.db import transaction
from django.db.models import QuerySet
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
INTERRUPTED = 130  # the exit code of what Ctrl-C ended
PARTS = ("identity", "status", "provisioning", "registration", "firmware")


class Command(BaseCommand):
    """Refreshes summaries."""

    help = (
        "Ask each endpoint's device what it is and how it does, and keep the answers for the API."
        " Devices that refused their login are left out until it is changed: they may lock it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--at-once", type=_at_once, default=AT_ONCE, help=f"devices at a time (default {AT_ONCE})"
        )
        parser.add_argument(
            "--a-second", type=_rate, default=A_SECOND, help=f"devices a second at most (default {A_SECOND:g})"
        )
        parser.add_argument("--group", type=int, help="only endpoints of this group")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = Endpoint.objects.order_by("id")
        if options["group"] is not None:
            endpoints = endpoints.filter(group=options["group"])
        total, refused = endpoints.count(), endpoints.filter(login_refused=True).count()
        self.reached = self.asked = self.left_out = 0
        self.failures: Counter[str] = Counter()
        self.holder = f"refresh {uuid4()}"
        self.under_way: dict[Future[dict[str, Any]], Endpoint] = {}
        try:
            self._ask(
                endpoints.filter(login_refused=False).select_related("credential"),
                options["at_once"],
                1 / options["a_second"],
            )
        except KeyboardInterrupt as error:
            for future in [future for future in self.under_way if future.done()]:
                self._keep(self.under_way[future], future.result())
            told = f"Interrupted: {self.asked} of {total} devices were asked, and their answers are kept."
            raise CommandError(told, returncode=INTERRUPTED) from error
        finally:
            leases.give_all_back(self.holder)
        self.stdout.write(f"{self.reached} of {total} devices answered.")
        if refused:
            self.stdout.write(
                f"Not asked, as the login was refused before (change it in the endpoint): {refused}."
            )
        if self.left_out:
            self.stdout.write(f"Not asked, as an operation is being done: {self.left_out}.")
        for kind, number in sorted(self.failures.items()):
            self.stdout.write(f"Did not answer ({kind}): {number}.")

    def _ask(self, endpoints: QuerySet[Endpoint], at_once: int, gap: float) -> None:
        """Threads ask devices; this one alone uses the database."""
        turn, asked = time.monotonic(), self.under_way
        for endpoint in tqdm(endpoints, desc="endpoints", disable=None):
            while asked and (len(asked) == at_once or time.monotonic() < turn):
                full = len(asked) == at_once
                pause = None if full else max(0.0, turn - time.monotonic())
                for future in wait(asked, pause, FIRST_COMPLETED).done:
                    self._keep(asked.pop(future), future.result())
            time.sleep(max(0.0, turn - time.monotonic()))
            turn = max(turn, time.monotonic()) + gap
            if (driver := self._driver_of(endpoint)) is not None:
                asked[_begin(driver)] = endpoint
        while asked:
            for future in wait(asked, None, FIRST_COMPLETED).done:
                self._keep(asked.pop(future), future.result())

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
        self.asked += 1
        self.reached += parts["identity"]["ok"]
        if not parts["identity"]["ok"]:
            self.failures[parts["identity"]["kind"]] += 1


def _rate(text: str) -> float:
    """A number above 0; argparse words the refusal of anything else."""
    if not 0 < (rate := float(text)) < float("inf"):
        raise ArgumentTypeError(f"{text} is no number above 0")
    return rate


def _at_once(text: str) -> int:
    """A whole number above 0; argparse words the refusal of anything else."""
    if (number := int(text)) < 1:
        raise ArgumentTypeError(f"{text} is no number above 0")
    return number


def _begin(driver: Driver) -> Future[dict[str, Any]]:
    """Ask a device by a thread of its own: the process does not wait for it when it ends."""
    future: Future[dict[str, Any]] = Future()

    def ask() -> None:
        try:
            future.set_result(driver.probe().data)
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future
