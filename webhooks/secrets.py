"""The secret by which a receiver knows that a message is this service's: made, signed with, kept encrypted.

Source: Standard Webhooks, "Signature scheme" (symmetric), https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import InvalidToken, MultiFernet
from django.conf import settings

from redirect.encryption import cipher

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
    return _cipher().encrypt(secret.encode())


def decrypt(token: bytes | memoryview) -> str:
    """What `encrypt` was given; raises SecretUnreadable."""
    try:
        return _cipher().decrypt(bytes(token)).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def _cipher() -> MultiFernet:
    return cipher("webhook secrets", settings.WEBHOOK_KEYS)
