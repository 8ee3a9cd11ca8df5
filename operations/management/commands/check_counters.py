"""manage.py check_counters: whether the numbers of devices that the database keeps are right."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from devices import counts
from redirect.commands import BackgroundCommand


class Command(BackgroundCommand):
    """Counts the devices of each group, and compares; `--repair` makes the kept numbers right."""

    help = (
        "Compare the number of devices that is kept for each group, which lists show as their total, with the"
        " devices themselves; exit code 1 if they differ. Safe while the service is busy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="make the kept numbers right")

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        wrong = counts.wrong()
        for group_id, counted, kept in wrong:
            self.stdout.write(f"Group {group_id}: {counted:,} devices; {kept:,} are kept.")
        if not wrong:
            self.stdout.write("The number of devices of each group is right.")
        elif repair:
            self.stdout.write(f"Made right: the numbers of {counts.repair()} groups.")
        else:
            raise CommandError(f"The numbers of {len(wrong)} groups are wrong. `--repair` makes them right.")
