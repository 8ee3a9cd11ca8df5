"""A MAC that stands only in the User-Agent of a request that is no phone's: told to staff, believed nowhere."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from boot import app, makers
from boot.shapes import hint
from boot.user_agent_hints import hints, may_stand_in
from devices import access_log
from devices.hints import Hint
from devices.models import Access, Device
from tests.conftest import Cast, make_device, make_location, make_operator
from tests.desk.test_admin import browser_of, make_staff, text_of

MAC = "0004F2E765DA"
AGENT = next(row.example for row in makers.AGENTS if row.maker == "Poly")
PATH = "/firmware/unlisted.ld"


@pytest.fixture
def agent() -> str:
    """The User-Agent of a Polycom with this MAC."""
    there = hint(AGENT)
    assert there
    return AGENT.replace(there, MAC).replace(there.lower(), MAC.lower())


@pytest.mark.parametrize("row", makers.AGENTS)
def test_no_form_that_carries_a_mac_is_passed_over(row: Any):
    assert may_stand_in(row.example)


def test_it_is_kept_and_believed_nowhere(client: Client, cast: Cast, agent: str):
    device = make_device(cast.provider, MAC, make_location(cast.provider))
    assert client.get(PATH, headers={"User-Agent": agent}).status_code == 404
    kept = Hint.objects.get()
    assert (kept.mac, kept.path, kept.address, kept.user_agent) == (MAC, PATH, "127.0.0.1", agent)
    device.refresh_from_db()
    assert (device.num_requests, device.last_access, device.last_access_status) == (0, None, "Await access")
    assert not Access.objects.exists()


def test_a_request_without_a_mac_and_one_of_a_known_form_leave_none(client: Client, cast: Cast, agent: str):
    client.get(PATH, headers={"User-Agent": "AUDC-IPPhone-450HD/3.4.6"})
    client.get(f"/{MAC}.cfg", headers={"User-Agent": agent})
    client.get("/000000000000.cfg", headers={"User-Agent": agent})
    client.get("/api/v1/nothing", headers={"User-Agent": agent})
    assert not Hint.objects.exists()


def test_a_mac_costs_one_statement_an_hour(client: Client, db: None, agent: str, django_assert_num_queries: Any):
    client.get(PATH, headers={"User-Agent": agent})
    with django_assert_num_queries(0):
        client.get("/other.ld", headers={"User-Agent": agent})
    hints._recent[MAC] -= 3601
    client.get("/third.ld", headers={"User-Agent": agent})
    assert Hint.objects.get().path == "/third.ld"  # in the place of the older one


def test_a_source_gets_no_more_than_its_budget(client: Client, db: None, agent: str, settings: Any):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 2
    for number in range(4):
        other = agent.replace(MAC.lower(), f"0004f2e7650{number}").replace(MAC, f"0004F2E7650{number}")
        assert client.get(PATH, headers={"User-Agent": other}).status_code == 404
    assert Hint.objects.count() == 2
    # Phones of that address lose nothing of theirs.
    assert client.get("/00A0C914C829").status_code == 404


def test_a_database_that_is_away_costs_the_hint_alone(client: Client, db: None, agent: str, monkeypatch: Any):
    def away(*rows: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("boot.database.keep", away)
    assert client.get(PATH, headers={"User-Agent": agent}).status_code == 404


def test_under_asgi_the_answer_waits_for_nothing(agent: str, monkeypatch: Any):
    written = []
    monkeypatch.setattr(app, "HINTS_WAIT", 0)
    monkeypatch.setattr(app, "_write_hints", lambda: written.append(dict(hints._waiting)))
    sent: list[Any] = []

    async def ask() -> None:
        application = app.BootApplication(django=None)  # type: ignore[arg-type]
        headers = [(b"user-agent", agent.encode())]
        scope = {"type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "headers": headers}

        async def send(message: Any) -> None:
            sent.append((message, len(written)))

        await application(scope, None, send)  # type: ignore[arg-type]
        assert application._keeping is not None
        await application._keeping

    asyncio.run(ask())
    assert [(message.get("status"), before) for message, before in sent] == [(404, 0), (None, 0)]
    assert [list(each) for each in written] == [[MAC]]


def test_staff_read_it_on_the_devices_page_and_in_find(client: Client, cast: Cast, agent: str):
    device = make_device(cast.provider, MAC)
    client.get(PATH, headers={"User-Agent": agent})
    page = f"/admin/devices/device/{device.pk}/change/"
    operator = browser_of(make_operator())
    for address in (page, f"/admin/find/?q={MAC} 00A0C914C829"):
        shown = text_of(operator.get(address))
        assert f"A phone with this MAC asked for {PATH} , which is no known form" in shown
        assert "proves nothing" in shown
    assert "no known form" not in text_of(browser_of(make_staff("view_device")).get(page))
    # A phone that boots as it should asks for other files, too.
    Device.objects.update(last_access=timezone.now())
    assert "no known form" not in text_of(operator.get(page))


def test_housekeeping_forgets_it(client: Client, db: None, agent: str):
    client.get(PATH, headers={"User-Agent": agent})
    today = timezone.now().date()
    access_log.prune(today, 30)
    assert Hint.objects.exists()
    access_log.prune(today + timedelta(days=32), 30)
    assert not Hint.objects.exists()


def test_find_tells_to_whom_a_mac_is_registered(db: None):
    operator = browser_of(make_operator())
    assert "registered to AUDIO CODES" in text_of(operator.get("/admin/find/?q=00908F000001"))
    assert "registered to" not in text_of(operator.get("/admin/find/?q=02A0C9000001"))


def test_no_phone_waits_for_the_table_of_makers():
    loaded = "import sys, redirect.asgi, redirect.wsgi; import desk.search; sys.exit('netaddr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
