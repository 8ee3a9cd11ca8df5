"""What a machine must have to run the stack."""

import os
import shutil

from rig import ROOT
from rig.postgresql import has_programs

# Programs, and the packages of Debian that have them.
PROGRAMS = {
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "iptables": "iptables",
    "nginx": "nginx-light",
    "pgbackrest": "pgbackrest",
    "pgbouncer": "pgbouncer",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
PATRONI = ROOT / "var/stack/venv"
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def missing() -> str:
    """Return what keeps the stack from running here, in one sentence, or nothing."""
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program, path=PATH) is None}
    if not has_programs():
        packages.add("postgresql")
    wanted = []
    if os.geteuid() != 0:
        wanted.append("root, for its network namespaces")
    if packages:
        wanted.append(f"programs (apt-get install {' '.join(sorted(packages))})")
    if not (PATRONI / "bin/python").exists():
        wanted.append(f"Patroni in {PATRONI.relative_to(ROOT)}, where `make stack` puts it")
    return f"The stack needs {'; '.join(wanted)}." if wanted else ""
