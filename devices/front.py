"""The phone's door, before sessions, authentication and REST framework: a path that is a MAC is answered here.

Source: contract section 8 (the "MAC API" that the manual only names).
"""

import json
import logging
import random
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from devices import mac, visits
from devices.lookup import Visit
from devices.misses import misses
from redirect.errors import error_body, too_many_requests, unavailable
from redirect.forwarded import source_of

logger = logging.getLogger(__name__)


class PhoneMiddleware:
    """Answers GET and HEAD of /<MAC>; all else goes on to Django."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = mac.from_request_path(request.path_info)
        if asked is None:
            return self.get_response(request)
        response = answer(request, asked)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Length"] = str(len(response.content))
        if request.method == "HEAD":
            response.content = b""
        return response


def answer(request: HttpRequest, asked: str) -> HttpResponse:
    """302 to where the phone's configuration is; 404, 429, 503 or 405 where there is nothing to tell."""
    if request.method not in ("GET", "HEAD"):
        return _refusal(405, error_body("Method not allowed."), {"Allow": "GET, HEAD"})
    visit = Visit(
        mac=asked,
        certificate_verified=request.META.get("HTTP_X_SSL_CLIENT_VERIFY", ""),
        certificate=request.META.get("HTTP_X_SSL_CLIENT_CERT", ""),
    )
    try:
        url = visits.record(visit).url
    except DatabaseError as error:
        logger.error("No answer for phone %s, the database is away or too slow: %s", asked, error)
        away = unavailable(retry_after=random.randint(5, 30))  # noqa: S311 - so that not all come back at once
        return _refusal(away.status, away.body, away.headers)
    if url is not None:
        return HttpResponse(status=302, headers={"Location": url}, content_type="text/plain; charset=utf-8")
    if wait := misses.over_budget(source_of(request.META["REMOTE_ADDR"]), asked):
        limited = too_many_requests(wait)
        return _refusal(limited.status, limited.body, limited.headers)
    return _refusal(404, error_body(f"device MAC {asked} was not found"))


def _refusal(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, headers=headers, content_type="application/json")
