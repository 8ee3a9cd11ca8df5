"""manage.py refresh_endpoints: ask all devices what they are, many at a time."""

from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from uuid import uuid4

from django.db import transaction
from tqdm import tqdm

from management import leases
from management.drivers.base import DeviceError, Driver, failure
from management.drivers.catalogue import DRIVERS
from management.models import Endpoint
from management.provisioning import parts_with_expected
from management.storage import keep_summary
from management.worker import driver_of
from redirect.commands import BackgroundCommand
from redirect.db.transactions import commit_without_waiting

AT_ONCE = 8  # a thousand devices in half a minute, and a third of a processor: phones come first
PARTS = ("identity", "status", "provisioning", "registration", "firmware")


class Command(BackgroundCommand):
    """Refreshes summaries."""

    help = (
        "Ask each endpoint's device what it is and how it does, and keep the answers for the API."
        " Devices that refused their login are left out until it is changed: they may lock it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"devices at a time (default {AT_ONCE})")
        parser.add_argument("--group", type=int, help="only endpoints of this group")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = Endpoint.objects.filter(login_refused=False).select_related("credential").order_by("id")
        if options["group"] is not None:
            endpoints = endpoints.filter(group=options["group"])
        reached, total, left_out = 0, 0, 0
        holder = f"refresh {uuid4()}"
        with ThreadPoolExecutor(max(1, options["at_once"])) as pool:
            # Threads ask devices; this one alone uses the database.
            asked = {}
            for endpoint in endpoints:
                alone = DRIVERS[endpoint.driver].one_at_a_time
                if alone and not leases.take(endpoint.pk, holder, leases.FOR_A_QUESTION):
                    left_out += 1
                    continue
                try:
                    asked[pool.submit(_probe, driver_of(endpoint))] = endpoint
                except DeviceError as error:
                    keep_summary(endpoint, dict.fromkeys(PARTS, failure(error)))
                    total += 1
            for future in tqdm(as_completed(asked), total=len(asked), desc="endpoints", disable=None):
                endpoint = asked[future]
                parts = parts_with_expected(endpoint, future.result())
                with transaction.atomic():
                    commit_without_waiting()  # the next refresh asks again
                    keep_summary(endpoint, parts)
                if DRIVERS[endpoint.driver].one_at_a_time:
                    leases.give_back(endpoint.pk, holder)
                reached += parts["identity"]["ok"]
                total += 1
        self.stdout.write(f"{reached} of {total} devices answered.")
        if left_out:
            self.stdout.write(f"{left_out} were left out: an operation of theirs is being done.")


def _probe(driver: Driver) -> dict[str, Any]:
    return driver.probe().data
