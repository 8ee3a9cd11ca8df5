"""The rule of the product: from a device and what its certificate proves to what the phone gets.

Nothing else decides this but the statement in boot/postgresql.py, and a test compares the two.
Source: contract section 8.
"""

from enum import StrEnum
from typing import NamedTuple

from devices.models import Outcome
from locations import url_template
from locations.models import Answer


class CertificateStatus(StrEnum):
    """What a phone's client certificate says about the MAC it asks for."""

    NONE = "none"
    MISMATCH = "mismatch"
    VERIFIED = "verified"

    @classmethod
    def of(cls, problem: str | None) -> "CertificateStatus":
        """By why a certificate proves nothing: "" if it does prove the MAC, None if none was shown."""
        if problem is None:
            return cls.NONE
        return cls.MISMATCH if problem else cls.VERIFIED


class DeviceRecord(NamedTuple):
    """A device that exists: the name of its group, and the URL template of its location, or None without one.

    `denied` are the names of certificates in the batch that are on the deny list, of whatever device.
    """

    customer: str
    url: str | None
    mutual_auth: bool
    answer: str | None = Answer.REDIRECT
    denied: frozenset[str] = frozenset()


class Decision(NamedTuple):
    """What a phone gets; `url` only if it is redirected.

    `settings_url` is where a phone is pointed by settings of its maker's own format, if its location wants that.
    """

    outcome: Outcome
    url: str | None = None
    settings_url: str | None = None


def decide(record: DeviceRecord | None, mac: str, certificate: CertificateStatus, file_name: str = "") -> Decision:
    """Return what the phone with this MAC gets; `record` is None for an unknown MAC.

    `file_name` is the file that it asks for, as it stands in the request, or "" if it asks for none.
    """
    if record is None:
        return Decision(Outcome.UNKNOWN)
    if record.url is None:
        return Decision(Outcome.NO_LOCATION)
    if record.mutual_auth and certificate is CertificateStatus.NONE:
        return Decision(Outcome.CERTIFICATE_REQUIRED)
    if record.mutual_auth and certificate is CertificateStatus.MISMATCH:
        return Decision(Outcome.CERTIFICATE_MISMATCH)
    url = url_template.expand(record.url, mac=mac, customer=record.customer, file_name=file_name)
    if record.answer == Answer.REDIRECT:
        return Decision(Outcome.REDIRECTED, url)
    pointed = url
    if record.url.endswith("/"):  # a server, below which the phone finds its files
        pointed = url_template.expand(record.url, mac=mac, customer=record.customer)
    return Decision(Outcome.REDIRECTED, url, pointed)
