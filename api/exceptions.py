"""Every error on its way out becomes `{"description": …}`: ours, REST framework's, Django's and the database's.

Never HTML, SQL or the text of an exception. Source: contract section 2.
"""

import logging
import sys
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.db import DatabaseError, IntegrityError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions

from redirect.db.failures import is_in_doubt, is_unavailable
from redirect.db.transactions import lost_race
from redirect.errors import (
    ApiError,
    ChangedMeanwhile,
    FieldError,
    TooManyAttempts,
    bad_request,
    error_body,
    forbidden,
    not_found,
    unavailable,
)

logger = logging.getLogger(__name__)

JSON = "application/json"
NON_FIELD = "non_field_errors"  # what REST framework calls a fault of the body as a whole


def handle(exception: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """REST framework's hook: the answer to an exception, or None for a bug (Django then answers 500).

    Not rendered by the view, which may speak something else than JSON.
    """
    error = as_api_error(exception)
    if isinstance(exception, exceptions.UnsupportedMediaType):
        error = ApiError(415, f"Send the request body as {getattr(context['view'], 'media_type', JSON)}.")
    if error is None:
        return None
    return JsonResponse(error.body, status=error.status, headers=error.headers)


def as_api_error(exception: Exception) -> ApiError | None:
    """The refusal that an exception stands for; None if it stands for a bug."""
    match exception:
        case ApiError():
            return exception
        case exceptions.ValidationError():
            return _invalid(list(flatten(exception.detail)))
        case exceptions.NotAuthenticated():
            return _unauthorized("Authentication is required.")
        case exceptions.AuthenticationFailed():
            return _unauthorized("The token is not valid.")
        case exceptions.PermissionDenied() | PermissionDenied():
            return forbidden()
        case exceptions.NotFound() | Http404():
            return not_found()
        case exceptions.MethodNotAllowed():
            return ApiError(405, "Method not allowed.")  # the view has set Allow
        case exceptions.UnsupportedMediaType():
            return ApiError(415, f"Send the request body as {JSON}.")
        case exceptions.Throttled():
            return TooManyAttempts(1)
        case exceptions.APIException():
            return ApiError(exception.status_code, "The request could not be read.")
        case DatabaseError() | InterfaceError():
            return _database_error(exception)
        case _:
            return None


def _database_error(exception: Exception) -> ApiError | None:
    if isinstance(exception, IntegrityError) or lost_race(exception):
        logger.info("A request lost a race: %s", exception)
        return ChangedMeanwhile()
    if is_unavailable(exception):
        logger.error("The database is away or too slow: %s", exception)
        return unavailable(in_doubt=is_in_doubt(exception))
    return None


def _unauthorized(description: str) -> ApiError:
    return ApiError(401, description, headers={"WWW-Authenticate": "Bearer"})


def _invalid(errors: list[FieldError]) -> ApiError:
    first = errors[0]
    description = f"{first.field}: {first.description}" if first.field else first.description
    if len(errors) > 1:
        description += f" ({len(errors) - 1} more, see errors.)"
    return bad_request(description, [error for error in errors if error.field])


def flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """REST framework's nested details as a flat list with paths: {"macList": {3: [..]}} -> `macList[3]`."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = f"[{key}]" if isinstance(key, int) else key.replace(NON_FIELD, "")
            yield from flatten(inner, f"{path}{name}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from flatten(inner, path)
    else:
        yield FieldError(path, str(detail))


# --- Outside REST framework: Django's own handlers, named in redirect/urls.py --------------------------------


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refuses before any view."""
    if isinstance(exception, DisallowedHost):
        return JsonResponse(error_body("This host name is not served here."), status=400)
    return JsonResponse(error_body("Bad request."), status=400)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that the caller may not see."""
    return JsonResponse(forbidden().body, status=403)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that nothing answers."""
    return JsonResponse(not_found().body, status=404)


def handler500(request: HttpRequest) -> HttpResponse:
    """A database that is away, outside the API; or a bug: the log has its trace under the answer's request id."""
    exception = sys.exc_info()[1]
    error = as_api_error(exception) if isinstance(exception, DatabaseError | InterfaceError) else None
    error = error or ApiError(500, "Internal error.")
    return JsonResponse(error.body, status=error.status, headers=error.headers)
