"""A PostgreSQL cluster of our own: made from the server programs that this machine has, broken, removed."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from rig import HOST
from rig.processes import children, free_port, send

# What a server of which nothing need survive may leave out.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
MISSING = (
    "No PostgreSQL server programs (initdb, postgres) were found. Install them (Debian and Ubuntu: "
    "apt-get install postgresql), or name a server: TEST_DATABASE_URL=postgres://user:password@host:5432/name"
)


class Cluster:
    """A server with its data below `home`, as durable as a real one unless its settings say otherwise."""

    def __init__(self, home: Path, name: str = "primary", settings: Sequence[str] = ()) -> None:
        self.programs = server_programs()
        self.home, self.data = home, home / name
        self.settings = settings
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.server: subprocess.Popen[bytes] | None = None
        self._account = server_account()
        # Its own session: Ctrl-C is for the command; the server ends after it.
        self._run: dict[str, Any] = {"cwd": home, "stdin": subprocess.DEVNULL, "start_new_session": True}
        if os.geteuid() == 0:
            self._run |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        self._frozen: list[int] = []

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgres://postgres:{self.password}@{HOST}:{self.port}/postgres"

    def create(self) -> "Cluster":
        """Make its data and start it."""
        password = self.home / "password"
        password.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.home, password):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        initdb = [f"--pgdata={self.data}", "--no-sync", "--encoding=UTF8", f"--locale={utf8_locale()}"]
        self._program("initdb", *initdb, "--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256")
        self.start()
        return self

    def replica(self) -> "Cluster":
        """A streaming replica of this cluster, started."""
        copy = Cluster(self.home, "replica", self.settings)
        copy.password = self.password
        copy._environment["PGPASSWORD"] = self.password
        source = ["-h", HOST, "-p", str(self.port), "-U", "postgres", "-D", str(copy.data)]
        copy._program("pg_basebackup", *source, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
        copy.start()
        return copy

    def start(self) -> None:
        """Start it, again while the processes of the last one are not gone, and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for setting in (f"listen_addresses={HOST}", "unix_socket_directories=", *self.settings):
            command += ["-c", setting]
        log_path = self.home / f"{self.data.name}.log"
        for _ in range(50):
            with open(log_path, "ab") as log:
                self.server = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, **self._run)
            if self._answers():
                return
            self.stop()
            time.sleep(0.1)
        raise TimeoutError(f"The PostgreSQL server does not start: {log_path.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """kill -9, the postmaster and all its children."""
        send(signal.SIGKILL, *self._processes())
        assert self.server is not None
        self.server.wait()

    def stop(self) -> None:
        """The end of `pg_ctl stop -m fast`, then of `-m immediate`, then kill -9."""
        for signum, patience in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self.server is not None and self.server.poll() is None:
                self.server.send_signal(signum)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.server.wait(patience)

    def freeze(self) -> None:
        """SIGSTOP: the postmaster first, so that it makes no more children."""
        self._frozen = self._processes()
        send(signal.SIGSTOP, *self._frozen)
        assert self.server is not None
        late = set(children(self.server.pid)) - set(self._frozen)
        send(signal.SIGSTOP, *late)
        self._frozen += late

    def thaw(self) -> None:
        """SIGCONT, to all that was stopped."""
        send(signal.SIGCONT, *self._frozen)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the caller's own."""
        return psycopg.connect(self.url, connect_timeout=5)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a SELECT yields."""
        with self.connect() as connection:
            return connection.execute(statement, values).fetchall()

    def _answers(self) -> bool:
        """Whether the server answers, before it ends or two minutes are over."""
        assert self.server is not None
        deadline = time.monotonic() + 120
        asking = [str(self.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        while self.server.poll() is None and time.monotonic() < deadline:
            if subprocess.run(asking, check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def _processes(self) -> list[int]:
        assert self.server is not None
        return [self.server.pid, *children(self.server.pid)]

    def _program(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / name), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            **self._run,
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def temporary_cluster(settings: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster while the block runs, however that ends."""
    # A folder of the system's, not of TMPDIR: the server's account must be able to enter it.
    home = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
    cluster = Cluster(home, settings=settings)
    try:
        yield cluster.create()
    finally:
        with signals_ignored():
            cluster.stop()
            shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """Nothing may keep a clean-up from its end, not even a second Ctrl-C.

    As before behind it: a process that is started inherits what is ignored, and could not be told to stop.
    """
    before = {
        signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def settings_in(file: Path) -> dict[str, str]:
    """What a file in the form of postgresql.conf says, by name."""
    found = re.findall(r"^(\w+) *= *'?([^'#\n]+?)'? *(?:#.*)?$", file.read_text(), re.MULTILINE)
    return dict(found)


def has_programs() -> bool:
    """Whether this machine has PostgreSQL's server programs."""
    with contextlib.suppress(SystemExit, RuntimeError, OSError):
        return bool(server_programs())
    return False


def server_programs() -> Path:
    """The folder of the newest server programs."""
    folders = sorted(
        [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")],
        key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0),
        reverse=True,
    )
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(asked.stdout.strip()))
    if initdb := shutil.which("initdb"):
        folders.append(Path(initdb).resolve().parent)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    sys.exit(MISSING)


def server_account() -> pwd.struct_passwd:
    """Whom the server runs as: the caller, but PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    sys.exit("PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as.")


def utf8_locale() -> str:
    """A locale that knows letters beyond ASCII, since searches ignore their case."""
    if locale := shutil.which("locale"):
        known = subprocess.run([locale, "-a"], capture_output=True, text=True, check=False).stdout.split()
        for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8"):
            if name in known:
                return name
    return "C.UTF-8"
