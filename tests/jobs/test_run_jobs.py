"""`manage.py run_jobs` as real processes, which are killed and stopped in the middle of a job."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from accounts.models import Group, GroupType
from jobs import progress, runner
from jobs.models import Job, JobState
from management.models import LANE
from tests.conftest import make_webhook
from tests.jobs import works
from webhooks.models import Delivery

# Each starts processes, which a busy machine may take a minute to start.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
PATIENCE = 250  # seconds

HURRIED = """
import sys
from jobs import lanes
from redirect.command_line import manage
lanes.LAST = 0.5
manage(sys.argv)
"""
ROOT = Path(__file__).resolve().parents[2]


def address() -> str:
    """Of the test's own database."""
    at: dict[str, Any] = connection.settings_dict
    if connection.vendor != "postgresql":
        return f"sqlite:///{at['NAME']}"
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a worker; all are gone when the test ends."""
    workers: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str, sqlite_timeout: int = 60, hurried: bool = False, **options: Any
    ) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": address(),
            "TEST_SQLITE_TIMEOUT": str(sqlite_timeout),
        }
        command = [sys.executable, *(["-c", HURRIED] if hurried else ["manage.py"]), "run_jobs", *arguments]
        workers.append(subprocess.Popen(command, cwd=ROOT, env=environment, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


def until(condition: Callable[[], Any]) -> Any:
    """What it is, as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)
    return found


def one_turn(start: Any) -> None:
    """A worker that does what is due, and ends since nobody holds its standard input."""
    assert start("--until-eof", stdin=subprocess.DEVNULL).wait(PATIENCE) == 0


def age(job: Job) -> None:
    """A minute without a sign."""
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now() - 2 * runner.SILENT_AT_MOST)


def now(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def arrived(folder: Path, attempt: int) -> None:
    until((folder / f"arrived-{attempt}").exists)


def test_a_worker_killed_in_the_middle_leaves_nothing_and_another_one_does_it(start: Any, tmp_path: Path) -> None:
    job = runner.enqueue(works.write_rows, None, folder=str(tmp_path))
    worker = start()
    arrived(tmp_path, 1)
    job.refresh_from_db()
    assert progress.done(job) == 5, "the progress of a transaction that is open"
    assert not Group.objects.exists()
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    (tmp_path / "go-2").touch()
    one_turn(start)
    assert Job.objects.get().attempt == 1, "not yet: it might be alive"
    age(job)
    one_turn(start)
    assert {name.split(", ")[1] for name in Group.objects.values_list("name", flat=True)} == {"attempt 2"}
    assert Group.objects.count() == 10
    job.refresh_from_db()
    assert (job.state, job.attempt, job.done) == (JobState.DONE, 2, 10)


def test_a_worker_that_slept_cannot_commit_what_another_one_has_done(start: Any, tmp_path: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: nobody can go on before the sleeper has committed or died")
    job = runner.enqueue(works.write_rows, None, folder=str(tmp_path))
    sleeper = start()
    arrived(tmp_path, 1)
    sleeper.send_signal(signal.SIGSTOP)
    age(job)
    (tmp_path / "go-2").touch()
    one_turn(start)
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.DONE, 2)
    (tmp_path / "go-1").touch()
    sleeper.send_signal(signal.SIGCONT)
    until(lambda: not DBTaskResult.objects.running().exists())
    assert {name.split(", ")[1] for name in Group.objects.values_list("name", flat=True)} == {"attempt 2"}
    assert Group.objects.count() == 10


def test_two_workers_do_each_job_once(start: Any) -> None:
    for _ in range(20):
        runner.enqueue(works.write_in_pieces, None)
    workers = [start("--until-eof", stdin=subprocess.PIPE) for _ in range(2)]
    until(lambda: Job.objects.filter(state=JobState.DONE).count() == 20)
    assert Group.objects.count() == 200
    assert set(Job.objects.values_list("attempt", flat=True)) == {1}
    for worker in workers:
        worker.stdin.close()  # no signal: one of them may have done all while the other still starts
        assert worker.wait(PATIENCE) == 0


def test_no_lane_waits_for_another(start: Any, tmp_path: Path, settings: Settings) -> None:
    """Devices that do not answer hold up neither an import nor a mail, nor more of their own kind than so many."""
    for _ in range(settings.MANAGEMENT_AT_ONCE + 1):
        runner.enqueue(works.wait, None, lane=LANE, folder=str(tmp_path))
    start()
    until(lambda: len(list(tmp_path.glob("begun-*"))) == settings.MANAGEMENT_AT_ONCE)
    other, stuck = runner.enqueue(works.nothing, None), runner.enqueue(works.wait, None, folder=str(tmp_path))
    until(lambda: now(other).state == JobState.DONE)
    until(lambda: now(stuck).state == JobState.RUNNING)
    make_webhook(Group.objects.create(name="Acme", group_type=GroupType.RESELLER))
    until(lambda: Delivery.objects.get().attempts)
    assert Job.objects.filter(lane=LANE, state=JobState.WAITING).count() == 1
    (tmp_path / "go").touch()
    until(lambda: not Job.objects.exclude(state=JobState.DONE).exists())


def test_a_worker_that_is_told_to_stop_waits_for_no_device_for_long(start: Any, tmp_path: Path) -> None:
    job = runner.enqueue(works.wait, None, lane=LANE, folder=str(tmp_path))
    worker = start(hurried=True)
    until((tmp_path / f"begun-{job.pk}").exists)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert now(job).state == JobState.RUNNING, "as if it had been killed"


def test_a_worker_that_is_told_to_stop_finishes_its_job(start: Any, tmp_path: Path) -> None:
    runner.enqueue(works.write_rows, None, folder=str(tmp_path))
    worker = start()
    arrived(tmp_path, 1)
    worker.terminate()
    (tmp_path / "go-1").touch()
    assert worker.wait(PATIENCE) == 0
    assert Job.objects.get().state == JobState.DONE


def test_a_worker_ends_with_its_parent(start: Any) -> None:
    worker = start("--until-eof", stdin=subprocess.PIPE)
    runner.enqueue(works.nothing, None)
    until(lambda: Job.objects.get().state == JobState.DONE)
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(PATIENCE) == 0


def test_a_worker_survives_a_database_that_is_busy_for_long(start: Any, tmp_path: Path) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL has many writers")
    first, second = (runner.enqueue(works.write_rows, None, folder=str(tmp_path)) for _ in range(2))
    (tmp_path / "go-1").touch()
    log = tmp_path / "log"
    with transaction.atomic(), open(log, "wb") as output:  # IMMEDIATE: nobody else may write
        worker = start(stderr=output, sqlite_timeout=1)
        until(lambda: b"cannot be looked for now" in log.read_bytes())
    until(lambda: Job.objects.filter(state=JobState.DONE).count() == 2)
    assert {first, second} == set(Job.objects.all())
    assert worker.poll() is None
