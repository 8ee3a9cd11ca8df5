"""What a phone gets on the wire: 302 to where its configuration is, or a refusal.

Source: contract section 8.
"""

import json
from dataclasses import dataclass

from boot.decision import Answer
from redirect.errors import ApiError


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


def reply_for(mac: str, answer: Answer) -> Reply:
    """302 where there is a URL; else 404, in the same words whatever the reason."""
    if answer.url is not None:
        return Reply(302, ((b"Location", answer.url.encode("ascii")), *REDIRECT_HEADERS))
    return refusal(ApiError(404, f"device MAC {mac} was not found"))


def refusal(error: ApiError) -> Reply:
    """An error as JSON."""
    body = json.dumps(error.body).encode("ascii")
    own = tuple((name.encode("ascii"), value.encode("ascii")) for name, value in error.headers.items())
    return Reply(error.status, (*own, *_headers(b"application/json", body)), body)


def _headers(content_type: bytes, body: bytes = b"") -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"Content-Type", content_type),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
    )


REDIRECT_HEADERS = _headers(b"text/plain; charset=utf-8")
