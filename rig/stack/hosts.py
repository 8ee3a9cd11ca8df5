"""A host of the stack: a network namespace with an address, a folder and programs, and what can happen to it."""

import contextlib
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from rig.processes import PROC, end, send

SWITCH = "10.0.0.1"  # where clients are
# What a host sees at the same place as all others: its own folder, and the sockets of PostgreSQL.
AT_HOME = 'mount --bind "$1" "$2" && mount --bind "$1/run" /run/postgresql && shift 2 && exec "$@"'
SECONDS_TO_RESTART = 1  # as RestartSec of the units in deploy/systemd
SECONDS_TO_STOP = 30


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command printed; raises RuntimeError with its last words if it fails."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def make_switch() -> None:
    """Make the network that hosts are plugged into. For a process in namespaces of its own."""
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for path in ("/run/postgresql", "/run/netns"):
        Path(path).mkdir()
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "switch", "type", "bridge")
    run("ip", "addr", "add", f"{SWITCH}/24", "dev", "switch")
    run("ip", "link", "set", "switch", "up")


class Host:
    """A host that is plugged in; its folder is `folder` for us, and `home` for its own programs."""

    def __init__(self, name: str, address: str, home: Path) -> None:
        self.name, self.address = name, address
        self.home = home
        self.folder = home.parent / name
        self.programs: dict[str, Program] = {}
        for path in (self.folder, home, self.folder / "run", self.folder / "log"):
            path.mkdir(exist_ok=True)
        (self.folder / "run").chmod(0o1777)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", "switch", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")

    def write(self, path: str, text: str | bytes, account: str = "root", mode: int = 0o644) -> None:
        """Write a file of the host, `path` as its programs would have it on a machine of their own."""
        file = self.folder / path.lstrip("/")
        self.make_folder(str(file.parent.relative_to(self.folder)), account)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
        os.chown(file, *_ids(account))

    def make_folder(self, path: str, account: str = "root") -> None:
        """Make a folder of the host, and those above it."""
        missing = []
        folder = self.folder / path.lstrip("/")
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir()
            os.chown(folder, *_ids(account))

    def command(self, *command: str, account: str = "root") -> list[str]:
        """A command as it is run on the host."""
        uid, gid = _ids(account)
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if account != "root" else []
        at_home = ["sh", "-c", AT_HOME, "sh", str(self.folder), str(self.home)]
        return ["ip", "netns", "exec", self.name, *at_home, *drop, *command]

    def run(self, *command: str, account: str = "root", environment: Mapping[str, str] | None = None) -> str:
        """What a command on the host printed; raises RuntimeError if it fails."""
        return run(*self.command(*command, account=account), environment=environment)

    def start(
        self, name: str, *command: str, account: str = "root", environment: Mapping[str, str] | None = None
    ) -> "Program":
        """Start a program, which is started again if it ends by itself."""
        program = Program(self, name, self.command(*command, account=account), dict(environment or {}))
        self.programs[name] = program
        program.start()
        return program

    def pids(self) -> list[int]:
        """The processes of the host."""
        own = os.stat(f"/run/netns/{self.name}").st_ino
        found = []
        for path in PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.stat(path / "ns/net").st_ino == own:
                    found.append(int(path.name))
        return found

    def unplug(self) -> None:
        """Take the host off the network."""
        run("ip", "link", "set", f"to-{self.name}", "down")

    def plug(self) -> None:
        """Undo `unplug`."""
        run("ip", "link", "set", f"to-{self.name}", "up")

    def freeze(self) -> None:
        """SIGSTOP to all processes of the host, those too that are made meanwhile."""
        seen: set[int] = set()
        while late := set(self.pids()) - seen:
            send(signal.SIGSTOP, *late)
            seen |= late

    def thaw(self) -> None:
        """Undo `freeze`."""
        send(signal.SIGCONT, *self.pids())

    def drop(self, *rules: str) -> None:
        """Drop what the host sends and any of these rules of iptables names."""
        for rule in rules:
            self._iptables("-A", "OUTPUT", *rule.split(), "-j", "DROP")

    def let_pass(self) -> None:
        """Undo `drop`."""
        self._iptables("-F", "OUTPUT")

    def _iptables(self, *arguments: str) -> None:
        run("ip", "netns", "exec", self.name, "iptables", "-w", *arguments)


class Program:
    """A program of a host, which is started again when it ends, as systemd does."""

    def __init__(self, host: Host, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.log = host.folder / "log" / f"{name}.log"
        self._command, self._environment = command, environment
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it, the first time or after `stop`."""
        self._stopping.clear()
        self._launch()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """SIGTERM; return when it has ended."""
        self._stopping.set()
        end(self.process, patience=SECONDS_TO_STOP)
        if self._thread is not None:
            self._thread.join()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env={**os.environ, "LC_ALL": "C.UTF-8", **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _supervise(self) -> None:
        while True:
            self.process.wait()
            if self._stopping.wait(SECONDS_TO_RESTART):
                return
            self._launch()


def _ids(account: str) -> tuple[int, int]:
    entry = pwd.getpwnam(account)
    return entry.pw_uid, entry.pw_gid
