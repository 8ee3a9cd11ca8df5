"""What a phone's client certificate proves, as the reverse proxy hands it over.

The proxy checks the chain to the device CAs while it ends TLS; what is left to check is the certificate's
date, its usage and whose it is. Both texts are to be believed from the proxy only, which is for the caller to
see to.

Source: sections 9.2 to 9.4 of the manual (LTRT-23604), ``mutualAuth``; RFC 5280.
"""

import re
from datetime import UTC, datetime
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devices.mac import InvalidMAC, normalize

MAX_SUBJECT = 500

_FACTORY_PREFIX = "Client_"
_FACTORY_SERIAL_PREFIX = "02"
_COMMON_NAME = re.compile(r"(?:^|[,+])CN=([^,+]*)")


def proves_mac(mac: str, *, verify: str, certificate: str, now: datetime | None = None) -> bool:
    """Tell whether a phone has shown a certificate for exactly this MAC. Never raises.

    ``verify`` is nginx's ``$ssl_client_verify`` and ``certificate`` its ``$ssl_client_escaped_cert``. True
    when nginx found the chain good, and the text is one certificate, valid at ``now``, not restricted to
    usages other than client authentication, whose one common name is ``Client_<MAC>`` or ``<MAC>``, or, when
    no common name tells a MAC, whose serial number is 02 and the MAC (as AudioCodes phones have it from the
    factory). A certificate that names another MAC, or has several common names of which one is a MAC, proves
    nothing, whatever its serial number.
    """
    if verify != "SUCCESS":
        return False
    # The library parses lazily and raises a dozen unrelated types for malformed fields.
    try:
        shown = _parse(certificate)
        return (
            shown.not_valid_before_utc <= (now or datetime.now(UTC)) <= shown.not_valid_after_utc
            and _permits_client_authentication(shown)
            and _names(shown, normalize(mac))
        )
    except Exception:
        return False


def subject(certificate: str) -> str | None:
    """Return the subject of an escaped certificate as RFC 4514 text for a log, or None if it is unreadable.

    At most 500 characters, with ``?`` for what is not printable. Says nothing about the certificate being
    genuine. Never raises.
    """
    try:
        name = _parse(certificate).subject.rfc4514_string()[:MAX_SUBJECT]
    except Exception:
        return None
    return "".join(character if character.isprintable() else "?" for character in name)


def mac_named_in(subject: str) -> str | None:
    """Return the MAC that a logged subject tells in a common name, or None.

    >>> mac_named_in("O=ACL,CN=Client_00908F9D8992")
    '00908F9D8992'
    """
    names = (_mac_in(name) for name in _COMMON_NAME.findall(subject))
    return next(filter(None, names), None)


def _parse(escaped: str) -> x509.Certificate:
    (certificate,) = x509.load_pem_x509_certificates(unquote(escaped).encode("ascii"))
    return certificate


def _permits_client_authentication(certificate: x509.Certificate) -> bool:
    """Without the extension every usage is permitted. Source: RFC 5280, section 4.2.1.12."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _names(certificate: x509.Certificate, mac: str) -> bool:
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    named = [_mac_in(str(name.value)) for name in common_names]
    if any(named):
        return named == [mac]
    return certificate.serial_number == int(_FACTORY_SERIAL_PREFIX + mac, 16)


def _mac_in(common_name: str) -> str | None:
    try:
        return normalize(common_name.removeprefix(_FACTORY_PREFIX))
    except InvalidMAC:
        return None
