"""The CAs whose certificates phones carry, each with its rule: where the MAC stands, and whether expiry counts.

A folder (DEVICE_CA_DIR) holds a PEM file for each CA, and beside `acme.pem` an `acme.toml` where its rule is not
the usual one. deploy/device-ca-examples/ has the rules of the makers whose form is documented, with their sources.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from devices.mac import InvalidMAC, normalize

# Where a form may say that the MAC stands. SERIAL is the certificate's own serial number, in hex digits.
SUBJECT = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
PLACES = (*SUBJECT, "SERIAL", "DNS")

# AudioCodes' factory certificates, and the form that most makers share. Source: contract section 8.
USUAL_FORMS = ("CN=Client_{MAC}", "CN={MAC}", "SERIAL=02{MAC}")


@dataclass(frozen=True)
class DeviceCA:
    """A CA's certificates and its rule; `forms` are tuples of a place and a pattern whose group is the MAC."""

    name: str
    certificates: tuple[x509.Certificate, ...]
    forms: tuple[tuple[str, re.Pattern[str]], ...]
    expired: bool = False

    def issued(self, shown: x509.Certificate) -> bool:
        """Whether one of the CA's own keys has signed the certificate, however strong that signature is."""
        return any(shown.issuer == own.subject and _is_signed(shown, own) for own in self.certificates)

    def mac_in(self, shown: x509.Certificate) -> str | None:
        """The MAC that the certificate names, by the first place that names one at all; None if it is not one.

        In a subject each value of the attribute must be that MAC, and there must be only one; further DNS names
        may be anything else but another MAC.
        """
        for place in dict.fromkeys(place for place, _ in self.forms):
            named = [self._read(place, value) for value in _values(shown, place)]
            macs = {mac for mac in named if mac}
            if macs:
                return macs.pop() if len(macs) == 1 and (len(named) == 1 or place == "DNS") else None
        return None

    def _read(self, place: str, value: str) -> str | None:
        for form_place, form in self.forms:
            found = form.fullmatch(value) if form_place == place else None
            if found is None:
                continue
            try:
                return normalize(found[1])
            except InvalidMAC:
                continue
        return None


def _forms(texts: Any) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Raises ValueError, with a sentence, for what is no list of forms."""
    if not (isinstance(texts, list | tuple) and texts and all(isinstance(text, str) for text in texts)):
        raise ValueError('mac must be a list of forms, such as ["CN={MAC}"]')
    made = []
    for text in texts:
        place, _, form = text.partition("=")
        if place not in PLACES or form.count("{MAC}") != 1:
            raise ValueError(f'"{text}" must be one of {", ".join(PLACES)}, then = and a text with one {{MAC}}')
        pattern = re.escape(form).replace(r"\*", ".*").replace(r"\{MAC\}", "(.+)")
        made.append((place, re.compile(pattern)))
    return tuple(made)


# What a certificate is read by where no folder is set: the proxy alone knows the CAs.
WITHOUT_FOLDER = DeviceCA("", (), _forms(USUAL_FORMS))


def issuer_of(shown: x509.Certificate) -> DeviceCA | None:
    """The CA that issued a certificate, or None if none of the folder did; without a folder, the usual rule."""
    configured = load(settings.DEVICE_CA_DIR)
    if configured is None:
        return WITHOUT_FOLDER
    return next((ca for ca in configured if ca.issued(shown)), None)


@lru_cache(maxsize=4)
def load(folder: str) -> tuple[DeviceCA, ...] | None:
    """The CAs of a folder, read once; None for "". Raises ImproperlyConfigured with the file and what is wrong."""
    if not folder:
        return None
    path = Path(folder)
    if not path.is_dir():
        raise ImproperlyConfigured(f"DEVICE_CA_DIR={folder} is not a folder.")
    found = tuple(_read_all(path))
    if not found:
        raise ImproperlyConfigured(f"DEVICE_CA_DIR={folder} holds no file *.pem with a CA's certificate.")
    return found


def _read_all(folder: Path) -> Iterator[DeviceCA]:
    for rule in sorted(folder.glob("*.toml")):
        if not rule.with_suffix(".pem").exists():
            raise ImproperlyConfigured(f"{rule} is the rule of a CA, but {rule.stem}.pem is not beside it.")
    for file in sorted(folder.glob("*.pem")):
        try:
            yield _read(file)
        except (ValueError, OSError) as error:
            raise ImproperlyConfigured(f"{file} or its .toml is no device CA: {error}.") from error


def _read(file: Path) -> DeviceCA:
    certificates = tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    for certificate in certificates:
        if not _may_issue(certificate):
            raise ValueError(f"{certificate.subject.rfc4514_string()} is not the certificate of a CA")
    toml = file.with_suffix(".toml")
    rule = tomllib.loads(toml.read_text("utf-8")) if toml.exists() else {}
    if unknown := set(rule) - {"mac", "expired"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known: a rule has mac and expired")
    expired = rule.get("expired", False)
    if not isinstance(expired, bool):
        raise ValueError("expired must be true or false")
    return DeviceCA(file.stem, certificates, _forms(rule.get("mac", USUAL_FORMS)), expired)


def _may_issue(certificate: x509.Certificate) -> bool:
    """Version 1 has no extensions: some makers' old roots are such. Source: RFC 5280, section 4.2.1.9."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1


def _is_signed(shown: x509.Certificate, issuer: x509.Certificate) -> bool:
    """As `verify_directly_issued_by`, which does not read SHA-1 (cryptography 50), with which old phones come."""
    key, digest, signed = issuer.public_key(), shown.signature_hash_algorithm, shown.tbs_certificate_bytes
    try:
        scheme = shown.signature_algorithm_parameters
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(shown.signature, signed, scheme, digest)  # type: ignore[arg-type]
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(shown.signature, signed, scheme)  # type: ignore[arg-type]
        else:
            shown.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _values(shown: x509.Certificate, place: str) -> list[str]:
    if place == "SERIAL":
        digits = f"{shown.serial_number:X}"
        return [digits.zfill(len(digits) + len(digits) % 2)]
    if place == "DNS":
        try:
            names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return names.get_values_for_type(x509.DNSName)
    return [str(entry.value) for entry in shown.subject.get_attributes_for_oid(SUBJECT[place])]
