"""Mails go out once each, by a real mail server, also after it was away, refused, or answered slowly."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import Api, Cast, make_alert
from tests.jobs.test_run_jobs import PATIENCE, one_turn, start, until  # noqa: F401 - start is a fixture
from tests.webhooks.sink import Sink
from webhooks import mails, smtp
from webhooks.models import Alert, Mail, MailServer


@pytest.fixture
def sink(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    monkeypatch.setattr(mails, "TURN", 600.0)  # on a busy machine, too
    with Sink() as sink:
        settings.EMAIL_BACKEND = "webhooks.smtp.Backend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        settings.DEFAULT_FROM_EMAIL = "Redirect <redirect@service.example>"
        yield sink


@pytest.fixture
def alert(cast: Cast) -> Alert:
    return make_alert(cast.provider)


def put(*addresses: str, alert: Alert | None = None) -> None:
    mails.put(addresses, "A subject", "A text.\n", alert)


def make_due() -> None:
    """As if the waits were over."""
    MailServer.objects.update(paused_until=None)
    Mail.objects.update(next_attempt=timezone.now() - timedelta(seconds=1))


def states() -> list[tuple[str, str, int]]:
    return list(Mail.objects.order_by("pk").values_list("address", "state", "attempts"))


def test_a_mail_is_plain_text_that_programs_do_not_answer(sink: Sink, alert: Alert) -> None:
    put("noc@acme.example")
    mails.turn()
    [mail] = sink.mails
    assert (mail["From"], mail["To"]) == ("Redirect <redirect@service.example>", "noc@acme.example")
    assert (mail["Subject"], mail.get_content().replace("\r\n", "\n")) == ("A subject", "A text.\n")
    assert mail.get_content_type() == "text/plain"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{Mail.objects.get().key.hex}@service.example>"


def test_a_mail_is_sent_once_and_many_by_one_connection(sink: Sink, db: None) -> None:
    put(*(f"user{number}@acme.example" for number in range(20)))
    mails.turn()
    mails.turn()
    assert sink.addresses == [f"user{number}@acme.example" for number in range(20)]
    assert sink.connections == 1
    assert {state for _, state, _ in states()} == {"Sent"}


def test_no_address_learns_of_another(sink: Sink, db: None) -> None:
    put("a@acme.example", "b@acme.example")
    mails.turn()
    assert [str(mail["To"]) for mail in sink.mails] == ["a@acme.example", "b@acme.example"]
    assert not any("a@acme.example" in str(mail) for mail in sink.mails[1:])


def test_a_subject_has_one_line(sink: Sink, db: None) -> None:
    mails.put(["a@acme.example"], "One\r\nBcc: x@acme.example", "text")
    mails.turn()
    [mail] = sink.mails
    assert mail["Subject"] == "One  Bcc: x@acme.example"
    assert sink.addresses == ["a@acme.example"]


def test_while_the_server_is_away_all_wait_and_nothing_is_lost(
    sink: Sink, settings: Settings, alert: Alert
) -> None:
    put("a@acme.example", "b@acme.example", alert=alert)
    sink.close()
    mails.turn()
    server = MailServer.objects.get()
    assert (server.failures, server.lease) == (1, None)
    assert {state for _, state, _ in states()} == {"Pending"}
    with Sink() as again:
        settings.EMAIL_PORT = again.port
        mails.turn()
        assert again.connections == 0  # left alone for a while
        make_due()
        mails.turn()
        assert again.addresses == ["a@acme.example", "b@acme.example"]
    assert MailServer.objects.get().failures == 0


def test_the_pauses_while_it_is_away_grow_to_ten_minutes(
    sink: Sink, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a@acme.example")
    moment = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
    sink.close()
    pauses = []
    for _ in range(7):
        make_due()
        mails.turn()
        pauses.append((MailServer.objects.get().paused_until or moment) - moment)
    assert [pause.total_seconds() for pause in pauses] == [30, 60, 120, 240, 480, 600, 600]


def test_an_address_that_is_refused_holds_no_other_up(sink: Sink, alert: Alert, administrator: Api) -> None:
    async def refuse(address: str) -> str | None:
        return "550 5.1.1 No such user" if address.startswith("gone") else None

    sink.on_rcpt = refuse
    put("gone@acme.example", "here@acme.example", alert=alert)
    mails.turn()
    make_due()
    mails.turn()
    assert states() == [("gone@acme.example", "Failed", 1), ("here@acme.example", "Sent", 1)]
    shown = administrator.get(f"/alerts/{alert.pk}").json()
    assert shown["problem"] == "The mail server refuses gone@acme.example: 550 5.1.1 No such user"
    assert shown["lastMail"] is not None


@pytest.mark.parametrize("part", ["rcpt", "data"])
def test_what_is_refused_for_now_is_tried_again(sink: Sink, alert: Alert, part: str) -> None:
    async def refuse(_: str) -> str:
        return "451 4.7.1 Greylisted, try again later"

    setattr(sink, f"on_{part}", refuse)
    put("a@acme.example", alert=alert)
    mails.turn()
    assert states() == [("a@acme.example", "Pending", 1)]
    alert.refresh_from_db()
    assert "451" in alert.problem

    async def take(_: str) -> None:
        pass

    setattr(sink, f"on_{part}", take)
    mails.turn()
    assert sink.mails == []  # not yet
    make_due()
    mails.turn()
    alert.refresh_from_db()
    assert (len(sink.mails), states(), alert.problem) == (1, [("a@acme.example", "Sent", 2)], "")


def test_a_mail_is_given_up_after_five_days(sink: Sink, db: None) -> None:
    async def refuse(_: str) -> str:
        return "452 4.2.2 Mailbox full"

    sink.on_rcpt = refuse
    put("a@acme.example")
    mails.turn()
    Mail.objects.update(created_at=F("created_at") - timedelta(days=5))
    make_due()
    mails.turn()
    assert states() == [("a@acme.example", "Failed", 2)]


def test_a_server_that_never_answers_is_cut_and_a_slow_one_waited_for(
    sink: Sink, alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is that of a whole mail; a mail that was handed over may come thrice, and then no more."""
    monkeypatch.setattr(smtp, "SECONDS", 0.5)
    never = asyncio.Event()

    async def wait(_: str) -> None:
        await never.wait()

    sink.on_data = wait
    put("a@acme.example", alert=alert)
    while Mail.objects.filter(state="Pending").exists():
        make_due()
        mails.turn()
    mail = Mail.objects.get()
    assert (mail.state, mail.in_doubt) == ("Failed", 3)

    monkeypatch.setattr(smtp, "SECONDS", 60.0)

    async def slowly(_: str) -> None:
        await asyncio.sleep(1.5)

    sink.on_data = slowly
    put("b@acme.example", alert=alert)
    make_due()
    mails.turn()
    assert states()[-1] == ("b@acme.example", "Sent", 1)


def test_a_server_that_sends_a_byte_now_and_then_is_cut(
    sink: Sink, settings: Settings, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(smtp, "SECONDS", 0.5)

    async def drip(reader: Any, writer: Any) -> None:
        try:
            while True:
                writer.write(b"2")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    settings.EMAIL_PORT = sink.listen(drip)
    put("a@acme.example")
    mails.turn()
    assert MailServer.objects.get().failures == 1
    assert states() == [("a@acme.example", "Pending", 0)]


def test_one_worker_at_a_time_sends(sink: Sink, db: None) -> None:
    put("a@acme.example")
    MailServer.objects.create(
        pk=1, lease="6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f", leased_until=timezone.now() + timedelta(hours=1)
    )
    mails.turn()
    assert sink.mails == []
    MailServer.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    mails.turn()
    assert len(sink.mails) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_when_the_mail_was_taken_sends_it_again_and_no_other(
    sink: Sink,
    start: Any,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mail server has the mail, and the worker dies before it has kept that: it comes with the same id."""
    put("a@acme.example", "b@acme.example")
    workers: list[subprocess.Popen[bytes]] = []

    async def kill(_: str) -> None:
        if not sink.mails:
            while not workers:
                await asyncio.sleep(0.01)
            workers[0].kill()

    sink.on_data = kill
    monkeypatch.setenv("EMAIL_URL", f"smtp://127.0.0.1:{sink.port}")
    workers.append(start())
    workers[0].wait(PATIENCE)
    until(lambda: sink.mails)
    assert [state for _, state, _ in states()] == ["Pending", "Pending"]
    MailServer.objects.update(leased_until=timezone.now())  # as if the lease had run out
    while Mail.objects.filter(state="Pending").exists():
        one_turn(start)
    assert sink.addresses == ["a@acme.example", "a@acme.example", "b@acme.example"]
    ids = [mail["Message-ID"] for mail in sink.mails]
    assert ids[0] == ids[1] != ids[2]


def test_without_a_mail_server_nothing_is_kept(db: None, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    put("a@acme.example")
    assert not Mail.objects.exists()


def test_mails_are_forgotten_after_a_week(sink: Sink, db: None) -> None:
    put("a@acme.example", "b@acme.example")
    mails.turn()
    Mail.objects.filter(address="a@acme.example").update(finished_at=timezone.now() - timedelta(days=8))
    assert mails.forget_old() == 1
    assert [address for address, _, _ in states()] == ["b@acme.example"]
