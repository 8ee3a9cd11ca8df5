"""What a phone's client certificate proves, as the reverse proxy hands it over, and why if it proves nothing.

The proxy checks the chain to the device CAs while it ends TLS. Left to check is which of them issued it, its
date, its usage and whose it is. Both texts are to be believed from the proxy only, which is for the caller to
see to.

Source: sections 9.2 to 9.4 of the manual (LTRT-23604), ``mutualAuth``; RFC 5280.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from boot import device_ca
from devices.mac import InvalidMAC, normalize

MAX_SUBJECT = 500
MAX_PROBLEM = 100
MAX_NAME = 600

# Why a certificate proves nothing, as it is logged. What the proxy says stands there in its own words, which are
# OpenSSL's; three are said here, too.
EXPIRED = "certificate has expired"
NOT_YET_VALID = "certificate is not yet valid"
WRONG_USAGE = "unsuitable certificate purpose"
UNREADABLE = "certificate cannot be read"
NOT_VERIFIED = "certificate was not verified"
OTHER_ISSUER = "issuer is no device CA"
OTHER_MAC = "certificate is not of this MAC"
DENIED = "certificate is on the deny list"

_NAME_WITH_MAC = re.compile(r"(?:^|[,+])(?:CN|ST)=(?:Client_)?([^,+]*)")


def problem_with(mac: str, *, verify: str, certificate: str, now: datetime | None = None) -> str:
    """Tell why a certificate does not prove that the phone has this MAC; "" if it does. Never raises.

    ``verify`` is nginx's ``$ssl_client_verify`` and ``certificate`` its ``$ssl_client_escaped_cert``. It does
    when nginx found the chain good, and the text is one certificate, of a device CA, valid at ``now``, not
    restricted to usages other than client authentication, that names this MAC in the form of its CA. One that has
    expired is good if its CA's rule says so. At most 100 characters.
    """
    # The library parses lazily and raises a dozen unrelated types for malformed fields.
    try:
        return _problem(_parse(certificate), normalize(mac), verify, now or datetime.now(UTC))[:MAX_PROBLEM]
    except Exception:
        return UNREADABLE


def _problem(shown: x509.Certificate, mac: str, verify: str, now: datetime) -> str:
    result, _, reason = verify.partition(":")
    if verify != "SUCCESS" and (result != "FAILED" or not reason.isprintable() or not reason):
        return NOT_VERIFIED
    if verify != "SUCCESS" and reason != EXPIRED:
        return reason
    issuer = device_ca.issuer_of(shown)
    if issuer is None:
        return OTHER_ISSUER
    if shown.not_valid_before_utc > now:
        return NOT_YET_VALID
    if (reason or shown.not_valid_after_utc < now) and not issuer.expired:
        return EXPIRED
    if not _permits_client_authentication(shown):
        return WRONG_USAGE
    return "" if issuer.mac_in(shown) == mac else OTHER_MAC


def names_of(certificate: str) -> tuple[str, str] | None:
    """The two names by which the deny list may know an escaped certificate, or None if it is unreadable.

    The first is ``sha256 `` and its fingerprint, the second its serial number in hex
    digits and its issuer as RFC 4514 text.
    """
    try:
        shown = _parse(certificate)
        issued = f"{shown.serial_number:x} {shown.issuer.rfc4514_string()}"
        return f"sha256 {shown.fingerprint(SHA256()).hex()}", _printable(issued[:MAX_NAME])
    except Exception:
        return None


def subject(certificate: str) -> str | None:
    """Return the subject of an escaped certificate as RFC 4514 text for a log, or None if it is unreadable.

    At most 500 characters, with ``?`` for what is not printable. Says nothing about the certificate being
    genuine. Never raises.
    """
    try:
        name = _parse(certificate).subject.rfc4514_string()[:MAX_SUBJECT]
    except Exception:
        return None
    return _printable(name)


def mac_named_in(subject: str) -> str | None:
    """Return the MAC that a logged subject tells in a common name, or where Cisco has it, or None.

    >>> mac_named_in("O=ACL,CN=Client_00908F9D8992")
    '00908F9D8992'
    """
    names = (_mac_in(name) for name in _NAME_WITH_MAC.findall(subject))
    return next(filter(None, names), None)


@lru_cache(maxsize=256)  # a request is asked about its certificate three times
def _parse(escaped: str) -> x509.Certificate:
    (certificate,) = x509.load_pem_x509_certificates(unquote(escaped).encode("ascii"))
    return certificate


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _permits_client_authentication(certificate: x509.Certificate) -> bool:
    """Without the extension every usage is permitted. Source: RFC 5280, section 4.2.1.12."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _mac_in(text: str) -> str | None:
    try:
        return normalize(text)
    except InvalidMAC:
        return None
