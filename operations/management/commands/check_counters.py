"""manage.py check_counters: whether the numbers that the database keeps are right."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from devices import counts, request_upkeep

SHOWN = 20


class Command(BaseCommand):
    """Counts devices by group and requests by minute, and compares; `--repair` makes the kept numbers right."""

    help = (
        "Compare the number of devices that is kept for each group, which lists show as their total, with the"
        " devices themselves, and the sums of phones' requests, which the dashboard shows, with the access log;"
        " exit code 1 if they differ. Safe while the service is busy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="make the kept numbers right")

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        try:
            are_wrong = [*self._devices(repair=repair), *self._requests(repair=repair)]
        except request_upkeep.LogIncomplete:
            raise CommandError(
                "Rows of the access log are being moved to their days: run this again when"
                " `manage.py housekeeping` has ended."
            ) from None
        if are_wrong and not repair:
            raise CommandError(f"{' '.join(are_wrong)} `--repair` makes them right.")

    def _devices(self, *, repair: bool) -> list[str]:
        wrong = counts.wrong()
        for each in wrong[:SHOWN]:
            self.stdout.write(
                f"Group {each.group_id}, block {each.block}: {each.counted:,} devices; {each.kept:,} are kept."
            )
        if not wrong:
            self.stdout.write("The number of devices of each group is right.")
            return []
        if repair:
            self.stdout.write(f"Made right: {counts.repair()} numbers of devices.")
        return [f"{len(wrong)} numbers of devices are wrong."]

    def _requests(self, *, repair: bool) -> list[str]:
        found, made_right = [], 0
        for hour in tqdm(
            request_upkeep.hours(), desc="Hours of the access log", unit="", disable=None, file=sys.stderr
        ):
            wrong = request_upkeep.wrong(hour)
            found += wrong
            if wrong and repair:
                made_right += request_upkeep.repair(hour)
        for each in found[:SHOWN]:
            self.stdout.write(f"{each.what}: {each.counted:,} requests; {each.kept:,} are kept.")
        if not found:
            self.stdout.write("The sums of phones' requests are right.")
            return []
        if repair:
            self.stdout.write(f"Made right: {made_right} sums of phones' requests.")
        return [f"{len(found)} sums of phones' requests are wrong."]
