"""For load balancers and operators: is the process alive, and can it do its work?"""

import logging
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

import boot.database
from devices import access_log
from operations.models import HousekeepingRun, warnings
from redirect.db import address
from redirect.errors import error_body

logger = logging.getLogger(__name__)

LAG_AT_MOST = 60  # seconds
SECONDS_BETWEEN_QUESTIONS = 1.0

_asking = threading.Lock()
_last_told: list[tuple[float, str, dict[str, Any] | str]] = [(0.0, "", "none")]  # when, of which address, what

# A server that is no standby is not behind. Source: PostgreSQL documentation 9.28.4, 28.2.7.
LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN received AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END,
       received OR NOT pg_is_in_recovery()
FROM (SELECT EXISTS (SELECT 1 FROM pg_stat_wal_receiver) AS received) AS receiver
"""

View = Callable[[HttpRequest], HttpResponse]


def only_safe(view: View) -> View:
    """GET and HEAD; other methods get 405 as everywhere else."""

    @csrf_exempt  # so that the refusal is 405, as everywhere, and not one of forgery
    @wraps(view)
    def refuse_others(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            refusal = error_body("Method not allowed.")
            return JsonResponse(refusal, status=405, headers={"Allow": "GET, HEAD"})
        return view(request)

    return refuse_others


@only_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@only_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 while a phone that asks this process gets its answer, with what is amiss; else 503.

    `phones` says what they are answered from: `primary`, `replica`, or `away`. The API needs the primary. While
    migrations are missing no answer is promised.
    """
    database = _database()
    replica = _replica()
    phones = _phones(database["database"] == "ok", replica)
    body: dict[str, Any] = {"status": "ok", "phones": phones, **database}
    if database["database"] != "ok":
        body["description"] = "The database is unreachable."
    if isinstance(database["migrations"], list):
        body["description"] = f"The database lacks migrations: {', '.join(database['migrations'])}."
    elif phones == "away" and database["database"] == "ok":
        body["description"] = "The connection of the phones is away, and no replica answers."
    body |= {"replica": replica, "owedRequests": serving.owed if (serving := boot.database.serving) else 0}
    told = _warnings(body)
    body["warnings"] = told
    if phones == "away" or isinstance(database["migrations"], list):
        body["status"] = "unavailable"
        return JsonResponse(body, status=503, headers={"Retry-After": "5"})
    if told:
        body["status"] = "degraded"
    return JsonResponse(body)


def _database() -> dict[str, Any]:
    """What Django's connection tells: whether the database answers, its migrations, and its upkeep."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            names = [f"{migration.app_label}.{migration.name}" for migration, _ in pending]
            return {"database": "ok", "migrations": names}
        newest = HousekeepingRun.newest()
        ahead = access_log.days_ahead(timezone.now().date())
        return {
            "database": "ok",
            "migrations": "applied",
            "housekeeping": f"{newest.ended:%Y-%m-%dT%H:%M:%S+0000}" if newest and newest.ended else "never",
            "partitions": "not needed" if ahead is None else f"{ahead} days ahead",
            "upkeep": warnings(newest, ahead),
        }
    except DatabaseError:
        return {"database": "unreachable", "migrations": "unknown"}


def _replica() -> dict[str, Any] | str:
    """Whether the replica answers, and how old its newest row is; asked once a second at most."""
    if not settings.REPLICA_URL:
        return "none"
    with _asking:  # many probes at once must not take all of its connections
        at, url, told = _last_told[0]
        if url != settings.REPLICA_URL or time.monotonic() - at > SECONDS_BETWEEN_QUESTIONS:
            told = _ask_replica()
            _last_told[0] = (time.monotonic(), settings.REPLICA_URL, told)
    return told


def _ask_replica() -> dict[str, Any] | str:
    parameters = address.with_settings(
        address.parse(settings.REPLICA_URL, "REPLICA_URL"), "statement_timeout=1000"
    )
    try:
        with psycopg.connect(**parameters | {"connect_timeout": 2}, autocommit=True) as opened:
            lag, streaming = opened.execute(LAG).fetchone() or (None, False)
    except psycopg.Error as error:
        logger.warning("The replica is unavailable: %s", error)
        return "unreachable"
    return {"lagSeconds": round(float(lag or 0), 1), "streaming": streaming}


def _phones(database_answers: bool, replica: dict[str, Any] | str) -> str:
    """What phones are answered from, by this process; without the batcher (SERVE=api) by Django's connection."""
    recorder = boot.database.serving
    if database_answers and (recorder is None or recorder.is_connected):
        return "primary"
    return "replica" if recorder is not None and isinstance(replica, dict) else "away"


def _warnings(body: dict[str, Any]) -> list[str]:
    """What is amiss, in sentences; takes what is of upkeep out of the body."""
    told: list[str] = body.pop("upkeep", [])
    if "description" in body:
        told.insert(0, body["description"])
    if body["phones"] == "replica":
        told.append("Phones are answered from the replica, and counted when the primary is back.")
    replica = body["replica"]
    if replica == "unreachable":
        told.append("The replica is unreachable: phones get 503 if the primary is away, too.")
    elif isinstance(replica, dict) and not replica["streaming"]:
        told.append("The replica receives nothing from a primary.")
    elif isinstance(replica, dict) and replica["lagSeconds"] > LAG_AT_MOST:
        told.append(f"The replica is {replica['lagSeconds']} s behind: phones may be sent to old locations.")
    return told
