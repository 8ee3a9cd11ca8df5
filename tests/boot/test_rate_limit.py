"""A source has a budget of distinct MACs that are not redirected; who is to be redirected is never limited."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client, override_settings

from boot.rate_limit import SOURCES_KEPT, WINDOW_SECONDS, UnknownMacLimiter
from devices.models import Device
from tests.conftest import Cast, make_device, make_location

LIMIT = 3
SOURCE = "198.51.100.7"
BUDGET = override_settings(UNKNOWN_MAC_LIMIT_PER_SOURCE=LIMIT)


def mac(number: int) -> str:
    return f"00908F{number:06X}"


def ask(text: str, source: str = SOURCE, **more: Any) -> Any:
    return Client(raise_request_exception=False).get(f"/{text}", REMOTE_ADDR=source, **more)


def spend_budget(source: str = SOURCE) -> None:
    assert [ask(mac(0xFFFF00 + number), source).status_code for number in range(LIMIT)] == [404] * LIMIT


@pytest.mark.django_db
@BUDGET
def test_the_budget_is_one_of_distinct_macs() -> None:
    spend_budget()
    spend_budget()
    answer = ask(mac(1))
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert set(answer.json()) == {"description"}
    spend_budget()


@pytest.mark.django_db
@BUDGET
def test_spellings_and_methods_of_one_mac_are_one() -> None:
    for text in (mac(10), mac(10).lower(), mac(10) + ".cfg", "00:90:8f:00:00:0a"):
        assert ask(text).status_code == 404
    assert ask(mac(11)).status_code == 404
    assert ask(mac(12)).status_code == 404
    assert Client().head(f"/{mac(13)}", REMOTE_ADDR=SOURCE).status_code == 429


@BUDGET
def test_over_budget_all_that_are_not_redirected_get_the_same(cast: Cast) -> None:
    make_device(cast.provider, mac(1))
    make_device(cast.provider, mac(2), make_location(cast.provider, mutual_auth=True))
    spend_budget()
    unassigned, refused, unknown = (ask(mac(number)) for number in (1, 2, 3))
    assert {answer.status_code for answer in (unassigned, refused, unknown)} == {429}
    assert unassigned.content == refused.content == unknown.content
    names = {tuple(answer.headers) for answer in (unassigned, refused, unknown)}
    assert len(names) == 1
    assert unassigned["Cache-Control"] == "no-store"
    assert not unassigned.cookies


@BUDGET
def test_unassigned_and_refused_spend_the_budget_too(cast: Cast) -> None:
    location = make_location(cast.provider, mutual_auth=True)
    for number in range(LIMIT):
        make_device(cast.provider, mac(number), location if number % 2 else None)
        assert ask(mac(number)).status_code == 404
    assert ask(mac(99)).status_code == 429


@BUDGET
def test_a_limited_request_of_a_known_device_is_counted(cast: Cast) -> None:
    make_device(cast.provider, mac(1))
    spend_budget()
    ask(mac(1))
    device = Device.objects.get()
    assert (device.num_requests, device.last_access_status) == (1, "Fail")


@BUDGET
def test_a_phone_that_is_to_be_redirected_is_never_limited(cast: Cast) -> None:
    """After a power cut hundreds of phones ask from one address."""
    location = make_location(cast.provider)
    for number in range(LIMIT * 3):
        make_device(cast.provider, mac(number), location)
        assert ask(mac(number)).status_code == 302
    spend_budget()
    assert ask(mac(99)).status_code == 429
    assert ask(mac(0)).status_code == 302


@pytest.mark.django_db
@BUDGET
def test_sources_have_budgets_of_their_own() -> None:
    spend_budget()
    spend_budget("198.51.100.8")
    assert ask(mac(1)).status_code == 429


@pytest.mark.django_db
@BUDGET
def test_a_network_of_64_bit_is_one_source() -> None:
    spend_budget("2001:db8:0:1::1")
    assert ask(mac(1), "2001:db8:0:1:ffff::2").status_code == 429
    assert ask(mac(1), "2001:db8:0:2::1").status_code == 404


@pytest.mark.django_db
@BUDGET
def test_a_forwarded_source_is_believed_from_a_trusted_proxy_alone() -> None:
    spend_budget()
    assert ask(mac(1), headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 429
    with override_settings(TRUSTED_PROXIES=[ip_network(SOURCE)]):
        assert ask(mac(1), headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 404
        assert ask(mac(1), headers={"X-Forwarded-For": f"203.0.113.1, {SOURCE}"}).status_code == 404


@pytest.mark.django_db
@override_settings(UNKNOWN_MAC_LIMIT_PER_SOURCE=0)
def test_0_is_no_limit() -> None:
    assert {ask(mac(number)).status_code for number in range(200)} == {404}


# --- Time and memory ------------------------------------------------------------------------------------------


@BUDGET
def test_the_budget_is_new_after_the_window() -> None:
    unknown_macs = UnknownMacLimiter()
    assert [unknown_macs.hit(SOURCE, mac(number), now=100) for number in range(LIMIT)] == [0] * LIMIT
    assert unknown_macs.hit(SOURCE, mac(99), now=100) == WINDOW_SECONDS
    assert unknown_macs.hit(SOURCE, mac(99), now=100 + WINDOW_SECONDS - 0.1) == 1
    assert unknown_macs.hit(SOURCE, mac(99), now=100 + WINDOW_SECONDS) == 0


@BUDGET
def test_memory_is_bounded() -> None:
    unknown_macs = UnknownMacLimiter()
    for number in range(SOURCES_KEPT + 10):
        assert unknown_macs.hit(f"source {number}", mac(1), now=100) == 0
    assert len(unknown_macs._windows) == SOURCES_KEPT
