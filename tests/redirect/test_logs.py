"""The log: its two formats, the line of a request, and what must never stand in it."""

import base64
import http.client
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from redirect import logs
from rig import HOST, ROOT
from rig.service import Service, environment, manage

# Each stands where a secret stands, and nowhere else.
CANARY = "canaryQ7"
OPERATOR = f"{CANARY}-operator-Zx9"
NEW_PASSWORD = f"{CANARY}-changed-Zx9"
USERS_PASSWORD = f"{CANARY}-user-Zx9"
WRONG = f"{CANARY}-wrong-Zx9"
TOKEN = f"{CANARY}-metrics-" + "m" * 40
MAC = "00908F9D8992"


class Session:
    """A client that keeps its cookies, and all tokens that it was given."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.secrets: set[str] = set()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=60)) as client:
            client.request(method, path, body, {"Cookie": cookies, "X-Forwarded-For": "192.0.2.9", **headers})
            answer = client.getresponse()
            text = answer.read().decode()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = cookie.split(";")[0].partition("=")
                self.cookies[name] = value
                self.secrets.add(value)
        self.secrets |= set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', text))
        return answer.status, text

    def api(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        status, text = self.send(method, f"/api/v1{path}", json.dumps(body).encode() if body else b"", **headers)
        answer = json.loads(text) if text else {}
        self.secrets |= {answer[name] for name in answer if name.endswith("_token")}
        return status, answer

    def form(self, path: str, **fields: str) -> int:
        self.send("GET", path)
        body = urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **fields}).encode()
        return self.send("POST", path, body, **{"Content-Type": "application/x-www-form-urlencoded"})[0]


def go_through_all_doors(session: Session) -> None:
    """Log in, be refused, and change passwords, by every way that there is."""

    def login(password: str) -> tuple[int, Any]:
        return session.api("POST", "/login", {"userName": "operator", "password": password})

    assert login(WRONG)[0] == 401
    assert session.api("POST", "/login", {"userName": WRONG, "password": "x"})[0] == 401
    assert session.api("POST", "/login", {"userName": "operator", "password": [WRONG]})[0] == 400
    assert session.send("POST", "/api/v1/login", b'{"password": "' + WRONG.encode(), **JSON)[0] == 400
    assert session.send("POST", "/api/v1/login", WRONG.encode(), **{"Content-Type": "text/plain"})[0] == 415
    status, tokens = login(OPERATOR)
    assert status == 200
    token = tokens["access_token"]
    for header in (f"Bearer {token}x", f"Basic {base64.b64encode(WRONG.encode()).decode()}", f"Bearer {WRONG}"):
        assert session.send("GET", "/api/v1/users", Authorization=header)[0] == 401
    assert session.send("GET", f"/api/v1/users?access_token={WRONG}", Authorization=f"Bearer {token}")[0] == 400
    assert session.send("GET", f"/api/v1/nothing?password={WRONG}")[0] == 404
    assert session.send("GET", f"/{MAC}?password={WRONG}")[0] == 404
    assert session.send("GET", f"/index.html?password={WRONG}")[0] == 404

    group = session.api("POST", "/groups", {"name": "Acme", "groupType": "Reseller"}, token)[1]["id"]
    user = {"login": "ada", "firstName": "Ada", "lastName": "Byron", "group": group}
    user |= {"permissionLevel": "Administrator", "email": "ada@example.com", "password": USERS_PASSWORD}
    status, made = session.api("POST", "/users", user, token)
    assert status == 201, made
    status, again = session.api("PUT", f"/users/{made['id']}", user, token)
    assert status == 200, again

    change = {"userName": "operator", "oldPassword": WRONG, "newPassword": NEW_PASSWORD}
    assert session.api("POST", "/changePassword", change)[0] == 401
    assert session.api("POST", "/changePassword", change | {"oldPassword": OPERATOR, "newPassword": "x"})[0] == 400
    assert session.api("POST", "/refresh", {"refresh_token": WRONG})[0] == 401
    status, tokens = session.api("POST", "/refresh", {"refresh_token": tokens["refresh_token"]})
    assert status == 200
    assert session.api("POST", "/logout", {}, tokens["access_token"])[0] == 200

    assert session.form("/admin/login/", username="operator", password=WRONG) == 200
    assert session.form("/admin/login/", username="operator", password=OPERATOR) == 302
    passwords = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert session.form("/admin/password_change/", old_password=WRONG, **passwords) == 200
    assert session.form("/admin/password_change/", old_password=OPERATOR, **passwords) == 302
    assert login(NEW_PASSWORD)[0] == 200
    assert session.send("GET", "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert session.send("GET", "/metrics", Authorization=f"Bearer {WRONG}")[0] == 404


JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """The folder of a service that has not run yet, with its operator: to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    variables = environment(f"sqlite:///{folder / 'db.sqlite3'}", VAR_DIR=str(folder))
    operator = {"DJANGO_SUPERUSER_LOGIN": "operator", "DJANGO_SUPERUSER_PASSWORD": OPERATOR}
    shutil.copy(migrated, folder / "db.sqlite3")
    manage(variables, "collectstatic", "--noinput", "--verbosity=0")
    manage(variables | operator, "createsuperuser", "--noinput")
    return folder


@pytest.fixture(scope="module", params=["line", "json"])
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> tuple[str, str, set[str]]:
    """A run of the service that tells all it can, its log, and what must not stand in it."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    variables = environment(
        f"sqlite:///{folder / 'db.sqlite3'}",
        LOG_FORMAT=request.param,
        LOG_LEVEL="DEBUG",
        ACCESS_LOG="on",
        METRICS_TOKEN=TOKEN,
        WEB_WORKERS="1",
        VAR_DIR=str(folder),
    )
    service = Service(variables, folder / "log")
    service.start()
    session = Session(service.port)
    try:
        go_through_all_doors(session)
    finally:
        service.stop()
    secrets = session.secrets | {variables["SECRET_KEY"], variables["JWT_SIGNING_KEY"], CANARY}
    return request.param, service.log.read_text(), {secret for secret in secrets if len(secret) >= 8}


def test_no_secret_stands_in_the_log(run: tuple[str, str, set[str]]) -> None:
    _, log, secrets = run
    assert len(secrets) >= 12
    assert [secret for secret in secrets if secret in log] == []


def test_every_line_has_the_form_that_was_asked_for(run: tuple[str, str, set[str]]) -> None:
    log_format, log, _ = run
    assert len(log.splitlines()) >= 30
    for line in log.splitlines():
        if log_format == "json":
            assert {"time", "level", "logger", "message", "request_id"} <= set(json.loads(line))
        elif not line.startswith("  "):  # gunicorn's settings, of which each has a line
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+ request=\S+ ", line), line


def test_each_request_has_one_line(run: tuple[str, str, set[str]]) -> None:
    log_format, log, _ = run
    if log_format == "line":
        [phone] = [line for line in log.splitlines() if f"GET /{MAC} " in line]
        assert re.search(rf"GET /{MAC} 404 Unknown in [\d.]+ ms, address=192.0.2.9 user=None group=None$", phone)
        return
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["logger"] == "redirect.access"]
    [phone] = [line for line in requests if line.get("mac") == MAC]
    assert (phone["status"], phone["outcome"], phone["address"]) == (404, "Unknown", "192.0.2.9")
    [created] = [line for line in requests if line["path"] == "/api/v1/users" and line["method"] == "POST"]
    assert (created["status"], created["outcome"], created["group"]) == (201, "Done", None)
    assert isinstance(created["user"], int)
    assert created["duration_ms"] > 0
    assert re.fullmatch("[0-9a-f]{32}", created["request_id"])
    [changed] = [line for line in requests if line["path"] == "/admin/password_change/" and line["status"] == 302]
    assert changed["user"] == created["user"]
    assert sum(line["path"] == "/api/v1/login" for line in requests) == 7


def test_a_database_that_is_away_does_not_bring_its_password_into_the_log(tmp_path: Path) -> None:
    variables = environment(
        f"postgres://redirect:{CANARY}@127.0.0.1:1/redirect",
        REPLICA_URL=f"postgres://redirect:{CANARY}@127.0.0.1:1/replica",
        LOG_LEVEL="DEBUG",
        WEB_WORKERS="1",
    )
    service = Service(variables, tmp_path / "log")
    service.start()
    session = Session(service.port)
    try:
        assert session.send("GET", f"/{MAC}")[0] == 503
        assert session.send("GET", "/readyz")[0] == 503
        assert session.api("POST", "/login", {"userName": "x", "password": WRONG})[0] == 503
    finally:
        service.stop()
    log = service.log.read_text()
    assert "connection" in log
    assert CANARY not in log


def test_a_format_that_does_not_exist_stops_the_start() -> None:
    secrets = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40}
    started = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | secrets | {"LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
    )
    assert started.returncode != 0
    assert "LOG_FORMAT=xml must be line or json." in started.stderr


@pytest.mark.parametrize("sent", ["x" * 32, "1\r\n2" * 8, "", "a" * 31])
def test_an_id_that_is_none_is_not_taken_over(sent: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "redirect.access"):
        logs.write_request("GET", "/", 200, 0.1, address="", outcome="Done", request_id=sent)
    assert getattr(caplog.records[0], "request_id", None) is None
