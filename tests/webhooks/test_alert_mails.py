"""What alerts tell, whom and when: one mail for a storm, a digest once a day, nothing of other groups."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Group
from audit.models import Entry
from devices.models import Device, Outcome
from tests.conftest import (
    Api,
    Cast,
    make_access,
    make_alert,
    make_device,
    make_key,
    make_operator,
    make_user,
)
from webhooks import alerts, events, mails, order
from webhooks.models import Alert, EventType, Mail, MailServer, Mode, Notice
from webhooks.outbox import Message, Subscribers, put

FAILING = [EventType.FAILING.value]
CLAIMED = [EventType.CLAIMED.value]
MORNING = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  # 7 in Berlin


def happen(alert: Alert, number: int = 1, at: datetime = MORNING, event: EventType = EventType.FAILING) -> None:
    """Devices of the alert's group fail at this time."""
    time = f"{at:%Y-%m-%dT%H:%M:%S}+0000"
    data: dict[str, Any] = {
        "groupId": alert.group_id,
        "outcome": "NoLocation",
        "address": "192.0.2.7",
        "time": time,
    }
    put([Message(alert, event, None, data | {"mac": f"00:90:8F:00:00:{n % 256:02X}"}) for n in range(number)])
    Notice.objects.filter(created_at__gt=at).update(created_at=at)


def sent(now: datetime) -> list[Mail]:
    """The mails that are written at this time."""
    known = set(Mail.objects.values_list("pk", flat=True))
    alerts.compose(now)
    return list(Mail.objects.exclude(pk__in=known).order_by("pk"))


def at_once(group: Group, **more: Any) -> Alert:
    return make_alert(group, mode=Mode.AT_ONCE, events=FAILING, created_at=MORNING - timedelta(days=9), **more)


def daily(group: Group, **more: Any) -> Alert:
    values = {"mode": Mode.DAILY, "events": FAILING, "hour": 7, "time_zone": "Europe/Berlin"}
    return make_alert(group, **{**values, "created_at": MORNING - timedelta(days=9)} | more)


SOON = timedelta(seconds=30)

# --- At once ----------------------------------------------------------------------------------------------------


def test_phones_that_fail_are_told_by_one_mail(cast: Cast) -> None:
    """From the access log to a mail, as the worker does it."""
    make_alert(cast.provider, mode=Mode.AT_ONCE, time_zone="Europe/Berlin", created_at=timezone.now() - SOON)
    order.turn()
    for mac in ("00908F000001", "00908F000002"):
        make_access(make_device(cast.provider, mac), Outcome.NO_LOCATION, path="/secret-token.cfg")
    order.turn()
    [written] = sent(timezone.now() + SOON)
    assert written.subject == "Berlin Phones: 2 devices failing"
    assert "00:90:8F:00:00:01, NoLocation, asked from 192.0.2.7" in written.text
    assert "secret" not in written.text
    mails.turn()
    [message] = mail.outbox
    assert (message.to, message.body) == (["noc@acme.example"], written.text)


def test_a_storm_is_one_mail_that_says_so(cast: Cast) -> None:
    alert = at_once(cast.provider)
    for second in range(0, 100, 5):  # read in pieces
        happen(alert, 500, MORNING + timedelta(seconds=second))
        assert sent(MORNING + timedelta(seconds=second + 4)) == []
    assert Notice.objects.count() == 20
    [written] = sent(MORNING + timedelta(seconds=110))
    assert written.subject == "Berlin Phones: 10,000 devices failing"
    assert "and 9,990 more: GET /api/v1/devices?filter=(lastAccessStatus='Fail')" in written.text
    assert len(written.text) < 3_000
    assert sent(MORNING + timedelta(days=1)) == []


def test_a_storm_without_end_is_told_after_five_minutes_then_four_times_an_hour(cast: Cast) -> None:
    alert = at_once(cast.provider)
    when = []
    for seconds in range(0, 7200, 5):
        now = MORNING + timedelta(seconds=seconds)
        happen(alert, 10, now)
        when += [seconds / 60 for _ in sent(now)]
    assert when == [5, 20, 35, 50, 65, 80, 95, 110]
    told = sum(int(each.subject.split()[2].replace(",", "")) for each in Mail.objects.all())
    assert told + Notice.objects.count() * 10 == 14_400


@pytest.mark.parametrize("seconds", [20, 29])
def test_a_single_event_is_told_within_half_a_minute(cast: Cast, seconds: int) -> None:
    happen(at_once(cast.provider))
    assert sent(MORNING + timedelta(seconds=19)) == []
    [written] = sent(MORNING + timedelta(seconds=seconds))
    assert written.subject == "Berlin Phones: 1 device failing"


# --- Once a day -------------------------------------------------------------------------------------------------


def test_a_digest_is_sent_at_its_hour_in_its_time_zone_and_once(cast: Cast) -> None:
    alert = daily(cast.provider)
    happen(alert, 3, MORNING - timedelta(hours=20))
    assert sent(MORNING - timedelta(seconds=1)) == []
    [written] = sent(MORNING)
    assert written.subject == "Berlin Phones today: 3 devices failing"
    assert "at 2026-11-26 11:00:00 (Europe/Berlin)" in written.text
    happen(alert, 1, MORNING + timedelta(minutes=5))
    assert sent(MORNING + timedelta(hours=23)) == []
    assert len(sent(MORNING + timedelta(days=1))) == 1


@pytest.mark.parametrize("days", [0, 3])
def test_a_digest_is_sent_once_also_when_the_worker_was_down(cast: Cast, days: int) -> None:
    alert = daily(cast.provider)
    happen(alert, 3, MORNING - timedelta(hours=1))
    late = MORNING + timedelta(days=days, hours=5)
    assert len(sent(late)) == 1
    happen(alert, 1, late)
    assert sent(late + timedelta(hours=1)) == []


def test_what_happened_before_the_hour_and_was_read_after_it_is_told_today(cast: Cast) -> None:
    alert = daily(cast.provider)
    happen(alert, 1, MORNING - timedelta(minutes=1))
    Notice.objects.update(created_at=MORNING + timedelta(hours=3))
    assert len(sent(MORNING + timedelta(hours=3))) == 1


def test_a_day_without_events_has_no_mail(cast: Cast) -> None:
    daily(cast.provider)
    assert sent(MORNING) == []
    assert sent(MORNING + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("zone", "hour", "now", "expected"),
    [
        ("UTC", 7, "2026-11-27T07:00+00:00", "2026-11-27T07:00+00:00"),
        ("UTC", 7, "2026-11-27T06:59+00:00", "2026-11-26T07:00+00:00"),
        ("Europe/Berlin", 7, "2026-03-29T05:00+00:00", "2026-03-29T05:00+00:00"),  # summer time since 2:00
        ("Europe/Berlin", 7, "2026-03-29T04:59+00:00", "2026-03-28T06:00+00:00"),
        ("Europe/Berlin", 2, "2026-03-29T12:00+00:00", "2026-03-29T01:00+00:00"),  # 2:00 was skipped
        ("Europe/Berlin", 2, "2026-10-25T12:00+00:00", "2026-10-25T00:00+00:00"),  # 2:00 was twice
        ("America/New_York", 23, "2026-11-27T04:00+00:00", "2026-11-27T04:00+00:00"),
        ("Asia/Kolkata", 0, "2026-11-26T18:29+00:00", "2026-11-25T18:30+00:00"),
    ],
)
def test_the_hour_is_that_of_the_time_zone(zone: str, hour: int, now: str, expected: str) -> None:
    alert = Alert(hour=hour, time_zone=zone)
    assert alerts.last_hour(alert, datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


# --- Whom -------------------------------------------------------------------------------------------------------


def test_each_group_is_told_its_own_and_a_reseller_those_of_its_providers(cast: Cast, administrator: Api) -> None:
    Entry.objects.update(untold_from=None)
    owners = (cast.reseller, cast.provider, cast.sibling, cast.stranger)
    of = {group: make_alert(group, mode=Mode.AT_ONCE, events=CLAIMED) for group in owners}
    body = {"group": cast.provider.pk, "macList": ["00908F000001"], "overrideCurrentAssociation": True}
    assert administrator.post("/devices", body).status_code == 201
    while events.tell_next():
        pass
    written = sent(timezone.now() + SOON)
    assert {each.alert for each in written} == {of[cast.reseller], of[cast.provider]}
    above, own = sorted(written, key=lambda each: each.subject)
    assert (above.subject, own.subject) == ("Acme Voice: 1 device claimed", "Berlin Phones: 1 device claimed")
    assert f"1 of Berlin Phones (group {cast.provider.pk})" in above.text


def test_without_addresses_the_administrators_are_told(cast: Cast) -> None:
    make_user(cast.provider, email="ada@provider.example")
    make_user(cast.provider, email="gone@provider.example", is_active=False)
    make_user(cast.provider, "Monitor", email="eve@provider.example")
    make_user(cast.sibling, email="bob@sibling.example")
    happen(at_once(cast.provider, addresses=None))
    assert [each.address for each in sent(MORNING + SOON)] == ["ada@provider.example"]


def test_where_no_administrator_has_an_address_it_is_said_and_kept(cast: Cast, administrator: Api) -> None:
    alert = at_once(cast.provider, addresses=None)
    happen(alert)
    assert sent(MORNING + SOON) == []
    problem = administrator.get(f"/alerts/{alert.pk}").json()["problem"]
    assert problem == "No Administrator of the group has an e-mail address: name addresses."
    make_user(cast.provider, email="ada@provider.example")
    assert len(sent(MORNING + SOON + alerts.APART)) == 1


def test_the_end_of_a_mail_says_how_it_ends(cast: Cast) -> None:
    alert = at_once(cast.provider)
    happen(alert)
    [written] = sent(MORNING + SOON)
    assert f"/api/v1/alerts/{alert.pk}" in written.text
    assert "Administrator of Berlin Phones" in written.text
    assert configured.DEFAULT_FROM_EMAIL in written.text


# --- Nothing twice, nothing lost --------------------------------------------------------------------------------


def test_notices_go_in_the_transaction_that_writes_the_mail(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(at_once(cast.provider), 7)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(alerts, "integers", die)
        with pytest.raises(KeyboardInterrupt):
            alerts.compose(MORNING + SOON)
    assert (Mail.objects.count(), Notice.objects.count()) == (0, 1)
    [written] = sent(MORNING + SOON)
    assert written.subject.endswith("7 devices failing")
    assert sent(MORNING + SOON) == []


def test_switched_off_it_sends_no_more_and_nothing_later(cast: Cast, administrator: Api) -> None:
    alert = at_once(cast.provider)
    happen(alert)
    sent(MORNING + SOON)
    happen(alert)
    assert administrator.put(f"/alerts/{alert.pk}", {"enabled": False}).json()["enabled"] is False
    mails.turn()
    assert administrator.put(f"/alerts/{alert.pk}", {"enabled": True}).status_code == 200
    assert sent(MORNING + timedelta(days=1)) == []
    mails.turn()
    assert mail.outbox == []


def test_off_by_default(cast: Cast, administrator: Api) -> None:
    Entry.objects.update(untold_from=None)
    make_user(cast.provider, email="ada@provider.example")
    body = {"group": cast.provider.pk, "macList": ["00908F000001"], "overrideCurrentAssociation": True}
    administrator.post("/devices", body)
    while events.tell_next():
        pass
    alerts.turn()
    assert not Notice.objects.exists()
    assert not Mail.objects.exists()


def test_statements_depend_neither_on_events_nor_on_alerts(cast: Cast) -> None:
    numbers = []
    for count in (1, 40):
        for _ in range(count):
            make_alert(cast.provider, events=FAILING)
        subscribed = Subscribers([EventType.FAILING]).of(EventType.FAILING, timezone.now(), [cast.provider.pk])
        data = {"groupId": cast.provider.pk, "time": "2026-11-27T06:00:00+0000", "outcome": "NoLocation"}
        some = [Message(each, EventType.FAILING, None, data) for each in subscribed for _ in range(count)]
        with CaptureQueriesContext(connection) as queries:
            put(some)
        numbers.append(len(queries))
    assert numbers == [1, 1]
    assert Notice.objects.count() == 1 + 41


def test_notices_of_which_no_mail_can_be_made_are_forgotten(cast: Cast) -> None:
    happen(at_once(cast.provider, addresses=None), at=timezone.now() - timedelta(days=31))
    assert alerts.forget_old() == 1


# --- Where it is set --------------------------------------------------------------------------------------------


def test_an_alert_is_made_changed_and_deleted(cast: Cast, administrator: Api) -> None:
    made = administrator.post("/alerts", {"groupId": cast.provider.pk})
    assert made.status_code == 201
    path = f"/alerts/{made.json()['id']}"
    shown = administrator.get(path).json()
    assert shown | {"createdAt": ""} == {
        "id": made.json()["id"],
        "groupId": cast.provider.pk,
        "groupName": "Berlin Phones",
        "mode": "Daily",
        "events": None,
        "hour": 7,
        "timeZone": "UTC",
        "addresses": None,
        "description": None,
        "enabled": True,
        "createdAt": "",
        "lastMail": None,
        "problem": "",
    }
    changes = {"mode": "AtOnce", "events": FAILING, "timeZone": "Asia/Kolkata", "addresses": ["a@b.example"]}
    assert administrator.put(path, changes).json() == shown | changes
    assert administrator.delete(path).status_code == 200
    assert administrator.get(path).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "Weekly"}, "mode"),
        ({"events": ["device.unheard"]}, "events[0]"),
        ({"events": []}, "events"),
        ({"hour": 24}, "hour"),
        ({"hour": -1}, "hour"),
        ({"hour": "7"}, "hour"),
        ({"timeZone": "Europe/Atlantis"}, "timeZone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone"),
        ({"timeZone": ""}, "timeZone"),
        ({"addresses": ["a@b.example", "nobody"]}, "addresses[1]"),
        ({"addresses": ["a@b.example\nBcc: c@d.example"]}, "addresses[0]"),
        ({"addresses": ["Ada <a@b.example>"]}, "addresses[0]"),
        ({"addresses": [f"a{n}@b.example" for n in range(11)]}, "addresses"),
        ({"addresses": "a@b.example"}, "addresses"),
        ({"enabled": False}, "enabled"),
        ({"problem": "x"}, "problem"),
    ],
)
def test_what_is_refused(administrator: Api, cast: Cast, body: dict[str, Any], field: str) -> None:
    answer = administrator.post("/alerts", {"groupId": cast.provider.pk} | body)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not Alert.objects.exists()


def test_a_service_without_mail_says_so(administrator: Api, cast: Cast, settings: Settings) -> None:
    alert = make_alert(cast.provider, enabled=False)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    refused = {"description": "This service sends no mail: its operator has not set EMAIL_URL."}
    for answer in (
        administrator.post("/alerts", {"groupId": cast.provider.pk}),
        administrator.put(f"/alerts/{alert.pk}", {"enabled": True}),
    ):
        assert (answer.status_code, answer.json()) == (409, refused)
    assert administrator.put(f"/alerts/{alert.pk}", {"hour": 8}).status_code == 200
    assert Alert.objects.filter(enabled=True).count() == 0


def test_a_group_has_twenty_alerts_at_most(administrator: Api, cast: Cast) -> None:
    for _ in range(20):
        make_alert(cast.provider)
    answer = administrator.post("/alerts", {"groupId": cast.provider.pk})
    assert (answer.status_code, answer.json()["description"]) == (409, "The group has 20 alerts already.")
    assert administrator.post("/alerts", {"groupId": cast.sibling.pk}).status_code == 201


def test_an_alert_goes_with_its_group(cast: Cast, administrator: Api) -> None:
    happen(at_once(cast.sibling))
    sent(MORNING + SOON)
    assert administrator.delete(f"/groups/{cast.sibling.pk}").status_code == 200
    assert not Alert.objects.exists()
    assert not Mail.objects.exists()


def test_staff_make_and_change_alerts_by_the_same_rules(cast: Cast) -> None:
    browser = Client()
    browser.force_login(make_operator())
    add = reverse("admin:webhooks_alert_add")
    form = {
        "group": cast.provider.pk,
        "mode": "AtOnce",
        "hour": "7",
        "time_zone": "Europe/Berlin",
        "enabled": "on",
    }
    for wrong in ({"addresses": "nobody"}, {"time_zone": "Europe/Atlantis"}, {"hour": "24"}, {"events": "x"}):
        assert browser.post(add, form | wrong).status_code == 200
    assert not Alert.objects.exists()
    more = {"addresses": "a@b.example\r\nc@d.example", "events": FAILING}
    assert browser.post(add, form | more).status_code == 302
    alert = Alert.objects.get()
    assert (alert.addresses, alert.events) == (["a@b.example", "c@d.example"], FAILING)
    page = reverse("admin:webhooks_alert_change", args=[alert.pk])
    assert "a@b.example\nc@d.example" in browser.get(page).content.decode()
    del form["group"]
    assert browser.post(page, form | {"addresses": "", "events": []}).status_code == 302
    alert.refresh_from_db()
    assert (alert.addresses, alert.events, alert.mode) == (None, None, "AtOnce")


def test_a_key_may_too(cast: Cast) -> None:
    api = Api(key=make_key(cast.provider)[1])
    assert api.post("/alerts", {"groupId": cast.provider.pk}).status_code == 201


def test_only_one_row_speaks_of_the_mail_server(cast: Cast) -> None:
    mails.put(["a@b.example"], "x", "y")
    mails.turn()
    mails.put(["a@b.example"], "x", "y")
    mails.turn()
    assert MailServer.objects.count() == 1
    assert not Device.objects.exists()
