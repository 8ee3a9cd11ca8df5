"""What a diagnosis is made from and of, and the sentences that more than one of them says."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from boot.decision import CertificateStatus, Decision, DeviceRecord, decide
from devices.models import Access, Device
from redirect.times import moment


class Severity(StrEnum):
    """The state of a device."""

    GOOD = "Works"
    WAITING = "Waiting for the phone"
    WARNING = "Attention"
    BAD = "Fails"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Sentences for a reader who has never seen this service; `url` is where the phone was sent, or will be."""

    severity: Severity
    headline: str
    why: str
    steps: tuple[str, ...]
    url: str | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a device, and of its last request."""

    device: Device
    last: Access | None
    now: datetime
    last_owner: str | None
    certificate_shown: datetime | None
    proxy_trusted: bool

    @property
    def request(self) -> Access:
        """The last request, of a device that has sent one."""
        assert self.last is not None
        return self.last

    @property
    def when(self) -> str:
        """When and from which address the last request came."""
        return f"{moment(self.request.time, self.now)} from {self.request.address}"

    @property
    def certificate_required(self) -> bool:
        """Whether the location accepts only phones with a certificate."""
        location = self.device.location
        return location is not None and location.mutual_auth

    @cached_property
    def url(self) -> str | None:
        """Where the next request is redirected to, if it comes with the device's certificate."""
        return answer_now(self.device).url


def answer_now(device: Device) -> Decision:
    """What a request with the device's own certificate gets now, by the rule that phones are answered by."""
    location = device.location
    url, mutual_auth = (location.url, location.mutual_auth) if location else (None, False)
    record = DeviceRecord(device.group.name, url, mutual_auth)
    return decide(record, device.mac, CertificateStatus.VERIFIED)


GIVE_LOCATION = "Give the device a location: the address of its customer's provisioning server."
RESTART = "Restart the phone: it sends a request only when it boots. Then look here again."
HTTPS = (
    "Check the redirect address that is set in the phone: it must begin with https://, because over http:// a "
    "phone cannot show its certificate."
)
PROXY = (
    "Tell the platform operator: the setting TRUSTED_PROXIES is empty, so this service sees no phone's "
    "certificate, and every location that requires one refuses all phones."
)
NOT_REQUIRED = "If no certificate is needed after all, switch Mutual auth off at its location."


def fixed(facts: Facts, then_and_now: str) -> Diagnosis:
    """What refused the last request is corrected."""
    return waiting(
        facts,
        "Corrected since: the phone only has to send its next request.",
        f"It was refused {facts.when}, because {then_and_now}. No request has come since.",
    )


def waiting(facts: Facts, headline: str, why: str, *steps: str) -> Diagnosis:
    """The last request tells nothing about now; what the next one will get does."""
    if facts.url is None:
        why += " The next request will be refused, because the device has no location."
        severity = Severity.BAD if facts.last else Severity.WARNING
        return Diagnosis(severity, headline, why, (GIVE_LOCATION, *steps, RESTART))
    if facts.certificate_required:
        why += " With its own certificate, which its location requires, its next request goes to this address."
        steps = (*steps, HTTPS, *proxy_step(facts))
    else:
        why += " Its next request goes to this address."
    return Diagnosis(Severity.WAITING, headline, why, (*steps, RESTART), facts.url)


def proxy_step(facts: Facts) -> tuple[str, ...]:
    """The step where no certificate can reach this service."""
    return () if facts.proxy_trusted else (PROXY,)
