"""Files of devices: read and checked piece by piece, written in one transaction that takes effect as a whole.

The rows stand in a table of their own until then. Reading a long file and writing are jobs: they outlast a
request, and are taken up by another process if theirs dies.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from devices import claims, mac
from devices.imports import rows_table, spreadsheet, writer
from devices.imports.checks import OF_THE_FILE, judge, row_of
from devices.imports.rows_table import PIECE, Row
from devices.imports.spreadsheet import COLUMNS
from devices.models import Import, ImportFile, ImportRow, ImportState
from devices.reconcile import BAD, GOOD, RowOutcome
from jobs import runner
from jobs.models import Job, JobState
from jobs.progress import Progress
from redirect.db.transactions import in_transaction
from redirect.errors import ApiError, ChangedMeanwhile, Conflict

logger = logging.getLogger(__name__)
KEPT_FOR = timedelta(days=1)
SHORT_FILE = 200_000  # bytes: it is read in a second
MOST_SHEETS = 50  # whose names are kept

# An import whose job was given up, or that is older than jobs: nothing goes on by itself.
STUCK = (Q(state__in=[ImportState.STAGING, ImportState.WRITING]) | Q(state=ImportState.READING, by_job=True)) & (
    Q(job=None) | Q(job__state=JobState.FAILED)
)


# --- The file -------------------------------------------------------------------------------------------------


def receive(user: User | None, file_name: str, data: bytes, *, sheet: str = "", **options: Any) -> Import:
    """Keep a file that came, to be read by a job; `sheet` names one of a workbook.

    `options` are columns of Import: move, numbers; group and by_job where no support staff imports.
    """
    with transaction.atomic():
        upload = Import.objects.create(user=user, file_name=file_name[-255:], sheet=sheet[:255], **options)
        ImportFile.objects.create(upload=upload, data=data)
    return upload


def start_reading(upload: Import) -> None:
    """Let it be read. What is short is read when this returns, unless it is left to jobs altogether."""
    if len(upload.file.data) <= SHORT_FILE and not upload.by_job:
        read_here(upload)
    else:
        with transaction.atomic():
            _tell(upload, job=runner.enqueue(read, upload.user, upload=upload.pk))


def choose_sheet(upload: Import, sheet: str) -> bool:
    """Read this sheet of a workbook that has several; False if there is nothing to choose."""
    if not _change(upload, ImportState.CHOICE, state=ImportState.STAGING, sheet=sheet[:255], job=None):
        return False
    start_reading(upload)
    return True


def read_here(upload: Import, watch: Callable[[int], None] | None = None) -> None:
    """Read it in this process; `watch` is told how many rows are read."""
    with transaction.atomic():
        _tell(upload, job=runner.begin_here(read, upload.user, upload=upload.pk))
    _run_here(upload, watch)


def _run_here(upload: Import, watch: Callable[[int], None] | None) -> None:
    assert upload.job is not None
    upload.job.watch = watch
    runner.run(upload.job)
    upload.refresh_from_db()


def read(job: Job) -> None:
    """A job: keep the rows of the file with their verdicts, to be confirmed; or say why it cannot be read.

    Many short transactions, so that phones are served between them. An attempt that died is begun anew.
    """
    upload = Import.objects.select_related("file", "group").get(pk=job.payload["upload"])
    rows_table.delete(upload.rows.all())
    with Progress(job) as progress:
        try:
            sheet = spreadsheet.read(bytes(upload.file.data), upload.sheet or None)
            _tell(
                upload,
                total=sheet.expected,
                checked=0,
                ignored_columns=", ".join(sheet.ignored)[:1000],
                sheet=sheet.name[:255],
                other_sheets=sheet.others[:MOST_SHEETS],
            )
            number, counts, first_lines = 0, Counter[str](), dict[str, int]()
            while lines := list(islice(sheet.lines, PIECE)):
                number += len(lines)
                progress.report(number)
                rows = [row_of(line, first_lines) for line in lines]
                _judge(upload, rows)  # before the transaction: SQLite's keeps phones waiting
                counts.update(row.verdict for row in rows)
                with transaction.atomic():
                    rows_table.insert(upload, rows)
                    _tell(upload, checked=number)
                    runner.fence(job, done=number)
        except spreadsheet.SheetNotChosen as error:
            with transaction.atomic():
                _tell(upload, state=ImportState.CHOICE, other_sheets=error.names[:MOST_SHEETS])
                runner.finish(job)
            return
        except spreadsheet.Unreadable as error:
            rows_table.delete(upload.rows.all())
            outcome: dict[str, object] = {"state": ImportState.FAILED, "checked": 0, "problem": str(error)}
        else:
            outcome = {"state": ImportState.CHECKED, "total": number, "counts": dict(counts)}
    with transaction.atomic():
        _tell(upload, **outcome)
        upload.file.delete()
        runner.finish(job)


def _judge(upload: Import, rows: Sequence[Row]) -> None:
    judge(rows, override=upload.move, numbers=upload.numbers, viewer=upload.viewer)


def _tell(upload: Import, **values: object) -> None:
    for name, value in values.items():
        setattr(upload, name, value)
    upload.save(update_fields=list(values))


def check_next(pk: int, number: int = PIECE) -> Import:
    """Give the next rows fresh verdicts, when all are checked again; after the last ones it can be confirmed."""
    with transaction.atomic():
        upload = Import.objects.select_for_update().get(pk=pk)
        if upload.state != ImportState.READING:
            return upload
        rows = rows_table.read(upload, upload.checked, number)
        before = [row.verdict for row in rows]
        _judge(upload, rows)
        for row, verdict in zip(rows, before, strict=True):
            row.was = verdict if verdict != row.verdict else ""
        rows_table.save_verdicts(upload, [row for row in rows if row.verdict not in OF_THE_FILE])
        upload.checked += len(rows)
        if upload.checked >= upload.total or not rows:
            found = upload.rows.values_list("verdict").annotate(number=Count("pk"))
            upload.counts, upload.state = dict(found.order_by()), ImportState.CHECKED
        upload.save(update_fields=["checked", "counts", "state"])
    return upload


def check(job: Job) -> None:
    """A job: give all rows fresh verdicts, where no page asks for it."""
    upload = Import.objects.get(pk=job.payload["upload"])
    while upload.state == ImportState.READING:
        with transaction.atomic():
            upload = check_next(upload.pk)
            runner.fence(job, done=upload.checked)


def _go_on(upload: Import) -> bool:
    """Let a job check what is to be checked, where no page asks for it."""
    if upload.by_job and upload.state == ImportState.READING:
        with transaction.atomic():
            _tell(upload, job=runner.enqueue(check, upload.user, upload=upload.pk))
    return True


def check_again(upload: Import, *, numbers: bool = False) -> bool:
    """Let all rows be checked anew; whether that is possible. `numbers`: from now on those are taken whose MAC was
    restored from a number.
    """
    if not upload.rows.exists():
        return False
    anew = {"state": ImportState.READING, "checked": 0, "problem": "", "numbers": numbers or upload.numbers}
    with transaction.atomic():
        return _change(upload, ImportState.CHECKED, ImportState.FAILED, **anew) and _go_on(upload)


def _change(upload: Import, *idle: ImportState, **values: object) -> bool:
    """Change an import in one of these states, or that is stuck; False if it is in no such state any more."""
    if not (upload.state in idle or upload.is_stuck):
        return False  # before the lock, for which SQLite would wait for the transaction at work
    with transaction.atomic():
        rows = Import.objects.select_for_update(of=("self",), no_key=True).select_related("job")
        locked = rows.filter(pk=upload.pk).first()
        if locked is None or not (locked.state in idle or locked.is_stuck):
            return False
        _tell(upload, **values)
    return True


def good_rows(upload: Import) -> QuerySet[ImportRow]:
    """What can be written."""
    return upload.rows.filter(verdict__in=GOOD)


def bad_rows(upload: Import) -> QuerySet[ImportRow]:
    """What is left out."""
    return upload.rows.filter(verdict__in=BAD)


BAD_COLUMNS = [
    *COLUMNS,
    "line",
    "problem",
]  # the file can be corrected and uploaded: the last two mean nothing then


def bad_cells(row: ImportRow) -> list[str | int]:
    """A bad row as the file for correction has it: the MAC with colons, which no spreadsheet program takes for a
    number, unless it is in doubt.
    """
    doubted = row.mac is None or row.verdict == RowOutcome.RESTORED
    spelled = row.mac_cell if doubted else mac.display(row.mac or "")
    return [spelled, row.group_cell, row.location_cell, row.description_cell, row.number, row.problem]


# --- The transaction ------------------------------------------------------------------------------------------


def confirm(upload: Import, *, here: bool = False, watch: Callable[[int], None] | None = None) -> bool:
    """Let a job write it, by the worker or `here`; False if it is not to be written now."""
    if not (upload.state == ImportState.CHECKED or (upload.state == ImportState.WRITING and upload.is_stuck)):
        return False
    with transaction.atomic():
        if not _change(upload, ImportState.CHECKED, state=ImportState.WRITING, problem=""):
            return False
        begin = runner.begin_here if here else runner.enqueue
        _tell(upload, job=begin(write, upload.user, upload=upload.pk))
    if here:
        _run_here(upload, watch)
    return True


def write(job: Job) -> None:
    """A job: write the good rows, all or none. If something has changed, the import says what."""
    upload = Import.objects.get(pk=job.payload["upload"])
    rows = writer.rows_of(good_rows(upload))  # before the transaction: SQLite's keeps phones waiting
    try:
        # All who see the import are told the same: users of its group, and those above.
        with Progress(job) as progress, claims.quotas_shown_to(upload.group_id):
            in_transaction(lambda: _write_all(upload, job, rows, progress))
    except (writer.Changed, IntegrityError) as error:
        reason = f"something changed since the preview. {error}"
        if isinstance(error, IntegrityError):
            reason = "a group or location was removed meanwhile."
        _not_written(upload, job, f"Nothing was written, because {reason}")
    except Conflict as error:
        if isinstance(error, ChangedMeanwhile):
            raise runner.TryLater("The database was busy.") from error
        _not_written(upload, job, f"Nothing was written. {error}")
    except ApiError as error:
        raise runner.TryLater("The database was busy.") from error
    else:
        rows_table.delete(good_rows(upload))


def _not_written(upload: Import, job: Job, problem: str) -> None:
    with transaction.atomic():
        _tell(upload, state=ImportState.READING, checked=0, problem=problem)
        runner.finish(job)
        _go_on(upload)


def _write_all(upload: Import, job: Job, rows: Sequence[writer.Row], progress: Progress) -> None:
    writer.write(upload, rows, progress.report)
    job.done = len(rows)
    _tell(upload, state=ImportState.DONE, finished_at=timezone.now())
    runner.finish(job)


# --- Upkeep ---------------------------------------------------------------------------------------------------


def forget_old() -> int:
    """Delete the rows of imports that were left alone for a day; how many imports that were."""
    old = Import.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
    left = old.filter(STUCK | Q(state__in=[ImportState.CHOICE, ImportState.READING, ImportState.CHECKED])).update(
        state=ImportState.FAILED, problem="It was not confirmed within a day. Upload the file again."
    )
    finished = old.filter(state__in=[ImportState.DONE, ImportState.FAILED])
    rows_table.delete(ImportRow.objects.filter(upload__in=finished))
    ImportFile.objects.filter(upload__in=finished).delete()
    return left


def discard(upload: Import) -> bool:
    """Forget an import that has written nothing, with its rows; False if it has, or is about to."""
    idle = (ImportState.CHOICE, ImportState.READING, ImportState.CHECKED, ImportState.FAILED)
    if not _change(upload, *idle, state=ImportState.FAILED):
        return False
    rows_table.delete(upload.rows.all())
    Import.objects.filter(pk=upload.pk, state=ImportState.FAILED).delete()
    return True
