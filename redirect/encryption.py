"""What is kept encrypted: Fernet, with keys of the operator's, and a key that is derived from SECRET_KEY.

Source: docs of cryptography, MultiFernet and HKDF (RFC 5869).
"""

import base64
from collections.abc import Iterable
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def cipher(purpose: str, keys: Iterable[str]) -> MultiFernet:
    """The first of the keys encrypts, all decrypt; without any, the one derived from SECRET_KEY for this purpose.

    `keys` are 32 random octets each, in URL-safe base64.
    """
    return _cipher(settings.SECRET_KEY, purpose, tuple(keys))


@lru_cache(maxsize=8)
def _cipher(secret_key: str, purpose: str, keys: tuple[str, ...]) -> MultiFernet:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(secret_key.encode())
    return MultiFernet([*map(Fernet, keys), Fernet(base64.urlsafe_b64encode(derived))])
