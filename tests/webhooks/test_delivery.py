"""Where messages go and where not, what becomes of those that fail, and when a webhook is switched off."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings

from audit.models import Entry
from devices.models import Access, Outcome
from tests.conftest import (
    SECRET,
    Api,
    Cast,
    make_access,
    make_device,
    make_location,
    make_user,
    make_webhook,
)
from tests.webhooks.receiver import Receiver
from webhooks import mails, order, sender, worker
from webhooks.models import Delivery, Webhook


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def deliver(webhook: Webhook) -> Delivery:
    """What becomes of the pending test message."""
    worker.turn()
    return webhook.deliveries.get()


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """As an operator has it who sets nothing."""
    settings.WEBHOOK_LOOPBACK, settings.WEBHOOK_NETWORKS, settings.WEBHOOK_PORTS = (
        False,
        [],
        [(80, 80), (443, 443)],
    )
    return settings


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "WEBHOOK_NETWORKS"),
        ("[::1]", "WEBHOOK_NETWORKS"),
        ("169.254.169.254", "WEBHOOK_NETWORKS"),
        ("[fe80::1]", "WEBHOOK_NETWORKS"),
        ("[::ffff:127.0.0.1]", "WEBHOOK_NETWORKS"),
        ("[::ffff:10.0.0.1]", "WEBHOOK_NETWORKS"),
        ("[64:ff9b::7f00:1]", "WEBHOOK_NETWORKS"),
        ("[64:ff9b::a00:1]", "WEBHOOK_NETWORKS"),
        ("[2002:a00:1::]", "WEBHOOK_NETWORKS"),
        ("10.0.0.1", "WEBHOOK_NETWORKS"),
        ("192.168.1.1", "WEBHOOK_NETWORKS"),
        ("100.100.100.200", "WEBHOOK_NETWORKS"),
        ("168.63.129.16", "metadata"),
        ("0.0.0.0", "WEBHOOK_NETWORKS"),  # noqa: S104 - refused
        ("8.8.8.8:25", "WEBHOOK_PORTS"),
    ],
)
def test_addresses_that_are_never_connected_to(
    cast: Cast, strict: Settings, administrator: Api, host: str, why: str
) -> None:
    """Refused when it is named, and when it is asked: a row may be older than the rules."""
    url = f"http://{host}/"
    answer = administrator.post("/webhooks", {"groupId": cast.provider.pk, "url": url})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "url"
    delivery = deliver(make_webhook(cast.provider, url))
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("Pending", 1, None)
    assert why in delivery.last_problem


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(
    cast: Cast, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look-up would say another address (rebinding)."""
    answers = iter(["10.0.0.1", "8.8.8.8"])

    def look_up(host: str, port: int, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    delivery = deliver(make_webhook(cast.provider, "http://rebinding.example/"))
    assert "10.0.0.1" in delivery.last_problem
    assert next(answers) == "8.8.8.8"


def test_the_networks_of_the_operator_are_reached(cast: Cast, settings: Settings, receiver: Receiver) -> None:
    assert deliver(make_webhook(cast.provider, receiver.url)).state == "Delivered"
    assert receiver.types == ["webhook.test"]


def test_a_redirect_is_not_followed(cast: Cast, receiver: Receiver) -> None:
    def redirect(handler: Any, message: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", receiver.url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answer = redirect
    delivery = deliver(make_webhook(cast.provider, receiver.url))
    assert (delivery.last_status, len(receiver.messages)) == (302, 1)
    assert "redirect" in delivery.last_problem


def test_a_long_answer_is_cut(cast: Cast, receiver: Receiver) -> None:
    sent: list[int] = []

    def endless(handler: Any, message: Any) -> None:
        handler.send_response(500)
        handler.send_header("Content-Length", str(10**9))
        handler.end_headers()
        try:
            for _ in range(1000):
                sent.append(handler.wfile.write(b"x" * 10**6))
        except OSError:
            pass

    receiver.answer = endless
    delivery = deliver(make_webhook(cast.provider, receiver.url))
    assert (delivery.last_status, delivery.last_problem) == (500, "The answer was cut after 64 KiB.")
    assert len(sent) < 100


@pytest.mark.parametrize("head", [True, False])
def test_a_slow_answer_is_cut(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, head: bool) -> None:
    """A byte at a time, for ever, of the head or of the body."""
    monkeypatch.setattr(sender, "SECONDS", 0.5)
    over: list[bool] = []

    def drip(handler: Any, message: Any) -> None:
        if not head:
            handler.wfile.write(b"HTTP/1.1 500 x\r\nContent-Length: 1000\r\n\r\n")
        try:
            while not over:
                handler.wfile.write(b"H")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass

    receiver.answer = drip
    delivery = deliver(make_webhook(cast.provider, receiver.url))
    over.append(True)
    assert delivery.state == "Pending"
    assert delivery.last_status == (None if head else 500)
    assert "within" in delivery.last_problem


@pytest.mark.parametrize("host", ["a..b", "256.1.1.1", "xn--.example", "x" * 64 + ".example"])
def test_an_address_that_is_none_costs_its_own_webhook_only(cast: Cast, receiver: Receiver, host: str) -> None:
    """As an earlier release took it, or a look-up library does not."""
    broken = make_webhook(cast.provider, f"http://{host}/")
    good = make_webhook(cast.sibling, receiver.url)
    worker.turn()
    assert good.deliveries.get().state == "Delivered"
    delivery = broken.deliveries.get()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("Pending", 1, None)
    assert delivery.last_problem == "The address is none: its host is no name."


def test_a_bug_costs_its_own_message_only(
    cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send = sender.send

    def fail(url: str, headers: Any, body: bytes) -> Any:
        if url.endswith("/broken"):
            raise ZeroDivisionError
        return send(url, headers, body)

    monkeypatch.setattr(sender, "send", fail)
    broken = make_webhook(cast.provider, f"{receiver.url}/broken")
    good = make_webhook(cast.provider, receiver.url)
    worker.turn()
    assert good.deliveries.get().state == "Delivered"
    delivery = broken.deliveries.get()
    assert (delivery.attempts, delivery.last_problem) == (1, "An error of the service; its log tells more.")
    assert "ZeroDivisionError" in caplog.text


def test_groups_take_turns(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many webhooks of one group do not hold up those of another."""
    order: list[int] = []
    lease = worker._lease

    def noted(served: Any) -> Webhook | None:
        if webhook := lease(served):
            order.append(webhook.group_id)
        return webhook

    monkeypatch.setattr(worker, "_lease", noted)
    for _ in range(5):
        make_webhook(cast.provider, receiver.url)
    make_webhook(cast.stranger, receiver.url)
    worker.turn()
    assert order[:2] == [cast.provider.pk, cast.stranger.pk]
    assert len(order) == 6


def make_due() -> None:
    Webhook.objects.update(paused_until=None)
    Delivery.objects.update(next_attempt=timezone.now() - timedelta(seconds=1))


def test_a_message_is_sent_again_ever_less_often_then_given_up(
    cast: Cast, receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_RETRIES = [100, 1000]
    receiver.answer = lambda handler, message: 503
    webhook = make_webhook(cast.provider, receiver.url)
    for wait in (100, 1000):
        delivery = deliver(webhook)
        assert 0 < wait - (delivery.next_attempt - timezone.now()).total_seconds() < 60
        make_due()
    delivery = deliver(webhook)
    assert (delivery.state, delivery.attempts, delivery.last_problem) == (
        "Failed",
        3,
        "The receiver answers 503.",
    )
    webhook.refresh_from_db()
    assert webhook.enabled  # not for long


def test_a_webhook_that_fails_for_long_is_switched_off_and_its_owners_get_mail(
    cast: Cast,
    receiver: Receiver,
    settings: Settings,
    administrator: Api,
) -> None:
    settings.WEBHOOK_RETRIES = [1]
    make_user(cast.provider, email="ada@provider.example")
    make_user(cast.provider, "Monitor", email="eve@provider.example")
    make_user(cast.sibling, email="bob@sibling.example")
    receiver.answer = lambda handler, message: 500
    webhook = make_webhook(
        cast.provider, receiver.url, failing_since=timezone.now() - timedelta(days=1), description="Inventory"
    )
    deliver(webhook)
    make_due()
    deliver(webhook)
    mails.turn()
    shown = administrator.get(f"/webhooks/{webhook.pk}").json()
    assert (shown["enabled"], shown["disabledReason"]) == (False, "Nothing arrived for long.")
    [message] = mail.outbox
    assert message.to == ["ada@provider.example"]
    assert f"webhook {webhook.pk}" in message.body
    receiver.answer = lambda handler, message: 204
    administrator.post(f"/webhooks/{webhook.pk}/test")
    worker.turn()
    assert len(receiver.messages) == 2  # while it is off nothing is sent
    shown = administrator.put(f"/webhooks/{webhook.pk}", {"enabled": True}).json()
    assert (shown["enabled"], shown["disabledReason"], shown["failingSince"]) == (True, None, None)
    worker.turn()
    assert len(receiver.messages) == 3


@pytest.mark.parametrize("has_another", [False, True])
def test_what_comes_after_a_webhook_was_off(
    cast: Cast, receiver: Receiver, settings: Settings, administrator: Api, has_another: bool
) -> None:
    """What was pending, at its next attempt; not what was given up, nor what happened meanwhile."""
    settings.WEBHOOK_RETRIES = [3600]
    device = make_device(cast.provider, num_requests=9)
    Entry.objects.update(untold_from=None)
    webhook = make_webhook(cast.provider, receiver.url, created_at=timezone.now() - timedelta(days=1))
    if has_another:
        make_webhook(cast.provider, enabled=True, created_at=webhook.created_at)
    pending, given_up = (
        webhook.deliveries.get(),
        Delivery.objects.create(webhook=webhook, event="webhook.test", data={}),
    )
    Delivery.objects.filter(pk=given_up.pk).update(state="Failed", finished_at=timezone.now())
    receiver.answer = lambda handler, message: 500
    order.turn()
    worker.turn()
    receiver.answer = lambda handler, message: 204
    receiver.messages.clear()

    def switch(to: bool) -> None:
        assert administrator.put(f"/webhooks/{webhook.pk}", {"enabled": to}).json()["enabled"] is to
        order.turn()
        worker.turn()

    switch(False)
    device.description, device.location = "x", make_location(cast.provider)
    device.save()
    hour = timedelta(hours=1)
    make_access(device, Outcome.NO_LOCATION, time=timezone.now() - hour)
    Access.objects.update(time=timezone.now() - hour)
    order.turn()
    worker.turn()
    switch(True)
    assert receiver.messages == []
    webhook.deliveries.filter(pk=pending.pk).update(next_attempt=timezone.now())
    worker.turn()
    assert [message.headers["webhook-id"] for message in receiver.messages] == [f"msg_{pending.key.hex}"]
    assert webhook.deliveries.get(pk=given_up.pk).state == "Failed"
    # Where the log was read for another meanwhile, a success is told whose failure was not.
    make_access(device, Outcome.REDIRECTED, time=timezone.now())
    order.turn()
    worker.turn()
    assert receiver.types[1:] == (["device.recovered"] if has_another else [])


def test_gone_switches_a_webhook_off_at_once(cast: Cast, receiver: Receiver) -> None:
    receiver.answer = lambda handler, message: 410
    webhook = make_webhook(cast.provider, receiver.url)
    deliver(webhook)
    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.disabled_reason) == (False, "The receiver answered 410 (gone).")


def test_a_receiver_that_does_not_answer_is_left_alone_for_a_while(cast: Cast) -> None:
    webhook = make_webhook(cast.provider)
    for _ in range(3):
        Delivery.objects.create(webhook=webhook, event="webhook.test", data={})
    worker.turn()
    worker.turn()
    assert sorted(webhook.deliveries.values_list("attempts", flat=True)) == [0, 0, 0, 1]


# --- The API ----------------------------------------------------------------------------------------------------


def test_the_secret_is_shown_once(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    made = administrator.post("/webhooks", {"groupId": cast.provider.pk, "url": receiver.url})
    secret = made.json()["secret"]
    path = f"/webhooks/{made.json()['id']}"
    administrator.post(f"{path}/test")
    worker.turn()
    seen = [
        administrator.get(path).content,
        administrator.get("/webhooks").content,
        administrator.get(f"{path}/deliveries").content,
        administrator.put(path, {"description": "x"}).content,
        administrator.get("/audit").content,
        str(list(Entry.objects.values())).encode(),
        bytes(Webhook.objects.get().secret),
    ]
    assert not any(secret.encode() in text for text in seen)
    assert receiver.types == ["webhook.test"]


def test_a_delivery_is_replayed_with_its_id(administrator: Api, cast: Cast, receiver: Receiver) -> None:
    webhook = make_webhook(cast.provider, receiver.url)
    delivery = deliver(webhook)
    shown = administrator.get(f"/webhooks/{webhook.pk}/deliveries").json()["deliveries"]
    assert [(row["state"], row["attempts"], row["lastStatus"]) for row in shown] == [("Delivered", 1, 204)]
    answer = administrator.post(f"/webhooks/{webhook.pk}/deliveries/{delivery.pk}/replay")
    assert answer.status_code == 202
    worker.turn()
    first, second = receiver.messages
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == answer.json()["messageId"]


def test_a_delivery_of_another_webhook_is_not_there(administrator: Api, cast: Cast) -> None:
    webhook, other = make_webhook(cast.provider), make_webhook(cast.stranger)
    for path in (f"/webhooks/{webhook.pk}", f"/webhooks/{other.pk}"):
        answer = administrator.post(f"{path}/deliveries/{other.deliveries.get().pk}/replay")
        assert (answer.status_code, answer.json()) == (404, {"description": "Not found."})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://hooks.example/"}, "url"),
        ({"url": "https://user:pw@hooks.example/"}, "url"),
        ({"url": "https://hooks.example/#x"}, "url"),
        ({"url": "https://hooks.example:99999/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://hooks.example:0/"}, "url"),
        ({"url": "https://a..b/"}, "url"),
        ({"url": "https://256.1.1.1/"}, "url"),
        ({"url": "https://xn--.example/"}, "url"),
        ({"url": f"https://{'x' * 64}.example/"}, "url"),
        ({"url": 5}, "url"),
        ({"events": ["device.unheard"]}, "events[0]"),
        ({"events": []}, "events"),
        ({"secret": SECRET}, "secret"),
        ({"enabled": "yes"}, "enabled"),
    ],
)
def test_what_is_refused(administrator: Api, cast: Cast, body: dict[str, Any], field: str) -> None:
    sent = {"groupId": cast.provider.pk, "url": "https://hooks.example/"} | body
    answer = administrator.post("/webhooks", sent)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_the_events_that_there_are_are_named(administrator: Api, cast: Cast) -> None:
    sent = {"groupId": cast.provider.pk, "url": "https://hooks.example/", "events": ["device.claimed", "claimed"]}
    (error,) = administrator.post("/webhooks", sent).json()["errors"]
    assert error["field"] == "events[1]"
    assert error["description"].startswith("Must be one of device.claimed, device.")


def test_a_webhook_goes_with_its_group(cast: Cast, administrator: Api) -> None:
    make_webhook(cast.sibling)
    assert administrator.delete(f"/groups/{cast.sibling.pk}").status_code == 200
    assert not Webhook.objects.exists()
