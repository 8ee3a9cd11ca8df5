"""A forgotten password of staff: a link by mail, good once, that lets only its owner set a new password."""

import re
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import PasswordLink, User
from audit.models import Entry
from jobs.models import Job
from tests.conftest import PASSWORD, Api, Cast, make_second_factor, make_user, run_due_jobs
from tests.desk.test_admin import text_of
from tests.desk.test_roles import make_colleague

ASK, NEW_PAGE, LOGIN = "/admin/password_forgotten/", "/admin/password_new/", "/admin/login/"
NEW = "quiet river 9 lantern"


@pytest.fixture(autouse=True)
def mailed(settings: Any) -> None:
    settings.EMAIL_URL = "smtp://mail.example"


@pytest.fixture
def grace(db: None) -> User:
    return make_colleague("reader", login="grace", email="grace@desk.example")


def ask(login: str, **more: Any) -> Any:
    """Ask for a link, and let the worker do its work."""
    answer = Client().post(ASK, {"username": login}, **more)
    run_due_jobs()
    return answer


def link_of(login: str = "grace") -> str:
    """The link in the one mail that asking brings."""
    mail.outbox.clear()
    ask(login)
    (message,) = mail.outbox
    page, link = re.findall(r"(http\S+)#(\S+)", str(message.body))[0]
    assert page == f"http://testserver{NEW_PAGE}"
    return str(link)


def use(link: str, password: str = NEW, browser: Client | None = None) -> Any:
    sent = {"link": link, "new_password1": password, "new_password2": password}
    return (browser or Client()).post(NEW_PAGE, sent)


def has_password(user: User, password: str) -> bool:
    return User.objects.get_queryset().get(pk=user.pk).check_password(password)


def test_a_link_leads_to_a_new_password(grace):
    assert f'href="{ASK}"' in Client().get(LOGIN).text
    session = Client()
    session.force_login(grace)
    api = Api(grace)
    link = link_of("GRACE")
    (message,) = mail.outbox
    assert message.to == ["grace@desk.example"]
    browser = Client()
    assert use(link, browser=browser)["Location"] == LOGIN
    assert "Your password was changed" in text_of(browser.get(LOGIN))
    assert has_password(grace, NEW)
    assert browser.get("/admin/").status_code == 302  # no login without its steps
    assert session.get("/admin/").status_code == 302
    assert api.get("/groups").status_code == 401
    entry = Entry.objects.filter(object_id=grace.pk, event="PasswordChanged").latest("pk")
    assert (entry.actor_login, entry.source) == ("grace", "Admin")
    assert entry.additional_data == {"reason": "a link that was mailed"}


def test_a_link_is_good_once(grace):
    link = link_of()
    use(link)
    assert "was used before" in text_of(use(link, "another horse 8 staple"))
    assert has_password(grace, NEW)


def test_a_link_is_good_for_an_hour(grace):
    link = link_of()
    PasswordLink.objects.update(sent_at=timezone.now() - timedelta(minutes=61))
    assert "too old" in text_of(use(link))
    assert has_password(grace, PASSWORD)


def test_the_last_link_is_the_one_that_is_good(grace):
    first = link_of()
    PasswordLink.objects.update(sent_at=timezone.now() - timedelta(minutes=6))
    second = link_of()
    assert use(first).status_code == 200
    assert use(second).status_code == 302


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"is_staff": False},
        {"user_block_time": timezone.now() + timedelta(days=1)},
        {"email": "other@desk.example"},
        {"email": None},
        {"password": "md5$x$y"},
    ],
)
def test_a_link_is_worth_nothing_once_the_account_is_another(grace, changes):
    link = link_of()
    User.objects.get_queryset().filter(pk=grace.pk).update(**changes)
    assert "is too old" in text_of(use(link))
    assert not has_password(grace, NEW)


def test_who_gets_no_mail_is_told_the_same(grace, cast: Cast):
    make_user(cast.provider, login="tenant", email="tenant@provider.example")
    make_colleague("reader", login="blocked", email="b@desk.example", user_block_time=timezone.now())
    make_colleague("reader", login="inactive", email="i@desk.example", is_active=False)
    make_colleague("reader", login="mailless")
    keyless = make_colleague("reader", login="keyless", email="k@desk.example")
    keyless.set_unusable_password()
    keyless.save()
    pages = {}
    for login in ("grace", "tenant", "blocked", "inactive", "mailless", "keyless", "unknown"):
        answer = ask(login)
        pages[login] = re.sub(r'(csrf\w+|value)="[^"]*"', "", answer.text)
        assert answer.status_code == 200
    assert len(set(pages.values())) == 1
    assert "a link is on its way" in pages["grace"]
    assert [message.to for message in mail.outbox] == [["grace@desk.example"]]


def test_a_name_costs_the_same_whether_it_is_known(grace):
    counts = set()
    Client().post(ASK, {"username": "the first one fills caches"})
    for login in ("grace", "unknown"):
        with CaptureQueriesContext(connection) as statements:
            Client().post(ASK, {"username": login})
        counts.add(len(statements))
    assert len(counts) == 1


def test_no_mailbox_is_flooded(grace):
    for _ in range(3):
        ask("grace")
    assert len(mail.outbox) == 1


def test_a_source_over_its_limit_gets_no_more(grace, settings):
    settings.LOGIN_LIMIT_PER_SOURCE = 1
    ask("grace")
    assert "too many attempts" in text_of(ask("unknown"))
    assert "too many attempts" in text_of(use("1.x"))
    assert Job.objects.count() == 1


def test_a_mail_server_that_is_away_is_tried_again(grace, monkeypatch):
    def refuse(*args: Any) -> None:
        raise SMTPException("away")

    with monkeypatch.context() as away:
        away.setattr("desk.forgotten.send_mail", refuse)
        ask("grace")
    assert Job.objects.get().problem == "The mail server did not take the message."
    assert not PasswordLink.objects.exists()
    assert link_of()  # at once


@pytest.mark.parametrize(
    ("password", "told"),
    [("short", "too short"), ("grace", "too short"), ("password", "too common"), (PASSWORD, "must differ")],
)
def test_the_rules_for_passwords_hold_and_the_link_stays_good(grace, password, told):
    link = link_of()
    assert told in text_of(use(link, password))
    assert has_password(grace, PASSWORD)
    assert use(link).status_code == 302


@pytest.mark.parametrize("link", ["", "x", "1", "1.", ".x", "9" * 30 + ".x", "\u0661.x", "a" * 101, "1.\0"])
def test_nonsense_is_no_link(grace, link):
    assert use(link).status_code == 200
    assert has_password(grace, PASSWORD)


def test_it_does_not_step_round_the_second_factor(grace):
    make_second_factor(grace)
    browser = Client()
    use(link_of(), browser=browser)
    answer = browser.post(LOGIN, {"username": "grace", "password": NEW})
    assert answer["Location"] == "/admin/second_factor/code/"
    assert browser.get("/admin/").status_code == 302


def test_neither_link_nor_mail_is_kept(grace):
    link = link_of()
    _, _, secret = link.partition(".")
    kept = [list(model.objects.values()) for model in (PasswordLink, Job, Entry)]
    assert secret not in str(kept)


@pytest.mark.parametrize("changes", [{"EMAIL_URL": ""}, {"ALLOWED_HOSTS": ["*"]}])
def test_without_mail_or_a_name_of_its_own_it_is_not_there(grace, settings, changes):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ASK not in Client().get(LOGIN).text
    for address in (ASK, NEW_PAGE):
        assert Client().get(address).status_code == 404
        assert Client().post(address, {"username": "grace"}).status_code == 404
    assert not Job.objects.exists()
