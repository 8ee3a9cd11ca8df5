"""Groups in the admin: resellers and their providers."""

from typing import Any

from django.contrib import admin
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


class GroupForm(TableForm):
    """A provider has a reseller, and a reseller has none."""

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
        return cleaned


@admin.register(Group)
class GroupAdmin(ExportAdmin, TableAdmin):
    """Resellers and their providers."""

    columns = GROUP_COLUMNS
    export_related = ("reseller",)

    form = GroupForm
    fields = ("name", "group_type", "reseller", "address", "description")
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
