"""What webhooks cost phones: redirects a second with a thousand subscriptions, and the p99 beside deliveries.

The worker runs all the time, with subscriptions and without, and has nothing left to do when a load begins. What
is delivered goes to nginx.
"""

import sys
import time
from typing import Any

from tqdm import tqdm

from bench.data import Data
from bench.servers import FILES, NGINX, SERVICE, Running, running, service_environment
from bench.steady import PATIENCE, p99_for, p99_until
from bench.storm import CONNECTIONS, Storm
from rig import service
from rig.nginx import Nginx
from rig.processes import end, free_port, wait_for
from rig.service import manage
from rig.units import unit

SUBSCRIPTIONS = 1_000

SUBSCRIBE = """
from accounts.models import Group
from webhooks import secrets
from webhooks.models import Webhook
groups = list(Group.objects.order_by("pk").values_list("pk", flat=True))
secret = secrets.encrypt(secrets.new())
Webhook.objects.bulk_create(
    Webhook(group_id=groups[n % len(groups)], url="{url}", secret=secret, events=["device.failing"], enabled=False)
    for n in range({number})
)
"""
# What phones that are redirected never cause, so that the log is read and nothing is sent.
ONE = "UPDATE webhooks_webhook SET enabled = (id = (SELECT min(id) FROM webhooks_webhook))"
SWITCH = "UPDATE webhooks_webhook SET enabled = %s, paused_until = NULL, leased_until = NULL"
HAPPEN = """
INSERT INTO webhooks_delivery
    (webhook_id, key, event, mac, data, created_at, state, attempts, next_attempt, last_problem)
SELECT (SELECT min(id) FROM webhooks_webhook), gen_random_uuid(), 'device.claimed',
       lpad(to_hex(n), 12, '0'), '{}', now(), 'Pending', 0, now(), ''
FROM generate_series(1, %s) n
"""
LEFT = "SELECT EXISTS (SELECT FROM webhooks_delivery WHERE state = 'Pending')"
UNREAD = """
SELECT (SELECT count(*) FROM audit_entry WHERE untold_from IS NOT NULL)
     + (SELECT count(*) FROM webhooks_readmark WHERE read_to < (SELECT max(id) FROM devices_access))
"""
NO_MARK = "SELECT count(*) FROM webhooks_readmark"
FORGET = "DELETE FROM webhooks_delivery; DELETE FROM webhooks_webhook; DELETE FROM webhooks_told"


def measure(data: Data, rounds: int, seconds: float, events: int, progress: "tqdm[Any]") -> dict[str, list[float]]:
    """Redirects a second and p99 in ms, round by round, in turn on the same service; a first round does not count.

    `events` are delivered in all rounds together.
    """
    figures: dict[str, list[float]] = {"subscribed": [], "unsubscribed": [], "beside": [], "alone": []}
    variables = service_environment(data.url) | {"WEBHOOK_LOOPBACK": "on", "WEBHOOK_PORTS": "1-65535"}
    port = free_port()
    receiver = Nginx(FILES / "hooks", NGINX.format(workers=1, port=port, answer="return 204;", upstream=1), port)
    try:
        manage(variables, "shell", "-c", SUBSCRIBE.format(url=f"http://127.0.0.1:{port}/", number=SUBSCRIPTIONS))
        with (
            unit("jobs", "10") as within,  # deploy/systemd/phone-redirect-jobs.service
            running(SERVICE, data.url) as on,
            service.jobs(variables, FILES / "jobs.log", within=within),
        ):
            storm = Storm(data, seconds, progress)
            storm.warm_up(on)
            took = 0.0
            for number in range(rounds + 1):
                ways = ("subscribed", "unsubscribed")[:: -1 if number % 2 else 1]
                found = {way: _redirects(storm, on, way == "subscribed") for way in ways}
                progress.update()
                if number % 2:
                    found["alone"] = p99_for(took, data, on)
                found["beside"], took = _beside(data, on, -(-events // rounds))
                if number % 2 == 0:
                    found["alone"] = p99_for(took, data, on)
                progress.update()
                for way, value in found.items() if number else ():
                    figures[way].append(value)
                progress.write(
                    "webhooks  " + ", ".join(f"{w} {v:,.1f}" for w, v in found.items()), file=sys.stderr
                )
    finally:
        end(receiver.process)
        with data.connect() as connection:
            connection.execute(FORGET)
    return figures


def _redirects(storm: Storm, on: Running, subscribed: bool) -> float:
    """Redirects a second while all subscriptions are enabled, or none."""
    data = storm.data
    with data.connect() as connection:
        connection.execute(SWITCH, [subscribed])
    wait_for(lambda: data.one(UNREAD) == 0 and data.one(NO_MARK) == subscribed, PATIENCE)
    measured = storm.load(on, CONNECTIONS[0])
    wait_for(lambda: data.one(UNREAD) == 0, PATIENCE)  # what comes next is not to pay for this
    return measured.a_second


def _beside(data: Data, on: Running, events: int) -> tuple[float, float]:
    """The p99 of phones in ms while so many events are delivered, and how many seconds that took."""
    with data.connect() as connection:
        connection.execute(HAPPEN, [events])
        connection.execute(ONE)
        began = time.monotonic()
        # By one connection: the start of another one is more work than a phone.
        p99 = p99_until(lambda: connection.execute(LEFT).fetchone() == (False,), data, on)
        took = time.monotonic() - began
        connection.execute("DELETE FROM webhooks_delivery")
    return p99, took
