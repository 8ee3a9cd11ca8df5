"""An integrator's program on the client that openapi-python-client makes, run by its own interpreter.

Reads where and as whom from standard input, and prints what it was answered, with the types that it was given.
"""

import json
import sys

from redirect_client import AuthenticatedClient, Client
from redirect_client.api.devices import create_devices, get_device, list_devices
from redirect_client.api.groups import create_group
from redirect_client.api.imports import create_import, get_import
from redirect_client.api.locations import create_location, get_location, update_location
from redirect_client.api.login import login
from redirect_client.models import (
    DevicesBody,
    GroupBody,
    GroupBodyGroupType,
    ImportBody,
    LocationBody,
    LocationChanges,
    LoginBody,
)
from redirect_client.types import File

given = json.load(sys.stdin)
url, group = given["url"], given["group"]
told = {}


def tell(name, answer):
    parsed = answer.parsed
    told[name] = [int(answer.status_code), type(parsed).__name__, getattr(parsed, "description", None)]
    return parsed


def logged_in(name):
    body = LoginBody(user_name=given[name], password=given["password"])
    parsed = tell(f"login as {name}", login.sync_detailed(client=Client(base_url=url), body=body))
    return AuthenticatedClient(base_url=url, token=parsed.access_token)


administrator, monitor = logged_in("administrator"), logged_in("monitor")
bulk = DevicesBody(group=group, mac_list=given["macs"], override_current_association=False)
told["created"] = tell("bulk", create_devices.sync_detailed(client=administrator, body=bulk)).success.count
told["paged"] = [
    device.mac
    for page in (1, 2)
    for device in tell("page", list_devices.sync_detailed(client=administrator, page=page, limit=2)).devices
]
tell("204", get_device.sync_detailed("999999", client=administrator))
tell("400", list_devices.sync_detailed(client=administrator, filter_="colour=1"))
tell("403", create_devices.sync_detailed(client=monitor, body=bulk))
again = GroupBody(name=given["taken"], group_type=GroupBodyGroupType.PROVIDER)
tell("409", create_group.sync_detailed(client=administrator, body=again))
place = tell(
    "201",
    create_location.sync_detailed(
        client=administrator, body=LocationBody(url="https://pbx.example/", group_id=group)
    ),
)
tag = get_location.sync_detailed(place.id, client=administrator).headers["ETag"]
changed = LocationChanges(url="https://pbx.example/new")
tell("200", update_location.sync_detailed(place.id, client=administrator, body=changed, if_match=tag))
tell("412", update_location.sync_detailed(place.id, client=administrator, body=changed, if_match=tag))
with open(given["file"], "rb") as file:
    form = ImportBody(file=File(payload=file, file_name="devices.csv"), move=True)
    sent = tell("import", create_import.sync_detailed(client=administrator, body=form))
told["move"] = get_import.sync(sent.id, client=administrator).move
limited = login.sync_detailed(client=Client(base_url=url), body=LoginBody(user_name="x", password="x"))
tell("429", limited)
told["limit"] = [limited.headers["Retry-After"], limited.headers["RateLimit"], limited.headers["RateLimit-Policy"]]
json.dump(told, sys.stdout)
