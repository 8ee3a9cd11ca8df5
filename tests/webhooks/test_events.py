"""What receivers are told of devices: by every door, each its own, signed, in order, nothing that was undone."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from audit.models import Entry
from devices import bulk, moving
from devices.models import Device
from tests.conftest import SECRET, Api, Cast, make_device, make_location, make_operator, make_user, make_webhook
from tests.webhooks.receiver import Receiver
from webhooks import events, secrets, sender, worker
from webhooks.models import Delivery, EventType, Webhook

MACS = [f"00908F{number:06X}" for number in range(5)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def subscribe(group: Any, receiver: Receiver, **more: Any) -> Webhook:
    """A webhook that has nothing to send yet; what happened before is told already."""
    Entry.objects.update(untold_from=None)
    webhook = make_webhook(group, receiver.url, **more)
    webhook.deliveries.all().delete()
    return webhook


def create(api: Api, group: Any, macs: list[str], **more: Any) -> Any:
    return api.post("/devices", {"group": group.pk, "macList": macs, "overrideCurrentAssociation": True} | more)


def tell() -> None:
    while events.tell_next():
        pass


def told(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of the messages, without their time."""
    worker.turn()
    return [(m.json["type"], {k: v for k, v in m.json["data"].items() if k != "time"}) for m in receiver.messages]


def test_each_change_of_a_device_is_told(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    location, other = make_location(cast.provider), make_location(cast.provider, "https://other.example/")
    subscribe(cast.reseller, receiver)
    mac, group = MACS[0], cast.provider.pk
    create(administrator, cast.provider, [mac], locationId=location.pk)
    create(administrator, cast.provider, [mac], locationId=other.pk)
    administrator.post(f"/locations/{other.pk}/devices/disassociate", {"macList": [mac]})
    administrator.post("/devices/move", {"macList": [mac], "group": cast.sibling.pk})
    administrator.post("/devices/remove", {"macList": [mac]})
    spelled = {"mac": "00:90:8F:00:00:00"}
    assert told(receiver) == [
        ("device.claimed", spelled | {"groupId": group, "locationId": location.pk}),
        ("device.location_changed", spelled | {"groupId": group, "locationId": other.pk}),
        ("device.location_changed", spelled | {"groupId": group, "locationId": None}),
        ("device.moved", spelled | {"fromGroupId": group, "toGroupId": cast.sibling.pk}),
        ("device.removed", spelled | {"groupId": cast.sibling.pk}),
    ]


def test_what_staff_do_is_told_too(cast: Cast, receiver: Receiver) -> None:
    subscribe(cast.provider, receiver)
    location = make_location(cast.provider)
    browser = Client()
    browser.force_login(make_operator())
    browser.post(reverse("admin:devices_device_add"), {"mac": MACS[0], "group": cast.provider.pk})
    page = reverse("admin:devices_device_change", args=[Device.objects.get().pk])
    browser.post(page, {"description": "no event"})
    browser.post(page, {"location": location.pk, "description": "no event"})
    browser.post(reverse("admin:devices_device_delete", args=[Device.objects.get().pk]), {"post": "yes"})
    assert [kind for kind, _ in told(receiver)] == ["device.claimed", "device.location_changed", "device.removed"]


def test_of_a_move_each_side_is_told_its_own(cast: Cast, receiver: Receiver) -> None:
    device = make_device(cast.provider, MACS[0])
    subscribe(cast.provider, receiver)
    with Receiver() as other:
        subscribe(cast.strangers_provider, other)
        moving.move(
            Device.objects.all(), {device.mac: 0}, group=cast.strangers_provider, location_id=None, reason="sold"
        )
        worker.turn()
        assert [m.json["data"]["toGroupId"] for m in receiver.messages] == [None]
        assert [m.json["data"]["fromGroupId"] for m in receiver.messages] == [cast.provider.pk]
        assert [m.json["data"]["toGroupId"] for m in other.messages] == [cast.strangers_provider.pk]
        assert [m.json["data"]["fromGroupId"] for m in other.messages] == [None]
        assert "sold" not in str(receiver.messages + other.messages)


def test_only_what_is_subscribed_to_and_in_scope_is_told(
    administrator: Api, cast: Cast, receiver: Receiver
) -> None:
    subscribe(cast.provider, receiver, events=["device.removed"])
    create(administrator, cast.provider, MACS[:1])
    create(administrator, cast.sibling, MACS[1:3])
    administrator.post("/devices/remove", {"macList": MACS[:2]})
    assert told(receiver) == [("device.removed", {"mac": "00:90:8F:00:00:00", "groupId": cast.provider.pk})]


def test_what_was_rolled_back_is_not_told(cast: Cast, receiver: Receiver) -> None:
    subscribe(cast.provider, receiver)
    with transaction.atomic():
        bulk.create(cast.provider, MACS, location_id=None, override=False, description=None)
        transaction.set_rollback(True)
    assert told(receiver) == []


def test_without_webhooks_nothing_is_kept_for_later(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    create(administrator, cast.provider, MACS)
    worker.turn()
    assert not Entry.objects.filter(untold_from__isnull=False).exists()
    make_webhook(cast.provider, receiver.url).deliveries.all().delete()
    assert told(receiver) == []


def test_a_long_list_is_told_in_pieces(
    administrator: Api, cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PIECE", 2)
    subscribe(cast.provider, receiver)
    create(administrator, cast.provider, MACS)
    while not Delivery.objects.exists():
        assert events.tell_next()
    assert Delivery.objects.count() == 2  # as if the worker died here
    worker.turn()
    assert receiver.macs == [device.spelled for device in Device.objects.order_by("mac")]


def test_a_message_is_signed(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    """By Standard Webhooks: base64(HMAC-SHA256(secret, "id.timestamp.body"))."""
    webhook = subscribe(cast.provider, receiver)
    create(administrator, cast.provider, MACS[:1])
    worker.turn()
    [message] = receiver.messages
    headers = message.headers
    key, moment = headers["webhook-id"], headers["webhook-timestamp"]
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(secret, f"{key}.{moment}.".encode() + message.body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["content-type"] == "application/json"
    assert key == f"msg_{webhook.deliveries.get().key.hex}"


def test_the_vector_of_standard_webhooks() -> None:
    vector = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert secrets.sign(SECRET, *vector) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_nothing_of_a_device_overtakes_what_failed(
    administrator: Api, cast: Cast, receiver: Receiver, settings: Settings
) -> None:
    """The first message of one device fails once: its second waits for it, those of other devices do not."""
    settings.WEBHOOK_RETRIES = [60, 60]
    webhook = subscribe(cast.provider, receiver)
    failed: list[Any] = []

    def fail_once(handler: Any, message: Any) -> int:
        first = message.json["data"]["mac"] == "00:90:8F:00:00:00" and not failed
        failed.extend([1] if first else [])
        return 500 if first else 204

    receiver.answer = fail_once
    create(administrator, cast.provider, MACS[:2])
    administrator.post("/devices/remove", {"macList": MACS[:2]})
    worker.turn()
    assert list(zip(receiver.types, receiver.macs, strict=True)) == [
        ("device.claimed", "00:90:8F:00:00:00"),
        ("device.claimed", "00:90:8F:00:00:01"),
        ("device.removed", "00:90:8F:00:00:01"),
    ]
    Delivery.objects.filter(state="Pending").update(next_attempt=webhook.created_at - timedelta(minutes=1))
    worker.turn()
    assert receiver.types[3:] == ["device.claimed", "device.removed"]
    assert receiver.messages[3].headers["webhook-id"] == receiver.messages[0].headers["webhook-id"]
    assert not Delivery.objects.exclude(state="Delivered").exists()


def test_two_workers_do_not_send_for_one_webhook(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    webhook = subscribe(cast.provider, receiver)
    create(administrator, cast.provider, MACS[:1])
    tell()
    assert worker._lease() == webhook
    worker.turn()  # of the other worker
    assert receiver.messages == []
    Webhook.objects.update(leased_until=webhook.created_at - timedelta(minutes=1))  # the first has died
    worker.turn()
    assert len(receiver.messages) == 1


def test_a_worker_whose_lease_is_lost_keeps_nothing(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    subscribe(cast.provider, receiver)
    create(administrator, cast.provider, MACS[:2])

    tell()
    webhook = worker._lease()
    assert webhook is not None
    Webhook.objects.update(lease=None)
    webhook.leased_until = webhook.created_at  # it was held up for long
    with pytest.raises(worker.LeaseLost):
        worker._send_due(webhook, float("inf"))
    assert receiver.messages == []


def test_a_lease_that_is_lost_while_a_message_is_under_way(
    administrator: Api, cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker sends it again: what this one knows of it is not kept, and it sends nothing more."""
    subscribe(cast.provider, receiver)
    create(administrator, cast.provider, MACS[:2])
    tell()
    webhook = worker._lease()
    assert webhook is not None

    send = sender.send

    def send_and_lose(*message: Any) -> sender.Outcome:
        outcome = send(*message)
        Webhook.objects.update(lease=uuid4())
        return outcome

    monkeypatch.setattr(sender, "send", send_and_lose)
    with pytest.raises(worker.LeaseLost):
        worker._send_due(webhook, float("inf"))
    assert len(receiver.messages) == 1
    assert set(Delivery.objects.values_list("state", "attempts")) == {("Pending", 0)}


def test_a_stranger_is_told_nothing(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    subscribe(cast.stranger, receiver)
    create(administrator, cast.provider, MACS)
    create(Api(make_user(cast.stranger)), cast.strangers_provider, MACS)  # another group has them
    assert told(receiver) == []


def test_every_event_is_described(db: None) -> None:
    """In the document that integrators read."""
    text = Client().get("/api/v1/schema?format=json").json()["info"]["description"]
    described = re.findall(r"^\| `((?:device|group)\.\w+)` \|", text, re.MULTILINE)
    assert sorted(described) == sorted(EventType.values)
