"""Logging in: check a password, count failures, block, change a password.

The API and the admin use the same functions. Unknown login, wrong password and blocked user look the same
from outside, and cost the same: one hash and one committed write. Source: manual chapters 2 and 3; contract
section 4.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.http import HttpRequest
from prometheus_client import Counter

from accounts import passwords, second_factors
from accounts.models import KnownSource, LoginSource, LoginStatus, User, block_horizon
from accounts.sessions import end_tokens
from audit import context
from audit.models import HIDDEN, Event
from audit.recording import record, record_failed_login
from redirect.db.time import now
from redirect.errors import ApiError, TooManyAttempts
from redirect.http.client_address import source_of
from redirect.http.rate_limit import Quota
from redirect.metrics import begin_at_zero

logger = logging.getLogger(__name__)

LOGINS = Counter("redirect_logins", "Logins that succeeded, and that were refused, by API and admin", ["result"])
begin_at_zero(LOGINS, ("right", "failed", "limited"))

# A block holds for every source once a user has so many times the failures that block it.
SOURCES_UNTIL_CEILING = 10

Tell = Callable[[Quota], None]
MINUTE = 60


class LoginFailed(ApiError):
    """401, in the same words for an unknown login, a wrong password and a blocked user."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "Login failed: the login name or password is wrong, or the user is blocked.",
            headers={"WWW-Authenticate": "Bearer"},
            forceChangePasswordNextLogin=False,
        )


class CodeRefused(ApiError):
    """401: the code of a second factor was not accepted."""

    def __init__(self, told: str) -> None:
        super().__init__(401, told)


class PasswordChangeRequired(ApiError):
    """403: the password is right, and must be changed before it opens anything."""

    def __init__(self) -> None:
        super().__init__(403, "The password must be changed first.", forceChangePasswordNextLogin=True)


def log_in(
    login: str, password: str, address: str, tell: Tell | None = None, *, code_follows: bool = False
) -> User:
    """The user of this login and password, asked for from `address`; `tell` is given what its limit leaves.

    With `code_follows` the login of a user with a second factor is only complete, and its counters are only set
    to zero, by `check_code`.

    Raises TooManyAttempts for a source over its limit; LoginFailed if the login or password is wrong or the user
    is blocked; PasswordChangeRequired if the password is right but must be changed first.
    """
    user = _check(login, password, address, tell, code_follows=code_follows)
    if user.force_change_password:
        with transaction.atomic():
            _record(user, LoginStatus.FAIL)
            record_failed_login(user, User, "the password is right, and must be changed first")
        raise PasswordChangeRequired
    return user


def change_password(
    login: str, old_password: str, new_password: str, address: str, tell: Tell | None = None
) -> None:
    """Give the user a new password; ends all tokens. `tell` as for `log_in`.

    Raises as `log_in` does, and PasswordNotAllowed for a new password that is too weak or the old one.
    """
    user = _check(login, old_password, address, tell)
    context.act_as(user)
    if new_password == old_password:
        raise passwords.PasswordNotAllowed("newPassword", ["The new password must differ from the old one."])
    passwords.check_allowed("newPassword", new_password, user)
    encoded = passwords.hashed(new_password)
    with transaction.atomic():
        # The old hash in the condition: of two changes at once only one can have known the password.
        unchanged = User.objects.filter(pk=user.pk, password=user.password)
        if not unchanged.update(password=encoded, force_change_password=False):
            raise LoginFailed
        record(Event.PASSWORD_CHANGED, user, {"password": [HIDDEN, HIDDEN]})
        end_tokens([user.pk])
    logger.info("User %s has a new password", user.pk)


def check_code(user: User, code: str, address: str, *, completes_login: bool) -> None:
    """Accept a code of the user's second factor, asked for from `address`; it is then used up.

    Raises TooManyAttempts for a source over its limit; CodeRefused if the code is not accepted, which counts as a
    failed login; LoginFailed if the code completes a login and the user was blocked in between.
    """
    source = source_of(address)
    _admit(source, None)
    try:
        with transaction.atomic():
            second_factors.use(user, code)
            if completes_login and not _record_success(user, source):
                raise LoginFailed
    except second_factors.CodeWrong as error:
        told = str(error)
    except second_factors.SecretUnreadable as error:
        logger.error("User %s: %s", user.pk, error)
        told = "The service cannot check codes now. Tell the platform operator; a recovery code is accepted."
    except LoginFailed:
        told = ""
    else:
        if completes_login:
            LOGINS.labels("right").inc()
        return
    with transaction.atomic():
        second_factors.count_failure(user)
        _count_failure(user, source)
        record_failed_login(user, User, told or _why_refused(user, right=True))
    LOGINS.labels("failed").inc()
    logger.info("A code from %s was refused", address)
    raise CodeRefused(told) if told else LoginFailed


def log_in_by_provider(user: User, address: str, *, code_follows: bool) -> None:
    """Count the login of a user whom an OpenID provider has logged in; `code_follows` as for `log_in`.

    Raises TooManyAttempts for a source over its limit, and LoginFailed for a user who is blocked or not active.
    """
    source = source_of(address)
    _admit(source, None)
    complete = not (code_follows and second_factors.of(user))
    if user.is_active and _record_success(user, source, complete=complete):
        if complete:
            LOGINS.labels("right").inc()
        return
    with transaction.atomic():
        record_failed_login(user, User, "the user is blocked, or not active")
    LOGINS.labels("failed").inc()
    raise LoginFailed


def admit(address: str) -> None:
    """Count an attempt from `address` as those to log in are; raises TooManyAttempts for one too many."""
    _admit(source_of(address), None)


def _check(login: str, password: str, address: str, tell: Tell | None, *, code_follows: bool = False) -> User:
    source = source_of(address)
    _admit(source, tell)
    user = User.objects.get_queryset().named(login).select_related("group").first()
    if not connection.in_atomic_block:
        connection.close()  # back to the pool: a flood that waits for its turn to hash must not hold them all
    right = passwords.matches(password, user.password if user else None)
    if user is not None and right and user.is_active:
        complete = not (code_follows and second_factors.of(user))
        if _record_success(user, source, complete=complete):
            if complete:
                LOGINS.labels("right").inc()
            return user
    with transaction.atomic():
        if user is None:
            LoginSource.objects.filter(source=source).update(unknown_logins=F("unknown_logins") + 1)
        _count_failure(user, source)
        record_failed_login(user, User, _why_refused(user, right=right) if user else "")
    LOGINS.labels("failed").inc()
    logger.info("A login from %s failed", address)
    raise LoginFailed


def _why_refused(user: User, *, right: bool) -> str:
    if not user.is_active:
        return "the user is not active"
    if user.blocked_since:
        return f"the user is blocked; the password was {'right' if right else 'wrong'}"
    return "wrong password"


def _count_failure(user: User | None, source: str) -> None:
    if user is not None:
        _record_failure(user)
    # Also for an unknown login, so that it takes as long.
    of_source = KnownSource.objects.filter(user=user.pk if user else 0, source=source)
    of_source.update(failures=F("failures") + 1)


def _record(user: User, status: LoginStatus, **changes: Any) -> None:
    User.objects.filter(pk=user.pk).update(last_login=now(), last_login_status=status, **changes)


def _record_success(user: User, source: str, *, complete: bool = True) -> bool:
    """Reset the counter; False if a block or a new password came in between. Not complete: only the time is kept.

    A block by other sources does not refuse one where the user has logged in before and has not failed too often
    since: a stranger's guesses must not lock the user out. The block stays for the others, and the user's count of
    failures has a ceiling for all.
    """
    same = User.objects.filter(pk=user.pk, password=user.password)
    not_blocked = same.filter(Q(user_block_time=None) | Q(user_block_time__lte=block_horizon()))
    trusted = KnownSource.objects.filter(
        user=OuterRef("pk"), source=source, failures__lt=settings.LOGIN_FAILURES_UNTIL_BLOCK
    )
    ceiling = SOURCES_UNTIL_CEILING * settings.LOGIN_FAILURES_UNTIL_BLOCK
    success: dict[str, Any] = {"last_login": now()}
    if complete:
        success["last_login_status"] = LoginStatus.SUCCESS
    reset = success | ({"fail_login_attempts": 0, "user_block_time": None} if complete else {})
    with transaction.atomic():
        if not_blocked.update(**reset):
            written = reset
        elif same.filter(Exists(trusted), fail_login_attempts__lt=ceiling).update(**success):
            written = success
        else:
            return False
        if complete:
            _remember(user, source, success["last_login"])
    # Not read again: the caller goes on to compare the very hash that was checked.
    for name, value in written.items():
        setattr(user, name, value)
    return True


def _remember(user: User, source: str, moment: datetime) -> None:
    KnownSource.objects.bulk_create(
        [KnownSource(user=user, source=source, last_success=moment)],
        update_conflicts=True,
        unique_fields=["user", "source"],
        update_fields=["failures", "last_success"],
    )


def _record_failure(user: User) -> None:
    """Count a failure; the counting is the database's, so that none is lost among processes."""
    horizon = block_horizon()
    block_is_over = Q(user_block_time__lte=horizon)
    _record(
        user,
        LoginStatus.FAIL,
        fail_login_attempts=Case(When(block_is_over, then=1), default=F("fail_login_attempts") + 1),
        user_block_time=Case(
            When(user_block_time__gt=horizon, then=F("user_block_time")),  # guessing on does not prolong it
            When(block_is_over, then=Value(now()) if settings.LOGIN_FAILURES_UNTIL_BLOCK == 1 else None),
            When(fail_login_attempts__gte=settings.LOGIN_FAILURES_UNTIL_BLOCK - 1, then=Value(now())),
            default=None,
        ),
    )


def _admit(source: str, tell: Tell | None) -> None:
    """Count an attempt of this source; raises TooManyAttempts before any hashing if it had too many."""
    moment = int(time.time())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_loginsource (source, minute, attempts, unknown_logins) VALUES (%s, %s, 1, 0)
            ON CONFLICT (source) DO UPDATE SET
                attempts = CASE WHEN accounts_loginsource.minute = excluded.minute
                                THEN accounts_loginsource.attempts + 1 ELSE 1 END,
                minute = excluded.minute
            RETURNING attempts
            """,
            [source, moment // MINUTE],
        )
        (attempts,) = cursor.fetchone()
    limit, seconds = settings.LOGIN_LIMIT_PER_SOURCE, MINUTE - moment % MINUTE
    if not limit:
        return
    quota = Quota("login", limit, max(0, limit - attempts), seconds, MINUTE)
    if attempts > limit:
        logger.warning("Source %s is over its limit of logins", source)
        LOGINS.labels("limited").inc()
        raise TooManyAttempts(seconds, quota)
    if tell:
        tell(quota)


class LoginBackend(ModelBackend):
    """Django's own door, for the admin: the same check, the same counting."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user, or None."""
        if username is None or password is None:
            return None
        try:
            return log_in(username, password, request.META["REMOTE_ADDR"] if request else "")
        except ApiError:
            return None
