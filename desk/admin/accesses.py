"""The log of phones' requests in the admin: read-only."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import paginator

from desk.admin.base import TableAdmin
from desk.asked import KindFilter, kind_in_words
from desk.filters import GroupFilter
from desk.search import whole_mac
from devices import mac
from devices.models import Access, Outcome
from redirect.times import exact

FAILED = "failed"


class OutcomeFilter(admin.SimpleListFilter):
    """The outcome of the request."""

    title = "outcome"
    parameter_name = "outcome__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Outcome.choices, (FAILED, "Not redirected")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == FAILED:
            return queryset.exclude(outcome=Outcome.REDIRECTED)
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class TimeFilter(admin.SimpleListFilter):
    """The last 24 hours, unless another time is chosen or one MAC is looked for.

    All times for all phones is no choice: that may be ten million rows.
    """

    title = "time"
    parameter_name = "when"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        self.of_one_mac = whole_mac(request.GET.get("q", "")) is not None

    @property
    def default(self) -> str:
        """What is shown where nothing is chosen."""
        return f"All that is kept ({settings.ACCESS_LOG_DAYS} days)" if self.of_one_mac else "Last 24 hours"

    @property
    def shown(self) -> str:
        """The choice in words."""
        if window := _window(self.value() or ""):
            return f"{window[0]:%d %b %H:%M:%S} to {window[1]:%d %b %H:%M:%S}"
        return str(dict(self.lookup_choices).get(self.value() or "", self.default))

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.now().date()
        days = [today - timedelta(days=number) for number in range(min(settings.ACCESS_LOG_DAYS, 30))]
        return [("hour", "Last hour"), *((day.isoformat(), f"{day:%a %d %b %Y}") for day in days)]

    def choices(self, changelist: Any) -> Any:
        default, *others = super().choices(changelist)
        return [default | {"display": self.default}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if window := _window(self.value() or ""):
            return queryset.filter(time__range=window)
        chosen = self.value() if self.value() in dict(self.lookup_choices) else None
        now = timezone.now()
        if chosen == "hour":
            return queryset.filter(time__gte=now - timedelta(hours=1))
        if chosen:
            day = datetime.fromisoformat(chosen).replace(tzinfo=UTC)
            return queryset.filter(time__gte=day, time__lt=day + timedelta(days=1))
        return queryset if self.of_one_mac else queryset.filter(time__gte=now - timedelta(days=1))


def _window(text: str) -> tuple[datetime, datetime] | None:
    """The first and the last moment of a time that a link of the dashboard names, as two ISO 8601 times in UTC."""
    with suppress(ValueError):
        first, last = (datetime.fromisoformat(part) for part in text.split("/"))
        if first.tzinfo and last.tzinfo:
            return first, last
    return None


class InfinitePaginator(paginator.InfinitePaginator):
    """Pages of a list that is never counted, and not turned forever. Its name is what the templates know it by."""

    count = 10_000


@admin.register(Access)
class AccessAdmin(TableAdmin):
    """The requests of phones and their outcomes."""

    names = ("request of a phone", "requests of phones")
    list_display = (
        "exact_time",
        "spelled_mac",
        "outcome_in_words",
        "address",
        "path",
        "kind_of_request",
        "user_agent",
        "location_url",
    )
    list_display_links = None
    list_filter = (OutcomeFilter, KindFilter, TimeFilter, GroupFilter)
    list_before_template = "admin/devices/access/time_shown.html"
    search_fields = ("mac",)
    search_help_text = "A whole MAC in any spelling, or the address that asked."
    ordering = ("-time", "-pk")
    sortable_by = ()
    paginator = InfinitePaginator

    class Media:
        css = {"all": ("desk/device_page.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> None:
        """A row has no page of its own: the list shows all of it, and PostgreSQL has no index of ids."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By whole values only: parts of them would be searched for in ten million rows."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if whole := whole_mac(term):
            return queryset.filter(mac=whole), False
        try:
            return queryset.filter(address=str(ip_address(term))), False
        except ValueError:
            self.message_user(request, "Search for a whole MAC or a whole address.", messages.WARNING)
            return queryset.none(), False

    @admin.display(description="time")
    def exact_time(self, access: Access) -> SafeString:
        return format_html('<span class="device-nowrap">{}</span>', exact(access.time))

    @admin.display(description="MAC")
    def spelled_mac(self, access: Access) -> str:
        spelled = mac.display(access.mac)
        if access.device_id is None:
            return spelled
        page = reverse("admin:devices_device_change", args=[access.device_id])
        return format_html('<a class="device-link" href="{}">{}</a>', page, spelled)

    @admin.display(description="outcome")
    def outcome_in_words(self, access: Access) -> str:
        return Outcome(access.outcome).label

    @admin.display(description="kind")
    def kind_of_request(self, access: Access) -> str:
        return kind_in_words(access.kind)
