"""Devices in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin import TableAdmin
from accounts.models import Group
from devices import bulk, mac
from devices.models import Access, Device
from locations.models import Location
from redirect.listing import among, contains


class MACField(forms.CharField):
    """A MAC in any spelling."""

    def clean(self, value: Any) -> str:
        try:
            return mac.normalize(super().clean(value))
        except mac.InvalidMAC as error:
            raise ValidationError(str(error)) from error


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A device, whose location is one of its group's."""

    mac = MACField(label="MAC", help_text="In any spelling, such as 00:A0:C9:14:C8:29 or 00A0C914C829.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        group, location = cleaned.get("group"), cleaned.get("location")
        if group and location and location.group_id != group.pk:
            owner = location.group
            self.add_error(
                "location", f"This location belongs to {owner}; the device's would be one of {group}'s."
            )
        return cleaned


@admin.register(Device)
class DeviceAdmin(TableAdmin):
    """What boots."""

    form = DeviceForm
    fields = ("mac", "group", "location", "description", "last_access_status", "last_access", "num_requests")
    fixed_fields = ("mac",)
    readonly_fields = ("last_access_status", "last_access", "num_requests")
    list_display = ("spelled_mac", "group", "last_access_status", "last_access", "num_requests", "location")
    list_filter = ("last_access_status", ("location", admin.EmptyFieldListFilter), "last_access")
    list_select_related = ("group", "location")
    search_fields = ("mac",)  # shows the field; what it finds is told below
    search_help_text = "A MAC in any spelling or a part of one, a group, the URL of a location, a description."
    autocomplete_fields = ("group",)
    raw_id_fields = ("location",)  # its list shows whose each is; groups may have the same URL
    sortable_by = ("spelled_mac",)  # has an index; the others, written at each boot, have none
    ordering = ("mac",)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """As the API removes a list: with one entry in the audit log."""
        macs = queryset.values_list("mac", flat=True)
        bulk.remove(Device.objects.all(), {text: index for index, text in enumerate(macs)})

    @admin.display(description="MAC", ordering="mac")
    def spelled_mac(self, device: Device) -> str:
        return mac.display(device.mac)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole MAC is looked up by its index; anything else is searched for as in devices/filters.py."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if whole := mac.from_request_path(f"/{term}"):
            return queryset.filter(mac=whole), False
        found = contains(term, texts=("description",))
        if part := mac.fragment(term):
            found |= Q(mac__icontains=part)
        found |= among("group", Group.objects.all(), contains(term, texts=("name",)))
        found |= among("location", Location.objects.all(), contains(term, texts=("url",)))
        return queryset.filter(found), False


@admin.register(Access)
class AccessAdmin(TableAdmin):
    """What phones asked for and got; nobody writes it by hand."""

    list_display = ("time", "spelled_mac", "outcome", "address", "user_agent", "location_url")
    list_filter = ("outcome", "time")
    search_fields = ("mac",)
    ordering = ("-time", "-pk")
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="MAC")
    def spelled_mac(self, access: Access) -> str:
        return mac.display(access.mac)
