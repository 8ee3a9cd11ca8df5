"""What a phone gets on the wire: 302 to where its configuration is, or a error_response.

Source: contract section 8.
"""

import json
from dataclasses import dataclass

from boot.decision import Decision
from redirect.errors import ApiError


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


def response_for(mac: str, answer: Decision) -> Response:
    """302 where there is a URL; else 404, in the same words whatever the reason."""
    if answer.url is not None:
        return Response(302, ((b"Location", answer.url.encode("ascii")), *REDIRECT_HEADERS))
    return error_response(ApiError(404, f"device MAC {mac} was not found"))


def error_response(error: ApiError) -> Response:
    """An error as JSON."""
    body = json.dumps(error.body).encode("ascii")
    own = tuple((name.encode("ascii"), value.encode("ascii")) for name, value in error.headers.items())
    return Response(error.status, (*own, *_headers(b"application/json", body)), body)


def _headers(content_type: bytes, body: bytes = b"") -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"Content-Type", content_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
    )


REDIRECT_HEADERS = _headers(b"text/plain; charset=utf-8")
