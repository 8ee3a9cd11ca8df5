"""Phones, their groups and registrations of a simulated sipXcom. {phoneId} is the internal id or the MAC."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.simulators.device import JSON, Answer, Refusal, Request, as_json

if TYPE_CHECKING:
    from tests.simulators.sipxcom import Phone, Sipxcom

MODELS = {
    "polycomTrio8800": ("Polycom Trio 8800", "Polycom"),
    "polycomVVX500": ("Polycom VVX 500", "Polycom"),
    "audiocodesMP1X4_4_FXS": ("AudioCodes MP114 FXS", "AudioCodes"),
    "snom320": ("Snom 320", "Snom"),
}


def shown(server: "Sipxcom", phone: "Phone") -> dict[str, Any]:
    """With the lines' passwords, as the manual has it."""
    label, vendor = MODELS.get(phone.model, (phone.model, None))
    return {
        "id": phone.id,
        "serialNo": phone.mac,
        "description": phone.description,
        "model": {"modelId": phone.model, "label": label, "vendor": vendor},
        "label": label,
        "vendor": vendor,
        "lines": phone.lines,
    }


def registration(mac: str, user: str = "200", ip: str = "10.4.219.31", **more: Any) -> dict[str, Any]:
    """One that the registrar has."""
    values = {"callId": f"{mac}@{ip}", "server": "sipxcom.example", "expires": 3600} | more
    return {"uri": f"sip:{user}@pbx.example", "user": user, "serialNo": mac.lower(), "ip": ip, **values}


def body_of(request: Request) -> dict[str, Any]:
    """A JSON object; raises Refusal 400."""
    if request.content_type != JSON:
        raise Refusal(Answer(415))
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(Answer(400)) from error
    if not isinstance(body, dict):
        raise Refusal(Answer(400))
    return body


def find(server: "Sipxcom", wanted: str) -> "Phone":
    """By id or MAC; raises Refusal 404."""
    for phone in server.phones:
        if wanted.lower() in (str(phone.id), phone.mac):
            return phone
    raise Refusal(Answer(404))


def collection(server: "Sipxcom", request: Request) -> Answer:
    """List and create."""
    if request.method == "GET":
        return as_json({"phones": [shown(server, phone) for phone in server.phones]})
    body = body_of(request)
    mac = str(body.get("serialNumber", body.get("serialNo", "")))
    if not re.fullmatch("[0-9A-Fa-f]{12}", mac) or body.get("model") not in MODELS:
        return Answer(400)
    if any(phone.mac == mac.lower() for phone in server.phones):
        return Answer(409)
    phone = server.add_phone(mac, body["model"], str(body.get("description") or ""))
    return as_json({"id": phone.id})


def item(server: "Sipxcom", request: Request, phoneId: str) -> Answer:
    """One phone."""
    phone = find(server, phoneId)
    if request.method == "GET":
        return as_json(shown(server, phone))
    if request.method == "DELETE":
        server.phones.remove(phone)
        return Answer(200)
    body = body_of(request)
    if body.get("model", phone.model) not in MODELS:
        return Answer(400)
    phone.model = body.get("model", phone.model)
    phone.description = body.get("description", phone.description)
    return Answer(200)


def models(server: "Sipxcom", request: Request) -> Answer:
    """PUT and DELETE are of a gateway: copied by mistake, and ignored."""
    if request.method != "GET":
        return Answer(200)
    known = [{"modelId": id, "label": label, "vendor": vendor} for id, (label, vendor) in MODELS.items()]
    if request.query.get("sortdir") == "reverse":
        known.reverse()
    size = max(1, int(request.query.get("pagesize", "1000")))
    start = (max(1, int(request.query.get("page", "1"))) - 1) * size
    return as_json({"models": known[start : start + size]})


def profile(server: "Sipxcom", request: Request, serialNumber: str, name: str) -> Answer:
    """The file that the phone will fetch."""
    phone = find(server, serialNumber)
    if unquote(name) not in (f"{phone.mac}.cfg", f"{phone.mac}-sipx.cfg"):
        return Answer(404)
    text = f'<?xml version="1.0"?><PHONE_CONFIG reg.1.auth.password="password-of-line" mac="{phone.mac}"/>'
    return Answer(200, text.encode(), "application/octet-stream")


def send_profile(server: "Sipxcom", request: Request, serialOrId: str) -> Answer:
    """Push the profile, and restart the phone."""
    phone = find(server, serialOrId)
    server.sent_profiles.append(phone.mac)
    server.restarted(phone.mac)
    return Answer(200)


def _group(server: "Sipxcom", wanted: str) -> int:
    names = [*server.groups]
    for place, name in enumerate(names):
        if wanted in (name, str(place + 1)):
            return place
    raise Refusal(Answer(404))


def _shown_group(server: "Sipxcom", name: str) -> dict[str, Any]:
    place = server.groups.index(name)
    return {"id": place + 1, "name": name, "description": "", "weight": place + 1}


def groups_of_phone(server: "Sipxcom", request: Request, phoneId: str) -> Answer:
    """DELETE leaves all."""
    phone = find(server, phoneId)
    if request.method == "DELETE":
        phone.groups.clear()
        return Answer(200)
    return as_json({"groups": [_shown_group(server, name) for name in phone.groups]})


def group_of_phone(server: "Sipxcom", request: Request, phoneId: str, groupName: str) -> Answer:
    """Join and leave."""
    phone, name = find(server, phoneId), server.groups[_group(server, unquote(groupName))]
    if request.method == "POST":
        phone.groups = [*dict.fromkeys([*phone.groups, name])]
    elif name in phone.groups:
        phone.groups.remove(name)
    return Answer(200)


def lines(server: "Sipxcom", request: Request, phoneId: str) -> Answer:
    """With their passwords."""
    phone = find(server, phoneId)
    if request.method == "GET":
        return as_json({"lines": phone.lines})
    if request.method == "DELETE":
        phone.lines.clear()
        return Answer(200)
    body = body_of(request)
    user = str(body.get("user") or body.get("userId") or "")
    if not user:
        return Answer(400)
    line = {"id": server.new_id(), "uri": f"sip:{user}@pbx.example", "user": user, "userId": user}
    line |= {"password": f"sip-password-of-{user}", "registrationServer": "pbx.example"}
    phone.lines.append(line | {"registrationServerPort": 5060})
    return as_json({"id": line["id"]})


def all_groups(server: "Sipxcom", request: Request) -> Answer:
    """In the order in which their settings count."""
    return as_json({"groups": [_shown_group(server, name) for name in server.groups]})


def one_group(server: "Sipxcom", request: Request, phoneGroupId: str) -> Answer:
    """PUT is its description, in plain text."""
    place = _group(server, phoneGroupId)
    if request.method == "GET":
        return as_json(_shown_group(server, server.groups[place]))
    if request.method == "DELETE":
        gone = server.groups.pop(place)
        for phone in server.phones:
            phone.groups = [name for name in phone.groups if name != gone]
    return Answer(200)


def _move(step: int) -> Callable[..., Answer]:
    def move(server: "Sipxcom", request: Request, groupId: str) -> Answer:
        place = _group(server, groupId)
        other = min(max(place + step, 0), len(server.groups) - 1)
        server.groups[place], server.groups[other] = server.groups[other], server.groups[place]
        return Answer(200)

    return move


def models_of_group(server: "Sipxcom", request: Request, groupId: str) -> Answer:
    """Those of the phones in it."""
    name = server.groups[_group(server, groupId)]
    used = sorted({phone.model for phone in server.phones if name in phone.groups})
    return as_json({"models": [{"modelId": id, "label": MODELS[id][0]} for id in used]})


def registrations(server: "Sipxcom", request: Request) -> Answer:
    """`start` and `limit` are required."""
    try:
        start, limit = int(request.query["start"]), int(request.query["limit"])
    except (KeyError, ValueError):
        return Answer(400)
    return as_json({"registrations": server.registrations[start : start + limit]})


def _registrations_by(key: str) -> Callable[..., Answer]:
    def by(server: "Sipxcom", request: Request, **holes: str) -> Answer:
        [wanted] = holes.values()
        wanted = unquote(wanted).lower()
        found = [each for each in server.registrations if str(each[key]).lower() == wanted]
        if request.method == "DELETE":
            server.registrations = [each for each in server.registrations if each not in found]
            return Answer(200)
        return as_json({"registrations": found})

    return by


HANDLERS: dict[str, Callable[..., Answer]] = {
    "/api/phones": collection,
    "/api/phones/models": models,
    "/api/phones/{phoneId}": item,
    "/api/phones/{serialNumber}/profile/{name}": profile,
    "/api/phones/{serialOrId}/sendProfile/restart": send_profile,
    "/api/phones/{phoneId}/groups": groups_of_phone,
    "/api/phones/{phoneId}/groups/{groupName}": group_of_phone,
    "/api/phones/{phoneId}/lines": lines,
    "/api/phoneGroups": all_groups,
    "/api/phoneGroups/{phoneGroupId}": one_group,
    "/api/phoneGroups/{groupId}/up": _move(-1),
    "/api/phoneGroups/{groupId}/down": _move(1),
    "/api/phoneGroups/{groupId}/models": models_of_group,
    "/api/registrations": registrations,
    "/api/registrations/user/{userId}": _registrations_by("user"),
    "/api/registrations/serialNo/{serialId}": _registrations_by("serialNo"),
    "/api/registrations/ip/{ip}": _registrations_by("ip"),
    "/api/registrations/callId/{callId}": _registrations_by("callId"),
    "/api/registrations/server/{serverId}": _registrations_by("server"),
}
