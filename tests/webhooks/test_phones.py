"""What receivers are told of phones that ask: which are new, fail, boot again or are unknown; each once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from devices import access_log, moving
from devices.models import Access, Device, Outcome
from redirect.db.time import now
from tests.conftest import Cast, make_access, make_device, make_group, make_location, make_webhook
from webhooks import events, order, phones
from webhooks.models import Delivery, KnownAddress, ReadMark, Told, Webhook
from webhooks.outbox import Subscribers

MACS = [f"00908F{number:06X}" for number in range(20)]
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


def watch(group: Any, *wanted: str, **more: Any) -> Webhook:
    """A webhook of a group; the log is read from here on."""
    Entry.objects.update(untold_from=None)
    created = {"created_at": timezone.now()} | more
    webhook = make_webhook(group, events=list(wanted) or None, **created)
    webhook.deliveries.all().delete()
    read()
    return webhook


def boot(mac: str, source: str = HERE) -> int:
    """A phone asks; the status that it gets."""
    answer = Client().get(f"/{mac}.cfg", REMOTE_ADDR=source, headers={"User-Agent": "AUDC/3.4.6.604"})
    return int(answer.status_code)


def read() -> None:
    """What the worker does in one turn."""
    order.turn()


def told(webhook: Webhook | None = None) -> list[tuple[str, str]]:
    """Types and MACs of the phones' events that wait to be sent."""
    read()
    deliveries = Delivery.objects.filter(event__in=[event.value for event in phones.EVENTS]).order_by("pk")
    deliveries = deliveries.filter(webhook=webhook) if webhook else deliveries
    return [(str(delivery.event), str(delivery.mac)) for delivery in deliveries]


def test_a_phone_is_new_once(cast: Cast) -> None:
    """And again in another group, where its count begins anew."""
    old = make_device(cast.provider, MACS[1], make_location(cast.provider))
    assert boot(old.mac) == 302
    watch(cast.reseller)
    device = make_device(cast.provider, MACS[0], make_location(cast.provider))
    for _ in range(2):
        assert boot(device.mac) == boot(old.mac) == 302
        assert told() == [("device.first_seen", device.mac)]
    moving.move(Device.objects.all(), {device.mac: 0}, group=cast.sibling, location_id=None, reason="sold")
    boot(device.mac)
    boot(device.mac)
    assert told()[1:] == [("device.first_seen", device.mac), ("device.failing", device.mac)]


def test_what_is_told_of_a_phone(cast: Cast) -> None:
    watch(cast.reseller, "device.first_seen", "device.failing")
    make_device(cast.provider, MACS[0])
    assert boot(MACS[0]) == 404
    read()
    first, failing = Delivery.objects.order_by("pk")
    time = f"{Access.objects.get().time:%Y-%m-%dT%H:%M:%S}+0000"
    assert first.data == failing.data
    assert failing.data == {
        "mac": "00:90:8F:00:00:00",
        "groupId": cast.provider.pk,
        "outcome": "NoLocation",
        "address": HERE,
        "path": f"/{MACS[0]}.cfg",
        "time": time,
    }


def test_what_comes_before_the_worker_has_seen_the_webhook_is_told(cast: Cast) -> None:
    make_device(cast.provider, MACS[0])
    boot(MACS[0])
    make_webhook(cast.provider, created_at=timezone.now(), events=["device.failing"])
    boot(MACS[0])
    time = Access.objects.latest("pk").time
    assert told() == [("device.failing", MACS[0])]
    assert Told.objects.get().time == time


def test_a_phone_that_fails_is_told_once_until_it_is_redirected(cast: Cast) -> None:
    device = make_device(cast.provider, MACS[0], make_location(cast.provider))
    other = make_device(cast.provider, MACS[1], device.location)
    boot(device.mac)
    boot(other.mac)
    watch(cast.provider)
    expected: list[tuple[str, str]] = []
    for _ in range(2):
        Device.objects.filter(pk=device.pk).update(location=None)
        for _ in range(3):
            boot(device.mac)
            boot(other.mac)
            if ("device.failing", device.mac) not in expected[-1:]:
                expected.append(("device.failing", device.mac))
            assert told() == expected
        Device.objects.filter(pk=device.pk).update(location=other.location)
        for _ in range(2):
            boot(device.mac)
        expected.append(("device.recovered", device.mac))
        assert told() == expected


def test_a_phone_that_fails_and_boots_between_two_looks_is_told_both(cast: Cast) -> None:
    device = make_device(cast.provider, MACS[0], make_location(cast.provider), num_requests=9)
    watch(cast.provider)
    for outcome in (Outcome.NO_LOCATION, Outcome.REDIRECTED, Outcome.CERTIFICATE_REQUIRED):
        make_access(device, outcome)
    assert [kind for kind, _ in told()] == ["device.failing", "device.recovered", "device.failing"]
    make_access(device, Outcome.NO_LOCATION)
    assert len(told()) == 3


def test_what_a_replica_answered_comes_late_and_changes_nothing(cast: Cast) -> None:
    """Requests that were logged later than younger ones of the same phone."""
    device = make_device(cast.provider, MACS[0], make_location(cast.provider), num_requests=9)
    present = timezone.now()
    watch(cast.provider, created_at=present - timedelta(days=1))
    make_access(device, Outcome.REDIRECTED, time=present)
    assert told() == []
    make_access(device, Outcome.NO_LOCATION, time=present - timedelta(hours=1))
    assert told() == []
    make_access(device, Outcome.NO_LOCATION, time=present + timedelta(seconds=1))
    assert [kind for kind, _ in told()] == ["device.failing"]
    make_access(device, Outcome.REDIRECTED, time=present - timedelta(minutes=30))
    assert [kind for kind, _ in told()] == ["device.failing"]


def test_each_is_told_its_own(cast: Cast) -> None:
    mine, theirs = watch(cast.provider), watch(cast.strangers_provider)
    above, foreign = watch(cast.reseller, "device.recovered"), watch(cast.sibling)
    boot(make_device(cast.provider, MACS[0]).mac)
    boot(make_device(cast.strangers_provider, MACS[1]).mac)
    both = ["device.first_seen", "device.failing"]
    assert told(mine) == [(kind, MACS[0]) for kind in both]
    assert told(theirs) == [(kind, MACS[1]) for kind in both]
    assert told(foreign) == told(above) == []
    Device.objects.filter(mac=MACS[0]).update(location=make_location(cast.provider))
    boot(MACS[0])
    assert told(above) == [("device.recovered", MACS[0])]


def test_of_a_device_that_is_anothers_by_now_nothing_is_told(cast: Cast) -> None:
    webhook = watch(cast.provider, "device.failing")
    device = make_device(cast.provider, MACS[0])
    boot(device.mac)
    boot(make_device(cast.provider, MACS[1]).mac)
    Device.objects.filter(pk=device.pk).update(group=cast.stranger)
    Device.objects.filter(mac=MACS[1]).delete()
    assert told(webhook) == []


# --- Unknown MACs ------------------------------------------------------------------------------------------------


def test_an_unknown_mac_at_a_customers_address_is_told_once(cast: Cast) -> None:
    webhook = watch(cast.provider, "device.unknown")
    device = make_device(cast.provider, MACS[0], make_location(cast.provider))
    boot(MACS[1])
    assert told() == []  # whose address this is nothing tells yet
    assert boot(device.mac) == 302
    for mac in (MACS[1], MACS[1], MACS[2]):
        assert boot(mac) == 404
    boot(MACS[3], ELSEWHERE)
    assert told(webhook) == [("device.unknown", MACS[1]), ("device.unknown", MACS[2])]
    assert Delivery.objects.latest("pk").data["groupId"] == cast.provider.pk
    assert Delivery.objects.latest("pk").data["address"] == HERE
    boot(MACS[1])
    assert len(told()) == 2


def test_an_address_of_several_groups_is_of_none(cast: Cast) -> None:
    """Nor is an address that a group had long ago."""
    watch(cast.provider)
    watch(cast.strangers_provider)
    for group, mac in ((cast.provider, MACS[0]), (cast.strangers_provider, MACS[1])):
        boot(make_device(group, mac, make_location(group)).mac)
    read()
    Delivery.objects.all().delete()
    boot(MACS[2])
    assert told() == []
    KnownAddress.objects.filter(group_id=cast.strangers_provider.pk).update(seen=timezone.now() - phones.KNOWN_FOR)
    boot(MACS[3])
    assert told() == [("device.unknown", MACS[3])]
    KnownAddress.objects.update(seen=timezone.now() - phones.KNOWN_FOR)
    boot(MACS[4])
    assert len(told()) == 1


def test_an_unknown_mac_that_was_claimed_meanwhile_is_not_told(cast: Cast) -> None:
    watch(cast.provider, "device.unknown")
    boot(make_device(cast.provider, MACS[0], make_location(cast.provider)).mac)
    boot(MACS[1])
    make_device(cast.stranger, MACS[1])
    assert told() == []


def test_a_scan_is_not_told_mac_by_mac(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "UNKNOWN_A_DAY", 3)
    watch(cast.provider, "device.unknown")
    boot(make_device(cast.provider, MACS[0], make_location(cast.provider)).mac)
    for mac in MACS[1:6]:
        boot(mac)
    read()
    for mac in MACS[6:9]:
        boot(mac)
    assert len(told()) == 3
    Told.objects.update(time=timezone.now() - timedelta(days=2))
    boot(MACS[9])
    assert len(told()) == 4


# --- Exactly once, in order --------------------------------------------------------------------------------------


def test_a_long_log_is_read_in_pieces(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "PIECE", 3)
    watch(cast.provider, "device.first_seen", "device.failing")
    for mac in MACS[:8]:
        make_device(cast.provider, mac)
        boot(mac)
        boot(mac)
    assert phones.tell_next(access_log.newest_id(), Subscribers(phones.EVENTS))
    assert ReadMark.objects.get().read_to < Access.objects.latest("pk").pk  # as if the worker died here
    assert told() == [(kind, mac) for mac in MACS[:8] for kind in ("device.first_seen", "device.failing")]


def test_an_attempt_that_fails_leaves_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(cast.provider, "device.failing")
    boot(make_device(cast.provider, MACS[0]).mac)
    with monkeypatch.context() as broken:
        broken.setattr(ReadMark, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read()
    assert (Delivery.objects.count(), Told.objects.count()) == (0, 0)
    assert told() == [("device.failing", MACS[0])]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_committed_late_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id is smaller than that of a row that was committed, read and told before."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    monkeypatch.setattr(access_log, "WRITERS_ATTEMPTS", 2)
    group = make_group("Berlin Phones")
    watch(group, "device.failing")
    late, early = make_device(group, MACS[0]), make_device(group, MACS[1])
    read()
    logged, go_on = threading.Event(), threading.Event()

    def log_late() -> None:
        with transaction.atomic():
            make_access(late)
            logged.set()
            go_on.wait(60)
        connection.close()

    thread = threading.Thread(target=log_late)
    thread.start()
    assert logged.wait(60)
    make_access(early)
    assert told() == []
    go_on.set()
    thread.join()
    assert told() == [("device.failing", late.mac), ("device.failing", early.mac)]


def test_what_was_done_to_a_device_is_told_first(cast: Cast) -> None:
    watch(cast.provider, created_at=now())  # entries have whole seconds
    make_device(cast.provider, MACS[0])
    boot(MACS[0])
    read()
    kinds = list(Delivery.objects.order_by("pk").values_list("event", flat=True))
    assert kinds == ["device.claimed", "device.first_seen", "device.failing"]


@pytest.mark.parametrize("others", [[], ["device.claimed"]])
def test_nothing_is_read_for_none(cast: Cast, others: list[str]) -> None:
    """And one that subscribes later is told nothing of before."""
    if others:
        watch(cast.provider, *others)
    boot(make_device(cast.provider, MACS[0]).mac)
    with CaptureQueriesContext(connection) as queries:
        order.turn()
    assert len(queries) == (3 if others else 1)
    assert not ReadMark.objects.exists()
    late = watch(cast.provider)
    assert told(late) == []
    boot(MACS[0])
    assert told(late) == [("device.failing", MACS[0])]
    late.delete()
    order.turn()
    assert (ReadMark.objects.count(), Told.objects.count()) == (0, 0)


def test_what_is_older_than_a_webhook_is_not_told(cast: Cast) -> None:
    watch(cast.stranger)
    boot(make_device(cast.provider, MACS[0]).mac)
    late = make_webhook(cast.provider, created_at=timezone.now() + timedelta(seconds=1))
    assert told(late) == []
    Webhook.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(seconds=1))
    boot(MACS[0])
    assert told(late) == [("device.failing", MACS[0])]


def test_statements_do_not_depend_on_rows(cast: Cast) -> None:
    watch(cast.provider)
    numbers = []
    known = make_device(cast.provider, "00908FFFFFFF", make_location(cast.provider))
    for count in (1, 200):
        boot(known.mac)
        macs = [f"00908F{count:02X}{number:04X}" for number in range(count)]
        devices = [make_device(cast.provider, mac) for mac in macs]
        for device in devices:
            make_access(device, Outcome.REDIRECTED)
            make_access(device, Outcome.NO_LOCATION)
            access = {"outcome": Outcome.UNKNOWN, "time": timezone.now(), "user_agent": ""}
            Access.objects.create(mac=f"A{device.mac[1:]}", address=HERE, **access)
        while events.tell_next():
            pass  # entries, one after the other
        before = Delivery.objects.count()
        with CaptureQueriesContext(connection) as queries:
            order.turn()
        assert Delivery.objects.count() - before >= min(3 * count, 2 * count + 90)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def test_housekeeping_forgets_what_is_of_no_use(cast: Cast) -> None:
    watch(cast.provider)
    boot(make_device(cast.provider, MACS[0]).mac)
    boot(make_device(cast.provider, MACS[1]).mac)
    boot(make_device(cast.provider, MACS[2], make_location(cast.provider)).mac)
    boot(MACS[3])
    read()
    assert (Told.objects.count(), KnownAddress.objects.count()) == (3, 1)
    call_command("housekeeping", verbosity=0)
    assert (Told.objects.count(), KnownAddress.objects.count()) == (3, 1)
    Device.objects.filter(mac=MACS[0]).delete()
    Told.objects.update(time=timezone.now() - phones.UNKNOWN_AGAIN)
    KnownAddress.objects.update(seen=timezone.now() - phones.KNOWN_FOR)
    call_command("housekeeping", verbosity=0)
    assert Told.objects.get().key == str(Device.objects.get(mac=MACS[1]).pk)
    assert not KnownAddress.objects.exists()
