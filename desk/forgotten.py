"""Forgotten passwords of staff: a link by mail, where mail is sent at all.

The answer is the same for each name and takes as long: the worker (`run_jobs`) looks who that is, and sends. The
secret of the link stands behind the `#` of its address, which no browser sends and so no log keeps.
"""

import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.mail import send_mail
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import password_links
from accounts.login import admit
from accounts.models import User
from desk.login import NewPasswordForm, login_field, refusal
from jobs import runner
from jobs.models import Job
from redirect.errors import ApiError

logger = logging.getLogger(__name__)

TEXT = """A new password for {login} was asked for, from the address {address}.

This link is good once, for an hour:

{link}

Was it not you? Then do nothing: your password stays as it is. If it happens again, tell the platform operator.
"""


def is_offered() -> bool:
    """Whether a link can be sent: there is mail, and a name of this service that no caller chooses."""
    return bool(settings.EMAIL_URL) and "*" not in settings.ALLOWED_HOSTS


def send(job: Job) -> None:
    """The work of a job: send a link to the user that it names, if it is one who gets links."""
    issued = password_links.issue(job.payload["user"])
    if issued is None:
        return
    user, link = issued
    text = TEXT.format(login=user.login, address=job.payload["address"], link=f"{job.payload['page']}#{link}")
    try:
        send_mail("A new password for the Redirect Service", text, None, [str(user.email)])
    except OSError as error:  # of which SMTPException is one
        password_links.withdraw(user)
        logger.warning("user %s: no mail with a link: %s", user.pk, error)
        raise runner.TryLater("The mail server did not take the message.") from error


class ForgottenForm(forms.Form):
    """Whose password was forgotten; counted as an attempt to log in."""

    username = login_field()

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        self.address = address
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                admit(self.address)
            except ApiError as error:
                raise refusal(error) from error
        return self.cleaned_data


class LinkForm(NewPasswordForm):
    """A new password by the link that the browser has in its address."""

    link = forms.CharField(max_length=100, widget=forms.HiddenInput, required=False)

    def change(self, cleaned: dict[str, Any]) -> None:
        password_links.use(cleaned["link"], cleaned["new_password1"], self.address)


class ForgottenPages:
    """The two pages of a forgotten password, for the admin's site."""

    each_context: Any

    @method_decorator(never_cache)
    def password_forgotten(self, request: HttpRequest) -> HttpResponse:
        """GET and POST …/password_forgotten/: ask for a link."""
        if not is_offered():
            raise Http404
        form = ForgottenForm(request.POST or None, address=request.META["REMOTE_ADDR"])
        asked = form.is_valid()
        if asked:
            user = User.objects.get_queryset().named(form.cleaned_data["username"]).first()
            page = request.build_absolute_uri(reverse("admin:password_new"))
            runner.enqueue(send, None, user=user.pk if user else 0, page=page, address=form.address)
        context = {**self.each_context(request), "title": "Forgotten password", "form": form, "asked": asked}
        return TemplateResponse(request, "desk/password_forgotten.html", context)

    @method_decorator([sensitive_post_parameters(), never_cache])
    def password_new(self, request: HttpRequest) -> HttpResponse:
        """GET and POST …/password_new/: use a link. The login comes after it, with all its steps."""
        if not is_offered():
            raise Http404
        form = LinkForm(request.POST or None, address=request.META["REMOTE_ADDR"])
        if form.is_valid():
            messages.success(request, "Your password was changed. Log in with it.")
            return HttpResponseRedirect(reverse("admin:login"))
        context = {**self.each_context(request), "title": "A new password", "form": form}
        return TemplateResponse(request, "desk/password_new.html", context)
