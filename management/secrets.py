"""What is kept encrypted: logins of devices, arguments with secrets, files of configuration.

Fernet, with the first of MANAGEMENT_KEYS; each of them decrypts. `manage.py rotate_credentials` writes all anew
with the first. Source: docs of cryptography, MultiFernet.
"""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretUnreadable(Exception):
    """None of the keys decrypts it. ``str()`` is a sentence for the operator of the service."""

    def __init__(self) -> None:
        super().__init__("A secret was encrypted with a key that MANAGEMENT_KEYS does not have any more.")


@lru_cache(maxsize=8)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(data: bytes) -> bytes:
    """Encrypt with the newest key."""
    return _cipher(tuple(settings.MANAGEMENT_KEYS)).encrypt(data)


def decrypt(token: bytes | memoryview) -> bytes:
    """What `encrypt` was given, with whatever key that is still known; raises SecretUnreadable."""
    try:
        return _cipher(tuple(settings.MANAGEMENT_KEYS)).decrypt(bytes(token))
    except InvalidToken as error:
        raise SecretUnreadable from error


def rotated(token: bytes | memoryview) -> bytes:
    """The same, encrypted with the newest key; raises SecretUnreadable."""
    try:
        return _cipher(tuple(settings.MANAGEMENT_KEYS)).rotate(bytes(token))
    except InvalidToken as error:
        raise SecretUnreadable from error
