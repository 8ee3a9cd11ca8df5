"""The WSGI way in for phones: a Django middleware in front of sessions, authentication and REST framework."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from boot import database, device_ca, request, request_log
from boot.metrics import REQUESTS, Refusal, count_refusal
from boot.request import BootRequest
from boot.response import (
    METHOD_NOT_ALLOWED,
    READS,
    UNKNOWN_ADDRESS,
    Response,
    answer_to,
    not_a_phones_response,
    unavailable_response,
)
from boot.shapes import from_environ, is_own
from boot.user_agent_hints import hints, may_stand_in
from devices.models import Outcome
from redirect import logs

logger = logging.getLogger(__name__)


class BootMiddleware:
    """Answers each phone with a statement of its own; does the same as boot/app.py."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        device_ca.load(settings.DEVICE_CA_DIR)  # what is wrong there stops the start, under ASGI too

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        boot_request = request.from_environ(http_request.META)
        if boot_request is None:
            path, query = from_environ(http_request.META)
            if is_own(path, request.own_segments(), query):
                return self.get_response(http_request)
            if may_stand_in(http_request.META.get("HTTP_USER_AGENT", "")) and hints.note(
                request.unknown_from_environ(http_request.META, path)
            ):
                hints.write()
        response, outcome = _respond(boot_request, http_request.method)
        count_refusal(outcome)
        if logs.is_logged():
            request_log.write_environ(http_request.META, boot_request, response.status, outcome, began)
        body = b"" if http_request.method == "HEAD" else response.body
        http_response = HttpResponse(body, status=response.status)
        del http_response["Content-Type"]
        for name, value in response.headers:
            http_response[name.decode("ascii")] = value.decode("ascii")
        return http_response


def _respond(boot_request: BootRequest | None, method: str | None) -> tuple[Response, Outcome | Refusal]:
    """What the phone gets, and why."""
    if boot_request is None and method in UNKNOWN_ADDRESS:
        return not_a_phones_response(), Refusal.NOT_A_PHONE
    if boot_request is None or method not in READS:
        return METHOD_NOT_ALLOWED, Refusal.METHOD
    try:
        decision = database.record(boot_request)
    except DatabaseError as error:
        logger.error("No answer for phone %s: the database does not answer: %s", boot_request.mac, error)
        return unavailable_response(), Refusal.UNAVAILABLE
    REQUESTS.labels(decision.outcome.value, boot_request.shape.kind.value).inc()
    return answer_to(boot_request, decision)
