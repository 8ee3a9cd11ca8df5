"""What is asked for by a machine's own address, as Prometheus and load balancers do: served for any Host."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

PATHS = ("/healthz", "/readyz", "/metrics")


class AnyHostMiddleware:
    """Answers these before a middleware looks at the Host; no link or cookie is made of it there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in PATHS:
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request)
        return response
