"""Devices as rows of a file, with group and location as the import takes them."""

from accounts.export import group_name
from devices import mac
from redirect.http.table_file import Columns, attribute, time_text

DEVICE_COLUMNS: Columns = {
    "mac": lambda device, viewer: mac.display(device.mac),
    "group": lambda device, viewer: group_name(device.group, viewer),
    "location": lambda device, viewer: device.location and device.location.url,
    "description": attribute("description"),
    "lastAccess": lambda device, viewer: time_text(device.last_access),
    "lastAccessStatus": attribute("last_access_status"),
    "numRequests": attribute("num_requests"),
}
