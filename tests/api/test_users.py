"""Users: manual chapter 10, contract sections 2, 3 and 5."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Level, User
from tests.conftest import PASSWORD, Api, Cast, make_operator, make_user

NOBODY = 999_999
OTHER_PASSWORD = "another horse 8 staple"
ATTRIBUTES = {
    "id",
    "firstName",
    "lastName",
    "groupType",
    "groupName",
    "permissionLevel",
    "email",
    "description",
    "forceChangePasswordNextLogin",
    "lastLoginStatus",
    "failLoginAttempts",
    "login",
    "group",
    "phone1",
    "phone2",
    "lastLogin",
    "userBlockTime",
}


@pytest.fixture
def operator(db: None) -> Api:
    """The platform operator."""
    return Api(make_operator(login="platform"))


@pytest.fixture
def provider(cast: Cast) -> Api:
    """The Administrator of the reseller's provider."""
    return Api(make_user(cast.provider, login="providers.admin"))


def new_user(group: int, **changes: Any) -> dict[str, Any]:
    """The body of the manual's example, with a password that is good enough."""
    return {
        "firstName": "Avi",
        "lastName": "Usher",
        "password": PASSWORD,
        "permissionLevel": "Administrator",
        "forceChangePasswordNextLogin": False,
        "email": "aviu@mydomain.com",
        "description": "great",
        "login": "aviu",
        "group": group,
        "phone1": "054852188445",
        "phone2": "08545421555",
    } | changes


def errors(answer: Any) -> list[str]:
    assert answer.status_code == 400
    return [error["field"] for error in answer.json()["errors"]]


def logins(answer: Any) -> list[str]:
    if answer.status_code == 204:
        return []
    assert answer.status_code == 200, answer.content
    return [user["login"] for user in answer.json()["users"]]


def log_in(login: str, password: str) -> int:
    status: int = Api().post("/login", {"userName": login, "password": password}).status_code
    return status


# --- POST -----------------------------------------------------------------------------------------------------


def test_creates_the_user_of_the_manual(cast: Cast, administrator: Api) -> None:
    body = new_user(cast.reseller.pk)
    answer = administrator.post("/users", body)
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json() == {"id": id, "url": f"/api/v1/users/{id}"}
    password = body.pop("password")
    assert administrator.get(f"/users/{id}").json() == {
        **body,
        "id": id,
        "groupType": "Reseller",
        "groupName": "Acme Voice",
        "lastLoginStatus": None,
        "failLoginAttempts": 0,
        "lastLogin": None,
        "userBlockTime": None,
    }
    assert log_in("aviu", password) == 200


def test_what_is_optional_may_be_left_out(cast: Cast, administrator: Api) -> None:
    """Left out, or null: there is none."""
    optional = ["email", "description", "phone1", "phone2", "forceChangePasswordNextLogin"]
    for login, body in (
        ("without", {k: v for k, v in new_user(cast.reseller.pk).items() if k not in optional}),
        ("null", new_user(cast.reseller.pk) | dict.fromkeys(optional)),
    ):
        answer = administrator.post("/users", body | {"login": login})
        assert answer.status_code == 201
        user = administrator.get(f"/users/{answer.json()['id']}").json()
        assert [user[name] for name in optional] == [None, None, None, None, False]


@pytest.mark.parametrize("missing", ["firstName", "lastName", "password", "permissionLevel", "login", "group"])
def test_what_is_mandatory_may_not(cast: Cast, administrator: Api, missing: str) -> None:
    body = new_user(cast.reseller.pk)
    del body[missing]
    assert errors(administrator.post("/users", body)) == [missing]
    assert errors(administrator.post("/users", body | {missing: None})) == [missing]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("firstName", ""),
        ("firstName", " "),
        ("firstName", "a" * 151),
        ("firstName", "two\nlines"),
        ("lastName", 5),
        ("lastName", "a" * 151),
        ("permissionLevel", "administrator"),
        ("permissionLevel", "Superuser"),
        ("permissionLevel", ""),
        ("email", "nobody"),
        ("email", "a@b@c.example"),
        ("email", "a b@c.example"),
        ("email", "a@c.example\n"),
        ("email", "a" * 250 + "@c.example"),
        ("description", "a" * 1001),
        ("description", "\x00"),
        ("phone1", "1" * 41),
        ("phone2", "1" * 41),
        ("phone1", 523333333333),
        ("login", ""),
        ("login", "two words"),
        ("login", "jürgen"),
        ("login", "\u212aate"),
        ("login", "ada\n"),
        ("login", "a/b"),
        ("login", "a" * 151),
        ("group", "1"),
        ("group", True),
        ("group", 1.0),
        ("forceChangePasswordNextLogin", "true"),
        ("forceChangePasswordNextLogin", 1),
        ("password", "short 7"),
        ("password", "x7?" + "a" * 126),
        ("password", "password123"),
        ("password", 1234567890),
        ("id", 5),
        ("groupName", "Acme Voice"),
        ("failLoginAttempts", 0),
        ("isSuperuser", True),
        ("is_superuser", True),
    ],
)
def test_a_body_that_is_not_as_documented_is_400(cast: Cast, administrator: Api, field: str, value: Any) -> None:
    before = User.objects.count()
    assert set(errors(administrator.post("/users", new_user(cast.reseller.pk) | {field: value}))) == {field}
    assert User.objects.count() == before


@pytest.mark.parametrize("password", ["Avi.Usher.2", "aVI.uSHER.2"])
def test_the_login_is_no_password(cast: Cast, administrator: Api, password: str) -> None:
    body = new_user(cast.reseller.pk, login="Avi.Usher.2", password=password)
    assert errors(administrator.post("/users", body)) == ["password"]


def test_the_longest_texts_are_kept_as_sent(cast: Cast, administrator: Api) -> None:
    body = new_user(
        cast.reseller.pk,
        firstName="Ж" * 150,
        lastName="ø",
        login="Az09._@+-" + "b" * 141,
        email="a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".de",
        description="ä" * 990 + "\nsecond",
        phone1="+" + "1" * 39,
        phone2="",
        password="zqvbkxwj" * 16,
    )
    assert len(body["email"]) == 253
    answer = administrator.post("/users", body)
    assert answer.status_code == 201, answer.content
    del body["password"]
    assert body.items() <= administrator.get(f"/users/{answer.json()['id']}").json().items()


@pytest.mark.parametrize("login", ["Ada", "ada", "ADA"])
def test_a_login_is_unique_in_any_case(cast: Cast, administrator: Api, login: str) -> None:
    """Over the whole service: logins are of one space. The refusal names nobody."""
    make_user(cast.stranger, login="Ada")
    answer = administrator.post("/users", new_user(cast.provider.pk, login=login))
    assert answer.status_code == 409
    assert set(answer.json()) == {"description"}
    assert "Foreign" not in answer.content.decode()


def test_a_taken_login_does_not_tell_whose_it_is(cast: Cast, administrator: Api) -> None:
    make_user(cast.provider, login="own.one")
    make_user(cast.strangers_provider, login="foreign.one", is_active=False)
    make_operator(login="operator.one")
    answers = [
        administrator.post("/users", new_user(cast.provider.pk, login=login))
        for login in ("own.one", "foreign.one", "FOREIGN.ONE", "operator.one")
    ]
    assert {answer.status_code for answer in answers} == {409}
    assert {answer.content for answer in answers} == {
        b'{"description": "This login is taken, choose another one."}'
    }


def test_a_login_that_another_request_takes_meanwhile_is_named(
    cast: Cast, administrator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed_slowly(password: str) -> str:
        make_user(cast.stranger, login="Both.At.Once")
        return "!"

    monkeypatch.setattr("accounts.passwords.hashed", hashed_slowly)
    answer = administrator.post("/users", new_user(cast.provider.pk, login="both.at.once"))
    assert (answer.status_code, answer.json()) == (
        409,
        {"description": "This login is taken, choose another one."},
    )


def test_the_database_keeps_logins_unique_in_any_case(cast: Cast) -> None:
    make_user(cast.stranger, login="Ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user(cast.provider, login="ADA")


def test_a_user_is_made_in_the_own_scope(cast: Cast, administrator: Api, provider: Api, operator: Api) -> None:
    """403 with the same bytes for a group above, beside, foreign and unknown."""
    for api, group in (
        (administrator, cast.reseller),
        (administrator, cast.provider),
        (provider, cast.provider),
        (operator, cast.stranger),
        (operator, cast.strangers_provider),
    ):
        login = f"user{api is operator}{group.pk}{api is provider}"
        assert api.post("/users", new_user(group.pk, login=login)).status_code == 201
    refused = [
        api.post("/users", new_user(id))
        for api, id in (
            (provider, cast.reseller.pk),
            (provider, cast.sibling.pk),
            (administrator, cast.stranger.pk),
            (administrator, cast.strangers_provider.pk),
            (administrator, NOBODY),
            (administrator, 0),
            (operator, NOBODY),
        )
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert len({answer.content for answer in refused}) == 1


def test_a_new_user_whose_change_is_due_gets_no_tokens(cast: Cast, administrator: Api) -> None:
    body = new_user(cast.reseller.pk, forceChangePasswordNextLogin=True)
    assert administrator.post("/users", body).status_code == 201
    assert log_in("aviu", PASSWORD) == 403


def test_only_administrators_manage_users(cast: Cast) -> None:
    """The level is looked at before the body, and before the id."""
    colleague = make_user(cast.provider)
    for group in (cast.reseller, cast.provider):
        for level in (Level.OPERATOR, Level.MONITOR):
            api = Api(make_user(group, level))
            assert api.get("/users").status_code == 403
            assert api.get("/users", {"nonsense": 1}).status_code == 403
            assert api.post("/users", new_user(cast.provider.pk)).status_code == 403
            assert api.post("/users", {"nonsense": 1}).status_code == 403
            for id in (colleague.pk, NOBODY):
                assert api.get(f"/users/{id}").status_code == 403
                assert api.put(f"/users/{id}", {"firstName": "Eve"}).status_code == 403
                assert api.delete(f"/users/{id}").status_code == 403


# --- GET one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [Level.ADMINISTRATOR, Level.OPERATOR, Level.MONITOR])
def test_everybody_sees_the_own_user(cast: Cast, level: Level) -> None:
    """By /users/me and by the own id, with the documented attributes and no others."""
    for group in (cast.reseller, cast.provider):
        user = make_user(group, level)
        api = Api(user)
        own = api.get("/users/me")
        assert own.status_code == 200
        assert own.json()["id"] == user.pk
        assert set(own.json()) == ATTRIBUTES
        assert api.get(f"/users/{user.pk}").content == own.content


def test_the_own_user_is_shown_only_not_changed(cast: Cast) -> None:
    """An Operator or Monitor may not, and /users/me is for GET."""
    user = make_user(cast.provider, Level.MONITOR)
    assert Api(user).put(f"/users/{user.pk}", {"firstName": "Eve"}).status_code == 403
    for call in (Api(user).delete, lambda path: Api(user).put(path, {"firstName": "Eve"})):
        answer = call("/users/me")
        assert answer.status_code == 405
        assert "GET" in answer["Allow"]


def test_user_is_another_name_for_users(cast: Cast, administrator: Api) -> None:
    """The manual's own examples say so; every operation."""
    answer = administrator.post("/user", new_user(cast.reseller.pk))
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json()["url"] == f"/api/v1/users/{id}"
    for path in ("", "/me", f"/{id}", f"/{NOBODY}"):
        alias, listed = administrator.get(f"/user{path}"), administrator.get(f"/users{path}")
        assert (alias.status_code, alias.content) == (listed.status_code, listed.content)
    assert administrator.put(f"/user/{id}", {"firstName": "Eve"}).json()["firstName"] == "Eve"
    assert administrator.delete(f"/user/{id}").status_code == 200
    assert administrator.get(f"/users/{id}").status_code == 204


def test_a_foreign_user_is_like_none(cast: Cast, administrator: Api, provider: Api) -> None:
    """204 to GET, 404 to PUT and DELETE, each with the same bytes."""
    foreign = [make_user(cast.stranger), make_user(cast.strangers_provider), make_user(None, None)]
    ids = [*(user.pk for user in foreign), NOBODY]
    seen = [administrator.get(f"/users/{id}") for id in ids]
    above = [provider.get(f"/users/{make_user(group).pk}") for group in (cast.reseller, cast.sibling)]
    assert {(answer.status_code, answer.content) for answer in seen + above} == {(204, b"")}
    for call in (administrator.delete, lambda path: administrator.put(path, {"firstName": "Eve"})):
        answers = [call(f"/users/{id}") for id in ids]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    assert User.objects.filter(pk__in=[user.pk for user in foreign], first_name="Ada").count() == 3


def test_users_without_a_group_are_the_operators_affair(cast: Cast, operator: Api, administrator: Api) -> None:
    support = make_user(None, None, login="support")
    assert "support" in logins(operator.get("/users"))
    assert operator.get(f"/users/{support.pk}").json()["groupName"] is None
    assert "support" not in logins(administrator.get("/users"))


# --- GET all --------------------------------------------------------------------------------------------------


def test_a_list_has_the_envelope_of_the_manual(cast: Cast, administrator: Api) -> None:
    make_user(cast.provider)
    answer = administrator.get("/users")
    assert answer.status_code == 200
    assert set(answer.json()) == {"users", "pages"}
    assert all(set(user) == ATTRIBUTES for user in answer.json()["users"])
    assert answer.json()["pages"] == {"total": 1, "totalElements": 2, "size": 25, "current": 1}


def test_each_administrator_lists_the_own_scope(
    cast: Cast, administrator: Api, provider: Api, operator: Api
) -> None:
    for group in (cast.reseller, cast.provider, cast.sibling, cast.stranger, cast.strangers_provider):
        make_user(group, Level.MONITOR, login=group.name.replace(" ", "."))
    resellers = {"Acme.Voice", "Berlin.Phones", "Munich.Phones", "providers.admin"}
    assert resellers < set(logins(administrator.get("/users")))
    assert len(logins(administrator.get("/users"))) == 5
    assert logins(provider.get("/users")) == ["providers.admin", "Berlin.Phones"]
    assert len(logins(operator.get("/users"))) == 8


def test_depth_zero_leaves_the_users_of_providers_out(
    cast: Cast, administrator: Api, provider: Api, operator: Api
) -> None:
    """A provider's own high-level group is the provider."""
    make_user(cast.reseller, login="reseller")
    make_user(cast.stranger, login="stranger")
    assert "reseller" in logins(administrator.get("/users", {"depth": 0}))
    assert "providers.admin" not in logins(administrator.get("/users", {"depth": 0}))
    assert logins(provider.get("/users", {"depth": 0})) == ["providers.admin"]
    listed = logins(operator.get("/users", {"depth": 0}))
    assert {"reseller", "stranger"} < set(listed)
    assert "providers.admin" not in listed


def test_the_number_of_statements_does_not_grow_with_the_users(cast: Cast, administrator: Api) -> None:
    """Nor with their groups, which each row names."""
    with CaptureQueriesContext(connection) as one:
        assert len(logins(administrator.get("/users", {"limit": 1000}))) == 1
    User.objects.bulk_create(
        User(login=f"many{n}", group=cast.provider, permission_level=Level.MONITOR) for n in range(99)
    )
    with CaptureQueriesContext(connection) as hundred:
        assert len(logins(administrator.get("/users", {"limit": 1000}))) == 100
    assert len(hundred) == len(one)


@pytest.fixture
def crew(cast: Cast) -> Api:
    """A reseller's Administrator (b) with three users of every kind of attribute, beside a stranger's."""
    now = timezone.now().replace(microsecond=0)
    admin = make_user(cast.reseller, login="b", first_name="Bea", last_name="Zorn", email="bea@acme.example")
    make_user(
        cast.provider,
        Level.OPERATOR,
        login="Carl",
        first_name="Çarl",
        last_name="100%",
        email=None,
        description="It's under_score",
        phone1="+49 30 1",
        last_login=datetime(2026, 1, 2, 3, 4, 5, tzinfo=now.tzinfo),
        last_login_status="Fail",
        fail_login_attempts=10,
        user_block_time=now - timedelta(minutes=1),
    )
    make_user(
        cast.sibling,
        Level.MONITOR,
        login="dora",
        first_name="Dora",
        last_name="Ampère",
        email="",
        description="",
        phone2="0049",
        force_change_password=True,
        last_login=datetime(2026, 5, 6, 7, 8, 9, tzinfo=now.tzinfo),
        last_login_status="Success",
        user_block_time=now - timedelta(hours=2),
    )
    make_user(cast.stranger, login="canary", first_name="Dora", email="canary@acme.example")
    return Api(admin)


FILTERS: list[tuple[str, str]] = [
    ("firstName='Dora'", "dora"),
    ("firstName='dora'", ""),
    ("firstName!='Dora'", "b Carl"),
    ("firstName~'A'", "b Carl dora"),
    ("firstName~'çA'", "Carl"),
    ("firstName!~'ea'", "Carl dora"),
    ("lastName~'%'", "Carl"),
    ("lastName~'_'", ""),
    ("groupType='Provider'", "Carl dora"),
    ("groupType!='Provider'", "b"),
    ("groupName~'phones'", "Carl dora"),
    ("groupName='Acme Voice'", "b"),
    ("permissionLevel='Monitor';'Operator'", "Carl dora"),
    ("permissionLevel!='Monitor';'Operator'", "b"),
    ("email=''", "Carl dora"),
    ("email!=''", "b"),
    ("email~'ACME'", "b"),
    ("email!~'acme'", "Carl dora"),
    ("description=''", "b dora"),
    ("description~'It''s'", "Carl"),
    ("description~'r_s'", "Carl"),
    ("description~'r%s'", ""),
    ("forceChangePasswordNextLogin=true", "dora"),
    ("forceChangePasswordNextLogin!=true", "b Carl"),
    ("lastLoginStatus='Fail'", "Carl"),
    ("lastLoginStatus=''", "b"),
    ("failLoginAttempts>=10", "Carl"),
    ("failLoginAttempts<10", "b dora"),
    ("failLoginAttempts=0", "b dora"),
    ("login='Carl'", "Carl"),
    ("login~'R'", "Carl dora"),
    ("phone1~'49'", "Carl"),
    ("phone2='0049'", "dora"),
    ("phone2=''", "b Carl"),
    ("lastLogin='2026-01-02T03:04:05+0000'", "Carl"),
    ("lastLogin!='2026-01-02T03:04:05+0000'", "b dora"),
    ("lastLogin>'2026-01-02T04:04:04+01:00'", "Carl dora"),
    ("lastLogin<='2026-01-02T03:04:05'", "Carl"),
    ("lastLogin=''", "b"),
    ("lastLogin!=''", "Carl dora"),
    ("userBlockTime=''", "b dora"),
    ("userBlockTime!=''", "Carl"),
    ("userBlockTime>'2020-01-01T00:00:00+0000'", "Carl"),
    ("userBlockTime!='2020-01-01T00:00:00+0000'", "b Carl dora"),
    ("search~'DORA'", "dora"),
    ("search~'phones'", "Carl dora"),
    ("search~'reseller'", "b"),
    ("search~'fail'", "Carl"),
    ("search~'operator'", "Carl"),
    ("search~'0049'", "dora"),
    ("search~'+49 30'", "Carl"),
    ("search~'canary'", ""),
    ("search~'Foreign'", ""),
    ("search~'2026'", ""),
    ("search~'_'", "Carl"),
    ("search~'%'", "Carl"),
    ("search!~'phones'", "b"),
    ("search!~'dora'", "b Carl"),
    ("search~''", "b Carl dora"),
    ("firstName='Dora',lastLoginStatus='Success'", "dora"),
    ("firstName='Dora',lastLoginStatus='Fail'", ""),
    ("failLoginAttempts>0,failLoginAttempts<100,search~'carl'", "Carl"),
]


@pytest.mark.parametrize(("text", "expected"), FILTERS, ids=[text for text, _ in FILTERS])
def test_filters_by_every_attribute(crew: Api, text: str, expected: str) -> None:
    """In parentheses or without; nothing found is 204."""
    assert logins(crew.get("/users", {"filter": text, "sort": "id"})) == expected.split()
    assert logins(crew.get("/users", {"filter": f"( {text} )", "sort": "id"})) == expected.split()


def test_filters_by_id_and_group(crew: Api, cast: Cast) -> None:
    """A group is that group alone; one outside the scope has no users."""
    carl = User.objects.get(login="Carl")
    assert logins(crew.get("/users", {"filter": f"id={carl.pk}"})) == ["Carl"]
    assert logins(crew.get("/users", {"filter": f"id>{carl.pk}"})) == ["dora"]
    assert logins(crew.get("/users", {"filter": f"(group={cast.reseller.pk})"})) == ["b"]
    both = f"(group={cast.provider.pk};{cast.sibling.pk})"
    assert logins(crew.get("/users", {"filter": both, "sort": "id"})) == ["Carl", "dora"]
    assert logins(crew.get("/users", {"filter": f"group='{cast.provider.pk}'"})) == ["Carl"]
    assert logins(crew.get("/users", {"filter": f"(group={cast.provider.pk})", "depth": 0})) == []
    for foreign in (cast.stranger.pk, cast.strangers_provider.pk, NOBODY):
        assert crew.get("/users", {"filter": f"(group={foreign})"}).status_code == 204


def test_search_finds_ids_in_decimal(crew: Api, cast: Cast) -> None:
    """Of the user and of the group."""
    User.objects.filter(login="Carl").update(id=777_123)
    assert logins(crew.get("/users", {"filter": "search~'7712'"})) == ["Carl"]
    found = logins(crew.get("/users", {"filter": f"search~'{cast.sibling.pk}'"}))
    assert "dora" in found


def test_search_and_its_opposite_part_the_list(operator: Api, crew: Api) -> None:
    """Also where attributes are NULL, such as the group of a user who has none."""
    make_user(None, None, login="support", first_name=None, last_name=None)
    everybody = logins(operator.get("/users", {"sort": "id"}))
    for field, term in (("search", "phones"), ("search", "acme"), ("groupName", "o"), ("email", "bea")):
        found = logins(operator.get("/users", {"filter": f"{field}~'{term}'", "sort": "id"}))
        others = logins(operator.get("/users", {"filter": f"{field}!~'{term}'", "sort": "id"}))
        assert sorted(found + others) == sorted(everybody), field
        assert found
        assert "support" in others


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "password~'a'",
        "isSuperuser=true",
        "is_superuser=true",
        "group__name='x'",
        "tokenFamilies=1",
        "firstName>'a'",
        "failLoginAttempts~'1'",
        "search='x'",
        "firstName=Dora",
        "forceChangePasswordNextLogin='x'",
        "lastLogin='yesterday'",
        "group='one'",
        "assigned=true",
        "firstName~'a",
        "firstName~'a',",
    ],
)
def test_a_filter_that_makes_no_sense_is_400(crew: Api, text: str) -> None:
    answer = crew.get("/users", {"filter": text})
    assert answer.status_code == 400
    assert set(answer.json()) == {"description"}


def test_the_filter_on_a_block_agrees_with_what_is_shown(crew: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is over is none, though the row still holds its time; as time goes on the filter follows."""

    def blocked() -> list[str]:
        shown = [u["login"] for u in crew.get("/users").json()["users"] if u["userBlockTime"] is not None]
        assert logins(crew.get("/users", {"filter": "userBlockTime!=''"})) == shown
        assert sorted(shown + logins(crew.get("/users", {"filter": "userBlockTime=''"}))) == ["Carl", "b", "dora"]
        return shown

    assert blocked() == ["Carl"]
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(minutes=15))
    assert blocked() == []


SORTS = [
    ("id", "b Carl dora"),
    ("-id", "dora Carl b"),
    ("firstName", None),
    ("-permissionLevel", "Carl dora b"),
    ("permissionLevel", "b dora Carl"),
    ("groupName,-id", "b Carl dora"),
    ("groupType,-id", "dora Carl b"),
    ("-groupType,-id", "b dora Carl"),
    ("email", "b Carl dora"),
    ("-email", "b Carl dora"),
    ("description", "Carl b dora"),
    ("-description", "Carl b dora"),
    ("forceChangePasswordNextLogin", "b Carl dora"),
    ("-forceChangePasswordNextLogin", "dora b Carl"),
    ("lastLoginStatus", "Carl dora b"),
    ("-lastLoginStatus", "dora Carl b"),
    ("-failLoginAttempts", "Carl b dora"),
    ("group", "b Carl dora"),
    ("-group", "dora Carl b"),
    ("phone1", "Carl b dora"),
    ("-phone2", "dora b Carl"),
    ("lastLogin", "Carl dora b"),
    ("-lastLogin", "dora Carl b"),
    ("userBlockTime", "Carl b dora"),
    ("-userBlockTime,-id", "Carl dora b"),
    ("lastName", None),
    ("login", None),
]


@pytest.mark.parametrize(("sort", "expected"), SORTS, ids=[sort for sort, _ in SORTS])
def test_sorts_by_every_attribute(crew: Api, sort: str, expected: str | None) -> None:
    """Empty values last, either way; the id breaks ties. How letters sort is the database's affair."""
    listed = logins(crew.get("/users", {"sort": sort}))
    assert sorted(listed) == ["Carl", "b", "dora"]
    if expected is not None:
        assert listed == expected.split()


def test_every_attribute_can_be_sorted_by(crew: Api) -> None:
    for name in ATTRIBUTES:
        assert crew.get("/users", {"sort": name}).status_code == 200, name
        assert crew.get("/users", {"sort": f"-{name}"}).status_code == 200, name


@pytest.mark.parametrize("sort", ["", "-", "password", "is_superuser", "search", "group__name", "id,", "--id"])
def test_nothing_else_can_be_sorted_by(crew: Api, sort: str) -> None:
    assert crew.get("/users", {"sort": sort}).status_code == 400


@pytest.mark.parametrize("sort", [None, "id", "-groupName", "lastLogin", "-userBlockTime"])
def test_pages_neither_repeat_nor_skip(crew: Api, cast: Cast, sort: str | None) -> None:
    for n in range(8):
        make_user(cast.provider, login=f"more{n}")
    query: dict[str, Any] = {"limit": 3} | ({"sort": sort} if sort else {})
    pages = [crew.get("/users", query | {"page": page}) for page in (1, 2, 3, 4)]
    listed = [login for page in pages for login in logins(page)]
    assert len(listed) == len(set(listed)) == 11
    assert [page.json()["pages"] for page in pages] == [
        {"total": 4, "totalElements": 11, "size": 3, "current": n} for n in (1, 2, 3, 4)
    ]
    assert crew.get("/users", query | {"page": 5}).status_code == 204


def test_a_large_limit_is_served_as_a_thousand(crew: Api) -> None:
    assert crew.get("/users", {"limit": 999_999_999}).json()["pages"]["size"] == 1000


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "1.0"},
        {"page": ""},
        {"limit": "0"},
        {"limit": "1e3"},
        {"limit": "1000000000"},
        {"page": "\u0661"},
        {"page": " 1"},
        {"depth": "2"},
        {"search": "x"},
        {"page": ["1", "2"]},
        {"Filter": "(id=1)"},
        {"format": "json"},
    ],
)
def test_a_parameter_that_is_not_as_documented_is_400(crew: Api, query: dict[str, Any]) -> None:
    assert crew.get("/users", query).status_code == 400


def test_a_single_user_takes_no_parameters(crew: Api) -> None:
    own = crew.get("/users/me").json()["id"]
    for path in ("/users/me", f"/users/{own}"):
        assert crew.get(path, {"depth": 1}).status_code == 400


# --- PUT ------------------------------------------------------------------------------------------------------


@pytest.fixture
def colleague(cast: Cast) -> User:
    return make_user(cast.provider, Level.OPERATOR, login="Colleague", email="old@acme.example", phone1="030")


def test_changes_what_the_manual_lists(colleague: User, administrator: Api) -> None:
    """And answers with the user as it is now."""
    path = f"/users/{colleague.pk}"
    body = {
        "firstName": "Avi",
        "lastName": "Usher",
        "password": OTHER_PASSWORD,
        "forceChangePasswordNextLogin": False,
        "email": "aviu@mydomain.com",
        "description": "great",
        "login": "Colleague",
        "phone1": "054852188445",
        "phone2": None,
    }
    before = administrator.get(path).json()
    answer = administrator.put(path, body)
    assert answer.status_code == 200
    del body["password"]
    assert answer.json() == before | body
    assert administrator.get(path).json() == answer.json()
    assert log_in("Colleague", OTHER_PASSWORD) == 200
    assert log_in("Colleague", PASSWORD) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"firstName": "Eve"},
        {"lastName": None},
        {"email": ""},
        {"email": None},
        {"description": ""},
        {"phone1": None},
        {"phone2": ""},
        {"forceChangePasswordNextLogin": True},
    ],
)
def test_an_attribute_that_is_absent_stays(colleague: User, administrator: Api, changes: dict[str, Any]) -> None:
    """null means none, and an empty text stays an empty text."""
    path = f"/users/{colleague.pk}"
    before = administrator.get(path).json()
    assert administrator.put(path, changes).json() == before | changes
    assert log_in("Colleague", PASSWORD) == (403 if changes.get("forceChangePasswordNextLogin") else 200)


def test_get_edit_put_works(colleague: User, administrator: Api) -> None:
    """The read-only attributes may come back; those that do not identify may even be out of date."""
    path = f"/users/{colleague.pk}"
    user = administrator.get(path).json()
    stale = {"failLoginAttempts": 99, "lastLogin": "long ago", "userBlockTime": 5, "groupName": "Old name"}
    answer = administrator.put(path, user | stale | {"firstName": "Eve"})
    assert answer.status_code == 200
    assert answer.json() == user | {"firstName": "Eve"}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("id", NOBODY),
        ("login", "another"),
        ("login", "colleague"),
        ("group", NOBODY),
        ("group", None),
        ("groupType", "Reseller"),
        ("permissionLevel", "Administrator"),
        ("permissionLevel", None),
    ],
)
def test_what_identifies_a_user_is_not_modifiable(
    colleague: User, administrator: Api, attribute: str, value: Any
) -> None:
    """Neither is the level: nobody rises by a PUT."""
    path = f"/users/{colleague.pk}"
    before = administrator.get(path).json()
    answer = administrator.put(path, {"firstName": "Eve", attribute: value})
    assert errors(answer) == [attribute]
    assert "not modifiable" in answer.json()["description"]
    assert administrator.get(path).json() == before


@pytest.mark.parametrize("body", [{}, {"login": "Colleague"}, {"failLoginAttempts": 0}])
def test_at_least_one_attribute_is_named(colleague: User, administrator: Api, body: dict[str, Any]) -> None:
    """ "At least one of the following attributes MUST be included", says the manual."""
    assert administrator.put(f"/users/{colleague.pk}", body).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("firstName", "a" * 151),
        ("firstName", 5),
        ("email", "nobody"),
        ("description", "a" * 1001),
        ("phone1", "1" * 41),
        ("forceChangePasswordNextLogin", "no"),
        ("password", "short 7"),
        ("password", "password123"),
        ("password", "x7?" + "a" * 126),
        ("isActive", False),
        ("is_staff", True),
        ("oldPassword", PASSWORD),
    ],
)
def test_a_change_that_is_not_as_documented_is_400(
    colleague: User, administrator: Api, field: str, value: Any
) -> None:
    path = f"/users/{colleague.pk}"
    before = administrator.get(path).json()
    assert set(errors(administrator.put(path, {"lastName": "Eve", field: value}))) == {field}
    assert administrator.get(path).json() == before
    assert log_in("Colleague", PASSWORD) == 200


@pytest.mark.parametrize("name", ["firstName", "lastName"])
def test_an_empty_name_is_kept_where_names_are_optional(colleague: User, administrator: Api, name: str) -> None:
    """Names are mandatory in POST and optional in PUT."""
    answer = administrator.put(f"/users/{colleague.pk}", {name: ""})
    assert (answer.status_code, answer.json().get(name)) == (200, "")


def test_the_new_password_must_not_be_the_login(colleague: User, administrator: Api) -> None:
    assert errors(administrator.put(f"/users/{colleague.pk}", {"password": "cOLLEAGUE"})) == ["password"]


def test_administrators_change_users_of_their_scope(
    cast: Cast, administrator: Api, provider: Api, operator: Api
) -> None:
    for api, group, status in (
        (administrator, cast.reseller, 200),
        (administrator, cast.provider, 200),
        (provider, cast.provider, 200),
        (provider, cast.reseller, 404),
        (provider, cast.sibling, 404),
        (operator, cast.stranger, 200),
        (operator, None, 200),
    ):
        path = f"/users/{make_user(group, login=f'u{User.objects.count()}').pk}"
        assert api.put(path, {"firstName": "Eve"}).status_code == status
        assert api.delete(path).status_code == status


# --- DELETE ---------------------------------------------------------------------------------------------------


def test_deletes_a_user(colleague: User, administrator: Api) -> None:
    """Also one who is logged in; the login is free again."""
    assert log_in("Colleague", PASSWORD) == 200
    path = f"/users/{colleague.pk}"
    answer = administrator.delete(path)
    assert answer.status_code == 200
    assert set(answer.json()) == {"description"}
    assert administrator.get(path).status_code == 204
    assert administrator.delete(path).status_code == 404
    assert log_in("Colleague", PASSWORD) == 401
    assert administrator.post("/users", new_user(colleague.group_id or 0, login="Colleague")).status_code == 201


@pytest.mark.parametrize("who", ["administrator", "operator"])
def test_nobody_deletes_the_own_user(cast: Cast, request: pytest.FixtureRequest, who: str) -> None:
    api: Api = request.getfixturevalue(who)
    own = api.get("/users/me").json()["id"]
    assert api.delete(f"/users/{own}").status_code == 409
    assert api.get("/users/me").status_code == 200


@pytest.mark.parametrize("id", ["9" * 18, "9" * 19, "9" * 40])
def test_an_id_beyond_all_ids_is_like_none(administrator: Api, id: str) -> None:
    assert administrator.get(f"/users/{id}").status_code == 204
    assert administrator.put(f"/users/{id}", {"firstName": "Eve"}).status_code == 404
    assert administrator.delete(f"/users/{id}").status_code == 404
