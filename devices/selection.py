"""Devices that staff selected in the admin: count them, keep which they are, act on them piece by piece in a job.

Hundreds of thousands are too many for one statement and one lock: each piece is a transaction of its own, done
whole, by the same functions as the API's bulk calls. Between two pieces phones and tenants have their turn.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from zlib import crc32

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Group, User
from devices import bulk, mac, moving
from devices.claims import quotas_shown_to
from devices.models import Device, DeviceQuerySet, Selection, SelectionAction, SelectionPiece
from jobs import runner
from jobs.models import Job, JobState
from locations.models import Location
from redirect.db.arrays import integers
from redirect.db.transactions import in_transaction
from redirect.errors import ApiError, bad_request

PIECE = 5000
KEPT = timedelta(days=1)

# Of each device, in the order of MACs: its id, those of its group and location, a checksum of its description.
Row = tuple[int, int, int | None, int]
Rows = list[Row]
CHANGES_TOLD = 10


def count(user: User, action: str, devices: QuerySet[Device]) -> Selection:
    """A new selection: these devices as they are now. Selections of yesterday are forgotten."""
    rows = _rows(devices)  # before the transaction: on SQLite nobody else could write meanwhile
    with transaction.atomic():
        at_work = Q(job__state__in=[JobState.WAITING, JobState.RUNNING])
        spent = Selection.objects.filter(~at_work, created_at__lt=timezone.now() - KEPT)
        SelectionPiece.objects.filter(selection__in=spent).delete()
        spent.delete()
        selection = Selection(user=user, action=action)
        _keep(selection, rows)
    return selection


def count_again(selection: Selection) -> list[str]:
    """What others have changed since the devices were counted, in sentences; what is left is what counts."""
    rows = _selected(selection)
    now = _rows(Device.objects.filter(pk__in=integers([row[0] for row in rows])))
    if changes := _changes(rows, now):
        with transaction.atomic():
            _keep(selection, now)
    return changes


def keep_only(selection: Selection, group_id: int) -> None:
    """Let go of the devices of all other groups."""
    rows = [row for row in _selected(selection) if row[1] == group_id]
    with transaction.atomic():
        _keep(selection, rows)


def first_macs(selection: Selection, how_many: int) -> list[str]:
    """The first MACs of a selection that has not begun, as people write them."""
    piece = selection.pieces.order_by("number").first()
    ids = [row[0] for row in piece.devices[:how_many]] if piece else []
    found = Device.objects.filter(pk__in=ids).order_by("mac")
    return [mac.display(text) for text in found.values_list("mac", flat=True)]


def start(selection: Selection, **details: object) -> bool:
    """From now on the pieces may be done; False if somebody has started before."""
    waiting = Selection.objects.filter(pk=selection.pk, started_at=None)
    return bool(waiting.update(started_at=timezone.now(), details=details))


def go_on(selection: Selection, permission: str) -> None:
    """Let a job do what is left of a selection that was started. Its user needs the permission all along."""
    with transaction.atomic():
        rows = Selection.objects.select_for_update(of=("self",), no_key=True).select_related("job", "user")
        locked = rows.get(pk=selection.pk)
        if locked.job is not None:
            runner.resume(locked.job)
        elif locked.started_at and not locked.finished_at:
            locked.job = runner.enqueue(work_through, locked.user, selection=locked.pk, permission=permission)
            locked.save(update_fields=["job"])


def work_through(job: Job) -> None:
    """A job: do what is left of a selection, piece by piece."""
    selection = Selection.objects.get(pk=job.payload["selection"])
    while not selection.finished_at:
        if not User.objects.get_queryset().get(pk=selection.user_id).has_perm(job.payload["permission"]):
            raise runner.JobFailed("You may not do this any more.")
        try:
            selection = do_next_piece(selection, job)
        except ApiError as error:
            raise runner.TryLater(f"Nothing of this piece was done: {error.body['description']}") from error


def do_next_piece(selection: Selection, job: Job | None = None) -> Selection:
    """Do the next piece whole, and count it; the selection as it is then.

    Devices that were changed, or are gone, since they were counted are left alone. Raises ApiError if
    others change the very same devices or the location at this moment: nothing is done then.
    """

    def work() -> Selection:
        locked = Selection.objects.select_for_update(of=("self",), no_key=True).get(pk=selection.pk)
        piece = locked.pieces.order_by("number").first()
        if piece is None or locked.started_at is None:
            return locked
        rows = {row[0]: tuple(row) for row in piece.devices}
        devices = Device.objects.filter(pk__in=integers(list(rows)))
        macs = [text for text, row in _with_macs(devices) if _unchanged(rows[row[0]], row)]
        # By their MACs from here on: with two long lists SQLite would try each of the one with each of the other.
        of_groups = Device.objects.filter(group__in=integers(list({row[1] for row in rows.values()})))
        done = _act(locked, of_groups, macs) if macs else 0
        piece.delete()
        locked.done += done
        locked.left_alone += len(rows) - done
        if not locked.pieces.exists():
            locked.finished_at = timezone.now()
        locked.save(update_fields=["done", "left_alone", "finished_at"])
        if job is not None:
            runner.fence(job, done=locked.looked_at)
        return locked

    return in_transaction(work)


def _act(selection: Selection, devices: DeviceQuerySet, macs: list[str]) -> int:
    positions = {text: place for place, text in enumerate(macs)}
    details = selection.details
    match selection.action:
        case SelectionAction.REMOVE:
            return bulk.remove(devices, positions)
        case SelectionAction.TAKE_AWAY:
            return bulk.take_away_locations(devices, positions)
        case SelectionAction.ASSOCIATE:
            done, _ = bulk.associate(Location.objects.filter(pk=details["location"]), positions, override=True)
            return done
        case SelectionAction.MOVE:
            target = Group.objects.filter(pk=details["group"]).first()
            if target is None:
                raise bad_request("The group that the devices were to be moved to is gone.")
            place, reason = details["location"], details["reason"]
            with quotas_shown_to(None):
                return moving.move(devices, positions, group=target, location_id=place, reason=reason)
    raise ValueError(selection.action)


def _rows(devices: QuerySet[Device]) -> Rows:
    return [row for _, row in _with_macs(devices)]


def _with_macs(devices: QuerySet[Device]) -> Iterator[tuple[str, Row]]:
    columns = devices.order_by("mac").values_list("mac", "pk", "group_id", "location_id", "description")
    for text, pk, group, location, description in columns.iterator(chunk_size=PIECE):
        yield text, (pk, group, location, crc32((description or "").encode()))


def _unchanged(kept: Row, now: Row) -> bool:
    return now[: len(kept)] == kept  # what an older version of the service kept ends with the group


def _changes(rows: Rows, now: Rows) -> list[str]:
    """What is different, in sentences."""
    left = {row[0]: row for row in now}
    different = {row[0]: row for row in rows if row[0] in left and not _unchanged(row, left[row[0]])}
    told = []
    if gone := len(rows) - len(now):
        told.append(f"{gone:,} device{'' if gone == 1 else 's'} removed.")
    first = Device.objects.filter(pk__in=list(different)[:CHANGES_TOLD]).select_related("group", "location")
    for device in first.order_by("mac"):
        _, group, location, description = different[device.pk]
        changes = []
        if group != device.group_id:
            changes.append(f"it is a device of {device.group} now")
        if location != device.location_id:
            changes.append(f"its location is {device.location.url if device.location else 'none'} now")
        if description != left[device.pk][3]:
            changes.append("its description was changed")
        told.append(f"{device.spelled}: {', '.join(changes)}.")
    if (more := len(different) - CHANGES_TOLD) > 0:
        told.append(f"And {more:,} more device{'' if more == 1 else 's'}.")
    return told


def _selected(selection: Selection) -> Rows:
    pieces = selection.pieces.order_by("number").values_list("devices", flat=True)
    return [tuple(row) for devices in pieces for row in devices]


def _keep(selection: Selection, rows: Rows) -> None:
    selection.total = len(rows)
    selection.counts = Counter(str(row[1]) for row in rows)
    selection.save()
    selection.pieces.all().delete()
    SelectionPiece.objects.bulk_create(
        SelectionPiece(selection=selection, number=number, devices=rows[begin : begin + PIECE])
        for number, begin in enumerate(range(0, len(rows), PIECE))
    )
