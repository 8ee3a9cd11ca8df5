"""Find: one field for phones, groups, users and locations.

A MAC is recognised in any spelling and anywhere in a text, so that a line of a log or a User-Agent can be pasted;
the request in such a line tells the phone as it did when the phone asked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from django.contrib import admin
from django.db.models import Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import Group, User
from boot import shapes
from desk import claims
from desk.claims import ClaimLine
from devices import mac
from devices.hints import Hint
from devices.models import Access, Device
from devices.search import OWN_ATTRIBUTES, matching
from locations.models import Location
from redirect.db.search import contains

LONGEST_TEXT = 2_000
MACS_LOOKED_AT = 10
ROWS_SHOWN = 10
ACCESSES_SHOWN = 20

# The address that was asked for, in a line of a log: behind its method, in quotes, or alone.
_TARGET = re.compile(r"""(?<![^\s"'=(])(?:https?:/)?/[^\s"'<>]*""", re.IGNORECASE)


def whole_mac(text: str) -> str | None:
    """The MAC, in 12 upper-case digits, that a text is in any spelling, also as a phone asks for it, or None.

    >>> whole_mac("00a0.c914.c829"), whole_mac("0:a0:c9:14:c8:29"), whole_mac("C9:14")
    ('00A0C914C829', '00A0C914C829', None)
    """
    text = mac.with_plain_separators(text.strip())
    if not re.search(r"\s", text):
        text = mac.with_all_zeros(text) or text
    digits = re.sub(r"[:._\s-]", "", text).upper()
    asked_for = shapes.look(f"/{text}".encode(errors="replace"))
    return asked_for.mac if asked_for else digits if mac.mentioned_in(text) == [digits] else None


def part_of_mac(text: str) -> str | None:
    """The digits of a text that may be a part of a MAC in any spelling; None for other texts."""
    return mac.fragment(re.sub(r"[._\s]", "", mac.with_plain_separators(text)))


def macs_in(text: str) -> list[str]:
    """The distinct MACs, in 12 upper-case digits, that a text mentions, in their order.

    Where a line tells of a request that names a phone, by path, query or User-Agent, it is this phone alone.

    >>> macs_in('192.0.2.7 - - [27/Nov/2026:10:00:00 +0000] "GET /phone000b82112233.cfg HTTP/1.1" 404 27 "-" "x"')
    ['000B82112233']
    """
    found: list[str] = []
    for line in text.splitlines():
        targets = list(_TARGET.finditer(line))
        starts = [*(target.start() for target in targets), len(line)]
        found += mac.mentioned_in(unquote(line[: starts[0]]))
        for target, end in zip(targets, starts[1:], strict=True):
            asked = _asked_by(target[0].rstrip(".,;:)]"), line[target.end() : end].split('"'))
            found += [asked] if asked else mac.mentioned_in(unquote(line[target.start() : end]))
    return list(dict.fromkeys(found))


def _asked_by(target: str, user_agents: list[str]) -> str | None:
    """The MAC by which a request is known, with the first of the possible User-Agents that tells one."""
    path, query = shapes.from_environ({"RAW_URI": target, "QUERY_STRING": target.partition("?")[2]})
    known = (shapes.look(path, query, user_agent) for user_agent in ("", *user_agents))
    return next((shape.mac for shape in known if shape), None)


@dataclass(frozen=True)
class Phone:
    """A MAC in the query: its device, or the requests of an unknown MAC."""

    mac: str
    device: Device | None
    accesses: list[Access] = field(default_factory=list)
    hint: Hint | None = None
    claims: list[ClaimLine] = field(default_factory=list)

    @property
    def is_reserved(self) -> bool:
        """Whether no phone can have it."""
        return mac.is_reserved(self.mac)

    @property
    def maker(self) -> str | None:
        """To whom the MAC's first half is registered, for staff to read: makers resell each other's hardware."""
        if self.is_reserved:
            return None
        from netaddr import EUI, NotRegisteredError  # its table is for this page alone, and no phone waits for it

        try:
            return str(EUI(self.mac).oui.registration().org)
        except NotRegisteredError:
            return None

    @property
    def spelled(self) -> str:
        """As every page shows a MAC."""
        return mac.display(self.mac)


@dataclass(frozen=True)
class Rows:
    """The first rows of a table in which the text stands, and the list that shows all."""

    title: str
    rows: list[tuple[str, str, str]]  # name, note, address of its page
    more: str


def page(request: HttpRequest) -> HttpResponse:
    """GET /admin/find/?q=…: one hit leads straight to its page."""
    text = request.GET.get("q", "").replace("\x00", "").strip()
    query = text[:LONGEST_TEXT]
    macs = _macs(request, query)
    phones = _phones(request, macs[:MACS_LOOKED_AT])
    tables = [] if phones or not query else _tables(request, query)
    pages = [_page_of(phone.device) for phone in phones if phone.device]
    pages += [row[2] for table in tables for row in table.rows]
    if len(pages) == 1 and len(macs) <= 1 and len(text) <= LONGEST_TEXT:
        return HttpResponseRedirect(pages[0])
    context = {
        **admin.site.each_context(request),
        "title": "Find",
        "query": query,
        "cut": len(text) > LONGEST_TEXT and LONGEST_TEXT,
        "number_of_macs": len(macs),
        "phones": phones,
        "tables": tables,
        "pages": pages,
    }
    return TemplateResponse(request, "desk/find.html", context)


def _page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _macs(request: HttpRequest, query: str) -> list[str]:
    """The MACs in a text, for staff who may look at devices."""
    if not request.user.has_perm("devices.view_device"):
        return []
    whole = whole_mac(unquote(query))
    return [whole] if whole else macs_in(query)


def _phones(request: HttpRequest, macs: list[str]) -> list[Phone]:
    """Each MAC with its device, an unknown one with its requests in the log, and what hints at it."""
    devices = {d.mac: d for d in Device.objects.filter(mac__in=macs).select_related("group", "location")}
    accesses: dict[str, list[Access]] = {}
    unowned = [text for text in macs if text not in devices]
    may_see_requests = request.user.has_perm("devices.view_access")
    if unowned and may_see_requests:
        for access in _latest(unowned):
            accesses.setdefault(access.mac, []).append(access)
    hints = Hint.objects.in_bulk(macs, field_name="mac") if may_see_requests else {}
    had = claims.lines(macs) if macs else {}
    return [
        Phone(text, devices.get(text), accesses.get(text, []), hints.get(text), had.get(text, [])) for text in macs
    ]


def _latest(macs: list[str]) -> QuerySet[Access]:
    """The newest accesses of each MAC."""
    place = Window(RowNumber(), partition_by="mac", order_by=("-time", "-id"))
    accesses = Access.objects.filter(mac__in=macs).annotate(place=place)
    return accesses.filter(place__lte=ACCESSES_SHOWN).order_by("-time", "-id")


def _tables(request: HttpRequest, query: str) -> list[Rows]:
    """Where a text that is no MAC stands, in the tables that this member of staff may look at."""
    may = request.user.has_perm
    tables = []
    if may("accounts.view_group"):
        groups = Group.objects.filter(contains(query, texts=("name",))).select_related("reseller")
        tables.append(_rows("Groups", groups.order_by("name"), query, str, _kind_of_group))
    if may("accounts.view_user"):
        named = contains(query, texts=("login", "first_name", "last_name", "email"))
        users = User.objects.get_queryset().filter(named).select_related("group")
        tables.append(_rows("Users", users.order_by("login"), query, str, _kind_of_user))
    if may("locations.view_location"):
        locations = Location.objects.filter(_url_like(query)).select_related("group")
        tables.append(_rows("Locations", locations.order_by("pk"), query, _url_of, _owner_of))
    if may("devices.view_device"):
        found = matching(query, OWN_ATTRIBUTES)
        if part := part_of_mac(query):
            found |= Q(mac__contains=part)
        devices = Device.objects.filter(found).select_related("group")
        tables.append(
            _rows("Devices", devices.order_by("pk"), query, lambda d: mac.display(d.mac), _kind_of_device)
        )
    return [table for table in tables if table.rows]


def _rows(
    title: str,
    found: QuerySet[Any],
    query: str,
    name: Callable[[Any], str],
    note: Callable[[Any], str],
) -> Rows:
    options = found.model._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    rows = [(name(row), note(row), _page_of(row)) for row in found[:ROWS_SHOWN]]
    return Rows(title, rows, f"{address}?{urlencode({'q': query})}" if len(rows) == ROWS_SHOWN else "")


def _url_like(query: str) -> Q:
    """A location's URL template holds the text; or the host of a URL, as a phone got it with its placeholders."""
    found = contains(query, texts=("url",))
    host = urlsplit(query).netloc if "://" in query else ""
    return found | contains(f"://{host}/", texts=("url",)) if host else found


def _url_of(location: Location) -> str:
    return location.url


def _owner_of(row: Location) -> str:
    return str(row.group)


def _kind_of_group(group: Group) -> str:
    return f"Provider of {group.reseller}" if group.reseller else "Reseller"


def _kind_of_user(user: User) -> str:
    kind = f"{user.permission_level} of {user.group}" if user.group else "Support staff" if user.is_staff else ""
    return f"{kind}, blocked now" if user.blocked_since else kind


def _kind_of_device(device: Device) -> str:
    return f"{device.group}: {device.description}" if device.description else str(device.group)
