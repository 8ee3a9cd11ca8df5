"""Transactions that are tried again when another one was first."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction

from redirect.db.failures import Failure, failure_of
from redirect.errors import ChangedMeanwhile

ATTEMPTS = 3

Result = TypeVar("Result")


class LostRace(Exception):
    """Raised by work whose rows another transaction has changed or deleted meanwhile; it may be tried again."""


def in_transaction(work: Callable[[], Result]) -> Result:
    """Run `work` in a transaction, again if it lost a race; raises ChangedMeanwhile if it lost three times."""
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return work()
        except LostRace:
            continue
        except OperationalError as error:
            if not lost_race(error):
                raise
    raise ChangedMeanwhile


def commit_without_waiting() -> None:
    """Within a transaction: its commit waits for no disk and no standby, which phones wait for as well.

    Only for what is done again if a crash of the database forgets it. Source: PostgreSQL, `synchronous_commit`.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


def lost_race(exception: Exception) -> bool:
    """Whether the database gave a transaction up in favour of another one; it may be tried again."""
    return failure_of(exception) is Failure.LOST_RACE
