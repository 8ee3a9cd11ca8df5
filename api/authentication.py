"""How the API learns who calls. Source: manual 1.1; RFC 6750."""

from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import TokenFamily, User
from api.tokens import UNREADABLE, living_family
from audit import context


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`; the scheme in any case (RFC 9110)."""

    def authenticate(self, request: Request) -> tuple[User, TokenFamily] | None:  # type: ignore[override]
        """The user and the family of the token; None without a bearer token; raises InvalidToken."""
        scheme, _, raw = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            token = AccessToken(raw.strip().encode("latin-1"))
        except UNREADABLE as error:
            raise InvalidToken from error
        family = living_family(token)
        context.act_as(family.user)
        return family.user, family
