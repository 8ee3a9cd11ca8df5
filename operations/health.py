"""For load balancers and operators: is the process alive, and can it do its work?"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from redirect.errors import error_body

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
    """200 if the database answers and has every migration, else 503 saying which of the two is missing."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return _not_ready("The database is unreachable.", database="unreachable")
    if pending:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in pending]
        return _not_ready(f"The database lacks migrations: {', '.join(names)}.", migrations=names)
    return JsonResponse({"status": "ok", "database": "ok", "migrations": "applied"})


def _not_ready(reason: str, **missing: Any) -> JsonResponse:
    body = error_body(reason, status="unavailable", **missing)
    return JsonResponse(body, status=503, headers={"Retry-After": "5"})
