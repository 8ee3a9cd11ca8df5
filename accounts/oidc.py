"""Log in of staff by an OpenID provider: the authorization code flow, with PKCE, state and nonce.

Nothing of a provider is kept but to whom its subjects belong here; its configuration and keys are asked for at
each login, as there are few. Source: OpenID Connect Core 1.0, sections 3.1 and 5; OpenID Connect Discovery 1.0;
RFC 7636 (PKCE); RFC 9700.
"""

import base64
import hashlib
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
from django.conf import settings
from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts.models import StaffIdentity, User
from audit.models import Event
from audit.recording import record, record_failed_login

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
SCOPE = "openid email"
TIMEOUT = 5.0  # seconds, for each request
LEEWAY = 60  # seconds, between the provider's clock and ours
LARGEST = 1_000_000  # octets of an answer


class ProviderAway(Exception):
    """The provider does not answer, or not as the standard says. ``str()`` is for the log."""


class IdentityRefused(Exception):
    """The provider did not log this person in, or no account here is this person's. ``str()`` is for staff."""


@dataclass(frozen=True)
class Begun:
    """A login that was begun: kept in the session until the browser comes back."""

    state: str
    nonce: str
    verifier: str


def is_on() -> bool:
    """Whether a provider is configured."""
    return bool(settings.OIDC_ISSUER)


def begin(callback: str) -> tuple[str, Begun]:
    """Where the browser is sent, and what must fit when it comes back to `callback`; raises ProviderAway."""
    with make_client() as client:
        endpoint = _configuration(client)["authorization_endpoint"]
    begun = Begun(*(secrets.token_urlsafe(32) for _ in range(3)))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": settings.OIDC_CLIENT_ID,
        "redirect_uri": callback,
        "scope": SCOPE,
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", begun


def finish(begun: Begun, answer: dict[str, str], callback: str) -> User:
    """The member of staff whom the provider logged in, by the query that the browser came back with.

    Raises IdentityRefused, and ProviderAway.
    """
    if not constant_time_compare(answer.get("state", ""), begun.state):
        raise IdentityRefused("This login was not begun in this browser. Begin again.")
    if "error" in answer or not answer.get("code"):
        raise IdentityRefused("The provider did not log you in. Try again, or ask those who run it.")
    with make_client() as client:
        configuration = _configuration(client)
        token = _exchange(client, configuration, begun, answer["code"], callback)
        keys = _json(client.build_request("GET", configuration["jwks_uri"]), client)
        claims = _claims(str(token.get("id_token", "")), keys, configuration["issuer"], begun.nonce)
        user = _bound(configuration["issuer"], claims["sub"])
        if user is None and settings.OIDC_BIND_BY_EMAIL:
            if "email" not in claims:
                claims |= _user_info(client, configuration, token, claims["sub"])
            user = _bind_by_email(configuration["issuer"], claims)
    if user is None:
        with transaction.atomic():
            record_failed_login(None, User)
        raise IdentityRefused("No account of support staff here is yours. A platform operator can make one.")
    return user


def bind(user: User, issuer: str, subject: str) -> None:
    """From now on this subject of the provider is the user; an earlier one is not any more."""
    with transaction.atomic():
        StaffIdentity.objects.filter(user=user, issuer=issuer).delete()
        StaffIdentity.objects.create(user=user, issuer=issuer, subject=subject)
        record(Event.CHANGED, user, {"single_sign_on": [False, True]})


def unbind(user: User) -> bool:
    """No subject of a provider is the user any more; whether there was one."""
    with transaction.atomic():
        if not StaffIdentity.objects.filter(user=user).delete()[0]:
            return False
        record(Event.CHANGED, user, {"single_sign_on": [True, False]})
    return True


def make_client() -> "httpx.Client":
    """A client that keeps to the provider: no redirects."""
    import httpx  # a part of this process only where a provider is asked

    return httpx.Client(timeout=TIMEOUT, follow_redirects=False)


# --- The provider's answers -----------------------------------------------------------------------------------


def _json(request: "httpx.Request", client: "httpx.Client") -> dict[str, Any]:
    import httpx

    try:
        answer = client.send(request)
        content = answer.json() if len(answer.content) <= LARGEST else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProviderAway(f"{request.url.host}: {type(error).__name__}: {error}") from error
    if answer.status_code != 200 or not isinstance(content, dict):
        raise ProviderAway(f"{request.url.host}{request.url.path}: status {answer.status_code}, or no JSON object")
    return content


def _configuration(client: "httpx.Client") -> dict[str, Any]:
    url = f"{settings.OIDC_ISSUER}/.well-known/openid-configuration"
    found = _json(client.build_request("GET", url), client)
    if str(found.get("issuer", "")).rstrip("/") != settings.OIDC_ISSUER:
        raise ProviderAway(f"{url}: another issuer")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not str(found.get(name, "")).startswith("https://"):
            raise ProviderAway(f"{url}: {name} is no https address")
    return found


def _exchange(
    client: "httpx.Client", configuration: dict[str, Any], begun: Begun, code: str, callback: str
) -> dict[str, Any]:
    """The tokens for a code. A code that the provider refuses is the browser's fault, not the provider's."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": begun.verifier,
    }
    identity, secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
    headers = {}
    methods = configuration.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" in methods:
        pair = f"{quote(identity, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        form |= {"client_id": identity, "client_secret": secret}
    request = client.build_request("POST", configuration["token_endpoint"], data=form, headers=headers)
    return _json(request, client)


def _claims(token: str, keys: dict[str, Any], issuer: str, nonce: str) -> dict[str, Any]:
    """What a token says, once its signature, issuer, audience, times and nonce are right."""
    try:
        wanted = jwt.get_unverified_header(token).get("kid")
        known = [key for key in jwt.PyJWKSet.from_dict(keys).keys if key.public_key_use in (None, "sig")]
        fitting = [key for key in known if wanted is None or key.key_id == wanted]
        if len(fitting) != 1:  # several keys, and a token that names none: Core, section 10.1
            raise ProviderAway("the key of the token is not among the provider's")
        claims: dict[str, Any] = jwt.decode(
            token,
            fitting[0],
            algorithms=ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise ProviderAway(f"the token: {type(error).__name__}: {error}") from error
    if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
        raise ProviderAway("the token is for another client")
    if not constant_time_compare(str(claims.get("nonce", "")), nonce):
        raise ProviderAway("the token has another nonce")
    return claims


def _user_info(
    client: "httpx.Client", configuration: dict[str, Any], token: dict[str, Any], subject: str
) -> dict[str, Any]:
    """The address, from providers that do not put it into the token."""
    endpoint = str(configuration.get("userinfo_endpoint", ""))
    if not endpoint.startswith("https://"):
        return {}
    headers = {"Authorization": f"Bearer {token.get('access_token', '')}"}
    found = _json(client.build_request("GET", endpoint, headers=headers), client)
    if found.get("sub") != subject:
        return {}
    return {name: found[name] for name in ("email", "email_verified") if name in found}


# --- Whose it is ------------------------------------------------------------------------------------------------


def _bound(issuer: str, subject: str) -> User | None:
    found = StaffIdentity.objects.filter(issuer=issuer, subject=subject, user__is_staff=True)
    identity = found.select_related("user").first()
    return identity.user if identity else None


def _bind_by_email(issuer: str, claims: dict[str, Any]) -> User | None:
    """The one member of staff with the address that the provider has verified, if not bound to another subject."""
    address = claims.get("email")
    if not (isinstance(address, str) and address and claims.get("email_verified") is True):
        return None
    users = list(User.objects.get_queryset().filter(email__iexact=address, is_staff=True, is_active=True)[:2])
    if len(users) != 1 or StaffIdentity.objects.filter(user=users[0], issuer=issuer).exists():
        return None
    bind(users[0], issuer, claims["sub"])
    logger.info("User %s was bound to a subject of %s by its address", users[0].pk, issuer)
    return users[0]
