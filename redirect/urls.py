"""Every address, by face. Phones are answered before this: see boot/app.py."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView

from api import exceptions
from api.urls import uploads
from desk import error_pages
from operations import health, metrics, start_page


def by_face(name: str) -> Callable[..., HttpResponse]:
    """A handler of Django's for errors: a page under /admin/, JSON everywhere else."""

    def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        face: Any = error_pages if request.path_info.startswith("/admin/") else exceptions
        response: HttpResponse = getattr(face, name)(request, *args, **kwargs)
        # CommonMiddleware, which sets it, is itself where a Host is refused; a client of HTTP/1.0 knows no chunks.
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return handler


handler400, handler403 = by_face("handler400"), by_face("handler403")
handler404, handler500 = by_face("handler404"), by_face("handler500")

urlpatterns = [
    path("", start_page.page),
    path("api/v1/", include("api.urls")),
    *uploads(),
    path("healthz", health.healthz),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]
