"""Log in by an OpenID provider: the way to it and back. What comes after is asked by desk/second_factor.py."""

import logging
from dataclasses import asdict
from time import time
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import oidc
from accounts.login import admit, log_in_by_provider
from audit import context
from desk import error_pages
from desk.login import refusal
from desk.second_factor import let_in
from redirect.errors import ApiError

logger = logging.getLogger(__name__)

BEGUN = "staff_single_sign_on"
BEGUN_FOR = 10 * 60  # seconds

page = method_decorator([never_cache, require_GET])


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("admin:single_sign_on_back"))


def _refused(told: str) -> HttpResponse:
    return error_pages.page(403, "Not logged in", told)


def _away(error: oidc.ProviderAway) -> HttpResponse:
    logger.warning("Single sign-on: %s", error)
    told = f"{settings.OIDC_NAME} does not answer as it should. Try again in a moment, or log in with a password."
    return error_pages.page(503, "Single sign-on is away", told)


class SingleSignOnPages:
    """The two addresses of single sign-on, for the admin's site; without a provider they are not there."""

    @page
    def single_sign_on(self, request: HttpRequest) -> HttpResponse:
        """GET …/single_sign_on/: to the provider."""
        if not oidc.is_on():
            raise Http404
        goal = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(goal, {request.get_host()}, require_https=request.is_secure()):
            goal = reverse("admin:index")
        try:
            admit(request.META["REMOTE_ADDR"])
            address, begun = oidc.begin(_callback(request))
        except ApiError as error:
            return _refused(refusal(error).messages[0])
        except oidc.ProviderAway as error:
            return _away(error)
        request.session[BEGUN] = {"begun": asdict(begun), "at": time(), "goal": goal}
        return HttpResponseRedirect(address)

    @page
    def single_sign_on_back(self, request: HttpRequest) -> HttpResponse:
        """GET …/single_sign_on/back/: from the provider, once for each way there."""
        if not oidc.is_on():
            raise Http404
        kept: Any = request.session.pop(BEGUN, None)
        if kept is None or time() - kept["at"] > BEGUN_FOR:
            return _refused("This login was not begun in this browser, or took too long. Begin again.")
        try:
            user = oidc.finish(oidc.Begun(**kept["begun"]), request.GET.dict(), _callback(request))
            context.act_as(user)
            trusted = settings.OIDC_SECOND_FACTOR_TRUSTED
            log_in_by_provider(user, request.META["REMOTE_ADDR"], code_follows=not trusted)
        except oidc.IdentityRefused as error:
            return _refused(str(error))
        except ApiError as error:
            return _refused(refusal(error).messages[0])
        except oidc.ProviderAway as error:
            return _away(error)
        return let_in(request, user, kept["goal"], passed=trusted)
