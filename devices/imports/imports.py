"""Files of devices: staged, checked piece by piece, and written in one transaction that takes effect as a whole.

The rows stand in a table of their own until then, so that each request is short and any process can go on. Nobody
needs a further service: the transaction runs in a thread of the process that was asked to confirm.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from accounts.models import Group, User
from audit.models import Event
from audit.recording import Part, record_list
from devices import bulk
from devices.imports import spreadsheet
from devices.imports.checks import OF_THE_FILE, judge, staged
from devices.imports.spreadsheet import COLUMNS
from devices.models import Device, Import, ImportRow, ImportState
from devices.reconcile import BAD, CHANGING, GOOD, DesiredDevice, RowOutcome
from redirect.db.arrays import Kind, integers, table_of_rows
from redirect.db.transactions import in_transaction
from redirect.errors import ApiError

logger = logging.getLogger(__name__)

PIECE = 2_000  # rows for each statement: far below the deadlines of the database, and steps that one sees
KEPT_FOR = timedelta(days=1)
SILENT_AT_MOST = timedelta(seconds=60)  # longer than all deadlines of a piece together
SECONDS_TO_READ_A_SHORT_FILE = 1.5

# SQLite has one writer, and it is busy: this process alone tells what it works on, and how many rows it wrote.
_at_work_here: dict[int, int] = {}

Report = Callable[[int], None]
Item = TypeVar("Item")


class Changed(Exception):
    """Something is not as the preview had it; nothing is written."""


class Superseded(Exception):
    """Somebody confirmed it again, since this attempt seemed dead; nothing is written by it."""


class _Row(NamedTuple):
    number: int
    verdict: str
    wish: DesiredDevice


# --- The file -------------------------------------------------------------------------------------------------


def receive(user: User | None, file_name: str, *, move: bool) -> Import:
    """A file that came, and is still to be read."""
    upload = Import.objects.create(user=user, file_name=file_name[-255:], move=move, heartbeat=timezone.now())
    _at_work_here[upload.pk] = 0
    return upload


def read(upload: Import, data: bytes, report: Report = lambda number: None) -> None:
    """Keep the rows of the file, to be checked; or say why it cannot be read.

    Many short transactions, so that phones are served between them.
    """
    try:
        sheet = spreadsheet.read(data)
        _tell(upload, total=sheet.expected, ignored_columns=", ".join(sheet.ignored)[:1000])
        first_lines: dict[str, int] = {}
        while lines := list(islice(sheet.lines, PIECE)):
            _insert_rows(upload, [staged(line, first_lines) for line in lines])
            _tell(upload, checked=upload.checked + len(lines))
            report(len(lines))
        _tell(upload, total=upload.checked, checked=0, state=ImportState.READING)
    except spreadsheet.Unreadable as error:
        _delete_rows(upload.rows.all())
        _tell(upload, state=ImportState.FAILED, problem=str(error))
    except Exception:
        logger.exception("Import %s was not read", upload.pk)
        _tell(upload, state=ImportState.FAILED, problem="An error of the service; its log tells more.")
    finally:
        _at_work_here.pop(upload.pk, None)


def start_reading(upload: Import, data: bytes) -> None:
    """Read it in a thread of this process. What is short, or wrong at its beginning, is done when this returns."""
    _in_thread(lambda: read(upload, data)).join(SECONDS_TO_READ_A_SHORT_FILE)


def _tell(upload: Import, **values: Any) -> None:
    Import.objects.filter(pk=upload.pk).update(heartbeat=timezone.now(), **values)
    for name, value in values.items():
        setattr(upload, name, value)


def _insert_rows(upload: Import, rows: Sequence[ImportRow]) -> None:
    columns = ("mac_cell", "group_cell", "location_cell", "description_cell", "mac", "verdict", "problem")
    names = ", ".join(columns)
    values = [(row.number, *(getattr(row, name) for name in columns)) for row in rows]
    source, listed = table_of_rows(_columns(["number"], columns), values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO devices_importrow (upload_id, was, number, {names})
            SELECT %s, '', number, {names} FROM {source}
            """,  # noqa: S608 - the text of a table expression, no value
            [upload.pk, *listed],
        )


def _columns(numbers: Sequence[str], texts: Sequence[str]) -> dict[str, Kind]:
    columns: dict[str, Kind] = dict.fromkeys(numbers, "bigint")
    for name in texts:
        columns[name] = "text"
    return columns


def check_next(pk: int, number: int = PIECE) -> Import:
    """Give the next rows their verdicts; after the last ones the import can be confirmed."""
    with transaction.atomic():
        upload = Import.objects.select_for_update().get(pk=pk)
        if upload.state != ImportState.READING:
            return upload
        rows = list(upload.rows.order_by("number")[upload.checked : upload.checked + number])
        before = {row.pk: row.verdict for row in rows}
        judge(rows, override=upload.move)
        for row in rows:
            row.was = before[row.pk] if before[row.pk] != row.verdict else ""
        _save_verdicts([row for row in rows if row.verdict not in OF_THE_FILE])
        upload.checked += len(rows)
        if upload.checked >= upload.total or not rows:
            found = upload.rows.values_list("verdict").annotate(number=Count("pk"))
            upload.counts, upload.state = dict(found.order_by()), ImportState.CHECKED
        upload.save(update_fields=["checked", "counts", "state"])
    return upload


def check_again(upload: Import) -> bool:
    """Let all rows be checked anew; whether that is possible."""
    states = [ImportState.CHECKED, ImportState.FAILED]
    waiting = Import.objects.filter(pk=upload.pk, state__in=states)
    return upload.rows.exists() and bool(waiting.update(state=ImportState.READING, checked=0, problem=""))


def _save_verdicts(rows: Sequence[ImportRow]) -> None:
    values = [(row.pk, row.group_id, row.location_id, row.verdict, row.was, row.problem) for row in rows]
    columns = _columns(["id", "group_id", "location_id"], ["verdict", "was", "problem"])
    source, listed = table_of_rows(columns, values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE devices_importrow SET group_id = listed.group_id, location_id = listed.location_id,
                verdict = listed.verdict, was = listed.was, problem = listed.problem
            FROM {source} WHERE devices_importrow.id = listed.id
            """,  # noqa: S608 - the text of a table expression, no value
            listed,
        )


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
    """A bad row as the file for correction has it."""
    return [row.mac_cell, row.group_cell, row.location_cell, row.description_cell, row.number, row.problem]


# --- The transaction ------------------------------------------------------------------------------------------


def begin(upload: Import) -> int | None:
    """Take the right to write it, from an attempt that died as well; None if it is not to be written now.

    The number of the attempt: one that turns out to live is ended by it.
    """
    if upload.state not in (ImportState.CHECKED, ImportState.WRITING) or is_alive(upload):
        return None  # not by the statement below: on SQLite it would wait for the transaction at work
    free = Import.objects.filter(pk=upload.pk, attempt=upload.attempt, state=upload.state)
    attempt = upload.attempt + 1
    if not free.update(
        state=ImportState.WRITING, attempt=attempt, written=0, heartbeat=timezone.now(), problem=""
    ):
        return None
    _at_work_here[upload.pk] = 0
    return attempt


def start(upload: Import, attempt: int) -> threading.Thread:
    """Write it in a thread of this process; the pages ask how far it is."""
    return _in_thread(lambda: write(upload.pk, attempt))


def _in_thread(work: Callable[[], Any]) -> threading.Thread:
    def work_and_close() -> None:
        try:
            work()
        finally:
            connections.close_all()

    # The audit log is told who confirmed it, and from where.
    thread = threading.Thread(target=copy_context().run, args=[work_and_close], name="import", daemon=True)
    thread.start()
    return thread


def write(pk: int, attempt: int, report: Report = lambda number: None) -> bool:
    """Write the good rows, all or none; whether they are written. If not, the import says why."""
    upload = Import.objects.get(pk=pk)
    outcome = Import.objects.filter(pk=pk, attempt=attempt, state=ImportState.WRITING)
    try:
        rows = _rows_to_write(upload)  # before the transaction: SQLite's keeps phones waiting
        with _Progress(upload, report) as progress:
            in_transaction(lambda: _write_all(upload, attempt, rows, progress))
    except (Changed, IntegrityError) as error:
        outcome.update(
            state=ImportState.READING,
            checked=0,
            problem=f"Nothing was written, because something changed since the preview. {error}"
            if isinstance(error, Changed)
            else "Nothing was written, because a group or location was removed meanwhile.",
        )
        return False
    except Superseded:
        return False
    except (ApiError, DatabaseError) as error:
        logger.warning("Import %s was not written: %s", pk, error)
        busy = "Nothing was written: the database was busy or away. Confirm again in a moment."
        outcome.update(state=ImportState.CHECKED, problem=busy)
        return False
    except Exception:
        logger.exception("Import %s was not written", pk)
        broken = "Nothing was written, because of an error of the service; its log tells more."
        outcome.update(state=ImportState.FAILED, problem=broken)
        return False
    finally:
        _at_work_here.pop(pk, None)
    _delete_rows(ImportRow.objects.filter(upload=pk, verdict__in=GOOD))
    return True


def _rows_to_write(upload: Import) -> list[_Row]:
    """In the order of MACs, in which all writers lock them."""
    values = ("number", "verdict", "mac", "group_id", "location_id", "description_cell")
    return sorted(
        (
            _Row(number, verdict, DesiredDevice(mac, group_id, location_id, description or None))
            for number, verdict, mac, group_id, location_id, description in good_rows(upload).values_list(*values)
        ),
        key=lambda row: row.wish.mac,
    )


def _write_all(upload: Import, attempt: int, rows: list[_Row], progress: "_Progress") -> None:
    progress.restart()
    _lock_ground(rows)
    for piece in _pieces(rows):
        verdicts = bulk.upsert([row.wish for row in piece], override=upload.move)
        _refuse_changed([row for row in piece if verdicts[row.wish.mac] != row.verdict])
        progress.add(len(piece))
    _record(upload, rows)
    ours = Import.objects.filter(pk=upload.pk, attempt=attempt, state=ImportState.WRITING)
    if not ours.update(state=ImportState.DONE, written=len(rows), finished_at=timezone.now()):
        raise Superseded


def _lock_ground(rows: Sequence[_Row]) -> None:
    """The locations before all devices, as bulk calls do; and none of the groups may be gone."""
    places = bulk.lock_locations({row.wish.location_id for row in rows if row.wish.location_id is not None})
    wanted = integers(list({row.wish.group_id for row in rows}))
    groups = set(Group.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    _refuse_changed([row for row in rows if not _has_ground(row.wish, places, groups)])


def _has_ground(wish: DesiredDevice, places: dict[int, int], groups: set[int]) -> bool:
    return wish.group_id in groups and (wish.location_id is None or places.get(wish.location_id) == wish.group_id)


def _refuse_changed(rows: Sequence[_Row]) -> None:
    if rows:
        numbers = sorted(row.number for row in rows)
        lines = ", ".join(map(str, numbers[:10])) + (" and others" if len(numbers) > 10 else "")
        raise Changed(f"It is about line {lines}.")


def _record(upload: Import, rows: Sequence[_Row]) -> None:
    """Leave the one entry of the audit log, inside the transaction: what became of each MAC, by its group."""
    macs: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.verdict in CHANGING:
            macs[row.wish.group_id, DONE[RowOutcome(row.verdict)]].append(row.wish.mac)
    parts = [Part(group_id, done, listed) for (group_id, done), listed in macs.items()]
    record_list(Event.DEVICES_IMPORTED, Device, parts, upload=upload.pk, file=upload.file_name)


DONE = {
    RowOutcome.CREATED: "Created",
    RowOutcome.MOVED: "Associated",
    RowOutcome.CHANGED: "Described",
    RowOutcome.KEPT_AND_CHANGED: "Described",
}


# --- How far it is --------------------------------------------------------------------------------------------


class _Progress:
    """Tells how many rows a transaction has written, before it is committed, to whoever asks any process.

    On PostgreSQL by a connection of its own; on SQLite, where the transaction has the only one that may write,
    in the memory of the one process.
    """

    def __init__(self, upload: Import, report: Report) -> None:
        self._upload, self._report, self._written = upload, report, 0
        self._other = connections.create_connection("default") if connection.vendor == "postgresql" else None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._other is not None:
            self._other.close()

    def restart(self) -> None:
        """A transaction that lost a race begins anew."""
        self.add(-self._written)

    def add(self, number: int) -> None:
        self._written += number
        self._report(number)
        if self._other is None:
            _at_work_here[self._upload.pk] = self._written
            return
        with self._other.cursor() as cursor:
            cursor.execute(
                "UPDATE devices_import SET written = %s, heartbeat = %s WHERE id = %s AND state = %s",
                [self._written, timezone.now(), self._upload.pk, ImportState.WRITING],
            )


def written(upload: Import) -> int:
    """How many rows its transaction has written by now."""
    return max(upload.written, _at_work_here.get(upload.pk, 0))


def is_alive(upload: Import) -> bool:
    """Whether a thread reads it, or a transaction writes it."""
    if upload.state not in (ImportState.STAGING, ImportState.WRITING):
        return False
    if connection.vendor != "postgresql":
        return upload.pk in _at_work_here
    return upload.heartbeat is not None and upload.heartbeat > timezone.now() - SILENT_AT_MOST


# --- Upkeep ---------------------------------------------------------------------------------------------------


def forget_old() -> int:
    """Delete the rows of imports that nobody went on with for a day; how many imports that were."""
    old = Import.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
    silent = Q(state=ImportState.WRITING, heartbeat__lt=timezone.now() - KEPT_FOR)
    left = old.filter(
        Q(state__in=[ImportState.STAGING, ImportState.READING, ImportState.CHECKED]) | silent
    ).update(
        state=ImportState.FAILED,
        attempt=F("attempt") + 1,
        problem="It was not confirmed within a day. Upload the file again.",
    )
    finished = old.filter(state__in=[ImportState.DONE, ImportState.FAILED])
    _delete_rows(ImportRow.objects.filter(upload__in=finished))
    return left


def discard(upload: Import) -> bool:
    """Forget an import that has written nothing, with its rows; False if it has, or is about to."""
    idle = Import.objects.filter(pk=upload.pk).filter(
        state__in=[ImportState.READING, ImportState.CHECKED, ImportState.FAILED]
    )
    if not idle.update(state=ImportState.FAILED):
        return False
    _delete_rows(upload.rows.all())
    idle.delete()
    return True


def _delete_rows(rows: QuerySet[ImportRow]) -> None:
    """In short transactions."""
    while ids := list(rows.values_list("pk", flat=True)[:PIECE]):
        ImportRow.objects.filter(pk__in=integers(ids))._raw_delete(ImportRow.objects.db)


def _pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start_of_piece in range(0, len(items), PIECE):
        yield items[start_of_piece : start_of_piece + PIECE]
