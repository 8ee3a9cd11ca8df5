"""Clients that integrators' generators make of the document, with their defaults, against a real server."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from accounts.models import Level
from devices.models import Device
from rig import ROOT
from tests.api import example_world as world
from tests.conftest import PASSWORD, Api, Cast, make_user

PROGRAMS = ROOT / "tests" / "clients"
PYTHON = ROOT / "var" / "clients" / "venv" / "bin"
NODE = ROOT / "var" / "openapi" / "node_modules"
MACS = [f"00:90:8F:00:00:{n:02X}" for n in range(3)]

REFUSED = {
    "400": "Unknown filter field 'colour'",
    "403": "Your permission level does not allow this.",
    "409": "A group of this name exists already.",
    "412": "Changed since you read it: read it again, and try then.",
    "429": "Too many requests.",
}


def run(*command: str | Path, folder: Path, **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture
def given(live_server: Any, cast: Cast, settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """What a program is told; its third login is one too many. The document is that of this server."""
    settings.LOGIN_LIMIT_PER_SOURCE = 2
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
    make_user(cast.reseller, login="ada")
    make_user(cast.provider, Level.MONITOR, login="berta")
    (tmp_path / "devices.csv").write_text("mac,group\n00:90:8F:00:00:10,Berlin Phones\n")
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{live_server.url}/api/v1/schema").content)
    return {
        "url": live_server.url,
        "administrator": "ada",
        "monitor": "berta",
        "password": PASSWORD,
        "group": cast.provider.pk,
        "macs": MACS,
        "taken": cast.sibling.name,
        "file": str(tmp_path / "devices.csv"),
    }


def assert_all_was_understood(told: dict[str, Any]) -> None:
    assert (told["created"], told["paged"]) == (3, MACS)
    assert [told[name][0] for name in ("login as administrator", "bulk", "page", "201", "200")] == [
        *(200, 201, 200, 201, 200)
    ]
    assert told["204"][0] == 204
    assert told["204"][2] is None
    for status, says in REFUSED.items():
        assert told[status][:2] == [int(status), "Error"]
        assert says in told[status][2]
    after, left, policy = told["limit"]
    assert 1 <= int(after) <= 60
    assert re.fullmatch(r'"login";r=0;t=\d+', left)
    assert policy == '"login";q=2;w=60'
    assert Device.objects.count() == 3


def python_of_the_clients(command: str) -> Path:
    if not (PYTHON / command).exists():
        pytest.skip("the generators of clients are not installed: make clients")
    return PYTHON / command


def test_openapi_python_client(given: dict[str, Any], tmp_path: Path) -> None:
    generator = python_of_the_clients("openapi-python-client")
    options = ("--path", "openapi.json", "--meta", "none", "--output-path", "redirect_client")
    said = run(generator, "generate", *options, folder=tmp_path)
    assert "WARNING parsing" not in said
    program = PROGRAMS / "by_openapi_python_client.py"
    told = json.loads(
        run(
            PYTHON / "python", program, folder=tmp_path, input=json.dumps(given), env={"PYTHONPATH": str(tmp_path)}
        )
    )
    assert_all_was_understood(told)
    assert (told["import"][:2], told["move"]) == ([201, "Created"], True)


def test_datamodel_code_generator(given: dict[str, Any], tmp_path: Path) -> None:
    generator = python_of_the_clients("datamodel-codegen")
    options = ("--input", "openapi.json", "--input-file-type", "openapi", "--output", "redirect_models.py")
    run(generator, *options, folder=tmp_path)
    program = PROGRAMS / "by_datamodel_codegen.py"
    told = json.loads(
        run(
            PYTHON / "python", program, folder=tmp_path, input=json.dumps(given), env={"PYTHONPATH": str(tmp_path)}
        )
    )
    assert_all_was_understood(told)


@pytest.fixture
def npm() -> Callable[..., str]:
    """Runs a command of tools/openapi's packages."""
    installed = subprocess.run([ROOT / "tools/openapi/install"], capture_output=True, text=True, check=False)
    if installed.returncode == 3:
        pytest.skip(installed.stdout.strip())
    assert installed.returncode == 0, installed.stderr
    return lambda name, *options, folder: run(NODE / ".bin" / name, *options, folder=folder)


def test_openapi_typescript(npm: Callable[..., str], given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(NODE)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "program.ts").write_text((PROGRAMS / "by_openapi_typescript.ts").read_text())
    npm("openapi-typescript", "openapi.json", "-o", "schema.ts", folder=tmp_path)
    strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    npm("tsc", *strict, "--lib", "es2022,dom,dom.iterable", "program.ts", "schema.ts", folder=tmp_path)
    assert_all_was_understood(json.loads(run("node", "program.js", json.dumps(given), folder=tmp_path)))


# --- Postman ---------------------------------------------------------------------------------------------------

ENDS_THE_LOGIN = ("/api/v1/logout", "/api/v1/changePassword")


def requests_of(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from requests_of(item["item"])
        else:
            yield item["request"]


def sent(client: httpx.Client, request: dict[str, Any]) -> tuple[str, httpx.Response]:
    """The path of a request of the collection, and what it is answered when it is sent as it stands."""
    variables = {variable["key"]: variable["value"] for variable in request["url"].get("variable", ())}
    words = [variables.get(word.removeprefix(":"), word) for word in request["url"]["path"]]
    query = {
        entry["key"]: entry["value"] for entry in request["url"].get("query", ()) if not entry.get("disabled")
    }
    headers = {h["key"]: h["value"] for h in request.get("header", ()) if not h.get("disabled")}
    content = request.get("body", {}).get("raw")
    path = "/" + "/".join(words)
    return path, client.request(request["method"], path, params=query, headers=headers, content=content)


def test_the_requests_of_a_postman_collection(
    npm: Callable[..., str], live_server: Any, transactional_db: None, tmp_path: Path
) -> None:
    """In the order of the collection, in the world of the examples: each GET is answered, and nothing is a 5xx."""
    api = Api(world.make())
    document = httpx.get(f"{live_server.url}/api/v1/schema").json()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    resolution = "parametersResolution=Example,requestParametersResolution=Example,folderStrategy=Tags"
    npm("openapi2postmanv2", "-s", "openapi.json", "-o", "collection.json", "-O", resolution, folder=tmp_path)
    collection = json.loads((tmp_path / "collection.json").read_text())
    variables = {variable["key"]: variable["value"] for variable in collection["variable"]}
    assert variables["baseUrl"] == document["servers"][0]["url"]
    wrong, gets = [], 0
    with httpx.Client(base_url=live_server.url, headers=api.headers) as client:
        for request in requests_of(collection["item"]):
            if f"/{'/'.join(request['url']['path'])}" in ENDS_THE_LOGIN:
                continue
            path, answer = sent(client, request)
            is_phone = path.count("/") == 1 and path[1:].isalnum() and len(path) == 13
            gets += request["method"] == "GET"
            fine = range(200, 400) if is_phone else range(200, 300) if request["method"] == "GET" else range(500)
            if answer.status_code not in fine and not path.endswith("/uiToken"):  # 502: there is no device
                wrong.append(f"{request['method']} {answer.url}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert gets > 20
