"""The admin's site: its login, its own pages, its menu."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.sites import UnfoldAdminSite

from accounts import oidc
from desk import dashboard, forgotten
from desk import search as find
from desk.login import DuePasswordForm, LoginForm, OwnPasswordForm
from desk.second_factor import SecondFactorPages, is_enough, let_in
from desk.single_sign_on import SingleSignOnPages


class _LoginView(LoginView):
    """The login page, which leads to whatever else is asked before the login."""

    def form_valid(self, form: Any) -> HttpResponse:
        return let_in(self.request, form.get_user(), self.get_success_url())


class DeskSite(SecondFactorPages, forgotten.ForgottenPages, SingleSignOnPages, UnfoldAdminSite):
    """The admin site of support staff."""

    site_url = None  # the service has no other site
    login_form = LoginForm
    index_template = "desk/dashboard.html"

    def extra_urls(self) -> list[URLPattern]:
        """The pages that belong to no table."""
        return [
            path("find/", self.admin_view(find.page), name="find"),
            path("password_due/", self.password_due, name="password_due"),
            path("password_forgotten/", self.password_forgotten, name="password_forgotten"),
            path("password_new/", self.password_new, name="password_new"),
            path("single_sign_on/", self.single_sign_on, name="single_sign_on"),
            path("single_sign_on/back/", self.single_sign_on_back, name="single_sign_on_back"),
            path("second_factor/", self.admin_view(self.second_factor), name="second_factor"),
            path("second_factor/add/", self.second_factor_add, name="second_factor_add"),
            path("second_factor/code/", self.second_factor_code, name="second_factor_code"),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        """Only active staff, with the second factor where all must have one."""
        return bool(super().has_permission(request)) and is_enough(request)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The dashboard."""
        context = {"title": "Dashboard", **dashboard.content(request), **(extra_context or {})}
        return super().index(request, context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Unfold's own search knows the names of tables only; Find finds phones."""
        return HttpResponseRedirect(f"{reverse('admin:find')}?{urlencode({'q': request.GET.get('s', '')})}")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The login page; a user who must change the password first gets the page for that."""
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        context = {**self.each_context(request), "title": "Log in", "app_path": request.get_full_path()}
        context |= {"forgotten": forgotten.is_offered(), "provider": settings.OIDC_NAME if oidc.is_on() else ""}
        view = _LoginView.as_view(
            authentication_form=self.login_form,
            template_name="admin/login.html",
            extra_context=context | {"username": request.user.get_username()} | (extra_context or {}),
        )
        answer = view(request)
        form: Any = getattr(answer, "context_data", {}).get("form")
        if getattr(form, "change_due", False):
            known = {"username": form.cleaned_data["username"]}
            return self._ask_for_new_password(request, self._due_form(request, initial=known))
        return answer

    @method_decorator([sensitive_post_parameters(), never_cache])
    def password_due(self, request: HttpRequest) -> HttpResponse:
        """Old and new password, without a session: the session begins when the password is changed."""
        if request.method != "POST":
            return self._ask_for_new_password(request, self._due_form(request))
        form = self._due_form(request, request.POST)
        if not form.is_valid():
            return self._ask_for_new_password(request, form)
        if not form.user.is_staff:  # a tenant's user has its new password, but no access to the desk
            return HttpResponseRedirect(reverse("admin:login"))
        return let_in(request, form.user, reverse("admin:index"))

    def _due_form(self, request: HttpRequest, sent: Any = None, **more: Any) -> DuePasswordForm:
        return DuePasswordForm(sent, address=request.META["REMOTE_ADDR"], **more)

    def _ask_for_new_password(self, request: HttpRequest, form: DuePasswordForm) -> HttpResponse:
        context = {**self.each_context(request), "title": "Change your password", "form": form}
        return TemplateResponse(request, "desk/password_due.html", context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The page for the own password."""
        view = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, address=request.META["REMOTE_ADDR"]),
            success_url=reverse("admin:password_change_done"),
            extra_context=self.each_context(request) | (extra_context or {}),
        )
        return view(request)
