"""What a browser may run under /admin/: the scripts of its look evaluate expressions, and set styles in line."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse

ADMIN = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}

GetResponse = Callable[[HttpRequest], HttpResponse]


def relax_for_admin(get_response: GetResponse) -> GetResponse:
    """Middleware inside CSPMiddleware; everywhere else the strict policy stands."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path_info.startswith("/admin/"):
            response._csp_update = ADMIN  # type: ignore[attr-defined]
        return response

    return answer
