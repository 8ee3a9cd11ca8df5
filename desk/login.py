"""The forms by which support staff log in and change their own password, where the API does."""

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.core.exceptions import ValidationError
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts.login import PasswordChangeRequired, change_password, log_in
from accounts.models import User
from accounts.passwords import PasswordNotAllowed
from redirect.errors import ApiError, TooManyAttempts


def refusal(error: ApiError) -> ValidationError:
    """Why accounts/login.py refused, as the sentence that a form shows."""
    match error:
        case TooManyAttempts():
            return ValidationError(f"There were too many attempts. Try again in {error.retry_after} seconds.")
        case PasswordNotAllowed():
            return ValidationError(error.reasons[0])
        case _:
            return ValidationError(str(error))


def field_of(error: ApiError, otherwise: str | None = "old_password") -> str | None:
    """The field of a password form that the refusal is about; None: the form as a whole."""
    return "new_password1" if isinstance(error, PasswordNotAllowed) else otherwise


class LoginForm(AuthenticationForm):
    """Logs in where the API does: the same check, counted once for each attempt.

    `change_due` is true for staff whose password is right but must be changed first.
    """

    change_due = False

    def clean(self) -> dict[str, Any]:
        login, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if login and password:
            assert self.request is not None
            try:
                address = self.request.META["REMOTE_ADDR"]
                self.user_cache = log_in(login, password, address, code_follows=True)
            except ApiError as error:
                if isinstance(error, PasswordChangeRequired):
                    self.confirm_login_allowed(User.objects.get_by_natural_key(login))
                    self.change_due = True
                raise refusal(error) from error
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        """Only staff; tenants have the API."""
        if not user.is_staff:
            raise ValidationError("This page is for support staff, and this user is not one of them.")


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Changes the password where the API does: a wrong old one is counted, and all tokens end."""

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        self.address = address
        super().__init__(*args, **kwargs)

    def clean_old_password(self) -> str:
        """Left to `clean`, which counts."""
        return str(self.cleaned_data["old_password"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                change_password(
                    self.user.get_username(), cleaned["old_password"], cleaned["new_password1"], self.address
                )
            except ApiError as error:
                self.add_error(field_of(error), refusal(error))
            self.user.refresh_from_db()
        return cleaned

    def save(self, commit: bool = True) -> Any:
        """It is saved already."""
        return self.user


def login_field() -> forms.CharField:
    """The login of a user who has no session yet."""
    attributes = {"autocomplete": "username", "autocapitalize": "none"}
    return forms.CharField(label="Login", max_length=150, widget=UnfoldAdminTextInputWidget(attrs=attributes))


class NewPasswordForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]
    """A new password, typed twice, of a user who has no session: `change` says how it is set."""

    new_password1, new_password2 = SetPasswordMixin.create_password_fields("New password", "New password again")

    refused_in: str | None = None
    """The field that a refusal is about, unless it is the new password."""

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        self.address = address
        super().__init__(*args, **kwargs)
        for name in "new_password1", "new_password2":
            self.fields[name].widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})

    def change(self, cleaned: dict[str, Any]) -> None:
        """Set the password; raises ApiError."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("new_password1", "new_password2")
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                self.change(cleaned)
            except ApiError as error:
                self.add_error(field_of(error, self.refused_in), refusal(error))
        return cleaned


class DuePasswordForm(NewPasswordForm):
    """Changes a password that must be changed before its user is let in, where the API does.

    The old password is checked here, and a wrong one is counted, once.
    """

    username = login_field()
    old_password = forms.CharField(
        strip=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"})
    )

    refused_in = "old_password"

    def change(self, cleaned: dict[str, Any]) -> None:
        login, old, new = cleaned["username"], cleaned["old_password"], cleaned["new_password1"]
        change_password(login, old, new, self.address)
        self.user = User.objects.get_by_natural_key(login)
