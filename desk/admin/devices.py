"""Devices in the admin."""

from typing import Any

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.decorators import display

from audit import history
from boot.logged import request_like
from desk import claims, device_page, dry_run
from desk.admin.base import TableForm, link_to
from desk.bulk_actions import DeviceActions, LocationWidget
from desk.export import ExportAdmin
from desk.filters import GroupFilter
from desk.import_pages import ImportPages
from desk.search import part_of_mac, whole_mac
from devices import counts, mac
from devices.claims import quotas_shown_to, refuse_new
from devices.export import DEVICE_COLUMNS
from devices.models import RESERVED_MAC, Access, AccessStatus, Device
from devices.search import STAFF_ATTRIBUTES, matching
from redirect.errors import Conflict
from redirect.times import exact

STATUS_COLORS = {AccessStatus.SUCCESS: "success", AccessStatus.FAIL: "danger", AccessStatus.AWAIT: "info"}


class MACField(forms.CharField):
    """A MAC in any spelling."""

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            return mac.normalize(whole_mac(text) or text)
        except mac.InvalidMAC as error:
            raise ValidationError(str(error)) from error


class DeviceForm(TableForm):
    """A device, whose location is one of its group's."""

    mac = MACField(label="MAC", help_text="In any spelling, such as 00:A0:C9:14:C8:29 or 00A0C914C829.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "location" in self.fields:
            widget = LocationWidget(Device._meta.get_field("location"), admin.site)
            self.fields["location"].widget = widget
            widget.choices = self.fields["location"].choices  # type: ignore[attr-defined]
            if self.instance.pk:
                # The page shows the field beside the diagnosis, outside the form's element.
                widget.attrs["form"] = "device_form"
                widget.group_id = self.instance.group_id

    def clean_mac(self) -> str:
        """A MAC that no device has; the error names the owner of the device that has it."""
        text: str = self.cleaned_data["mac"]
        existing = Device.objects.filter(mac=text).select_related("group__reseller").first()
        if existing and existing.pk != self.instance.pk:
            told = '{} is a device of {} already. <a class="device-link" href="{}">Open the device</a>'
            page = reverse("admin:devices_device_change", args=[existing.pk])
            raise ValidationError(format_html(told, existing.spelled, existing.group.full_name, page))
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        group, location = cleaned.get("group", getattr(self.instance, "group", None)), cleaned.get("location")
        if group and location and location.group_id != group.pk:
            owner = location.group
            self.add_error(
                "location", f"This location belongs to {owner}; the device's would be one of {group}'s."
            )
        if group and self.instance.pk is None and "mac" in cleaned:
            try:
                with quotas_shown_to(None):  # the transaction goes on: nobody takes the room meanwhile
                    refuse_new(group.pk, cleaned["mac"])
            except Conflict as error:
                self.add_error("group", str(error))
        return cleaned


class ReservedFilter(admin.SimpleListFilter):
    """Devices whose MAC no phone can have; none is added any more."""

    title = "MAC"
    parameter_name = "reserved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Reserved: no phone has it")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(mac__regex=RESERVED_MAC) if self.value() == "yes" else queryset


class DevicePaginator(Paginator):  # type: ignore[type-arg]
    """Pages of devices: all of them are not counted, but known."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(super().count) if rows.query.where else counts.total_of_all()


@admin.register(Device)
class DeviceAdmin(ExportAdmin, DeviceActions):
    """Devices; the page of one tells why its phone got no configuration."""

    change_list_template = "admin/devices/device_change_list.html"
    columns = DEVICE_COLUMNS
    paginator = DevicePaginator
    export_related = ("group__reseller", "location")

    form = DeviceForm
    fields = ("mac", "group", "location", "description")
    fixed_fields = ("mac", "group")  # a move to another group is an action, which asks for the reason
    list_display = ("spelled_mac", "group_link", "status", "last_access", "num_requests", "location_link")
    list_filter = (
        GroupFilter,
        "last_access_status",
        ("location", admin.EmptyFieldListFilter),
        "last_access",
        ReservedFilter,
    )
    list_select_related = ("group", "location")
    search_fields = ("mac",)  # shows the search field; get_search_results defines what it finds
    search_help_text = "A MAC in any spelling or a part of one, a group, the URL of a location, a description."
    autocomplete_fields = ("group",)
    sortable_by = ("spelled_mac",)  # has an index; the others, written at each boot, have none
    ordering = ("mac",)

    class Media:
        css = {"all": ("desk/device_page.css",)}
        js = ("desk/location_of_group.js",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The location of an existing device is not among them: page.html shows it beside the diagnosis."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ("mac", "group", "description")})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, **(kwargs | {"fields": self.fields}))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> Any:
        return super().response_delete(request, mac.display(obj_display), obj_id)

    def history_of(self, row: Any) -> QuerySet[Any]:
        """Also before it was deleted and made again."""
        return history.of_mac(row.mac)

    @admin.display(description="MAC", ordering="mac")
    def spelled_mac(self, device: Device) -> str:
        return mac.display(device.mac)

    @admin.display(description="group")
    def group_link(self, device: Device) -> str:
        return link_to(device.group, device.group.name)

    @admin.display(description="location")
    def location_link(self, device: Device) -> str:
        return link_to(device.location, device.location.url) if device.location else "None"

    @display(description="status", label=STATUS_COLORS)  # type: ignore[untyped-decorator]
    def status(self, device: Device) -> tuple[str, str]:
        return device.last_access_status, AccessStatus(device.last_access_status).label

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole MAC is looked up by its index; for anything else, the search of devices."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if whole := whole_mac(term):
            return queryset.filter(mac=whole), False
        found = matching(term, STAFF_ATTRIBUTES)
        if part := part_of_mac(term):
            found |= Q(mac__contains=part)
        return queryset.filter(found), False

    def get_urls(self) -> list[URLPattern]:
        look_up = self.admin_site.admin_view(self.look_up)
        return [
            path("<int:pk>/look-up/", look_up, name="devices_device_look_up"),
            path("<int:pk>/dispute/", self.admin_site.admin_view(claims.page), name="devices_device_dispute"),
            *ImportPages(self.admin_site).urls(),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        """With what is known above the form. It is read again: a form sent back has changed `obj`."""
        if obj is not None:
            context["page"] = device_page.gather(obj.pk, with_hint=request.user.has_perm("devices.view_access"))
            if apps.is_installed("management"):
                from desk import management_page

                context["managed"] = management_page.of_device(context["page"].device, request.user)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def look_up(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST …/<id>/look-up/: what the phone would get now; alone for htmx, else as a page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:devices_device_change", args=[pk]))
        device = self.get_object(request, str(pk))
        if device is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        last = Access.objects.filter(mac=device.mac).order_by("-time", "-pk").first()
        phone = request_like(last, device.mac)
        context = {"device": device, "answers": dry_run.ask(phone), "asked": exact(timezone.now())}
        context |= {"phone": phone, "last": last}
        context["proxy_trusted"] = bool(settings.TRUSTED_PROXIES)
        if "HX-Request" in request.headers:
            return TemplateResponse(request, "admin/devices/device/answers.html", context)
        title = f"What would {mac.display(device.mac)} get?"
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, "admin/devices/device/dry_run.html", context | {"media": self.media})
