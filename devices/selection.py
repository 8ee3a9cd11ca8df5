"""Devices that staff selected in the admin: count them, keep which they are, act on them piece by piece in a job.

Hundreds of thousands are too many for one statement and one lock: each piece is a transaction of its own, done
whole, by the same functions as the API's bulk calls. Between two pieces phones and tenants have their turn.
"""

from collections import Counter
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Group, User
from devices import bulk, mac
from devices.models import Device, DeviceQuerySet, Selection, SelectionAction, SelectionPiece
from jobs import runner
from jobs.models import Job, JobState
from locations.models import Location
from redirect.db.arrays import integers
from redirect.db.transactions import in_transaction
from redirect.errors import ApiError, bad_request

PIECE = 5000
KEPT = timedelta(days=1)

Rows = list[tuple[int, int]]  # ids of devices, each with the id of its group, in the order of MACs


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


def count_again(selection: Selection) -> bool:
    """Whether the devices are no longer those that were counted; then what is left of them is what counts."""
    rows = _selected(selection)
    now = _rows(Device.objects.filter(pk__in=integers([pk for pk, _ in rows])))
    if now == rows:
        return False
    with transaction.atomic():
        _keep(selection, now)
    return True


def keep_only(selection: Selection, group_id: int) -> None:
    """Let go of the devices of all other groups."""
    rows = [row for row in _selected(selection) if row[1] == group_id]
    with transaction.atomic():
        _keep(selection, rows)


def first_macs(selection: Selection, how_many: int) -> list[str]:
    """The first MACs of a selection that has not begun, as people write them."""
    piece = selection.pieces.order_by("number").first()
    ids = [pk for pk, _ in piece.devices[:how_many]] if piece else []
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

    Devices that have changed their group, or are gone, since they were counted are left alone. Raises ApiError if
    others change the very same devices or the location at this moment: nothing is done then.
    """

    def work() -> Selection:
        locked = Selection.objects.select_for_update(of=("self",), no_key=True).get(pk=selection.pk)
        piece = locked.pieces.order_by("number").first()
        if piece is None or locked.started_at is None:
            return locked
        rows: dict[int, int] = dict(piece.devices)
        devices = Device.objects.filter(pk__in=integers(list(rows)))
        found = devices.order_by("mac").values_list("mac", "pk", "group_id")
        macs = [text for text, pk, group in found if rows[pk] == group]
        # By their MACs from here on: with two long lists SQLite would try each of the one with each of the other.
        of_groups = Device.objects.filter(group__in=integers(list(set(rows.values()))))
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
            return bulk.move(devices, positions, group=target, location_id=place, reason=reason)
    raise ValueError(selection.action)


def _rows(devices: QuerySet[Device]) -> Rows:
    return list(devices.order_by("mac").values_list("pk", "group_id"))


def _selected(selection: Selection) -> Rows:
    pieces = selection.pieces.order_by("number").values_list("devices", flat=True)
    return [(pk, group) for devices in pieces for pk, group in devices]


def _keep(selection: Selection, rows: Rows) -> None:
    selection.total = len(rows)
    selection.counts = Counter(str(group) for _, group in rows)
    selection.save()
    selection.pieces.all().delete()
    SelectionPiece.objects.bulk_create(
        SelectionPiece(selection=selection, number=number, devices=rows[begin : begin + PIECE])
        for number, begin in enumerate(range(0, len(rows), PIECE))
    )
