"""One entry for every write through the API: who, from where, what, which objects, request id."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import IntegrityError, OperationalError, connection
from django.test import AsyncClient
from pytest_django.fixtures import Settings

from accounts.models import ApiKey, Level, User
from api import tokens
from audit import context, history, recording
from audit.context import Source
from audit.models import Entry, EntryObject, Event
from devices import bulk
from devices.models import Device, Import
from locations.models import Location
from management.models import Endpoint, OperationState
from redirect.db import transactions
from tests.certificates import make_ca, named, pem
from tests.conftest import (
    PASSWORD,
    Api,
    Cast,
    Form,
    make_alert,
    make_device,
    make_endpoint,
    make_group,
    make_import,
    make_key,
    make_location,
    make_operator,
    make_user,
    make_webhook,
)
from tests.routes import ROUTES
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served
from webhooks.models import Alert, Webhook

NEW_PASSWORD = "another horse 8 battery"
MACS = ["00908F000A01", "00908F000A02"]
SHOWN = ["00:90:8F:00:0A:01", "00:90:8F:00:0A:02"]


@pytest.fixture
def log(db: None) -> "Log":
    return Log()


class Log:
    """The entries since the fixture was last asked to forget them."""

    def forget(self) -> None:
        Entry.objects.all().delete()
        EntryObject.objects.all().delete()

    def all(self) -> list[Any]:
        return list(Entry.objects.order_by("id"))

    def events(self) -> list[str]:
        return [entry.event for entry in self.all()]

    def only(self) -> Any:
        (entry,) = self.all()
        return entry


def listed(entry: Entry) -> dict[str, list[str]]:
    """The MACs of an entry, by what was done to them."""
    found: dict[str, list[str]] = {}
    for number, done in EntryObject.objects.filter(entry=entry).order_by("number").values_list("number", "done"):
        found.setdefault(done, []).append(f"{number:012X}")
    return found


# --- Every write route ----------------------------------------------------------------------------------------


@dataclass
class World:
    """What the routes below act on."""

    api: Api
    cast: Cast
    user: User
    location: Location
    unused: Location
    key: ApiKey
    endpoint: Endpoint
    upload: Import
    webhook: Webhook
    alert: Alert


@pytest.fixture
def world(cast: Cast) -> Iterator[World]:
    location = make_location(cast.provider)
    for mac in MACS:
        make_device(cast.provider, mac, location=location)
    user = make_user(cast.provider, Level.MONITOR, login="berta")
    key, _ = make_key(cast.provider)
    ada = Api(make_user(cast.reseller, login="ada"))
    with Served(Mediant(mac=MACS[0], password="a password")) as device:
        endpoint = make_endpoint(Device.objects.get(mac=MACS[0]), device.url, allow_http=True)
        upload = make_import(cast.provider, "00908F000C01")
        unused, webhook = make_location(cast.provider), make_webhook(cast.provider)
        alert = make_alert(cast.provider)
        yield World(ada, cast, user, location, unused, key, endpoint, upload, webhook, alert)


def new_devices(world: World) -> dict[str, Any]:
    return {"group": world.cast.provider.pk, "macList": ["00908F000B01"], "overrideCurrentAssociation": False}


def new_user(world: World) -> dict[str, Any]:
    names = {"firstName": "New", "lastName": "Comer", "login": "newcomer", "password": NEW_PASSWORD}
    return names | {"permissionLevel": "Monitor", "group": world.cast.provider.pk}


def new_endpoint(world: World) -> dict[str, Any]:
    address = {"driver": "mediant-7.2", "baseUrl": "https://127.0.0.1:1", "mac": MACS[0]}
    return address | {"userName": "new", "password": NEW_PASSWORD}


def of_endpoint(world: World) -> int:
    return world.endpoint.pk


def certificate_of_flow(world: World) -> dict[str, Any]:
    """A flow that waits for a certificate; the body that brings it."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder(named(CN=MACS[0])).sign(key, SHA256())
    csr = request.public_bytes(Encoding.PEM).decode()
    world.endpoint.operations.create(
        verb="certify", state=OperationState.PARKED, steps=[{"step": "request", "state": "done", "csr": csr}]
    )
    return {"certificate": pem(make_ca("CA").issue(request.subject, key=request)[0])}


def failed_flow(world: World) -> dict[str, Any]:
    """A flow that failed."""
    world.endpoint.operations.create(verb="certify", state=OperationState.FAILED)
    return {}


def of_flow(world: World) -> int:
    return world.endpoint.operations.filter(verb="certify").latest("id").pk


@dataclass(frozen=True)
class Write:
    """A request that succeeds, and the event of its one entry (None: it writes nothing that is told)."""

    method: str
    route: str
    event: Event | None
    body: Callable[[World], Any] = lambda world: {}
    id: Callable[[World], int] = lambda world: 0

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


WRITES = [
    Write("POST", "login", None, lambda w: {"userName": "berta", "password": PASSWORD}),
    Write("POST", "refresh", None, lambda w: {"refresh_token": tokens.open_family(w.user)["refresh_token"]}),
    Write("POST", "logout", Event.LOGGED_OUT),
    Write("POST", "changePassword", Event.PASSWORD_CHANGED,
          lambda w: {"userName": "berta", "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}),
    Write("POST", "groups", Event.CREATED, lambda w: {"name": "New Phones", "groupType": "Provider"}),
    Write("PUT", "groups/<int:id>", Event.CHANGED, lambda w: {"address": "1 New Street"},
          lambda w: w.cast.provider.pk),
    Write("DELETE", "groups/<int:id>", Event.DELETED, id=lambda w: w.cast.sibling.pk),
    Write("POST", "users", Event.CREATED, new_user),
    Write("PUT", "users/<int:id>", Event.CHANGED, lambda w: {"description": "x", "password": NEW_PASSWORD},
          lambda w: w.user.pk),
    Write("DELETE", "users/<int:id>", Event.DELETED, id=lambda w: w.user.pk),
    Write("POST", "management/endpoints", Event.CREATED,
          lambda w: new_endpoint(w) | {"groupId": w.cast.provider.pk, "mac": MACS[1]}),
    Write("PUT", "management/endpoints/<int:id>", Event.CHANGED, lambda w: new_endpoint(w), of_endpoint),
    Write("DELETE", "management/endpoints/<int:id>", Event.DELETED, id=of_endpoint),
    Write("POST", "management/endpoints/<int:id>/probe", Event.CHANGED, id=of_endpoint),
    Write("POST", "management/endpoints/<int:id>/operations", Event.CHANGED, lambda w: {"verb": "restart"},
          of_endpoint),
    Write("POST", "management/endpoints/<int:id>/passthrough", Event.CHANGED,
          lambda w: {"method": "GET", "path": "/api/v1/status"}, of_endpoint),
    Write("POST", "management/operations/<int:id>/certificate", Event.CHANGED, certificate_of_flow, of_flow),
    Write("POST", "management/operations/<int:id>/resume", Event.CHANGED, failed_flow, of_flow),
    Write("POST", "management/endpoints/<int:id>/uiToken", Event.CHANGED, id=of_endpoint),
    Write("POST", "keys", Event.CREATED,
          lambda w: {"name": "Import", "group": w.cast.provider.pk, "permissionLevel": "Operator"}),
    Write("PUT", "keys/<int:id>", Event.CHANGED, lambda w: {"name": "Changed"}, lambda w: w.key.pk),
    Write("DELETE", "keys/<int:id>", Event.DELETED, id=lambda w: w.key.pk),
    Write("POST", "webhooks", Event.CREATED,
          lambda w: {"groupId": w.cast.provider.pk, "url": "https://hooks.example/"}),
    Write("PUT", "webhooks/<int:id>", Event.CHANGED, lambda w: {"url": "https://new.example/"},
          lambda w: w.webhook.pk),
    Write("DELETE", "webhooks/<int:id>", Event.DELETED, id=lambda w: w.webhook.pk),
    Write("POST", "webhooks/<int:id>/test", Event.CHANGED, id=lambda w: w.webhook.pk),
    Write("POST", "webhooks/<int:id>/deliveries/<int:delivery>/replay", Event.CHANGED, id=lambda w: w.webhook.pk),
    Write("POST", "alerts", Event.CREATED, lambda w: {"groupId": w.cast.provider.pk}),
    Write("PUT", "alerts/<int:id>", Event.CHANGED, lambda w: {"hour": 8}, lambda w: w.alert.pk),
    Write("DELETE", "alerts/<int:id>", Event.DELETED, id=lambda w: w.alert.pk),
    Write("POST", "devices", Event.DEVICES_CREATED, new_devices),
    Write("POST", "devices/remove", Event.DEVICES_REMOVED, lambda w: {"macList": MACS}),
    Write("POST", "devices/move", Event.DEVICES_MOVED, lambda w: {"macList": MACS, "group": w.cast.sibling.pk}),
    # Nothing of a tenant's is changed before the job that writes: tests/api/test_imports.py.
    Write("POST", "imports", None, lambda w: Form(file="mac,group\n00908F000C01,Berlin Phones\n")),
    Write("PUT", "imports/<int:id>", None, lambda w: {"numbers": True}, lambda w: w.upload.pk),
    Write("POST", "imports/<int:id>/confirm", None, id=lambda w: w.upload.pk),
    Write("DELETE", "imports/<int:id>", None, id=lambda w: w.upload.pk),
    Write("POST", "locations", Event.CREATED,
          lambda w: {"url": "https://new.example/", "groupId": w.cast.provider.pk}),
    Write("PUT", "locations/<int:id>", Event.CHANGED, lambda w: {"url": "https://new.example/"},
          lambda w: w.location.pk),
    Write("DELETE", "locations/<int:id>", Event.DELETED, id=lambda w: w.unused.pk),
    Write("POST", "locations/remove", Event.LOCATIONS_REMOVED, lambda w: {"idList": [w.unused.pk]}),
    Write("POST", "locations/<int:id>/devices/associate", Event.DEVICES_ASSOCIATED,
          lambda w: {"macList": MACS, "overrideCurrentAssociation": True}, lambda w: w.unused.pk),
    Write("POST", "locations/<int:id>/devices/disassociate", Event.DEVICES_DISASSOCIATED,
          lambda w: {"macList": MACS}, lambda w: w.location.pk),
]  # fmt: skip


def send(write: Write, world: World) -> Any:
    path = "/" + write.route.replace("<int:id>", str(write.id(world)))
    path = path.replace("<int:delivery>", str(world.webhook.deliveries.get().pk))
    if write.method == "DELETE":
        return world.api.delete(path)
    return (world.api.put if write.method == "PUT" else world.api.post)(path, write.body(world))


def write_routes() -> Iterator[str]:
    for route, view in ROUTES.items():
        if route.startswith("api/v1/") and hasattr(view, "view_class"):
            for method in ("post", "put", "patch", "delete"):
                if hasattr(view.view_class, method):
                    words = route.removeprefix("api/v1/").removesuffix("/").split("/")
                    words[0] = "users" if words[0] == "user" else words[0]
                    yield f"{method.upper()} {'/'.join(words)}"


def test_every_write_route_has_a_row():
    assert set(write_routes()) == {str(write) for write in WRITES}


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_write_leaves_one_entry(write: Write, world: World, log: Log):
    body = write.body(world)
    log.forget()
    answer = send(Write(write.method, write.route, write.event, lambda w: body, write.id), world)
    assert answer.status_code in (200, 201, 202), answer.content
    if write.event is None:
        assert log.all() == []
        return
    entry = log.only()
    assert entry.event == write.event
    assert entry.source == Source.API
    assert entry.remote_addr == "127.0.0.1"
    assert entry.cid == answer["X-Request-ID"]
    assert entry.actor_login == ("berta" if write.route == "changePassword" else "ada")
    assert entry.group_id is not None


@pytest.mark.parametrize("write", [w for w in WRITES if w.event], ids=str)
def test_a_write_that_fails_leaves_none(write: Write, world: World, log: Log, monkeypatch: Any):
    """Whatever a request writes is taken back with its entry: here the log's own table refuses."""
    body = write.body(world)
    before = [list(m._default_manager.order_by("pk").values()) for m in (Device, Location, User)]
    log.forget()

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(Entry, "save", refuse)
    answer = send(Write(write.method, write.route, write.event, lambda w: body, write.id), world)
    assert answer.status_code == 409, answer.content
    assert log.all() == []
    if write.route != "changePassword":  # it has recorded a login before
        assert before == [list(m._default_manager.order_by("pk").values()) for m in (Device, Location, User)]


def test_what_changes_nothing_leaves_no_entry(world: World, log: Log):
    location, provider = world.location, world.cast.provider
    log.forget()
    same = {"macList": MACS, "overrideCurrentAssociation": True}
    assert world.api.post("/devices", same | {"group": provider.pk, "locationId": location.pk}).status_code == 201
    assert world.api.post(f"/locations/{location.pk}/devices/associate", same).status_code == 200
    assert world.api.put(f"/locations/{location.pk}", {"url": location.url}).status_code == 200
    assert world.api.put(f"/groups/{provider.pk}", {"name": provider.name}).status_code == 200
    assert world.api.put(f"/users/{world.user.pk}", {"firstName": "Ada"}).status_code == 200
    assert world.api.post("/locations/remove", {"idList": [location.pk]}).json()["deleted"] == 0
    assert world.api.post("/devices", new_devices(world) | {"macList": ["x"]}).status_code == 201
    assert log.all() == []


def test_what_is_refused_leaves_no_entry(world: World, log: Log):
    log.forget()
    foreign = make_device(world.cast.stranger)
    log.forget()
    assert world.api.post("/devices/remove", {"macList": [*MACS, foreign.mac]}).status_code == 400
    assert world.api.delete(f"/locations/{world.location.pk}").status_code == 409
    assert world.api.put(f"/groups/{world.cast.stranger.pk}", {"name": "Mine"}).status_code == 404
    assert log.all() == []


# --- What an entry says ---------------------------------------------------------------------------------------


def test_a_change_tells_old_and_new(world: World, log: Log):
    log.forget()
    world.api.put(f"/locations/{world.location.pk}", {"url": "https://new.example/", "mutualAuth": True})
    entry = log.only()
    assert entry.changes == {
        "url": ["https://pbx.example/cfg/", "https://new.example/"],
        "mutual_auth": [False, True],
    }
    assert (entry.object_id, entry.object_repr) == (world.location.pk, "https://new.example/")


def test_a_bulk_call_lists_what_it_did_to_which(world: World, log: Log):
    own = make_device(world.cast.provider)
    foreign = make_device(world.cast.stranger)
    log.forget()
    sent = ["00:90:8f:00:0b:01", own.mac, foreign.mac, "nonsense", MACS[0]]
    body = new_devices(world) | {"macList": sent, "locationId": world.unused.pk, "description": "hall"}
    world.api.post("/devices", body)
    entry = log.only()
    assert entry.event == Event.DEVICES_CREATED
    assert listed(entry) == {"Created": ["00908F000B01"], "Associated": [own.mac]}
    assert entry.changes == {"location": [None, world.unused.pk], "description": [None, "hall"]}
    assert entry.group_id == world.cast.provider.pk


def test_associate_tells_who_got_the_location_and_who_the_description(world: World, log: Log):
    free = make_device(world.cast.provider)
    log.forget()
    body = {"macList": [*MACS, free.mac], "overrideCurrentAssociation": False, "description": "hall"}
    world.api.post(f"/locations/{world.unused.pk}/devices/associate", body)
    entry = log.only()
    assert listed(entry) == {"Associated": [free.mac], "Described": MACS}
    assert entry.changes == {"location": [None, world.unused.pk], "description": [None, "hall"]}


def test_a_removal_over_several_groups_is_one_entry_of_all_of_them(world: World, log: Log):
    sibling = make_device(world.cast.sibling)
    log.forget()
    world.api.post("/devices/remove", {"macList": [*MACS, sibling.mac]})
    entry = log.only()
    assert entry.group_id is None
    assert listed(entry) == {"Removed": sorted([*MACS, sibling.mac])}
    for group in (world.cast.provider, world.cast.sibling):
        assert list(history.of_group(group.pk)) == [entry]
    assert not history.of_group(world.cast.stranger.pk).exists()


def test_a_provider_that_is_gone_stays_in_its_resellers_log(world: World, log: Log):
    log.forget()
    world.api.delete(f"/groups/{world.cast.sibling.pk}")
    entry = log.only()
    assert entry.other_group_id == world.cast.reseller.pk
    assert entry.changes["name"] == ["Munich Phones", None]


def test_the_login_outlives_the_user(world: World, log: Log):
    leaver = make_user(world.cast.provider, login="leaver")
    log.forget()
    Api(leaver).put(f"/groups/{world.cast.provider.pk}", {"address": "1 New Street"})
    world.api.delete(f"/users/{leaver.pk}")
    change, deletion = log.all()
    assert (change.actor_login, deletion.actor_login) == ("leaver", "ada")
    assert deletion.object_repr == "leaver"


# --- Failed logins --------------------------------------------------------------------------------------------


def test_a_failed_login_names_the_user_and_its_group(world: World, log: Log):
    log.forget()
    answer = Api().post("/login", {"userName": "BERTA", "password": "wrong"})
    entry = log.only()
    assert answer.status_code == 401
    assert (entry.event, entry.object_repr, entry.group_id) == (
        Event.LOGIN_FAILED,
        "berta",
        world.cast.provider.pk,
    )
    assert (entry.actor_login, entry.remote_addr, entry.cid) == (None, "127.0.0.1", answer["X-Request-ID"])


def test_of_an_unknown_login_no_text_is_kept(db: None, log: Log):
    Api().post("/login", {"userName": "my.secret.password", "password": "wrong"})
    entry = log.only()
    assert (entry.event, entry.object_id, entry.group_id, entry.object_repr) == (
        Event.LOGIN_FAILED,
        None,
        None,
        "",
    )
    assert "secret" not in str(Entry.objects.values())


def test_a_blocked_user_and_one_who_must_change_the_password_fail_too(world: World, log: Log, settings: Settings):
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 1
    log.forget()
    for password in ("wrong", PASSWORD):
        assert Api().post("/login", {"userName": "berta", "password": password}).status_code == 401
    make_user(world.cast.provider, login="cora", force_change_password=True)
    assert Api().post("/login", {"userName": "cora", "password": PASSWORD}).status_code == 403
    assert [entry.object_repr for entry in log.all() if entry.event == Event.LOGIN_FAILED] == [
        "berta",
        "berta",
        "cora",
    ]


def test_a_wrong_old_password_is_a_failed_login(world: World, log: Log):
    log.forget()
    body = {"userName": "berta", "oldPassword": "wrong", "newPassword": NEW_PASSWORD}
    assert Api().post("/changePassword", body).status_code == 401
    assert log.events() == [Event.LOGIN_FAILED]


def test_a_spent_refresh_token_ends_the_tokens_and_says_so(world: World, log: Log):
    spent = tokens.open_family(world.user)["refresh_token"]
    log.forget()
    assert Api().post("/refresh", {"refresh_token": spent}).status_code == 200
    assert log.all() == []
    thief = Api()
    thief.headers["User-Agent"] = "another client"  # the same one may ask again for ten seconds
    for _ in range(2):
        assert thief.post("/refresh", {"refresh_token": spent}).status_code == 401
    assert log.events() == [Event.TOKENS_ENDED]


# --- Transactions and threads ---------------------------------------------------------------------------------


def test_a_call_that_is_tried_again_leaves_one_entry(world: World, log: Log, monkeypatch: Any):
    attempts = []
    original = recording.record_list

    def lose_twice(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        attempts.append(1)
        if len(attempts) < transactions.ATTEMPTS:
            raise transactions.LostRace

    monkeypatch.setattr(bulk, "record_list", lose_twice)
    log.forget()
    assert world.api.post("/devices", new_devices(world)).status_code == 201
    assert len(attempts) == transactions.ATTEMPTS
    assert listed(log.only()) == {"Created": ["00908F000B01"]}
    assert EntryObject.objects.count() == 1


def test_an_entry_that_was_rolled_back_is_not_joined(world: World, log: Log):
    log.forget()

    def work(*, fails: bool) -> None:
        world.unused.description = "x"
        world.unused.save()
        if fails:
            raise OperationalError

    with context.of_command("test"):
        for _ in range(2):
            with pytest.raises(OperationalError):
                transactions.in_transaction(lambda: work(fails=True))
            assert log.all() == []
        transactions.in_transaction(lambda: work(fails=False))
    assert log.only().changes == {"description": [None, "x"]}


def test_nothing_of_a_request_is_left_in_its_thread(world: World, log: Log):
    world.api.get("/users/me")
    Api().post("/login", {"userName": "berta", "password": "wrong"})
    left = context.current()
    assert (left.source, left.actor, left.address) == (Source.COMMAND, None, None)
    log.forget()
    make_location(world.cast.provider)
    assert (log.only().actor, log.only().remote_addr) == (None, None)
    log.forget()
    Api().post("/changePassword", {"userName": "berta", "oldPassword": "wrong", "newPassword": NEW_PASSWORD})
    assert log.only().actor_login is None


def test_a_session_of_the_admin_is_nobody_in_the_api(world: World, log: Log):
    operator = make_operator(login="root")
    world.api.client.force_login(operator)
    log.forget()
    world.api.put(f"/groups/{world.cast.provider.pk}", {"address": "1 New Street"})
    assert log.only().actor_login == "ada"


def test_under_asgi_the_context_reaches_the_view(world: World, log: Log):
    """There the middleware and the view do not run in one thread."""
    log.forget()
    path = f"/api/v1/groups/{world.cast.provider.pk}"
    put = async_to_sync(AsyncClient().put)
    answer = put(path, {"address": "1 New Street"}, content_type="application/json", headers=world.api.headers)
    assert answer.status_code == 200
    entry = log.only()
    assert (entry.actor_login, entry.source, entry.cid) == ("ada", Source.API, answer["X-Request-ID"])
    assert context.current().actor is None


def test_a_forged_address_is_not_believed(world: World, log: Log):
    log.forget()
    world.api.headers["X-Forwarded-For"] = "203.0.113.9"
    world.api.put(f"/groups/{world.cast.provider.pk}", {"address": "1 New Street"})
    assert log.only().remote_addr == "127.0.0.1"


@pytest.mark.parametrize(("sent", "kept"), [("", None), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")])
def test_any_address_of_a_peer_can_be_kept(world: World, log: Log, sent: str, kept: str | None):
    log.forget()
    headers = world.api.headers
    path = f"/api/v1/locations/{world.unused.pk}"
    assert world.api.client.delete(path, headers=headers, REMOTE_ADDR=sent).status_code == 200
    assert log.only().remote_addr == kept


# --- History --------------------------------------------------------------------------------------------------


def test_a_mac_has_its_history_alone_and_in_lists(world: World, log: Log):
    """Newest first; also of the device that it was before."""
    log.forget()
    api, mac = world.api, MACS[0]
    api.post("/devices/remove", {"macList": MACS})
    api.post("/devices", new_devices(world) | {"macList": [mac]})
    device = Device.objects.get(mac=mac)
    device.description = "hall"
    device.save()
    make_device(world.cast.provider)
    assert [e.event for e in history.of_mac(mac)] == ["Changed", "DevicesCreated", "DevicesRemoved"]


def test_a_location_has_its_history(world: World, log: Log):
    log.forget()
    world.api.put(f"/locations/{world.unused.pk}", {"url": "https://new.example/"})
    world.api.post("/locations/remove", {"idList": [world.unused.pk]})
    assert [entry.event for entry in history.of(world.unused)] == ["LocationsRemoved", "Changed"]


def test_a_user_has_its_history_and_its_deeds(world: World, log: Log):
    log.forget()
    world.api.put(f"/users/{world.user.pk}", {"firstName": "Berta"})
    assert list(history.of(world.user)) == log.all()
    assert not history.by(world.user).exists()
    assert list(history.by(User.objects.get(login="ada"))) == log.all()


def test_a_history_is_found_by_an_index(world: World):
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's planner")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for entries in (history.of_mac(MACS[0]), history.of(world.user), history.of_group(1)):
            cursor.execute(f"EXPLAIN {entries.query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan


def test_two_groups_of_one_name_are_told_apart(log: Log):
    reseller = make_group("One")
    log.forget()
    make_group("Same", reseller)
    assert log.only().other_group_id == reseller.pk
