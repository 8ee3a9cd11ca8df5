"""A body that is larger than its page takes is refused before the rest of it is read.

An ASGI server's whole body is read before any view runs, so the ASGI application counts; a WSGI server's body is
read by the view, so the middleware only looks at its length. Source: RFC 9110 section 15.5.14.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from redirect.errors import error_body
from redirect.http import refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def limit_of(path: str) -> int:
    """The octets that a body for this path may have."""
    larger: dict[str, int] = settings.LARGER_BODIES
    return next((limit for prefix, limit in larger.items() if path.startswith(prefix)), settings.MAX_BODY)


class BodyLimit:
    """The ASGI application in front of Django. A body whose length is unknown is counted while it arrives."""

    def __init__(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        limit = limit_of(scope["path"])
        if _length(scope) > limit:
            await _refuse(send, limit)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received <= limit:
                return message
            await _refuse(send, limit)
            return {"type": "http.disconnect"}  # Django gives up without an answer of its own

        await self.application(scope, receive_counted, send)


def _length(scope: MutableMapping[str, Any]) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(declared) if declared.isdigit() else 0


def _description(limit: int) -> str:
    return f"The request body is larger than {limit} bytes."


async def _refuse(send: Send, limit: int) -> None:
    headers, body = refusal.content(413, _description(limit))
    encoded = [(name.lower().encode("ascii"), text.encode("ascii")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": 413, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


class BodyLimitMiddleware:
    """The same under a WSGI server."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        limit = limit_of(request.path_info)
        if length.isdigit() and int(length) > limit:
            return JsonResponse(error_body(_description(limit)), status=413)
        return self.get_response(request)
