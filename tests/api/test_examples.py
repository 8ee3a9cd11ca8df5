"""Every example of the OpenAPI document is sent, and is answered as the document shows; every pattern is one."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import regress
from django.test import Client
from django.test.client import encode_multipart
from django.test.utils import override_settings
from pytest_django.fixtures import Settings

from accounts import keys
from accounts.models import ApiKey, Level, User
from api.imports import MOST_OPEN
from devices.models import Device, Import, ImportState
from locations.models import Location
from tests.api import example_world as world
from tests.conftest import Api, Form, make_user
from webhooks.models import Alert

# Read before there are tests, when the host of test clients is not known yet.
DOCUMENT: dict[str, Any] = json.loads(Client().get("/api/v1/schema", headers={"Host": "localhost"}).content)
# These differ from one answer to the next. Of a created row the address must be that of its id.
MULTIPART = "multipart/form-data"
VOLATILE = {"access_token", "refresh_token", "id_token", "lastLogin"}

NETWORKS = [ip_network("10.4.0.0/16")]  # of the devices that the examples manage


class Operation(NamedTuple):
    """An operation of the document, and where it stands."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    @property
    def is_open(self) -> bool:
        return not any(self.described.get("security", ()))

    def parameters(self, where: str) -> dict[str, dict[str, Any]]:
        return {p["name"]: p for p in self.described.get("parameters", ()) if p["in"] == where}

    def bodies(self) -> list[Any]:
        content = self.described.get("requestBody", {}).get("content", {})
        return [e for media in content.values() for e in examples(media)] or [None]

    def shown(self, status: str) -> list[Any]:
        content = self.described["responses"][status].get("content", {})
        return [e for kind, media in content.items() if kind != "text/csv" for e in examples(media)]

    @property
    def file(self) -> str | None:
        """The beginning of the csv file that is shown, if there is one."""
        content = self.described["responses"][self.success].get("content", {})
        return examples(content["text/csv"])[0] if "text/csv" in content else None

    @property
    def takes_form(self) -> bool:
        return MULTIPART in self.described.get("requestBody", {}).get("content", {})

    @property
    def success(self) -> str:
        return str(min(self.described["responses"]))


def examples(node: dict[str, Any]) -> list[Any]:
    return [e["value"] for e in node.get("examples", {}).values()] + (
        [node["example"]] if "example" in node else []
    )


OPERATIONS = [
    Operation(method.upper(), path, described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
    if described["operationId"] != "createUiToken"  # a device is asked at once: tests/management/test_verbs.py
]


def requests(operation: Operation) -> Iterator[tuple[str, str, Any]]:
    """Address, query and body of each documented request: as it is, and with each example of each parameter."""
    paths = [operation.path]
    for name, parameter in operation.parameters("path").items():
        assert examples(parameter), f"{operation.name} shows no {name}"
        paths = [path.replace(f"{{{name}}}", str(value)) for path in paths for value in examples(parameter)]
    for path in paths:
        for body in operation.bodies():
            yield path, "", body
    for name, parameter in operation.parameters("query").items():
        for value in examples(parameter):
            yield paths[0], urlencode({name: value}), operation.bodies()[0]


REQUESTS = [
    pytest.param(operation, *request, id=f"{operation.name} {number}")
    for operation in OPERATIONS
    for number, request in enumerate(requests(operation), 1)
]


@pytest.fixture(scope="module")
def administrator_of_all(shared_rows: None) -> Api:
    with override_settings(MANAGEMENT_NETWORKS=NETWORKS):
        return Api(world.make())


@pytest.fixture
def administrator(administrator_of_all: Api, db: None, settings: Settings) -> Api:
    """Of reseller 2, in the world of the examples."""
    settings.MANAGEMENT_NETWORKS = NETWORKS
    api = Api()
    api.headers |= administrator_of_all.headers
    return api


def send(api: Api, operation: Operation, path: str, query: str = "", body: Any = None) -> Any:
    content, kind = b"" if body is None else json.dumps(body), "application/json"
    if operation.takes_form and isinstance(body, dict):
        content, kind = encode_multipart("x", Form(body).encoded()), f"{MULTIPART}; boundary=x"
    return api.client.generic(
        operation.method,
        path,
        content,
        kind,
        QUERY_STRING=query,
        headers=api.headers,
    )


def first_request(operation: Operation) -> tuple[str, str, Any]:
    return next(requests(operation))


@pytest.mark.parametrize(("operation", "path", "query", "body"), REQUESTS)
def test_an_example_is_answered_as_it_is_shown(
    administrator: Api, operation: Operation, path: str, query: str, body: Any
):
    world.BEFORE.get(operation.name, lambda: None)()
    caller = Api(User.objects.get(id=1)) if operation.name in ("getOwnUser", "logout") else administrator
    if operation.name == "refresh":  # no token of a document can be good
        login = {"userName": "aviu", "password": world.PASSWORD}
        body = {"refresh_token": caller.post("/login", login).json()["refresh_token"]}
    answer = send(caller, operation, path, query, body)
    assert str(answer.status_code) == operation.success, (path, query, answer.content)
    shown = operation.shown(operation.success)
    if not shown:
        return
    if "pages" in shown[0] or "groups" in shown[0]:
        (name,) = set(shown[0]) - {"pages"}
        assert set(answer.json()) == set(shown[0])
        assert answer.json()[name], "the example finds nothing"
        assert query or all(row in answer.json()[name] for row in shown[0][name]), shown[0][name]
    elif operation.success == "201" and "url" in shown[0]:
        assert set(answer.json()) == set(shown[0])
        assert answer.json()["url"] == f"{path}/{answer.json()['id']}"
    elif operation.success == "202" and "/management/" in path:
        assert set(answer.json()) == set(shown[0])
        assert answer.json()["url"] == f"/api/v1/management/operations/{answer.json()['id']}"
    elif operation.name == "getEndpointCapabilities":  # the example shows one verb of many
        assert set(shown[0]["verbs"]) < set(answer.json()["verbs"])
    elif operation.name == "getEndpointArtefact":
        assert answer.content.decode() == shown[0]
    elif operation.name in ("getReadiness", "getUsage", "testWebhook"):  # each has its own
        assert set(answer.json()) == set(shown[0])
    else:
        assert without_volatile(answer.json()) in [without_volatile(each) for each in shown]


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.file], ids=lambda o: o.name)
def test_a_list_is_the_file_that_is_shown(administrator: Api, operation: Operation):
    administrator.headers["Accept"] = "text/csv"
    answer = send(administrator, operation, first_request(operation)[0])
    header, *rows = answer.getvalue().decode("utf-8-sig").splitlines()
    assert header == str(operation.file).strip()
    assert rows


def without_volatile(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: key if key in VOLATILE else without_volatile(value) for key, value in node.items()}
    return node


# --- Refusals --------------------------------------------------------------------------------------------------


def refusals(status: str, *, but: tuple[str, ...] = ()) -> list[Any]:
    """The operations whose document has this answer, with the sentence that it shows."""
    return [
        pytest.param(operation, operation.shown(status)[0], id=operation.name)
        for operation in OPERATIONS
        if status in operation.described["responses"]
        and operation.path.startswith("/api/v1/")
        and operation.name not in but
    ]


@pytest.mark.parametrize(("operation", "shown"), refusals("401"))
def test_401_as_shown(administrator: Api, operation: Operation, shown: Any):
    path, query, body = first_request(operation)
    body = (body or {}) | {k: "wrong" for k in ("password", "oldPassword") if k in (body or {})}
    assert_refused(send(Api(), operation, path, query, body), 401, shown)


@pytest.mark.parametrize(("operation", "shown"), refusals("403", but=("login",)))
def test_403_as_shown(administrator: Api, operation: Operation, shown: Any):
    caller = Api(make_user(None, Level.MONITOR))
    if "API key" in shown["description"]:
        secret = keys.new_secret()
        ApiKey.objects.filter(id=3).update(digest=keys.digest_of(secret), allowed_networks=None)
        caller.headers["Authorization"] = f"Bearer {secret}"
    assert_refused(send(caller, operation, *first_request(operation)), 403, shown)


@pytest.mark.parametrize(("operation", "shown"), refusals("400"))
def test_400_as_shown(administrator: Api, operation: Operation, shown: Any):
    path, query, body = first_request(operation)
    if operation.method == "GET":
        query = "colour=red"
    elif operation.takes_form:
        body = {}
    elif operation.name == "createDevices":
        Location.objects.filter(id=3).delete()
    elif "MAC" in shown["description"]:
        Device.objects.get_or_create(mac="00A0C914C82A", defaults={"group_id": 2})
        Device.objects.filter(mac="00A0C914C82A").update(location=3)
        if "not associated" in shown["description"]:
            Device.objects.create(mac="00A0C914C829", group_id=2)
        else:
            Device.objects.create(mac="00A0C914C82B", group_id=2)
    else:
        body = []
    assert_refused(send(administrator, operation, path, query, body), 400, shown)


@pytest.mark.parametrize(("operation", "shown"), refusals("404"))
def test_404_as_shown(administrator: Api, operation: Operation, shown: Any):
    _, query, body = first_request(operation)
    unknown = "none" if operation.method == "GET" else "900001"
    path = operation.path.replace("{id}", unknown)
    assert_refused(send(administrator, operation, path, query, body), 404, shown)


WITH_FILES = tuple(operation.name for operation in OPERATIONS if operation.file)


@pytest.mark.parametrize(("operation", "shown"), refusals("406", but=WITH_FILES))
def test_406_as_shown(administrator: Api, operation: Operation, shown: Any):
    caller = Api(User.objects.get(id=1)) if operation.name == "getOwnUser" else administrator
    caller.headers["Accept"] = "text/csv"
    assert_refused(send(caller, operation, *first_request(operation)), 406, shown)


@pytest.mark.parametrize(("operation", "shown"), refusals("413", but=("createImport",)))  # that one is of 21 MB
def test_413_as_shown(administrator: Api, operation: Operation, shown: Any):
    path, query, _ = first_request(operation)
    assert_refused(send(administrator, operation, path, query, "x" * 600_000), 413, shown)


@pytest.mark.parametrize(("operation", "shown"), refusals("415"))
def test_415_as_shown(administrator: Api, operation: Operation, shown: Any):
    path, _, body = first_request(operation)
    answer = administrator.client.generic(
        operation.method, path, json.dumps(body), "text/plain", headers=administrator.headers
    )
    assert_refused(answer, 415, shown)


def _in_use(operation: Operation, administrator: Api) -> None:
    match operation.name:
        case "deleteGroup":
            Location.objects.filter(group=6).delete()
        case "createImport":
            Import.objects.bulk_create(Import(group_id=2, by_job=True) for _ in range(MOST_OPEN))
        case "updateImport" | "deleteImport" | "confirmImport":
            Import.objects.update(state=ImportState.DONE)
        case "deleteLocation":
            Device.objects.filter(group=6).update(location=6)
        case "updateAlert":
            Alert.objects.update(enabled=False)
        case "createGroup":
            administrator.post("/groups", operation.bodies()[0])
        case "updateGroup":
            administrator.post("/groups", {"name": operation.bodies()[0]["name"], "groupType": "Provider"})


LOST_RACE = "Changed by another request, try again."


@pytest.mark.parametrize(
    ("operation", "shown"), [r for r in refusals("409") if r.values[1]["description"] != LOST_RACE]
)
def test_409_as_shown(administrator: Api, operation: Operation, shown: Any, settings: Settings):
    _in_use(operation, administrator)
    if operation.name in ("createAlert", "updateAlert"):
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    caller = administrator
    if operation.name == "deleteUser":
        caller = Api(User.objects.get(id=1))
    assert_refused(send(caller, operation, *first_request(operation)), 409, shown)


def assert_refused(answer: Any, status: int, shown: Any) -> None:
    assert answer.status_code == status, answer.content
    said = answer.json()
    assert (said["description"], said.get("forceChangePasswordNextLogin")) == (
        shown["description"],
        shown.get("forceChangePasswordNextLogin"),
    )


# --- Patterns --------------------------------------------------------------------------------------------------


def patterns(node: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield where, node["pattern"]
        for key, inner in node.items():
            yield from patterns(inner, f"{where}/{key}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from patterns(inner, f"{where}/{index}")


def test_every_pattern_is_one_of_ecma_262_with_the_u_flag():
    found = list(patterns(DOCUMENT))
    assert len({pattern for _, pattern in found}) > 15
    for where, pattern in found:
        try:
            regress.Regex(pattern, "u")
        except regress.RegressError as error:
            pytest.fail(f"{where}: {error} in {pattern}")


LISTS = [o for o in OPERATIONS if "filter" in o.parameters("query")]
OPERATORS = ("=", "!=", "<", ">", "<=", ">=", "~", "!~")
VALUES = {
    "number": "7; '-8' ;''",
    "date": "'2026-01-31T23:59:60.5+0100';'2026-01-31t00:00:00z'",
    "boolean": "true; false",
    "string": "'It''s';'é, (so)'",
}


@pytest.mark.parametrize("operation", LISTS, ids=lambda o: o.name)
def test_a_term_matches_the_pattern_if_it_is_understood(administrator: Api, operation: Operation):
    described = operation.parameters("query")["filter"]
    pattern = regress.Regex(described["schema"]["pattern"], "u")
    path = first_request(operation)[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", described["description"], re.MULTILINE)
    assert len(rows) > 8
    understood = []
    for field, kind, operators in rows:
        for operator in OPERATORS:
            value = VALUES[kind] if operator in ("=", "!=") else VALUES[kind].partition(";")[0]
            term = f"{field} {operator}{value}"
            assert (f"`{operator}`" in operators) == bool(pattern.find(term)), term
            if f"`{operator}`" in operators:
                understood.append(term)
            else:
                refused = send(administrator, operation, path, urlencode({"filter": term}))
                assert refused.status_code == 400, term
    for start in range(0, len(understood), 20):
        text = "( " + " , ".join(understood[start : start + 20]) + " )"
        assert pattern.find(text)
        answer = send(administrator, operation, path, urlencode({"filter": text}))
        assert answer.status_code in (200, 204), (text, answer.content)


def test_every_attribute_can_be_sorted_by_either_way(administrator: Api):
    for operation in LISTS:
        pattern = operation.parameters("query")["sort"]["schema"]["pattern"]
        (names,) = set(re.findall(r"-\?\(([^)]*)\)", pattern))
        for sort in (names.replace("|", ","), "-" + names.replace("|", ",-")):
            answer = send(administrator, operation, first_request(operation)[0], urlencode({"sort": sort}))
            assert answer.status_code == 200, (operation.name, sort, answer.content)
