"""Answers that are sent while they are made, under ASGI as under WSGI."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


def streamed(request: HttpRequest, parts: Iterator[bytes]) -> Any:
    """The parts as a StreamingHttpResponse takes them.

    Under ASGI Django would read a plain iterator to its end before it sends anything.
    """
    return _in_threads(parts) if isinstance(request, ASGIRequest) else parts


async def _in_threads(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    while part := await sync_to_async(lambda: next(parts, b""))():
        yield part


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """The static files; large ones are never whole in memory."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = super().__call__(request)
        if isinstance(response, FileResponse):
            response.streaming_content = streamed(request, iter(response.streaming_content))  # type: ignore[arg-type]
        return response
