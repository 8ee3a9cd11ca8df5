"""The pages of errors under /admin/, and of a form without its CSRF token: without database and session."""

import sys
from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django_guid import get_guid

from redirect.db.failures import is_in_doubt, is_unavailable
from redirect.db.transactions import lost_race
from redirect.errors import IN_DOUBT

RETRY_AFTER = 5  # seconds


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refuses before any view."""
    return page(400, "Bad request", "The address or the form is not one that this service understands.")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page that the role of the user does not allow."""
    return page(403, "Not allowed", "Your role does not allow this. A platform operator can change that.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was opened before the login, or in a browser that refuses cookies."""
    told = (
        "The form was too old, or the browser did not send the cookie of this service. Nothing was changed. "
        "Go back, reload the page and send the form again."
    )
    return page(403, "The form was not accepted", told)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address under /admin/ that is none, or whose row was deleted."""
    return page(404, "Not found", "There is no such page, or what it showed was deleted.")


def handler500(request: HttpRequest) -> HttpResponse:
    """A lost race, a database that is away, or a bug: the log has its trace under the request's id."""
    error = sys.exc_info()[1]
    if isinstance(error, IntegrityError) or (isinstance(error, DatabaseError) and lost_race(error)):
        return page(409, "Changed by another request", "Nothing was changed here. Go back and try again.")
    if isinstance(error, DatabaseError | InterfaceError) and is_unavailable(error):
        told = "The database does not answer. Try again in some seconds."
        if is_in_doubt(error):
            told = f"{IN_DOUBT} The database did not confirm it."
        return page(503, "Temporarily unavailable", told, {"Retry-After": str(RETRY_AFTER)})
    told = "This is a fault of the service. Tell the platform operator the request id, the time, and what you did."
    return page(500, "Internal error", told)


def page(status: int, title: str, told: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """A page that says what is wrong, with the request's id and a way back."""
    context: dict[str, Any] = {"status": status, "title": title, "told": told, "request_id": get_guid()}
    return HttpResponse(render_to_string("desk/error.html", context), status=status, headers=headers)
