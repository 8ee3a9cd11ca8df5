"""The document says what the service does, of every operation, and the page that shows it needs nobody else."""

import json
import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.conf import settings
from django.test import Client
from openapi_spec_validator import validate

from api.schema import HEADERS_OF
from redirect.http.rate_limit import Quota
from tests.conftest import Api, Cast, make_device, make_key, make_location
from tests.routes import ROUTES

ERROR = "#/components/schemas/Error"
LOGIN_REFUSAL = "#/components/schemas/LoginRefusal"

ALIASES = ("user", "user/me", "user/<int:id>")
# One operation with devices/<device_id:id>…: OpenAPI cannot tell the two apart.
BY_MAC = ("devices/<mac:mac>", "devices/<mac:mac>/accesses")
WITH_ID = ("/groups", "/keys", "/devices", "/locations", "/audit")
OUTSIDE = ("schema", "docs")  # the document itself


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    answer = Client().get("/api/v1/schema")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/vnd.oai.openapi+json"
    loaded: dict[str, Any] = json.loads(answer.content)
    return loaded


@pytest.fixture(scope="module")
def operations(document) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def routes() -> list[str]:
    """The documented form of every route under /api/v1."""
    return [
        route.removeprefix("api/v1/")
        for route in ROUTES
        if route.startswith("api/v1/") and not route.endswith("/")
    ]


def test_the_document_is_valid_openapi(document):
    validate(document)
    assert document["openapi"].startswith("3.1.")


@pytest.mark.parametrize(("secure", "host"), [(True, "localhost"), (False, "127.0.0.1:8000")])
def test_the_server_is_the_one_that_was_asked(secure, host):
    answer = Client().get("/api/v1/schema", headers={"Host": host}, secure=secure)
    (server,) = answer.json()["servers"]
    assert server["url"] == ("https" if secure else "http") + f"://{host}"


def test_open_operations_say_so(document, operations):
    assert "security" not in document
    for operation in operations.values():
        assert operation["security"] in ([], [{"bearer": []}])


@pytest.mark.parametrize("route", [r for r in routes() if r not in (*ALIASES, *BY_MAC, *OUTSIDE)])
def test_every_route_is_documented_with_all_its_methods(document, route):
    path = "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route)
    view = ROUTES[f"api/v1/{route}"].view_class
    methods = {name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}
    assert set(document["paths"][path]) == methods


def test_no_operation_stands_twice(document, operations):
    known = {re.sub(r"<\w+:(\w+)>", r"{\1}", r) for r in routes() if r not in (*ALIASES, *BY_MAC, *OUTSIDE)}
    assert set(document["paths"]) == {f"/api/v1/{path}" for path in known} | {"/healthz", "/readyz", "/{mac}"}
    identities = [operation["operationId"] for operation in operations.values()]
    assert len(set(identities)) == len(identities)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", identity) for identity in identities)


def test_every_operation_says_what_it_does(document, operations):
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations.values():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        assert "Source:" not in operation.get("description", "")
        for parameter in operation.get("parameters", ()):
            assert parameter["description"]


def test_every_error_answer_is_the_one_error_component(operations):
    for (method, path), operation in operations.items():
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            assert list(response["content"]) == ["application/json"]
            expected = {ERROR}
            if path in ("/api/v1/login", "/api/v1/changePassword") and status in ("401", "403"):
                expected = {LOGIN_REFUSAL}
            schema = response["content"]["application/json"]["schema"]
            if path == "/readyz":
                schema = schema["allOf"][0]  # it says more
            assert {schema["$ref"]} == expected, (method, path, status)


def test_errors_say_when_to_come_back_and_how_to_authenticate(operations):
    for (_, path), operation in operations.items():
        for status, response in operation["responses"].items():
            if status in HEADERS_OF:
                assert HEADERS_OF[status] in response["headers"], (path, status)
            assert ("X-Request-ID" in response.get("headers", {})) == (path != "/{mac}")


def test_all_but_the_doors_need_a_token(operations):
    open_operations = {o["operationId"] for o in operations.values() if not any(o.get("security", ()))}
    assert open_operations == {
        "login",
        "refresh",
        "changePassword",
        "getHealth",
        "getReadiness",
        "lookUpPhone",
    }
    assert all("401" in o["responses"] for o in operations.values() if any(o.get("security", ())))


def test_a_single_get_and_a_list_may_be_empty_and_a_write_may_meet_nothing(operations):
    for (method, path), operation in operations.items():
        statuses = set(operation["responses"])
        if method == "GET" and path.startswith("/api/v1/") and path != "/api/v1/users/me":
            assert "204" in statuses
        if method != "GET" and "{id}" in path:
            assert {"404", "409"} <= statuses


def test_429_stands_only_where_it_can_occur(operations):
    limited = {o["operationId"] for o in operations.values() if "429" in o["responses"]}
    assert limited == {"login", "changePassword", "createUser", "updateUser", "lookUpPhone"}


def test_limited_calls_show_their_limit(document, operations):
    shown = {
        (o["operationId"], status)
        for o in operations.values()
        for status, response in o["responses"].items()
        if {"RateLimit", "RateLimit-Policy"} <= set(response.get("headers", {}))
    }
    doors = {(o, status) for o in ("login", "changePassword") for status in ("200", "401", "403", "429")}
    doors.remove(("changePassword", "403"))  # it is never answered so
    assert shown == doors | {("createUser", "429"), ("updateUser", "429")}
    for name, text in Quota("login", 60, 59, 17, 60).headers.items():
        assert re.search(document["components"]["headers"][name]["schema"]["pattern"], text)


def test_request_bodies_are_closed_and_lists_have_bounds(document, operations):
    schemas = document["components"]["schemas"]
    for operation in operations.values():
        if "requestBody" not in operation:
            continue
        content = operation["requestBody"]["content"]
        (media,) = content
        assert media == (
            "multipart/form-data" if operation["operationId"] == "createImport" else "application/json"
        )
        schema = schemas[content[media]["schema"]["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False
        for attribute in schema["properties"].values():
            if attribute.get("type") == "array":
                assert (attribute["minItems"], attribute["maxItems"]) in ((1, 5000), (1, 20))
            if attribute.get("type") == "string" and "enum" not in attribute and "login" not in attribute:
                assert "maxLength" in attribute or "unchanged" in attribute["description"]


def test_the_changelog_begins_with_the_version_of_the_document(document):
    text = (settings.CODE_DIR / "docs" / "api-changes.md").read_text()
    assert re.findall("^## (.*)$", text, re.MULTILINE)[0] == document["info"]["version"]


def test_the_grammar_and_the_decisions_are_described(document):
    text = document["info"]["description"]
    for word in ("forceChangePasswordNextLogin", "X-Request-ID", "`''`", "'It''s'", "1,000", "depth=0", "search"):
        assert word in text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/v1/devices", "numRequests lastAccess assigned group search"),
        ("/api/v1/locations", "numDevices mutualAuth group search"),
        ("/api/v1/users", "failLoginAttempts userBlockTime group search"),
    ],
)
def test_the_filter_lists_its_fields(operations, path, fields):
    by_name = {p["name"]: p for p in operations["GET", path]["parameters"]}
    assert set(by_name) == {"filter", "sort", "depth", "page", "limit"}
    for name in fields.split():
        assert f"`{name}`" in by_name["filter"]["description"]
    pattern = by_name["filter"]["schema"]["pattern"]
    assert all(re.search(pattern, e["value"]) for e in by_name["filter"]["examples"].values())
    assert re.search(pattern, "(id=1;2,description!~'It''s' )")
    assert not re.search(pattern, "id=")
    assert not re.search(pattern, "id~1")
    assert not re.search(pattern, "password='x'")


def test_examples_keep_to_their_schemas(document, operations):
    def check(media: dict[str, Any], where: Any) -> None:
        examples = [e["value"] for e in media.get("examples", {}).values()]
        if "example" in media:
            examples.append(media["example"])
        assert examples, where
        for example in examples:
            jsonschema.validate(example, _resolved(media["schema"], document))

    for where, operation in operations.items():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            check(media, where)
        for response in operation["responses"].values():
            for media in response.get("content", {}).values():
                check(media, where)


def test_real_answers_keep_to_their_schemas(document, operations, cast: Cast, administrator: Api):
    location = make_location(cast.provider)
    device = make_device(cast.provider, location=location)
    make_device(cast.provider)
    ids = {"groups": cast.reseller.pk, "devices": device.pk, "locations": location.pk, "users": 0}
    ids["keys"] = make_key(cast.provider, allowed_networks=["127.0.0.0/8"])[0].pk
    administrator.post("/devices/remove", {"macList": [make_device(cast.provider).mac]})
    ids["audit"] = administrator.get("/audit").json()["audit"][0]["id"]
    for path in (
        "/groups",
        "/devices",
        "/locations",
        "/users",
        "/users/me",
        "/keys",
        "/locations/{id}/devices",
        "/audit",
    ):
        for each in (path, *([f"{path}/{{id}}"] if path in WITH_ID else [])):
            answer = administrator.get(each.replace("{id}", str(ids[each.split("/")[1]])))
            assert answer.status_code == 200, each
            responses = operations["GET", f"/api/v1{each}"]["responses"]
            schema = responses["200"]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json(), _resolved(schema, document))


def _resolved(schema: Any, document: dict[str, Any]) -> Any:
    """A JSON Schema that stands by itself."""
    return schema | {"components": document["components"]}


# --- The page --------------------------------------------------------------------------------------------------


def test_the_page_needs_neither_inline_scripts_nor_another_host():
    answer = Client().get("/api/v1/docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "<style" not in page
    assert re.findall(r"<script([^>]*)>\s*</script>", page) == re.findall(r"<script([^>]*)>", page)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) == 5
    assert all(address.startswith(("/static/", "/api/v1/docs")) for address in addresses)


def test_the_pages_script_asks_for_the_document():
    answer = Client().get("/api/v1/docs?script=")
    assert answer["Content-Type"] == "application/javascript"
    assert '"/api/v1/schema"' in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/schema"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_is_refused_in_json(path, method):
    answer = Client(enforce_csrf_checks=True).generic(method, path)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert json.loads(answer.content) == {"description": "Method not allowed."}


def test_the_settings_name_no_other_host():
    assert settings.SPECTACULAR_SETTINGS["SWAGGER_UI_DIST"] == "SIDECAR"
