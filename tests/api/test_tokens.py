"""Tokens: which are accepted, how they are renewed, and what ends them. Contract section 4; RFC 6750, RFC 8725."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from accounts.models import TokenFamily, User
from accounts.sessions import end_tokens
from api import tokens
from tests.conftest import PASSWORD, Api, Cast, make_operator, make_user

NEW = "another horse 8 staple"
KEY = django_settings.JWT_SIGNING_KEY


@pytest.fixture
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="ada")


def log_in(password: str = PASSWORD) -> dict[str, Any]:
    answer = Api().post("/login", {"userName": "ada", "password": password})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def ask(authorization: str) -> Any:
    """GET /users/me with this header."""
    api = Api()
    api.headers["Authorization"] = authorization
    return api.get("/users/me")


def refresh(token: Any) -> Any:
    return Api().post("/refresh", {"refresh_token": token})


def refused(answer: Any) -> bool:
    """As every 401 of a protected address: JSON, and the scheme to use."""
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert set(answer.json()) == {"description"}
    return True


# --- The header -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEARER ", "Bearer   ", " Bearer "])
def test_the_scheme_is_accepted_in_any_case(ada: User, scheme: str) -> None:
    assert ask(scheme + log_in()["access_token"]).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "Basic {}",
        "Token {}",
        "JWT {}",
        "Bearer",
        "Bearer ",
        "Bearer:{}",
        "Bearer{}",
        "Bearer {} {}",
        "Bearer, Bearer {}",
        "Bearer\x00 {}",
        "Bearer {}\x00",
        "Bearer Bearer {}",
        'Bearer "{}"',
        "Bearer {}é€",
    ],
)
def test_no_other_header_is_accepted(ada: User, header: str) -> None:
    assert refused(ask(header.replace("{}", log_in()["access_token"])))


def test_the_token_belongs_in_the_header_alone(ada: User) -> None:
    """Neither in the address, where logs would keep it, nor in a cookie."""
    token = log_in()["access_token"]
    client = Client()
    client.cookies["access_token"] = token
    assert refused(client.get("/api/v1/users/me", {"access_token": token}))


def test_a_session_of_the_admin_opens_no_api(cast: Cast) -> None:
    client = Client()
    client.force_login(make_operator())
    assert refused(client.get("/api/v1/users/me"))


@pytest.mark.parametrize("kind", ["refresh_token", "id_token"])
def test_only_an_access_token_opens_the_api(ada: User, kind: str) -> None:
    assert refused(ask("Bearer " + log_in()[kind]))


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_only_a_refresh_token_renews(ada: User, kind: str) -> None:
    """The login goes on, since none of its refresh tokens was spent twice."""
    opened = log_in()
    assert refused(refresh(opened[kind]))
    assert refresh(opened["refresh_token"]).status_code == 200


# --- Forged tokens --------------------------------------------------------------------------------------------


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def with_header(token: str, header: Any) -> str:
    """The token with another header, as bytes or as an object; its signature stays."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return ".".join([encoded(raw), *token.split(".")[1:]])


def resigned(token: str, *, key: Any = KEY, algorithm: str = "HS256", header: Any = None, **claims: Any) -> str:
    """The token with other claims (None: without the claim), signed anew."""
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    # PyJWT's encoder checks what it signs, and this must sign what should not be signed.
    head = encoded(json.dumps({"alg": algorithm, "typ": "JWT"} | (header or {})).encode())
    body = encoded(json.dumps(payload).encode())
    signer = jwt.get_algorithm_by_name(algorithm)
    signature = signer.sign(f"{head}.{body}".encode(), signer.prepare_key(key))
    return f"{head}.{body}.{encoded(signature)}"


def now() -> int:
    return int(timezone.now().timestamp())


def payload_of(token: str) -> str:
    return token.split(".")[1]


FORGED: dict[str, Callable[[str], str]] = {
    # The algorithm
    "alg none": lambda t: with_header(t, {"alg": "none", "typ": "JWT"}).rpartition(".")[0] + ".",
    "alg None": lambda t: with_header(t, {"alg": "None"}).rpartition(".")[0] + ".",
    "alg nOnE, signature kept": lambda t: with_header(t, {"alg": "nOnE"}),
    "alg empty": lambda t: with_header(t, {"alg": ""}),
    "alg missing": lambda t: with_header(t, {"typ": "JWT"}),
    "alg a list": lambda t: with_header(t, {"alg": ["HS256"]}),
    "alg an object": lambda t: with_header(t, {"alg": {"HS256": True}}),
    "alg a number": lambda t: with_header(t, {"alg": 256}),
    "alg null": lambda t: with_header(t, {"alg": None}),
    "HS384 with the right key": lambda t: resigned(t, algorithm="HS384"),
    "HS512 with the right key": lambda t: resigned(t, algorithm="HS512"),
    "RS256 said, HMAC made": lambda t: with_header(t, {"alg": "RS256"}),
    # The key
    "another key": lambda t: resigned(t, key="k" * 48),
    "the key of the sessions": lambda t: resigned(t, key=django_settings.SECRET_KEY),
    "no key": lambda t: resigned(t, key="\x00"),
    "a key in the header": lambda t: resigned(t, key="k" * 48, header={"jwk": {"kty": "oct", "k": "a2tr"}}),
    "a key by address": lambda t: resigned(t, key="k" * 48, header={"jku": "http://127.0.0.1:9/keys"}),
    "a certificate by address": lambda t: resigned(t, key="k" * 48, header={"x5u": "http://127.0.0.1:9/"}),
    "kid as a path": lambda t: resigned(t, key=b"\x00", header={"kid": "../../../../dev/null"}),
    "kid as SQL": lambda t: resigned(t, key="x", header={"kid": "' UNION SELECT 'x' --"}),
    "kid a list": lambda t: with_header(t, {"alg": "HS256", "kid": ["a"]}),
    "crit unknown": lambda t: resigned(t, header={"crit": ["exp2"], "exp2": 1}),
    "crit no list": lambda t: resigned(t, header={"crit": "exp"}),
    "crit empty": lambda t: resigned(t, header={"crit": []}),
    "payload not encoded": lambda t: resigned(t, header={"b64": False, "crit": ["b64"]}),
    # The claims, signed with the right key: what would pass if one check was left out
    "exp missing": lambda t: resigned(t, exp=None),
    "expired": lambda t: resigned(t, exp=now() - 35),
    "exp zero": lambda t: resigned(t, exp=0),
    "exp negative": lambda t: resigned(t, exp=-(10**18)),
    "exp a word": lambda t: resigned(t, exp="tomorrow"),
    "exp a list": lambda t: resigned(t, exp=[now() + 60]),
    "exp beyond all calendars": lambda t: resigned(t, exp=10**18),
    "exp infinite": lambda t: resigned(t, exp=float("inf")),
    "exp not a number": lambda t: resigned(t, exp=float("nan")),
    "iat in the future": lambda t: resigned(t, iat=now() + 3600),
    "iat a word": lambda t: resigned(t, iat="yesterday"),
    "not before later": lambda t: resigned(t, nbf=now() + 3600),
    "iss missing": lambda t: resigned(t, iss=None),
    "iss another": lambda t: resigned(t, iss="another-service"),
    "iss a list": lambda t: resigned(t, iss=["phone-redirect-service"]),
    "aud missing": lambda t: resigned(t, aud=None),
    "aud another": lambda t: resigned(t, aud="another-service"),
    "aud a number": lambda t: resigned(t, aud=7),
    "jti missing": lambda t: resigned(t, jti=None),
    "type missing": lambda t: resigned(t, token_type=None),
    "type unknown": lambda t: resigned(t, token_type="sliding"),
    "type a list": lambda t: resigned(t, token_type=["access"]),
    "sub missing": lambda t: resigned(t, sub=None),
    "sub of somebody else": lambda t: resigned(t, sub="999999"),
    "sub a number": lambda t: resigned(t, sub=1),
    "sub a word": lambda t: resigned(t, sub="ada"),
    "family missing": lambda t: resigned(t, family=None),
    "family unknown": lambda t: resigned(t, family="00000000-0000-0000-0000-000000000000"),
    "family no UUID": lambda t: resigned(t, family="1 OR 1=1"),
    "family a number": lambda t: resigned(t, family=1),
    "family a list": lambda t: resigned(t, family=[]),
    "family an object": lambda t: resigned(t, family={"pk": 1}),
    # The form
    "truncated": lambda t: t[:-10],
    "signature missing": lambda t: t.rpartition(".")[0],
    "signature empty": lambda t: t.rpartition(".")[0] + ".",
    "signature of a neighbour": lambda t: t[:-8] + ("AAAAAAAA" if t[-8:] != "AAAAAAAA" else "BBBBBBBB"),
    "payload changed": lambda t: t.replace(payload_of(t), encoded(b'{"sub":"1","token_type":"access"}')),
    "payload no object": lambda t: t.replace(payload_of(t), encoded(b"[1]")),
    "header no object": lambda t: with_header(t, b"[]"),
    "header no JSON": lambda t: with_header(t, b"{"),
    "header no text": lambda t: with_header(t, b"\xff\xfe"),
    "header very deep": lambda t: with_header(t, b"[" * 5000),
    "header a very long number": lambda t: with_header(t, b"1" * 5000),
    "header with a NUL": lambda t: with_header(t, {"alg": "HS256\x00"}),
    "five parts": lambda t: t + ".a.b",
    "one word": lambda t: "token",
    "dots": lambda t: "..",
    "not base64": lambda t: "!!!.???.***",
    "not ASCII": lambda t: t[:20] + "é" + t[20:],
    "not even Latin": lambda t: t[:20] + "ж" + t[20:],
    "a megabyte": lambda t: t + "A" * 1_000_000,
    "a megabyte of header": lambda t: with_header(t, {"alg": "HS256", "x": "A" * 1_000_000}),
}


@pytest.fixture(params=FORGED.values(), ids=list(FORGED))
def forge(request: pytest.FixtureRequest) -> Callable[[str], str]:
    forge: Callable[[str], str] = request.param
    return forge


def test_no_forged_token_opens_the_api(ada: User, forge: Callable[[str], str]) -> None:
    assert refused(ask("Bearer " + forge(tokens.open_family(ada)["access_token"])))


def test_no_forged_token_renews(ada: User, forge: Callable[[str], str]) -> None:
    """One that is too long for any token is refused before it is read."""
    token = forge(tokens.open_family(ada)["refresh_token"])
    answer = refresh(token)
    if len(token) > 4000:
        assert answer.status_code in (400, 413)
    else:
        assert refused(answer)
    assert TokenFamily.objects.filter(user=ada).count() == 1


def test_a_token_that_only_was_signed_anew_is_accepted(ada: User) -> None:
    """So the refusals above are for what each forgery changes, and not for the way that it is made."""
    opened = tokens.open_family(ada)
    assert ask("Bearer " + resigned(opened["access_token"])).status_code == 200
    assert ask("Bearer " + resigned(opened["access_token"], header={"kid": "any"})).status_code == 200
    assert refresh(resigned(opened["refresh_token"])).status_code == 200


@pytest.mark.parametrize("token", [None, 5, "", [], {}, "token\x00"])
def test_a_refresh_token_of_another_type_is_400(db: None, token: Any) -> None:
    assert refresh(token).status_code == 400


# --- Renewing -------------------------------------------------------------------------------------------------


def test_refreshing_answers_like_a_login(ada: User) -> None:
    opened = log_in()
    answer = refresh(opened["refresh_token"])
    assert answer.status_code == 200
    renewed = answer.json()
    secret = {"access_token", "refresh_token", "id_token"}
    assert {name: value for name, value in renewed.items() if name not in secret} == {
        name: value for name, value in opened.items() if name not in secret
    }
    assert all(renewed[name] != opened[name] for name in secret)
    assert ask("Bearer " + renewed["access_token"]).status_code == 200


def test_the_refresh_token_rotates(ada: User) -> None:
    """The old access token lives on until it expires; the new refresh token renews again, many times."""
    first = log_in()
    token = first["refresh_token"]
    for _ in range(5):
        token = refresh(token).json()["refresh_token"]
    assert ask("Bearer " + first["access_token"]).status_code == 200
    assert TokenFamily.objects.count() == 1


def test_a_token_sent_again_at_once_gets_the_same_tokens(ada: User) -> None:
    """By the same client, whose answer was lost, or two of whose workers came together."""
    opened = log_in()
    renewed = refresh(opened["refresh_token"])
    assert renewed.status_code == 200
    for _ in range(2):
        again = refresh(opened["refresh_token"])
        assert (again.status_code, again.content) == (200, renewed.content)
    # Both go on with the new pair, which is one token to spend.
    assert ask("Bearer " + renewed.json()["access_token"]).status_code == 200
    assert refresh(renewed.json()["refresh_token"]).status_code == 200
    assert TokenFamily.objects.count() == 1


@pytest.mark.parametrize(("address", "program"), [("192.0.2.9", "a"), ("127.0.0.1", "b")])
def test_a_token_sent_again_by_another_client_ends_the_family(ada: User, address: str, program: str) -> None:
    opened = log_in()

    def refresh_from(address: str, program: str) -> Any:
        return Client().post(
            "/api/v1/refresh",
            {"refresh_token": opened["refresh_token"]},
            content_type="application/json",
            headers={"User-Agent": program},
            REMOTE_ADDR=address,
        )

    renewed = refresh_from("127.0.0.1", "a").json()
    assert refresh_from("127.0.0.1", "a").json() == renewed
    assert refused(refresh_from(address, program))
    assert refused(refresh_from("127.0.0.1", "a"))
    assert refused(ask("Bearer " + renewed["access_token"]))


def test_the_token_before_the_last_ends_the_family(ada: User) -> None:
    opened = log_in()
    renewed = refresh(opened["refresh_token"]).json()
    assert refresh(renewed["refresh_token"]).status_code == 200
    assert refused(refresh(opened["refresh_token"]))
    assert refused(refresh(renewed["refresh_token"]))


def test_a_spent_token_ends_the_whole_family(ada: User) -> None:
    """One of the two who have it stole it. Other logins of the user go on."""
    opened, other = log_in(), log_in()
    renewed = refresh(opened["refresh_token"]).json()
    TokenFamily.objects.exclude(spent_at=None).update(spent_at=timezone.now() - timedelta(seconds=11))
    assert refused(refresh(opened["refresh_token"]))
    for family in opened, renewed:
        assert refused(ask("Bearer " + family["access_token"]))
        assert refused(refresh(family["refresh_token"]))
    assert ask("Bearer " + other["access_token"]).status_code == 200
    assert refresh(other["refresh_token"]).status_code == 200


def test_a_family_that_has_expired_is_at_its_end(ada: User) -> None:
    """And is cleaned up at the user's next login."""
    opened = log_in()
    TokenFamily.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refused(refresh(opened["refresh_token"]))
    log_in()
    assert TokenFamily.objects.count() == 1


def test_refreshing_is_no_login(ada: User) -> None:
    """It leaves the time of the last attempt, and the count of failures, as they are."""
    opened = log_in()
    then = timezone.now() - timedelta(hours=3)
    User.objects.update(last_login=then, last_login_status="Fail", fail_login_attempts=4)
    assert refresh(opened["refresh_token"]).status_code == 200
    ada.refresh_from_db()
    assert (ada.last_login, ada.last_login_status, ada.fail_login_attempts) == (then, "Fail", 4)


# --- What ends them -------------------------------------------------------------------------------------------


def change_own_password(ada: User, administrator: Api) -> None:
    body = {"userName": "ada", "oldPassword": PASSWORD, "newPassword": NEW}
    assert Api().post("/changePassword", body).status_code == 200


def have_it_reset(ada: User, administrator: Api) -> None:
    assert administrator.put(f"/users/{ada.pk}", {"password": NEW}).status_code == 200


def have_it_reset_to_the_same(ada: User, administrator: Api) -> None:
    assert administrator.put(f"/users/{ada.pk}", {"password": PASSWORD}).status_code == 200


def be_deactivated(ada: User, administrator: Api) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)


def be_deleted(ada: User, administrator: Api) -> None:
    assert administrator.delete(f"/users/{ada.pk}").status_code == 200


def have_them_ended(ada: User, administrator: Api) -> None:
    end_tokens([ada.pk])


ENDINGS = [
    change_own_password,
    have_it_reset,
    have_it_reset_to_the_same,
    be_deactivated,
    be_deleted,
    have_them_ended,
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_token_of_the_user_dies_at_once(
    ada: User, administrator: Api, ending: Callable[[User, Api], None]
) -> None:
    """Access and refresh tokens of all logins, but of nobody else."""
    families = [log_in(), refresh(log_in()["refresh_token"]).json()]
    ending(ada, administrator)
    for family in families:
        assert refused(ask("Bearer " + family["access_token"]))
        assert refused(refresh(family["refresh_token"]))
    assert administrator.get("/users/me").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"firstName": "Eve", "email": "eve@acme.example"},
        {"forceChangePasswordNextLogin": True},
        {"password": None},
    ],
)
def test_another_change_leaves_them_alive(ada: User, administrator: Api, changes: dict[str, Any]) -> None:
    opened = log_in()
    assert administrator.put(f"/users/{ada.pk}", changes).status_code == 200
    assert ask("Bearer " + opened["access_token"]).status_code == 200
    assert refresh(opened["refresh_token"]).status_code == 200


def test_a_refused_new_password_leaves_them_alive(ada: User, administrator: Api) -> None:
    opened = log_in()
    assert administrator.put(f"/users/{ada.pk}", {"password": "short"}).status_code == 400
    assert ask("Bearer " + opened["access_token"]).status_code == 200


def test_an_administrator_who_sets_the_own_password_logs_in_again(administrator: Api) -> None:
    own = administrator.get("/users/me").json()["id"]
    assert administrator.put(f"/users/{own}", {"password": NEW}).status_code == 200
    assert refused(administrator.get("/users/me"))


def test_logging_out_ends_this_login_only(ada: User) -> None:
    opened, other = log_in(), log_in()
    api = Api()
    api.headers["Authorization"] = "Bearer " + opened["access_token"]
    answer = api.post("/logout")
    assert answer.status_code == 200
    assert set(answer.json()) == {"description"}
    assert refused(api.get("/users/me"))
    assert refused(api.post("/logout"))
    assert refused(refresh(opened["refresh_token"]))
    assert ask("Bearer " + other["access_token"]).status_code == 200


@pytest.mark.parametrize(("body", "status"), [({}, 200), (None, 200), ({"all": True}, 400), ([], 400)])
def test_logging_out_takes_no_attributes(ada: User, body: Any, status: int) -> None:
    opened = log_in()
    api = Api()
    api.headers["Authorization"] = "Bearer " + opened["access_token"]
    assert api.post("/logout", body).status_code == status
    assert (ask(api.headers["Authorization"]).status_code == 200) is (status == 400)


def test_logging_out_needs_a_token(db: None) -> None:
    assert refused(Api().post("/logout", {}))


def test_a_login_that_a_new_password_overtakes_opens_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that are made after the change, for the password before it, would outlive it."""
    open_family = tokens.open_family

    def open_late(user: User) -> dict[str, Any]:
        body = {"userName": "ada", "oldPassword": PASSWORD, "newPassword": NEW}
        assert Api().post("/changePassword", body).status_code == 200
        return open_family(user)

    monkeypatch.setattr(tokens, "open_family", open_late)
    answer = Api().post("/login", {"userName": "ada", "password": PASSWORD})
    assert answer.status_code in (200, 401, 409)
    if answer.status_code == 200:
        assert refused(ask("Bearer " + answer.json()["access_token"]))


@pytest.mark.parametrize("claims", [{"exp": -20}, {"iat": 20}, {"nbf": 20}], ids=str)
def test_clocks_that_differ_by_seconds_are_no_forgery(ada: User, claims: dict[str, int]) -> None:
    """Several hosts issue and check tokens; 30 s are allowed, and more is refused above."""
    moved: dict[str, Any] = {name: now() + seconds for name, seconds in claims.items()}
    assert ask("Bearer " + resigned(log_in()["access_token"], **moved)).status_code == 200
