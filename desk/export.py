"""Lists as csv and xlsx files, and what each has in its columns."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path
from import_export.fields import Field
from import_export.resources import ModelResource
from unfold.admin import ModelAdmin

from accounts.models import Group, User
from devices import mac
from devices.models import Device
from locations.models import Location
from redirect.http import table_file
from redirect.http.table_file import KINDS, Row, send, time_text


def rows_of(queryset: QuerySet[Any], resource: Any) -> Iterator[list[Row]]:
    """What a ModelResource exports of each row, in the order of primary keys; each piece is a query of its own."""
    fields = resource.get_export_fields()
    for rows in table_file.pieces_of(queryset):
        yield [[resource.export_field(field, row) for field in fields] for row in rows]


class ExportAdmin(ModelAdmin):
    """Gives the list of a table an address for each kind of file, with all rows as filtered and searched."""

    change_list_template: Any = "admin/exported_change_list.html"
    resource: ClassVar[Any]  # a ModelResource
    export_related: tuple[str, ...] = ()  # what the resource reads of other tables

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = path("export.<str:kind>", self.admin_site.admin_view(self.export), name=name)
        return [own, *super().get_urls()]

    def export(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The rows of the list that the query names."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows: QuerySet[Any] = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect("./?e=1")  # as the list does itself
        if self.export_related:
            rows = rows.select_related(*self.export_related)
        if kind not in KINDS or (kind == "xlsx" and rows.count() > table_file.MOST_ROWS_OF_XLSX):
            text = f"An xlsx file may have {table_file.MOST_ROWS_OF_XLSX:,} rows: filter the list, or take csv."
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(f"./?{request.GET.urlencode()}")
        resource = self.resource()
        name = str(self.opts.verbose_name_plural)
        return send(request, name, kind, resource.get_export_headers(), rows_of(rows, resource))


# --- What each list exports -------------------------------------------------------------------------------------


class GroupResource(ModelResource):
    """A group."""

    name = Field("name", column_name="name")
    group_type = Field("group_type", column_name="groupType")
    reseller = Field("reseller__name", column_name="reseller")
    address = Field("address", column_name="address")
    description = Field("description", column_name="description")

    class Meta:
        model = Group
        fields = ("name", "group_type", "reseller", "address", "description")


class UserResource(ModelResource):
    """A user, without anything that helps to log in as one."""

    login = Field("login", column_name="login")
    group = Field(column_name="group")
    permission_level = Field("permission_level", column_name="permissionLevel")
    first_name = Field("first_name", column_name="firstName")
    last_name = Field("last_name", column_name="lastName")
    email = Field("email", column_name="email")
    phone1 = Field("phone1", column_name="phone1")
    phone2 = Field("phone2", column_name="phone2")
    description = Field("description", column_name="description")
    is_active = Field("is_active", column_name="isActive")
    last_login = Field(column_name="lastLogin")
    last_login_status = Field("last_login_status", column_name="lastLoginStatus")

    class Meta:
        model = User
        fields = (
            "login",
            "group",
            "permission_level",
            "first_name",
            "last_name",
            "email",
            "phone1",
            "phone2",
            "description",
            "is_active",
            "last_login",
            "last_login_status",
        )

    def dehydrate_group(self, user: Any) -> str:
        return str(user.group.full_name) if user.group else ""

    def dehydrate_last_login(self, user: Any) -> str:
        return time_text(user.last_login)


class DeviceResource(ModelResource):
    """A device, with its group and location as the import takes them."""

    mac = Field(column_name="mac")
    group = Field(column_name="group")
    location = Field("location__url", column_name="location")
    description = Field("description", column_name="description")
    last_access = Field(column_name="lastAccess")
    last_access_status = Field("last_access_status", column_name="lastAccessStatus")
    num_requests = Field("num_requests", column_name="numRequests")

    class Meta:
        model = Device
        fields = (
            "mac",
            "group",
            "location",
            "description",
            "last_access",
            "last_access_status",
            "num_requests",
        )

    def dehydrate_mac(self, device: Any) -> str:
        return mac.display(device.mac)

    def dehydrate_group(self, device: Any) -> str:
        return str(device.group.full_name)

    def dehydrate_last_access(self, device: Any) -> str:
        return time_text(device.last_access)


class LocationResource(ModelResource):
    """A location; its id names it in the import of devices where a group has several of one URL."""

    id = Field("id", column_name="id")
    group = Field(column_name="group")
    url = Field("url", column_name="url")
    mutual_auth = Field("mutual_auth", column_name="mutualAuth")
    description = Field("description", column_name="description")
    last_access = Field(column_name="lastAccess")
    answer = Field("answer", column_name="answer")

    class Meta:
        model = Location
        fields = ("id", "group", "url", "mutual_auth", "description", "last_access", "answer")

    def dehydrate_group(self, location: Any) -> str:
        return str(location.group.full_name)

    def dehydrate_last_access(self, location: Any) -> str:
        return time_text(location.last_access)
