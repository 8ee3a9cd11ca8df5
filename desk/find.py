"""One field that finds a phone, a group, a user or a location by whatever the caller has at hand."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse


def page(request: HttpRequest) -> HttpResponse:
    """GET /admin/find/?q=…"""
    context = {**admin.site.each_context(request), "title": "Find", "query": request.GET.get("q", "")}
    return TemplateResponse(request, "desk/find.html", context)
