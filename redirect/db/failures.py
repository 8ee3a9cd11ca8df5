"""What an error of the database means to its caller, by its SQLSTATE: one table for phones, API, admin and jobs.

Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
"""

from enum import Enum
from typing import Any

import django.db
import psycopg


class Failure(Enum):
    """What an error of the database means."""

    AWAY = "away"  # no server, or one that takes no writes: this connection is of no more use
    GAVE_UP = "gave up"  # the server runs, and did not do it: out of time, memory or disk
    LOST_RACE = "lost race"  # rolled back in favour of another transaction; it may be tried again at once
    REFUSED = "refused"  # the statement or its values are at fault, and always will be


# By the whole code, else by its class, the first two characters. What stands in neither is refused.
MEANINGS = {
    "08": Failure.AWAY,  # connection exceptions
    "25006": Failure.AWAY,  # read-only: a standby, a primary that is being demoted or not promoted yet
    "25P03": Failure.AWAY,  # idle in a transaction for too long, the session is ended
    "25P04": Failure.AWAY,  # a transaction took too long, the session is ended
    "28": Failure.AWAY,  # the login is refused
    "3D": Failure.AWAY,  # no such database
    "40001": Failure.LOST_RACE,  # serialization failure
    "40P01": Failure.LOST_RACE,  # deadlock
    "40003": Failure.AWAY,  # it is not known whether the statement was completed
    "53": Failure.GAVE_UP,  # no memory, no disk
    "53300": Failure.AWAY,  # too many connections
    "55006": Failure.GAVE_UP,  # the object is in use
    "55P03": Failure.GAVE_UP,  # a lock was not to be had in time
    "57": Failure.AWAY,  # the server is stopped, starts, has crashed, or ended the session
    "57014": Failure.GAVE_UP,  # statement_timeout, or cancelled by an operator
    "58": Failure.GAVE_UP,  # errors of its disk
}


# A check constraint whose name ends so stands for moments (devices/access_log.py), and so does what it refuses.
MOMENTARY = "_scanned"
CHECK_VIOLATION = "23514"


class CommitInDoubt(psycopg.OperationalError):
    """The transaction may have been committed, here or on all servers, or not at all."""


def failure_of(error: BaseException) -> Failure:
    """Return what an error of Django's, psycopg's or psycopg_pool's means.

    An error without a code comes from this side of the connection or from SQLite, and is told by its class.
    """
    cause: Any = _cause_of(error)
    code = getattr(cause, "sqlstate", None)
    if code == CHECK_VIOLATION and (cause.diag.constraint_name or "").endswith(MOMENTARY):
        return Failure.GAVE_UP
    if code:
        return MEANINGS.get(code) or MEANINGS.get(code[:2]) or Failure.REFUSED
    unreachable = (
        django.db.OperationalError,
        django.db.InterfaceError,
        psycopg.OperationalError,
        psycopg.InterfaceError,
    )
    return Failure.AWAY if isinstance(error, unreachable) else Failure.REFUSED


def is_temporary(error: BaseException) -> bool:
    """Return whether the same work may well succeed a little later."""
    return failure_of(error) is not Failure.REFUSED


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database is away or gave up: what the API answers by 503."""
    return failure_of(error) in (Failure.AWAY, Failure.GAVE_UP)


def is_in_doubt(error: BaseException) -> bool:
    """Return whether the transaction may have been committed all the same: look before it is tried again."""
    return isinstance(_cause_of(error), CommitInDoubt)


def _cause_of(error: BaseException) -> BaseException:
    """Return the error of the driver, which Django wraps."""
    return error.__cause__ if isinstance(error, django.db.Error) and error.__cause__ else error
