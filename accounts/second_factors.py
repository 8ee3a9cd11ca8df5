"""The second factor of staff: codes of an app on a phone, and recovery codes for the day when it is lost.

The secret of the app is kept encrypted, recovery codes as hashes. A code is accepted once, by whatever process:
the row of the factor is locked while one is checked. Source: RFC 6238 with what all apps know (SHA-1, 6 digits, 30
seconds); of the steps beside the present one, one either way is accepted (section 6).
"""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from time import time
from typing import ClassVar

from cryptography.fernet import InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.db import models, transaction
from django.utils.crypto import constant_time_compare

from audit.models import Event
from audit.recording import record
from redirect.db.time import now
from redirect.encryption import cipher

STEP, DIGITS = 30, 6
STEPS_BESIDE = 1
SECRET_LENGTH = 20  # octets; RFC 4226, section 4
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10  # octets: too many to try, so one fast hash is enough


class SecretUnreadable(Exception):
    """No key that is known decrypts the secret. ``str()`` is a sentence for the operator of the service."""

    def __init__(self) -> None:
        super().__init__(
            "The secret of a second factor was encrypted with a key that SECOND_FACTOR_KEYS (or SECRET_KEY) "
            "does not have any more."
        )


class SecondFactor(models.Model):
    """That a member of staff has an app for codes, and how its codes were used.

    `last_step` is the time step of the last code that was accepted; an earlier one is not accepted any more.
    `failures` are the wrong codes since; no code is accepted before `blocked_until`.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    secret = models.BinaryField()
    added_at = models.DateTimeField()
    last_step = models.BigIntegerField()
    failures = models.PositiveIntegerField(default=0)
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"second factor of {self.user}"


class RecoveryCode(models.Model):
    """A recovery code that was not used yet."""

    factor = models.ForeignKey(SecondFactor, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"{self.factor_id}: {self.digest[:8]}"


class CodeWrong(Exception):
    """The code is wrong, was used before, or comes too early after many wrong ones. ``str()`` is for staff."""


# --- Secrets ----------------------------------------------------------------------------------------------------


def new_secret() -> bytes:
    """A secret for an app."""
    return secrets.token_bytes(SECRET_LENGTH)


def in_letters(secret: bytes) -> str:
    """The secret in base32 without padding, as a person types it into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def address_for_app(secret: bytes, login: str, issuer: str) -> str:
    """The `otpauth://` address that a QR code tells an app."""
    return _totp(secret).get_provisioning_uri(login, issuer)


def encrypt(secret: bytes) -> bytes:
    """As a secret is kept."""
    return _cipher().encrypt(secret)


def decrypt(token: bytes | memoryview) -> bytes:
    """What `encrypt` was given; raises SecretUnreadable."""
    try:
        return _cipher().decrypt(bytes(token))
    except InvalidToken as error:
        raise SecretUnreadable from error


def _cipher() -> MultiFernet:
    return cipher("second factors", settings.SECOND_FACTOR_KEYS)


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 - what all apps know; HMAC does not need more


def step_of(secret: bytes, code: str, after: int = 0) -> int | None:
    """The time step, later than `after`, of which this is the code now; None if it is of none."""
    present = int(time()) // STEP
    for step in range(max(after + 1, present - STEPS_BESIDE), present + STEPS_BESIDE + 1):
        if constant_time_compare(_totp(secret).generate(step * STEP), code):
            return step
    return None


def plain(code: str) -> str:
    """A code as it is compared: without the spaces and dashes that people type."""
    return "".join(code.split()).replace("-", "").upper()


# --- What a member of staff has ---------------------------------------------------------------------------------


def of(user: models.Model) -> SecondFactor | None:
    """The user's second factor, if there is one."""
    return SecondFactor.objects.filter(pk=user.pk).first()


def has_failures(user: models.Model) -> bool:
    """Whether wrong codes were given since the last right one."""
    return SecondFactor.objects.filter(pk=user.pk, failures__gt=0).exists()


def add(user: models.Model, secret: bytes, code: str) -> list[str] | None:
    """Give the user a second factor, proven by a code of it: the recovery codes, to be shown once.

    None if the code is wrong, or the user has a factor already.
    """
    step = step_of(secret, plain(code))
    if step is None:
        return None
    with transaction.atomic():
        factor, made = SecondFactor.objects.get_or_create(
            pk=user.pk, defaults={"secret": encrypt(secret), "added_at": now(), "last_step": step}
        )
        if not made:
            return None
        record(Event.CHANGED, user, {"second_factor": [False, True]})
        return _give_recovery_codes(factor)


def renew_recovery_codes(user: models.Model) -> list[str]:
    """New recovery codes, to be shown once; the earlier ones are worth nothing from now on."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().get(pk=user.pk)
        left = factor.recovery_codes.count()
        record(Event.CHANGED, user, {"recovery_codes": [left, RECOVERY_CODES]})
        return _give_recovery_codes(factor)


def _give_recovery_codes(factor: SecondFactor) -> list[str]:
    codes = [in_letters(secrets.token_bytes(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=_digest(code)) for code in codes)
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


# --- Codes ------------------------------------------------------------------------------------------------------


def use(user: models.Model, code: str) -> None:
    """Accept a code of the app or a recovery code, which is then used up. In a transaction that commits.

    Raises CodeWrong, after which `count_failure` counts; and SecretUnreadable.
    """
    factor = SecondFactor.objects.select_for_update().filter(pk=user.pk).first()
    if factor is None:
        raise CodeWrong("This user has no second factor any more. Log in again.")
    if factor.blocked_until and factor.blocked_until > now():
        raise CodeWrong(_blocked(factor.blocked_until))
    code, changes = plain(code), {"failures": 0, "blocked_until": None}
    if len(code) == DIGITS and code.isascii() and code.isdigit():
        step = step_of(decrypt(factor.secret), code, factor.last_step)
        if step is None:
            raise CodeWrong("The code is wrong, too old, or was used before.")
        SecondFactor.objects.filter(pk=factor.pk).update(last_step=step, **changes)
        return
    left = factor.recovery_codes.count()
    if not factor.recovery_codes.filter(digest=_digest(code)).delete()[0]:
        raise CodeWrong("The code is wrong, or was used before.")
    SecondFactor.objects.filter(pk=factor.pk).update(**changes)
    record(Event.CHANGED, user, {"recovery_codes": [left, left - 1]})


def count_failure(user: models.Model) -> None:
    """Count a wrong code. After every so many, LOGIN_FAILURES_UNTIL_BLOCK, no code is accepted for a while: the
    first time LOGIN_BLOCK_MINUTES, then twice as long, three times… so that years of guessing come to little.

    The counter of failed logins cannot do this alone: a right password at the API sets it to zero.
    """
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(pk=user.pk).first()
        if factor is None or (factor.blocked_until and factor.blocked_until > now()):
            return  # guessing on does not prolong it
        factor.failures += 1
        times, rest = divmod(factor.failures, settings.LOGIN_FAILURES_UNTIL_BLOCK)
        if not rest:
            factor.blocked_until = now() + settings.LOGIN_BLOCK * times
        factor.save(update_fields=["failures", "blocked_until"])


def _blocked(until: datetime) -> str:
    minutes = -(-(until - now()) // timedelta(minutes=1))
    return f"There were too many wrong codes. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
