"""The WSGI way in for phones: a Django middleware in front of sessions, authentication and REST framework."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from boot import database, device_ca, request
from boot.request import BootRequest
from boot.response import METHOD_NOT_ALLOWED, Response, not_a_phones_response, response_to, unavailable_response
from boot.shapes import from_environ, is_own

logger = logging.getLogger(__name__)


class BootMiddleware:
    """Answers each phone with a statement of its own; does the same as boot/app.py."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        device_ca.load(settings.DEVICE_CA_DIR)  # what is wrong there stops the start, under ASGI too

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        boot_request = request.from_environ(http_request.META)
        if boot_request is None and is_own(from_environ(http_request.META)[0], request.own_segments()):
            return self.get_response(http_request)
        response = _respond(boot_request, http_request.method)
        body = b"" if http_request.method == "HEAD" else response.body
        http_response = HttpResponse(body, status=response.status)
        del http_response["Content-Type"]
        for name, value in response.headers:
            http_response[name.decode("ascii")] = value.decode("ascii")
        return http_response


def _respond(boot_request: BootRequest | None, method: str | None) -> Response:
    if boot_request is None:
        return not_a_phones_response()
    if method not in ("GET", "HEAD"):
        return METHOD_NOT_ALLOWED
    try:
        return response_to(boot_request, database.record(boot_request))
    except DatabaseError as error:
        logger.error("No answer for phone %s: the database does not answer: %s", boot_request.mac, error)
        return unavailable_response()
