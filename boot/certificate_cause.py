"""Why a phone's certificate was not accepted, in words for support staff: the causes that the log knows.

A cause stands in the log in the words of boot/certificate.py, or of the proxy, which are OpenSSL's.
Source: X509_verify_cert_error_string of OpenSSL 3.0.
"""

from dataclasses import dataclass

from boot import certificate


@dataclass(frozen=True, slots=True)
class Cause:
    """The headline says what is wrong with "the phone's certificate"; `steps` are what to do about it."""

    headline: str
    why: str
    steps: tuple[str, ...]


NEW_CERTIFICATE = "Give the phone a new certificate, or reset it to its certificate from the factory."

_EXPIRED = Cause(
    "has expired",
    "Its last day of validity, or that of the CA that issued it, is over.",
    (
        NEW_CERTIFICATE,
        "If the certificates of its maker have expired in the field, the platform operator can let them count: "
        "expired = true in the rule of that CA.",
    ),
)
_NOT_YET_VALID = Cause(
    "is not valid yet",
    "Its first day of validity, or that of the CA that issued it, is still to come.",
    (NEW_CERTIFICATE, "Ask the platform operator whether the clock of the proxy before this service is right."),
)
_UNKNOWN_ISSUER = Cause(
    "has an issuer that is not known here",
    "The CA that issued it is none of the device CAs of this service, or there are more certificates between the "
    "two than the proxy follows (the proxy tells both alike).",
    (
        "Ask the platform operator to compare its issuer with the CAs in the folder DEVICE_CA_DIR and in the "
        "proxy, and the length of its chain with ssl_verify_depth of the proxy.",
        "If somebody gave the phone a certificate of their own, reset it to its certificate from the factory.",
    ),
)
_WEAK = Cause(
    "is too weak",
    "Its key is too short, or it was signed with an old digest such as SHA-1, which can be forged.",
    (
        NEW_CERTIFICATE,
        "If old phones must be served, ask the platform operator for the listener for old phones, and point the "
        "phone there.",
    ),
)
_WRONG_USAGE = Cause(
    "is made for another usage",
    "It says what it may be used for, and that a client shows with it who it is is not among these usages.",
    (NEW_CERTIFICATE, "A certificate for phones needs the usage of client authentication (clientAuth)."),
)
_REVOKED = Cause("was revoked", "The CA that issued it has revoked it.", (NEW_CERTIFICATE,))
_DENIED = Cause(
    "is denied",
    "A member of staff has put it on the list of denied certificates, so it proves nothing.",
    (
        "See the list of denied certificates for the reason.",
        "If the phone is in the right hands, give it a new certificate, or take the old one from the list.",
    ),
)
_UNREADABLE = Cause(
    "did not arrive in a form that can be read",
    "What the proxy before this service passed on is no certificate, or without word whether it was verified.",
    ("Ask the platform operator to compare the proxy with deploy/nginx.conf.", NEW_CERTIFICATE),
)

_CAUSES = {
    certificate.EXPIRED: _EXPIRED,
    certificate.NOT_YET_VALID: _NOT_YET_VALID,
    certificate.OTHER_ISSUER: _UNKNOWN_ISSUER,
    "unable to get issuer certificate": _UNKNOWN_ISSUER,
    "unable to get local issuer certificate": _UNKNOWN_ISSUER,
    "unable to verify the first certificate": _UNKNOWN_ISSUER,
    "self-signed certificate": _UNKNOWN_ISSUER,
    "self-signed certificate in certificate chain": _UNKNOWN_ISSUER,
    "certificate chain too long": _UNKNOWN_ISSUER,
    "EE certificate key too weak": _WEAK,
    "CA certificate key too weak": _WEAK,
    "CA signature digest algorithm too weak": _WEAK,
    certificate.WRONG_USAGE: _WRONG_USAGE,
    "unsupported certificate purpose": _WRONG_USAGE,
    "certificate revoked": _REVOKED,
    certificate.DENIED: _DENIED,
    certificate.UNREADABLE: _UNREADABLE,
    certificate.NOT_VERIFIED: _UNREADABLE,
}


def cause_of(problem: str | None) -> Cause | None:
    """The cause of a problem as it was logged; None if it is whose certificate it is, or was not logged."""
    if not problem or problem == certificate.OTHER_MAC:
        return None
    return _CAUSES.get(problem) or Cause(
        "was refused by the proxy",
        f'The proxy before this service gives this reason: "{problem}".',
        ("Tell the platform operator this reason.", NEW_CERTIFICATE),
    )
