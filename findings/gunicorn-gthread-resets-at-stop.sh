#!/usr/bin/env bash
# gunicorn 27.0.1 with threads (gthread): told to stop by SIGTERM while one client keeps its connection open, it accepts
# no connection any more and yet goes on listening, for up to `graceful_timeout`. A client that connects then is not
# refused: the kernel takes its connection and its request, and when the worker ends, both are thrown away with a reset.
# It cannot tell whether what it asked for was done, and a proxy may not ask another host for a POST.
#
# This product's workers of the API answer who is connected and refuse the rest (redirect/worker.py, APIWorker;
# tests/redirect/test_graceful_stop.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gunicorn==27.0.1 2>/dev/null
cat > service.py <<'PY'
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
PY
cat > stop.py <<'PY'
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version

REQUEST = b"GET / HTTP/1.1\r\nHost: redirect.example\r\n\r\n"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def after_the_stop():
    """What becomes of a client that connects while the server waits for another one's connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["venv/bin/gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--keep-alive", "30"]
    command += ["--graceful-timeout", "5", "--log-level", "critical", "--no-control-socket", "service:application"]
    server = subprocess.Popen(command)
    try:
        for _ in range(200):
            try:
                kept = connect(port)
                break
            except OSError:
                time.sleep(0.1)
        kept.sendall(REQUEST)
        assert b"200" in kept.recv(1000)
        server.send_signal(signal.SIGTERM)
        time.sleep(1)
        try:
            late = connect(port)
        except ConnectionRefusedError:
            return "refused"
        try:
            late.sendall(REQUEST)
            return "answered" if late.recv(1000) else "closed"
        except ConnectionResetError:
            return "accepted by the kernel, then reset"
    finally:
        server.wait(30)


print("gunicorn", version("gunicorn"))
seen = after_the_stop()
print(f"threads: a client that connects a second after SIGTERM is {seen}")
if seen != "accepted by the kernel, then reset":
    sys.exit("CHANGED: not as described")
print("As described.")
PY
venv/bin/python stop.py
