"""Every request that Django answers: counted by what it was for and how it ended, and logged if that is wanted."""

import time
from collections.abc import Callable
from urllib.parse import quote

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from prometheus_client import Counter, Gauge, Histogram

from redirect import logs
from redirect.metrics import begin_at_zero

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Counter(
    "redirect_http_requests",
    "Requests to API, admin and the other pages, by the pattern of their address",
    ["method", "route", "status"],
)
DURATION = Histogram(
    "redirect_http_request_seconds", "Seconds until the answer begins, by face", ["face"], buckets=SECONDS
)
POOL = Gauge(
    "redirect_pool",
    "Connections of the database pools, and requests that wait for one, after each process's latest request",
    ["what"],
    multiprocess_mode="livesum",
)
POOL_EVENTS = Counter("redirect_pool_events", "What happened in the database pools", ["event"])

# What psycopg's pool tells of itself, by the name that is shown. Source: psycopg_pool, "Pool stats".
POOL_STATES = {"pool_size": "open", "pool_available": "idle", "requests_waiting": "waiting"}
POOL_COUNTS = {
    "requests_queued": "waited",
    "requests_errors": "not_served",
    "connections_errors": "not_connected",
    "connections_lost": "connection_lost",
}

begin_at_zero(POOL, POOL_STATES.values())
begin_at_zero(POOL_EVENTS, POOL_COUNTS.values())

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class ObserveMiddleware:
    """Counts each request, writes its line of the log, and looks at the pool of this process."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._counted: dict[str, int] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.route if match is not None else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(method, route, response.status_code).inc()
        seconds = time.perf_counter() - began
        DURATION.labels(route.split("/")[0]).observe(seconds)
        self._look_at_the_pool()
        if logs.is_logged():
            _log(request, response.status_code, seconds)
        return response

    def _look_at_the_pool(self) -> None:
        # Not `connection.pool`: to ask for it makes one, where this request has needed no database.
        pool = getattr(connection, "_connection_pools", {}).get(connection.alias)
        if pool is None:  # SQLite, a DATABASE_URL that switches it off, and before the first connection
            return
        stats = pool.get_stats()
        for name, shown in POOL_STATES.items():
            POOL.labels(shown).set(stats.get(name, 0))
        for name, shown in POOL_COUNTS.items():
            now = stats.get(name, 0)
            POOL_EVENTS.labels(shown).inc(max(0, now - self._counted.get(name, 0)))
            self._counted[name] = now


def _log(request: HttpRequest, status: int, seconds: float) -> None:
    # No session and no user is looked up for the log: it names who was found while the request was answered.
    user = vars(request).get("user")
    if isinstance(user, SimpleLazyObject):
        user = vars(request).get("_cached_user")
    logs.write_request(
        request.method or "",
        quote(request.path),
        status,
        seconds,
        address=request.META.get("REMOTE_ADDR", ""),
        outcome="Done" if status < 400 else "Refused" if status < 500 else "Failed",
        user=getattr(user, "pk", None),
        group=getattr(user, "group_id", None),
    )
