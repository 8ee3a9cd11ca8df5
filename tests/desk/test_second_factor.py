"""The second factor of staff: asked for at each login, added with a code, lost and taken away."""

import base64
import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import second_factors
from accounts.models import RecoveryCode, SecondFactor, User
from audit.models import Entry
from tests.conftest import PASSWORD, Api, Cast, make_operator, make_second_factor, make_user
from tests.desk.test_admin import text_of
from tests.desk.test_roles import DUE, due, make_colleague

LOGIN = "/admin/login/?next=/admin/find/"
CODE, ADD, OWN = "/admin/second_factor/code/", "/admin/second_factor/add/", "/admin/second_factor/"
USERS = "/admin/accounts/user/"
CODES = re.compile(r"<li><code>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</code>")


class Clock:
    """The clock of the sessions, of the service that checks codes, and of the app."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("desk.session.time", clock)
    monkeypatch.setattr("desk.second_factor.time", clock)
    monkeypatch.setattr("accounts.second_factors.time", clock)
    monkeypatch.setattr("accounts.second_factors.now", lambda: datetime.fromtimestamp(clock.now, UTC))
    return clock


@pytest.fixture
def required(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = "required"


def app(secret: bytes, at: float) -> str:
    """What an app shows at a moment."""
    return TOTP(secret, 6, SHA1(), 30).generate(at).decode()  # noqa: S303 - what all apps know


def wrong(secret: bytes, at: float) -> str:
    """A code that the app does not show then, nor shortly before or after."""
    shown = {app(secret, at + seconds) for seconds in range(-90, 91, 30)}
    return next(code for code in map("{:06}".format, range(10)) if code not in shown)


def give_password(user: User, browser: Client | None = None, address: str = LOGIN) -> Client:
    browser = browser or Client()
    answer = browser.post(address, {"username": user.login, "password": PASSWORD})
    assert answer.status_code == 302, text_of(answer)
    return browser


def give_code(browser: Client, code: str) -> Any:
    return browser.post(CODE, {"code": code})


def is_inside(browser: Client) -> bool:
    return browser.get("/admin/find/").status_code == 200


def secret_on(page: Any) -> bytes:
    """What a person types into the app instead of scanning."""
    (letters,) = re.findall(r'desk-secret">([A-Z2-7 ]+)<', page.text)
    return base64.b32decode(letters.replace(" ", ""))


# --- At login -------------------------------------------------------------------------------------------------


def test_staff_without_a_second_factor_log_in_as_before(db):
    browser = give_password(make_colleague("reader"))
    assert is_inside(browser)


def test_a_code_is_asked_for_before_there_is_a_session(db, clock):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    assert not is_inside(browser)
    assert "or one of your recovery codes" in browser.get(CODE).text
    answer = give_code(browser, app(secret, clock.now))
    assert answer["Location"] == "/admin/find/"
    assert is_inside(browser)


@pytest.mark.parametrize("typed", ["{} {}", " {}{} ", "{}-{}"])
def test_a_code_is_taken_as_people_type_it(db, clock, typed):
    user = make_colleague("reader")
    code = app(make_second_factor(user), clock.now)
    browser = give_password(user)
    give_code(browser, typed.format(code[:3], code[3:]))
    assert is_inside(browser)


@pytest.mark.parametrize(("seconds", "accepted"), [(-60, False), (-30, True), (30, True), (60, False)])
def test_the_clock_of_a_phone_may_be_half_a_minute_wrong(db, clock, seconds, accepted):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    give_code(browser, app(secret, clock.now + seconds))
    assert is_inside(browser) is accepted


def test_no_code_is_accepted_twice(db, clock):
    user = make_colleague("reader")
    code = app(make_second_factor(user), clock.now)
    give_code(give_password(user), code)
    second = give_password(user)
    assert "was used before" in text_of(give_code(second, code))
    assert not is_inside(second)
    # Nor one of an earlier moment, which another person may have seen.
    third = give_password(user)
    give_code(third, app(make_again(user), clock.now - 30))
    assert not is_inside(third)


def make_again(user: User) -> bytes:
    """The secret of the user's app."""
    return second_factors.decrypt(SecondFactor.objects.get(pk=user.pk).secret)


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "x", "\u0661\u0662\u0663\u0664\u0665\u0666", "9" * 41, "a\0b"]
)
def test_nonsense_is_no_code(db, code):
    user = make_colleague("reader")
    make_second_factor(user)
    browser = give_password(user)
    assert give_code(browser, code).status_code == 200
    assert not is_inside(browser)


def test_a_right_password_alone_sets_no_counter_to_zero(db, clock, settings):
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 4
    user = make_colleague("reader", fail_login_attempts=1)
    secret = make_second_factor(user)
    browser = give_password(user)
    assert "The code is wrong" in text_of(give_code(browser, wrong(secret, clock.now)))
    user.refresh_from_db()
    assert (user.fail_login_attempts, user.last_login_status) == (2, "Fail")
    entry = Entry.objects.latest("pk")
    assert (entry.event, entry.object_id) == ("LoginFailed", user.pk)
    assert entry.additional_data["reason"].startswith("The code is wrong")
    give_code(browser, app(secret, clock.now))
    user.refresh_from_db()
    assert (user.fail_login_attempts, user.last_login_status) == (0, "Success")


def test_wrong_codes_block_the_login(db, clock, settings):
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 2
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    for _ in range(2):
        give_code(browser, wrong(secret, clock.now))
    assert "too many wrong codes. Try again in 15 minutes" in text_of(give_code(browser, app(secret, clock.now)))
    user.refresh_from_db()
    assert user.blocked_since is not None
    refused = Client().post(LOGIN, {"username": user.login, "password": PASSWORD})
    assert "Login failed" in text_of(refused)


def test_a_login_at_the_api_does_not_give_new_tries(db, clock, settings):
    """The API asks for no code; each block lasts longer than the one before."""
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 3
    user = make_operator()
    secret = make_second_factor(user)
    browser = give_password(user)
    for _ in range(3):
        assert Api().post("/login", {"userName": user.login, "password": PASSWORD}).status_code == 200
        give_code(browser, wrong(secret, clock.now))
    assert Api().post("/login", {"userName": user.login, "password": PASSWORD}).status_code == 200
    assert "Try again in 15 minutes" in text_of(give_code(browser, app(secret, clock.now)))
    clock.now += 15 * 60
    User.objects.get_queryset().update(user_block_time=None, fail_login_attempts=0)
    give_password(user, browser)
    for _ in range(3):
        give_code(browser, wrong(secret, clock.now))
    assert "Try again in 30 minutes" in text_of(give_code(browser, wrong(secret, clock.now)))
    assert SecondFactor.objects.get().failures == 6  # guessing on does not prolong it
    call_command("unblock", user.login, stdout=io.StringIO())
    give_code(browser, app(secret, clock.now))
    assert is_inside(browser)


def test_codes_are_counted_by_the_limit_of_their_source(db, clock, settings):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    settings.LOGIN_LIMIT_PER_SOURCE = 2  # the password was the first
    give_code(browser, wrong(secret, clock.now))
    assert "too many attempts" in text_of(give_code(browser, app(secret, clock.now)))
    assert not is_inside(browser)


@pytest.mark.parametrize(
    "changes",
    [{"is_active": False}, {"is_staff": False}, {"password": "md5$x$y"}, {"force_change_password": True}],
)
def test_an_account_that_changes_between_the_steps_begins_again(db, clock, changes):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    User.objects.get_queryset().filter(pk=user.pk).update(**changes)
    answer = browser.post(CODE, {"code": app(secret, clock.now)}, follow=True)
    assert answer.redirect_chain == [("/admin/login/", 302)]
    assert "Log in again." in text_of(answer)
    assert not is_inside(browser)


def test_a_user_who_is_blocked_between_the_steps_stays_outside(db, clock):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    User.objects.get_queryset().update(user_block_time=timezone.now(), fail_login_attempts=10**6)
    assert "Login failed" in text_of(give_code(browser, app(secret, clock.now)))
    assert not is_inside(browser)


def test_the_second_step_does_not_wait_for_ever(db, clock):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    clock.now += 10 * 60 + 1
    assert give_code(browser, app(secret, clock.now))["Location"] == "/admin/login/"
    assert not is_inside(browser)


def test_without_a_password_there_is_no_second_step(db):
    for address in (CODE, ADD):
        assert Client().get(address)["Location"] == "/admin/login/"
        assert Client().post(address, {"code": "123456"})["Location"] == "/admin/login/"


def test_the_session_begins_when_the_code_was_right(db, clock):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    clock.now += 9 * 60
    give_code(browser, app(secret, clock.now))
    clock.now += 30 * 60
    assert is_inside(browser)
    clock.now += 30 * 60 + 1
    assert not is_inside(browser)


def test_a_password_that_is_due_does_not_step_round_it(db, clock):
    user = make_colleague("reader", force_change_password=True)
    secret = make_second_factor(user)
    browser = Client()
    assert browser.post(DUE, due(user))["Location"] == CODE
    assert not is_inside(browser)
    give_code(browser, app(secret, clock.now))
    assert is_inside(browser)


def test_a_pending_login_ends_the_session_of_who_was_there_before(db):
    browser = give_password(make_colleague("lead"))
    user = make_colleague("reader")
    make_second_factor(user)
    give_password(user, browser)
    assert not is_inside(browser)


# --- Recovery codes -------------------------------------------------------------------------------------------


def test_a_recovery_code_lets_in_once(db, clock):
    user = make_colleague("reader")
    codes = codes_of(add_one(user, clock))
    browser = give_password(user)
    page = browser.post(CODE, {"code": codes[0].lower().replace("-", " ")}, follow=True)
    assert "Recovery codes left: 9." in text_of(page)
    entry = Entry.objects.filter(object_id=user.pk, event="Changed").latest("pk")
    assert (entry.changes, entry.actor_login) == ({"recovery_codes": [10, 9]}, user.login)
    again = give_password(user)
    assert "was used before" in text_of(give_code(again, codes[0]))
    assert not is_inside(again)


def add_one(user: User, clock: Clock, browser: Client | None = None) -> Any:
    """The page that follows when a member of staff who is logged in adds a second factor."""
    browser = browser or give_password(user)
    secret = secret_on(browser.get(ADD))
    return browser.post(ADD, {"password": PASSWORD, "code": app(secret, clock.now)})


def codes_of(page: Any) -> list[str]:
    codes = CODES.findall(page.text)
    assert len(set(codes)) == 10
    return codes


def test_nothing_that_opens_is_kept_in_the_clear(db, clock):
    user = make_colleague("reader")
    browser = give_password(user)
    secret = secret_on(browser.get(ADD))
    letters = base64.b32encode(secret).decode()
    unfinished = [session.get_decoded() for session in Session.objects.all()]
    codes = codes_of(browser.post(ADD, {"password": PASSWORD, "code": app(secret, clock.now)}))
    kept: list[Any] = [unfinished, *(session.get_decoded() for session in Session.objects.all())]
    kept += [list(RecoveryCode.objects.values()), list(Entry.objects.values()), user.__dict__]
    kept += [bytes(SecondFactor.objects.get().secret)]
    for shown in (letters, secret, *codes, *(code.replace("-", "") for code in codes)):
        assert str(shown) not in str(kept)


def test_new_recovery_codes_end_the_earlier_ones(db, clock):
    user = make_colleague("reader")
    browser = give_password(user)
    earlier = codes_of(add_one(user, clock, browser))
    assert browser.post(OWN, {"do": "codes", "code": "123456"}).status_code == 200
    assert RecoveryCode.objects.count() == 10
    codes = codes_of(browser.post(OWN, {"do": "codes", "code": earlier[0]}))
    assert not set(codes) & set(earlier)
    assert "Recovery codes left: 10" in text_of(browser.get(OWN))
    outside = give_password(user)
    give_code(outside, earlier[1])
    assert not is_inside(outside)
    give_code(outside, codes[1])
    assert is_inside(outside)


# --- Adding one -----------------------------------------------------------------------------------------------


def test_adding_one_takes_the_password_and_a_code_of_the_app(db, clock):
    user = make_colleague("reader")
    browser = give_password(user)
    page = browser.get(ADD)
    secret = secret_on(page)
    assert 'src="data:image/svg+xml' in page.text
    assert secret_on(browser.get(ADD)) == secret  # loaded again, it fits what the app has
    right = app(secret, clock.now)
    for sent, told in (
        ({"password": "wrong", "code": right}, "Login failed"),
        ({"password": PASSWORD, "code": wrong(secret, clock.now)}, "not the code that the app shows"),
        ({"password": PASSWORD}, "This field is required."),
    ):
        assert told in text_of(browser.post(ADD, sent))
    assert not SecondFactor.objects.exists()
    codes_of(browser.post(ADD, {"password": PASSWORD, "code": right}))
    entry = Entry.objects.filter(object_id=user.pk).latest("pk")
    assert (entry.event, entry.changes) == ("Changed", {"second_factor": [False, True]})
    assert is_inside(browser)
    assert browser.get(ADD)["Location"] == OWN
    # The code that added it is used up, too.
    outside = give_password(user)
    give_code(outside, right)
    assert not is_inside(outside)


def test_adding_one_ends_the_other_sessions_and_no_tokens(db, clock):
    user = make_operator()
    elsewhere, browser = give_password(user), give_password(user)
    api = Api(user)
    add_one(user, clock, browser)
    assert (is_inside(browser), is_inside(elsewhere)) == (True, False)
    assert api.get("/groups").status_code == 204


def test_where_all_must_have_one_it_comes_before_any_other_page(db, clock, required):
    user = make_colleague("reader")
    browser = give_password(user)
    for address in ("/admin/", "/admin/find/", "/admin/devices/device/", OWN):
        assert browser.get(address)["Location"].startswith("/admin/login/")
    page = browser.get(ADD)
    assert "All staff need a second factor here" in page.text
    assert "Your password" not in page.text
    codes = browser.post(ADD, {"code": app(secret_on(page), clock.now)})
    codes_of(codes)
    assert 'href="/admin/find/"' in codes.text
    assert is_inside(browser)
    entry = Entry.objects.filter(object_id=user.pk, event="Changed").latest("pk")
    assert entry.actor_login == user.login


def test_a_session_from_before_is_not_enough_where_all_must_have_one(db, settings):
    browser = give_password(make_colleague("reader"))
    settings.STAFF_SECOND_FACTOR = "required"
    assert browser.get("/admin/find/")["Location"] == "/admin/login/?next=/admin/find/"
    assert browser.get("/admin/login/").status_code == 200


def test_a_pending_login_adds_none_where_there_is_one(db, clock, required):
    """A thief of the password does not replace the factor that its owner added meanwhile."""
    user = make_colleague("reader")
    thief = give_password(user)
    secret = secret_on(thief.get(ADD))
    make_second_factor(user)
    assert thief.post(ADD, {"code": app(secret, clock.now)})["Location"] == "/admin/login/"
    assert not is_inside(thief)


# --- Taking one away ------------------------------------------------------------------------------------------


def test_ones_own_is_switched_off_with_a_code(db, clock):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    give_code(browser, app(secret, clock.now))
    assert "Switch off" in browser.get(OWN).text
    assert browser.post(OWN, {"do": "off", "code": "123"}).status_code == 200
    assert SecondFactor.objects.exists()
    assert browser.post(OWN, {"do": "off", "code": app(secret, clock.now + 30)}).status_code == 302
    assert not SecondFactor.objects.exists()
    assert is_inside(browser)
    entry = Entry.objects.filter(object_id=user.pk, event="Changed").latest("pk")
    assert entry.changes == {"second_factor": [True, False]}


def test_where_all_must_have_one_it_is_not_switched_off(db, clock, required):
    user = make_colleague("reader")
    secret = make_second_factor(user)
    browser = give_password(user)
    give_code(browser, app(secret, clock.now))
    assert "Switch off" not in browser.get(OWN).text
    assert browser.post(OWN, {"do": "off", "code": app(secret, clock.now + 30)}).status_code == 200
    assert SecondFactor.objects.exists()


def test_a_colleague_takes_it_away(cast: Cast, clock):
    lead, agent, boss = make_colleague("lead"), make_colleague("agent"), make_operator()
    secrets = {user: make_second_factor(user) for user in (lead, agent, boss)}
    theirs = give_password(agent)
    give_code(theirs, app(secrets[agent], clock.now))
    browser = give_password(lead)
    give_code(browser, app(secrets[lead], clock.now))
    offer = 'value="reset_second_factor"'
    assert offer in browser.get(f"{USERS}{agent.pk}/change/").text
    assert 'value="force_password_change"' not in browser.get(f"{USERS}{agent.pk}/change/").text
    for user in (lead, boss, make_user(cast.provider)):
        assert offer not in browser.get(f"{USERS}{user.pk}/change/").text
    sent = {"action": "reset_second_factor", "_selected_action": [lead.pk, agent.pk, boss.pk]}
    told = text_of(browser.post(USERS, sent, follow=True))
    assert "2 left alone: your own takes a code, and those of platform operators take one of them." in told
    assert "Second factors taken away: 1." in told
    assert set(SecondFactor.objects.values_list("user", flat=True)) == {lead.pk, boss.pk}
    assert not is_inside(theirs)
    entry = Entry.objects.filter(object_id=agent.pk, event="Changed").latest("pk")
    assert (entry.changes, entry.actor_login) == ({"second_factor": [True, False]}, lead.login)
    assert "second factor on → off" in text_of(browser.get(f"{USERS}{agent.pk}/history/"))


def test_the_page_and_the_list_of_users_tell_who_has_one(db, clock):
    user = make_colleague("reader", login="grace")
    make_colleague("reader", login="linus")
    codes_of(add_one(user, clock))
    browser = give_password(make_operator())
    assert "recovery codes left: 10" in text_of(browser.get(f"{USERS}{user.pk}/change/"))
    for wanted, logins in (("yes", {"grace"}), ("no", {"linus"})):
        rows = browser.get(USERS, {"second_factor": wanted}).context["cl"].result_list
        assert {row.login for row in rows if not row.is_superuser} == logins


def test_the_command_for_an_operator_who_has_lost_all(db, clock):
    user = make_operator(login="Root")
    secret = make_second_factor(user)
    browser = give_password(user)
    give_code(browser, app(secret, clock.now))
    out = io.StringIO()
    call_command("reset_second_factor", "root", stdout=out)
    call_command("reset_second_factor", "root", stdout=out)
    assert out.getvalue() == (
        "Root has no second factor any more, and logs in by password.\nRoot has no second factor.\n"
    )
    assert not is_inside(browser)
    assert is_inside(give_password(user))
    entry = Entry.objects.filter(object_id=user.pk, event="Changed").latest("pk")
    assert entry.actor_login == "manage.py reset_second_factor"
    with pytest.raises(CommandError, match="no user with the login nobody"):
        call_command("reset_second_factor", "nobody")


def test_a_key_that_is_not_known_any_more_leaves_the_recovery_codes(db, clock, settings, caplog):
    user = make_colleague("reader")
    codes = codes_of(add_one(user, clock))
    secret = make_again(user)
    settings.SECRET_KEY = "another key of at least 32 characters"
    browser = give_password(user)
    clock.now += 60
    told = text_of(give_code(browser, app(secret, clock.now)))
    assert "cannot check codes now. Tell the platform operator" in told
    assert "SECOND_FACTOR_KEYS" in caplog.text
    give_code(browser, codes[0])
    assert is_inside(browser)


def test_of_several_keys_each_decrypts(db, clock, settings):
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    settings.SECOND_FACTOR_KEYS = [first]
    user = make_colleague("reader")
    secret = make_second_factor(user)
    settings.SECOND_FACTOR_KEYS = [second, first]
    browser = give_password(user)
    give_code(browser, app(secret, clock.now))
    assert is_inside(browser)
