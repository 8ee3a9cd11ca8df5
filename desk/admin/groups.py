"""Groups in the admin: resellers and their providers."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.export import GROUP_COLUMNS
from accounts.models import Group, GroupType
from audit import history
from desk import group_page
from desk.admin.base import TableAdmin, TableForm, link_to, link_to_rows
from desk.export import ExportAdmin
from desk.filters import HasDevicesFilter, ResellerFilter
from devices.claims import lock_reseller, parse_prefixes, quotas_shown_to
from redirect.errors import Conflict

QUOTAS = {
    "device_quota": "The most devices that the group itself may have. Empty: as the service is set up ({}).",
    "total_device_quota": "Of a reseller: the most that it and its providers may have together. Empty: {}.",
    "mac_prefixes": "The only makers whose MACs the group may claim: prefixes such as 00:90:8F, parted by spaces. "
    "Empty: any. Devices that it has stay.",
}


class GroupForm(TableForm):
    """A provider has a reseller, and a reseller has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        defaults = (settings.DEVICE_QUOTA_PER_GROUP, settings.DEVICE_QUOTA_PER_RESELLER, 0)
        for (name, text), default in zip(QUOTAS.items(), defaults, strict=True):
            if name in self.fields:
                self.fields[name].help_text = text.format(f"{default:,}" if default else "no limit")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        reseller = cleaned.get("reseller")
        if cleaned.get("group_type", self.instance.group_type) == GroupType.RESELLER:
            if reseller:
                self.add_error("reseller", "Only a Provider has a reseller.")
        elif "reseller" not in self.errors:
            if not reseller:
                self.add_error("reseller", "A Provider needs the Reseller that it belongs to.")
            elif not reseller.is_reseller:
                self.add_error("reseller", f"{reseller} is a Provider; choose a Reseller.")
            else:
                self._check_room(reseller)
        if cleaned.get("group_type", self.instance.group_type) == GroupType.PROVIDER and cleaned.get(
            "total_device_quota"
        ):
            self.add_error("total_device_quota", "Only a Reseller has providers.")
        return cleaned

    def clean_mac_prefixes(self) -> str | None:
        """In one spelling; None for none."""
        try:
            return parse_prefixes(self.cleaned_data["mac_prefixes"] or "") or None
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def _check_room(self, reseller: Group) -> None:
        """A provider that comes to another reseller brings its devices."""
        if self.instance.pk is None or self.instance.reseller_id == reseller.pk:
            return
        devices = self.instance.devices.count()
        try:
            with quotas_shown_to(None):
                lock_reseller(reseller).check({reseller.pk: devices}, written=False)
        except Conflict as error:
            self.add_error("reseller", str(error))


@admin.register(Group)
class GroupAdmin(ExportAdmin, TableAdmin):
    """Resellers and their providers."""

    columns = GROUP_COLUMNS
    export_related = ("reseller",)

    form = GroupForm
    fields = ("name", "group_type", "reseller", "address", "description", *QUOTAS)
    fixed_fields = ("group_type",)
    list_display = ("name", "group_type", "reseller_link", "locations", "devices")
    list_filter = (ResellerFilter, "group_type", HasDevicesFilter)
    list_select_related = ("reseller",)
    search_fields = ("name", "reseller__name")
    autocomplete_fields = ("reseller",)
    sortable_by = ("name", "group_type")
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset: Any = super().get_queryset(request)
        return queryset.with_counts()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        """What is known of a customer stands above its form."""
        if obj is not None:
            context["page"] = group_page.gather(request, obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def history_of(self, row: Any) -> QuerySet[Any]:
        """And about all that the group has had."""
        return history.of_group(row.pk)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Where a reseller is to be chosen, none but resellers."""
        if request.GET.get("field_name") == "reseller":
            queryset = queryset.filter(group_type=GroupType.RESELLER)
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="reseller")
    def reseller_link(self, group: Any) -> str:
        return link_to(group.reseller, group.reseller.name) if group.reseller else "-"

    @admin.display(description="locations")
    def locations(self, group: Any) -> SafeString:
        return link_to_rows(group, "locations", group.location_count)

    @admin.display(description="devices")
    def devices(self, group: Any) -> SafeString:
        return link_to_rows(group, "devices", group.device_count)
