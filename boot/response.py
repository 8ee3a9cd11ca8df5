"""What a phone gets on the wire: 302 to its configuration, or an error as JSON.

Source: contract section 8.
"""

import json
import random
import uuid
from typing import NamedTuple

from boot import settings_file
from boot.decision import Decision
from boot.metrics import Refusal
from boot.rate_limit import unknown_macs
from boot.request import BootRequest
from boot.shapes import maker_of
from devices.models import Outcome
from redirect.errors import ApiError, TooManyAttempts, not_found, unavailable
from redirect.http.client_address import source_of


class Response(NamedTuple):
    """An HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


def answer_to(request: BootRequest, decision: Decision) -> tuple[Response, Outcome | Refusal]:
    """Return the response for a decision and its outcome; 429 if the source is over its limit of unknown MACs."""
    if decision.url is None and (wait := unknown_macs.hit(source_of(request.address), request.mac)):
        return error_response(TooManyAttempts(wait)), Refusal.LIMITED
    return settings_for(request, decision) or response_for(request.mac, decision), decision.outcome


def response_for(mac: str, decision: Decision) -> Response:
    """Return 302 if there is a URL, else 404 in the same words whatever the reason."""
    if decision.url is not None:
        return Response(302, ((b"Location", decision.url.encode("ascii")), *REDIRECT_HEADERS))
    return error_response(ApiError(404, f"device MAC {mac} was not found"))


def settings_for(request: BootRequest, decision: Decision) -> Response | None:
    """Settings in the format of the phone's maker that point it to its URL.

    None if its location wants a redirect, or if its maker or a form for what it asked is not known.
    """
    if (url := decision.settings_url) is None:
        return None
    maker = maker_of(request.shape, request.user_agent)
    found = maker and settings_file.body(maker, url, request.mac, request.shape.file_name)
    if not found:
        return None
    body, content_type = found
    return Response(200, _headers(content_type.encode("ascii"), body), body)


def not_a_phones_response() -> Response:
    """Return 404 for a request that is no phone's; like all errors but a phone's it has a request id."""
    request_id = uuid.uuid4().hex.encode("ascii")
    return Response(404, ((b"X-Request-ID", request_id), *NOT_FOUND.headers), NOT_FOUND.body)


def unavailable_response() -> Response:
    """Return 503 with a Retry-After that differs from phone to phone, so that not all come back at once."""
    return error_response(unavailable(retry_after=random.randint(5, 30)))  # noqa: S311


def error_response(error: ApiError) -> Response:
    """Return an error as JSON."""
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
NOT_FOUND = error_response(not_found())
# At an address that is unknown POST gets 404, as throughout the API; by the others phones send files anywhere.
READS = frozenset({"GET", "HEAD"})
UNKNOWN_ADDRESS = READS | {"POST"}
METHOD_NOT_ALLOWED = error_response(ApiError(405, "Method not allowed.", headers={"Allow": "GET, HEAD"}))
