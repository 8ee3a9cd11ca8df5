"""The door of the admin: who may come in, when the password was right, and the pages of the second factor.

Until all that is asked for was given, there is no login: the session only remembers for some minutes whose
password was right. Every way to log in ends in `let_in`.
"""

from time import time
from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts import second_factors
from accounts.login import check_code, log_in
from accounts.models import RecoveryCode, User
from accounts.sessions import end_sessions, reset_second_factor
from audit import context
from desk.login import refusal
from redirect.errors import ApiError

PENDING, PASSED, ADDING = "staff_pending", "staff_second_factor", "staff_adding"
PENDING_FOR = 10 * 60  # seconds
ISSUER = "Redirect Service"

sensitive = method_decorator([sensitive_post_parameters(), never_cache])


# --- The door -------------------------------------------------------------------------------------------------


def is_required() -> bool:
    """Whether all staff must have a second factor."""
    return bool(settings.STAFF_SECOND_FACTOR == "required")


def is_enough(request: HttpRequest) -> bool:
    """Whether this session may see pages of the admin, as far as the second factor is concerned."""
    return not is_required() or bool(request.session.get(PASSED))


def let_in(request: HttpRequest, user: User, goal: str, *, passed: bool = False) -> HttpResponse:
    """Log in a member of staff whose password was right, and go on to `goal`; or ask first for what is missing.

    `passed` says that the second factor was shown as well.
    """
    has_one = second_factors.of(user) is not None
    if not passed and (has_one or is_required()):
        request.session.flush()  # of whoever was here before
        kept = {"user": user.pk, "hash": user.get_session_auth_hash(), "at": time(), "goal": goal}
        request.session[PENDING] = kept
        return HttpResponseRedirect(reverse(f"admin:second_factor_{'code' if has_one else 'add'}"))
    request.session.pop(PENDING, None)
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    if passed:
        request.session[PASSED] = True
    return HttpResponseRedirect(goal)


def _pending(request: HttpRequest) -> tuple[User, str] | None:
    """Whose password was right in this session a moment ago, and where the user wants to go."""
    kept = request.session.get(PENDING)
    if not kept or time() - kept["at"] > PENDING_FOR:
        return None
    user = User.objects.get_queryset().filter(pk=kept["user"], is_active=True, is_staff=True).first()
    if user is None or user.get_session_auth_hash() != kept["hash"]:  # a new password since
        return None
    context.act_as(user)
    return user, kept["goal"]


def _logged_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _to_the_door(request: HttpRequest) -> HttpResponse:
    if PENDING in request.session:
        del request.session[PENDING]
        messages.info(request, "That took too long, or your account was changed. Log in again.")
    return HttpResponseRedirect(reverse("admin:login"))


# --- Forms ----------------------------------------------------------------------------------------------------


class CodeForm(forms.Form):
    """A code of the app, or a recovery code, of this user; it is used up. Wrong ones count as failed logins."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, request: HttpRequest, user: Any, completes_login: bool, **kwargs: Any) -> None:
        self.user, self.address, self.completes_login = user, request.META["REMOTE_ADDR"], completes_login
        super().__init__(*args, **kwargs)

    def clean_code(self) -> str:
        """Asks accounts/login.py, once for each attempt."""
        code = str(self.cleaned_data["code"])
        try:
            check_code(self.user, code, self.address, completes_login=self.completes_login)
        except ApiError as error:
            raise refusal(error) from error
        return code

    @property
    def was_recovery_code(self) -> bool:
        """Whether the code that was accepted was none of the app."""
        return len(second_factors.plain(self.cleaned_data["code"])) != second_factors.DIGITS


class AddForm(forms.Form):
    """The first code of a new app; and, of a user who has been logged in for a while, the password."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=128,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label="The code that the app shows",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(
        self, *args: Any, request: HttpRequest, user: Any, secret: bytes, ask_password: bool, **kwargs: Any
    ) -> None:
        self.user, self.secret, self.address = user, secret, request.META["REMOTE_ADDR"]
        self.recovery_codes: list[str] = []
        super().__init__(*args, **kwargs)
        if not ask_password:
            del self.fields["password"]

    def clean_password(self) -> str:
        """A wrong one is counted where all are."""
        password = str(self.cleaned_data["password"])
        try:
            log_in(self.user.get_username(), password, self.address)
        except ApiError as error:
            raise refusal(error) from error
        return password

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            codes = second_factors.add(self.user, self.secret, self.cleaned_data["code"])
            if codes is None:
                told = "This is not the code that the app shows now. Is the clock of the phone right?"
                self.add_error("code", ValidationError(told))
            self.recovery_codes = codes or []
        return self.cleaned_data


# --- Pages ----------------------------------------------------------------------------------------------------


class SecondFactorPages:
    """The pages of the second factor, for the admin's site."""

    each_context: Any
    has_permission: Any

    @sensitive
    def second_factor_code(self, request: HttpRequest) -> HttpResponse:
        """GET and POST …/second_factor/code/: the second step of a login."""
        pending = _pending(request)
        if pending is None:
            return _to_the_door(request)
        user, goal = pending
        form = CodeForm(request.POST or None, request=request, user=user, completes_login=True)
        if not form.is_valid():
            return self._page(request, "code", "Second step", form=form)
        answer = let_in(request, user, goal, passed=True)
        if form.was_recovery_code:
            left = RecoveryCode.objects.filter(factor=user.pk).count()
            messages.warning(request, f"That recovery code is used up. Recovery codes left: {left}.")
        return answer

    @sensitive
    def second_factor_add(self, request: HttpRequest) -> HttpResponse:
        """GET and POST …/second_factor/add/: by one who is logged in, or has to add one to be let in."""
        inside = self.has_permission(request)
        pending = None if inside else _pending(request)
        if not inside and pending is None:
            return _to_the_door(request)
        user, goal = pending or (_logged_in(request), reverse("admin:second_factor"))
        if second_factors.of(user):
            return HttpResponseRedirect(goal) if inside else _to_the_door(request)
        secret = self._secret_being_added(request)
        form = AddForm(request.POST or None, request=request, user=user, secret=secret, ask_password=inside)
        if not form.is_valid():
            picture = segno.make(second_factors.address_for_app(secret, user.get_username(), ISSUER), micro=False)
            return self._page(
                request,
                "add",
                "Add a second factor",
                form=form,
                picture=picture.svg_data_uri(scale=4, dark="black", light="white"),
                letters=_in_fours(second_factors.in_letters(secret)),
                must=is_required(),
            )
        del request.session[ADDING]
        if inside:
            request.session[PASSED] = True
            request.session.cycle_key()
        else:
            let_in(request, user, goal, passed=True)
        end_sessions([user.pk], but=request.session.session_key)
        return self._page(request, "codes", "Recovery codes", codes=form.recovery_codes, goal=goal, added=True)

    def _secret_being_added(self, request: HttpRequest) -> bytes:
        """The same one until it was added, so that a page that is loaded again fits what the app has."""
        try:
            return second_factors.decrypt(request.session[ADDING].encode())
        except (KeyError, second_factors.SecretUnreadable):
            secret = second_factors.new_secret()
            request.session[ADDING] = second_factors.encrypt(secret).decode()
            return secret

    @sensitive
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """GET and POST …/second_factor/: one's own: new recovery codes, or off where that is allowed."""
        user = _logged_in(request)
        factor = second_factors.of(user)
        if factor is None:
            return HttpResponseRedirect(reverse("admin:second_factor_add"))
        form = CodeForm(request.POST or None, request=request, user=user, completes_login=False)
        wanted = request.POST.get("do")
        allowed = wanted == "codes" or (wanted == "off" and not is_required())
        if allowed and form.is_valid():
            if wanted == "codes":
                codes = second_factors.renew_recovery_codes(user)
                goal = reverse("admin:second_factor")
                return self._page(request, "codes", "Recovery codes", codes=codes, goal=goal)
            reset_second_factor([factor.pk], but=request.session.session_key)
            request.session.pop(PASSED, None)
            messages.success(request, "Your second factor is off, and your other sessions were ended.")
            return HttpResponseRedirect(reverse("admin:index"))
        return self._page(
            request,
            "own",
            "Second factor",
            form=form,
            factor=factor,
            left=factor.recovery_codes.count(),
            must=is_required(),
        )

    def _page(self, request: HttpRequest, name: str, title: str, **more: Any) -> HttpResponse:
        context = {**self.each_context(request), "title": title, **more}
        return TemplateResponse(request, f"desk/second_factor_{name}.html", context)


def _in_fours(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
