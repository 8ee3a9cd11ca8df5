"""Processor weights as systemd gives them to its units: by a cgroup, which takes root.

Without one, the priority of a process counts among those of its own session alone (sched(7), "The autogroup
feature").
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))  # version 1, version 2
DEFAULT = {"cpu.shares": 1024, "cpu.weight": 100}  # the file of a version, and what CPUWeight=100 is in it


@contextlib.contextmanager
def unit(name: str, cpu_weight: str) -> Iterator[list[str]]:
    """What stands before a command that is to run as in a unit with this `CPUWeight`, a number or `idle`.

    All that runs in it must have ended when the block does.
    """
    for folder in FOLDERS:
        group = folder / f"phone-redirect-{os.getpid()}-{name}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if _weigh(group, cpu_weight):
                yield ["/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
                return
        finally:
            with contextlib.suppress(OSError):
                group.rmdir()
    sys.stderr.write(f"{name} has no processor weight of its own here: that takes root, and cgroups.\n")
    yield []


def _weigh(group: Path, cpu_weight: str) -> bool:
    """Whether the group could be given the weight."""
    try:
        if cpu_weight == "idle":
            (group / "cpu.idle").write_text("1")
            return True
        for name, usual in DEFAULT.items():
            if (group / name).exists():
                (group / name).write_text(str(usual * int(cpu_weight) // 100))
                return True
    except OSError:
        pass
    return False
