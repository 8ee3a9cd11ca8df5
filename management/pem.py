"""Certificates as PEM text: what callers bring, and what is kept and shown of it."""

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

NOT_CERTIFICATES = "Must be certificates as PEM, and nothing else: no key, no text between them."
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")


def certificates(text: str) -> list[x509.Certificate]:
    """One certificate or more, with nothing but white space around them; raises ValueError with a sentence.

    RFC 7468 lets any text stand before a block, and another block may be a private key: what is kept here is
    shown to all who read.
    """
    if _BLOCK.sub("", text).strip():
        raise ValueError(NOT_CERTIFICATES)
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValueError(NOT_CERTIFICATES) from error


def normal(text: str) -> str:
    """The certificates of a text, written anew from what was read; raises ValueError with a sentence."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates(text))
