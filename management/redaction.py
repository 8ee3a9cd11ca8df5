"""What must not be shown of a text that a device wrote or that is written to it."""

import re
from typing import Any

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


# Names of values, of which nothing but the name says that they are secret.
_SECRET_NAME = re.compile(
    r"(?i)passw|passphrase|secret|token|credential|community|private[-_ ]?key|shared[-_ ]?key|license[-_ ]?key"
    r"|h235dhkey|psk|(?:^|[._ -])(?:pin|pw|lockcode)$|^code$|authorization"
)


def names_secret(name: str) -> bool:
    """Whether a parameter or attribute of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def redact_json(value: Any, *secrets: str) -> Any:
    """The same JSON without these secrets, and without values whose name, or that of a setting, says secret."""
    if isinstance(value, dict):
        # Settings tell their name as one value, and what it is as another.
        told = " ".join(str(value.get(key, "")) for key in ("path", "name", "type"))
        hides = "value" in value and names_secret(told)
        return {
            key: _hidden(inner) if names_secret(str(key)) or (hides and key in ("value", "defaultValue"))
            else redact_json(inner, *secrets)
            for key, inner in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        return [redact_json(inner, *secrets) for inner in value]
    return redact(value, *secrets) if isinstance(value, str) else value


_ELEMENT = re.compile(r"<([\w.:-]+)((?:\s[^<>]*)?)>([^<>]+)</\1>")
_ATTRIBUTE = re.compile(r"([\w.:-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*')")


def redact_markup(text: str) -> str:
    """XML without what stands in elements and attributes whose name says secret."""
    text = _ELEMENT.sub(lambda m: f"<{m[1]}{m[2]}>{HIDDEN}</{m[1]}>" if names_secret(m[1]) else m[0], text)
    return _ATTRIBUTE.sub(lambda m: f'{m[1]}{m[2]}"{HIDDEN}"' if names_secret(m[1]) else m[0], text)


def _hidden(value: Any) -> Any:
    """Of an object, which names its parts itself, each part; empty ones are no secret."""
    if isinstance(value, dict):
        return {key: inner if key == "source" else _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return value if value in ("", None) or isinstance(value, bool) else HIDDEN


def redact(text: str, *secrets: str) -> str:
    """The text without these secrets, private keys, and whatever stands behind a word that names one."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\g<1>{HIDDEN}", _BLOCK.sub(HIDDEN, text))
