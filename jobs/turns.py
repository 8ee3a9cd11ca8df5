"""What a worker does again and again beside its jobs, such as to look for what is due.

Each worker does it, so the work itself has to see to it that two do not do the same.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error as DatabaseError

from redirect.db.failures import is_temporary

logger = logging.getLogger(__name__)


@dataclass
class Turn:
    """Work that is due every so many seconds; it ends soon, as the others wait for it."""

    work: Callable[[], None]
    seconds: float
    due: float = 0.0


_turns: list[Turn] = []


def register(work: Callable[[], None], *, seconds: float) -> None:
    """An app calls this for its work when it is ready."""
    _turns.append(Turn(work, seconds))


def run_due() -> None:
    """Do what is due; an error of the work is logged, and the work is tried again at its next turn."""
    for turn in _turns:
        if time.monotonic() >= turn.due:
            try:
                turn.work()
            except Exception as error:
                if isinstance(error, DatabaseError) and is_temporary(error):
                    logger.warning("%s: %s", turn.work.__module__, error)
                else:
                    logger.exception("%s", turn.work.__module__)
            turn.due = time.monotonic() + turn.seconds
