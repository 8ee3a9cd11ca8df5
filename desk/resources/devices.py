"""What the exported list of devices has in each column; the first four can be imported again."""

from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource

from desk.export import time_text
from devices import mac
from devices.models import Device


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
