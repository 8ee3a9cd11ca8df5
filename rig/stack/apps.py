"""The app hosts: HAProxy and PgBouncer, and the service in three kinds of processes: phones, API, jobs."""

import http.client
import secrets
import sys
from pathlib import Path

from rig import ROOT
from rig.stack import files
from rig.stack.database import ACCOUNT, Databases, wait_until
from rig.stack.hosts import Host

PHONES, API = 8000, 8001
POOL = 16  # connections of the one process that serves the API
PYTHON = sys.executable
GUNICORN = (PYTHON, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"))
MANAGE = (PYTHON, str(ROOT / "manage.py"))


class App:
    """A host that serves phones and the API."""

    def __init__(self, host: Host, databases: Databases, common: dict[str, str], *, pgbouncer: bool) -> None:
        """`pgbouncer`: whether the API's connections go through it."""
        self.host = host
        # What the API's process is connected to: a program of this host, and its port.
        self.way, self.way_port = ("pgbouncer", 6432) if pgbouncer else ("haproxy", 5000)
        self._password = databases.password
        state = f"{host.home}/var/lib/phone-redirect"
        self.variables = {
            **common,
            "DATABASE_URL": f"postgres://redirect:{self._password}@127.0.0.1:5000/redirect",
            "REPLICA_URL": f"postgres://redirect:{self._password}@127.0.0.1:5001/redirect",
            "VAR_DIR": state,
            "SPOOL": f"{state}/spool",
            "HOST": host.address,
        }
        self._of_phones = {**self.variables, "PORT": str(PHONES), "WEB_WORKERS": "2"}
        self._of_the_api = {
            **self.variables,
            "DATABASE_URL": f"postgres://redirect_api:{self._password}@127.0.0.1:{self.way_port}/redirect",
            "SERVE": "api",
            "PORT": str(API),
            "WEB_WORKERS": "1",
            "API_THREADS": str(POOL),
            "DATABASE_POOL_SIZE": str(POOL),
        }

    def start_ways(self) -> None:
        """Start what leads to the database."""
        host = self.host
        host.write("etc/haproxy/haproxy.cfg", files.haproxy())
        host.start("haproxy", "haproxy", "-db", "-f", f"{host.home}/etc/haproxy/haproxy.cfg")
        users = "".join(f'"{role}" "{self._password}"\n' for role in ("redirect", "redirect_api"))
        host.write("etc/pgbouncer/userlist.txt", users, ACCOUNT, 0o600)
        host.write("etc/pgbouncer/pgbouncer.ini", files.pgbouncer(host.home))
        host.start("pgbouncer", "pgbouncer", f"{host.home}/etc/pgbouncer/pgbouncer.ini", account=ACCOUNT)
        host.make_folder("var/lib/phone-redirect/spool")

    def start(self) -> None:
        """Start the service."""
        self.host.start("phones", *GUNICORN, environment=self._of_phones)
        self.host.start("api", *GUNICORN, environment=self._of_the_api)
        self.host.start("jobs", *MANAGE, "run_jobs", environment=self.variables)

    def restart(self) -> None:
        """Restart the service as an upgrade does, and return when it is ready again."""
        for name in ("phones", "api", "jobs"):
            self.host.programs[name].stop()
            self.host.programs[name].start()
        self.wait_until_ready()

    def manage(self, *arguments: str) -> str:
        """What a command of manage.py printed on this host."""
        return self.host.run(*MANAGE, *arguments, environment=self.variables)

    def wait_until_ready(self) -> None:
        """Return when phones and API are served here."""
        wait_until(f"{self.host.name} serves phones", lambda: self._is_ready(PHONES), 120, shown=self._last_words)
        wait_until(f"{self.host.name} serves the API", lambda: self._is_ready(API), 120, shown=self._last_words)

    def _is_ready(self, port: int) -> bool:
        connection = http.client.HTTPConnection(self.host.address, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        return "\n".join(f"{name}: {program.last_words()}" for name, program in self.host.programs.items())


def common_variables(names: str, proxies: str, folder: Path) -> dict[str, str]:
    """What all hosts say alike: the names of the service, its proxies, secrets that are new at each call."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": names,
        "TRUSTED_PROXIES": proxies,
        "LOG_LEVEL": "WARNING",
        # Bytecode is kept together, also where the caller keeps none: six programs load the same modules.
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
