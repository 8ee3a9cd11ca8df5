"""The phone's door, before Django's handler: a path that is a MAC is answered here, all else goes on to Django.

Under ASGI phones go to the batcher; under WSGI each is a statement of its own. Both answer alike, byte for byte.
Source: contract section 8 (the "MAC API" that the manual only names).
"""

import logging
import random
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from boot import visits
from boot.batcher import Batcher, DatabaseUnavailable, Overloaded
from boot.decision import Decision, Visit
from boot.rate_limit import unknown_macs
from boot.response import Response, error_response, response_for
from boot.stores import open_recorder
from boot.visits import Asked
from devices import mac
from redirect.errors import ApiError, too_many_requests, unavailable
from redirect.http.client_address import apply_forwarded, source_of

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

# What a phone's request says of itself, by its name in an ASGI scope and in a WSGI environment.
HEADERS = {
    b"user-agent": "HTTP_USER_AGENT",
    b"x-forwarded-for": "HTTP_X_FORWARDED_FOR",
    b"x-ssl-client-verify": "HTTP_X_SSL_CLIENT_VERIFY",
    b"x-ssl-client-cert": "HTTP_X_SSL_CLIENT_CERT",
}


class BootApplication:
    """The ASGI application: phones to the batcher, all else to Django."""

    def __init__(self, django: Application) -> None:
        self.django = django
        self._batcher: Batcher | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        asked_mac = mac.from_request_path(scope["path"])
        if asked_mac is None:
            await self.django(scope, receive, send)
            return
        response = await self._respond(scope, asked_mac)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, asked_mac: str) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return METHOD_NOT_ALLOWED
        asked = asked_by(_environment(scope), asked_mac)
        try:
            return response_to(asked.visit, await self._batching().ask(asked))
        except (Overloaded, DatabaseUnavailable):
            return later()  # the batcher and its recorder have said why, once

    def _batching(self) -> Batcher:
        if self._batcher is None:
            self._batcher = Batcher(open_recorder())
        return self._batcher

    async def _live(self, receive: Receive, send: Send) -> None:
        """Connect before the first phone asks; answer those who still wait before the process ends.

        Source: the ASGI lifespan protocol.
        """
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._batching().recorder.open()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._batcher is not None:
                    await self._batcher.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


class PhoneMiddleware:
    """The same under WSGI: stands before sessions, authentication and REST framework."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked_mac = mac.from_request_path(request.path_info)
        if asked_mac is None:
            return self.get_response(request)
        response = _respond_at_once(request, asked_mac)
        answer = HttpResponse(b"" if request.method == "HEAD" else response.body, status=response.status)
        del answer["Content-Type"]
        for name, value in response.headers:
            answer[name.decode("ascii")] = value.decode("ascii")
        return answer


def _respond_at_once(request: HttpRequest, asked_mac: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        return METHOD_NOT_ALLOWED
    asked = asked_by(request.META, asked_mac)
    try:
        return response_to(asked.visit, visits.record(asked))
    except DatabaseError as error:
        logger.error("No answer for phone %s, the database is away or too slow: %s", asked_mac, error)
        return later()


def asked_by(meta: dict[str, Any], asked_mac: str) -> Asked:
    """A phone's request from a WSGI environment with headers to believe (redirect/http/client_address.py)."""
    address = meta.get("REMOTE_ADDR", "")
    visit = Visit(
        mac=asked_mac,
        address=address[:45],
        user_agent=_printable(meta.get("HTTP_USER_AGENT", "")),
        certificate_verified=meta.get("HTTP_X_SSL_CLIENT_VERIFY", ""),
        certificate=meta.get("HTTP_X_SSL_CLIENT_CERT", ""),
    )
    log_unknown = not unknown_macs.is_exceeded(source_of(address), asked_mac)
    return Asked(visit, datetime.now(UTC), log_unknown)


def response_to(visit: Visit, answer: Decision) -> Response:
    """What the answer is on the wire, or 429 for a source that misses too often."""
    if answer.url is None and (wait := unknown_macs.hit(source_of(visit.address), visit.mac)):
        return error_response(too_many_requests(wait))
    return response_for(visit.mac, answer)


def later() -> Response:
    """503, with a time to come back that differs from phone to phone, so that not all come back at once."""
    return error_response(unavailable(retry_after=random.randint(5, 30)))  # noqa: S311


METHOD_NOT_ALLOWED = error_response(ApiError(405, "Method not allowed.", headers={"Allow": "GET, HEAD"}))


def _environment(scope: Scope) -> dict[str, Any]:
    meta = {"REMOTE_ADDR": (scope.get("client") or ("",))[0]}
    for name, value in scope["headers"]:
        known = HEADERS.get(name)
        if known is not None:
            text = value.decode("latin-1")
            meta[known] = f"{meta[known]},{text}" if known in meta else text
    apply_forwarded(meta)
    return meta


def _printable(text: str) -> str:
    text = text[:200]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
