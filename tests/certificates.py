"""CAs of devices and the certificates of phones, made for tests."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def key_pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def named(**attributes: str) -> x509.Name:
    """A name of attributes such as CN and ST, in this order."""
    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
    oids |= {"L": NameOID.LOCALITY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME}
    return x509.Name([x509.NameAttribute(oids[name], value) for name, value in attributes.items()])


@dataclass
class CA:
    """A CA with its certificate and key."""

    certificate: x509.Certificate
    key: Any

    def issue(
        self,
        subject: x509.Name,
        *,
        key: Any = None,
        days: tuple[int, int] = (-10, 10),
        serial: int | None = None,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> tuple[x509.Certificate, Any]:
        """A certificate that is valid from so many days after now until so many, with its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject
        return _signed(subject, issuer, key, self.key, days, serial, extensions), key


def make_ca(name: str, *, issuer: CA | None = None, days: tuple[int, int] = (-3000, 3000)) -> CA:
    """A root, or an intermediate of `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named(O="Test", CN=name)
    by = issuer.certificate.subject if issuer else subject
    usual = (x509.BasicConstraints(ca=True, path_length=None),)
    return CA(_signed(subject, by, key, issuer.key if issuer else key, days, None, usual), key)


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    signing: Any,
    days: tuple[int, int],
    serial: int | None,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), serial or x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signing, SHA256())
