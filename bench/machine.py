"""What machine this is, and what its processes use, from /proc."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def memory_mib() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def processor() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def system() -> str:
    """The operating system and its kernel."""
    name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{name}, Linux {platform.release()}"


def version(*command: str) -> str:
    """The version number that a program tells of itself."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    found = re.search(r"\d+\.\d+[\w.+-]*", told.stdout + told.stderr)
    return found[0] if found else "unknown"


def packages(*names: str) -> dict[str, str]:
    """The versions of these Python packages."""
    return {name: metadata.version(name) for name in names}


def parents() -> dict[int, int]:
    """Every process and its parent."""
    found = {}
    for path in PROC.glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields:
            found[int(path.name)] = int(fields[1])
    return found


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found, left = [], [root]
    while left:
        process = left.pop()
        found.append(process)
        left += children.get(process, [])
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


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none for a process that has ended."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
