"""Work that outlasts a request: begun once, taken up after a death, committed by one attempt only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.models import Group
from audit import context
from audit.models import Entry
from jobs import progress, runner
from jobs.models import Job, JobState
from tests.conftest import Cast, make_user, run_due_jobs
from tests.jobs import works

pytestmark = pytest.mark.django_db


def silent(job: Job, state: str = JobState.RUNNING) -> None:
    """The job's attempt has begun, and its process has died since."""
    long_ago = timezone.now() - 2 * runner.SILENT_AT_MOST
    Job.objects.filter(pk=job.pk).update(heartbeat=long_ago, state=state)
    DBTaskResult.objects.filter(pk=str(now(job).task)).update(status="RUNNING", started_at=long_ago)


def rows() -> list[str]:
    return sorted(Group.objects.values_list("name", flat=True))


def now(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_job_is_done_once() -> None:
    job = runner.enqueue(works.write_rows, None)
    assert rows() == []
    for _ in range(3):
        run_due_jobs()
    assert rows() == [f"row {number} of {job}, attempt 1" for number in range(10)]
    job = now(job)
    assert (job.state, job.attempt, job.done, job.problem) == (JobState.DONE, 1, 10, "")
    assert job.finished_at is not None
    assert job.is_finished


def test_a_job_goes_with_the_transaction_that_asked_for_it() -> None:
    def ask_and_fail() -> None:
        with transaction.atomic():
            runner.enqueue(works.write_rows, None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_fail()
    run_due_jobs()
    assert rows() == []
    assert not DBTaskResult.objects.exists()


def test_a_job_waits_for_its_time() -> None:
    job = runner.enqueue(works.write_rows, None, not_before=timezone.now() + timedelta(hours=1))
    run_due_jobs()
    assert now(job).state == JobState.WAITING
    DBTaskResult.objects.update(run_after=timezone.now())
    run_due_jobs()
    assert now(job).state == JobState.DONE


def test_a_job_whose_process_died_is_taken_up_where_it_stopped() -> None:
    job = runner.enqueue(works.write_in_pieces, None, until=4)
    run_due_jobs()
    assert rows() == [f"row {number} of {job}" for number in range(4)]
    assert (now(job).state, now(job).done) == (JobState.RUNNING, 4)
    run_due_jobs()
    assert now(job).attempt == 1, "it may be at work: it was heard of a moment ago"
    silent(job)
    run_due_jobs()
    assert rows() == [f"row {number} of {job}" for number in range(10)]
    assert (now(job).state, now(job).attempt, now(job).done) == (JobState.DONE, 2, 10)


def test_a_job_that_died_before_it_began_is_not_lost() -> None:
    job = runner.enqueue(works.write_rows, None)
    silent(job, JobState.WAITING)
    run_due_jobs()
    assert (now(job).state, now(job).attempt) == (JobState.DONE, 1)


def test_a_job_that_kills_its_process_each_time_is_given_up() -> None:
    job = runner.enqueue(works.write_in_pieces, None, attempts=1, until=2)
    run_due_jobs()
    silent(job)
    run_due_jobs()
    assert (now(job).state, now(job).attempt) == (JobState.FAILED, 1)
    assert now(job).problem == "The process that did it has died, 1 times."
    assert not DBTaskResult.objects.ready().exists()


@pytest.mark.parametrize("work", [works.write_rows, works.write_in_pieces])
def test_an_attempt_that_was_taken_for_dead_commits_nothing(work: runner.Work) -> None:
    job = runner.enqueue(work, None)
    old = runner.claim(job.pk, 1)
    assert old is not None
    silent(job)
    assert runner.recover() == 1
    runner.run(old)  # it was alive after all
    assert rows() == []
    assert now(job).state == JobState.WAITING
    run_due_jobs()
    assert len(rows()) == 10
    runner.run(old)
    assert len(rows()) == 10
    assert (now(job).state, now(job).attempt) == (JobState.DONE, 2)


def test_an_attempt_is_begun_once() -> None:
    job = runner.enqueue(works.write_rows, None)
    assert runner.claim(job.pk, 2) is None
    assert runner.claim(job.pk, 1) is not None
    assert runner.claim(job.pk, 1) is None
    run_due_jobs()
    assert rows() == []


def test_work_that_cannot_be_done_is_not_tried_again_until_it_is_resumed() -> None:
    job = runner.enqueue(works.fail, None)
    run_due_jobs()
    assert (now(job).state, now(job).problem) == (JobState.FAILED, "The other side said no.")
    assert runner.resume(now(job))
    assert not runner.resume(job)
    run_due_jobs()
    assert (now(job).state, now(job).attempt) == (JobState.FAILED, 2)


def test_work_is_tried_again_at_growing_distances() -> None:
    job = runner.enqueue(works.try_later, None)
    delays = []
    for number in (1, 2):
        before = timezone.now()
        run_due_jobs()
        waiting = now(job)
        assert (waiting.state, waiting.attempt) == (JobState.WAITING, number)
        assert waiting.problem == "The other side is busy."
        delays.append((waiting.not_before - before).total_seconds())
        run_due_jobs()
        assert now(job).attempt == number, "not before its time"
        DBTaskResult.objects.ready().exists()
        DBTaskResult.objects.filter(status="READY").update(run_after=timezone.now())
    run_due_jobs()
    assert (now(job).state, now(job).attempt) == (JobState.FAILED, 3)
    assert now(job).problem == "The other side is busy."
    assert delays == [pytest.approx(5, abs=3), pytest.approx(20, abs=3)]


def test_work_says_itself_when_to_try_again() -> None:
    job = runner.enqueue(works.try_tomorrow, None)
    run_due_jobs()
    assert now(job).not_before > timezone.now() + timedelta(hours=23)


def test_an_error_of_the_work_is_logged_and_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    job = runner.enqueue(works.break_down, None)
    run_due_jobs()
    assert (now(job).state, now(job).attempt) == (JobState.FAILED, 1)
    assert now(job).problem == "An error of the service; its log tells more."
    assert "ZeroDivisionError" in caplog.text


def test_a_busy_database_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(job: Job) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(works, "nothing", away)
    away.__module__, away.__qualname__ = works.__name__, "nothing"
    job = runner.enqueue(away, None)
    run_due_jobs()
    assert (now(job).state, now(job).problem) == (JobState.WAITING, "The database was busy or away.")


def test_the_audit_log_is_told_who_asked_and_from_where(cast: Cast, rf: RequestFactory) -> None:
    user = make_user(cast.reseller)
    with context.of_request(rf.post("/admin/", REMOTE_ADDR="192.0.2.9")):
        runner.enqueue(works.record, user, group=cast.provider.pk)
    run_due_jobs()
    entry = Entry.objects.get(event="DevicesImported")
    assert (entry.actor, entry.source, entry.remote_addr) == (user, context.Source.ADMIN, "192.0.2.9")


def test_progress_ends_with_the_job() -> None:
    job = runner.claim(runner.enqueue(works.nothing, None).pk, 1)
    assert job is not None
    with progress.Progress(job) as told:
        told.report(7)
        runner.run(job)
    assert progress.done(now(job)) == 0


@pytest.mark.skipif(connection.vendor == "postgresql", reason="the server keeps two rows apart")
def test_jobs_that_report_at_once_are_kept_apart() -> None:
    jobs = [runner.begin_here(works.write_rows, None) for _ in range(2)]

    def report(job: Job) -> None:
        with progress.Progress(job) as reports:
            for number in range(3000):
                reports.report(number)

    with ThreadPoolExecutor() as pool:
        list(pool.map(report, jobs))
    assert [progress.done(job) for job in jobs] == [2999, 2999]
    for job in jobs:
        progress.forget(job)
    assert [progress.done(job) for job in jobs] == [0, 0]


def test_old_jobs_are_forgotten() -> None:
    old, new, unfinished = (runner.enqueue(work, None) for work in (works.nothing, works.fail, works.nothing))
    run_due_jobs()
    Job.objects.filter(pk=unfinished.pk).update(state=JobState.RUNNING)
    long_ago = timezone.now() - 2 * runner.KEPT_FOR
    Job.objects.exclude(pk=new.pk).update(finished_at=long_ago)
    DBTaskResult.objects.exclude(pk=str(now(new).task)).update(started_at=long_ago, enqueued_at=long_ago)
    assert runner.forget_old() == 1
    assert set(Job.objects.all()) == {new, unfinished}
    assert [entry.pk for entry in DBTaskResult.objects.all()] == [now(new).task]
    assert not Job.objects.filter(pk=old.pk).exists()


@pytest.mark.parametrize("value", [None, {"a": [1, "b", None]}])
def test_the_payload_is_json(value: Any) -> None:
    job = runner.enqueue(works.nothing, None, value=value)
    assert now(job).payload == {"value": value}
