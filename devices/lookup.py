"""From what a phone asked and what was found to what it gets; nothing else decides this.

Source: contract section 8.
"""

from dataclasses import dataclass
from enum import StrEnum

from devices import client_certificate
from locations import url_template


class Outcome(StrEnum):
    """Why a phone got what it got."""

    REDIRECTED = "Redirected"
    NO_LOCATION = "NoLocation"
    CERTIFICATE_REQUIRED = "CertificateRequired"
    CERTIFICATE_MISMATCH = "CertificateMismatch"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Visit:
    """A phone's request: its MAC, and the client certificate as a trusted proxy hands it on."""

    mac: str
    certificate_verified: str = ""
    certificate: str = ""

    @property
    def proves_mac(self) -> bool:
        """Whether the certificate shows that this is the device of that MAC."""
        return bool(self.certificate) and client_certificate.proves_mac(
            self.mac, verify=self.certificate_verified, certificate=self.certificate
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A device that exists: the name of its group, and its location's URL template if it has a location."""

    customer: str
    url: str | None
    mutual_auth: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the phone gets: a URL where it is to be redirected."""

    outcome: Outcome
    url: str | None = None


def decide(visit: Visit, found: Found | None) -> Answer:
    """The answer to a visit; `found` is None for a MAC that nobody owns."""
    if found is None:
        return Answer(Outcome.UNKNOWN)
    if found.url is None:
        return Answer(Outcome.NO_LOCATION)
    if found.mutual_auth and not visit.certificate:
        return Answer(Outcome.CERTIFICATE_REQUIRED)
    if found.mutual_auth and not visit.proves_mac:
        return Answer(Outcome.CERTIFICATE_MISMATCH)
    url = url_template.expand(found.url, mac=visit.mac, customer=found.customer)
    return Answer(Outcome.REDIRECTED, url)
