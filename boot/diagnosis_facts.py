"""What a diagnosis is made from and of, and the sentences that more than one of them says."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from boot.logged import Given, given_now
from devices.hints import Hint
from devices.models import Access, Device
from locations import url_template
from locations.models import Answer
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
    hint: Hint | None

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
    def given(self) -> Given:
        """What the next request gets, if it is like the last one and comes with the device's certificate."""
        return given_now(self.device, self.last)

    @property
    def about_url(self) -> str:
        """Sentences on how the phone gets the URL and for which file it is, each after a space; or ""."""
        location = self.device.location
        if location is None:
            return ""
        if self.given.maker:
            return (
                " It gets no redirect: a 200 with settings, in the format of "
                f"{self.given.maker} phones, that hold this address."
            )
        told = ""
        if location.answer == Answer.SETTINGS:
            told = (
                " Its location answers with settings, but none are known for "
                f"{'a request like its last' if self.last else 'a request without a User-Agent'}: "
                "such a request is redirected."
            )
        if self.given.file_name:
            return f"{told} It is the address for {self.given.file_name}, the file of its last request."
        if url_template.depends_on_file(location.url):
            return f"{told} If it asks for a file, the name of that file stands in the address."
        return told


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
    if facts.given.url is None:
        why += " The next request will be refused, because the device has no location."
        severity = Severity.BAD if facts.last else Severity.WARNING
        return Diagnosis(severity, headline, why, (GIVE_LOCATION, *steps, RESTART))
    if facts.certificate_required:
        why += (
            " With its own certificate, which its location requires, its next request goes to this address."
            + facts.about_url
        )
        steps = (*steps, HTTPS, *proxy_step(facts))
    else:
        why += f" Its next request goes to this address.{facts.about_url}"
    return Diagnosis(Severity.WAITING, headline, why, (*steps, RESTART), facts.given.url)


def proxy_step(facts: Facts) -> tuple[str, ...]:
    """The step where no certificate can reach this service."""
    return () if facts.proxy_trusted else (PROXY,)
