"""All hosts together: what `make stack` starts and `make stack-test` breaks, in namespaces of their own."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from rig import tenant
from rig.clients import Integrator
from rig.nginx import certificate
from rig.stack import files
from rig.stack.apps import App, common_variables
from rig.stack.database import Databases, wait_until
from rig.stack.hosts import Host, make_switch, run
from rig.stack.needs import PATRONI

NAME = "redirect.example"


@dataclass
class Stack:
    """A stack that runs."""

    databases: Databases
    apps: list[App]
    front: Host
    tls: ssl.SSLContext

    @property
    def hosts(self) -> list[Host]:
        """All hosts."""
        return [*self.databases.hosts, *(app.host for app in self.apps), self.front]

    def integrator(self, patience: float) -> Integrator:
        """An administrator of the tenant who has logged in."""
        return Integrator(443, tenant.LOGIN, tenant.PASSWORD, patience, host=self.front.address, tls=self.tls)

    def wait_until_whole(self) -> None:
        """Return when all that was broken is back."""
        self.databases.wait_until_whole()
        for app in self.apps:
            app.wait_until_ready()


def start(home: Path, *, pgbouncer: bool = True) -> Stack:
    """The stack in a folder, with a tenant and its phones. It ends with the namespaces.

    `pgbouncer`: whether the API's connections go through it.
    """
    make_switch()
    shared, here = home / "shared", home / "host"
    (shared / "patroni").mkdir(parents=True)
    here.mkdir()
    run("mount", "--bind", str(PATRONI), str(shared / "patroni"))
    made = [
        [Host(name, address, here) for name, address in group.items()]
        for group in (files.DATABASE_HOSTS, files.APP_HOSTS, files.FRONT_HOSTS)
    ]
    database_hosts, app_hosts, (front,) = made
    say("databases: etcd, Patroni and PostgreSQL on three hosts")
    databases = Databases(database_hosts, shared)
    databases.start()
    common = common_variables(f"{NAME},{front.address}", front.address, shared)
    apps = [App(host, databases, common, pgbouncer=pgbouncer) for host in app_hosts]
    say("service: HAProxy, PgBouncer, phones, API and jobs on two hosts, nginx in front")
    for app in apps:
        app.start_ways()
    first = apps[0]
    wait_until("HAProxy leads to the primary", lambda: _reaches_the_database(first), 30)
    first.manage("migrate", "--verbosity", "0")
    first.manage("housekeeping")
    first.manage("shell", "--verbosity", "0", "-c", tenant.SEED)
    for app in apps:
        app.start()
    for app in apps:
        app.wait_until_ready()
    tls = _start_nginx(front)
    running = Stack(databases, apps, front, tls)
    wait_until("nginx serves", lambda: _answers(running), 30)
    return running


def say(text: str) -> None:
    """Tell what is being done."""
    print(text, flush=True)


def _reaches_the_database(app: App) -> bool:
    try:
        app.manage(
            "shell", "--verbosity", "0", "-c", "from django.db import connection; connection.ensure_connection()"
        )
    except RuntimeError:
        return False
    return True


def _start_nginx(front: Host) -> ssl.SSLContext:
    server = certificate("server")
    for name, content in {**server, **certificate("device-ca")}.items():
        front.write(f"etc/nginx/tls/{name}", content, mode=0o600)
    for name, text in files.nginx(front.home).items():
        front.write(f"etc/nginx/{name}", text)
    front.start("nginx", "nginx", "-p", f"{front.home}/etc/nginx", "-c", "nginx.conf", "-e", "stderr")
    tls = ssl.create_default_context(cadata=server["server.crt"].decode())
    tls.check_hostname = False  # the certificate names no host
    return tls


def _answers(running: Stack) -> bool:
    try:
        running.integrator(5).close()
    except (RuntimeError, OSError):
        return False
    return True
