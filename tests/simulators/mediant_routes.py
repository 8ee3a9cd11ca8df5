"""The addresses of a simulated Mediant, and what answers those that need little of the device's own state.

Source: LTRT-41762 and LTRT-41761; each function names its section.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.simulators import mediant_alarms
from tests.simulators.device import BINARY, JSON, Answer, Refusal, Request, as_json, described, multipart_parts
from tests.simulators.mediant_alarms import Alarm, BadCursor
from tests.simulators.mediant_tls import HASHES, SIZES, SUBJECT, TlsContext, new_key

if TYPE_CHECKING:
    from tests.simulators.mediant import Mediant

V1 = "/api/v1"
SLOTS_7_0 = ("amd", "castable", "codertable", "cpt", "dialplan", "prt", "voiceprompts")
SLOTS_7_2 = ("configurationPackage", "sbcWizard")

Handle = Callable[..., Answer]


class Route(NamedTuple):
    """An address: its pattern, what answers which method, and the methods that answer a file, not JSON."""

    pattern: re.Pattern[str]
    methods: dict[str, Handle]
    files: tuple[str, ...] = ()


def routes(device: "Mediant") -> list[Route]:
    """All addresses of this firmware; the fixed ones before those with a name in them."""
    found = _common(device) + [_slot(device, slot) for slot in SLOTS_7_0]
    if device.is_7_2:
        last_change = _route("/alarms/active/lastChange", GET=partial(get_last_change, device))
        token = _route("/actions/authToken", POST=device.post_token)
        found = [last_change, token, *found, *(_slot(device, slot) for slot in SLOTS_7_2), *_tls(device)]
    return found


def _route(path: str, *files: str, **methods: Handle) -> Route:
    return Route(re.compile(V1 + path), methods, files)


def _slot(device: "Mediant", slot: str) -> Route:
    return _route(f"/files/{slot}", PUT=lambda request: device.put_slot(request, slot))


def _folder(name: str, base: str, **entries: str) -> Handle:
    listed = [{"id": id, "description": text, "url": f"{base}/{id}"} for id, text in entries.items()]
    return lambda request: as_json({name: listed})


def _common(device: "Mediant") -> list[Route]:
    versions = [{"id": "v1", "status": "stable", "url": V1}]
    actions = {"reset": "Reset device", "saveConfiguration": "Save device configuration to NVRAM"}
    files = {"ini": "INI configuration file", "software": "Software load", "cliScript": "CLI configuration script"}
    files |= dict.fromkeys(SLOTS_7_0, "Auxiliary file")
    if device.is_7_2:
        actions["authToken"] = "Get authentication token"
        files |= dict.fromkeys(SLOTS_7_2, "Auxiliary file") | {"tls": "TLS context files"}
    top = _folder(
        "items",
        V1,
        actions="Device actions",
        alarms="Device alarms",
        files="Upload and download of configuration files",
        license="License management",
        performanceMonitoring="Performance monitoring",
        status="Device status",
    )
    alarms = _folder("alarms", f"{V1}/alarms", active="Active alarms", history="History alarms")
    return [
        Route(re.compile("/api"), {"GET": lambda request: as_json({"versions": versions})}),
        _route("", GET=top),
        _route("/actions", GET=_folder("actions", f"{V1}/actions", **actions)),
        _route("/actions/reset", POST=device.post_reset),
        _route("/actions/saveConfiguration", POST=device.post_save),
        _route("/files", GET=_folder("files", f"{V1}/files", **files)),
        _route("/files/ini", "GET", GET=device.get_ini, PUT=device.put_ini),
        _route("/files/ini/incremental", PUT=device.put_ini_incremental),
        _route("/files/cliScript", "GET", GET=device.get_cli, PUT=device.put_cli),
        _route("/files/cliScript/incremental", PUT=device.put_cli_incremental),
        _route("/files/software", PUT=device.put_software),
        _route("/files/software/hitless", PUT=device.put_software_hitless),
        _route("/alarms", GET=alarms),
        _route("/alarms/(active|history)", GET=partial(list_alarms, device)),
        _route("/alarms/(active|history)/([^/]+)", GET=partial(get_alarm, device)),
        _route("/status", GET=device.status),
        _route("/performanceMonitoring", GET=lambda request: as_json({"items": list(device.measurements)})),
        _route("/performanceMonitoring/([^/]+)", GET=partial(get_measurement, device)),
        _route("/license", GET=partial(get_license, device), PUT=partial(put_license, device)),
    ]


def _tls(device: "Mediant") -> list[Route]:
    context = "/files/tls/([^/]+)"
    return [
        _route("/files/tls", GET=partial(list_tls, device)),
        _route(context, GET=partial(get_tls, device)),
        _route(f"{context}/privateKey", GET=partial(get_key, device), PUT=partial(put_key, device)),
        _route(f"{context}/privateKey/generate", POST=partial(generate_key, device)),
        _route(
            f"{context}/certificate", "GET",
            GET=partial(get_certificate, device), PUT=partial(put_certificate, device),
        ),
        _route(f"{context}/certificate/generate", POST=partial(generate_certificate, device)),
        _route(f"{context}/certificate/request", "POST", POST=partial(request_certificate, device)),
        _route(
            f"{context}/trustedRoot", "GET",
            GET=partial(get_trusted, device), PUT=partial(put_trusted, device),
        ),
        _route(f"{context}/trustedRoot/incremental", PUT=partial(add_trusted, device)),
    ]  # fmt: skip


def attributes(request: Request, known: Mapping[str, type]) -> dict[str, Any]:
    """The JSON object of a body, which may be empty; raises Refusal 400."""
    if not request.body:
        return {}
    if request.content_type != JSON:
        raise Refusal(described("Content-Type must be application/json", 400))
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(described("Malformed JSON", 400)) from error
    if not isinstance(body, dict):
        raise Refusal(described("Malformed JSON", 400))
    for name, value in body.items():
        if name not in known or type(value) is not known[name]:
            raise Refusal(described(f"Invalid attribute {name[:40]}", 400))
    return body


# --- TLS context files: LTRT-41762, chapter 7 --------------------------------------------------------------------


def _context(device: "Mediant", id: str) -> TlsContext:
    if id not in device.tls:
        raise Refusal(described("Not Found", 404))
    return device.tls[id]


def list_tls(device: "Mediant", request: Request) -> Answer:
    """The contexts."""
    listed = [{"id": id, "name": c.name, "url": f"{V1}/files/tls/{id}"} for id, c in device.tls.items()]
    return as_json({"tls": listed})


def get_tls(device: "Mediant", request: Request, id: str) -> Answer:
    """7.1"""
    _context(device, id)
    entries = {"privateKey": "Private key", "certificate": "TLS certificate", "trustedRoot": "Trusted root"}
    return _folder("items", f"{V1}/files/tls/{id}", **entries)(request)


def get_key(device: "Mediant", request: Request, id: str) -> Answer:
    """7.2: never the key itself."""
    context = _context(device, id)
    return as_json({"size": context.size, "valid": context.valid})


def put_key(device: "Mediant", request: Request, id: str) -> Answer:
    """7.2. The password is taken from the query string or from a part of the form: the manual says neither."""
    context, pem = _context(device, id), device.uploaded(request)
    part = multipart_parts(request).get("Password", b"").decode("latin-1")
    context.put_key(pem, request.query.get("Password") or part or None)
    return described("Private key was successfully changed")


def generate_key(device: "Mediant", request: Request, id: str) -> Answer:
    """7.2.1. The table says `Size`, the example `size`: both are taken."""
    context = _context(device, id)
    body = attributes(request, {"size": int, "Size": int})
    size = body.get("size", body.get("Size", 1024))
    if size not in SIZES:
        return described("Invalid key size", 400)
    device.check_idle()
    context.key = new_key(size)
    return described("Private key was successfully generated")


def get_certificate(device: "Mediant", request: Request, id: str) -> Answer:
    """7.3"""
    return Answer(200, _context(device, id).certificate, BINARY)


def put_certificate(device: "Mediant", request: Request, id: str) -> Answer:
    """7.3"""
    _context(device, id).put_certificate(device.uploaded(request))
    return described("Certificate was successfully changed")


def generate_certificate(device: "Mediant", request: Request, id: str) -> Answer:
    """7.4"""
    context, subject = _context(device, id), attributes(request, dict.fromkeys(SUBJECT, str))
    device.check_idle()
    context.self_sign(subject)
    return described("Self-signed certificate was successfully generated")


def request_certificate(device: "Mediant", request: Request, id: str) -> Answer:
    """7.5"""
    context = _context(device, id)
    body = attributes(request, dict.fromkeys([*SUBJECT, "signatureAlgorithm"], str))
    algorithm = body.pop("signatureAlgorithm", "sha1")
    if algorithm not in HASHES:
        return described("Invalid signatureAlgorithm", 400)
    device.check_idle()
    return Answer(200, context.request(body, algorithm), BINARY)


def get_trusted(device: "Mediant", request: Request, id: str) -> Answer:
    """7.6"""
    return Answer(200, b"".join(_context(device, id).trusted), BINARY)


def put_trusted(device: "Mediant", request: Request, id: str) -> Answer:
    """7.6"""
    _context(device, id).replace_trusted(device.uploaded(request))
    return described("Trusted root store was successfully changed")


def add_trusted(device: "Mediant", request: Request, id: str) -> Answer:
    """7.7"""
    _context(device, id).add_trusted(device.uploaded(request))
    return described("Trusted root certificate was successfully added")


# --- Alarms: chapter 8 -------------------------------------------------------------------------------------------


def _table(device: "Mediant", which: str) -> list[Alarm]:
    return device.alarms.active if which == "active" else device.alarms.history


def list_alarms(device: "Mediant", request: Request, which: str) -> Answer:
    """8.1 and 8.2"""
    try:
        page = mediant_alarms.page(_table(device, which), request.query, f"{V1}/alarms/{which}")
    except BadCursor:
        return described("Invalid limit or cursor", 400)
    return as_json(page) if page else Answer(204)


def get_alarm(device: "Mediant", request: Request, which: str, id: str) -> Answer:
    """8.1.1 and 8.2.1; `oid` is new in 7.2."""
    for alarm in _table(device, which):
        if str(alarm.id) == id:
            oid = device.is_7_2 and request.query.get("oid") == "1"
            return as_json(alarm.shown(f"{V1}/alarms/{which}", oid=oid))
    return described("Alarm is not found", 404)


def get_last_change(device: "Mediant", request: Request) -> Answer:
    """8.1.2"""
    text = device.alarms.last_change_text
    return as_json({"lastChange": text}) if text else described("Alarm is not found", 404)


# --- Measurements and licence: chapters 10 and 11 ----------------------------------------------------------------


def get_measurement(device: "Mediant", request: Request, name: str) -> Answer:
    """10.1. The manual spells one name in two ways: any case is taken."""
    by_name = {known.lower(): indexes for known, indexes in device.measurements.items()}
    if name.lower() not in by_name:
        return described("Performance monitoring is not found", 404)
    indexes = by_name[name.lower()]
    if not {"index", "interval"} & request.query.keys():
        limits = {"lowThreshold": 100, "highThreshold": 30000}
        return as_json({"indexes": indexes, "intervalsPerIndex": [0, 1, 2], **limits})
    if request.query.get("index", "") not in map(str, indexes):
        return described("Invalid index", 400)
    interval = request.query.get("interval", "0")
    if interval not in ("0", "1", "2"):
        return described("Invalid interval", 400)
    value = {"value": -1, "min": 0, "max": 0, "average": 0}
    return as_json({"index": int(request.query["index"]), "interval": int(interval), **value})


def get_license(device: "Mediant", request: Request) -> Answer:
    """Chapter 11"""
    features = "Key features: Board Type: Mediant 800 Security: IPSEC MediaEncryption Coders: G723 G729"
    shown = {"licenseVersion": 1, "serialNumber": device.serial, "key": device.license_key}
    return as_json(shown | {"keyDescription": features})


def put_license(device: "Mediant", request: Request) -> Answer:
    """Chapter 11: JSON, or a file with keys for several devices, each on a line behind its serial number."""
    if request.content_type == JSON:
        body = attributes(request, {"licenseVersion": int, "serialNumber": str, "key": str})
        device.check_idle()
        if device.ha != "stand-alone":
            text = "License key can't be applied to device in HA configuration. Use license file instead."
            return described(text, 409)
        if body.get("licenseVersion") != 1 or not _is_key(body.get("key", "")):
            return described("License key is incorrect", 400)
        if body.get("serialNumber", device.serial) != device.serial:
            return described("Serial number does not match", 400)
        device.license_key = body["key"]
    else:
        lines = device.uploaded(request).decode("latin-1").split("\n")
        keys = dict(re.findall(r"^(\d{6,20})[ \t=:,]+(\S{8,})\s*$", line)[0] for line in lines if line.strip()
                    and re.match(r"^\d{6,20}[ \t=:,]+\S{8,}\s*$", line))  # fmt: skip
        if not _is_key(keys.get(device.serial, "")):
            return described("License key is incorrect", 400)
        device.license_key = keys[device.serial]
    return described("Device will reset now to activate new license", after=device.reset)


def _is_key(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/=$]{8,4096}", text) is not None
