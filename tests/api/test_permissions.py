"""Who may do what to whose: every address, every method, every kind of caller, every relation to the target.

The expected statuses are computed from the small tables below, which are written from the manual (10.1) and from
nothing else. An address of the URL configuration that no case covers fails.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model, Q

from accounts.models import Level, User
from accounts.scope import ScopedQuerySet
from audit.models import Entry
from devices import mac
from devices.models import AccessQuerySet
from tests.conftest import (
    PASSWORD,
    Api,
    Form,
    make_access,
    make_alert,
    make_device,
    make_endpoint,
    make_group,
    make_import,
    make_key,
    make_location,
    make_operator,
    make_server,
    make_user,
    make_webhook,
    undone,
)
from tests.routes import ROUTES

# --- What the manual says -------------------------------------------------------------------------------------

OPERATOR = "the platform operator"
STAFF = "a user without a group"
NOBODY = "nobody"

TENANTS = {
    "the reseller's Administrator": ("reseller", Level.ADMINISTRATOR),
    "the reseller's Operator": ("reseller", Level.OPERATOR),
    "the reseller's Monitor": ("reseller", Level.MONITOR),
    "the provider's Administrator": ("provider", Level.ADMINISTRATOR),
    "the provider's Operator": ("provider", Level.OPERATOR),
    "the provider's Monitor": ("provider", Level.MONITOR),
}
CALLERS = [OPERATOR, *TENANTS, STAFF, NOBODY]

#                                    the reseller's                       the provider's
#                                    Administrator  Operator  Monitor     Administrator  Operator  Monitor
LEVELS = {
    "view":                         ("yes           yes       yes         yes            yes       yes"),
    "change devices and locations": ("yes           yes       -           yes            yes       -"),
    "create or delete a provider":  ("yes           -         -           -              -         -"),
    "create a reseller":            ("-             -         -           -              -         -"),
    "change a group":               ("yes           -         -           yes            -         -"),
    "manage users":                 ("yes           -         -           yes            -         -"),
    "read the audit log":           ("yes           -         -           yes            -         -"),
    "manage keys":                  ("yes           -         -           yes            -         -"),
    "operate endpoints":            ("yes           yes       -           yes            yes       -"),
    "administer endpoints":         ("yes           -         -           yes            -         -"),
    "manage webhooks":              ("yes           -         -           yes            -         -"),
    "manage alerts":                ("yes           -         -           yes            -         -"),
}  # fmt: skip

# Who is in whose scope; "self" is the caller as a user.
SCOPE = {
    "reseller": {"self", "reseller", "provider", "sibling", "empty"},
    "provider": {"self", "provider"},
}
# What each target is, seen from the caller's group: for the names of failures.
RELATION = {
    ("reseller", "reseller"): "own",
    ("reseller", "provider"): "child",
    ("reseller", "sibling"): "another child",
    ("reseller", "empty"): "empty child",
    ("provider", "provider"): "own",
    ("provider", "reseller"): "parent",
    ("provider", "sibling"): "sibling",
    ("provider", "empty"): "empty sibling",
}
FOREIGN = {
    "stranger": "foreign reseller",
    "strangers_provider": "foreign provider",
    "strangers_empty": "empty foreign provider",
    "missing": "not existing",
}
TARGETS = ("missing", "reseller", "provider", "sibling", "stranger", "strangers_provider")
GROUPS = (*TARGETS, "empty", "strangers_empty")
USERS = (*TARGETS, "self")


def relation(caller: str, target: str) -> str:
    group = TENANTS[caller][0] if caller in TENANTS else ""
    return RELATION.get((group, target)) or FOREIGN.get(target) or target


def in_scope(caller: str, target: str) -> bool:
    if target == "missing":
        return False
    return caller == OPERATOR or target in SCOPE[TENANTS[caller][0]]


def may(caller: str, action: str) -> bool:
    return caller == OPERATOR or dict(zip(TENANTS, LEVELS[action].split(), strict=True))[caller] == "yes"


# --- The cases ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """One of each thing that a group has, by id; ids that nothing has, for what does not exist."""

    group: int
    user: int = 900_001
    location: int = 900_002  # with a device
    unused: int = 900_003  # a location without devices
    device: int = 900_004
    mac: str = "00908FFFFF01"
    entry: int = 900_005  # of the audit log
    key: int = 900_006
    endpoint: int = 900_007  # of another device
    managed_mac: str = "00908FFFFF02"
    operation: int = 900_008
    artefact: int = 900_009
    upload: int = 900_010
    webhook: int = 900_012
    alert: int = 900_014
    delivery: int = 900_013


Make = Callable[[Target, Target], Any]


@dataclass(frozen=True)
class Case:
    """A request, and what it answers by the relation of its target to the caller.

    `path` and `body` get the target and the base: the caller's own group, where a request needs a place to
    stand on. `answers` overrides the statuses `inside` and `outside` for (caller or "*", target).
    """

    method: str
    route: str
    action: str
    inside: int
    outside: int = 0  # the same as inside: there is no target
    name: str = ""
    body: Make | None = None
    path: Make | None = None  # what fills the holes of the route, if not the target's own
    targets: tuple[str, ...] = TARGETS
    answers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    same_group: int = 0  # the status for a target in the scope that is not of the caller's own group
    echoes: Callable[[Target], str] | None = None  # what of the target the answer repeats
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.route}" + (f" ({self.name})" if self.name else "")

    def expected(self, caller: str, target: str) -> int:
        if self.action == "open":
            return self.inside
        if caller == NOBODY:
            return 401
        if self.action == "logged in":
            return self.inside
        if caller == STAFF:
            return 403
        for who in (caller, "*"):
            if (who, target) in self.answers and (who != "*" or may(caller, self.action)):
                return self.answers[who, target]
        if not may(caller, self.action):
            return 403
        if not self.outside:
            return self.inside
        if not in_scope(caller, target):
            return self.outside
        if self.same_group and target != base_of(caller):
            return self.same_group
        return self.inside


def base_of(caller: str) -> str:
    return TENANTS[caller][0] if caller in TENANTS else "reseller"


def of_user(target: Target, base: Target) -> int:
    return target.user


def of_group(target: Target, base: Target) -> int:
    return target.group


def of_location(target: Target, base: Target) -> int:
    return target.location


def of_unused_location(target: Target, base: Target) -> int:
    return target.unused


def of_own_location(target: Target, base: Target) -> int:
    return base.location


def of_device(target: Target, base: Target) -> int:
    return target.device


def of_mac(target: Target, base: Target) -> str:
    return target.mac


def of_entry(target: Target, base: Target) -> int:
    return target.entry


def of_key(target: Target, base: Target) -> int:
    return target.key


def of_endpoint(target: Target, base: Target) -> int:
    return target.endpoint


def of_webhook(target: Target, base: Target) -> int:
    return target.webhook


def of_alert(target: Target, base: Target) -> int:
    return target.alert


def of_operation(target: Target, base: Target) -> int:
    return target.operation


def as_displayed(target: Target) -> str:
    return mac.display(target.mac)


def of_import(target: Target, base: Target) -> int:
    return target.upload


NEW_MAC = "00908FAAAA01"
MANAGED = {(who, "self"): 200 for who in TENANTS}  # the own user, whatever the level
# A provider has no providers: who sees that it is one is told so.
NO_RESELLERS = {
    OPERATOR: ("provider", "sibling", "empty", "strangers_provider", "strangers_empty"),
    "the reseller's Administrator": ("provider", "sibling", "empty"),
}


def new_devices(**more: Any) -> dict[str, Any]:
    return {"macList": [NEW_MAC], "overrideCurrentAssociation": True} | more


def new_key(**more: Any) -> dict[str, Any]:
    return {"name": "New Key", "permissionLevel": "Monitor"} | more


def new_endpoint(**more: Any) -> dict[str, Any]:
    values = {"driver": "mediant-7.2", "baseUrl": "https://127.0.0.1:1", "userName": "Admin", "password": "secret"}
    return values | more


def new_user(**more: Any) -> dict[str, Any]:
    names = {"firstName": "New", "lastName": "Comer", "login": "newcomer", "password": PASSWORD}
    return names | {"permissionLevel": "Monitor"} | more


CASES = [
    # Logging in: open to everybody; an empty body is a bad one.
    Case("POST", "login", "open", 400),
    Case("POST", "refresh", "open", 400),
    Case("POST", "changePassword", "open", 400),
    Case("POST", "logout", "logged in", 200),
    Case("GET", "schema", "open", 200),
    Case("GET", "docs", "open", 200),
    # Groups.
    Case("GET", "groups", "view", 200),
    Case("GET", "groups/<int:id>", "view", 200, 204, path=of_group, targets=GROUPS),
    Case(
        "POST", "groups", "create or delete a provider", 201, 403, "resellerId", targets=GROUPS,
        body=lambda t, _: {"name": "New Phones", "groupType": "Provider", "resellerId": t.group},
        answers={(who, target): 400 for who, targets in NO_RESELLERS.items() for target in targets},
    ),
    Case(
        "POST", "groups", "create a reseller", 201, name="Reseller",
        body=lambda t, _: {"name": "New Reseller", "groupType": "Reseller"},
    ),
    Case(
        "PUT", "groups/<int:id>", "change a group", 200, 404, path=of_group, targets=GROUPS,
        body=lambda *_: {"name": "New Name", "address": "1 New Street", "description": "changed"},
    ),
    Case(
        "DELETE", "groups/<int:id>", "create or delete a provider", 409, 404, path=of_group, targets=GROUPS,
        answers={
            ("*", "empty"): 200,
            (OPERATOR, "strangers_empty"): 200,
            ("the reseller's Administrator", "reseller"): 403,  # the operator alone deletes resellers
        },
    ),
    Case("GET", "usage", "view", 200),
    # Users.
    Case("GET", "users", "manage users", 200),
    Case("GET", "users/me", "view", 200),
    Case(
        "GET", "users/<int:id>", "manage users", 200, 204, path=of_user, targets=USERS, answers=MANAGED
    ),
    Case(
        "POST", "users", "manage users", 201, 403, "group",
        body=lambda t, _: new_user(group=t.group),
    ),
    Case(
        "PUT", "users/<int:id>", "manage users", 200, 404, path=of_user, targets=USERS,
        body=lambda *_: {"description": "changed", "password": "another horse 8 battery"},
    ),
    Case(
        "DELETE", "users/<int:id>", "manage users", 200, 404, path=of_user, targets=USERS,
        answers={("*", "self"): 409},
    ),
    # API keys.
    Case("GET", "keys", "manage keys", 200),
    Case("GET", "keys/<int:id>", "manage keys", 200, 204, path=of_key),
    Case("POST", "keys", "manage keys", 201, 403, "group", body=lambda t, _: new_key(group=t.group)),
    Case(
        "PUT", "keys/<int:id>", "manage keys", 200, 404, path=of_key,
        body=lambda *_: {"name": "changed", "expiresAt": "2099-01-01T00:00:00+0000"},
    ),
    Case("DELETE", "keys/<int:id>", "manage keys", 200, 404, path=of_key),
    # Devices.
    Case("GET", "devices", "view", 200),
    Case("GET", "devices/<device_id:id>", "view", 200, 204, path=of_device),
    Case("GET", "devices/<mac:mac>", "view", 200, 204, path=of_mac),
    Case("GET", "devices/<device_id:id>/accesses", "view", 200, 204, path=of_device),
    Case("GET", "devices/<mac:mac>/accesses", "view", 200, 204, path=of_mac),
    Case("GET", "accesses", "view", 200),
    Case(
        "POST", "devices", "change devices and locations", 201, 403, "group",
        body=lambda t, _: new_devices(group=t.group),
    ),
    Case(
        "POST", "devices", "change devices and locations", 201, 400, "locationId", same_group=400,
        body=lambda t, base: new_devices(group=base.group, locationId=t.location),
    ),
    Case(
        "POST", "devices/remove", "change devices and locations", 200, 400, "macList", echoes=as_displayed,
        body=lambda t, _: {"macList": [t.mac]},
    ),
    Case(
        "POST", "devices/remove", "change devices and locations", 200, 403, "group", same_group=400,
        body=lambda t, base: {"macList": [base.mac], "group": t.group},
    ),
    Case(
        "POST", "devices/move", "change devices and locations", 200, 403, "group",
        body=lambda t, base: {"macList": [base.mac], "group": t.group},
    ),
    Case(
        "POST", "devices/move", "change devices and locations", 200, 400, "macList", echoes=as_displayed,
        body=lambda t, base: {"macList": [t.mac], "group": base.group},
    ),
    Case(
        "POST", "devices/move", "change devices and locations", 200, 400, "locationId", same_group=400,
        body=lambda t, base: {"macList": [base.mac], "group": base.group, "locationId": t.location},
    ),
    # The audit log.
    Case("GET", "audit", "read the audit log", 200),
    Case("GET", "audit/<int:id>", "read the audit log", 200, 204, path=of_entry),
    # Locations.
    Case("GET", "locations", "view", 200),
    Case("GET", "locations/<int:id>", "view", 200, 204, path=of_location),
    Case(
        "POST", "locations", "change devices and locations", 201, 403, "groupId",
        body=lambda t, _: {"url": "https://new.example/", "groupId": t.group},
    ),
    Case(
        "PUT", "locations/<int:id>", "change devices and locations", 200, 404, path=of_location,
        body=lambda *_: {"url": "https://new.example/", "description": "changed", "mutualAuth": True},
    ),
    Case(
        "DELETE", "locations/<int:id>", "change devices and locations", 200, 404, "without devices",
        path=of_unused_location,
    ),
    Case(
        "DELETE", "locations/<int:id>", "change devices and locations", 409, 404, "with a device",
        path=of_location,
    ),
    Case(
        "POST", "locations/remove", "change devices and locations", 200, name="idList", outside=200,
        body=lambda t, _: {"idList": [t.unused]}, echoes=lambda t: str(t.unused),
    ),
    # The devices of a location.
    Case("GET", "locations/<int:id>/devices", "view", 200, 204, path=of_location),
    Case(
        "POST", "locations/<int:id>/devices/associate", "change devices and locations", 200, 404, "location",
        path=of_location,
        body=lambda t, _: {"macList": [t.mac], "overrideCurrentAssociation": True, "description": "changed"},
    ),
    Case(
        "POST", "locations/<int:id>/devices/associate", "change devices and locations", 200, 400, "macList",
        path=of_own_location, same_group=400, echoes=as_displayed,
        body=lambda t, _: {"macList": [t.mac], "overrideCurrentAssociation": True, "description": "changed"},
    ),
    Case(
        "POST", "locations/<int:id>/devices/disassociate", "change devices and locations", 200, 404, "location",
        path=of_location, body=lambda t, _: {"macList": [t.mac]},
    ),
    Case(
        "POST", "locations/<int:id>/devices/disassociate", "change devices and locations", 200, 400, "macList",
        path=of_own_location, same_group=400, echoes=as_displayed, body=lambda t, _: {"macList": [t.mac]},
    ),
    # Imports.
    Case("GET", "imports", "view", 200),
    Case(
        "POST", "imports", "change devices and locations", 201,
        body=lambda *_: Form(file="mac,group\n00:90:8F:AA:AA:01,Foreign Phones\n"),
    ),
    Case("GET", "imports/<int:id>", "view", 200, 204, path=of_import),
    Case("GET", "imports/<int:id>/rows", "view", 200, 204, path=of_import),
    Case(
        "PUT", "imports/<int:id>", "change devices and locations", 200, 404, path=of_import,
        body=lambda *_: {"numbers": True},
    ),
    Case("POST", "imports/<int:id>/confirm", "change devices and locations", 200, 404, path=of_import),
    Case("DELETE", "imports/<int:id>", "change devices and locations", 200, 404, path=of_import),
    # Webhooks.
    Case("GET", "webhooks", "manage webhooks", 200),
    Case("GET", "webhooks/<int:id>", "manage webhooks", 200, 204, path=of_webhook),
    Case(
        "POST", "webhooks", "manage webhooks", 201, 403, "groupId",
        body=lambda t, _: {"groupId": t.group, "url": "https://hooks.example/"},
    ),
    Case(
        "PUT", "webhooks/<int:id>", "manage webhooks", 200, 404, path=of_webhook,
        body=lambda *_: {"url": "https://hooks.example/changed", "events": ["device.moved"]},
    ),
    Case("DELETE", "webhooks/<int:id>", "manage webhooks", 200, 404, path=of_webhook),
    Case("POST", "webhooks/<int:id>/test", "manage webhooks", 202, 404, path=of_webhook, body=lambda *_: {}),
    Case("GET", "webhooks/<int:id>/deliveries", "manage webhooks", 200, 204, path=of_webhook),
    Case(
        "POST", "webhooks/<int:id>/deliveries/<int:delivery>/replay", "manage webhooks", 202, 404,
        path=of_webhook, body=lambda *_: {},
    ),
    # Alerts.
    Case("GET", "alerts", "manage alerts", 200),
    Case("GET", "alerts/<int:id>", "manage alerts", 200, 204, path=of_alert),
    Case("POST", "alerts", "manage alerts", 201, 403, "groupId", body=lambda t, _: {"groupId": t.group}),
    Case("PUT", "alerts/<int:id>", "manage alerts", 200, 404, path=of_alert, body=lambda *_: {"hour": 8}),
    Case("DELETE", "alerts/<int:id>", "manage alerts", 200, 404, path=of_alert),
    # Device management.
    Case("GET", "management/endpoints", "view", 200),
    Case("GET", "management/endpoints/<int:id>", "view", 200, 204, path=of_endpoint),
    Case(
        "POST", "management/endpoints", "administer endpoints", 201, 403, "groupId",
        body=lambda t, _: new_endpoint(groupId=t.group, mac=t.mac),
    ),
    Case(
        "POST", "management/endpoints", "administer endpoints", 201, 400, "mac", same_group=400,
        body=lambda t, base: new_endpoint(groupId=base.group, mac=t.mac),
    ),
    Case(
        "PUT", "management/endpoints/<int:id>", "administer endpoints", 200, 404, path=of_endpoint,
        body=lambda t, _: new_endpoint(mac=t.managed_mac),
    ),
    Case("DELETE", "management/endpoints/<int:id>", "administer endpoints", 200, 404, path=of_endpoint),
    Case("POST", "management/endpoints/<int:id>/probe", "view", 202, 404, path=of_endpoint, body=lambda *_: {}),
    Case("GET", "management/endpoints/<int:id>/capabilities", "view", 200, 204, path=of_endpoint),
    Case("GET", "management/endpoints/<int:id>/summary", "view", 200, 204, path=of_endpoint),
    *(
        Case(
            "POST", "management/endpoints/<int:id>/operations", action, 202, 404, verb, path=of_endpoint,
            body=lambda *_, verb=verb: {"verb": verb},
        )
        for verb, action in (
            ("status", "view"), ("restart", "operate endpoints"), ("config_backup", "operate endpoints"),
            ("config_save", "administer endpoints"), ("tls_key_generate", "administer endpoints"),
        )
    ),
    Case(
        "POST", "management/endpoints/<int:id>/passthrough", "administer endpoints", 202, 404, path=of_endpoint,
        body=lambda *_: {"method": "GET", "path": "/api/v1/status"},
    ),
    # 502: nothing listens there.
    Case(
        "POST", "management/endpoints/<int:id>/uiToken", "administer endpoints", 502, 404, path=of_endpoint,
        body=lambda *_: {},
    ),
    Case("GET", "management/endpoints/<int:id>/alarms", "view", 200, 204, path=of_endpoint),
    Case("GET", "management/endpoints/<int:id>/tls", "view", 200, 204, path=of_endpoint),
    Case("GET", "management/endpoints/<int:id>/artefacts", "view", 200, 204, path=of_endpoint),
    Case(
        "GET", "management/endpoints/<int:id>/artefacts/<int:artefact>", "administer endpoints", 200, 204,
        path=of_endpoint,
    ),
    Case("GET", "locations/<int:id>/consistency", "view", 200, 204, path=of_location),
    Case(
        "POST", "management/endpoints", "administer endpoints", 201, 400, "locationId", same_group=400,
        body=lambda t, base: new_endpoint(groupId=base.group, driver="sipxcom", locationId=t.unused),
    ),
    *(
        Case("POST", f"management/operations/<int:id>/{what}", "administer endpoints", 409, 404, path=of_operation,
             body=lambda *_, body=body: body)
        for what, body in (("certificate", {"certificate": "x"}), ("resume", {}))
    ),
    Case("GET", "management/operations", "view", 200),
    Case("GET", "management/operations/<int:id>", "view", 200, 204, path=of_operation),
]  # fmt: skip

# --- The addresses that there are -----------------------------------------------------------------------------

API = "api/v1/"
# Not of the API: for machines that watch over the service, and for people in the admin.
OUTSIDE_API = {"uploads/<str:token>", "", "healthz", "readyz", "metrics", "admin", "admin/"}

API_ROUTES = [route.removeprefix(API) for route in ROUTES if route.startswith(API)]


def canonical(route: str) -> str:
    """The documented form of a route: no slash at the end, `users` for its alias `user`."""
    words = route.removesuffix("/").split("/")
    return "/".join(["users" if words[0] == "user" else words[0], *words[1:]])


def cases_of(route: str) -> list[Case]:
    return [replace(case, route=route) for case in CASES if case.route == canonical(route)]


ALL_CASES = [case for route in API_ROUTES for case in cases_of(route)]


def test_every_route_has_a_case():
    assert [route for route in API_ROUTES if not cases_of(route)] == []
    assert {route for route in ROUTES if not route.startswith(API)} == OUTSIDE_API


def test_every_documented_route_has_its_alias_and_takes_a_slash():
    documented = {case.route for case in CASES}
    aliases = {route.replace("users", "user", 1) for route in documented if route.startswith("users")}
    slashes = {f"{route}/" for route in (documented | aliases) - {"schema", "docs"}}
    assert documented | aliases | slashes == set(API_ROUTES)


# --- The world in which they are asked ------------------------------------------------------------------------


def filled(case: Case, target: Target, base: Target) -> str:
    """The path of a case, its hole filled."""
    before, hole, rest = f"/{case.route}".partition("<")
    path = f"{before}{case.path(target, base)}{rest.partition('>')[2]}" if hole and case.path else before
    path = path.replace("<int:artefact>", str(target.artefact))
    path = path.replace("<int:delivery>", str(target.delivery))
    return path + case.query


@dataclass
class World:
    """Targets by name, an Api for each caller, and the stranger's groups."""

    targets: dict[str, Target]
    users: dict[str, User]
    apis: dict[str, Api]

    def target(self, name: str, caller: str) -> Target:
        if name == "self":
            base = self.targets[base_of(caller)]
            return replace(base, user=self.users[caller].pk if caller in self.users else 900_001)
        return self.targets[name]

    def send(self, case: Case, caller: str, target_name: str) -> Any:
        target, base = self.target(target_name, caller), self.targets[base_of(caller)]
        path, api = filled(case, target, base), self.apis[caller]
        if case.method == "GET":
            return api.get(path)
        if case.method == "DELETE":
            return api.delete(path)
        send = api.put if case.method == "PUT" else api.post
        return send(path, case.body(target, base) if case.body else {})


@pytest.fixture(scope="module")
def shared_world(shared_rows: None) -> World:
    reseller, stranger = make_group("Acme Voice"), make_group("Foreign Telecom")
    groups = {
        "reseller": reseller,
        "provider": make_group("Berlin Phones", reseller),
        "sibling": make_group("Munich Phones", reseller),
        "stranger": stranger,
        "strangers_provider": make_group("Foreign Phones", stranger),
    }
    targets = {"missing": Target(group=900_000)}
    for name, group in groups.items():
        location = make_location(group, description="in use")
        device = make_device(group, location=location, description="a phone")
        make_access(device)
        managed = make_device(group)
        endpoint = make_endpoint(managed)
        make_server(location)
        operation = endpoint.operations.latest("id")
        webhook = make_webhook(group)
        targets[name] = Target(
            group=group.pk,
            user=make_user(group, Level.OPERATOR).pk,
            location=location.pk,
            unused=make_location(group).pk,
            device=device.pk,
            mac=device.mac,
            key=make_key(group, Level.OPERATOR)[0].pk,
            entry=Entry.objects.filter(group_id=group.pk).latest("id").pk,
            endpoint=endpoint.pk,
            managed_mac=managed.mac,
            operation=operation.pk,
            artefact=endpoint.artefacts.get().pk,
            upload=make_import(group, f"00908FBB{group.pk % 65536:04X}").pk,
            webhook=webhook.pk,
            delivery=webhook.deliveries.get().pk,
            alert=make_alert(group).pk,
        )
    targets["empty"] = Target(make_group("Empty Phones", reseller).pk)
    targets["strangers_empty"] = Target(make_group("Foreign Empty Phones", stranger).pk)
    users = {name: make_user(groups[group], level) for name, (group, level) in TENANTS.items()}
    users[OPERATOR] = make_operator()
    users[STAFF] = make_user(None, Level.ADMINISTRATOR, is_staff=True)
    apis = {name: Api(user) for name, user in users.items()} | {NOBODY: Api()}
    return World(targets, users, apis)


@pytest.fixture
def world(shared_world: World, db: None) -> World:
    apis = {name: Api() for name in shared_world.apis}
    for name, api in shared_world.apis.items():
        apis[name].headers |= api.headers
    return replace(shared_world, apis=apis)


APPS = ("accounts", "audit", "locations", "devices", "management")
MODELS = [model for app in APPS for model in apps.get_app_config(app).get_models()]


@cache
def statement_of_all(model: type[Model]) -> tuple[str, Any]:
    statement: tuple[str, Any] = model._default_manager.order_by("pk").values_list().query.sql_with_params()
    return statement


@cache
def statements_of(groups: tuple[int, ...]) -> list[tuple[str, Any]]:
    """What reads the rows of these groups."""
    found = []
    for model in MODELS:
        names = {f.name for f in model._meta.fields}
        where = Q(pk__in=groups) | Q(reseller__in=groups) if "reseller" in names else Q(group__in=groups)
        if names & {"reseller", "group"}:
            rows = model._default_manager.filter(where).order_by("pk").values_list()
            found.append(rows.query.sql_with_params())
    return found


def rows_of(statements: Iterable[tuple[str, Any]]) -> list[Any]:
    """As they are stored: to make Python's values of them takes longer than all else here."""
    found = []
    with connection.cursor() as cursor:
        for sql, values in statements:
            cursor.execute(sql, values)
            found.append(cursor.fetchall())
    return found


def all_rows() -> list[Any]:
    return rows_of(statement_of_all(model) for model in MODELS)


@dataclass
class Statements:
    """Told of each statement: whether any may have written rows."""

    wrote: bool = False

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        self.wrote |= not sql.startswith(("SELECT ", "SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT "))
        return execute(sql, *rest)


def strangers_rows(world: World) -> list[Any]:
    """All that the foreign reseller and its providers have."""
    groups = tuple(t.group for name, t in world.targets.items() if name.startswith("stranger"))
    return rows_of(statements_of(groups))


def seen(response: Any, echo: str = "") -> tuple[Any, ...]:
    """All that a caller sees of an answer, but for the time, its own id and what was sent."""
    headers = {name: value for name, value in response.headers.items() if name not in ("Date", "X-Request-ID")}
    content = response.content.decode()
    if echo and echo in content:
        headers.pop("Content-Length", None)
        content = content.replace(echo, "<sent>")
    return response.status_code, sorted(headers.items()), content, sorted(response.cookies)


# --- The tests ------------------------------------------------------------------------------------------------


DOCUMENT = ("schema", "docs")  # open to all, and no row is read for them

# What reads no row of a tenant but the caller's own: these answer alike when there is nothing to see.
OWN = {"login", "logout", "refresh", "changePassword", "users/me", *DOCUMENT}


@pytest.mark.parametrize("case", [case for case in ALL_CASES if case.route not in DOCUMENT], ids=str)
def test_a_query_parameter_that_the_view_does_not_name_is_refused(case: Case, world: World):
    response = world.send(replace(case, query="?surprise=1"), OPERATOR, "provider")
    assert response.status_code == 400
    assert response.json()["description"].startswith("Unknown query parameter 'surprise': ")


@pytest.mark.parametrize("case", [case for case in ALL_CASES if canonical(case.route) not in OWN], ids=str)
def test_rows_are_reached_through_the_scope_alone(case: Case, world: World, monkeypatch: pytest.MonkeyPatch):
    """With a scope that shows nothing, the platform operator finds and changes nothing, at any address."""
    monkeypatch.setattr(ScopedQuerySet, "visible_to", lambda rows, user, depth=1: rows.none())
    monkeypatch.setattr(AccessQuerySet, "visible_to", lambda rows, user, depth=1: rows.none())
    monkeypatch.setattr("api.audit.visible_to", lambda user: Entry.objects.none())
    before = all_rows()
    with undone():
        response = world.send(case, OPERATOR, "provider")
        if case.action == "create a reseller" or (case.method, canonical(case.route)) == ("POST", "imports"):
            assert response.status_code == 201  # of no group that there was
            return
        assert all_rows() == before
    if case.method == "GET":
        assert response.status_code == 204
    elif case.path:
        assert response.status_code == 404
    elif response.status_code == 200:
        assert response.json()["deleted"] == 0
    else:
        assert response.status_code in (400, 403)


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_every_caller_and_target(case: Case, world: World):
    """Each gets the status of the tables; what is refused changes nothing, and nobody changes what is foreign.

    Outside the scope, what exists and what does not are answered with the same bytes.
    """
    wrong = []
    before, strangers_before = all_rows(), strangers_rows(world)
    for caller in CALLERS:
        missing: Any = None
        for target in case.targets if case.path or case.body else ("missing",):
            cell = f"{case} by {caller} on {relation(caller, target)}"
            with undone(), connection.execute_wrapper(statements := Statements()):
                response = world.send(case, caller, target)
                # All rows are read where there may be a difference.
                wrote = statements.wrote and case.method != "GET"
                if wrote and response.status_code >= 400 and all_rows() != before:
                    wrong.append(f"{cell}: refused, but rows changed")
                elif wrote and caller != OPERATOR and strangers_rows(world) != strangers_before:
                    wrong.append(f"{cell}: the stranger's rows changed")
            expected = case.expected(caller, target)
            if response.status_code != expected:
                wrong.append(f"{cell}: {response.status_code}, not {expected}: {response.content!r:.200}")
            if case.outside and not (caller in TENANTS and in_scope(caller, target)) and caller != OPERATOR:
                answer = seen(response, case.echoes(world.target(target, caller)) if case.echoes else "")
                if target == "missing":
                    missing = answer
                elif answer != missing:
                    wrong.append(f"{cell}: {answer}, but where nothing exists: {missing}")
    assert not wrong, "\n".join(wrong)


def test_wrong_methods(world: World):
    """405 naming the methods that there are; 401 first for who is not known."""
    wrong = []
    for route in API_ROUTES:
        known = {case.method for case in cases_of(route)}
        path = "/api/v1/" + route.replace("<mac:mac>", NEW_MAC).replace("<int:id>", "1").replace(
            "<device_id:id>", "1"
        )
        path = path.replace("<int:artefact>", "1").replace("<int:delivery>", "1")
        is_open = {case.action for case in cases_of(route)} == {"open"}
        for caller in ("the reseller's Administrator", "the provider's Monitor", STAFF, NOBODY):
            api = world.apis[caller]
            for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - known):
                response = api.client.generic(method, path, headers=api.headers)
                expected = 401 if caller == NOBODY and not is_open else 405
                if response.status_code != expected:
                    wrong.append(f"{method} {path} by {caller}: {response.status_code}, not {expected}")
                allow = {name.strip() for name in response.headers.get("Allow", "").split(",")}
                if expected == 405 and allow - {"HEAD"} != known:
                    wrong.append(f"{method} {path} by {caller}: Allow {allow}, not {known}")
    assert not wrong, "\n".join(wrong)


def test_head_is_get_without_a_body(world: World):
    wrong = []
    for caller in CALLERS:
        for case in (case for case in CASES if case.method == "GET" and case.action != "open"):
            path, api = (
                "/api/v1" + filled(case, world.targets["provider"], world.targets["provider"]),
                world.apis[caller],
            )
            get, head = api.client.get(path, headers=api.headers), api.client.head(path, headers=api.headers)
            if head.status_code != get.status_code or head.content:
                wrong.append(f"{case} by {caller}: {head.status_code} {head.content!r}, not {get.status_code}")
    assert not wrong, "\n".join(wrong)


# --- Lists ----------------------------------------------------------------------------------------------------

LISTS = {"groups": "id", "users": "group", "devices": "groupId", "locations": "groupId"}


def lists_of(caller: str, *more: str) -> list[str]:
    """The lists that a caller may see; those of users are for Administrators."""
    return ["devices", "locations", *more] + (["users"] if may(caller, "manage users") else [])


def groups_in(response: Any, name: str) -> set[int | None]:
    return {row[LISTS[name]] for row in response.json()[name]} if response.status_code == 200 else set()


@pytest.mark.parametrize("caller", TENANTS)
def test_lists_show_the_scope(caller: str, world: World):
    """All rows of the groups in the scope, and none of another; `depth=0` leaves out the providers below."""
    own = world.targets[base_of(caller)].group
    scope = {t.group for n, t in world.targets.items() if in_scope(caller, n)}
    with_rows = scope - {world.targets["empty"].group}
    for name in lists_of(caller, "groups"):
        response = world.apis[caller].get(f"/{name}")
        assert groups_in(response, name) == (scope if name == "groups" else with_rows), name
        assert b"Foreign" not in response.content, name
        assert (b"Munich" in response.content) == (base_of(caller) == "reseller"), name
        assert groups_in(world.apis[caller].get(f"/{name}", {"depth": 0}), name) == {own}, name


def test_the_operator_sees_all(world: World):
    """`depth=0` shows the resellers."""
    groups = {name: t.group for name, t in world.targets.items() if name != "missing"}
    with_rows = {group for name, group in groups.items() if not name.endswith("empty")}
    for name in lists_of(OPERATOR, "groups"):
        long = {} if name == "groups" else {"limit": 100}
        everything = groups_in(world.apis[OPERATOR].get(f"/{name}", long), name) - {None}
        assert everything == (set(groups.values()) if name == "groups" else with_rows), name
        high = groups_in(world.apis[OPERATOR].get(f"/{name}", {"depth": 0, **long}), name) - {None}
        assert high == {groups["reseller"], groups["stranger"]}, name


@pytest.mark.parametrize("caller", [OPERATOR, *TENANTS])
def test_group_filter_outside_the_scope_is_an_empty_list(caller: str, world: World):
    """204 in the same bytes for a foreign group and for none; in the scope, that group alone."""
    api = world.apis[caller]
    for name in lists_of(caller):
        for target in TARGETS:
            group = world.targets[target].group
            for query in (f"(group={group})", f"({LISTS[name]}={group})", f"(group={group};900000)"):
                response = api.get(f"/{name}", {"filter": query, "limit": 100})
                cell = f"{name} {query} on {relation(caller, target)}"
                if in_scope(caller, target):
                    assert groups_in(response, name) == {group}, cell
                else:
                    assert response.status_code == 204, cell
                    assert seen(response) == seen(api.get(f"/{name}", {"filter": "group=900001"})), cell


@pytest.mark.parametrize("caller", TENANTS)
def test_search_never_finds_what_is_foreign(caller: str, world: World):
    stranger = world.targets["strangers_provider"]
    for name in lists_of(caller):
        id = {"users": stranger.user, "devices": stranger.device, "locations": stranger.location}[name]
        queries = ["search~'Foreign'", "groupName~'foreign'", "groupName='Foreign Phones'", f"id={id}"]
        if name == "devices":
            queries += [f"search~'{stranger.mac}'", f"mac='{stranger.mac}'", f"locationId={stranger.location}"]
        for query in queries:
            response = world.apis[caller].get(f"/{name}", {"filter": query})
            assert response.status_code == 204, f"{name} {query}"


# --- Bodies that mix what is the caller's with what is not ----------------------------------------------------


def test_a_foreign_mac_spoils_the_whole_list(world: World):
    """Nothing is removed, associated or disassociated if one MAC of the list is another tenant's, or unknown."""
    administrator, own = world.apis["the provider's Administrator"], world.targets["provider"]
    before = all_rows()
    for other in ("reseller", "sibling", "stranger", "strangers_provider", "missing"):
        both = [own.mac, world.targets[other].mac]
        place = f"/locations/{own.location}/devices"
        for path, body in {
            "/devices/remove": {"macList": both},
            f"{place}/associate": {"macList": both, "overrideCurrentAssociation": True, "description": "new"},
            f"{place}/disassociate": {"macList": both},
        }.items():
            response = administrator.post(path, body)
            assert response.status_code == 400, f"{path} with {other}"
            assert [e["field"] for e in response.json()["errors"]] == ["macList[1]"]
            assert all_rows() == before, f"{path} with {other}"


def test_foreign_locations_count_as_failed(world: World):
    """What is foreign stands in the answer as the number that was sent, as what does not exist does."""
    administrator, own = world.apis["the provider's Administrator"], world.targets["provider"]
    others = [world.targets[name].unused for name in ("reseller", "sibling", "stranger", "missing")]
    before = strangers_rows(world)
    response = administrator.post("/locations/remove", {"idList": [own.unused, *others]})
    assert response.json() == {"deleted": 1, "fail": {"count": 4, "locations": [str(id) for id in others]}}
    assert strangers_rows(world) == before


def test_a_device_of_another_group_is_never_taken(world: World):
    """POST /devices tells that a MAC is of another group, as the manual has it, and changes nothing."""
    own = world.targets["provider"]
    for other in ("reseller", "sibling", "stranger", "strangers_provider"):
        before = all_rows()
        theirs = world.targets[other].mac
        body = {"group": own.group, "locationId": own.location, "macList": [theirs], "description": "taken"}
        response = world.apis["the provider's Administrator"].post(
            "/devices", body | {"overrideCurrentAssociation": True}
        )
        assert response.status_code == 201
        assert response.json()["duplicateMACOtherGroup"] == {"count": 1, "macList": [mac.display(theirs)]}
        assert all_rows() == before


def test_a_provider_administrator_makes_users_of_any_level_in_the_own_group_only(world: World):
    api = world.apis["the provider's Administrator"]
    own, parent = world.targets["provider"].group, world.targets["reseller"].group
    for level in Level.values:
        made = api.post("/users", new_user(group=own, login=f"own{level}", permissionLevel=level))
        assert made.status_code == 201
        above = api.post("/users", new_user(group=parent, login=f"above{level}", permissionLevel=level))
        assert above.status_code == 403


def test_a_provider_made_without_a_reseller_is_the_callers(world: World):
    body = {"name": "New Phones", "groupType": "Provider"}
    administrator = world.apis["the reseller's Administrator"]
    made = administrator.post("/groups", body)
    assert (
        administrator.get(f"/groups/{made.json()['id']}").json()["resellerId"] == world.targets["reseller"].group
    )
    assert world.apis[OPERATOR].post("/groups", body).status_code == 400


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        ("/groups/{t.group}", ["id", "groupType", "resellerId"]),
        ("/users/{t.user}", ["id", "login", "group", "groupType", "permissionLevel"]),
        ("/locations/{t.location}", ["id", "groupId"]),
        ("/keys/{t.key}", ["id", "group", "permissionLevel"]),
    ],
)
def test_nothing_is_moved_by_a_put(path: str, attributes: list[str], world: World):
    """A PUT that names another group, level or login is refused in the scope; outside, it tells nothing."""
    before, api = all_rows(), world.apis["the reseller's Administrator"]
    other = {"groupType": "Reseller", "permissionLevel": "Administrator", "login": "somebody.else"}
    for attribute in attributes:
        for value in (other.get(attribute, world.targets["stranger"].group + 1_000), None):
            body = {"description": "moved", attribute: value}
            if path.startswith("/locations"):
                body["url"] = "https://new.example/"
            if path.startswith("/keys"):
                body["name"] = body.pop("description")
            own = api.put(path.format(t=world.targets["provider"]), body)
            assert own.status_code == 400, attribute
            assert [e["field"] for e in own.json()["errors"]] == [attribute]
            answers = {
                repr(seen(api.put(path.format(t=world.targets[name]), body)))
                for name in ("stranger", "strangers_provider", "missing")
            }
            assert len(answers) == 1, attribute
            assert all_rows() == before, attribute


# --- The order of the checks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """A write with a body: who may send it, who may not, and a good body that meets a conflict in the scope."""

    method: str
    path: str
    too_low: str
    body: Make
    outside: int
    conflict: int = 409


ORDERS = [
    Order("POST", "/groups", "the reseller's Operator", outside=403,
          body=lambda t, _: {"name": "Berlin Phones", "groupType": "Provider", "resellerId": t.group}),
    Order("PUT", "/groups/{t.group}", "the provider's Operator", outside=404,
          body=lambda t, _: {"name": "Acme Voice" if t.group == 900_000 else "Foreign Telecom"}),
    Order("POST", "/users", "the reseller's Operator", outside=403,
          body=lambda t, _: new_user(group=t.group, login="Taken")),
    Order("PUT", "/users/{t.user}", "the provider's Operator", outside=404,
          body=lambda *_: {"firstName": "Ada"}, conflict=200),
    Order("POST", "/keys", "the reseller's Operator", outside=403,
          body=lambda t, _: new_key(group=t.group), conflict=201),
    Order("PUT", "/keys/{t.key}", "the provider's Operator", outside=404,
          body=lambda *_: {"name": "New name"}, conflict=200),
    Order("POST", "/devices", "the reseller's Monitor", outside=403,
          body=lambda t, _: new_devices(group=t.group), conflict=201),
    Order("POST", "/devices/remove", "the provider's Monitor", outside=400,
          body=lambda t, _: {"macList": [t.mac]}, conflict=200),
    Order("POST", "/devices/move", "the provider's Monitor", outside=403,
          body=lambda t, _: {"macList": [t.mac], "group": t.group}, conflict=200),
    Order("POST", "/locations", "the reseller's Monitor", outside=403,
          body=lambda t, _: {"url": "https://new.example/", "groupId": t.group}, conflict=201),
    Order("PUT", "/locations/{t.location}", "the reseller's Monitor", outside=404,
          body=lambda *_: {"url": "https://new.example/"}, conflict=200),
    Order("POST", "/locations/remove", "the provider's Monitor", outside=200,
          body=lambda t, _: {"idList": [t.unused]}, conflict=200),
    Order("POST", "/locations/{t.location}/devices/associate", "the reseller's Monitor", outside=404,
          body=lambda t, _: {"macList": [t.mac], "overrideCurrentAssociation": False}, conflict=200),
    Order("POST", "/locations/{t.location}/devices/disassociate", "the provider's Monitor", outside=404,
          body=lambda t, _: {"macList": [t.mac]}, conflict=200),
]  # fmt: skip


def order_id(order: Order) -> str:
    return f"{order.method} {order.path}"


@pytest.mark.parametrize("order", ORDERS, ids=order_id)
def test_who_then_level_then_form(order: Order, world: World):
    """401, then 403, then 400, each in the same bytes whether the target is the caller's, foreign or missing."""
    for caller, status in {NOBODY: 401, order.too_low: 403, "the reseller's Administrator": 400}.items():
        api = world.apis[caller]
        for malformed in (b"{", b"[]", b'{"unknown": 1}', b"\xff"):
            answers = set()
            for target in TARGETS:
                path = "/api/v1" + order.path.format(t=world.targets[target])
                response = api.client.generic(
                    order.method, path, malformed, "application/json", headers=api.headers
                )
                cell = f"{malformed!r} by {caller} on {relation(caller, target)}"
                assert response.status_code == status, cell
                answers.add(repr(seen(response)))
            assert len(answers) == 1, f"{malformed!r} by {caller}"


@pytest.mark.parametrize("order", ORDERS, ids=order_id)
def test_form_then_scope_then_conflict(order: Order, world: World):
    """415 and 400 before 403 or 404, and these before 409: a conflict out of the scope is not told."""
    make_user(make_group("Somebody"), login="taken")
    api = world.apis["the reseller's Administrator"]
    answers = set()
    for target in ("stranger", "strangers_provider", "missing"):
        t = world.targets[target]
        path = order.path.format(t=t)
        form = api.client.generic(order.method, "/api/v1" + path, b"a=1", "text/plain", headers=api.headers)
        assert form.status_code == 415, target
        with undone():
            response = (api.put if order.method == "PUT" else api.post)(path, order.body(t, t))
        assert response.status_code == order.outside, target
        echo = mac.display(t.mac) if "macList" in order.body(t, t) else str(t.unused)
        answers.add(repr(seen(response, echo)))
    assert len(answers) == 1
    t = world.targets["reseller"]
    body = order.body(t, t)
    if order.path == "/groups/{t.group}":
        body = {"name": "Foreign Telecom"}  # names are unique among resellers
    response = (api.put if order.method == "PUT" else api.post)(order.path.format(t=t), body)
    assert response.status_code == order.conflict


def test_a_delete_out_of_the_scope_does_not_tell_a_conflict(world: World):
    api = world.apis["the reseller's Administrator"]
    for target, status in {"provider": 409, "stranger": 404, "strangers_provider": 404, "missing": 404}.items():
        t = world.targets[target]
        assert api.delete(f"/groups/{t.group}").status_code == status, target
        assert api.delete(f"/locations/{t.location}").status_code == status, target


def test_a_taken_name_never_tells_whose_it_is(world: World):
    """A login is unique over all tenants: 409 says no more than that."""
    make_user(make_group("Somebody Else"), login="taken", first_name="Secret")
    api = world.apis["the provider's Administrator"]
    response = api.post("/users", new_user(group=world.targets["provider"].group, login="TAKEN"))
    assert response.status_code == 409
    assert "Somebody" not in response.content.decode()
    assert "Secret" not in response.content.decode()


# --- Outside the API ------------------------------------------------------------------------------------------


def test_the_admin_knows_no_tenants(world: World):
    """A token of the API opens nothing there, nor does the session of a tenant's user."""
    for caller in [*TENANTS, NOBODY]:
        api = world.apis[caller]
        if caller in world.users:
            api.client.force_login(world.users[caller])
        response = api.client.get("/admin/accounts/user/", headers=api.headers)
        seen_instead = (response.status_code, response.headers.get("Location", "").partition("?")[0])
        assert seen_instead == (302, "/admin/login/"), caller


def test_a_session_of_the_admin_opens_no_api(world: World):
    client = world.apis[NOBODY].client
    client.force_login(world.users[OPERATOR])
    assert client.get("/api/v1/groups").status_code == 401


def test_health_is_for_everybody(world: World):
    for caller, api in world.apis.items():
        for path in ("/healthz", "/readyz"):
            assert api.client.get(path, headers=api.headers).status_code == 200, f"{path} by {caller}"
