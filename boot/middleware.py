"""The WSGI way in for phones: a Django middleware in front of sessions, authentication and REST framework."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from boot import database, device_ca, request
from boot.response import METHOD_NOT_ALLOWED, Response, response_to, unavailable_response
from devices import mac

logger = logging.getLogger(__name__)


class BootMiddleware:
    """Answers a request whose path is a MAC with a statement of its own; passes everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        device_ca.load(settings.DEVICE_CA_DIR)  # what is wrong there stops the start, under ASGI too

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        asked_mac = mac.from_request_path(http_request.path_info)
        if asked_mac is None:
            return self.get_response(http_request)
        response = _respond(http_request, asked_mac)
        body = b"" if http_request.method == "HEAD" else response.body
        http_response = HttpResponse(body, status=response.status)
        del http_response["Content-Type"]
        for name, value in response.headers:
            http_response[name.decode("ascii")] = value.decode("ascii")
        return http_response


def _respond(http_request: HttpRequest, asked_mac: str) -> Response:
    if http_request.method not in ("GET", "HEAD"):
        return METHOD_NOT_ALLOWED
    boot_request = request.from_environ(http_request.META, asked_mac)
    try:
        return response_to(boot_request, database.record(boot_request))
    except DatabaseError as error:
        logger.error("No answer for phone %s: the database is unavailable or too slow: %s", asked_mac, error)
        return unavailable_response()
