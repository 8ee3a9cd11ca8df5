"""Send a running service what its own OpenAPI document allows, what it forbids, and worse.

Starts the service with a temporary database on a free port of 127.0.0.1, fills it, and lets schemathesis make
requests from /api/v1/schema, as a reseller's Administrator and as the platform operator; then sends a list of
malicious requests byte by byte. Every answer must be documented: its status, headers, type and shape; there must
be no 5xx, and every answer from 400 up must be the JSON error body. Ends with 1 if anything was found, and stops
the server however it ends.
"""

import argparse
import base64
import contextlib
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rig.clients import Integrator
from rig.service import Service, environment, manage
from tests.fuzz.answers import answers
from tests.fuzz.corpus import run_corpus
from tests.fuzz.generated import own_id, run_schemathesis

OPERATOR = "platform"
ADMINISTRATOR = "fuzz.administrator"
PASSWORD = secrets.token_urlsafe(16)


@contextlib.contextmanager
def service(folder: Path, database: str | None) -> Iterator[Service]:
    """The real server on a temporary database, while the block runs."""
    variables = environment(
        database or f"sqlite:///{folder / 'fuzz.sqlite3'}",
        DEBUG="off",
        TRUSTED_PROXIES="",
        ALLOWED_HOSTS="127.0.0.1",
        WEB_WORKERS="1",
        LOGIN_LIMIT_PER_SOURCE="0",
        UNKNOWN_MAC_LIMIT_PER_SOURCE="0",
        DJANGO_SUPERUSER_LOGIN=OPERATOR,
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        LOG_LEVEL="ERROR",
        EMAIL_URL="memorymail://",  # alerts can be made
        # The addresses of device management answer; no worker runs, and at this port nothing listens.
        MANAGEMENT_NETWORKS="127.0.0.0/8",
        MANAGEMENT_LOOPBACK="on",
        MANAGEMENT_PORTS="1",
        MANAGEMENT_KEYS=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )
    manage(variables, "migrate", "--verbosity=0")
    manage(variables, "collectstatic", "--noinput", "--verbosity=0")
    manage(variables, "createsuperuser", "--noinput", "--verbosity=0")
    running = Service(variables, folder / "log")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def log_in(port: int, login: str) -> Integrator:
    """A user who has logged in, and whose id the generated requests know."""
    user = Integrator(port, login, PASSWORD)
    own_id[login] = user.call("GET", "/users/me")[1]["id"]
    return user


def fill(operator: Integrator) -> None:
    """Two resellers with providers, and for each of these one of everything that can be made."""

    def create(path: str, **body: Any) -> int:
        status, answer = operator.call("POST", path, body)
        if status not in (201, 202):
            sys.exit(f"{path} {body}: {status} {answer}")
        return int(answer.get("id", 0))

    for number in (1, 2):
        reseller = create("/groups", name=f"Reseller {number}", groupType="Reseller")
        names = {"firstName": "Ada", "lastName": "Byron", "password": PASSWORD}
        create(
            "/users",
            **names,
            login=ADMINISTRATOR if number == 1 else "stranger",
            group=reseller,
            permissionLevel="Administrator",
        )
        for letter in "AB":
            name = f"Provider {number}{letter}"
            provider = create("/groups", name=name, groupType="Provider", resellerId=reseller)
            create("/users", **names, login=f"monitor{number}{letter}", group=provider, permissionLevel="Monitor")
            location = create(
                "/locations", url="http://pbx.example:9/{CUSTOMER NAME}/{MAC ADDRESS}.cfg", groupId=provider
            )
            create(
                "/devices",
                group=provider,
                locationId=location,
                macList=[f"00908F{number}{ord(letter)}{index:03X}" for index in range(40)],
                overrideCurrentAssociation=False,
            )
            create("/keys", name="Import", group=provider, permissionLevel="Operator")
            webhook = create("/webhooks", groupId=provider, url="https://hooks.example/phones")
            create(f"/webhooks/{webhook}/test")
            create("/alerts", groupId=provider, addresses=["noc@provider.example"])
            create(
                "/management/endpoints",
                groupId=provider,
                driver="mediant-7.2",
                baseUrl="https://127.0.0.1:1",
                mac=f"00908F{number}{ord(letter)}000",
                userName="Admin",
                password=PASSWORD,
                tlsPolicy="system",
            )
    operator.upload("/imports", "devices.csv", b"mac,group\n00908F141000,Provider 1A\n")


def main() -> None:
    """Ends with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000, help="of schemathesis, at least (default 5000)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeat a run")
    parser.add_argument("--examples", type=int, default=40, help="a round's examples for each operation")
    parser.add_argument("--only-corpus", action="store_true", help="without schemathesis")
    parser.add_argument("--database", help="the address of an empty database, instead of a temporary SQLite file")
    parser.add_argument("--verbose", action="store_true", help="count the answers of each operation")
    options = parser.parse_args()
    clean = True
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), options.database) as running:
        port = running.port
        operator = log_in(port, OPERATOR)
        fill(operator)
        users = [log_in(port, ADMINISTRATOR), operator]
        clean &= run_corpus(port, operator.token)
        byte_by_byte = answers.total()
        print(f"{byte_by_byte} requests byte by byte", flush=True)
        seed = options.seed
        while answers.total() - byte_by_byte < options.requests and not options.only_corpus:
            began = answers.total()
            clean &= run_schemathesis(port, users[seed % 2].token, options.examples, seed)
            print(f"{answers.total() - byte_by_byte} requests of schemathesis, seed {seed}", flush=True)
            seed += 1
            if answers.total() == began:
                sys.exit("schemathesis sends nothing.")
        for user in users:
            if user.another(port).call("GET", "/users/me")[0] != 200:  # the server closes connections that idle
                print("A token was lost on the way.")
                clean = False
        if not clean:
            print("The end of the server's log:\n" + running.log_tail())
    if options.verbose:
        for (operation, status), number in sorted(answers.items()):
            print(f"{number:6} {status} {operation}")
    print("Nothing was found." if clean else "The findings stand above.")
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
