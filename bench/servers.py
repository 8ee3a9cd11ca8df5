"""The servers that are measured. Each runs only while it is; the database runs all the time."""

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import machine
from data import ROOT

WORKERS = 2
FILES = ROOT / "var/bench"

NGINX = """
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {files}/nginx.pid;
error_log {files}/nginx.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {files}/nginx-body;
    proxy_temp_path {files}/nginx-proxy;
    fastcgi_temp_path {files}/nginx-fastcgi;
    uwsgi_temp_path {files}/nginx-uwsgi;
    scgi_temp_path {files}/nginx-scgi;
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
    """One of the servers: `drain` seconds are enough for it to answer all that was asked."""

    name: str
    title: str
    drain: float
    counts: bool = True
    logs: bool = False


SERVICE = Server("service", "this service", drain=2, logs=True)
PLAIN = Server("plain", "plain Django view (ORM, gthread)", drain=8)
NGINX_FIXED = Server("nginx", "nginx, a fixed 302", drain=1, counts=False)
FASTAPI_ORM = Server("fastapi_orm", "FastAPI + SQLAlchemy ORM", drain=8)
FASTAPI_STATEMENT = Server("fastapi_statement", "FastAPI + one statement on asyncpg", drain=3)
ALL = (SERVICE, PLAIN, FASTAPI_ORM, FASTAPI_STATEMENT, NGINX_FIXED)
BEHIND_NGINX = Server("behind_nginx", "this service behind nginx", drain=2, logs=True)


def service_environment(url: str) -> dict[str, str]:
    """What the service is started with, as in production; the secrets live as long as this run."""
    return {
        "DATABASE_URL": url,
        "SECRET_KEY": _SECRETS[0],
        "JWT_SIGNING_KEY": _SECRETS[1],
        "HTTPS": "off",
        "WEB_WORKERS": str(WORKERS),
        "TRUSTED_PROXIES": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
    }


_SECRETS = (secrets.token_urlsafe(48), secrets.token_urlsafe(48))


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    port: int
    processes: tuple[subprocess.Popen[bytes], ...]

    def processor_seconds(self) -> float:
        """Processor time used so far."""
        return sum(machine.processor_seconds(process.pid) for process in self.processes)

    def wait_until_ready(self) -> None:
        """Until it answers, and no worker is still busy with its start."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/000000000000")
        connection.getresponse().read()
        connection.close()
        deadline, last = time.monotonic() + 60, -1.0
        while time.monotonic() < deadline and (now := self.processor_seconds()) > last + 0.02:
            last = now
            time.sleep(1)

    def memory_of_workers(self) -> list[float]:
        """The memory of each worker of the last process that was started, in MiB."""
        own = self.processes[-1].pid
        parents = machine.parents()
        return [machine.memory_of(process) for process in parents if parents[process] == own]


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
            _stop(process)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(server: Server, port: int, url: str) -> subprocess.Popen[bytes]:
    python, here = sys.executable, f"127.0.0.1:{port}"
    gunicorn = [python, "-m", "gunicorn"]
    uvicorn = [python, "-m", "uvicorn", "--host=127.0.0.1", f"--port={port}", f"--workers={WORKERS}"]
    uvicorn += ["--no-access-log", "--log-level=warning", "--backlog=4096", "--timeout-keep-alive=30"]
    environment = {"DATABASE_URL": url}
    if server is SERVICE:
        command = [*gunicorn, "-c", "deploy/gunicorn.conf.py"]
        environment = {**service_environment(url), "PORT": str(port)}
    elif server is PLAIN:
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
        return subprocess.Popen(  # noqa: S603 - our own commands
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _start_nginx(port: int, *, answer: str, upstream: int = 1) -> subprocess.Popen[bytes]:
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert program
    path = FILES / "nginx.conf"
    path.write_text(NGINX.format(workers=WORKERS, files=FILES, port=port, answer=answer, upstream=upstream))
    with (FILES / "nginx.log").open("ab") as log:
        command = [program, "-p", str(FILES), "-c", str(path), "-e", str(FILES / "nginx.log")]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    logs: list[Path] = sorted(FILES.glob("*.log"), key=lambda path: path.stat().st_mtime)
    sys.exit(f"A server does not start: {logs[-1].read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signum, patience in ((signal.SIGTERM, 25), (signal.SIGKILL, 5)):
        if process.poll() is None:
            process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
