"""A deadline on the client's side for every statement of the API: a server that is frozen cannot keep its own.

The class of the pool's connections in redirect/settings.py.
"""

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

# Longer than statement_timeout, which a server that is alive keeps by itself.
SECONDS_FOR_A_STATEMENT = 4.6


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes too long; the pool makes another."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Runs whatever speaks to the server; raises OperationalError if it does not answer in time."""
        kwargs.setdefault("timeout", SECONDS_FOR_A_STATEMENT)
        try:
            return super().wait(*args, **kwargs)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # the answer is still to come
                self.pgconn.finish()
            raise
