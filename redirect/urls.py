"""Every address, by face. Phones are answered before this: see boot/app.py."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from operations import health

handler400 = "api.exceptions.handler400"
handler403 = "api.exceptions.handler403"
handler404 = "api.exceptions.handler404"
handler500 = "api.exceptions.handler500"

urlpatterns = [
    path("api/v1/", include("api.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]
