"""What else a simulated sipXcom has rules for: attendants, branches, gateways, DNS, calls, the user's own."""

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.simulators.device import Answer, Request, as_json

if TYPE_CHECKING:
    from tests.simulators.sipxcom import Sipxcom

ATTENDANTS = {"operator": "Operator", "afterhour": "After hours"}
GATEWAY = {"id": 1, "name": "my_siptrunk", "serialNo": None, "deviceVersion": None, "enabled": True,
           "model": {"modelId": "sipTrunkStandard", "label": "SIP trunk", "vendor": None, "versions": None},
           "address": "192.168.1.14", "addressPort": 5060, "addressTransport": "tcp", "shared": True}  # fmt: skip


def created(id: int) -> dict[str, Any]:
    """What the creation of something under /rest answers."""
    return {"response": {"code": "SUCCESS_CREATED", "message": "Created", "data": {"id": id}}}


def attendants(server: "Sipxcom", request: Request) -> Answer:
    """All of them."""
    listed = [
        {"name": name, "systemId": id, "specialSelected": id == server.special_attendant}
        for id, name in ATTENDANTS.items()
    ]
    return server.shown(request, "/rest/", {"autoAttendants": {"autoAttendant": listed}})


def special_mode(server: "Sipxcom", request: Request) -> Answer:
    """PUT switches it on, DELETE off; the body does not matter."""
    if request.method == "GET":
        return server.shown(request, "/rest/", {"specialAttendant": {"specialMode": server.special_mode}})
    server.special_mode = request.method == "PUT"
    return Answer(200)


def special(server: "Sipxcom", request: Request, attendant: str) -> Answer:
    """400 for one that is unknown; 409 for DELETE during the special mode."""
    if attendant not in ATTENDANTS:
        return Answer(400)
    if request.method == "DELETE":
        if server.special_mode:
            return Answer(409)
        server.special_attendant = ""
    else:
        server.special_attendant = attendant
    return Answer(200)


def _branches(server: "Sipxcom") -> dict[int, Any]:
    kept: dict[int, Any] = server.stores.setdefault("branches", {})
    return kept


def branches(server: "Sipxcom", request: Request) -> Answer:
    """PUT creates, and ignores an id."""
    from tests.simulators.sipxcom import read

    kept = _branches(server)
    if request.method == "PUT":
        sent = read(request)
        sent = sent.get("branch", sent) if isinstance(sent, dict) else {"name": "branch"}
        if not sent.get("name"):
            return Answer(400)
        id = server.new_id()
        kept[id] = {**sent, "id": id}
        return server.shown(request, "/rest/", created(id))
    pages = {"totalResults": len(kept), "currentPage": 1, "totalPages": 1, "resultsPerPage": len(kept)}
    listed = {"branch": {"metadata": pages, "branches": {"branch": list(kept.values())}}}
    return server.shown(request, "/rest/", listed)


def branch(server: "Sipxcom", request: Request, id: str) -> Answer:
    """400 for a wrong id."""
    from tests.simulators.sipxcom import read

    kept = _branches(server)
    if not id.isdigit() or int(id) not in kept:
        return Answer(400)
    if request.method == "DELETE":
        del kept[int(id)]
        return Answer(200)
    if request.method == "PUT":
        sent = read(request)
        kept[int(id)] = {**sent.get("branch", sent), "id": int(id)} if isinstance(sent, dict) else kept[int(id)]
        return server.shown(request, "/rest/", created(int(id)))
    return server.shown(request, "/rest/", {"branch": kept[int(id)]})


def advisor(server: "Sipxcom", request: Request, serverId: str) -> Answer:
    """Empty when all is well."""
    return Answer(200, server.missing_records.encode(), "text/plain")


def gateways(server: "Sipxcom", request: Request) -> Answer:
    """All of them."""
    return as_json({"gateways": [GATEWAY]})


def gateway_models(server: "Sipxcom", request: Request) -> Answer:
    """Older Mediants among them."""
    known = {"audiocodesMediant1000": "AudioCodes Mediant 1000 PRI", "sipTrunkStandard": "SIP trunk"}
    return as_json({"models": [{"modelId": id, "label": label} for id, label in known.items()]})


def gateway(server: "Sipxcom", request: Request, gatewayId: str) -> Answer:
    """One of them."""
    if request.method == "GET":
        return as_json(GATEWAY) if gatewayId == "1" else Answer(404)
    return Answer(200)


def call(server: "Sipxcom", request: Request, to: str) -> Answer:
    """400 for what is no SIP address; the body must not be empty."""
    to = unquote(to)
    number = to.removeprefix("sip:").partition("@")[0]
    return Answer(200) if request.body and number and " " not in to else Answer(400)


def time(server: "Sipxcom", request: Request) -> Answer:
    """Of the configuration server."""
    now = datetime.datetime.fromtimestamp(server.clock.now(), datetime.UTC)
    return server.shown(request, "/rest/", {"time": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def login_details(server: "Sipxcom", request: Request) -> Answer:
    """With the SIP password."""
    own = {"userName": request.login[0] if request.login else "", "imID": "", "ldapImAuth": False}
    return server.shown(request, "/rest/", {"login-details": own | {"sipPassword": "sip-password-of-user"}})


def portal_password(server: "Sipxcom", request: Request, password: str) -> Answer:
    """In the address; 400 under eight characters."""
    return Answer(200 if len(unquote(password)) >= 8 else 400)


def voicemail_pin(server: "Sipxcom", request: Request, pin: str) -> Answer:
    """In the address."""
    return Answer(200 if pin.isdigit() or request.method != "PUT" else 400)


def conference_details(server: "Sipxcom", request: Request, confName: str) -> Answer:
    """404 unknown; 406 known, but not active."""
    states = {"weekly": 200, "idle": 406, "others": 403}
    if confName not in states:
        return Answer(404)
    details = {"conference": confName, "extension": "5000", "locked": False, "members": []}
    return as_json(details) if states[confName] == 200 else Answer(states[confName])


def conference_command(server: "Sipxcom", request: Request, name: str, command: str) -> Answer:
    """404 unknown conference; 400 unknown command."""
    known = {"list", "lock", "unlock", "mute", "unmute", "kick", "dial", "play", "record", "stop", "xml_list"}
    if name != "weekly":
        return Answer(404)
    return Answer(200, b"OK", "text/plain") if unquote(command).split("&")[0] in known else Answer(400)


def entry(server: "Sipxcom", request: Request, entryId: str) -> Answer:
    """747 for a second one that is the same."""
    kept: dict[str, Any] = server.stores.setdefault("phonebook", {})
    if request.method == "GET":
        return as_json(kept.get(entryId, {}))
    if request.method == "DELETE":
        kept.pop(entryId, None)
        return Answer(200)
    if request.method == "POST" and entryId in kept:
        return Answer(747)
    kept[entryId] = {"id": entryId}
    return Answer(200)


def _google(server: "Sipxcom", request: Request) -> Answer:
    return Answer(743 if b"wrong" in request.body else 200)


def _schedule(server: "Sipxcom", request: Request) -> Answer:
    if request.method == "GET":
        return as_json({"schedules": []})
    return Answer(422 if b"unsaveable" in request.body else 200)


def _license(server: "Sipxcom", request: Request, uid: str = "") -> Answer:
    shown = {"uid": uid or "508316691110519", "domain": "pbx.example", "version": "1", "users": 100}
    return as_json(shown)


def _avatar(server: "Sipxcom", request: Request, user: str) -> Answer:
    return Answer(200, b"\x89PNG\r\n\x1a\n", "image/png")


HANDLERS: dict[str, Callable[..., Answer]] = {
    "/rest/auto-attendant": attendants,
    "/rest/auto-attendant/specialmode": special_mode,
    "/rest/auto-attendant/{attendant}/special": special,
    "/rest/branch": branches,
    "/rest/branch/{id}": branch,
    "/api/dns/advisor/server/{serverId}": advisor,
    "/api/gateways": gateways,
    "/api/gateways/models": gateway_models,
    "/api/gateways/{gatewayId}": gateway,
    "/api/license": _license,
    "/api/license/{uid}": _license,
    "/rest/avatar/{user}": _avatar,
    "/rest/my/call/{to}": call,
    "/rest/call/{to}": call,
    "/rest/my/time": time,
    "/rest/my/logindetails": login_details,
    "/rest/my/portal/password/{password}": portal_password,
    "/rest/my/voicemail/pin/{pin}": voicemail_pin,
    "/rest/my/conferencedetails/{confName}": conference_details,
    "/rest/my/conference/{name}/{command}": conference_command,
    "/rest/my/phonebook/entry/{entryId}": entry,
    "/rest/my/phonebook/googleImport": _google,
    "/rest/my/callfwdschedule": _schedule,
}
