"""The admin's site: its login, its own pages, its menu."""

from functools import partial
from typing import Any

from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

from accounts.forms import LoginForm, OwnPasswordForm
from desk import dashboard, find


class DeskSite(UnfoldAdminSite):
    """Where support staff work."""

    site_url = None  # there is no site but this one
    login_form = LoginForm
    index_template = "desk/dashboard.html"

    def extra_urls(self) -> list[URLPattern]:
        """The pages that belong to no table."""
        return [path("find/", self.admin_view(find.page), name="find")]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The dashboard."""
        context = {"title": "Dashboard", **dashboard.content(request), **(extra_context or {})}
        return super().index(request, context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The look's own search knows the names of tables only; ours finds phones."""
        return HttpResponseRedirect(f"{reverse('admin:find')}?{urlencode({'q': request.GET.get('s', '')})}")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The page for one's own password."""
        view = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, address=request.META["REMOTE_ADDR"]),
            success_url=reverse("admin:password_change_done"),
            extra_context=self.each_context(request) | (extra_context or {}),
        )
        return view(request)
