"""Tokens: issue, check, rotate and end them.

All tokens of one login form a family, a row in the database; they live as long as the row. Ending a login, or
all of a user's, is deleting rows. Source: manual 1.1 and chapter 2; contract section 4; RFC 6750, RFC 8725.
"""

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.login import LoginFailed
from accounts.models import TokenFamily, User
from audit.models import Event
from audit.recording import record
from redirect.db.time import now

FAMILY = "family"
REPEATED_WITHIN = timedelta(seconds=10)

# The library lets what the calendar says of an odd `exp` through; ValueError covers bad encodings.
UNREADABLE = (TokenError, ValueError, OverflowError, OSError)


class IdToken(Token):
    """Tells a user interface who logged in; opens nothing."""

    token_type = "id"  # noqa: S105
    lifetime = AccessToken.lifetime


def open_family(user: User) -> dict[str, Any]:
    """Start a login: the token attributes of the login answer.

    Raises LoginFailed if the user has another password by now than the one that was checked, or is gone.
    """
    family = TokenFamily(user=user, refresh_jti=uuid.uuid4().hex)
    tokens = _tokens(family, now())
    with transaction.atomic():
        same = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
        if same.select_for_update(no_key=True).values_list("pk").first() is None:
            raise LoginFailed
        user.token_families.filter(expires_at__lt=timezone.now()).delete()
        family.save(force_insert=True)
    return tokens


def rotate(refresh_token: str, client: str) -> tuple[User, dict[str, Any]]:
    """Spend a refresh token for new tokens; `client` is where it comes from, by address and program.

    A token that the same client has spent less than 10 s before is answered with the same tokens again: an answer
    was lost, or two workers of one program came together. Any other token that was spent before ends its family.
    Raises InvalidToken (401).
    """
    try:
        token = RefreshToken(refresh_token)  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise InvalidToken from error
    family = living_family(token)
    spent_by = sha256(client.encode()).hexdigest()
    family.refresh_jti = uuid.uuid4().hex
    family.spent_at = now()
    tokens = _tokens(family, family.spent_at)
    # The condition decides between two that come with the same token at the same time.
    unspent = TokenFamily.objects.filter(pk=family.pk, refresh_jti=token["jti"])
    if unspent.update(
        refresh_jti=family.refresh_jti,
        expires_at=family.expires_at,
        spent_jti=token["jti"],
        spent_at=family.spent_at,
        spent_by=spent_by,
    ):
        return family.user, tokens
    family = living_family(token)
    repeated = family.spent_jti == token["jti"] and family.spent_by == spent_by
    if repeated and family.spent_at and timezone.now() - family.spent_at <= REPEATED_WITHIN:
        return family.user, _tokens(family, family.spent_at)
    with transaction.atomic():
        if family.delete()[0]:
            record(Event.TOKENS_ENDED, family.user)
    raise InvalidToken


def _tokens(family: TokenFamily, issued: datetime) -> dict[str, Any]:
    """The tokens that a family has since this moment; notes in the family until when, unsaved.

    They follow from the row and the moment to the letter, so that they can be told again and need not be kept.
    """
    access, refresh, identity = AccessToken(), RefreshToken(), IdToken()
    for token in access, refresh, identity:
        token.set_iat(at_time=issued)
        token.set_exp(from_time=issued, lifetime=token.lifetime)
        token["jti"] = uuid.uuid5(uuid.UUID(family.refresh_jti), token.token_type).hex
        token["sub"] = str(family.user.pk)
        token[FAMILY] = str(family.pk)
    refresh["jti"] = family.refresh_jti
    identity["login"] = family.user.login
    family.expires_at = datetime.fromtimestamp(refresh["exp"], UTC)
    return {
        "access_token": str(access),
        "token_type": "Bearer",
        "expires_in": int(access.lifetime.total_seconds()),
        "refresh_token": str(refresh),
        "id_token": str(identity),
    }


def living_family(token: Token) -> TokenFamily:
    """The family of a token, with its user and group; raises InvalidToken if it has ended."""
    try:
        family_id = uuid.UUID(token.get(FAMILY))
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidToken from error
    families = TokenFamily.objects.select_related("user__group")
    family = families.filter(pk=family_id, expires_at__gt=timezone.now(), user__is_active=True).first()
    if family is None or str(family.user.pk) != token.get("sub"):
        raise InvalidToken
    return family
