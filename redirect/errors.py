"""What every refusal of this service looks like: a status and a sentence for a person.

The functions are the ready sentences. What a caller catches is a class of its own: here, or beside the code that
raises it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redirect.http.rate_limit import Quota

ERRORS_SHOWN = 20
IN_DOUBT = "It is not known whether the change was made: look before you try again."


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one attribute: `field` is its path on the wire, like `macList[3]`."""

    field: str
    description: str


class ApiError(Exception):
    """Raise to answer with `status` and `{"description": description}`.

    `errors` adds the attributes at fault, of which at most 20 are shown; `headers` are HTTP headers;
    any other keyword becomes an attribute of the body (the login's `forceChangePasswordNextLogin`).
    `str(error)` is the description. Source: contract of the error body, manual chapter 13.
    """

    def __init__(
        self,
        status: int,
        description: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.headers = headers or {}
        self.body = error_body(description, errors, **extra)


def error_body(description: str, errors: Iterable[FieldError] = (), **extra: Any) -> dict[str, Any]:
    """The JSON object of an error answer."""
    body: dict[str, Any] = {"description": description, **extra}
    shown = [{"field": e.field, "description": e.description} for e in errors][:ERRORS_SHOWN]
    if shown:
        body["errors"] = shown
    return body


def bad_request(description: str, errors: Iterable[FieldError] = ()) -> ApiError:
    """400: the request is not well formed."""
    return ApiError(400, description, errors=errors)


def bad_attribute(field: str, description: str) -> ApiError:
    """400 for one attribute of the body."""
    return bad_request(f"{field}: {description}", [FieldError(field, description)])


def forbidden(description: str = "Your permission level does not allow this.") -> ApiError:
    """403: the caller is known, and may not."""
    return ApiError(403, description)


def not_found() -> ApiError:
    """404, in the same words for what does not exist and for what another tenant owns."""
    return ApiError(404, "Not found.")


class Conflict(ApiError):
    """409: well formed and allowed, but the state of the data stands against it."""

    def __init__(self, description: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(409, description, errors=errors)


class ChangedMeanwhile(Conflict):
    """409: lost to another request; the same may succeed when it is tried again."""

    def __init__(self) -> None:
        super().__init__("Changed by another request, try again.")


class TooManyAttempts(ApiError):
    """429, with the seconds to wait, and the limit where the caller is told of it."""

    def __init__(self, retry_after: int, quota: Quota | None = None) -> None:
        self.retry_after = max(1, retry_after)
        headers = {"Retry-After": str(self.retry_after), **(quota.headers if quota else {})}
        super().__init__(429, "Too many requests.", headers=headers)


def unavailable(retry_after: int = 5, *, in_doubt: bool = False) -> ApiError:
    """503: the database is away or too slow; `in_doubt` if the change may have been made all the same."""
    description = IN_DOUBT if in_doubt else "Temporarily unavailable, try again."
    return ApiError(503, description, headers={"Retry-After": str(retry_after)})
