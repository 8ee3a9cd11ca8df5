"""A body that comes in chunks: REST framework takes a request without a Content-Length for one without a body."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class ChunkedBodyMiddleware:
    """Gives such a request the length of its body, which an ASGI server has read by now."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        stream = getattr(request, "_stream", None)
        if "HTTP_TRANSFER_ENCODING" in request.META and stream is not None and stream.seekable():
            request.META["CONTENT_LENGTH"] = str(stream.seek(0, 2))
            stream.seek(0)
        return self.get_response(request)
