"""Links by which staff who forgot their password give themselves a new one: mailed, good once, for an hour.

Kept as hashes. A link is worth nothing any more once the password or the address is another one, or the user is
blocked, not active or not of the staff. Source: OWASP Forgot Password Cheat Sheet.
"""

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts import login, passwords
from accounts.models import PasswordLink, User
from accounts.sessions import end_tokens
from audit import context
from audit.models import HIDDEN, Event
from audit.recording import record
from redirect.db.time import now
from redirect.errors import ApiError

GOOD_FOR = timedelta(hours=1)
BETWEEN_TWO = timedelta(minutes=5)  # so that no mailbox is flooded
LENGTH = 32  # octets


class LinkRefused(ApiError):
    """400: the link was used, is too old, or never was one."""

    def __init__(self) -> None:
        super().__init__(400, "This link was used before, is too old, or is not complete. Ask for another one.")


def issue(user_id: int) -> tuple[User, str] | None:
    """The user and a new link, which replaces an earlier one.

    None for a user who gets none: without address or password, blocked, not active, not of the staff; and for one
    who was sent a link some minutes ago.
    """
    with transaction.atomic():
        user = _entitled(user_id)
        if user is None or PasswordLink.objects.filter(pk=user.pk, sent_at__gt=now() - BETWEEN_TWO).exists():
            return None
        secret = secrets.token_urlsafe(LENGTH)
        values = {"digest": _digest(secret, user), "sent_at": now()}
        PasswordLink.objects.update_or_create(pk=user.pk, defaults=values)
    return user, f"{user.pk}.{secret}"


def withdraw(user: User) -> None:
    """The mail could not be sent: the user may be sent another one at once."""
    PasswordLink.objects.filter(pk=user.pk).delete()


def use(link: str, new_password: str, address: str) -> None:
    """Give the user of this link a new password, asked for from `address`; ends all tokens and sessions.

    Raises TooManyAttempts for a source over its limit of logins; LinkRefused; PasswordNotAllowed for a password
    that is too weak or the old one, after which the link is still good.
    """
    login.admit(address)
    user_id, _, secret = link.partition(".")
    user = _entitled(int(user_id)) if user_id.isascii() and user_id.isdigit() and len(user_id) < 19 else None
    if user is None or not _is_good(user, secret):
        raise LinkRefused
    if passwords.matches(new_password, user.password):
        raise passwords.PasswordNotAllowed("newPassword", ["The new password must differ from the old one."])
    passwords.check_allowed("newPassword", new_password, user)
    encoded = passwords.hashed(new_password)
    context.act_as(user)
    with transaction.atomic():
        # Of two who use it at once, one deletes the row; and the user is looked at again.
        used = PasswordLink.objects.filter(pk=user.pk, digest=_digest(secret, user)).delete()[0]
        unchanged = User.objects.filter(pk=user.pk, password=user.password)
        if not (used and _entitled(user.pk) and unchanged.update(password=encoded, force_change_password=False)):
            raise LinkRefused
        record(Event.PASSWORD_CHANGED, user, {"password": [HIDDEN, HIDDEN]}, reason="a link that was mailed")
        end_tokens([user.pk])


def _entitled(user_id: int) -> User | None:
    user = User.objects.get_queryset().filter(pk=user_id, is_active=True, is_staff=True).first()
    if user is None or not user.email or not user.has_usable_password():
        return None
    return None if user.blocked_since else user


def _is_good(user: User, secret: str) -> bool:
    link = PasswordLink.objects.filter(pk=user.pk, sent_at__gt=now() - GOOD_FOR).first()
    return link is not None and constant_time_compare(link.digest, _digest(secret, user))


def _digest(secret: str, user: User) -> str:
    """One fast hash is enough, as there are too many links to try; another password or address makes another."""
    return hashlib.sha256(f"{secret} {user.email} {user.password}".encode()).hexdigest()
