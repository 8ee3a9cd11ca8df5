"""The service as deploy/gunicorn.conf.py starts it, or as `make run` does in a newcomer's copy."""

import contextlib
import http.client
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig import HOST, ROOT
from rig.processes import children, end, free_port, group_members, send, wait_for

WORKERS = 2
NOT_COPIED = shutil.ignore_patterns(".*", "var", "__pycache__")


def environment(database_url: str, **more: str) -> dict[str, str]:
    """What the service is started with, as in production; the secrets are new at each call."""
    return {
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "HTTPS": "off",
        "HOST": HOST,
        "WEB_WORKERS": str(WORKERS),
        "TRUSTED_PROXIES": HOST,
        "REPLICA_URL": "",
        "LOG_LEVEL": "WARNING",
        **more,
    }


def python_of(folder: Path) -> str:
    """The interpreter of a checkout's own environment, or ours where it has none."""
    own = folder / ".venv/bin/python"
    return str(own) if own.exists() else sys.executable


def manage(variables: Mapping[str, str], *arguments: str, folder: Path = ROOT) -> str:
    """What a command of manage.py printed; raises RuntimeError with its last words if it fails."""
    done = subprocess.run(
        [python_of(folder), "manage.py", *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def launch(variables: Mapping[str, str], port: int, log: Path, folder: Path = ROOT) -> "subprocess.Popen[bytes]":
    """Start the gunicorn of a checkout on the port, in a session of its own."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [python_of(folder), "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
            cwd=folder,
            env={**os.environ, **variables, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@contextlib.contextmanager
def jobs(
    variables: Mapping[str, str], log: Path, folder: Path = ROOT, within: Sequence[str] = ()
) -> "Iterator[subprocess.Popen[bytes]]":
    """`manage.py run_jobs` at work while the block runs; `within` a unit (rig/units.py)."""
    with log.open("ab") as output:
        worker = subprocess.Popen(
            [*within, python_of(folder), "manage.py", "run_jobs"],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield worker
    finally:
        end(worker)


def answers(port: int, path: str = "/healthz") -> bool:
    """Whether a GET of the path is answered by 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Service:
    """The service and a supervisor that starts it again as systemd would.

    Like systemd it first ends what a dead master has left behind, politely and then firmly.
    """

    SECONDS_FOR_ORPHANS = 20

    def __init__(self, variables: Mapping[str, str], log: Path) -> None:
        self.variables = variables
        self.port = free_port()
        self.workers = int(variables["WEB_WORKERS"])
        self.log = log
        self.longest_orphan = 0.0
        self.restarts = 0
        self.master: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def start(self) -> None:
        """Start it and wait until it answers with all its workers; raises TimeoutError with its last words."""
        self.master = launch(self.variables, self.port, self.log)
        self._supervisor.start()
        try:
            wait_for(lambda: answers(self.port) and len(self.worker_pids()) == self.workers, 240)
        except TimeoutError:
            raise TimeoutError(f"The service does not start:\n{self.log_tail()}") from None

    def worker_pids(self) -> list[int]:
        """The workers that live."""
        return children(self.master.pid) if self.master is not None else []

    def log_tail(self) -> str:
        """The last words of the service."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(line[:300] for line in lines[-20:])

    def stop(self) -> None:
        """End it for good."""
        self._stopping.set()
        if self.master is not None:
            send(signal.SIGTERM, self.master.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.master.wait(25)
            self._end_group(self.master.pid)
            self.master.wait()
        if self._supervisor.ident is not None:
            self._supervisor.join(30)

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            master = self.master
            assert master is not None
            try:
                master.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            if self._stopping.is_set():
                return
            self.longest_orphan = max(self.longest_orphan, self._end_group(master.pid))
            time.sleep(0.1)  # systemd's RestartSec
            self.restarts += 1
            self.master = launch(self.variables, self.port, self.log)

    def _end_group(self, group: int) -> float:
        began = time.monotonic()
        for signum in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signum)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not group_members(group), self.SECONDS_FOR_ORPHANS)
                break
        return time.monotonic() - began


@dataclass(frozen=True)
class Copy:
    """A copy of the project that `tools/run` serves with its demo data, as a newcomer meets it."""

    folder: Path
    port: int
    output: Path
    variables: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"http://{HOST}:{self.port}"

    @property
    def password(self) -> str:
        """The password of all demo users."""
        logins = (self.folder / "var" / "demo-logins.txt").read_text()
        found = re.search(r"^Password of all demo users: (\S+)$", logins, re.MULTILINE)
        assert found, logins
        return found[1]

    def manage(self, *arguments: str, **more: str) -> str:
        """What a command of its manage.py printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.folder,
            env={**self.variables, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@contextlib.contextmanager
def newcomers_copy(folder: Path, **more: str) -> Iterator[Copy]:
    """A copy of the project below `folder`, served while the block runs, with nothing but `more` set."""
    copy, output, port = folder / "copy", folder / "output", free_port()
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables = kept | more
    with output.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "tools/run"],
            cwd=copy,
            env={**variables, "PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: answers(port, "/readyz") or server.poll() is not None, 300)
        if not answers(port, "/readyz"):
            raise RuntimeError(f"The service did not start:\n{output.read_text()}")
        yield Copy(copy, port, output, variables)
    finally:
        end(server, first=signal.SIGINT)
