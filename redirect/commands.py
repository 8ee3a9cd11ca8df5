"""Commands of manage.py that run beside phones, on one machine with them."""

import os

from django.core.management.base import BaseCommand

NICENESS = 10


class BackgroundCommand(BaseCommand):
    """A command that has a lower priority than the service when it is started from the command line."""

    def run_from_argv(self, argv: list[str]) -> None:
        """Run it as Django does, and let phones come first."""
        os.nice(NICENESS)
        if hasattr(os, "SCHED_BATCH"):  # of Linux: a process that wakes up waits for its turn
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        super().run_from_argv(argv)
