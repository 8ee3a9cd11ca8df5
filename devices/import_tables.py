"""Imports of devices: the file, its rows, and what was found out about them."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import Group, User
from accounts.scope import ScopedQuerySet
from devices.reconcile import CHANGING, GOOD, RowOutcome
from jobs.models import Job, JobState


class ImportState(models.TextChoices):
    """How far an import is."""

    STAGING = "Staging", "Being read"
    CHOICE = "Choice", "Sheet to be chosen"
    READING = "Reading", "Being checked"
    CHECKED = "Checked", "To be confirmed"
    WRITING = "Writing", "Being written"
    DONE = "Done"
    FAILED = "Failed"


class ImportQuerySet(ScopedQuerySet["Import"]):
    """Imports; those of support staff and of the platform operator are of no group."""


class ImportRowQuerySet(ScopedQuerySet["ImportRow"]):
    """Rows of imports."""

    group_path = "upload__group__"


class Import(models.Model):
    """A file of devices, checked row by row before anything is written. This summary stays; its rows go."""

    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+")  # NULL: support staff's
    by_job = models.BooleanField(default=False)  # checked by a job, not by a page that asks for each piece
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")  # NULL: a command, or a user gone
    created_at = models.DateTimeField(default=timezone.now)
    file_name = models.CharField(max_length=255)
    move = models.BooleanField("move devices that have another location", default=False)
    numbers = models.BooleanField("take MACs that were restored from numbers", default=False)
    sheet = models.CharField(max_length=255, default="")  # of a workbook: the one to read
    other_sheets = models.JSONField(
        default=list
    )  # visible ones that are not read, or all while one is to be chosen
    ignored_columns = models.CharField(max_length=1000, default="")

    state = models.CharField(max_length=7, choices=ImportState, default=ImportState.STAGING)
    total = models.PositiveIntegerField(default=0)  # rows; while they are read, about how many there will be
    checked = models.PositiveIntegerField(default=0)  # while they are read, how many of them are
    counts = models.JSONField(default=dict)  # of the rows, by verdict; once all are checked
    problem = models.TextField(default="")

    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")  # the last: it reads, then writes
    finished_at = models.DateTimeField(null=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("import_device", "Can import devices")]

    def __str__(self) -> str:
        return f"{self.file_name} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_stuck(self) -> bool:
        """Whether its job was given up, or it is older than jobs: nothing goes on by itself."""
        begun = self.state in (ImportState.STAGING, ImportState.WRITING) or (
            self.by_job and self.state == ImportState.READING
        )
        return begun and (self.job is None or self.job.state == JobState.FAILED)

    @property
    def told(self) -> str:
        """Why nothing was written, if something went wrong: a sentence or two; else an empty text."""
        if not self.is_stuck:
            return self.problem
        reason = self.job.problem if self.job else "The process that did it has died."
        if self.state == ImportState.STAGING:
            return f"The file was not read. {reason} Upload it again."
        if self.state == ImportState.READING:
            return f"The rows were not checked. {reason} Let them be checked again."
        return f"Nothing was written. {reason}"

    @property
    def viewer(self) -> User | None:
        """The scope in which its groups are looked for, as a user has it; None: all groups."""
        return User(group=self.group) if self.group else None

    @property
    def changes(self) -> int:
        """How many rows change something."""
        return sum(self.counts.get(verdict, 0) for verdict in CHANGING)

    @property
    def good(self) -> int:
        """How many rows can be written."""
        return sum(self.counts.get(verdict, 0) for verdict in GOOD)

    @property
    def bad(self) -> int:
        """How many rows are left out."""
        return self.total - self.good


class ImportFile(models.Model):
    """The file of an import, as long as it is still to be read."""

    upload = models.OneToOneField(Import, models.CASCADE, primary_key=True, related_name="file")
    data = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"the file of {self.upload}"


class ImportRow(models.Model):
    """A row of the file as it stands there, and what was found out about it."""

    upload = models.ForeignKey(Import, models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField("line")
    mac_cell = models.TextField()
    group_cell = models.TextField()
    location_cell = models.TextField()
    description_cell = models.TextField()

    mac = models.CharField(max_length=12, null=True)  # noqa: DJ001 - NULL: it is none
    group_id = models.BigIntegerField(null=True)
    location_id = models.BigIntegerField(null=True)
    verdict = models.CharField(max_length=17, choices=RowOutcome, default="")
    was = models.CharField(max_length=17, choices=RowOutcome, default="")  # before something changed meanwhile
    problem = models.TextField(default="")

    objects = ImportRowQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upload", "number"], name="importrow_line_once"),
        ]

    def __str__(self) -> str:
        return f"line {self.number}: {self.mac_cell} {self.verdict}"
