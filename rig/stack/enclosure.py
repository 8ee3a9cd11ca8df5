"""The namespaces in which the stack lives, and the folder that it leaves: both end with this process."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rig import ROOT
from rig.processes import send
from rig.stack.needs import PATH

# On a disk also where /tmp is in memory.
PARENT = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the name
PREFIX = "phone-redirect-stack-"
LOCK = "lock"

# If this process is killed, so is `unshare`, so is the first process of the namespaces, and so are all others.
ENTER = (
    "setpriv",
    "--pdeathsig=KILL",
    "sh",
    "-c",
    'STACK_PID=$$ exec unshare "$@"',  # nsenter's way in
    "sh",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    # The first process: a shell, which takes leave of the children of others.
    "sh",
    "-c",
    '"$@"; exit $?',
    "sh",
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_enclosed(module: str, *arguments: str) -> int:
    """Run a module of Python in new namespaces, its folder as the first argument; return its exit code.

    A signal that asks this process to end is handed on; the folder is removed at the end.
    """
    remove_leftovers(PARENT)
    with folder(PARENT) as home:
        command = [*ENTER, sys.executable, "-m", module, str(home), *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PATH": PATH}, start_new_session=True)

        def hand_on(signum: int, frame: object) -> None:
            # To the whole session; the shell and `unshare` do not heed it, the hosts' programs have their own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

        before = {signum: signal.signal(signum, hand_on) for signum in SIGNALS}
        try:
            return process.wait()
        finally:
            send(signal.SIGKILL, process.pid)
            process.wait()
            for signum, handler in before.items():
                signal.signal(signum, handler)


@contextlib.contextmanager
def folder(parent: Path) -> Iterator[Path]:
    """A new folder, locked while the block runs, which any account may enter; it is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        home.chmod(0o755)
        with open(home / LOCK, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def remove_leftovers(parent: Path) -> list[Path]:
    """Remove the folders of processes that were killed, and return them."""
    removed = []
    for home in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), open(home / LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)
            removed.append(home)
    return removed
