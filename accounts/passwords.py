"""Passwords: which ones are good enough, and how they are hashed without slowing down the phones.

Source: contract section 4 (8 to 128 characters, not a common one, not the login, no composition rules).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import hashers, password_validation
from django.core.exceptions import ValidationError

from redirect.errors import ApiError, FieldError, TooManyAttempts
from redirect.http.rate_limit import Quota

MAX_LENGTH = 128
HASHES_AT_A_TIME = 1
WAITING_AT_MOST = 32
SECONDS_TO_WAIT = 3.0
COME_BACK_AFTER = 2


class Argon2(hashers.Argon2PasswordHasher):
    """Argon2id with 19 MiB, 2 passes, 1 lane (OWASP Password Storage Cheat Sheet).

    Django's defaults take 100 MiB and eight threads for each login in flight.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


class MaximumLengthValidator:
    """At most 128 characters, so that a request cannot make the service hash a long text."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > MAX_LENGTH:
            raise ValidationError(f"This password is too long. It must contain at most {MAX_LENGTH} characters.")

    def get_help_text(self) -> str:
        return f"Your password must contain at most {MAX_LENGTH} characters."


class NotTheLoginValidator:
    """The login, in any case, is the first thing that is tried."""

    def validate(self, password: str, user: Any = None) -> None:
        if user is not None and password.casefold() == user.login.casefold():
            raise ValidationError("The password must not be the login.")

    def get_help_text(self) -> str:
        return "Your password must not be your login."


class PasswordNotAllowed(ApiError):
    """400: a new password that the rules refuse. `reasons` are sentences."""

    def __init__(self, field: str, reasons: list[str]) -> None:
        self.reasons = reasons
        errors = [FieldError(field, reason) for reason in reasons]
        super().__init__(400, f"{field}: {reasons[0]}", errors=errors)


_hashing = threading.BoundedSemaphore(HASHES_AT_A_TIME)
_waiting = threading.BoundedSemaphore(WAITING_AT_MOST)


@contextmanager
def _turn_to_hash() -> Iterator[None]:
    """One hash at a time in this process: a flood of logins must not take the processor from the phones."""
    if not _waiting.acquire(blocking=False):
        raise _too_many()
    try:
        if not _hashing.acquire(timeout=SECONDS_TO_WAIT):
            raise _too_many()
        try:
            yield
        finally:
            _hashing.release()
    finally:
        _waiting.release()


def _too_many() -> TooManyAttempts:
    return TooManyAttempts(COME_BACK_AFTER, Quota("hashing", WAITING_AT_MOST, 0, COME_BACK_AFTER))


def matches(password: str, encoded: str | None) -> bool:
    """Whether the password is the hashed one; the same work where there is none. May raise TooManyAttempts."""
    with _turn_to_hash():
        if encoded is None:
            hashers.make_password(password)
            return False
        return hashers.check_password(password, encoded)


def hashed(password: str) -> str:
    """The password as it is stored. May raise TooManyAttempts."""
    with _turn_to_hash():
        return hashers.make_password(password)


def check_allowed(field: str, password: str, user: Any) -> None:
    """Raise PasswordNotAllowed naming `field` if the password is not good enough for the user."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise PasswordNotAllowed(field, error.messages) from error
