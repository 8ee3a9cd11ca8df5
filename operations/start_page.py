"""GET /: what this address is, and where its pages are; as JSON for a client that asks for JSON."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from operations.health import only_safe


@only_safe
def page(request: HttpRequest) -> HttpResponse:
    """The links, as a page or as `{"description": …, "links": [{"title": …, "url": …}]}`."""
    links = [
        {"title": "Support desk", "url": reverse("admin:index")},
        {"title": "Documentation of the API", "url": reverse("docs")},
        {"title": "OpenAPI document", "url": reverse("schema")},
        {"title": "State of the service", "url": reverse("readyz")},
    ]
    wanted = request.get_preferred_type(["text/html", "application/json"])
    if wanted == "application/json":
        response: HttpResponse = JsonResponse({"description": "Redirect Service", "links": links})
    else:
        response = render(request, "desk/start.html", {"title": "Redirect Service", "links": links})
    patch_vary_headers(response, ["Accept"])
    return response
