"""What the exported list of locations has in each column."""

from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource

from desk.export import time_text
from locations.models import Location


class LocationResource(ModelResource):
    """A location; its id names it in the import of devices where a group has several of one URL."""

    id = Field("id", column_name="id")
    group = Field(column_name="group")
    url = Field("url", column_name="url")
    mutual_auth = Field("mutual_auth", column_name="mutualAuth")
    description = Field("description", column_name="description")
    last_access = Field(column_name="lastAccess")

    class Meta:
        model = Location
        fields = ("id", "group", "url", "mutual_auth", "description", "last_access")

    def dehydrate_group(self, location: Any) -> str:
        return str(location.group.full_name)

    def dehydrate_last_access(self, location: Any) -> str:
        return time_text(location.last_access)
