"""Requests that come at the same time: every outcome is one that they could have had one after the other.

SQLite has one writer at a time: what is about locks and deadlocks is seen on PostgreSQL only.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import OperationalError, connection, connections
from django.test import Client

from accounts.models import Group, TokenFamily, User
from api import tokens
from devices import bulk
from devices.models import AccessStatus, Device
from locations.models import Location
from redirect.db import transactions
from redirect.db.arrays import table_of
from tests.conftest import (
    PASSWORD,
    Api,
    Cast,
    make_device,
    make_group,
    make_location,
    make_operator,
    make_second_factor,
    make_user,
)

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "another horse 8 staple"
MACS = [f"00908F{number:06X}" for number in range(5000)]


@pytest.fixture
def postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, so nothing waits for a row and nothing deadlocks")


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The cast of every test, committed, so that all connections see it."""
    reseller, stranger = make_group("Acme Voice"), make_group("Foreign Telecom")
    return Cast(
        reseller=reseller,
        provider=make_group("Berlin Phones", reseller),
        sibling=make_group("Munich Phones", reseller),
        stranger=stranger,
        strangers_provider=make_group("Foreign Phones", stranger),
    )


@pytest.fixture
def two_tenants(cast: Cast) -> tuple[Api, Api]:
    """An Administrator of each reseller."""
    return Api(make_user(cast.reseller)), Api(make_user(cast.stranger))


def at_once(*calls: Callable[[], Any], threads: int | None = None) -> list[Any]:
    """What the calls answer, each from a thread with a connection of its own, started together."""
    threads = threads or len(calls)
    start = threading.Barrier(threads)

    def first_wait() -> None:
        start.wait(timeout=120)

    def call_and_close(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads, initializer=first_wait) as pool:
        # The barrier opens when the last thread is there; the pool starts one for each call that it is given.
        return [future.result() for future in [pool.submit(call_and_close, call) for call in calls]]


def statuses(answers: Sequence[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def create(group: Group, macs: Sequence[str], **more: Any) -> dict[str, Any]:
    return {"group": group.pk, "macList": list(macs), "overrideCurrentAssociation": False} | more


def buckets(answer: Any) -> dict[str, list[str]]:
    return {name: bucket["macList"] for name, bucket in answer.json().items()}


def plain(macs: Sequence[str]) -> set[str]:
    return {mac.replace(":", "") for mac in macs}


# --- Two tenants, the same MACs -------------------------------------------------------------------------------


def claim_at_once(cast: Cast, two_tenants: tuple[Api, Api], round: int) -> list[Any]:
    """Both create all MACs, one in order and one against it; in later rounds in any order."""
    one, other = list(MACS), MACS[::-1]
    if round:
        random.Random(round).shuffle(one)
        random.Random(-round).shuffle(other)
    return at_once(
        partial(two_tenants[0].post, "/devices", create(cast.reseller, one)),
        partial(two_tenants[1].post, "/devices", create(cast.stranger, other)),
    )


def test_each_mac_gets_one_owner(
    cast: Cast, two_tenants: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are answered 201; what one got the other is told of as another group's.

    Without a second attempt, so that it is the order of the rows that prevents the deadlock.
    """
    monkeypatch.setattr(transactions, "ATTEMPTS", 1)
    for round in range(5):
        answers = claim_at_once(cast, two_tenants, round)
        assert statuses(answers) == {201: 2}, [answer.content[:200] for answer in answers]
        owned = []
        for answer, group in zip(answers, (cast.reseller, cast.stranger), strict=True):
            found = buckets(answer)
            owned.append(plain(found["success"]))
            assert owned[-1] == set(Device.objects.filter(group=group).values_list("mac", flat=True))
            assert plain(found["duplicateMACOtherGroup"]) == set(MACS) - owned[-1]
            assert not found["duplicateMACSameGroup"]
            assert not found["invalidMAC"]
        assert owned[0].isdisjoint(owned[1])
        assert owned[0] | owned[1] == set(MACS)
        Device.objects.all()._raw_delete("default")


def test_without_the_order_it_deadlocks(
    cast: Cast, two_tenants: tuple[Api, Api], postgresql: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with the rows in the order sent, and no second attempt, one side loses."""
    monkeypatch.setattr(transactions, "ATTEMPTS", 1)
    monkeypatch.setattr(bulk, "_insert", insert_in_opposite_orders)
    for round in range(10):
        outcome = statuses(claim_at_once(cast, two_tenants, round))
        if outcome == {201: 1, 409: 1}:
            return
        assert outcome == {201: 2}
        Device.objects.all()._raw_delete("default")
    pytest.fail("no deadlock in ten rounds: the test above proves nothing")


def insert_in_opposite_orders(
    group: Group, macs: list[str], location_id: int | None, description: str | None
) -> set[str]:
    """What `bulk._insert` does, less its ORDER BY: one reseller forwards, the other one backwards."""
    source, listed = table_of(macs if group.name == "Acme Voice" else macs[::-1], "text")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO devices_device (mac, group_id, last_access_status, num_requests)
            SELECT value, %s, %s, 0 FROM {source} ON CONFLICT (mac) DO NOTHING RETURNING mac
            """,  # noqa: S608 - the text of a table expression, no value
            [group.pk, AccessStatus.AWAIT, listed],
        )
        return {row[0] for row in cursor.fetchall()}


def test_of_many_with_one_idempotency_key_one_is_done(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """The others get its answer, or are told that it is still running."""
    api = two_tenants[0]
    for round in range(3):
        Device.objects.all()._raw_delete("default")
        api.headers["Idempotency-Key"] = f"round-{round}"
        answers = at_once(*[partial(api.post, "/devices", create(cast.reseller, MACS[:500]))] * 20)
        outcome = statuses(answers)
        assert outcome[201] >= 1
        assert outcome[201] + outcome[409] == 20
        done = {answer.content for answer in answers if answer.status_code == 201}
        assert len(done) == 1
        assert len(buckets(next(a for a in answers if a.status_code == 201))["success"]) == 500
        assert {a.json()["description"] for a in answers if a.status_code == 409} <= {
            "The first request with this Idempotency-Key is still running, try again."
        }
        assert api.post("/devices", create(cast.reseller, MACS[:500])).content in done


def test_a_running_request_is_told_of(
    cast: Cast, two_tenants: tuple[Api, Api], postgresql: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = two_tenants[0]
    api.headers["Idempotency-Key"] = "abc"
    body = create(cast.reseller, MACS[:2])
    insert = bulk._insert
    meanwhile: list[Any] = []

    def ask_meanwhile(*arguments: Any) -> set[str]:
        if not meanwhile:
            meanwhile.extend(at_once(partial(api.post, "/devices", body)))
        return insert(*arguments)

    monkeypatch.setattr(bulk, "_insert", ask_meanwhile)
    first = api.post("/devices", body)
    assert (first.status_code, statuses(meanwhile)) == (201, {409: 1})
    assert api.post("/devices", body).content == first.content


class Deadlock(Exception):
    """What a driver raises."""

    sqlstate = "40P01"


@pytest.mark.parametrize(("losses", "status"), [(0, 201), (1, 201), (2, 201), (3, 409), (9, 409)])
def test_a_transaction_that_lost_a_race_is_tried_three_times(
    cast: Cast, two_tenants: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch, losses: int, status: int
) -> None:
    """Then it is 409, and nothing of it stays."""
    insert = bulk._insert
    lost: list[int] = []

    def lose(*arguments: Any) -> set[str]:
        inserted = insert(*arguments)
        if len(lost) < losses:
            lost.append(1)
            raise OperationalError from Deadlock()
        return inserted

    monkeypatch.setattr(bulk, "_insert", lose)
    answer = two_tenants[0].post("/devices", create(cast.reseller, MACS[:3]))
    assert answer.status_code == status
    assert Device.objects.count() == (3 if status == 201 else 0)
    assert len(lost) == min(losses, 3)


def test_a_device_that_vanishes_while_it_is_created_again(
    cast: Cast, two_tenants: tuple[Api, Api], postgresql: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that creating lost is run again, and then it creates the device."""
    insert = bulk._insert
    vanished: list[Any] = []

    def remove_behind_its_back(*arguments: Any) -> set[str]:
        inserted = insert(*arguments)
        if not vanished:
            vanished.extend(at_once(partial(two_tenants[0].post, "/devices/remove", {"macList": [MACS[0]]})))
        return inserted

    make_device(cast.reseller, MACS[0])
    monkeypatch.setattr(bulk, "_insert", remove_behind_its_back)
    answer = two_tenants[0].post("/devices", create(cast.reseller, MACS[:2]))
    assert statuses(vanished) == {200: 1}
    assert answer.status_code == 201
    assert plain(buckets(answer)["success"]) == set(MACS[:2])


# --- Devices and their locations ------------------------------------------------------------------------------


def associate(location: Location, macs: Sequence[str], *, override: bool = False) -> tuple[str, dict[str, Any]]:
    return f"/locations/{location.pk}/devices/associate", {
        "macList": list(macs),
        "overrideCurrentAssociation": override,
    }


def changed(answer: Any) -> int:
    """The first number of "2 out of 3 devices were …"."""
    assert answer.status_code == 200, answer.content
    return int(answer.json()["description"].split()[0])


def make_devices(group: Group, macs: Sequence[str]) -> None:
    Device.objects.all()._raw_delete("default")
    Device.objects.bulk_create(Device(group=group, mac=mac) for mac in macs)


def shuffled(macs: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(list(macs), len(macs))


def remove_one(api: Api, location: Location) -> bool:
    answer = api.delete(f"/locations/{location.pk}")
    assert answer.status_code in (200, 409), answer.content
    return bool(answer.status_code == 200)


def remove_many(api: Api, location: Location) -> bool:
    answer = api.post("/locations/remove", {"idList": [location.pk]})
    assert answer.status_code == 200, answer.content
    return bool(answer.json()["deleted"])


@pytest.mark.parametrize("remove", [remove_one, remove_many])
def test_a_location_goes_or_gets_its_devices(
    cast: Cast, two_tenants: tuple[Api, Api], remove: Callable[[Api, Location], bool]
) -> None:
    """Never both, and never half of them."""
    api, macs = two_tenants[0], MACS[:200]
    for round in range(8):
        make_devices(cast.reseller, macs)
        location = make_location(cast.reseller)
        calls = [partial(api.post, *associate(location, macs)), partial(remove, api, location)]
        answers = at_once(*calls[:: -1 if round % 2 else 1])
        associated, removed = answers[:: -1 if round % 2 else 1]
        assert associated.status_code == (404 if removed else 200), associated.content
        assert Location.objects.filter(pk=location.pk).exists() is not removed
        assert Device.objects.filter(location=location.pk).count() == (0 if removed else len(macs))


def test_devices_are_created_at_a_location_or_it_goes(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    api = two_tenants[0]
    for round in range(8):
        Device.objects.all()._raw_delete("default")
        location = make_location(cast.reseller)
        body = create(cast.reseller, MACS[: 100 * round + 1], locationId=location.pk)
        created, removed = at_once(partial(api.post, "/devices", body), partial(remove_one, api, location))
        assert created.status_code == (400 if removed else 201), created.content
        assert Device.objects.count() == (0 if removed else 100 * round + 1)


def test_a_device_goes_to_one_of_many_locations(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """Without override the first one keeps it: the counts of all add up to the devices that changed."""
    api, macs = two_tenants[0], MACS[:1000]
    locations = [make_location(cast.reseller, f"https://pbx{n}.example/") for n in range(4)]
    for round in range(3):
        make_devices(cast.reseller, macs)
        # Each asks for three quarters of them, so that no one can have all.
        wanted = [shuffled(macs[:n] + macs[n + 250 :], round + n) for n in (0, 250, 500, 750)]
        answers = at_once(*(partial(api.post, *associate(*each)) for each in zip(locations, wanted, strict=True)))
        assert sum(map(changed, answers)) == len(macs)
        for answer, location in zip(answers, locations, strict=True):
            assert changed(answer) == Device.objects.filter(location=location).count()


def test_the_last_of_many_locations_overrides_the_others(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """With override all devices end at one: whoever came last had all of them."""
    api, macs = two_tenants[0], MACS[:1000]
    locations = [make_location(cast.reseller, f"https://pbx{n}.example/") for n in range(4)]
    make_devices(cast.reseller, macs)
    bodies = [associate(at, shuffled(macs, n), override=True) for n, at in enumerate(locations)]
    answers = at_once(*(partial(api.post, *body) for body in bodies))
    assert [changed(answer) for answer in answers] == [len(macs)] * 4
    assert Device.objects.values("location").distinct().count() == 1


def test_devices_are_removed_once(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """Of two who remove the same list, in any order, one does so, and the other is told that there are none."""
    api = two_tenants[0]
    for round in range(3):
        make_devices(cast.reseller, MACS[:1000])
        bodies = [{"macList": shuffled(MACS[:1000], 2 * round + n)} for n in (0, 1)]
        answers = at_once(*(partial(api.post, "/devices/remove", body) for body in bodies))
        assert statuses(answers) == {200: 1, 400: 1}
        assert not Device.objects.exists()


def test_removing_and_associating_do_not_mix(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """The devices go in any case; they were associated before, all of them, or none was found."""
    api, location = two_tenants[0], make_location(cast.reseller)
    for round in range(4):
        make_devices(cast.reseller, MACS[:1000])
        removed, associated = at_once(
            partial(api.post, "/devices/remove", {"macList": shuffled(MACS[:1000], round)}),
            partial(api.post, *associate(location, shuffled(MACS[:1000], -round - 1))),
        )
        assert (removed.status_code, removed.json()) == (200, {"deleted": 1000})
        assert associated.status_code in (200, 400)
        if associated.status_code == 200:
            assert changed(associated) == 1000


# --- Groups and users -----------------------------------------------------------------------------------------


def new_user(group: Group, login: str) -> dict[str, Any]:
    return {
        "firstName": "Ada",
        "lastName": "Byron",
        "password": PASSWORD,
        "permissionLevel": "Monitor",
        "login": login,
        "group": group.pk,
    }


MADE_IN_A_GROUP: dict[str, Callable[[Api, Group], Any]] = {
    "devices": lambda api, group: api.post("/devices", create(group, MACS[:50])),
    "locations": lambda api, group: api.post("/locations", {"groupId": group.pk, "url": "https://pbx.example/"}),
    "users": lambda api, group: api.post("/users", new_user(group, f"user.of.{group.pk}")),
    "providers": lambda api, group: api.post(
        "/groups", {"name": "New", "groupType": "Provider", "resellerId": group.pk}
    ),
}


@pytest.mark.parametrize("relation", MADE_IN_A_GROUP)
def test_a_group_goes_or_gets_something(cast: Cast, relation: str) -> None:
    """Never both: what is created has a group, and what is deleted has nothing."""
    api = Api(make_operator())
    for round in range(6):
        group = make_group(f"Going {round}")
        made, deleted = at_once(
            partial(MADE_IN_A_GROUP[relation], api, group), partial(api.delete, f"/groups/{group.pk}")
        )
        if deleted.status_code == 200:
            assert made.status_code in (403, 409), made.content
            assert not Group.objects.filter(pk=group.pk).exists()
        else:
            assert (made.status_code, deleted.status_code) == (201, 409)
            assert getattr(group, relation).exists()
        Device.objects.all()._raw_delete("default")


@pytest.mark.parametrize("kind", ["Reseller", "Provider"])
def test_a_group_name_is_given_once(cast: Cast, kind: str) -> None:
    api = Api(make_operator())
    for round in range(5):
        body: dict[str, Any] = {"name": f"Same {round}", "groupType": kind}
        if kind == "Provider":
            body["resellerId"] = cast.reseller.pk
        answers = at_once(*[partial(api.post, "/groups", body)] * 3)
        assert statuses(answers) == {201: 1, 409: 2}
        assert Group.objects.filter(name=body["name"]).count() == 1


def test_a_group_is_renamed_to_a_name_once(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    paths = [f"/groups/{group.pk}" for group in (cast.provider, cast.sibling)]
    for round in range(5):
        answers = at_once(*(partial(two_tenants[0].put, path, {"name": f"Same {round}"}) for path in paths))
        assert statuses(answers) == {200: 1, 409: 1}


def test_a_login_is_given_once(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """In whatever case, and to whichever tenant."""
    for round in range(5):
        answers = at_once(
            partial(two_tenants[0].post, "/users", new_user(cast.provider, f"same{round}")),
            partial(two_tenants[1].post, "/users", new_user(cast.stranger, f"SAME{round}")),
        )
        assert statuses(answers) == {201: 1, 409: 1}
        assert User.objects.get_queryset().named(f"Same{round}").count() == 1


# --- Logins and tokens ----------------------------------------------------------------------------------------


@pytest.fixture
def ada(cast: Cast) -> User:
    return make_user(cast.provider, login="ada")


def log_in(password: str = PASSWORD) -> Any:
    return Api().post("/login", {"userName": "ada", "password": password})


def change_password(new: str) -> Any:
    return Api().post("/changePassword", {"userName": "ada", "oldPassword": PASSWORD, "newPassword": new})


def test_failures_are_counted_exactly(ada: User, two_tenants: tuple[Api, Api]) -> None:
    """Those of both doors, and they block once."""
    body = {"userName": "ada", "oldPassword": "wrong password", "newPassword": NEW}
    calls = [partial(log_in, "wrong password")] * 40 + [partial(Api().post, "/changePassword", body)] * 10
    assert statuses(at_once(*calls, threads=10)) == {401: 50}
    user = two_tenants[0].get(f"/users/{ada.pk}").json()
    assert user["failLoginAttempts"] == 50
    assert user["userBlockTime"] is not None
    assert log_in().status_code == 401


def test_attempts_of_a_source_are_counted_exactly(ada: User, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_SOURCE = 7
    answers = at_once(*[partial(log_in, "wrong password")] * 30, threads=10)
    assert statuses(answers) == {401: 7, 429: 23}


def test_a_refresh_token_is_spent_once(ada: User) -> None:
    """All who come with it together get the same new tokens."""
    for _ in range(3):
        token = tokens.open_family(ada)["refresh_token"]
        answers = at_once(*[partial(Api().post, "/refresh", {"refresh_token": token})] * 4)
        assert statuses(answers) == {200: 4}
        assert len({answer.content for answer in answers}) == 1
        api = Api()
        api.headers["Authorization"] = "Bearer " + answers[0].json()["access_token"]
        assert api.get("/users/me").status_code == 200


def test_a_password_is_changed_once(ada: User) -> None:
    """Of two who know the old one, one gets the new one; the other is told that it is wrong."""
    for _ in range(3):
        ada.set_password(PASSWORD)
        ada.save()
        answers = at_once(partial(change_password, NEW + "1"), partial(change_password, NEW + "2"))
        assert statuses(answers) == {200: 1, 401: 1}
        worked = [log_in(NEW + n).status_code for n in "12"]
        assert worked == [answer.status_code for answer in answers]


def test_logins_beside_a_new_password_leave_no_old_token(ada: User) -> None:
    """Whichever came first, no token that the old password opened is alive after the change."""
    for _ in range(5):
        ada.set_password(PASSWORD)
        ada.save()
        *logins, changed = at_once(log_in, log_in, log_in, partial(change_password, NEW))
        assert changed.status_code == 200
        assert statuses(logins)[200] + statuses(logins)[401] + statuses(logins)[409] == 3
        assert not TokenFamily.objects.filter(user=ada).exists()


def test_a_user_is_deleted_beside_a_login(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """The login may come first, or too late; it may even keep the user, but no part of one."""
    for _ in range(5):
        ada = make_user(cast.provider, login="ada")
        deleted, login = at_once(partial(two_tenants[0].delete, f"/users/{ada.pk}"), log_in)
        assert deleted.status_code in (200, 409)
        assert login.status_code in (200, 401, 409)
        if deleted.status_code == 409:
            assert login.status_code == 200
            assert two_tenants[0].delete(f"/users/{ada.pk}").status_code == 200
        assert not TokenFamily.objects.exclude(user__login__startswith="user").exists()
        assert not User.objects.filter(login="ada").exists()


# --- Quotas ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["provider", "reseller"])
def test_a_quota_is_exact_under_calls_at_once(cast: Cast, two_tenants: tuple[Api, Api], whose: str) -> None:
    """Twenty calls of ten devices each, room for 105: ten calls fit, and the others write nothing."""
    limits = {"device_quota": 105} if whose == "provider" else {"total_device_quota": 105}
    Group.objects.filter(pk=getattr(cast, whose).pk).update(**limits)
    make_device(cast.provider, "00041300000A")
    groups = [cast.provider] if whose == "provider" else [cast.reseller, cast.provider, cast.sibling]
    calls = [
        partial(two_tenants[0].post, "/devices", create(groups[number % len(groups)], MACS[number * 10 :][:10]))
        for number in range(20)
    ]
    answers = at_once(*calls)
    assert statuses(answers) == {201: 10, 409: 10}, [answer.content[:200] for answer in answers]
    assert Device.objects.count() == 101
    refused = [answer.json()["description"] for answer in answers if answer.status_code == 409]
    assert all("quota of 105 devices, of which 101 are used: 10 more do not fit" in told for told in refused)


def test_moves_into_a_full_group_and_claims_do_not_deadlock(cast: Cast, two_tenants: tuple[Api, Api]) -> None:
    """Each group has a quota; devices are created in one and moved both ways at once."""
    Group.objects.filter(reseller=cast.reseller).update(device_quota=40)
    Group.objects.filter(pk=cast.reseller.pk).update(total_device_quota=60)
    for number in range(10):
        make_device(cast.provider, MACS[number])
        make_device(cast.sibling, MACS[10 + number])
    api = two_tenants[0]
    moves = [
        partial(api.post, "/devices/move", {"macList": MACS[begin:end], "group": group.pk})
        for begin, end, group in ((0, 10, cast.sibling), (10, 20, cast.provider)) * 4
    ]
    claims = [
        partial(api.post, "/devices", create(group, MACS[100 + number * 5 :][:5]))
        for number, group in enumerate([cast.provider, cast.sibling] * 6)
    ]
    answers = at_once(*moves, *claims)
    assert set(statuses(answers)) <= {200, 201, 409}, [answer.content[:200] for answer in answers]
    assert Device.objects.count() == 60
    assert Device.objects.filter(group=cast.provider).count() <= 40
    assert Device.objects.filter(group=cast.sibling).count() <= 40


def test_one_code_lets_in_once(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("accounts.second_factors.time", lambda: 1_800_000_000.0)
    operator = make_operator()
    secret = make_second_factor(operator)
    code = TOTP(secret, 6, SHA1(), 30).generate(1_800_000_000).decode()  # noqa: S303 - what all apps know
    browsers = [Client() for _ in range(4)]
    for browser in browsers:
        browser.post("/admin/login/", {"username": operator.login, "password": PASSWORD})
    sent = partial(Client.post, path="/admin/second_factor/code/", data={"code": code})
    answers = at_once(*(partial(sent, browser) for browser in browsers))
    assert statuses(answers) == {302: 1, 200: 3}
