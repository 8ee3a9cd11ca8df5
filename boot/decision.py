"""From what a phone asked and what was found to what it gets; nothing else decides this.

Source: contract section 8.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from boot import certificate as client_certificate
from devices.models import Outcome
from locations import url_template


class CertificateStatus(StrEnum):
    """What a client certificate says of the MAC that is asked for."""

    NONE = "none"
    MISMATCH = "mismatch"
    VERIFIED = "verified"


@dataclass(frozen=True)
class Visit:
    """A phone's request: who asks from where, and the client certificate as a trusted proxy hands it on."""

    mac: str
    address: str = ""
    user_agent: str = ""
    certificate_verified: str = ""
    certificate: str = ""

    @cached_property
    def proof(self) -> CertificateStatus:
        """Whether the certificate shows that this is the device of that MAC."""
        if not self.certificate:
            return CertificateStatus.NONE
        proven = client_certificate.proves_mac(
            self.mac, verify=self.certificate_verified, certificate=self.certificate
        )
        return CertificateStatus.VERIFIED if proven else CertificateStatus.MISMATCH

    @property
    def certificate_subject(self) -> str | None:
        """The subject of the certificate, for the log."""
        return client_certificate.subject(self.certificate) if self.certificate else None


@dataclass(frozen=True)
class Supposed(Visit):
    """A visit that nobody has paid: what its certificate proves is given, instead of a certificate."""

    supposed: CertificateStatus = CertificateStatus.NONE

    @cached_property
    def proof(self) -> CertificateStatus:
        return self.supposed


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device that exists: the name of its group, and its location's URL template if it has a location."""

    customer: str
    url: str | None
    mutual_auth: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What the phone gets: a URL where it is to be redirected."""

    outcome: Outcome
    url: str | None = None


def decide(visit: Visit, found: DeviceRecord | None) -> Decision:
    """The answer to a visit; `found` is None for a MAC that nobody owns."""
    if found is None:
        return Decision(Outcome.UNKNOWN)
    if found.url is None:
        return Decision(Outcome.NO_LOCATION)
    if found.mutual_auth and visit.proof is CertificateStatus.NONE:
        return Decision(Outcome.CERTIFICATE_REQUIRED)
    if found.mutual_auth and visit.proof is CertificateStatus.MISMATCH:
        return Decision(Outcome.CERTIFICATE_MISMATCH)
    url = url_template.expand(found.url, mac=visit.mac, customer=found.customer)
    return Decision(Outcome.REDIRECTED, url)
