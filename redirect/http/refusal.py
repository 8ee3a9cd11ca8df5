"""Errors that the servers answer, where no view is asked: in the form of every other error."""

import json
import uuid
from http import HTTPStatus

from redirect.errors import error_body

DESCRIPTIONS = {
    400: "The request is not valid HTTP.",
    408: "The request took too long to arrive.",
    413: "The request body is too large.",
    414: "The address of the request is too long.",
    417: "The expectation of the request cannot be met.",
    431: "The headers of the request are too large.",
    500: "Internal error.",
    501: "The transfer coding of the request is not supported.",
}

# The longest address that the API accepts: a filter of 2,000 characters of 4 octets, each percent-encoded, and the
# other parameters. deploy/nginx.conf has the same limits.
MAX_REQUEST_LINE = 32 * 1024
MAX_HEADERS = 128 * 1024


def content(status: int, description: str = "") -> tuple[dict[str, str], bytes]:
    """The headers and the body of an error. The connection ends, as the rest of the request is not read."""
    body = json.dumps(error_body(description or DESCRIPTIONS.get(status, DESCRIPTIONS[400]))).encode("ascii")
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Request-ID": uuid.uuid4().hex,
        "Connection": "close",
    }
    return headers, body


def message(status: int) -> bytes:
    """The error as a whole HTTP/1.1 message. Source: RFC 9112."""
    headers, body = content(status)
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    return (
        "\r\n".join([first, *(f"{name}: {text}" for name, text in headers.items())]).encode("ascii")
        + b"\r\n\r\n"
        + body
    )
