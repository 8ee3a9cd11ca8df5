"""How long staff stay logged in: until the end of a shift, or until nobody has been there for a while."""

from collections.abc import Callable
from time import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

BEGAN, SEEN = "staff_began", "staff_seen"  # seconds since the epoch
SEEN_EVERY = 60  # seconds; a write for each page would be one too many

GetResponse = Callable[[HttpRequest], HttpResponse]


def begin(request: HttpRequest, **given: Any) -> None:
    """Note when a session began. Connected to each login (desk/apps.py)."""
    request.session[BEGAN] = request.session[SEEN] = time()


def end_old_sessions(get_response: GetResponse) -> GetResponse:
    """Middleware behind MessageMiddleware: logs out by STAFF_SESSION_HOURS and STAFF_SESSION_IDLE_MINUTES."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and settings.SESSION_COOKIE_NAME in request.COOKIES:
            _look_at(request)
        return get_response(request)

    return answer


def _look_at(request: HttpRequest) -> None:
    if not request.user.is_authenticated:
        return
    now = time()
    session = request.session
    began, seen = session.get(BEGAN, 0), session.get(SEEN, 0)
    if now - began > settings.STAFF_SESSION_HOURS * 3600:
        _end(request, "Your session has lasted as long as one may. Log in to go on.")
    elif now - seen > settings.STAFF_SESSION_IDLE_MINUTES * 60:
        _end(request, "You were logged out because nothing was done for a while. Log in to go on.")
    elif now - seen > SEEN_EVERY and "refresh" not in request.GET:  # a dashboard that reloads itself is no person
        session[SEEN] = now


def _end(request: HttpRequest, told: str) -> None:
    logout(request)
    messages.info(request, told)
