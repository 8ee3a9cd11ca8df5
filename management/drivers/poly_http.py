"""How a Poly Trio is asked, and what its answers mean. Source: REST API Reference Manual 5.9.1."""

import json
from collections.abc import Mapping
from typing import Any

from management.drivers.base import DeviceError, Driver, Kind
from management.transport import MAX_JSON, Answer, Transport

MGMT = "/api/v1/mgmt"
QUICK, CONFIG = 15.0, 60.0  # seconds until an answer must be whole
MAX_BODY = 20 * 1024

KINDS_OF_HTTP = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.BUSY,  # "Parallel processing is not allowed": the page Before You Begin
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    413: Kind.TOO_LARGE,
}
# The table Error Code and Descriptions; codes that no table explains are failures of the device.
KINDS_OF_STATUS = {
    "4000": (Kind.INVALID, "invalid input parameters"),
    "4001": (Kind.BUSY, "device busy"),
    "4002": (Kind.PRECONDITION, "line not registered"),
    "4003": (Kind.CONFLICT, "operation not allowed"),
    "4004": (Kind.UNSUPPORTED, "operation not supported"),
    "4005": (Kind.NOT_FOUND, "line does not exist"),
    "4006": (Kind.PRECONDITION, "URLs not configured"),
    "4007": (Kind.NOT_FOUND, "call does not exist"),
    "4008": (Kind.DEVICE_FAILED, "configuration export failed"),
    "4009": (Kind.TOO_LARGE, "input size limit exceeded"),
    "4010": (Kind.PRECONDITION, "its administrator's password is still the default one"),
    "5000": (Kind.DEVICE_FAILED, "failed to process the request"),
}


class PolyHttp(Driver):
    """The base of the driver."""

    _transport: Transport
    typed = True

    def _get(self, path: str) -> dict[str, Any]:
        data = self._ask("GET", path)
        if not isinstance(data, dict):
            raise DeviceError(Kind.PROTOCOL, "The phone's answer cannot be read: its data is no object.")
        return data

    def _get_list(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        data = self._ask("GET", path, query)
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise DeviceError(Kind.PROTOCOL, "The phone's answer cannot be read: its data is no list.")
        return data

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None) -> Any:
        for tries in (1, 2):
            answer = self._transport.read(path, query=query, seconds=QUICK)
            try:
                return self._read(answer)
            except DeviceError as error:
                if error.kind is not Kind.PROTOCOL or tries == 2:
                    raise
        raise AssertionError

    def _do(self, path: str, body: Any = None, *, seconds: float = QUICK, changes: bool = True) -> Any:
        """POST: the content type is JSON also where there is no body, or the phone answers 400."""
        content = b"" if body is None else _encoded(body)
        if len(content) > MAX_BODY:
            raise DeviceError(Kind.TOO_LARGE, "The phone takes 20 KB at most; nothing was sent.")
        answer = self._transport.write(
            "POST", path, content=content, content_type="application/json", seconds=seconds, changes=changes
        )
        try:
            return self._read(answer)
        except DeviceError as error:
            error.sent = changes and error.status is None  # unreadable, though it was taken
            raise

    def check_answer(self, answer: Answer) -> None:
        self._read(answer)

    def _read(self, answer: Answer) -> Any:
        """The data of an answer. The `Status` of its body counts before that of HTTP."""
        body = _json(answer)
        status = str(body.get("Status", "")) if isinstance(body, dict) else ""
        if answer.status == 200 and status == "2000":
            return body.get("data")
        if status and status != "2000":
            kind, text = KINDS_OF_STATUS.get(
                status, (Kind.DEVICE_FAILED, "a code that the manual does not explain")
            )
            code = int(status) if status.isdigit() and len(status) < 8 else answer.status
            raise DeviceError(kind, f"The phone answers {status[:8]}: {text}.", status=code)
        if answer.status == 200:
            raise DeviceError(Kind.PROTOCOL, "The phone's answer cannot be read: it tells no Status.")
        kind = KINDS_OF_HTTP.get(answer.status, Kind.DEVICE_FAILED if answer.status >= 500 else Kind.PROTOCOL)
        raise DeviceError(kind, f"The phone answers {answer.status}.", status=answer.status)


def _json(answer: Answer) -> Any:
    if len(answer.content) > MAX_JSON:
        return None
    try:
        return json.loads(answer.content)
    except ValueError:
        return None


def _encoded(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def check_size(body: Any, argument: str = "") -> None:
    """Raises DeviceError if the phone would answer 413; `argument` is what the body is made of."""
    if len(_encoded(body)) > MAX_BODY:
        raise DeviceError(Kind.TOO_LARGE, "The phone takes 20 KB at most in one call.", argument=argument)
