"""What `tools/faults` breaks: PostgreSQL with a replica, the service under a supervisor, nginx; and who asks them.

Everything runs on 127.0.0.1 in a folder of its own, and is stopped and removed at the end.
"""

import asyncio
import contextlib
import datetime
import functools
import http.client
import importlib.machinery
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PASSWORD = "correct horse 7 battery"  # noqa: S105 - of a service that lives for minutes
DEVICES = 20_000
LOCATIONS = 200
FIRST_MAC = 0x00908F000000
UNKNOWN_MAC = 0x00FFFF000000
BULK_MAC = 0x0A0000000000
BULK = 5_000

_loader = importlib.machinery.SourceFileLoader("with_postgres", str(ROOT / "tools" / "with_postgres"))
_spec = importlib.util.spec_from_loader("with_postgres", _loader)
assert _spec is not None
with_postgres = importlib.util.module_from_spec(_spec)
_loader.exec_module(with_postgres)


def mac(number: int) -> str:
    """A MAC as a phone asks for it."""
    return f"{number:012X}"


def children(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(stat.parent.name))
    return found


def send(signum: signal.Signals, *pids: int) -> None:
    """A signal to processes of ours that may be gone already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def wait_for(what: Callable[[], bool], seconds: float) -> float:
    """The seconds until it is so; raises TimeoutError if it takes longer than that."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(0.02)
    return time.monotonic() - began


# --- PostgreSQL -----------------------------------------------------------------------------------------------


class PostgreSQL:
    """A cluster that is as durable as a real one, and can be made to fail."""

    SETTINGS = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=120",
        "shared_buffers=256MB",
        "wal_keep_size=1GB",
    )

    def __init__(self, home: Path, name: str) -> None:
        self.programs: Path = with_postgres.server_programs()
        self.home, self.data = home, home / name
        self.port: int = with_postgres.free_port()
        self.password = ""
        self.server: subprocess.Popen[bytes] | None = None
        account = with_postgres.server_account()
        self._run: dict[str, Any] = {"cwd": home, "stdin": subprocess.DEVNULL, "start_new_session": True}
        if os.geteuid() == 0:
            self._run |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._account = account
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}

    @classmethod
    def new(cls, home: Path) -> "PostgreSQL":
        """Make a cluster and start it."""
        cluster = cls(home, "primary")
        cluster.password = secrets.token_hex(16)
        password = home / "password"
        password.write_text(cluster.password)
        if os.geteuid() == 0:
            for path in (home, password):
                os.chown(path, cluster._account.pw_uid, cluster._account.pw_gid)
        cluster._program(
            "initdb",
            f"--pgdata={cluster.data}",
            "--no-sync",
            "--encoding=UTF8",
            f"--locale={with_postgres.utf8_locale()}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
        )
        cluster.start()
        return cluster

    def replica(self) -> "PostgreSQL":
        """A streaming replica of this cluster, started."""
        copy = PostgreSQL(self.home, "replica")
        copy.password = self.password
        copy._environment["PGPASSWORD"] = self.password
        source = ["-h", HOST, "-p", str(self.port), "-U", "postgres", "-D", str(copy.data)]
        copy._program("pg_basebackup", *source, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
        copy.start()
        return copy

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgres://postgres:{self.password}@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        """Start it, again while the processes of the last one are not gone, and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for setting in self.SETTINGS:
            command += ["-c", setting]
        for _ in range(50):
            with open(self.home / f"{self.data.name}.log", "ab") as log:
                self.server = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, **self._run)
            if with_postgres.wait_until_ready(self.server, self.programs, self.port):
                return
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL does not start again")

    def kill(self) -> None:
        """kill -9, the postmaster and all its children."""
        pids = self._processes()
        send(signal.SIGKILL, *pids)
        assert self.server is not None
        self.server.wait()

    def stop(self) -> None:
        """The end of `pg_ctl stop -m fast`."""
        if self.server is not None:
            with_postgres.stop(self.server)

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
        """A connection of a test's own."""
        return psycopg.connect(self.url.replace("postgres://", "postgresql://"), connect_timeout=5)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a SELECT yields."""
        with self.connect() as connection:
            return connection.execute(statement, values).fetchall()

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


# --- The service ----------------------------------------------------------------------------------------------

SEED = """
from accounts.models import Group, User
from devices.models import Device
from locations.models import Location
reseller = Group.objects.create(name="Reseller", group_type="Reseller")
group = Group.objects.create(name="Provider", group_type="Provider", reseller=reseller)
user = User(login="admin", group=group, permission_level="Administrator", first_name="A", last_name="B")
user.set_password("{password}")
user.save()
places = Location.objects.bulk_create(
    Location(group=group, url=f"https://pbx{{n}}.example/{{{{MAC ADDRESS}}}}") for n in range({locations})
)
Device.objects.bulk_create(
    (Device(group=group, mac=f"{{{first} + n:012X}}", location=places[n % {locations}]) for n in range({devices})),
    batch_size=2000,
)
"""


class Service:
    """gunicorn as deploy/gunicorn.conf.py has it, and a supervisor that starts it again as systemd would.

    Like systemd it first ends what a dead master has left behind, politely and then firmly.
    """

    SECONDS_FOR_ORPHANS = 20

    def __init__(self, home: Path, database: PostgreSQL, environment: Mapping[str, str] | None = None) -> None:
        self.port: int = with_postgres.free_port()
        self.workers = 2
        self.log = home / "service.log"
        self.longest_orphan = 0.0
        self.restarts = 0
        self.environment = {
            **os.environ,
            "DATABASE_URL": database.url,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
            "HTTPS": "off",
            "HOST": HOST,
            "PORT": str(self.port),
            "WEB_WORKERS": str(self.workers),
            "TRUSTED_PROXIES": HOST,
            "REPLICA_URL": "",
            "LOG_LEVEL": "WARNING",
            **(environment or {}),
        }
        self.master: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def manage(self, *arguments: str) -> None:
        """manage.py, quietly."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Start it and wait until it answers with all its workers."""
        self._launch()
        self._supervisor.start()
        wait_for(lambda: self.is_up() and len(self.worker_pids()) == self.workers, 60)

    def is_up(self) -> bool:
        """Whether it answers at all."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
            connection.close()
            return status == 200
        return False

    def worker_pids(self) -> list[int]:
        """The workers that live."""
        return children(self.master.pid) if self.master is not None else []

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

    def _launch(self) -> None:
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

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
            self._launch()

    def _end_group(self, group: int) -> float:
        began = time.monotonic()
        for signum in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signum)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: not group_members(group), self.SECONDS_FOR_ORPHANS)
                break
        return time.monotonic() - began


def group_members(group: int) -> list[int]:
    """The processes of a group that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, member_of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


class Nginx:
    """deploy/nginx.conf on ports of its own, with a certificate of its own."""

    def __init__(self, home: Path, service: Service) -> None:
        self.port: int = with_postgres.free_port()  # plain HTTP: phones
        tls_port: int = with_postgres.free_port()
        self.home = home / "nginx"
        (self.home / "tls").mkdir(parents=True)
        for name in ("server", "device-ca"):
            self._certificate(name)
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        text = re.sub(r"\n *listen \[::\].*", "", text)
        text = re.sub(r"listen 443\b", f"listen {HOST}:{tls_port}", text)
        text = re.sub(r"listen 80\b", f"listen {HOST}:{self.port}", text)
        text = text.replace("127.0.0.1:8000", f"{HOST}:{service.port}")
        paths = "".join(
            f"{kind}_temp_path {self.home}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = text.replace("http {", f"http {{ access_log off; {paths}", 1)
        # It is started by root or by nobody in particular: the workers are whoever may read this folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (self.home / "nginx.conf").write_text(f"{user} pid {self.home}/pid; daemon off;\n{text}")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "-p", str(self.home), "-c", "nginx.conf", "-e", "stderr"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, 10)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx: {(self.home / 'log').read_text()[-500:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
            connection.request("GET", "/")
            return connection.getresponse().status == 301
        return False

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)

    def _certificate(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, SHA256())
        )
        folder = self.home / "tls"
        (folder / f"{name}.crt").write_bytes(made.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


# --- Who asks -------------------------------------------------------------------------------------------------

NO_ANSWER = 0  # reset, refused or cut off: whether it was counted is anybody's guess
TOO_LATE = -1  # not answered within the client's patience


@dataclass(slots=True)
class Asked:
    """One request and how it ended."""

    tag: str
    mac: str
    began: float
    took: float
    status: int


@dataclass
class Load:
    """Clients that ask for phones, and remember every answer. Each request is told by its User-Agent."""

    port: int
    macs: Sequence[str]
    clients: int = 16
    rate: float = 300.0  # requests a second, of all clients
    keep_alive: bool = True
    patience: float = 10.0
    headers: str = ""
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    asked: list[Asked] = field(default_factory=list)
    lag: float = 0.0  # how late this process itself was at worst: no fault of the service's

    def __post_init__(self) -> None:
        self._stop = asyncio.Event()
        self._numbers = iter(range(10**9))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> "Load":
        """Begin asking."""
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        self._tasks.append(asyncio.create_task(self._watch_itself()))
        return self

    async def stop(self) -> None:
        """Let every request come to its end."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _watch_itself(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            due = loop.time() + 0.02
            await asyncio.sleep(0.02)
            self.lag = max(self.lag, loop.time() - due)

    async def one(self, which: str, connection: "Connection") -> Asked:
        """Ask for one phone."""
        number = next(self._numbers)
        tag = f"{self.tag}-{number}"
        request = f"GET /{which} HTTP/1.1\r\nHost: x\r\nUser-Agent: {tag}\r\n{self.headers}\r\n"
        loop = asyncio.get_running_loop()
        entry = Asked(tag, which, loop.time(), 0.0, NO_ANSWER)
        try:
            async with asyncio.timeout(self.patience):
                entry.status, _, _ = await connection.exchange(request.encode())
        except TimeoutError:
            entry.status = TOO_LATE
            connection.close()
        except (OSError, EOFError, ValueError):
            connection.close()
        entry.took = loop.time() - entry.began
        self.asked.append(entry)
        return entry

    async def _client(self, number: int) -> None:
        connection = Connection(self.port)
        pause = self.clients / self.rate
        await asyncio.sleep(pause * number / self.clients)
        due = asyncio.get_running_loop().time()
        index = number * 7919
        while not self._stop.is_set():
            entry = await self.one(self.macs[index % len(self.macs)], connection)
            index += self.clients
            if not self.keep_alive:
                connection.close()
            due = max(due + pause, entry.began)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due if entry.status > 0 else due + 0.05):
                    await self._stop.wait()
        connection.close()

    def between(self, begin: float, end: float) -> list[Asked]:
        """The requests that began in this time."""
        return [entry for entry in self.asked if begin <= entry.began < end]

    def statuses(self) -> Counter[int]:
        """How many ended how."""
        return Counter(entry.status for entry in self.asked)

    def slowest(self, share: float = 1.0) -> float:
        """The time within which this share of all requests was answered, in seconds."""
        times = sorted(entry.took for entry in self.asked)
        return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0


class Connection:
    """As much HTTP/1.1 as is needed to ask a server that is being killed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; raises OSError or EOFError if there is no whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self.port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), headers, body

    def close(self) -> None:
        """Hang up; the next request makes a new connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Api:
    """The documented API, one call after another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.token = ""
        status, answer = self.call("POST", "/login", {"userName": "admin", "password": PASSWORD})
        if status != 200:
            raise RuntimeError(f"no login: {status} {answer}")
        self.token = answer["access_token"]

    def call(self, method: str, path: str, body: Any = None, patience: float = 30) -> tuple[int, Any]:
        """Status and JSON; status 0 if there was no answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=patience)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return NO_ANSWER, None
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None


class BulkCalls(threading.Thread):
    """Creates, associates and removes 5,000 devices at a time, without a pause; each batch is told by its MACs
    and by its description.
    """

    def __init__(self, port: int, group: int, location: int, first: int) -> None:
        super().__init__(daemon=True)
        self.api = Api(port)
        self.group, self.location, self.next = group, location, first
        self.stopping = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.longest = 0.0
        # What each batch may hold: (rows, description) by its number; more than one where an answer is missing.
        self.allowed: dict[int, set[tuple[int, str | None]]] = {}

    def run(self) -> None:
        while not self.stopping.is_set():
            number = self.next
            self.next += 1
            macs = [mac(BULK_MAC + number * BULK + n) for n in range(BULK)]
            made, moved, gone = (BULK, f"made-{number}"), (BULK, f"moved-{number}"), (0, None)
            body: dict[str, Any] = {"macList": macs, "overrideCurrentAssociation": True}
            self.allowed[number] = {gone}
            self._step(number, made, "/devices", {**body, "group": self.group, "description": made[1]})
            associate = f"/locations/{self.location}/devices/associate"
            self._step(number, moved, associate, {**body, "description": moved[1]})
            if number % 2:
                self._step(number, gone, "/devices/remove", {"macList": macs})

    def _step(self, number: int, result: tuple[int, str | None], path: str, body: dict[str, Any]) -> None:
        began = time.monotonic()
        status, _ = self.api.call("POST", path, body)
        self.longest = max(self.longest, time.monotonic() - began)
        self.statuses[status] += 1
        if status in (200, 201):
            self.allowed[number] = {result}
        elif status != 400:  # it may have been committed all the same
            self.allowed[number] |= {result}
            time.sleep(0.1)

    def stop(self) -> None:
        """Finish the call that is under way."""
        self.stopping.set()
        self.join()

    def partial(self, database: PostgreSQL) -> list[str]:
        """What is neither whole nor absent, or not as it was answered."""
        rows = database.rows(
            "SELECT (('x' || mac)::bit(48)::bigint - %s) / %s, count(*), min(description), max(description)"
            " FROM devices_device WHERE mac >= %s GROUP BY 1",
            BULK_MAC,
            BULK,
            mac(BULK_MAC),
        )
        held = {number: (count, low, high) for number, count, low, high in rows}
        wrong = []
        for number, allowed in self.allowed.items():
            count, low, high = held.get(number, (0, None, None))
            if low != high or (count, low) not in allowed:
                wrong.append(f"batch {number}: {count} rows, {low} to {high}; may be {sorted(map(str, allowed))}")
        return wrong


# --- All of it ------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """What a test has to work with."""

    home: Path
    database: PostgreSQL
    seeded: Service
    quick: bool
    broken: list[str] = field(default_factory=list)
    group: int = 0
    location: int = 0
    bulk_numbers: int = 0
    _replica: PostgreSQL | None = None

    @functools.cached_property
    def macs(self) -> list[str]:
        """All phones that are known and redirected."""
        return [mac(FIRST_MAC + number) for number in range(DEVICES)]

    def say(self, text: str) -> None:
        """A figure."""
        print(f"    {text}", flush=True)

    def check(self, holds: bool, promise: str) -> None:
        """Whether a promise is kept."""
        print(f"    {'kept  ' if holds else 'BROKEN'} {promise}", flush=True)
        if not holds:
            self.broken.append(promise)

    def log_tail(self) -> str:
        """The last words of the service."""
        lines = self.seeded.log.read_text(errors="replace").splitlines() if self.seeded.log.exists() else []
        return "\n".join(line[:300] for line in lines[-20:])

    def replica(self) -> PostgreSQL:
        """The replica, made when it is first asked for."""
        if self._replica is None:
            self._replica = self.database.replica()
        return self._replica

    @contextlib.contextmanager
    def service(self, **environment: str) -> Iterator[Service]:
        """The service while the block runs."""
        running = Service(self.home, self.database, environment)
        running.environment |= {name: self.seeded.environment[name] for name in ("SECRET_KEY", "JWT_SIGNING_KEY")}
        try:
            running.start()
            yield running
        finally:
            running.stop()

    @contextlib.contextmanager
    def bulk_calls(self, service: Service) -> Iterator[BulkCalls]:
        """Bulk calls without a pause while the block runs."""
        calls = BulkCalls(service.port, self.group, self.location, self.bulk_numbers)
        calls.start()
        try:
            yield calls
        finally:
            calls.stop()
            self.bulk_numbers = calls.next

    def check_counts(self, *loads: Load) -> None:
        """Every phone that was answered is in the log, once, and the counters tell the same as the log."""
        answered = {entry.tag for load in loads for entry in load.asked if entry.status == 302}
        logged: Counter[str] = Counter()

        def all_there() -> bool:
            logged.clear()
            for load in loads:
                by_tag = "SELECT user_agent, count(*) FROM devices_access WHERE user_agent LIKE %s GROUP BY 1"
                logged.update(dict(self.database.rows(by_tag, f"{load.tag}-%")))
            late = self.database.rows("SELECT 1 FROM devices_access WHERE NOT counted LIMIT 1")
            return not late and answered <= logged.keys()

        # What a replica answered, or somebody held, is brought up a moment later.
        with contextlib.suppress(TimeoutError):
            waited = wait_for(all_there, 30)
            if waited > 0.5:
                self.say(f"all counts are there {waited:.1f} s after the last answer")
        missing = answered - logged.keys()
        twice = [tag for tag, count in logged.items() if count > 1]
        sums = "SELECT (SELECT sum(num_requests) FROM devices_device),"
        sums += " (SELECT count(*) FROM devices_access WHERE device_id IS NOT NULL),"
        sums += " (SELECT count(*) FROM devices_access WHERE NOT counted)"
        ((counters, rows_in_log, uncounted),) = self.database.rows(sums)
        asked = sum(len(load.asked) for load in loads)
        self.say(f"{asked} asked, {len(answered)} redirected, {len(logged)} of them and others logged")
        self.check(not missing, f"every answered phone is counted ({len(missing)} are not)")
        self.check(not twice, f"none is counted twice ({len(twice)} are)")
        agree = f"counters ({counters}) and access log ({rows_in_log}, {uncounted} not counted yet) agree"
        self.check(counters == rows_in_log, agree)


@contextlib.contextmanager
def rig(*, quick: bool) -> Iterator[Rig]:
    """A cluster with tables, a tenant and its phones."""
    home = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
    home.chmod(0o755)
    database: PostgreSQL | None = None
    made: Rig | None = None
    try:
        database = PostgreSQL.new(home)
        service = Service(home, database)
        service.manage("migrate", "--verbosity", "0")
        values = {"password": PASSWORD, "locations": LOCATIONS, "first": FIRST_MAC, "devices": DEVICES}
        service.manage("shell", "--verbosity", "0", "-c", SEED.format(**values))
        with database.connect() as connection:
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")
        made = Rig(home, database, service, quick)
        ((made.group,),) = database.rows("SELECT id FROM accounts_group WHERE name = 'Provider'")
        ((made.location,),) = database.rows("SELECT min(id) FROM locations_location")
        yield made
    finally:
        # Nothing may keep the clean-up from its end, not even a second Ctrl-C.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        for cluster in (made._replica if made is not None else None, database):
            if cluster is not None:
                cluster.stop()
        shutil.rmtree(home, ignore_errors=True)
