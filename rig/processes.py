"""Processes of this machine, from /proc: who descends from whom, what they use; signals, ports, waiting."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import HOST

PROC = Path("/proc")
FIRST_PORT = 10_000
_given: set[int] = set()
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of 127.0.0.1 on which no process listens, and a new one at each call.

    Below those that the kernel gives to outgoing connections, one of which could take it before the caller does.
    """
    room = int((PROC / "sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - FIRST_PORT
    for _ in range(1_000):
        # 0, where the kernel has them all: it chooses.
        wanted = FIRST_PORT + secrets.randbelow(room) if room > 0 else 0
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, wanted))
            port = int(probe.getsockname()[1])
            if port not in _given:
                _given.add(port)
                return port
    raise RuntimeError("No free port was found.")


def wait_for(what: Callable[[], bool], seconds: float) -> float:
    """The seconds until it is so; raises TimeoutError if it takes longer than that."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(0.02)
    return time.monotonic() - began


def is_open(port: int) -> bool:
    """Whether a process accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def send(signum: signal.Signals, *pids: int) -> None:
    """A signal to processes that may have ended already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def end(process: subprocess.Popen[Any], *, first: signal.Signals = signal.SIGTERM, patience: float = 25) -> None:
    """End a process of ours: by this signal, after `patience` seconds by SIGKILL."""
    for signum, seconds in ((first, patience), (signal.SIGKILL, 5.0)):
        if process.poll() is None:
            process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


def parents() -> dict[int, int]:
    """Every process that lives, and its parent."""
    return {pid: int(fields[1]) for pid, fields in _processes()}


def children(parent: int) -> list[int]:
    """The processes that this one has started and that live."""
    return [pid for pid, fields in _processes() if int(fields[1]) == parent]


def group_members(group: int) -> list[int]:
    """The processes of a group that live."""
    return [pid for pid, fields in _processes() if int(fields[2]) == group]


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    by_parent: dict[int, list[int]] = {}
    for child, parent in parents().items():
        by_parent.setdefault(parent, []).append(child)
    found, left = [], [root]
    while left:
        process = left.pop()
        found.append(process)
        left += by_parent.get(process, [])
    return found


def processor_seconds(root: int) -> float:
    """Processor time used by a process, its descendants, and those that it has outlived."""
    ticks = 0
    for process in tree(root):
        fields = _stat(process)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
            if process == root:
                ticks += int(fields[13]) + int(fields[14])
    return ticks / TICKS_A_SECOND


def memory_of(process: int) -> float:
    """Its proportional share of memory (PSS), in MiB."""
    rollup = (PROC / str(process) / "smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


@dataclass(frozen=True)
class Busy:
    """How long all processors were busy up to a moment, stolen time included."""

    at: float
    seconds: float

    @classmethod
    def now(cls) -> "Busy":
        """Up to this moment."""
        fields = [int(text) for text in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, in_kernel, _idle, _waiting, irq, softirq, steal = fields
        ticks = user + nice + in_kernel + irq + softirq + steal
        return cls(time.monotonic(), ticks / TICKS_A_SECOND)


def _processes() -> Iterator[tuple[int, list[str]]]:
    for path in PROC.glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields and fields[0] != "Z":
            yield int(path.name), fields


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none for a process that has ended."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
