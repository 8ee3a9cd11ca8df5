"""The line of the log for a phone's request, where that is wanted (ACCESS_LOG)."""

import time
from collections.abc import MutableMapping
from typing import Any

from boot import request
from boot.request import BootRequest
from boot.shapes import from_environ
from redirect import logs
from redirect.http.client_address import apply_forwarded


def write_scope(
    scope: MutableMapping[str, Any], boot_request: BootRequest | None, status: int, outcome: str, began: float
) -> None:
    """Write the line for a request by ASGI; `began` is the time.perf_counter() of its start."""
    environ = request.environ_of(scope)
    environ["HTTP_X_REQUEST_ID"] = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    apply_forwarded(environ)
    _write(scope["method"], request.path_of(scope), environ, boot_request, status, outcome, began)


def write_environ(
    environ: dict[str, Any], boot_request: BootRequest | None, status: int, outcome: str, began: float
) -> None:
    """Write the line for a request by WSGI."""
    path = from_environ(environ)[0]
    _write(environ["REQUEST_METHOD"], path, environ, boot_request, status, outcome, began)


def _write(
    method: str,
    path: bytes,
    environ: dict[str, Any],
    boot_request: BootRequest | None,
    status: int,
    outcome: str,
    began: float,
) -> None:
    shown = request.printable(path.decode("latin-1"), request.MAX_PATH)
    logs.write_request(
        *(method, shown, status, time.perf_counter() - began),
        address=environ.get("REMOTE_ADDR", ""),
        outcome=str(outcome),
        mac=boot_request.mac if boot_request is not None else "",
        request_id=environ.get("HTTP_X_REQUEST_ID", ""),
    )
