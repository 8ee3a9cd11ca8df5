"""The connections of the pool: one that is of no more use is closed, and so are those that lie idle beside it.

The classes of the pool's connections in redirect/settings.py.
"""

import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg

from redirect.db.failures import CommitInDoubt, Failure, failure_of

# Longer than statement_timeout, which a server that is alive keeps by itself.
SECONDS_FOR_A_STATEMENT = 4.6

_drained: "WeakKeyDictionary[Any, float]" = WeakKeyDictionary()  # when, by pool


class PooledConnection(psycopg.Connection[Any]):
    """A connection that is closed when its server turns out to be away or to take no writes.

    The pool would try its idle neighbours one by one, and sleep for seconds between them: it makes new ones.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened = time.monotonic()
        self._unreplicated = False
        self.add_notice_handler(self._hear)

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Run whatever speaks to the server."""
        try:
            return super().wait(*args, **kwargs)
        except psycopg.Error as error:
            if failure_of(error) is Failure.AWAY and not self.closed:
                self.pgconn.finish()
            if self.closed:
                self._drain_pool()
            raise

    def commit(self) -> None:
        """Commit; raises CommitInDoubt if it may have been committed all the same, or not on every server."""
        self._unreplicated = False
        try:
            super().commit()
        except psycopg.Error as error:
            if failure_of(error) is not Failure.AWAY:
                raise
            raise CommitInDoubt(str(error)) from error
        if self._unreplicated:
            raise CommitInDoubt("committed, but no standby has confirmed it")

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        # A commit that waits for a standby and is cancelled succeeds with a warning, in the server's language.
        if notice.source_function == "SyncRepWaitForLSN":
            self._unreplicated = True

    def _drain_pool(self) -> None:
        pool = getattr(self, "_pool", None)  # set by psycopg_pool
        if pool is not None and _drained.get(pool, 0.0) < self._opened:
            _drained[pool] = time.monotonic()
            pool.drain()


class Connection(PooledConnection):
    """A connection with a deadline on the client's side: a server that is frozen cannot keep its own."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Run whatever speaks to the server; raises OperationalError if it does not answer in time."""
        kwargs.setdefault("timeout", SECONDS_FOR_A_STATEMENT)
        return super().wait(*args, **kwargs)
