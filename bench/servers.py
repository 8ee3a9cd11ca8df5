"""The servers that are measured. Each runs only while it is; the database runs all the time."""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rig import HOST, ROOT
from rig.nginx import Nginx
from rig.processes import children, end, free_port, is_open, memory_of, processor_seconds, wait_for
from rig.service import WORKERS, environment, launch

FILES = ROOT / "var/bench"

NGINX = """
worker_processes {workers};
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
    keepalive_requests 1000000;
    upstream service {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        location / {{ {answer} }}
    }}
}}
"""
FIXED = "return 302 https://pbx1.example.net/Provider%200001%20Networks/00908F9D8992.cfg;"
PROXY = """
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
"""


@dataclass(frozen=True)
class Server:
    """One of the servers: `drain` seconds are enough for it to answer all that was asked.

    `folder` is the checkout of a build of the service.
    """

    name: str
    title: str
    drain: float
    counts: bool = True
    logs: bool = False
    folder: Path = ROOT


SERVICE = Server("service", "this service", drain=2, logs=True)
PLAIN = Server("plain", "plain Django view (ORM, gthread)", drain=8)
NGINX_FIXED = Server("nginx", "nginx, a fixed 302", drain=1, counts=False)
FASTAPI_ORM = Server("fastapi_orm", "FastAPI + SQLAlchemy ORM", drain=8)
FASTAPI_STATEMENT = Server("fastapi_statement", "FastAPI + one statement on asyncpg", drain=3)
ALL = (SERVICE, PLAIN, FASTAPI_ORM, FASTAPI_STATEMENT, NGINX_FIXED)
BEHIND_NGINX = Server("behind_nginx", "this service behind nginx", drain=2, logs=True)


@cache
def service_environment(url: str) -> dict[str, str]:
    """What the service is started with, as in production; the secrets live as long as this run."""
    return environment(url)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    port: int
    processes: tuple[subprocess.Popen[bytes], ...]

    def processor_seconds(self) -> float:
        """Processor time used so far."""
        return sum(processor_seconds(process.pid) for process in self.processes)

    def wait_until_ready(self) -> None:
        """Until it answers, and no worker is still busy with its start."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        connection.request("GET", "/00908FFFFFFF")
        connection.getresponse().read()
        connection.close()
        deadline, last = time.monotonic() + 60, -1.0
        while time.monotonic() < deadline and (now := self.processor_seconds()) > last + 0.02:
            last = now
            time.sleep(1)

    def memory_of_workers(self) -> list[float]:
        """The memory of each worker of the last process that was started, in MiB."""
        return [memory_of(process) for process in children(self.processes[-1].pid)]


@contextlib.contextmanager
def running(server: Server, url: str) -> Iterator[Running]:
    """The server, as long as the block lasts."""
    port = free_port()
    processes = []
    try:
        if server is NGINX_FIXED:
            processes.append(_start_nginx(port, answer=FIXED))
        elif server is BEHIND_NGINX:
            behind = free_port()
            processes += [_start_nginx(port, answer=PROXY, upstream=behind), _start(SERVICE, behind, url)]
            _wait_until_open(behind, processes[-1])
        else:
            processes.append(_start(server, port, url))
        _wait_until_open(port, processes[0])
        on = Running(server, port, tuple(processes))
        on.wait_until_ready()
        yield on
    finally:
        for process in processes:
            end(process)


def _start(server: Server, port: int, url: str) -> subprocess.Popen[bytes]:
    python, here = sys.executable, f"127.0.0.1:{port}"
    gunicorn = [python, "-m", "gunicorn"]
    uvicorn = [python, "-m", "uvicorn", "--host=127.0.0.1", f"--port={port}", f"--workers={WORKERS}"]
    uvicorn += ["--no-access-log", "--log-level=warning", "--backlog=4096", "--timeout-keep-alive=30"]
    if server.logs:  # a build of the service, in the environment that its users have
        return launch(service_environment(url), port, FILES / f"{server.name}.log", server.folder)
    if server is PLAIN:
        command = [*gunicorn, f"--bind={here}", f"--workers={WORKERS}", "--worker-class=gthread", "--threads=16"]
        command += [
            "--keep-alive=30",
            "--log-level=warning",
            "--no-control-socket",
            "bench.peers.plain_django:application",
        ]
    elif server is FASTAPI_ORM:
        command = [*uvicorn, "bench.peers.fastapi_orm:app"]
    else:
        command = [*uvicorn, "bench.peers.fastapi_statement:app"]
    with (FILES / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _start_nginx(port: int, *, answer: str, upstream: int = 1) -> subprocess.Popen[bytes]:
    text = NGINX.format(workers=WORKERS, port=port, answer=answer, upstream=upstream)
    return Nginx(FILES / "nginx", text, port).process


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: is_open(port) or process.poll() is not None, 60)
    if not is_open(port):
        logs: list[Path] = sorted(FILES.glob("*.log"), key=lambda path: path.stat().st_mtime)
        sys.exit(f"A server does not start: {logs[-1].read_text()[-2000:]}")
