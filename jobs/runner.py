"""One claim, one resume and one expiry for all work that outlasts a request.

The queue and its worker are django-tasks-db's, with two gaps that are closed here. A task whose worker was killed
stays "running" there for ever: a job that is silent for a minute is queued again under the next attempt's number.
And a queue cannot know that a worker it believes dead still lives: each transaction of a job ends with `fence`,
which lets only the attempt commit that holds the job's number.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string
from django_tasks import task
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from accounts.models import User
from audit import context
from jobs import lanes, progress
from jobs.models import Job, JobState
from redirect.db.failures import is_temporary

logger = logging.getLogger(__name__)

SILENT_AT_MOST = timedelta(seconds=60)  # longer than all deadlines of the statements between two fences
KEPT_FOR = timedelta(days=7)
ATTEMPTS = 3
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(hours=1)

Work = Callable[[Job], None]


class Superseded(Exception):
    """Another attempt has the job: nothing of this transaction may be committed."""


class JobFailed(Exception):
    """Raised by work that cannot be done, not by another attempt either. ``str()`` is a sentence for the owner."""


class TryLater(Exception):
    """Raised by work that another attempt may do. ``str()`` is a sentence for the owner."""

    def __init__(self, problem: str, after: timedelta | None = None) -> None:
        super().__init__(problem)
        self.after = after


# --- Asking for it ----------------------------------------------------------------------------------------------


def enqueue(
    work: Work,
    owner: User | None,
    *,
    not_before: datetime | None = None,
    attempts: int = ATTEMPTS,
    lane: str = lanes.DEFAULT,
    **payload: Any,
) -> Job:
    """A new job, which the worker begins once the caller's transaction has committed.

    `work` is a function of a module; `payload` is JSON.
    """
    with transaction.atomic():
        job = _create(
            work, owner, payload, lane=lane, not_before=not_before or timezone.now(), last_attempt=attempts
        )
        _queue(job)
    return job


def begin_here(work: Work, owner: User | None, **payload: Any) -> Job:
    """A new job whose only attempt is the caller's: `run` does it in this process, not in the worker's."""
    claimed = {"state": JobState.RUNNING, "attempt": 1, "heartbeat": timezone.now()}
    return _create(work, owner, payload, last_attempt=1, **claimed)


def _create(work: Work, owner: User | None, payload: dict[str, Any], **values: Any) -> Job:
    name = f"{work.__module__}.{work.__qualname__}"
    return Job.objects.create(work=name, payload=payload, owner=owner, origin=context.origin(), **values)


def resume(job: Job) -> bool:
    """Let a job that was given up go on where it stopped; False if it was not given up."""
    given_up = Job.objects.filter(pk=job.pk, attempt=job.attempt, state=JobState.FAILED)
    return _wait_again(
        given_up, timezone.now(), last_attempt=F("attempt") + ATTEMPTS, finished_at=None, problem=""
    )


def _wait_again(jobs: QuerySet[Job], not_before: datetime, **values: Any) -> bool:
    """Queue the next attempt of the one job; whether it was still among `jobs`."""
    with transaction.atomic():
        job = jobs.first()
        if job is None or not jobs.update(state=JobState.WAITING, not_before=not_before, **values):
            return False
        job.not_before = not_before
        _queue(job)
    return True


def _queue(job: Job) -> None:
    entry = attempt.using(run_after=job.not_before, queue_name=job.lane).enqueue(job.pk, job.attempt + 1)
    job.task = UUID(entry.id)
    Job.objects.filter(pk=job.pk).update(task=job.task)


# --- Doing it ---------------------------------------------------------------------------------------------------


@task()
def attempt(pk: int, number: int) -> None:
    """What stands in the queue: the attempt of this number, unless the job has gone on without it."""
    if (job := claim(pk, number)) is not None:
        run(job)


def claim(pk: int, number: int) -> Job | None:
    """Begin the attempt; None if another one has the job, or it is finished."""
    waiting = Job.objects.filter(pk=pk, attempt=number - 1, state=JobState.WAITING)
    if not waiting.update(attempt=number, state=JobState.RUNNING, heartbeat=timezone.now()):
        return None
    return Job.objects.select_related("owner").get(pk=pk)


def run(job: Job) -> None:
    """Do the work of a claimed job, and keep what became of it; an error of the work is never raised."""
    try:
        work: Work = import_string(job.work)
        with context.of_job(job.origin, job.owner):
            work(job)
        if job.state == JobState.RUNNING:
            finish(job)
    except Superseded:
        logger.warning("%s: attempt %s was taken for dead; another one goes on", job, job.attempt)
    except TryLater as error:
        _try_later(job, str(error), error.after)
    except JobFailed as error:
        _give_up(_ours(job), str(error))
    except Exception as error:
        if isinstance(error, DatabaseError) and is_temporary(error):
            logger.warning("%s: attempt %s: %s", job, job.attempt, error)
            _try_later(job, "The database was busy or away.")
        else:
            logger.exception("%s: attempt %s", job, job.attempt)
            _give_up(_ours(job), "An error of the service; its log tells more.")
    finally:
        progress.forget(job)


def fence(job: Job, *, done: int) -> None:
    """The last statement of each transaction of a job; raises Superseded if the transaction must not commit.

    `done` is how much is done once it has committed.
    """
    if not _ours(job).update(heartbeat=timezone.now(), done=done):
        raise Superseded
    job.done = done


def finish(job: Job) -> None:
    """As `fence`, in the last transaction: all is done."""
    if not _ours(job).update(state=JobState.DONE, done=job.done, finished_at=timezone.now(), problem=""):
        raise Superseded
    job.state = JobState.DONE


def _ours(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, attempt=job.attempt, state=JobState.RUNNING)


def _try_later(job: Job, problem: str, after: timedelta | None = None) -> None:
    if job.attempt >= job.last_attempt:
        _give_up(_ours(job), problem)
    else:
        delay = after or min(FIRST_DELAY * 4 ** (job.attempt - 1), LONGEST_DELAY)
        _wait_again(_ours(job), timezone.now() + delay, problem=problem)


def _give_up(jobs: QuerySet[Job], problem: str) -> None:
    jobs.update(state=JobState.FAILED, finished_at=timezone.now(), problem=problem)


# --- The worker's turn ------------------------------------------------------------------------------------------


def make_worker(lane: str = "*") -> Worker:
    """The queue's worker, which is given one job of the lane at a time; of all lanes with `*`."""
    return Worker(
        queue_names=[lane],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=1,
        worker_id=get_random_string(32),
        excluded_queue_names=[],
    )


def run_due(worker: Worker) -> bool:
    """Run a job that is due; False if none is. Raises django.db.Error if the queue cannot be read now."""
    recover()
    if not is_due(worker):  # the worker itself locks all of SQLite to look
        return False
    worker.run()
    return True


def is_due(worker: Worker) -> bool:
    """Whether a job of the worker's lane is due."""
    due = DBTaskResult.objects.ready()
    return bool((due if worker.process_all_queues else due.filter(queue_name__in=worker.queue_names)).exists())


def recover() -> int:
    """Queue the next attempt of each job whose worker has died, or give the job up; how many jobs that were."""
    limit = timezone.now() - SILENT_AT_MOST
    started = DBTaskResult.objects.running().filter(started_at__lt=limit)
    silent = Job.objects.filter(
        Q(state=JobState.RUNNING, heartbeat__lt=limit)
        | Q(state=JobState.WAITING, task__in=started.values("pk"))  # it died between the queue's claim and ours
    )
    jobs = list(silent)
    for job in jobs:
        logger.warning("%s: attempt %s is silent", job, job.attempt)
        dead = silent.filter(pk=job.pk, attempt=job.attempt)
        if job.attempt >= job.last_attempt:
            _give_up(dead, f"The process that did it has died, {job.attempt} times.")
        else:
            _wait_again(dead, timezone.now(), problem="The process that did it has died.")
    return len(jobs)


def forget_old() -> int:
    """Delete jobs that finished a week ago, and what the queue keeps of such; how many jobs."""
    limit = timezone.now() - KEPT_FOR
    DBTaskResult.objects.filter(started_at__lt=limit, enqueued_at__lt=limit).delete()
    return Job.objects.filter(state__in=[JobState.DONE, JobState.FAILED], finished_at__lt=limit).delete()[0]
