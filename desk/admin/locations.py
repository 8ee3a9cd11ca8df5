"""Locations in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from desk.admin.base import TableAdmin, TableForm, link_to, link_to_rows
from desk.export import ExportAdmin
from desk.filters import GroupFilter
from desk.ids import is_id
from locations import url_template
from locations.export import LOCATION_COLUMNS
from locations.models import Location, check_url


class LocationForm(TableForm):
    """A location, with a URL that phones can be sent to."""

    def clean_url(self) -> str:
        """A URL template, as manual 9.1 has it."""
        url = str(self.cleaned_data["url"])
        if "url" not in self.changed_data:
            return url  # it was accepted by the rules of its time
        try:
            check_url(url)
        except url_template.InvalidTemplate as error:
            raise ValidationError(str(error)) from error
        return url


@admin.register(Location)
class LocationAdmin(ExportAdmin, TableAdmin):
    """Where phones are sent."""

    columns = LOCATION_COLUMNS
    export_related = ("group__reseller",)

    form = LocationForm
    fields = ("group", "url", "mutual_auth", "answer", "description", "last_access", "certificates")
    fixed_fields = ("group",)  # its devices are of the same group
    readonly_fields = ("last_access", "certificates")
    list_display = ("url", "group_link", "mutual_auth", "devices", "last_access")
    list_filter = (GroupFilter, "mutual_auth", "answer", ("last_access", admin.EmptyFieldListFilter))
    list_select_related = ("group",)
    search_fields = ("url", "description", "group__name")
    autocomplete_fields = ("group",)
    sortable_by = ("url", "last_access")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset: Any = super().get_queryset(request)
        return queryset.with_device_count()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """For the location of a device, only those of its group."""
        if request.GET.get("field_name") == "location":
            group = request.GET.get("group", "")
            queryset = queryset.filter(group=group) if is_id(group) else queryset.none()
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="certificates")
    def certificates(self, location: Any) -> str:
        """Whether mutual auth can be switched on."""
        seen = location.devices.exclude(certificate_seen=None).count()
        return (
            f"{seen:,} devices have shown a good certificate, {location.device_count - seen:,} never have: with "
            "mutual auth these get nothing until they do."
        )

    @admin.display(description="group", ordering="group__name")
    def group_link(self, location: Location) -> SafeString:
        return link_to(location.group, location.group.name)

    def save_model(self, request: HttpRequest, obj: Location, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if warning := url_template.warning(obj.url):
            self.message_user(request, warning, messages.WARNING)

    @admin.display(description="devices")
    def devices(self, location: Any) -> SafeString:
        return link_to_rows(location, "devices", location.device_count)
