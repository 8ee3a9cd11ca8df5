"""gunicorn's settings. The environment says where to listen, and with how many processes.

It serves everything from one kind of process. Where many phones boot while others work with the API, these get
processes of their own (SERVE=api), so that neither can starve the other; deploy/nginx.conf tells them apart.
"""

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

_host = os.environ.get("HOST") or "127.0.0.1"
_port = os.environ.get("PORT") or "8000"

_serve = os.environ.get("SERVE") or "all"

bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
backlog = 4096  # a site that gets its power back asks with all its phones at once

# SQLite has one writer: more than one process is for PostgreSQL.
workers = int(os.environ.get("WEB_WORKERS") or 1)
if _serve == "all":
    wsgi_app = "redirect.asgi:application"
    worker_class = "redirect.worker.PhoneWorker"
elif _serve == "api":
    wsgi_app = "redirect.wsgi:application"
    worker_class = "redirect.worker.APIWorker"
    limit_request_line = 32 * 1024  # redirect/http/refusal.py, nginx.conf
    limit_request_field_size = 32 * 1024  # nginx.conf
    threads = int(os.environ.get("API_THREADS") or 8)
else:
    sys.exit(f"SERVE={_serve} must be all or api.")
preload_app = True  # a worker that was killed is back at once
keepalive = 30  # longer than nginx keeps an idle connection, so that it never writes into a closing one


def _metrics_folder() -> str:
    """Where the processes of this server keep their numbers: in memory, and nobody else's.

    The name is the same at each start, so that a server that was killed leaves nothing behind for good.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108
    folder = Path(memory, f"phone-redirect-{os.getuid()}-{_port}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        sys.exit(f"{folder} belongs to another user. Remove it, or name another folder: PROMETHEUS_MULTIPROC_DIR.")
    return str(folder)


# Set before prometheus_client is imported, which looks for it once.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", _metrics_folder())


def on_starting(server: Any) -> None:
    """Forget what an earlier server counted."""
    from redirect import metrics

    metrics.empty(os.environ[metrics.FOLDER])


def child_exit(server: Any, worker: Any) -> None:
    """Keep what an ended worker has counted."""
    from redirect import metrics

    metrics.retire(worker.pid)


# A worker that says nothing for half a minute is replaced; one that is to stop may finish what it answers.
timeout = 30
graceful_timeout = 20
# The heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108

# Who a client is, and whether it came by TLS, is decided in one place: the application's TRUSTED_PROXIES.
forwarded_allow_ips = ""

control_socket_disable = True  # nothing here is steered by a socket in somebody's home folder
errorlog = "-"
accesslog = None  # the service writes the line of a request itself, and knows more: redirect/logs.py
logger_class = "redirect.worker.ServerLog"
loglevel = (os.environ.get("LOG_LEVEL") or "info").lower()
