"""The secret by which a receiver knows that a message is this service's: made, signed with, kept encrypted.

Source: Standard Webhooks, "Signature scheme" (symmetric), https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PREFIX = "whsec_"
LENGTH = 32  # octets


class SecretUnreadable(Exception):
    """The key that the secret was encrypted with is not known any more."""


def new() -> str:
    """A new secret, as receivers configure it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def sign(secret: str, key: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature` of a message."""
    signed = f"{key}.{timestamp}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def encrypt(secret: str) -> bytes:
    """As it is kept."""
    return _cipher(settings.SECRET_KEY, tuple(settings.WEBHOOK_KEYS)).encrypt(secret.encode())


def decrypt(token: bytes | memoryview) -> str:
    """What `encrypt` was given; raises SecretUnreadable."""
    try:
        return _cipher(settings.SECRET_KEY, tuple(settings.WEBHOOK_KEYS)).decrypt(bytes(token)).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


@lru_cache(maxsize=8)
def _cipher(secret_key: str, keys: tuple[str, ...]) -> MultiFernet:
    """The first key encrypts, all decrypt; without any, one that is derived from SECRET_KEY."""
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"webhook secrets").derive(secret_key.encode())
    return MultiFernet([*map(Fernet, keys), Fernet(base64.urlsafe_b64encode(derived))])
