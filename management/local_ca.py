"""A CA of the deployment's own, which signs devices' requests where it is configured."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings

from management.drivers.base import DeviceError, Kind


@dataclass(frozen=True)
class Signed:
    """A certificate, and that of the CA."""

    pem: str
    ca: str


def sign(csr: str, mac: str) -> Signed | None:
    """A certificate for client authentication with the request's key and CN; None without a CA.

    Raises DeviceError if the request is of another MAC, or the CA's files cannot be used.
    """
    if not settings.MANAGEMENT_CA_CERTIFICATE:
        return None
    request = x509.load_pem_x509_csr(csr.encode())
    names = [attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [mac] or not request.is_signature_valid:
        raise DeviceError(Kind.PRECONDITION, "The request is not the device's: its CN is another than the MAC.")
    try:
        authority = x509.load_pem_x509_certificate(Path(settings.MANAGEMENT_CA_CERTIFICATE).read_bytes())
        public: Any = authority.public_key()
        key: Any = load_pem_private_key(Path(settings.MANAGEMENT_CA_KEY).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        text = "The files of MANAGEMENT_CA_CERTIFICATE and MANAGEMENT_CA_KEY cannot be read."
        raise DeviceError(Kind.PRECONDITION, text) from error
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=settings.MANAGEMENT_CA_DAYS)
    certificate = (
        x509.CertificateBuilder(
            authority.subject, request.subject, request.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks of devices differ
        .not_valid_after(min(until, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, SHA256())
    )
    return Signed(_text(certificate), _text(authority))


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
