"""What must not be shown of a text that a device wrote or that is written to it."""

import re

HIDDEN = "***"

# The value behind a word that names a secret, in ini files, command lines, JSON and sentences.
_NAMED = re.compile(
    r"""(?ix)
    (\b[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|credential|community|private[-_ ]?key|shared[-_ ]?key
        |license[-_ ]?key|psk|\bpin\b|authorization)[\w.-]*"?(?:\s*[=:]\s*|\s+(?:obscured\s+|encrypted\s+)?))
    (?:"[^"\r\n]*"|'[^'\r\n]*'|basic\s+[\w+/=]+|bearer\s+\S+|[^\s,;}{\]]+)
    """
)
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)


def redact(text: str, *secrets: str) -> str:
    """The text without these secrets, private keys, and whatever stands behind a word that names one."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\g<1>{HIDDEN}", _BLOCK.sub(HIDDEN, text))
