"""Work that outlasts a request: what is to be done for whom, by which attempt, and how far it is."""

from collections.abc import Callable
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User


class JobState(models.TextChoices):
    """How far a job is."""

    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


class Job(models.Model):
    """One piece of work. Its attempts are numbered: only the one that has the job's number may commit."""

    work = models.CharField(max_length=200)  # the function that does it, as module.name; it is given this row
    payload = models.JSONField(default=dict)
    lane = models.CharField(max_length=20, default="default", db_default="default")  # lanes.py
    owner = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+"
    )  # NULL: a command, or a user gone
    origin = models.JSONField(default=dict)  # of the request, for the audit log
    created_at = models.DateTimeField(default=timezone.now)

    state = models.CharField(max_length=7, choices=JobState, default=JobState.WAITING)
    not_before = models.DateTimeField(default=timezone.now)
    task = models.UUIDField(null=True)  # the entry of the queue that will run or runs the attempt
    attempt = models.PositiveIntegerField(default=0)  # the number of the last one that began
    last_attempt = models.PositiveIntegerField()  # the number after which the job is given up
    heartbeat = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    problem = models.TextField(default="")  # why the last attempt failed: a sentence for the owner
    finished_at = models.DateTimeField(null=True)

    watch: Callable[[int], None] | None = None  # told of each report, in the process that runs the job

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(
                fields=["heartbeat"], name="job_unfinished", condition=Q(state__in=["Waiting", "Running"])
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.pk} ({self.work})"

    @property
    def is_finished(self) -> bool:
        """Whether no attempt runs or will run."""
        return self.state in (JobState.DONE, JobState.FAILED)


class KeptAnswer(models.Model):
    """What a request was answered, for a repetition of it. Written and read by jobs/answers.py alone.

    Neither the caller's key nor a word of the request or the answer stands here in clear.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    content = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.status} of {self.created_at:%Y-%m-%d %H:%M:%S}"
