"""From the access log to deliveries: which phones fail, boot again, are new or unknown.

Phones wait for none of it: the log is read behind them from a mark on, piece by piece. The transaction that writes
the events of a piece moves the mark behind it, so no row is passed over and none is told of twice, whatever is
killed. While no webhook or alert wants these events nothing is read and no mark is kept.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from devices import mac as macs
from devices.access_log import settled_id
from devices.models import Access, Device, Outcome
from devices.usage import OPEN_FOR
from redirect.db.arrays import integers, table_of_rows, texts
from webhooks.log_rows import Row, Unread, keep_addresses, new_devices, rows_before, rows_that_matter
from webhooks.models import EventType, KnownAddress, ReadMark, Told
from webhooks.outbox import (
    Message,
    Subscribers,
    as_text,
    forget,
    from_database,
    one_at_a_time,
    put,
    tell_once,
    time_of,
    told_time,
)

EVENTS = (EventType.FIRST_SEEN, EventType.FAILING, EventType.RECOVERED, EventType.UNKNOWN)
PIECE = 10_000  # rows of the log that are read in one transaction
BEGIN_BEFORE = timedelta(minutes=5)

KNOWN_FOR = timedelta(days=7)  # how long an address is a group's after a device of the group was redirected there
UNKNOWN_A_DAY = 100  # unknown MACs that a group is told of: more are a scan
UNKNOWN_AGAIN = timedelta(days=30)  # an unknown MAC is told of again after that
CERTIFICATE_AGAIN = timedelta(days=400)  # as is a certificate


@dataclass
class Piece:
    """What is known about some rows of the log, and what is to be told of them."""

    rows: Sequence[Row]
    unread: Unread
    new: set[int]  # devices whose first request is among the rows
    subscribers: Subscribers
    owners: dict[int, int] = field(default_factory=dict)  # group by device: those that there are
    failing: dict[tuple[int, str], datetime] = field(default_factory=dict)  # since when, by Told's key
    messages: list[Message] = field(default_factory=list)

    def tell(self, event: EventType, row: Row, group_id: int, **more: Any) -> None:
        """Tell of a row those who may see the group and want to know."""
        data = {"mac": macs.display(row.mac), "groupId": group_id} | more
        data |= {"address": row.address, "path": row.path, "time": told_time(row.time)}
        for subscriber in self.subscribers.of(event, row.time, [group_id]):
            self.messages.append(Message(subscriber, event, row.mac, data))

    def is_followed(self, row: Row) -> bool:
        """Whether anything wants to know if the device fails, or when it is redirected again."""
        of_these = (EventType.FAILING, EventType.RECOVERED)
        return any(self.subscribers.of(event, row.time, [row.group_id]) for event in of_these)


@dataclass
class Log:
    """The log as it was at a moment, up to an id behind which rows may be missing, and who wants to know of it.

    `until` is None while it cannot be read, as another transaction may still add rows.
    """

    looked_at: datetime
    until: int | None
    subscribers: Subscribers | None
    told_before: datetime | None = None  # of all rows that are older is told

    def tell_before(self, moment: datetime | None, end: float) -> bool:
        """Tell of what phones asked for before a moment (None: of all); False if that is not done at `end` of the
        clock `time.monotonic`, or cannot be.
        """
        if not self.subscribers or (moment and self.told_before and moment <= self.told_before):
            return True
        if self.until is None:
            return False
        while tell_next(self.until, self.subscribers, moment):
            if time.monotonic() > end:
                return False
        self.told_before = moment
        return True


def look() -> Log:
    """The log at this moment. Begins to read it with the first who wants to know, and ends with the last."""
    now = timezone.now()
    is_enabled, is_marked = _state()
    if not is_marked and not (is_enabled and Subscribers(EVENTS)):
        return Log(now, None, None)
    until = settled_id()
    subscribers = Subscribers(EVENTS)  # after `until`: all that was asked for since one subscribed comes later
    if not subscribers:
        _stop()
    elif until is not None and not is_marked:
        _begin(until)
    return Log(now, until, subscribers)


def tell_next(until: int, subscribers: Subscribers, moment: datetime | None = None) -> bool:
    """Tell of the next rows of the log up to this id, and before this moment; False if there are no more."""
    if not ReadMark.objects.filter(read_to__lt=until).exists():
        return False
    with transaction.atomic():
        one_at_a_time()
        mark = ReadMark.objects.filter(read_to__lt=until).first()
        return mark is not None and _tell_piece(mark, until, subscribers, moment)


def _state() -> tuple[bool, bool]:
    """Whether there is any webhook or alert to be told, and whether there is a mark."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM webhooks_webhook WHERE enabled)"
            " OR EXISTS (SELECT 1 FROM webhooks_alert WHERE enabled),"
            " EXISTS (SELECT 1 FROM webhooks_readmark)"
        )
        is_enabled, is_marked = cursor.fetchone()
        return bool(is_enabled), bool(is_marked)


def _begin(until: int) -> None:
    """Read from here on, and what came since a subscription may have been made; none is told of older ones."""
    now = timezone.now()
    oldest = Access.objects.filter(time__gte=now - BEGIN_BEFORE, pk__lte=until).aggregate(pk=Min("pk"))["pk"]
    read_to = until if oldest is None else oldest - 1
    ReadMark.objects.get_or_create(pk=1, defaults={"read_to": read_to, "read_at": now})


def _stop() -> None:
    """Nothing wants these events any more: one that wants them later begins anew."""
    with transaction.atomic():
        ReadMark.objects.all().delete()
        Told.objects.filter(event=EventType.FAILING).delete()


def _tell_piece(mark: ReadMark, until: int, subscribers: Subscribers, moment: datetime | None) -> bool:
    """Tell of the next rows and move the mark behind them; whether there may be more."""
    began = timezone.now()
    # What a replica answered comes later, with the time of the request: see OPEN_FOR.
    piece_of_log = Unread(mark.read_to, min(until, mark.read_to + PIECE), mark.read_at - OPEN_FOR)
    unread = piece_of_log if moment is None else rows_before(moment, piece_of_log)
    is_more = unread.last < until and unread == piece_of_log
    if unread.last == unread.after:
        return is_more
    new = new_devices(unread, subscribers)
    piece = Piece(rows_that_matter(unread, subscribers, new), unread, set(new), subscribers)
    keep_addresses(unread, began)
    if piece.rows:
        _learn(piece)
        _follow(piece)
        _look_at_unknown(piece, began)
        put(piece.messages)
    mark.read_to = unread.last
    if unread.last == until:
        mark.read_at = began
    mark.save()
    return is_more


def _learn(piece: Piece) -> None:
    """What is known about the devices of the rows, in the groups that are watched."""
    watched = piece.subscribers.groups
    asked = {row.device_id for row in piece.rows if row.device_id is not None and row.group_id in watched}
    piece.owners = dict(Device.objects.filter(pk__in=integers(sorted(asked))).values_list("pk", "group_id"))
    told = Told.objects.filter(event=EventType.FAILING, key__in=texts([str(pk) for pk in piece.owners]))
    piece.failing = {(each.group_id, each.key): each.time for each in told}


def _follow(piece: Piece) -> None:
    """Devices that are new, fail, or are redirected again: each told once."""
    failing, before = dict(piece.failing), _successes_before(piece)
    for row in piece.rows:
        group_id = row.group_id
        if row.device_id is None or group_id is None or piece.owners.get(row.device_id) != group_id:
            continue  # unknown; or the device is another group's by now, or gone
        key, redirected = (group_id, str(row.device_id)), row.outcome == Outcome.REDIRECTED
        if row.device_id in piece.new:
            piece.new.discard(row.device_id)
            piece.tell(EventType.FIRST_SEEN, row, group_id, outcome=row.outcome)
        if redirected:
            if key in failing and failing[key] <= row.time:
                piece.tell(EventType.RECOVERED, row, group_id)
                del failing[key]
            before[row.device_id] = max(before.get(row.device_id, row.time), row.time)
        elif key not in failing and before.get(row.device_id, row.time) <= row.time and piece.is_followed(row):
            failing[key] = row.time
            piece.tell(EventType.FAILING, row, group_id, outcome=row.outcome)
    changed = {key for key, since in piece.failing.items() if failing.get(key) != since}
    forget(EventType.FAILING, changed)
    tell_once(EventType.FAILING, {key: since for key, since in failing.items() if piece.failing.get(key) != since})


# By device: the last success, of those after a failure of the piece that were read already.
LATER = """
SELECT failed.device_id, max(a.time) FROM {0} JOIN devices_access a
    ON a.mac = failed.mac AND a.time > {1} AND a.id <= %s AND a.device_id = failed.device_id
WHERE a.outcome = 'Redirected' GROUP BY failed.device_id
"""


def _successes_before(piece: Piece) -> dict[int, datetime]:
    """What was read already of devices of which a failure comes late: the times of later successes."""
    failed: dict[int, Row] = {}
    for row in piece.rows:
        if row.device_id in piece.owners and row.outcome != Outcome.REDIRECTED:
            failed.setdefault(row.device_id, row)
    rows = [(pk, row.mac, as_text(row.time)) for pk, row in failed.items()]
    source, parameters = table_of_rows({"device_id": "bigint", "mac": "text", "failed_at": "text"}, rows)
    source = source.replace("AS listed", "AS failed")
    with connection.cursor() as cursor:
        cursor.execute(LATER.format(source, time_of("failed.failed_at")), [*parameters, piece.unread.after])
        return {pk: from_database(moment) for pk, moment in cursor.fetchall()}


def _look_at_unknown(piece: Piece, now: datetime) -> None:
    """Unknown MACs that ask from an address which is one group's alone."""
    unknown = {(row.address, row.mac): row for row in piece.rows if row.device_id is None}
    addresses = texts({address for address, _ in unknown})
    known = KnownAddress.objects.filter(address__in=addresses, seen__gte=now - KNOWN_FOR)
    whose = known.values_list("address").annotate(number=Count("pk"), owner=Max("group_id"))
    owners = {address: owner for address, number, owner in whose if number == 1}
    claimed = set(Device.objects.filter(mac__in=texts({mac for _, mac in unknown})).values_list("mac", flat=True))
    asked = {
        (owners[address], mac): row
        for (address, mac), row in unknown.items()
        if address in owners
        and mac not in claimed
        and piece.subscribers.of(EventType.UNKNOWN, row.time, [owners[address]])
    }
    told = Told.objects.filter(event=EventType.UNKNOWN, group_id__in=integers({pk for pk, _ in asked}))
    lately = told.filter(time__gte=now - timedelta(days=1)).values_list("group_id").annotate(number=Count("pk"))
    left = defaultdict(lambda: UNKNOWN_A_DAY, {pk: UNKNOWN_A_DAY - number for pk, number in lately})
    known_already = set(told.filter(key__in=texts({mac for _, mac in asked})).values_list("group_id", "key"))
    chosen = {}
    for key, row in asked.items():
        if key not in known_already and left[key[0]] > 0:
            left[key[0]] -= 1
            chosen[key] = row
    for group_id, mac in sorted(tell_once(EventType.UNKNOWN, dict.fromkeys(chosen, now))):
        piece.tell(EventType.UNKNOWN, chosen[group_id, mac], group_id)


def forget_old() -> int:
    """Delete what is known about addresses, devices and MACs that are of no use any more; how many rows."""
    now = timezone.now()
    addresses, _ = KnownAddress.objects.filter(seen__lt=now - KNOWN_FOR).delete()
    unknown, _ = Told.objects.filter(event=EventType.UNKNOWN, time__lt=now - UNKNOWN_AGAIN).delete()
    told, again = Told.objects.filter(event=EventType.CERTIFICATE_EXPIRING), now - CERTIFICATE_AGAIN
    certificates, _ = told.filter(time__lt=again).delete()
    devices = Device.objects.annotate(key=Cast("pk", TextField()))
    device = devices.filter(key=OuterRef("key"), group=OuterRef("group_id"))
    gone, _ = Told.objects.filter(~Exists(device), event=EventType.FAILING).delete()
    return addresses + unknown + certificates + gone
