"""Staff log in by an OpenID provider: a real one, in this process, that lies where a test wants it."""

import base64
import hashlib
import io
import json
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import StaffIdentity, User
from audit.models import Entry
from tests.conftest import Cast, make_second_factor, make_user
from tests.desk.test_admin import text_of
from tests.desk.test_roles import make_colleague

# The provider stands on names that its own libraries call old.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ISSUER = "https://login.example"
START, BACK = "/admin/single_sign_on/", "/admin/single_sign_on/back/"
SUBJECT = "f81d4fae"


class Provider(httpx.BaseTransport):
    """oidc-provider-mock, asked without a network. `lies` change the claims of its tokens, signed by `key`."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.inner = httpx.WSGITransport(app=app)
        self.asked: list[httpx.Request] = []
        self.away = False
        self.lies: dict[str, Any] | None = None
        self.key = self.published = ec.generate_private_key(ec.SECP256R1())
        self.change: Callable[[str, dict[str, Any]], None] = lambda path, body: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.away:
            raise httpx.ConnectError("away")
        answer = self.inner.handle_request(request)
        answer.read()
        if answer.status_code != 200:
            return answer
        body = answer.json()
        if "keys" in body and self.lies is not None:
            known = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.published.public_key()))
            body["keys"].append({**known, "kid": "ours", "alg": "ES256"})
        if "id_token" in body and self.lies is not None:
            claims = jwt.decode(body["id_token"], options={"verify_signature": False})
            claims = {name: value for name, value in {**claims, **self.lies}.items() if value is not None}
            body["id_token"] = jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": "ours"})
        self.change(request.url.path, body)
        return httpx.Response(200, json=body)

    def log_in(self, address: str, subject: str = SUBJECT, **more: str) -> str:
        """What the person does there: where the browser is sent back to."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}" == ISSUER
        path = f"{parts.path}?{parts.query}"
        answer = self.app.test_client().post(path, base_url=ISSUER, data={"sub": subject, **more})
        back = urlsplit(answer.headers["Location"])
        assert back.path == BACK
        query = parse_qs(back.query)
        if "error" in query:  # the provider forgets it then, against RFC 6749, section 4.1.2.1
            query.setdefault("state", parse_qs(parts.query)["state"])
        return f"{back.path}?{urlencode(query, doseq=True)}"


@pytest.fixture
def provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Provider:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock as mock

    claims: dict[str, object] = {"email": "grace@desk.example", "email_verified": True}
    provider = Provider(mock.app(require_nonce=True, user_claims=[mock.User(sub=SUBJECT, claims=claims)]))
    monkeypatch.setattr("accounts.oidc.make_client", lambda: httpx.Client(transport=provider))
    settings.OIDC_ISSUER, settings.OIDC_NAME = ISSUER, "Acme login"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "redirect", "s3cret/+ %"
    return provider


@pytest.fixture
def grace(db: None) -> User:
    """A member of staff, bound to a subject of the provider."""
    user = make_colleague("reader", login="grace", email="grace@desk.example")
    StaffIdentity.objects.create(user=user, issuer=ISSUER, subject=SUBJECT)
    return user


def go(provider: Provider, browser: Client, start: str = START, **more: str) -> Any:
    """There and back again."""
    return browser.get(provider.log_in(browser.get(start)["Location"], **more))


def is_inside(browser: Client) -> bool:
    return browser.get("/admin/find/").status_code == 200


def test_staff_are_let_in(provider, grace):
    browser = Client()
    assert "Log in with Acme login" in text_of(browser.get("/admin/login/"))
    answer = go(provider, browser, f"{START}?next=/admin/find/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/find/")
    assert is_inside(browser)
    grace.refresh_from_db()
    assert grace.last_login_status == "Success"


def test_the_limits_of_a_session_hold(provider, grace, monkeypatch):
    browser = Client()
    go(provider, browser)
    monkeypatch.setattr("desk.session.time", lambda: time.time() + 31 * 60)
    assert not is_inside(browser)


def test_what_is_sent_keeps_the_code_to_this_browser(provider, grace):
    browser = Client()
    asked = parse_qs(urlsplit(browser.get(START)["Location"]).query)
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert asked["redirect_uri"] == [f"http://testserver{BACK}"]
    again = parse_qs(urlsplit(browser.get(START)["Location"]).query)
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43
        assert asked[name] != again[name]
    address = browser.get(START)["Location"]
    browser.get(provider.log_in(address))
    (exchange,) = [request for request in provider.asked if request.method == "POST"]
    sent = parse_qs(exchange.content.decode())
    digest = hashlib.sha256(sent["code_verifier"][0].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert parse_qs(urlsplit(address).query)["code_challenge"] == [challenge]
    pair = base64.b64decode(exchange.headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == "redirect:s3cret%2F%2B%20%25"


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(provider, grace, goal):
    assert go(provider, Client(), f"{START}?next={goal}")["Location"] == "/admin/"


def test_the_second_factor_is_asked_for_as_ever(provider, grace, settings):
    make_second_factor(grace)
    browser = Client()
    assert go(provider, browser)["Location"] == "/admin/second_factor/code/"
    assert not is_inside(browser)
    settings.OIDC_SECOND_FACTOR_TRUSTED = True
    settings.STAFF_SECOND_FACTOR = "required"
    assert go(provider, browser)["Location"] == "/admin/"
    assert is_inside(browser)


def test_where_all_must_have_a_second_factor_a_provider_is_none(provider, grace, settings):
    settings.STAFF_SECOND_FACTOR = "required"
    browser = Client()
    assert go(provider, browser)["Location"] == "/admin/second_factor/add/"
    assert not is_inside(browser)


@pytest.mark.parametrize(
    "changes", [{"is_active": False}, {"is_staff": False}, {"user_block_time": timezone.now() + timedelta(days=1)}]
)
def test_who_is_not_let_in_by_password_is_not_by_a_provider(provider, grace, changes):
    User.objects.get_queryset().filter(pk=grace.pk).update(**changes)
    browser = Client()
    assert go(provider, browser).status_code == 403
    assert not is_inside(browser)
    assert Entry.objects.latest("pk").event == "LoginFailed"


def test_a_subject_without_an_account_gets_none(provider, db):
    browser = Client()
    answer = go(provider, browser, subject="stranger")
    assert answer.status_code == 403
    assert "No account of support staff here is yours." in text_of(answer)
    assert (User.objects.get_queryset().count(), StaffIdentity.objects.count()) == (0, 0)


def test_an_address_binds_only_where_a_setting_says_so(provider, db, settings):
    user = make_colleague("reader", email="Grace@desk.example")
    assert go(provider, Client()).status_code == 403
    settings.OIDC_BIND_BY_EMAIL = True
    browser = Client()
    assert go(provider, browser).status_code == 302
    assert is_inside(browser)
    entry = Entry.objects.filter(object_id=user.pk, event="Changed").latest("pk")
    assert entry.changes == {"single_sign_on": [False, True]}
    # From now on the subject counts, whatever its address is.
    User.objects.get_queryset().filter(pk=user.pk).update(email="other@desk.example")
    assert go(provider, Client()).status_code == 302


@pytest.mark.parametrize("lies", [{"email_verified": False}, {"email_verified": "true"}, {"email": ""}])
def test_an_address_that_is_not_verified_binds_nobody(provider, db, settings, lies):
    settings.OIDC_BIND_BY_EMAIL = True
    make_colleague("reader", email="grace@desk.example")
    provider.lies = lies
    assert go(provider, Client()).status_code == 403
    assert not StaffIdentity.objects.exists()


def test_an_address_of_two_of_a_tenant_or_of_one_who_is_bound_binds_nobody(provider, cast: Cast, settings):
    settings.OIDC_BIND_BY_EMAIL = True
    make_user(cast.provider, email="grace@desk.example")
    assert go(provider, Client()).status_code == 403
    first = make_colleague("reader", email="grace@desk.example")
    second = make_colleague("reader", email="GRACE@desk.example")
    assert go(provider, Client()).status_code == 403
    second.delete()
    StaffIdentity.objects.create(user=first, issuer=ISSUER, subject="another")
    assert go(provider, Client()).status_code == 403


def test_an_address_is_asked_for_where_the_token_has_none(provider, db, settings):
    settings.OIDC_BIND_BY_EMAIL = True
    make_colleague("reader", email="grace@desk.example")
    provider.lies = {"email": None, "email_verified": None}
    assert go(provider, Client()).status_code == 302


@pytest.mark.parametrize(
    "lies",
    [
        {"aud": "another"},
        {"aud": ["redirect", "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": int(time.time()) + 86_400},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(provider, grace, lies):
    provider.lies = {}
    assert go(provider, Client()).status_code == 302  # the liar's key is good
    provider.lies = lies
    browser = Client()
    assert go(provider, browser).status_code == 503
    assert not is_inside(browser)


def test_a_token_that_another_key_signed_is_refused(provider, grace):
    provider.lies = {}
    provider.key = ec.generate_private_key(ec.SECP256R1())
    browser = Client()
    assert go(provider, browser).status_code == 503
    assert not is_inside(browser)


@pytest.mark.parametrize("token", ["", "x.y.z", jwt.encode({"sub": SUBJECT}, "x" * 64, algorithm="HS256")])
def test_what_is_no_signed_token_is_refused(provider, grace, token):
    provider.change = lambda path, body: body.update(id_token=token) if "id_token" in body else None
    assert go(provider, Client()).status_code == 503


def test_a_way_back_is_good_once_and_in_its_own_browser(provider, grace):
    browser, other = Client(), Client()
    back = provider.log_in(browser.get(START)["Location"])
    assert other.get(back).status_code == 403
    other.get(START)
    refused = other.get(back)
    assert (refused.status_code, "not begun in this browser" in text_of(refused)) == (403, True)
    assert browser.get(back).status_code == 302
    assert browser.get(back).status_code == 403


def test_a_way_back_does_not_wait_for_ever(provider, grace, monkeypatch):
    browser = Client()
    back = provider.log_in(browser.get(START)["Location"])
    later = time.time() + 11 * 60
    monkeypatch.setattr("desk.single_sign_on.time", lambda: later)
    assert "took too long" in text_of(browser.get(back))


def test_who_is_denied_there_is_told_here(provider, grace):
    browser = Client()
    answer = go(provider, browser, action="deny")
    assert (answer.status_code, "did not log you in" in text_of(answer)) == (403, True)


def test_a_provider_that_is_away_is_told(provider, grace, caplog):
    browser = Client()
    back = provider.log_in(browser.get(START)["Location"])
    provider.away = True
    for address in (START, back):
        answer = browser.get(address)
        assert answer.status_code == 503
        assert "Acme login does not answer as it should." in text_of(answer)
        assert "or log in with a password" in text_of(answer)
    assert "ConnectError: away" in caplog.text
    assert not is_inside(browser)


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://login.example/x"},
        {"token_endpoint": None},
        {"jwks_uri": 1},
    ],
)
def test_a_configuration_that_is_not_the_providers_is_refused(provider, grace, lie):
    provider.change = lambda path, body: body.update(lie) if "issuer" in body else None
    assert Client().get(START).status_code == 503


def test_a_source_over_its_limit_is_not_sent_on(provider, grace, settings):
    settings.LOGIN_LIMIT_PER_SOURCE = 1
    browser = Client()
    address = browser.get(START)["Location"]
    assert "too many attempts" in text_of(browser.get(START))
    assert "too many attempts" in text_of(browser.get(provider.log_in(address)))
    assert not is_inside(browser)


def test_the_command_binds_and_unbinds(provider, db):
    user, other = make_colleague("reader", login="linus"), make_colleague("reader", login="grace")
    out = io.StringIO()
    call_command("staff_identity", "LINUS", SUBJECT, stdout=out)
    assert go(provider, Client()).status_code == 302
    with pytest.raises(CommandError, match="Another user is this subject"):
        call_command("staff_identity", "grace", SUBJECT)
    assert not StaffIdentity.objects.filter(user=other).exists()
    call_command("staff_identity", "linus", "--remove", stdout=out)
    assert go(provider, Client()).status_code == 403
    assert out.getvalue() == f"linus is {SUBJECT} of {ISSUER}.\nlinus is no subject of a provider.\n"
    entries = Entry.objects.filter(object_id=user.pk, event="Changed").order_by("pk")
    bound = [entry.changes["single_sign_on"] for entry in entries if "single_sign_on" in entry.changes]
    assert bound == [[False, True], [True, False]]
    with pytest.raises(CommandError, match="no member of staff with the login nobody"):
        call_command("staff_identity", "nobody", SUBJECT)


def test_without_a_provider_it_is_not_there(db):
    assert START not in Client().get("/admin/login/").text
    for address in (START, BACK):
        assert Client().get(address).status_code == 404
        assert Client().post(address).status_code in (404, 405)
