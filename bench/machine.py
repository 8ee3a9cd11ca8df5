"""What machine this is."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def memory_mib() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def processor() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def system() -> str:
    """The operating system and its kernel."""
    name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{name}, Linux {platform.release()}"


def version(*command: str) -> str:
    """The version number that a program tells of itself."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+-]*", told.stdout + told.stderr)
    return found[0] if found else "unknown"


def packages(*names: str) -> dict[str, str]:
    """The versions of these Python packages."""
    return {name: metadata.version(name) for name in names}
