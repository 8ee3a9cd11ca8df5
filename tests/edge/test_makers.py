"""Each maker's requests as raw bytes to the real servers: uvicorn, gunicorn's threads, and nginx before them."""

import http.client
import shutil
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from boot.request import own_segments
from boot.shapes import is_own
from rig import HOST, nginx
from rig.service import Service, environment, manage
from tests.edge.conftest import any_server

BASE = "https://prov.example/phones/"
ROWS = tomllib.loads((Path(__file__).parents[1] / "boot" / "shapes.toml").read_text("utf-8"))["requests"]
REFUSED_BY_GUNICORN = "\x17"  # in any header; its threads are for the API, phones ask uvicorn
REFUSED_BY_NGINX = "%00"  # nginx 1.22.1
LONG = "a" * 3_000
DOORS = ["uvicorn", "gthread", "nginx", "nginx-tls"]
ADD_DEVICES = """
import sys
from accounts.models import Group
from devices.models import Device
from locations.models import Location
group = Group.objects.create(name="Acme", group_type="Reseller")
location = Location.objects.create(group=group, url={base!r})
Device.objects.bulk_create(Device(mac=mac, group=group, location=location) for mac in {macs!r})
"""
COUNT = "from devices.models import Access; print(Access.objects.filter(mac={mac!r}).count())"


class Doors(NamedTuple):
    ports: dict[str, int]
    variables: dict[str, str]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Doors]:
    home = tmp_path_factory.mktemp("makers")
    more = {"WEB_WORKERS": "1", "ALLOWED_HOSTS": f"redirect.example,{HOST}", "UNKNOWN_MAC_LIMIT_PER_SOURCE": "0"}
    variables = environment(f"sqlite:///{home}/db.sqlite3", **more)
    shutil.copy(migrated, home / "db.sqlite3")
    manage(
        variables, "shell", "-c", ADD_DEVICES.format(base=BASE, macs=sorted({row[5] for row in ROWS if row[5]}))
    )
    running: list[Any] = []
    try:
        services = [Service({**variables, "SERVE": serve}, home / f"{serve}.log") for serve in ("all", "api")]
        for service in services:
            running.append(service)
            service.start()
        ports = {"uvicorn": services[0].port, "gthread": services[1].port}
        if nginx.program() is not None:
            proxy = nginx.of_the_project(home / "nginx", services[0].port, api=services[1].port)
            running.append(proxy)
            ports |= {"nginx": proxy.port, "nginx-tls": proxy.tls_port}
        yield Doors(ports, variables)
    finally:
        for one in reversed(running):
            one.stop()


def ask(doors: Doors, door: str, message: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    if door not in doors.ports:
        pytest.skip("nginx is not installed")
    connection: socket.socket = socket.create_connection((HOST, doors.ports[door]), timeout=60)
    if door == "nginx-tls":
        connection = any_server().wrap_socket(connection)
    with connection:
        connection.sendall(message)
        response = http.client.HTTPResponse(connection, method=message.split(b" ")[0].decode())
        response.begin()
        return response.status, response.headers, response.read()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_makers_request(doors: Doors, door: str, row: list[Any]) -> None:
    _, _, line, headers, status, _mac, kind = row
    lines = [line, *headers, "Connection: close", "", ""]
    answered, told, body = ask(doors, door, "\r\n".join(lines).encode("latin-1"))
    path = line.split(" ")[1].partition("?")[0]
    query = line.split(" ")[1].partition("?")[2].encode()
    climbs = ".." in path and door.startswith("nginx")  # which nginx has resolved already
    if not kind and (is_own(path.encode(), own_segments(), query) or climbs):  # Django's, whatever it says
        assert not (told["Location"] or "").startswith(BASE)
        return
    if (door == "gthread" and REFUSED_BY_GUNICORN in "".join(headers)) or (
        door.startswith("nginx") and REFUSED_BY_NGINX in path
    ):
        status = 400
    assert answered == status
    if status == 302:
        name = path.rpartition("/")[2] if kind in ("file", "common") else ""
        assert (told["Location"], body) == (BASE + name, b"")
    elif status == 405:
        assert told["Allow"] == "GET, HEAD"
    assert told["Transfer-Encoding"] is None


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("target", "name"),
    [
        (f"/prov?x={LONG}&mac=0004a11a1a1a", ""),
        (f"/prov?mac=0004a11a1a1a&x={LONG}", ""),
        (f"/y000000000065.cfg?x={LONG}&mac=0004-a11a-1a1a", None),
        (f"/{LONG}/0004a11a1a1a.cfg", "0004a11a1a1a.cfg"),
        (f"/{'a' * 190}/0004a11a1a1a.cfg", "0004a11a1a1a.cfg"),
        (f"/{'%C3%A9' * 40}/0004a11a1a1a.cfg", "0004a11a1a1a.cfg"),
    ],
    ids=["query-last", "query-first", "query-wrong", "path", "path-cut-in-the-name", "path-cut-in-a-letter"],
)
def test_a_long_address_hides_no_phone_and_names_no_other(
    doors: Doors, door: str, target: str, name: str | None
) -> None:
    agent = "User-Agent: Yealink SIP-T46S 66.86.0.15 00:15:65:27:c7:64"
    lines = [f"GET {target} HTTP/1.1", "Host: redirect.example", agent, "Connection: close", "", ""]
    status, headers, _ = ask(doors, door, "\r\n".join(lines).encode())
    assert (status, headers["Location"]) == ((404, None) if name is None else (302, BASE + name))


# What uvicorn 0.54.0 (llhttp) and gunicorn 27.0.1 read alike: request line, headers, status, name in the redirect.
ALIKE: dict[str, tuple[str, list[str], int, str]] = {
    "fragment": ("GET /00156527c764.cfg#/0004a11a1a1a.cfg HTTP/1.1", [], 302, "00156527c764.cfg"),
    "fragment, then a query": ("GET /p#x?mac=00156527c764 HTTP/1.1", [], 404, ""),
    "query with a fragment": ("GET /p?mac=00156527c764#x HTTP/1.1", [], 302, ""),
    "absolute": ("GET HTTP://redirect.example:80/00156527c764.cfg HTTP/1.1", [], 302, "00156527c764.cfg"),
    "absolute, user": ("GET http://u:p@redirect.example/00156527c764.cfg HTTP/1.1", [], 302, "00156527c764.cfg"),
    "slashes": ("GET ///h:80/00156527c764.cfg HTTP/1.1", [], 302, "00156527c764.cfg"),
    "broken encoding": ("GET /%zz/%/00156527c764.cfg HTTP/1.1", [], 302, "00156527c764.cfg"),
    "long header": ("GET /00156527c764.cfg HTTP/1.1", ["X-Long: " + "a" * 30_000], 302, "00156527c764.cfg"),
    "unknown method": ("BREW /00156527c764.cfg HTTP/1.1", [], 405, ""),
    "names of WSGI": ("GET /00156527c764.cfg HTTP/1.1", ["SCRIPT_NAME: /x"], 302, "00156527c764.cfg"),
}
# What each reads in its own way: status by uvicorn, and by gunicorn. docs/phones.md tells it in words.
ODD: dict[str, tuple[str, list[str], int, int]] = {
    "version 1.2": ("GET /00156527c764.cfg HTTP/1.2", [], 400, 302),
    "version 2.0": ("GET /00156527c764.cfg HTTP/2.0", [], 302, 400),
    "empty lines first": ("\r\n\r\nGET /00156527c764.cfg HTTP/1.1", [], 302, 400),
    "two spaces": ("GET  /00156527c764.cfg HTTP/1.1", [], 302, 400),
    "CONNECT": ("CONNECT redirect.example:443 HTTP/1.1", [], 400, 405),
    "absolute without a path": ("GET http://redirect.example?mac=00156527c764 HTTP/1.1", [], 400, 302),
    "asterisk": ("GET * HTTP/1.1", [], 404, 400),
    "control byte": ("GET /00156527c764.cfg HTTP/1.1", ["User-Agent: a\x17b"], 302, 400),
    "folded header": ("GET /00156527c764.cfg HTTP/1.1", ["User-Agent: a", " b"], 302, 400),
    "two hosts": ("GET /00156527c764.cfg HTTP/1.1", ["Host: b"], 302, 400),
    "many headers": ("GET /00156527c764.cfg HTTP/1.1", [f"X{number}: a" for number in range(101)], 302, 431),
    "longer header": ("GET /00156527c764.cfg HTTP/1.1", ["X-Long: " + "a" * 33_000], 302, 431),
    "chunks of HTTP/1.0": ("GET /00156527c764.cfg HTTP/1.0", ["Transfer-Encoding: chunked"], 302, 400),
    "odd expectation": ("GET /00156527c764.cfg HTTP/1.1", ["Expect: x"], 302, 417),
}


def with_host(line: str, headers: list[str]) -> bytes:
    return "\r\n".join([line, "Host: redirect.example", *headers, "Connection: close", "", ""]).encode("latin-1")


@pytest.mark.parametrize("door", ["uvicorn", "gthread"])
@pytest.mark.parametrize("name", ALIKE)
def test_both_servers_read_it_alike(doors: Doors, door: str, name: str) -> None:
    line, headers, status, file_name = ALIKE[name]
    answered, told, _ = ask(doors, door, with_host(line, headers))
    assert (answered, told["Location"]) == (status, BASE + file_name if status == 302 else None)


@pytest.mark.parametrize("name", ODD)
def test_what_each_server_reads_in_its_own_way(doors: Doors, name: str) -> None:
    line, headers, *by_server = ODD[name]
    answered = [ask(doors, door, with_host(line, headers))[0] for door in ("uvicorn", "gthread")]
    assert answered == by_server


@pytest.mark.parametrize("door", DOORS)
def test_an_upload_is_refused_at_once_with_its_body_unread_and_not_counted(doors: Doors, door: str) -> None:
    mac = "0004A11A1A1A"
    before = manage(doors.variables, "shell", "-c", COUNT.format(mac=mac))
    head = f"PUT /{mac}-app.log HTTP/1.1\r\nHost: redirect.example\r\nContent-Length: 9000000\r\n\r\n"
    status, headers, _ = ask(doors, door, head.encode())
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert manage(doors.variables, "shell", "-c", COUNT.format(mac=mac)) == before
