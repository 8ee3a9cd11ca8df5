"""The tour of docs/management.md: each request is sent as it is printed, from a boot to a certified device."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from rig import ROOT
from tests.certificates import make_ca, pem
from tests.conftest import Api, Cast, make_user, run_due_jobs
from tests.simulators.boot import boot
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served

MAC = "00908F9D8992"


def steps() -> Iterator[tuple[str, str, str]]:
    """Method, path and body of each printed request; `simulate` where the device is started."""
    page = (ROOT / "docs" / "management.md").read_text()
    tour = page[page.index("## The tour") :]
    for kind, block in re.findall(r"```(http|sh)?\n(.*?)```", tour, re.DOTALL):
        if kind == "http":
            first, _, body = block.strip().partition("\n")
            method, _, path = first.partition(" ")
            yield method, path, body
        else:
            yield "boot" if kind else "simulate", "", block


@pytest.fixture
def device(key: bytes) -> Iterator[Served]:
    with Served(Mediant("7.2", mac=MAC, password="a long one", key=key)) as served:
        yield served


def test_tour(transactional_db: None, cast: Cast, device: Served, live_server: LiveServer, settings: Settings):
    api, ca = Api(make_user(cast.provider)), make_ca("CA")
    holes: dict[str, Any] = {
        "group": cast.provider.pk,
        "device": device.url,
        "ca": json.dumps(pem(ca.certificate)),
    }
    assert isinstance(device.device, Mediant)
    seen: list[str] = []
    for method, path, body in steps():
        seen.append(method)
        if method == "simulate":
            assert f"--mac {MAC}" in body
            assert boot(device.device, live_server.url) == (404, None)
            continue
        if method == "boot":
            assert "/devices/0/boot" in body  # test_simulate.py sends it
            continue
        path, body = filled(path, holes), filled(body, holes)
        sent = json.loads(body) if body else None
        answer = api.get(path) if method == "GET" else api.post(path, sent)
        assert answer.status_code in (200, 201, 202), (path, answer.content)
        run_due_jobs()
        remember(path, answer.json(), holes, ca)
    assert seen == ["POST", "POST", "simulate", "POST", "POST", "GET", "POST", "GET", "POST", "GET", "boot"]
    assert holes["last"]["state"] == "done"
    assert holes["last"]["result"]["url"] == f"https://pbx.example/{MAC}.ini"

    # The proxy, which ends TLS, hands the certificate on that the device now shows.
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    shown = quote(device.device.tls["0"].certificate.decode())
    headers = {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": shown}
    redirected = Client().get(f"/{MAC}", headers=headers)
    assert (redirected.status_code, redirected["Location"]) == (302, f"https://pbx.example/{MAC}.ini")


def filled(text: str, holes: dict[str, Any]) -> str:
    text = text.removeprefix("/api/v1")
    return re.sub(r"<(\w+)>", lambda hole: str(holes[hole[1]]), text)


def remember(path: str, said: dict[str, Any], holes: dict[str, Any], ca: Any) -> None:
    """What later requests name."""
    if path == "/locations":
        holes["location"] = said["id"]
    elif path == "/management/endpoints":
        holes["endpoint"] = said["id"]
    elif path.endswith("/operations"):
        holes["operation"] = said["id"]
    elif path.endswith("/summary"):
        assert said["identity"]["data"]["mac"] == MAC
    elif path.startswith("/management/operations/") and "steps" in said:
        holes["last"] = said
        [request] = [step for step in said["steps"] if step["step"] == "request"]
        csr = x509.load_pem_x509_csr(request["csr"].encode())
        holes["certificate"] = json.dumps(pem(ca.issue(csr.subject, key=csr)[0]))
