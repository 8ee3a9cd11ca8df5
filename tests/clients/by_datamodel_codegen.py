"""An integrator's program on the models that datamodel-codegen makes, with httpx, run by its own interpreter.

Reads where and as whom from standard input, and prints what it was answered, with the types that it was given.
"""

import json
import sys

import httpx
import redirect_models as models

given = json.load(sys.stdin)
client = httpx.Client(base_url=given["url"] + "/api/v1")
told = {}


def ask(name, method, path, model, body=None, token="", **headers):
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = body.model_dump(mode="json", exclude_unset=True) if body is not None else None
    answer = client.request(method, path, json=content, headers=headers)
    parsed = model.model_validate(answer.json()) if model is not None else None
    told[name] = [answer.status_code, type(parsed).__name__, getattr(parsed, "description", None)]
    return parsed, answer.headers


def logged_in(name):
    body = models.LoginBody(userName=given[name], password=given["password"])
    return ask(f"login as {name}", "POST", "/login", models.LoginAnswer, body)[0].access_token


administrator, monitor = logged_in("administrator"), logged_in("monitor")
bulk = models.DevicesBody(group=given["group"], macList=given["macs"], overrideCurrentAssociation=False)
told["created"] = ask("bulk", "POST", "/devices", models.CreatedDevices, bulk, administrator)[0].success.count
told["paged"] = [
    device.mac
    for page in (1, 2)
    for device in ask("page", "GET", f"/devices?limit=2&page={page}", models.DevicesPage, token=administrator)[
        0
    ].devices
]
ask("204", "GET", "/devices/999999", None, token=administrator)
ask("400", "GET", "/devices?filter=colour=1", models.Error, token=administrator)
ask("403", "POST", "/devices", models.Error, bulk, monitor)
again = models.GroupBody(name=given["taken"], groupType="Provider")
ask("409", "POST", "/groups", models.Error, again, administrator)
location = models.LocationBody(url="https://pbx.example/", groupId=given["group"])
place, _ = ask("201", "POST", "/locations", models.Created, location, administrator)
path = f"/locations/{place.id}"
_, headers = ask("read", "GET", path, models.Location, token=administrator)
changed, tag = models.LocationChanges(url="https://pbx.example/new"), {"If-Match": headers["ETag"]}
ask("200", "PUT", path, models.Location, changed, administrator, **tag)
ask("412", "PUT", path, models.Error, changed, administrator, **tag)
_, headers = ask("429", "POST", "/login", models.Error, models.LoginBody(userName="x", password="x"))
told["limit"] = [headers["Retry-After"], headers["RateLimit"], headers["RateLimit-Policy"]]
json.dump(told, sys.stdout)
