"""How the API learns who calls. Source: manual 1.1; RFC 6750."""

from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken

from accounts import keys
from accounts.models import ApiKey, TokenFamily, User
from api.tokens import UNREADABLE, living_family
from audit import context


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token or API key>`; the scheme in any case (RFC 9110)."""

    def authenticate(self, request: Request) -> tuple[User, TokenFamily | ApiKey] | None:  # type: ignore[override]
        """The caller, and the token's family or the key; None without a bearer token; raises InvalidToken."""
        scheme, _, raw = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        caller, proof = self._caller(raw.strip(), request.META["REMOTE_ADDR"])
        context.act_as(caller)
        return caller, proof

    def _caller(self, text: str, address: str) -> tuple[User, TokenFamily | ApiKey]:
        if text.startswith(keys.PREFIX):
            key = keys.living_key(text, address)
            if key is None:
                raise InvalidToken
            return key.caller, key
        try:
            token = AccessToken(text.encode("latin-1"))  # type: ignore[arg-type]
        except UNREADABLE as error:
            raise InvalidToken from error
        family = living_family(token)
        return family.user, family
