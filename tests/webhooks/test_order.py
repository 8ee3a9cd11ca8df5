"""Events of one device come in the order of time, whether something was done to it or its phone asked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from devices.models import Device, Outcome
from tests.conftest import Cast, make_access, make_device, make_location, make_webhook
from webhooks import events, order, phones, worker
from webhooks.models import Delivery, ReadMark, Webhook

SECOND = timedelta(seconds=1)


@pytest.fixture
def noon() -> datetime:
    """Some seconds ago, whole."""
    return timezone.now().replace(microsecond=0) - 20 * SECOND


def watch(group: Any, since: datetime, *wanted: str) -> Webhook:
    """A webhook at which nothing listens; the log is read from here on."""
    webhook = make_webhook(group, events=list(wanted) or None, created_at=since)
    webhook.deliveries.all().delete()
    order.turn()
    return webhook


def associate(device: Device, moment: datetime) -> None:
    """The device gets a location, at this time."""
    before = set(Entry.objects.values_list("pk", flat=True))
    device.location = make_location(device.group)
    device.save(update_fields=["location"])
    Entry.objects.exclude(pk__in=before).update(timestamp=moment)


def ask(device: Device, outcome: str = Outcome.NO_LOCATION, *, time: datetime) -> None:
    """The phone asks, at this time."""
    make_access(device, outcome, time=time)
    Device.objects.filter(pk=device.pk).update(num_requests=F("num_requests") + 1)


def told() -> list[str]:
    kinds = Delivery.objects.order_by("pk").values_list("event", flat=True)
    return [str(kind).removeprefix("device.") for kind in kinds]


def make_watched(group: Any, since: datetime) -> Device:
    """A device of which is told all that happens from now on."""
    device = make_device(group)
    Entry.objects.update(untold_from=None)
    watch(group, since)
    return device


TURNS: list[Callable[[], None]] = [worker.turn, order.turn]
IN_ORDER = ["first_seen", "failing", "location_changed", "recovered"]


@pytest.mark.parametrize("turn", TURNS)
def test_a_phone_that_is_helped(cast: Cast, noon: datetime, turn: Callable[[], None]) -> None:
    """It asks, gets a location, and asks again."""
    device = make_watched(cast.provider, noon)
    ask(device, time=noon + 0.9 * SECOND)
    associate(device, noon + 2 * SECOND)
    ask(device, Outcome.REDIRECTED, time=noon + 2.1 * SECOND)
    turn()
    order.turn()
    assert told() == IN_ORDER
    times = [delivery.data["time"] for delivery in Delivery.objects.order_by("pk")]
    assert times == sorted(times)


def test_each_of_many_changes_has_its_place(cast: Cast, noon: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the log is read in pieces."""
    monkeypatch.setattr(phones, "PIECE", 2)
    device = make_watched(cast.provider, noon)
    expected = ["first_seen"]
    for number in range(3):
        begin = noon + number * 4 * SECOND
        for step in range(3):
            ask(device, time=begin + step * SECOND / 2)
        associate(device, begin + 2 * SECOND)
        ask(device, Outcome.REDIRECTED, time=begin + 2 * SECOND)
        expected += ["failing", "location_changed", "recovered"]
    order.turn()
    assert told() == expected


def test_a_row_that_is_logged_late_holds_up_nothing(cast: Cast, noon: datetime) -> None:
    """Neither what was asked for after the change, and logged before a request of earlier."""
    device, other = make_watched(cast.provider, noon), make_device(cast.provider)
    Entry.objects.update(untold_from=None)
    ask(other, time=noon + 5 * SECOND)
    ask(device, time=noon)
    associate(device, noon + 2 * SECOND)
    ask(device, Outcome.REDIRECTED, time=noon + 6 * SECOND)
    order.turn()
    assert [
        kind for kind, mac in Delivery.objects.order_by("pk").values_list("event", "mac") if mac == device.mac
    ] == [
        "device.location_changed",
        "device.first_seen",
        "device.failing",
        "device.recovered",
    ]


def test_what_is_cut_off_is_neither_lost_nor_told_twice(
    cast: Cast, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the worker died behind each step."""
    device = make_watched(cast.provider, noon)
    ask(device, time=noon)
    associate(device, noon + 2 * SECOND)
    ask(device, Outcome.REDIRECTED, time=noon + 3 * SECOND)
    for broken, name in ((events, "tell_next"), (phones, "tell_next"), (ReadMark, "save")):
        with monkeypatch.context() as patched:
            patched.setattr(broken, name, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                order.turn()
    order.turn()
    order.turn()
    assert told() == IN_ORDER


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("is_settled", [True, False])
def test_a_log_that_is_not_read_holds_a_change_up_for_two_minutes(
    cast: Cast, noon: datetime, monkeypatch: pytest.MonkeyPatch, turn: Callable[[], None], is_settled: bool
) -> None:
    """Another transaction may still add rows, or there is no time for all that there are."""
    device = make_watched(cast.provider, noon - order.PATIENCE)
    ask(device, time=noon - order.PATIENCE)
    if is_settled:
        monkeypatch.setattr(phones, "tell_next", lambda *_: True)  # there are always more
        monkeypatch.setattr(order, "TURN", 0.1)
        monkeypatch.setattr(worker, "TELLING", 0.1)
    else:
        monkeypatch.setattr(phones, "settled_id", lambda: None)
    associate(device, noon)
    turn()
    assert told() == []
    Entry.objects.update(timestamp=noon - order.PATIENCE)
    turn()
    assert told() == ["location_changed"]
    monkeypatch.undo()
    order.turn()
    assert told() == ["location_changed", "first_seen", "failing"]


def test_where_none_wants_to_know_of_phones_nothing_waits_for_the_log(
    cast: Cast, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_device(cast.provider)
    Entry.objects.update(untold_from=None)
    watch(cast.provider, noon, "device.location_changed")
    monkeypatch.setattr(phones, "settled_id", lambda: None)
    associate(device, noon)
    worker.turn()
    assert told() == ["location_changed"]


def test_a_clock_that_is_ahead_holds_up_nothing(cast: Cast, noon: datetime) -> None:
    device = make_watched(cast.provider, noon)
    ask(device, time=noon)
    associate(device, noon + timedelta(hours=1))
    order.turn()
    assert told() == ["first_seen", "failing", "location_changed"]


def test_statements_do_not_depend_on_rows(cast: Cast, noon: datetime) -> None:
    device = make_watched(cast.provider, noon)
    numbers = []
    for count in (1, 50):
        begin = noon + count / 10 * SECOND
        for _ in range(count):
            ask(device, time=begin)
        associate(device, begin.replace(microsecond=0) + 2 * SECOND)
        for _ in range(count):
            ask(device, Outcome.REDIRECTED, time=begin + 3 * SECOND)
        with CaptureQueriesContext(connection) as queries:
            order.turn()
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
