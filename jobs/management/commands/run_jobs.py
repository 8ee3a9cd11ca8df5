"""manage.py run_jobs: the process that does what outlasts a request. Several may run beside each other."""

import logging
import select
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections

from jobs import runner, turns
from redirect.db.failures import is_temporary

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks into the queue


class Command(BaseCommand):
    """Runs jobs until it is told to stop."""

    help = (
        "Run imports and other work that outlasts a request, until SIGTERM or Ctrl-C; what runs then is finished"
        " first. A job whose process was killed is taken up by another one, or by the next, after a minute."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends, too")

    def handle(self, *args: Any, **options: Any) -> None:
        worker = runner.make_worker()
        worker.configure_signals()
        while worker.running:
            pause = PAUSE
            try:
                pause = 0 if runner.run_due(worker) else PAUSE
            except DatabaseError as error:  # away, or SQLite's only writer is another process
                if not is_temporary(error):
                    raise
                logger.warning("Jobs cannot be looked for now: %s", error)
            turns.run_due()
            close_old_connections()
            if not options["until_eof"]:
                time.sleep(pause)
            elif select.select([sys.stdin], [], [], pause)[0] and not sys.stdin.read(1):
                return
