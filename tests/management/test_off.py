"""Device management is off by default: every call of it says what to set, and none of its code is loaded."""

import json
import os
import subprocess
import sys

import pytest

from rig import ROOT

CALLS = [
    ("GET", "/endpoints"),
    ("POST", "/endpoints"),
    ("PUT", "/endpoints/1"),
    ("DELETE", "/endpoints/1/"),
    ("GET", "/endpoints/1/summary"),
    ("POST", "/endpoints/1/operations"),
    ("GET", "/operations?surprise=1"),
    ("GET", ""),
    ("GET", "/../locations/3/consistency"),
]

# In a process of its own, as the settings of this one have it on.
PROGRAM = f"""
import json, os, posixpath, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "redirect.settings"
import redirect.asgi
from django.urls import resolve
from rest_framework.test import APIRequestFactory, force_authenticate
from accounts.models import User

answers = []
for method, path in {CALLS!r}:
    where = posixpath.normpath("/api/v1/management" + path) if ".." in path else "/api/v1/management" + path
    for user in (User(login="root", is_superuser=True), None):
        request = APIRequestFactory().generic(method, where)
        force_authenticate(request, user)
        found = resolve(where.partition("?")[0])
        answer = found.func(request, *found.args, **found.kwargs)
        answers.append([answer.status_code, json.loads(answer.content)["description"]])
own = [name for name in sys.modules if name.split(".")[0] in ("management", "httpx", "httpcore")]
print(json.dumps([answers, own]))
"""


def test_off_by_default():
    unset = {name: value for name, value in os.environ.items() if not name.startswith("MANAGEMENT_")}
    secret = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40, "DATABASE_URL": "sqlite:///var/off.sqlite3"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=unset | secret, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    answers, loaded = json.loads(run.stdout.splitlines()[-1])
    assert loaded == []
    for status, description in answers[::2]:
        assert status == 501
        assert "set MANAGEMENT_NETWORKS" in description
    assert {status for status, _ in answers[1::2]} == {401}


@pytest.mark.parametrize("name", ["refresh_endpoints", "rotate_credentials"])
def test_commands_say_what_to_set(name: str):
    unset = {name: value for name, value in os.environ.items() if not name.startswith("MANAGEMENT_")}
    secret = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40, "DATABASE_URL": "sqlite:///var/off.sqlite3"}
    secret["DJANGO_SETTINGS_MODULE"] = "redirect.settings"
    run = subprocess.run(
        [sys.executable, "manage.py", name], cwd=ROOT, env=unset | secret, capture_output=True, text=True
    )
    said = f"{name}: device management is off. Set MANAGEMENT_NETWORKS and MANAGEMENT_KEYS to switch it on.\n"
    assert (run.returncode, run.stdout, run.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"MANAGEMENT_NETWORKS": "10.0.0.0/8"}, "Set MANAGEMENT_KEYS to one key or more"),
        (
            {"MANAGEMENT_NETWORKS": "10.0.0.0/8", "MANAGEMENT_KEYS": "short"},
            "Set MANAGEMENT_KEYS to one key or more",
        ),
        ({"MANAGEMENT_NETWORKS": "10.0.0.1/8"}, "MANAGEMENT_NETWORKS: 10.0.0.1/8 has host bits set"),
        ({"MANAGEMENT_PORTS": "80,http"}, "MANAGEMENT_PORTS: http must be a port"),
        ({"MANAGEMENT_PORTS": "8000-"}, "MANAGEMENT_PORTS: 8000- must be a port"),
        ({"MANAGEMENT_PORTS": "9000-8000"}, "MANAGEMENT_PORTS: 9000-8000 must begin with the lower"),
        ({"WEBHOOK_PORTS": "80,9000-8000"}, "WEBHOOK_PORTS: 9000-8000 must begin with the lower"),
        ({"MANAGEMENT_LOOPBACK": "perhaps"}, "MANAGEMENT_LOOPBACK=perhaps must be on or off"),
    ],
)
def test_a_bad_setting_stops_the_start(values: dict[str, str], complaint: str):
    unset = {name: value for name, value in os.environ.items() if not name.startswith("MANAGEMENT_")}
    secret = {"SECRET_KEY": "s" * 40, "JWT_SIGNING_KEY": "j" * 40}
    run = subprocess.run(
        [sys.executable, "-c", "import redirect.settings"],
        cwd=ROOT,
        env=unset | secret | values,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert complaint in run.stderr
