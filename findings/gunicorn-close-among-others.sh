#!/usr/bin/env bash
# gunicorn 27.0.1 with threads (gthread) and waitress 3.0.2 keep a connection open whose request says
# `Connection: TE, close`, as each request of Perl's libwww-perl does. RFC 9112, 9.6 with RFC 9110, 7.6.1: the field is a
# list, and `close` in it ends the connection behind the answer. gunicorn even answers `Connection: keep-alive`. Both
# compare the whole value with `close`. uvicorn 0.54.0 closes, with httptools 0.9.0 and with h11 0.16.0.
#
# A client that reads to the end of the connection waits for the server's patience, and the connection is held as long.
# Where this product's users meet it: docs/integrators.md, "Perl".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gunicorn==27.0.1 waitress==3.0.2 uvicorn==0.54.0 \
    httptools==0.9.0 h11==0.16.0 2>/dev/null
cat > service.py <<'PY'
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
PY
cat > ask.py <<'PY'
import socket
import subprocess
import sys
import time
from importlib.metadata import version

PATIENCE = 60  # of the servers, in seconds: what is closed sooner was closed as asked
UVICORN = ["uvicorn", "service:asgi", "--log-level", "critical", "--timeout-keep-alive", str(PATIENCE)]
SERVERS = {
    "gunicorn, threads": ["gunicorn", "service:wsgi", "--threads", "4", "--keep-alive", str(PATIENCE), "--log-level",
                          "critical", "--bind", "{host}:{port}"],
    "waitress": ["waitress", "--listen", "{host}:{port}", "service:wsgi"],
    "uvicorn, httptools": [*UVICORN, "--http", "httptools", "--port", "{port}"],
    "uvicorn, h11": [*UVICORN, "--http", "h11", "--port", "{port}"],
}
SEEN = {
    "gunicorn, threads": ("closes", "stays open"),
    "waitress": ("closes", "stays open"),
    "uvicorn, httptools": ("closes", "closes"),
    "uvicorn, h11": ("closes", "closes"),
}


def connect(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("The server does not start.")


def behind_the_answer(port, value):
    with connect(port) as connection:
        head = f"GET / HTTP/1.1\r\nHost: api.example\r\nTE: deflate,gzip;q=0.3\r\nConnection: {value}\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"ok"):
            answer += connection.recv(4096)
        connection.settimeout(10)
        try:
            return "stays open" if connection.recv(1) else "closes"
        except TimeoutError:
            return "stays open"


for name in ("gunicorn", "waitress", "uvicorn", "httptools", "h11"):
    print(name, version(name))
found = {}
for name, words in SERVERS.items():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *options = (word.format(host="127.0.0.1", port=port) for word in words)
    server = subprocess.Popen([sys.executable, "-m", program, *options], stderr=subprocess.DEVNULL)
    try:
        found[name] = tuple(behind_the_answer(port, value) for value in ("close", "TE, close"))
    finally:
        server.terminate()
        server.wait()
    print(f"{name}: `close` {found[name][0]}, `TE, close` {found[name][1]}")
print("as seen" if found == SEEN else "NO LONGER SO")
sys.exit(found != SEEN)
PY
venv/bin/python ask.py
