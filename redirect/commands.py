"""Commands of manage.py that run beside phones, on one machine with them."""

import os
from typing import ClassVar

from django.core.management.base import BaseCommand
from django.db import connection

NICENESS = 10


class BackgroundCommand(BaseCommand):
    """A command that has a lower priority than the service when it is started from the command line.

    One that is `idle` runs while a processor has nothing else to do, and hardly at all on a machine that is never
    at rest: only what holds nothing that a request may wait for can be that. On SQLite no command is, as each of
    its writes keeps all others waiting.
    """

    idle: ClassVar[bool] = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run it as Django does, and let phones come first."""
        os.nice(NICENESS)
        if hasattr(os, "SCHED_BATCH"):  # of Linux: a process that wakes up waits for its turn
            idle = self.idle and connection.vendor == "postgresql"
            os.sched_setscheduler(0, os.SCHED_IDLE if idle else os.SCHED_BATCH, os.sched_param(0))
        super().run_from_argv(argv)
