"""The TLS contexts of a simulated Mediant: real RSA keys, requests and certificates.

Source: LTRT-41762, chapter 7. What cryptography does not make any more (keys under 1024, SHA-1) openssl makes.
"""

import datetime
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

SIZES = (512, 768, 1024, 2048, 4096)
WEAK = 1024  # smaller keys are made by openssl
HASHES: Mapping[str, Any] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}
SUBJECT = {
    "subjectName": ("CN", NameOID.COMMON_NAME),
    "organizationalUnit": ("OU", NameOID.ORGANIZATIONAL_UNIT_NAME),
    "companyName": ("O", NameOID.ORGANIZATION_NAME),
    "localityName": ("L", NameOID.LOCALITY_NAME),
    "state": ("ST", NameOID.STATE_OR_PROVINCE_NAME),
    "countryCode": ("C", NameOID.COUNTRY_NAME),
}


class TlsError(ValueError):
    """What was uploaded is not right; ``str()`` is what the device says."""


def new_key(size: int) -> bytes:
    """A private key in PEM."""
    if size < WEAK:
        return _openssl("genrsa", "-traditional", str(size))
    key = rsa.generate_private_key(65537, size)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@dataclass
class TlsContext:
    """The files of one context; a certificate of another key than the private one is kept, but not valid."""

    name: str
    key: bytes
    certificate: bytes = b""
    trusted: list[bytes] = field(default_factory=list)

    # --- The private key ---

    @property
    def size(self) -> int:
        """In bits."""
        size: int = _loaded(self.key).key_size
        return size

    @property
    def valid(self) -> bool:
        """Whether the certificate is of this key."""
        if not self.certificate:
            return False
        return _public(x509.load_pem_x509_certificate(self.certificate).public_key()) == self._public_key

    @property
    def _public_key(self) -> bytes:
        return _public(_loaded(self.key).public_key())

    def put_key(self, pem: bytes, password: str | None) -> None:
        """Take a key over; raises TlsError."""
        try:
            key: Any = load_pem_private_key(
                pem, password.encode() if password else None, unsafe_skip_rsa_key_validation=True
            )
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise TlsError("Private key file is incorrect") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in SIZES:
            raise TlsError("Private key has invalid size")
        self.key = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    # --- The certificate ---

    def put_certificate(self, pem: bytes) -> None:
        """Take a certificate over, of whatever key; raises TlsError."""
        self.certificate = _certificates(pem, most=1)[0]

    def self_sign(self, subject: Mapping[str, str]) -> None:
        """A new certificate of its own key."""
        if self.size < WEAK:
            by_hand = ("-days", "3650", "-subj", _slashed(subject))
            self.certificate = _openssl("req", "-x509", "-new", *by_hand, key=self.key)
            return
        key, name, now = _loaded(self.key), _name(subject), datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + 3650 * day)
        self.certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def request(self, subject: Mapping[str, str], algorithm: str) -> bytes:
        """A certificate signing request in PEM."""
        if self.size < WEAK or algorithm == "sha1":
            return _openssl("req", "-new", f"-{algorithm}", "-subj", _slashed(subject), key=self.key)
        builder = x509.CertificateSigningRequestBuilder(_name(subject))
        request = builder.sign(_loaded(self.key), HASHES[algorithm]())
        return request.public_bytes(Encoding.PEM)

    # --- The trusted roots ---

    def replace_trusted(self, pem: bytes) -> None:
        """The whole store; raises TlsError."""
        self.trusted = _certificates(pem)

    def add_trusted(self, pem: bytes) -> None:
        """More certificates; raises TlsError."""
        new = _certificates(pem)
        self.trusted += [certificate for certificate in new if certificate not in self.trusted]


def _loaded(pem: bytes) -> Any:
    return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)


def _public(key: Any) -> bytes:
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return octets


def _certificates(pem: bytes, most: int = 100) -> list[bytes]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise TlsError("Certificate file is incorrect") from error
    if not 1 <= len(found) <= most:
        raise TlsError("Certificate file is incorrect")
    return [certificate.public_bytes(Encoding.PEM) for certificate in found]


def _name(subject: Mapping[str, str]) -> x509.Name:
    try:
        return x509.Name(
            [x509.NameAttribute(oid, subject[key]) for key, (_, oid) in SUBJECT.items() if subject.get(key)]
        )
    except ValueError as error:
        raise TlsError(str(error)) from error


def _slashed(subject: Mapping[str, str]) -> str:
    _name(subject)  # checked alike
    parts = [f"{short}={_escaped(subject[key])}" for key, (short, _) in SUBJECT.items() if subject.get(key)]
    return "/" + "/".join(parts)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+")


def _openssl(*arguments: str, key: bytes | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.pem"
        if key is not None:
            file.write_bytes(key)
            arguments = (*arguments, "-key", str(file))
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=True)
    return done.stdout
