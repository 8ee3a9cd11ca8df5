"""How far a job is while its transaction is still open, told to any process that asks.

On PostgreSQL by a connection of its own. On SQLite, where an open transaction has the only right to write, by a
file beside the database.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from django.db import connection, connections
from django.utils import timezone

from jobs.models import Job, JobState


class Progress:
    """Reports of one job, inside or outside of its transaction; but not after `fence`, which locks the job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._other = connections.create_connection("default") if connection.vendor == "postgresql" else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._other is not None:
            self._other.close()

    def report(self, done: int) -> None:
        """So much is done, if the transaction commits."""
        if self._job.watch is not None:
            self._job.watch(done)
        if self._other is None:
            _write(_file(self._job), done)
            return
        with self._other.cursor() as cursor:
            cursor.execute(
                "UPDATE jobs_job SET done = %s, heartbeat = %s WHERE id = %s AND attempt = %s AND state = %s",
                [done, timezone.now(), self._job.pk, self._job.attempt, JobState.RUNNING],
            )


def done(job: Job) -> int:
    """How much is done by now."""
    if job.state == JobState.RUNNING and connection.vendor != "postgresql":
        try:
            return int(_file(job).read_text())
        except (FileNotFoundError, ValueError):  # not begun, or its first report is just being written
            pass
    return job.done


def shown(job: Job | None, total: int, what: str) -> dict[str, Any]:
    """For the page with the bar: how much is done of how much; `stalled` if nothing goes on by itself."""
    stalled = job is None or job.state == JobState.FAILED
    return bar(done(job) if job is not None else 0, total, what, stalled=stalled)


def bar(done: int, total: int, what: str, *, stalled: bool = False) -> dict[str, Any]:
    """As `shown`, of work that has no job."""
    total = max(done, total)
    return {"done": done, "total": total, "text": f"{done:,} of {total:,} {what}", "stalled": stalled}


def forget(job: Job) -> None:
    """Nothing more is to be told."""
    if connection.vendor != "postgresql":
        _file(job).unlink(missing_ok=True)


def _write(file: Path, done: int) -> None:
    # Always as long, and over what stood there: whoever reads meanwhile finds a whole number.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, b"%20d" % done, 0)
    finally:
        os.close(descriptor)


def _file(job: Job) -> Path:
    return Path(f"{connection.settings_dict['NAME']}-job-{job.pk}")
