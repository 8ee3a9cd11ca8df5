"""API keys: make one, and find the one that a caller shows.

The form is that of GitHub's tokens: a prefix that secret scanners can look for, 256 random bits in base 62, and a
checksum (CRC-32) by which a scanner, and this service before it asks the database, knows a key from a word.
"""

import hmac
import logging
import re
import secrets
import string
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from zlib import crc32

from django.conf import settings
from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from redirect.db.time import now
from redirect.http.client_address import parse_address

logger = logging.getLogger(__name__)

PREFIX = "prsk_"
PATTERN = rf"{PREFIX}[0-9A-Za-z]{{49}}"
HINT = len(PREFIX) + 4

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_DIGITS = 43  # of base 62, for 256 bits
CHECKSUM_DIGITS = 6

USE_IS_NOTED_AFTER = timedelta(minutes=1)


def new_secret() -> str:
    """A new key, to be shown once."""
    random = _base62(secrets.randbits(256), RANDOM_DIGITS)
    return PREFIX + random + _checksum(random)


def digest_of(secret: str) -> str:
    """What is kept of a key. One fast hash is enough, as there are too many keys to try; it is keyed, so that
    the table alone does not tell whether a text is a key.
    """
    return hmac.digest(settings.JWT_SIGNING_KEY.encode(), b"api key " + secret.encode(), "sha256").hex()


def is_key(text: str) -> bool:
    """Whether this text has the form of a key, checksum and all."""
    if not re.fullmatch(PATTERN, text):
        return False
    random = text[len(PREFIX) : -CHECKSUM_DIGITS]
    return text.endswith(_checksum(random))


def living_key(secret: str, address: str) -> ApiKey | None:
    """The key of this secret, with its group, used from this address; None where it must not be accepted.

    Asks the database each time, so that a key that was deleted is refused at once by every process.
    """
    if not is_key(secret):
        return None
    key = ApiKey.objects.select_related("group").filter(digest=digest_of(secret)).first()
    if key is None or (key.expires_at is not None and key.expires_at <= timezone.now()):
        return None
    if key.allowed_networks is not None and not _is_within(address, key.allowed_networks):
        return None
    _note_use(key, address)
    return key


def network_of(text: str) -> str:
    """A network or address in its one spelling: `192.0.2.0/24`, `2001:db8::/32`.

    Raises ValueError with a sentence for what is none, and for one with bits behind its prefix.
    """
    try:
        sent = ip_interface(text) if "%" not in text and len(text) <= 50 else None
    except ValueError:
        sent = None
    if sent is None:
        raise ValueError("Must be a network such as 192.0.2.0/24 or 2001:db8::/32, or an address.")
    if isinstance(sent, IPv6Interface) and sent.ipv4_mapped:
        raise ValueError("Must be written as an IPv4 network or address.")
    if sent.ip != sent.network.network_address:
        raise ValueError(f"Must have no bits set behind its prefix: the network is {sent.network}.")
    return str(sent.network)


def _is_within(address: str, networks: Iterable[str]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in _network(text) for text in networks)


@lru_cache(maxsize=10_000)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _note_use(key: ApiKey, address: str) -> None:
    """Keep when and from where the key was used, at most once a minute: a busy key must not write each time."""
    moment = now()
    if key.last_used is not None and key.last_used > moment - USE_IS_NOTED_AFTER:
        return
    stale = Q(last_used=None) | Q(last_used__lte=moment - USE_IS_NOTED_AFTER)
    parsed = parse_address(address)
    try:
        ApiKey.objects.filter(stale, pk=key.pk).update(
            last_used=moment, last_address=str(parsed).partition("%")[0] if parsed else None
        )
    except OperationalError as error:  # a note is no reason to refuse the request
        logger.warning("The use of API key %s was not noted: %s", key.pk, error)


def _checksum(random: str) -> str:
    return _base62(crc32(random.encode()), CHECKSUM_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text
