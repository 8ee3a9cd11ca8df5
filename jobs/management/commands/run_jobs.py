"""manage.py run_jobs: the process that does what outlasts a request. Several may run beside each other."""

import logging
import select
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django_tasks_db.management.commands.db_worker import Worker

from jobs import lanes, runner, turns
from redirect.db.failures import is_temporary

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks into the queue


class Command(BaseCommand):
    """Runs jobs until it is told to stop: each lane and the turns by themselves; none waits for another."""

    help = (
        "Run imports and other work that outlasts a request, until SIGTERM or Ctrl-C; what runs then is finished"
        " first. A job whose process was killed is taken up by another one, or by the next, after a minute."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends, too")

    def handle(self, *args: Any, **options: Any) -> None:
        worker = runner.make_worker(lanes.DEFAULT)
        worker.configure_signals()
        over = threading.Event()
        beside = [_again_and_again(turns.run_due, over)]
        for lane, at_once in lanes.registered().items():
            beside.append(_again_and_again(_Lane(lane, at_once, over).look, over))
        try:
            while worker.running:
                pause = PAUSE
                try:
                    pause = 0 if runner.run_due(worker) else PAUSE
                except DatabaseError as error:  # away, or SQLite's only writer is another process
                    if not is_temporary(error):
                        raise
                    logger.warning("Jobs cannot be looked for now: %s", error)
                close_old_connections()
                if not options["until_eof"]:
                    time.sleep(pause)
                elif select.select([sys.stdin], [], [], pause)[0] and not sys.stdin.read(1):
                    return
        finally:
            over.set()
            end = time.monotonic() + lanes.LAST
            for thread in beside:
                thread.join(max(0.0, end - time.monotonic()))


class _Lane:
    """Threads that do what is due in a lane, one more of them at each look as long as they are too few."""

    def __init__(self, name: str, at_once: int, over: threading.Event) -> None:
        self._name, self._at_once, self._over = name, at_once, over
        self._threads: list[threading.Thread] = []

    def look(self) -> None:
        """Start one more if something is due; wait for all of them when it is over."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        runner.recover()
        worker = runner.make_worker(self._name)
        if len(self._threads) < self._at_once and runner.is_due(worker):
            self._threads.append(_started(lambda: self._work(worker)))
        if self._over.is_set():
            for thread in self._threads:
                thread.join()

    def _work(self, worker: Worker) -> None:
        while runner.run_due(worker) and not self._over.is_set():
            close_old_connections()


def _again_and_again(work: Callable[[], object], over: threading.Event) -> threading.Thread:
    """Do some work beside this, with pauses, at least once and until it is over."""

    def go_on() -> None:
        while True:
            last = over.is_set()
            try:
                work()
            except Exception as error:
                if not isinstance(error, DatabaseError) or not is_temporary(error):
                    logger.exception("%s", work)
                else:
                    logger.warning("Jobs cannot be looked for now: %s", error)
            close_old_connections()
            if last or over.wait(PAUSE):
                return

    return _started(go_on)


def _started(work: Callable[[], object]) -> threading.Thread:
    """A thread that does it. If it does not end in time, it is left as a killed process leaves it."""

    def run() -> None:
        try:
            work()
        except Exception:
            logger.exception("A thread of the jobs")
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
