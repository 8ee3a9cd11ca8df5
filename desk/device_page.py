"""What the page of a device gathers: always in the same number of statements, however often its phone asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from accounts.models import Group
from audit import history
from boot.diagnosis import diagnose
from boot.diagnosis_facts import Diagnosis
from boot.logged import Given, given_now, shape_of
from boot.shapes import maker_of
from desk import audit_words, claims
from desk.charts import Chart, chart
from desk.claims import ClaimLine
from devices.hints import Hint
from devices.models import Access, Device
from redirect.times import ago, exact, moment

REQUESTS_SHOWN = 20
CHANGES_SHOWN = 20
DAYS_DRAWN = 30
HINT_AFTER = timedelta(hours=1)  # phones that boot well ask for other files right after
REQUESTS_DRAWN = 20_000  # a phone that asks every second must not make its own page slow


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request in the table; the owner is named where it was another group than now, the maker if it is known."""

    access: Access
    ago: str
    exact: str
    owner: str | None
    maker: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed the device, when, from where, and what."""

    ago: str
    exact: str
    who: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class DevicePage:
    """All that the page shows above its form."""

    device: Device
    diagnosis: Diagnosis
    last_request: str | None
    given: Given  # what a request like the last one, with the device's own certificate, gets now
    certificate: Access | None  # the newest request that came with a certificate
    certificate_shown: str | None
    requests: list[RequestLine]
    hint: Hint | None  # a request that was no phone's, whose User-Agent carries the MAC
    hint_ago: str
    chart: Chart
    chart_summary: str
    changes: list[Change]
    claims: list[ClaimLine]
    days_kept: int
    days_drawn: int


def gather(pk: int, *, with_hint: bool) -> DevicePage:
    """The page of the device with this id, which exists; `with_hint` for those who may see the log."""
    device = Device.objects.select_related("group__reseller", "location").get(pk=pk)
    now = timezone.now()
    of_mac = Access.objects.filter(mac=device.mac)
    # At most REQUESTS_DRAWN of the newest requests: all that follows reads these by the index.
    days_drawn = min(DAYS_DRAWN, settings.ACCESS_LOG_DAYS)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_drawn - 1)
    oldest_drawn = Subquery(of_mac.order_by("-time").values("time")[REQUESTS_DRAWN - 1 : REQUESTS_DRAWN])
    drawn = of_mac.filter(time__gte=since).filter(time__gte=Coalesce(oldest_drawn, Value(since)))
    owner = Group.objects.filter(pk=OuterRef("group_id")).values("name")
    latest: list[Any] = list(of_mac.annotate(owner=Subquery(owner)).order_by("-time", "-pk")[:REQUESTS_SHOWN])
    last = latest[0] if latest else None
    certificate = drawn.filter(certificate_subject__isnull=False).order_by("-time", "-pk").first()
    requests_by_day = _chart(drawn, since, now)
    hint = _hint(device) if with_hint else None
    return DevicePage(
        device=device,
        diagnosis=diagnose(
            device,
            last,
            now=now,
            last_owner=last.owner if last else None,
            certificate_shown=certificate.time if certificate else None,
            proxy_trusted=bool(settings.TRUSTED_PROXIES),
            hint=hint,
        ),
        last_request=moment(device.last_access, now) if device.last_access else None,
        given=given_now(device, last),
        certificate=certificate,
        certificate_shown=moment(certificate.time, now) if certificate else None,
        requests=[_line(access, device, now) for access in latest],
        hint=hint,
        hint_ago=ago(hint.time, now) if hint else "",
        chart=requests_by_day,
        chart_summary=_summary(requests_by_day),
        claims=claims.lines([device.mac]).get(device.mac, []),
        changes=_changes(history.of_mac(device.mac)[:CHANGES_SHOWN], now),
        days_kept=settings.ACCESS_LOG_DAYS,
        days_drawn=days_drawn,
    )


def _hint(device: Device) -> Hint | None:
    """What its phone asked in no known form, unless it was the file of a phone that boots as it should."""
    hint = Hint.objects.filter(mac=device.mac).first()
    asked = device.last_access
    return hint if hint and (asked is None or hint.time > asked + HINT_AFTER) else None


def _line(access: Any, device: Device, now: datetime) -> RequestLine:
    owner = None
    if access.group_id != device.group_id:
        owner = access.owner or ("no group" if access.group_id is None else "a group that was deleted")
    maker = maker_of(shape_of(access), access.user_agent)
    return RequestLine(access, ago(access.time, now), exact(access.time), owner, maker)


def _chart(drawn: QuerySet[Access], since: datetime, now: datetime) -> Chart:
    first, last = since.date(), now.date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    counts = drawn.values_list(TruncDate("time"), "outcome").annotate(number=Count("pk"))
    # A database whose clock is ahead may have logged tomorrow's.
    until_today = [(min(day, last), outcome, number) for day, outcome, number in counts]
    return chart("Requests by day", until_today, days, "%-d %b")


def _summary(drawn: Chart) -> str:
    """The chart in one sentence."""
    outcomes = ", ".join(f"{number:,} {_lower(outcome.label)}" for outcome, number in drawn.totals)
    number = f"{'the newest ' if drawn.total >= REQUESTS_DRAWN else ''}{drawn.total:,}"
    return f"{number} request{'' if drawn.total == 1 else 's'} in {len(drawn.times)} days: {outcomes}."


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def _changes(entries: Iterable[Any], now: datetime) -> list[Change]:
    told = audit_words.lines(entries)
    return [Change(ago(line.time, now), exact(line.time), line.who, line.where, line.what) for line in told]
