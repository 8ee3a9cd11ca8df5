"""Work for the tests, where a worker that is another process can import it. Its rows are groups."""

import os
import time
from datetime import timedelta
from pathlib import Path

from django.db import transaction

from accounts.models import Group, GroupType
from audit.models import Event
from audit.recording import Part, record_list
from jobs import runner
from jobs.models import Job
from jobs.progress import Progress


def write_rows(job: Job) -> None:
    """Ten rows in one transaction, named after the attempt; waits in its middle for a file, if one is named."""
    with transaction.atomic(), Progress(job) as progress:
        for number in range(10):
            add_row(f"row {number} of {job}, attempt {job.attempt}")
            progress.report(number + 1)
            if number == 4 and (folder := job.payload.get("folder")):
                Path(folder, f"arrived-{job.attempt}").write_text(str(os.getpid()))
                while not Path(folder, f"go-{job.attempt}").exists():
                    time.sleep(0.02)
        job.done = 10
        runner.finish(job)


def write_in_pieces(job: Job) -> None:
    """Rows in transactions of two, from where the last attempt stopped; dies after those of `until`."""
    while job.done < 10:
        with transaction.atomic():
            for number in (job.done, job.done + 1):
                add_row(f"row {number} of {job}")
            runner.fence(job, done=job.done + 2)
        if job.done == job.payload.get("until") and job.attempt == 1:
            raise SystemExit("killed")


def add_row(name: str) -> None:
    Group.objects.create(name=name, group_type=GroupType.RESELLER)


def record(job: Job) -> None:
    """An entry of the audit log."""
    record_list(Event.DEVICES_IMPORTED, Group, [Part(job.payload["group"], "Created", ["00908F000001"])])


def fail(job: Job) -> None:
    raise runner.JobFailed("The other side said no.")


def try_later(job: Job) -> None:
    raise runner.TryLater("The other side is busy.")


def try_tomorrow(job: Job) -> None:
    raise runner.TryLater("The other side is closed.", timedelta(days=1))


def break_down(job: Job) -> None:
    raise ZeroDivisionError


def wait(job: Job) -> None:
    """Until there is a file, outside of any transaction, as for the answer of a device."""
    Path(job.payload["folder"], f"begun-{job.pk}").touch()
    while not Path(job.payload["folder"], "go").exists():
        time.sleep(0.02)


def nothing(job: Job) -> None:
    """Nothing to do."""
