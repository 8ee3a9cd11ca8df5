"""Says whose request the writes of a view are; behind redirect/http/client_address.py, which knows the address."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import context


class AuditMiddleware:
    """Opens the context of the request, and closes it whatever happens."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with context.of_request(request):
            return self.get_response(request)
