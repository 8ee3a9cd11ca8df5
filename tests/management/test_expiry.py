"""Certificates of devices that end soon: told of once, as the service last knew them."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.utils import timezone

from devices.models import Device
from management import expiry
from management.drivers.mediant_http import described
from management.models import Endpoint, Operation, OperationState
from tests.boot.test_phone import certificate
from tests.conftest import Cast, make_device, make_endpoint, make_webhook
from webhooks.models import Delivery, Webhook

MAC = "00908F000001"


def pem(days: int) -> str:
    return unquote(certificate(MAC, days=days, serial=days + 20))


def show(endpoint: Endpoint, days: int, **more: Any) -> str:
    """The device has shown a certificate that ends in so many days; its fingerprint."""
    [told] = described(pem(days).encode())
    values = {"verb": "tls_cert_get", "state": OperationState.DONE, "result": {"certificates": [told]}} | more
    Operation.objects.create(endpoint=endpoint, finished_at=timezone.now(), **values)
    return told["fingerprint"]


@pytest.fixture
def endpoint(cast: Cast) -> Endpoint:
    return make_endpoint(make_device(cast.provider, MAC))


@pytest.fixture
def webhook(cast: Cast) -> Webhook:
    webhook = make_webhook(cast.reseller, events=["device.certificate_expiring"])
    webhook.deliveries.all().delete()
    return webhook


def told() -> list[dict[str, Any]]:
    expiry.turn()
    return [
        delivery.data for delivery in Delivery.objects.filter(event="device.certificate_expiring").order_by("pk")
    ]


def test_a_certificate_that_ends_soon_is_told_once(cast: Cast, endpoint: Endpoint, webhook: Webhook) -> None:
    fingerprint = show(endpoint, 20)
    [data] = told()
    assert timezone.now() + timedelta(days=19) < datetime.fromisoformat(data.pop("notAfter"))
    del data["time"]
    assert data == {
        "mac": "00:90:8F:00:00:01",
        "groupId": cast.provider.pk,
        "context": "0",
        "subject": f"CN={MAC}",
        "fingerprint": fingerprint,
    }
    show(endpoint, 19)  # another one, which ends as soon
    assert len(told()) == 2
    assert len(told()) == 2


def test_the_newest_of_each_context_counts(endpoint: Endpoint, webhook: Webhook) -> None:
    show(endpoint, 3)
    show(endpoint, 300)
    show(endpoint, 4, arguments={"context": "1"})
    show(endpoint, 5, arguments={"context": "0"}, state=OperationState.FAILED, result=None)
    assert [data["context"] for data in told()] == ["1"]


def test_what_certify_has_installed_is_known(endpoint: Endpoint, webhook: Webhook) -> None:
    show(endpoint, 3)
    step = {"step": "certificate", "state": "done", "pem": pem(700)}
    show(endpoint, 1, verb="certify", result={}, steps=[step])
    assert told() == []
    show(endpoint, 1, verb="certify", result={}, steps=[step | {"pem": pem(10)}])
    assert len(told()) == 1


def test_of_a_device_that_the_group_has_no_more_nothing_is_told(
    cast: Cast, endpoint: Endpoint, webhook: Webhook
) -> None:
    show(endpoint, 3)
    show(make_endpoint(make_device(cast.stranger, "00908F000002")), 3)
    Device.objects.filter(mac=MAC).update(group=cast.stranger)
    assert told() == []
