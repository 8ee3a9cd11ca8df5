"""What is known of a device, and in plain words why its last request ended as it did and what to do about it.

`story_of` asks the database, always in the same number of statements; `diagnosis` asks nobody.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone
from django.utils.timesince import timesince

from accounts.models import Group
from audit import history
from boot.certificate import mac_named_in
from boot.decision import Answer, Found, Proof, Supposed, decide
from devices.mac import display
from devices.models import Access, AccessStatus, Device, Outcome
from locations import url_template

# What a request got, wherever staff read it.
WORDS = {
    Outcome.REDIRECTED: "Redirected",
    Outcome.NO_LOCATION: "Refused: no location",
    Outcome.CERTIFICATE_REQUIRED: "Refused: no certificate shown",
    Outcome.CERTIFICATE_MISMATCH: "Refused: certificate not accepted",
    Outcome.UNKNOWN: "Refused: unknown MAC",
}
COLORS = {
    Outcome.REDIRECTED: "#16a34a",
    Outcome.NO_LOCATION: "#f59e0b",
    Outcome.CERTIFICATE_REQUIRED: "#8b5cf6",
    Outcome.CERTIFICATE_MISMATCH: "#ec4899",
    Outcome.UNKNOWN: "#64748b",
}

REQUESTS_SHOWN = 20
CHANGES_SHOWN = 20
DAYS_DRAWN = 30
REQUESTS_DRAWN = 20_000  # a phone that asks every second must not make its own page slow


_GREY = "#808897"  # reads on white and on black
CHART_OPTIONS = json.dumps(
    {
        "animation": False,
        "maintainAspectRatio": False,
        "responsive": True,
        "plugins": {"legend": {"position": "bottom", "labels": {"boxWidth": 12, "color": _GREY}}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "ticks": {"color": _GREY, "maxRotation": 0}},
            "y": {"stacked": True, "beginAtZero": True, "ticks": {"color": _GREY, "precision": 0}},
        },
    }
)


# --- Times ------------------------------------------------------------------------------------------------------


def ago(time: datetime, now: datetime) -> str:
    """How long ago, to read at a glance.

    >>> ago(datetime(2026, 1, 1, 12, 0), datetime(2026, 1, 1, 12, 3))
    '3 minutes ago'
    """
    if now - time < timedelta(minutes=1):
        return "less than a minute ago"
    return timesince(time, now, depth=1).replace("\xa0", " ") + " ago"


def exact(time: datetime) -> str:
    """The time to the second, as logs elsewhere tell it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def moment(time: datetime, now: datetime) -> str:
    """Both."""
    return f"{ago(time, now)} ({exact(time)})"


# --- Diagnosis --------------------------------------------------------------------------------------------------


class Severity(StrEnum):
    """How a device stands."""

    GOOD = "Works"
    WAITING = "Waiting for the phone"
    WARNING = "Attention"
    BAD = "Fails"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Sentences for somebody who has never seen this service."""

    severity: Severity
    headline: str
    why: str
    to_do: tuple[str, ...]
    url: str | None = None  # where the phone was sent, or will be


@dataclass(frozen=True, slots=True)
class Request:
    """What a phone asked and got; and which group had the device at that moment."""

    time: datetime
    outcome: Outcome
    address: str
    user_agent: str = ""
    certificate_subject: str | None = None
    location_url: str | None = None
    group_id: int | None = None
    group: str | None = None

    @property
    def words(self) -> str:
        """What it got."""
        return WORDS[self.outcome]


@dataclass(frozen=True)
class Case:
    """What a diagnosis is made from. `certificate` is when the device last showed one, as far as is kept."""

    device: Device
    last: Request | None
    now: datetime
    certificate: datetime | None = None
    proxy_trusted: bool = True

    @property
    def request(self) -> Request:
        """The last request, of a device that has asked."""
        assert self.last is not None
        return self.last

    @property
    def when(self) -> str:
        """When and from where it last asked."""
        return f"{moment(self.request.time, self.now)} from {self.request.address}"

    @property
    def demanded(self) -> bool:
        """Whether the location takes none but phones with a certificate."""
        location = self.device.location
        return location is not None and location.mutual_auth

    @cached_property
    def url(self) -> str | None:
        """Where the phone goes if it asks now, with its certificate."""
        return answer_now(self.device).url


def answer_now(device: Device, proof: Proof = Proof.PROVEN) -> Answer:
    """What a device would get, by the rule that phones are answered by."""
    location = device.location
    url, mutual_auth = (location.url, location.mutual_auth) if location else (None, False)
    return decide(Supposed(device.mac, supposed=proof), Found(device.group.name, url, mutual_auth))


GIVE_LOCATION = (
    "Give the device a location, that is, the address of its customer's provisioning server: choose one in the "
    "field Location at the end of this page, and save."
)
RESTART = "Restart the phone, since it asks only when it boots. Then reload this page."
HTTPS = (
    "Check the redirect address that is set in the phone: it must begin with https://, because over http:// a "
    "phone cannot show its certificate."
)
PROXY = (
    "Tell the platform operator: the setting TRUSTED_PROXIES is empty, so this service sees no phone's "
    "certificate, and every location that demands one refuses everybody."
)


def diagnosis(
    device: Device,
    last: Request | None,
    *,
    now: datetime,
    certificate: datetime | None = None,
    proxy_trusted: bool = True,
) -> Diagnosis:
    """Why the last request of a device ended as it did, whether that still holds, and what to do."""
    case = Case(device, last, now, certificate, proxy_trusted)
    if last is None:
        return _never_asked(case) if device.last_access is None else _details_are_gone(case)
    if last.outcome is not Outcome.UNKNOWN and last.group_id != device.group_id:
        return _moved(case)
    return BY_OUTCOME[last.outcome](case)


def _never_asked(case: Case) -> Diagnosis:
    return _waiting(
        case,
        "This phone has never asked.",
        "No request for its MAC is known. The phone has not failed here: it has not got this far.",
        "Check that the phone has power and a network: it should show an IP address of its own.",
        f"Compare the MAC on the phone's label with {display(case.device.mac)}: one wrong digit is another phone.",
        "Check the redirect address that the phone is given, in its own settings or by DHCP (often option 160 or "
        "66). It must be the address of this service.",
        "Check that the firewall of its site lets the phone reach this service.",
    )


def _details_are_gone(case: Case) -> Diagnosis:
    time = case.device.last_access
    assert time is not None
    if case.device.last_access_status == AccessStatus.FAIL:
        headline = "Its last request was refused, too long ago to tell why."
    else:
        headline = "It was redirected when it last asked, and has not asked for long."
    return _waiting(
        case, headline, f"It last asked {moment(time, case.now)}, and the log no longer holds that request."
    )


def _asked_before_it_was_entered(case: Case) -> Diagnosis:
    return _waiting(
        case,
        "The phone asked before it was entered here.",
        f"When it last asked, {case.when}, its MAC belonged to nobody, so it was refused. It has not asked since.",
    )


def _moved(case: Case) -> Diagnosis:
    owner = case.request.group or "a group that is gone"
    return _waiting(
        case,
        f"It has not asked since it was moved to {case.device.group.name}.",
        f"It last asked {case.when}. At that time it belonged to {owner}, so what it got says nothing about now.",
    )


def _redirected(case: Case) -> Diagnosis:
    request, location = case.request, case.device.location
    sent_to = _expanded(request.location_url, case.device)
    if location is None:
        return _waiting(
            case,
            "Its location was taken away since it last asked.",
            f"It was redirected {case.when}, to {sent_to}.",
        )
    if case.demanded and request.certificate_subject is None:
        return Diagnosis(
            Severity.WARNING,
            "The next request will be refused unless the phone shows its certificate.",
            f"It was redirected {case.when}, without a certificate. Since then its location demands one.",
            (HTTPS, *_proxy_step(case), RESTART),
            case.url,
        )
    if request.location_url != location.url:
        return _waiting(
            case,
            "Its location has changed since it last asked.",
            f"It was redirected {case.when}, to {sent_to}. It has not asked since.",
        )
    host = urlsplit(sent_to or "").hostname
    return Diagnosis(
        Severity.GOOD,
        "The phone was redirected: nothing failed here.",
        f"It asked {case.when}, and was told to fetch its configuration from the address below.",
        (
            "If it still has no configuration, the fault lies behind that address, not in this service. Ask "
            f"whoever runs {host} whether the phone's request arrived there, and whether the file exists.",
            f"Check that the network of the phone can resolve and reach {host}.",
            "If it should go somewhere else, change its location at the end of this page, and restart the phone.",
        ),
        sent_to,
    )


def _no_location(case: Case) -> Diagnosis:
    if case.device.location is not None:
        return _fixed(case, "it had no location, and now it has one")
    return Diagnosis(
        Severity.BAD,
        "Refused: the device has no location.",
        f"It asked {case.when}. It is known as a device of {case.device.group.name}, but nobody has said where to "
        "send it.",
        (GIVE_LOCATION, RESTART),
    )


def _certificate_required(case: Case) -> Diagnosis:
    if not case.demanded:
        return _certificate_no_longer_matters(case, "its location demanded a certificate, and it showed none")
    why = f"Its location demands the phone's own certificate, and it showed none when it asked {case.when}."
    if case.certificate is not None:
        why += f" It did show one {moment(case.certificate, case.now)}, so it has one."
    return Diagnosis(
        Severity.BAD,
        "Refused: the phone showed no certificate.",
        why,
        (
            *_proxy_step(case),
            HTTPS,
            "If a proxy or firewall at its site opens encrypted connections, the certificate is lost there: let "
            "the phone reach this service directly.",
            "If all phones of this location fail alike, tell the platform operator: the proxy before this service "
            "must ask phones for their certificate, and hand it on.",
            "If no certificate is needed after all, switch Mutual auth off at its location.",
            RESTART,
        ),
    )


def _certificate_mismatch(case: Case) -> Diagnosis:
    if not case.demanded:
        return _certificate_no_longer_matters(case, "its location demanded a certificate, and its own did not do")
    subject = case.request.certificate_subject
    named = mac_named_in(subject or "")
    steps: tuple[str, ...]
    shown = f"When it asked {case.when}, it showed a certificate made out to {subject}."
    own = f"Its location takes only the certificate of {display(case.device.mac)} itself."
    if named == case.device.mac:
        headline = "Refused: the phone's certificate is not valid."
        why = f"{shown} That names this phone, but the certificate was not accepted."
        steps = (
            "Check the date of the phone's certificate: it may have expired, or not begun.",
            "Check who issued it: the platform operator names the accepted issuers (CA) in the proxy before this "
            "service, and the certificate must be one for client authentication.",
        )
    elif named is not None:
        headline = "Refused: the certificate belongs to another device."
        why = f"{shown} That is the device {display(named)}. {own}"
        steps = (
            f"Compare both MACs with the label of the phone. If the label says {display(named)}, that is the "
            "device to look after: find it by its MAC.",
            "If the certificate was copied from another phone, give this one its own, or set it back to the one "
            "from the factory.",
        )
    else:
        headline = "Refused: the certificate is not this phone's own."
        why = f"{shown if subject else f'The certificate that it showed {case.when} cannot be read.'} {own}"
        steps = ("Set the phone back to its certificate from the factory, which names its MAC.",)
    no_need = "If no certificate is needed after all, switch Mutual auth off at its location."
    return Diagnosis(Severity.BAD, headline, why, (*steps, *_proxy_step(case), no_need, RESTART))


def _certificate_no_longer_matters(case: Case, then: str) -> Diagnosis:
    if case.device.location is None:
        return _waiting(
            case,
            "Its location was taken away since it last asked.",
            f"It was refused {case.when}, because {then}.",
        )
    return _fixed(case, f"{then}. Its location no longer demands one")


def _fixed(case: Case, then_and_now: str) -> Diagnosis:
    return _waiting(
        case,
        "Put right since: the phone only has to ask again.",
        f"It was refused {case.when}, because {then_and_now}. It has not asked since.",
    )


BY_OUTCOME: dict[Outcome, Callable[[Case], Diagnosis]] = {
    Outcome.REDIRECTED: _redirected,
    Outcome.NO_LOCATION: _no_location,
    Outcome.CERTIFICATE_REQUIRED: _certificate_required,
    Outcome.CERTIFICATE_MISMATCH: _certificate_mismatch,
    Outcome.UNKNOWN: _asked_before_it_was_entered,
}


def _waiting(case: Case, headline: str, why: str, *steps: str) -> Diagnosis:
    """What the last request got no longer tells anything; what the next one gets does."""
    if case.url is None:
        why += " If it asks now it is refused, because the device has no location."
        severity = Severity.BAD if case.last else Severity.WARNING
        return Diagnosis(severity, headline, why, (GIVE_LOCATION, *steps, RESTART))
    if case.demanded:
        why += " If it asks now with its own certificate, which its location demands, it is sent to this address."
        steps = (*steps, HTTPS, *_proxy_step(case))
    else:
        why += " If it asks now it is sent to this address."
    return Diagnosis(Severity.WAITING, headline, why, (*steps, RESTART), case.url)


def _proxy_step(case: Case) -> tuple[str, ...]:
    return () if case.proxy_trusted else (PROXY,)


def _expanded(template: str | None, device: Device) -> str | None:
    return template and url_template.expand(template, mac=device.mac, customer=device.group.name)


# --- The story --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A request as a line of a table; the owner is told where it was another than now."""

    request: Request
    ago: str
    exact: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed the device, when, and what."""

    ago: str
    exact: str
    who: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Requests by day and outcome: bars for the eye, and for everybody else the same as a table."""

    days: list[date]
    bars: dict[Outcome, list[int]]
    cut: bool = False  # there were more requests than are drawn

    @property
    def data(self) -> str:
        """What the chart library draws."""
        bars = [
            {"label": WORDS[outcome], "data": numbers, "backgroundColor": COLORS[outcome], "maxBarThickness": 24}
            for outcome, numbers in self.bars.items()
        ]
        return json.dumps({"labels": [f"{day:%-d %b}" for day in self.days], "datasets": bars})

    @property
    def options(self) -> str:
        """How it draws them."""
        return CHART_OPTIONS

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        counts = [f"{sum(numbers):,} {_inside(WORDS[outcome])}" for outcome, numbers in self.bars.items()]
        total = sum(map(sum, self.bars.values()))
        newest = f"the newest {total:,}" if self.cut else f"{total:,}"
        requests = "request" if total == 1 else "requests"
        return f"{newest} {requests} in {len(self.days)} days: {', '.join(counts)}."

    @property
    def columns(self) -> list[str]:
        """The outcomes of the table."""
        return [WORDS[outcome] for outcome in self.bars]

    @property
    def rows(self) -> list[tuple[date, list[int]]]:
        """The days of the table on which there were requests, newest first."""
        by_day = zip(self.days, zip(*self.bars.values(), strict=True), strict=True)
        return [(day, list(numbers)) for day, numbers in by_day if any(numbers)][::-1]


def _inside(words: str) -> str:
    return words[0].lower() + words[1:]


@dataclass(frozen=True, slots=True)
class Story:
    """All that the device page tells."""

    device: Device
    diagnosis: Diagnosis
    mac: str
    last_asked: str | None
    url: str | None  # where it goes if it asks now, with its certificate
    certificate: Request | None  # the newest request that showed one
    certificate_shown: str | None
    lines: list[Line]
    chart: Chart | None
    history: list[Change]
    days_kept: int
    days_drawn: int


def story_of(pk: int) -> Story:
    """The story of a device that exists."""
    device = Device.objects.select_related("group__reseller", "location").get(pk=pk)
    now = timezone.now()
    of_mac = Access.objects.filter(mac=device.mac)
    # As many of the newest as are drawn, and no more: all that follows reads these by the index.
    days_drawn = min(DAYS_DRAWN, settings.ACCESS_LOG_DAYS)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_drawn - 1)
    oldest_drawn = Subquery(of_mac.order_by("-time").values("time")[REQUESTS_DRAWN - 1 : REQUESTS_DRAWN])
    drawn = of_mac.filter(time__gte=since).filter(time__gte=Coalesce(oldest_drawn, Value(since)))
    requests = _newest(of_mac, REQUESTS_SHOWN)
    certificate = next(iter(_newest(drawn.filter(certificate_subject__isnull=False), 1)), None)
    last = requests[0] if requests else None
    return Story(
        device=device,
        diagnosis=diagnosis(
            device,
            last,
            now=now,
            certificate=certificate.time if certificate else None,
            proxy_trusted=bool(settings.TRUSTED_PROXIES),
        ),
        mac=display(device.mac),
        last_asked=moment(device.last_access, now) if device.last_access else None,
        url=answer_now(device).url,
        certificate=certificate,
        certificate_shown=moment(certificate.time, now) if certificate else None,
        lines=[_line(request, device, now) for request in requests],
        chart=_chart(drawn, since.date(), now.date()),
        history=history_of(device),
        days_kept=settings.ACCESS_LOG_DAYS,
        days_drawn=days_drawn,
    )


def _newest(accesses: Any, number: int) -> list[Request]:
    owner = Group.objects.filter(pk=OuterRef("group_id")).values("name")
    rows = accesses.order_by("-time", "-pk").values_list(
        "time",
        "outcome",
        "address",
        "user_agent",
        "certificate_subject",
        "location_url",
        "group_id",
        Subquery(owner),
    )[:number]
    return [Request(time, Outcome(outcome), *more) for time, outcome, *more in rows]


def _line(request: Request, device: Device, now: datetime) -> Line:
    owner = None
    if request.group_id != device.group_id:
        owner = request.group or ("nobody" if request.group_id is None else "a group that is gone")
    return Line(request, ago(request.time, now), exact(request.time), owner)


def _chart(drawn: Any, first: date, last: date) -> Chart | None:
    """None where there is nothing to draw."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    counts: dict[tuple[date, str], int] = defaultdict(int)
    for day, outcome, number in drawn.values_list(TruncDate("time"), "outcome").annotate(number=Count("pk")):
        counts[min(day, last), outcome] += number  # a clock that is ahead of ours
    seen = {outcome for _, outcome in counts}
    bars = {outcome: [counts[day, outcome] for day in days] for outcome in Outcome if outcome in seen}
    return Chart(days, bars, cut=sum(counts.values()) >= REQUESTS_DRAWN) if seen else None


def history_of(device: Device) -> list[Change]:
    """Who changed the device, newest first."""
    now = timezone.now()
    lines = map(history.line, history.of_mac(device.mac)[:CHANGES_SHOWN])
    return [Change(ago(line.time, now), exact(line.time), line.who, line.where, line.what) for line in lines]
