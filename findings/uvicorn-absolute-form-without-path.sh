#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0, its default parser where that is installed, answers 400 "Invalid HTTP request
# received." to a request whose target is a whole URL with a query and without a path, as in
# `GET http://phones.example?mac=00908F9D8992 HTTP/1.1`. RFC 9112, 3.2.2 allows it (absolute-URI of RFC 3986: the path
# may be empty). With h11 0.16.0 the same uvicorn answers it, and gunicorn 27.0.1 does. With a slash before the question
# mark all three answer.
#
# Where this product's users meet it: docs/phones.md, "Odd requests"; tests/edge/test_makers.py holds the table.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0 \
    gunicorn==27.0.1 2>/dev/null
cat > service.py <<'PY'
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def wsgi(environ, start_response):
    start_response("204 No Content", [])
    return []
PY
cat > ask.py <<'PY'
import socket
import subprocess
import sys
import time
from importlib.metadata import version

SERVERS = {
    "uvicorn, httptools": ["uvicorn", "service:asgi", "--http", "httptools", "--log-level", "critical", "--port"],
    "uvicorn, h11": ["uvicorn", "service:asgi", "--http", "h11", "--log-level", "critical", "--port"],
    "gunicorn": ["gunicorn", "service:wsgi", "--log-level", "critical", "--bind"],
}
TARGETS = ("http://phones.example?mac=00908F9D8992", "http://phones.example/?mac=00908F9D8992")
SEEN = {"uvicorn, httptools": (400, 204), "uvicorn, h11": (204, 204), "gunicorn": (204, 204)}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def connect(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("The server does not start.")


def status(port, target):
    with connect(port) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: phones.example\r\nConnection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


for name in ("uvicorn", "httptools", "h11", "gunicorn"):
    print(name, version(name))
found = {}
for name, (program, *options) in SERVERS.items():
    port = free_port()
    at = f"127.0.0.1:{port}" if program == "gunicorn" else str(port)
    server = subprocess.Popen([sys.executable, "-m", program, *options, at])
    try:
        found[name] = tuple(status(port, target) for target in TARGETS)
    finally:
        server.terminate()
        server.wait()
    print(f"{name}: without a path {found[name][0]}, with one {found[name][1]}")
print("as seen" if found == SEEN else "NO LONGER SO")
sys.exit(found != SEEN)
PY
venv/bin/python ask.py
