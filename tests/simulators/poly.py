"""A simulated Poly Trio of UC Software 5.9.1, by its REST API Reference Manual (3725-85884-004A).

Where the manual is silent: HTTP Basic; a failing `Status` comes with HTTP 200; the interface that is switched off
answers 404; what is set by REST lies in the layer Local; an export is pushed by PUT before the answer. Misprinted
paths and JSON are put right.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.simulators import poly_calls, poly_facts
from tests.simulators.device import JSON, Answer, Device, Refusal, Request, as_json
from tests.simulators.poly_config import DEFAULT_PASSWORD, PARAMETERS, PhoneConfiguration, Status, push

MAX_BODY = 20 * 1024
MAX_PARAMETERS = 20
PAUSE_OF_CAPTURES = 10

OK, INVALID, BUSY, NOT_ALLOWED, NOT_SUPPORTED = "2000", "4000", "4001", "4003", "4004"
EXPORT_FAILED, TOO_MUCH, PASSWORD_IS_DEFAULT, FAILED = "4008", "4009", "4010", "5000"

Handle = Callable[[Request, dict[str, Any]], Any]


class PolyTrio(Device):
    """A Trio 8800. `queues`: a request during another one waits; else it gets 403."""

    realm = "Poly Trio"

    def __init__(
        self,
        *,
        mac: str = "0004F2A16301",
        user: str = "Polycom",
        password: str = "Admin-of-trio",
        queues: bool = False,
        reset_seconds: float = 0.3,
        skype: bool = False,
    ) -> None:
        super().__init__()
        self.mac = mac.upper()
        self.users = {user: (password, "Admin")}
        self.queues = queues
        self.enabled = True
        self.reset_seconds, self.answer_seconds = reset_seconds, 0.0
        self.version = "5.9.1.10419"
        self.config = PhoneConfiguration()
        self.skype, self.signed_in, self.sign_in_seconds = skype, False, 0.0
        self.busy = False  # web-ticket generation or registration
        self.ready = True
        self.calls: list[poly_calls.Call] = []
        self.call_log: dict[str, list[dict[str, str]]] = {"missed": [], "received": [], "placed": []}
        self.lines = [poly_facts.line("1", "1001")]
        self.transfer_type = "Consultative"
        self.provisioned_from: str | None = None  # where the redirect service sent it
        self.server_files: dict[str, str] = {}  # what the provisioning server would give
        self.fetches, self.resets = 0, 0
        self.captured_at: float | None = None
        self.touched: list[dict[str, Any]] = []  # what was tapped, typed and pressed
        self.pushed: list[tuple[str, int]] = []  # URL and size
        self.push = push
        self.booted = self.clock.now() - 161446
        self._one_at_a_time = threading.Lock()
        self.commands = self._commands()

    @property
    def user_agent(self) -> str:
        """What it says when it boots."""
        return f"FileTransport PolycomTrio-Trio_8800-UA/{self.version} (SN:{self.mac}) Type/Application"

    # --- State --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "mac": self.mac,
            "version": self.version,
            "enabled": self.enabled,
            "queues": self.queues,
            "busy": self.busy,
            "skype": self.skype,
            "signedIn": self.signed_in,
            "calls": [call.shown(self.clock.now()) for call in self.calls],
            "layers": {name: dict(layer) for name, layer in self.config.layers.items()},
            "fetches": self.fetches,
            "resets": self.resets,
            "pushed": self.pushed,
            "touched": self.touched,
            "upTime": int(self.clock.now() - self.booted),
            "listening": self.listener is not None and self.listener.is_open,
            "provisionedFrom": self.provisioned_from,
        }

    def configure(self, values: dict[str, Any]) -> None:
        plain = {"mac", "version", "enabled", "queues", "busy", "skype", "ready", "lines", "server_files"}
        plain |= {"reset_seconds", "answer_seconds", "sign_in_seconds", "provisioned_from"}
        for name, value in values.items():
            if name in plain:
                setattr(self, name, value)
            elif name == "users":
                self.users = {user: (password, level) for user, (password, level) in value.items()}
            elif name == "layers":
                for layer, parameters in value.items():
                    self.config.layers[layer].update(parameters)
            elif name == "incomingCall":
                self.calls.append(poly_calls.Call.incoming(self.clock.now(), **value))
            else:
                raise ValueError(f"{name} cannot be set to {value!r}.")

    def _goes_down(self) -> None:
        """Calls are ended first; then connections are refused until it is back."""
        self.calls.clear()
        self.resets += 1
        if self.listener is None:
            self.booted = self.clock.now()
            return
        self.listener.close()
        timer = threading.Timer(self.reset_seconds, self._comes_back)
        timer.daemon = True
        timer.start()

    def _comes_back(self) -> None:
        self.booted = self.clock.now()
        self.listener.open()

    # --- Requests -----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """One at a time: a second request during a first one gets 403, or waits."""
        if not self._one_at_a_time.acquire(blocking=self.queues):
            return Answer(403)
        try:
            time.sleep(self.answer_seconds)
            return super().answer(request)
        finally:
            self._one_at_a_time.release()

    def respond_openly(self, request: Request) -> Answer | None:
        return None if self.enabled else Answer(404)

    def respond(self, request: Request, level: str) -> Answer:
        methods = self.commands.get(request.path)
        if methods is None:
            return Answer(404)
        if request.method not in methods:
            return Answer(405, headers={"Allow": ", ".join(methods)})
        if request.method == "POST" and request.content_type != JSON:
            return Answer(400)
        if len(request.body) > MAX_BODY:
            return Answer(413)
        try:
            if any(password == DEFAULT_PASSWORD for password, _ in self.users.values()):
                raise Status(PASSWORD_IS_DEFAULT)
            found = methods[request.method](request, _data(request))
        except Status as status:
            return as_json({"Status": status.code})
        if isinstance(found, Answer):
            return found
        return as_json({"Status": OK} | ({} if found is None else {"data": found}))

    def _commands(self) -> dict[str, dict[str, Handle]]:
        v1, mgmt = "/api/v1", "/api/v1/mgmt"
        facts = poly_facts.READS
        posts: dict[str, Handle] = {
            f"{mgmt}/safeRestart": self._restart,
            f"{mgmt}/safeReboot": self._restart,
            f"{mgmt}/configReset": lambda request, data: self._reset("Local", "Web", "Device"),
            f"{mgmt}/configReset/local": lambda request, data: self._reset("Local"),
            f"{mgmt}/configReset/web": lambda request, data: self._reset("Web"),
            f"{mgmt}/configReset/device": lambda request, data: self._reset("Device"),
            f"{mgmt}/factoryReset": self._factory_reset,
            f"{mgmt}/config/set": self._set,
            f"{mgmt}/config/get": self._get,
            f"{mgmt}/config/export": self._export,
            f"{mgmt}/network/uploadBgCapture": self._capture,
            f"{mgmt}/updateConfiguration": self._update,
            f"{mgmt}/transferType/set": self._set_transfer_type,
            f"{mgmt}/skype/signIn": self._sign_in,
            f"{mgmt}/skype/signOut": self._sign_out,
            f"{mgmt}/simulateTouch": self._touch,
            f"{mgmt}/simulateTextInput": self._type,
            f"{mgmt}/simulateKeyEvent": self._press,
        }
        for name in poly_calls.COMMANDS:
            posts[f"{v1}/callctrl/{name}"] = self._of_call(name)
        gets: dict[str, Handle] = {path: self._fact(fact) for path, fact in facts.items()}
        gets[f"{v1}/webCallControl/callStatus"] = lambda request, data: poly_calls.status(self)
        gets["/api/v2/webCallControl/callStatus"] = lambda request, data: poly_calls.status_v2(self, request.query)
        return {path: {"POST": do} for path, do in posts.items()} | {
            path: {"GET": do} for path, do in gets.items()
        }

    def _fact(self, fact: Callable[["PolyTrio", Request], Any]) -> Handle:
        return lambda request, data: fact(self, request)

    def _of_call(self, name: str) -> Handle:
        return lambda request, data: poly_calls.COMMANDS[name](self, data)

    # --- Management ---------------------------------------------------------------------------------------------

    def _restart(self, request: Request, data: dict[str, Any]) -> Answer:
        return self._last_answer()

    def _last_answer(self) -> Answer:
        """Connections are refused before it is out: who asks again at once finds the phone down."""
        if self.listener is not None:
            self.listener.refuse()
        return as_json({"Status": OK}, after=self._goes_down)

    def _reset(self, *layers: str) -> None:
        for layer in layers:
            self.config.layers[layer].clear()

    def _factory_reset(self, request: Request, data: dict[str, Any]) -> Answer:
        """REST is off again, as it is by default."""
        self._reset("Local", "Web", "Device", "Config")
        self.enabled = False
        return self._last_answer()

    def _set(self, request: Request, data: dict[str, Any]) -> None:
        _check_count(data)
        if self.busy:
            raise Status(BUSY)
        if not all(name in PARAMETERS and isinstance(value, str) for name, value in data.items()):
            raise Status(INVALID)
        self.config.layers["Local"].update(data)

    def _get(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        names = _body(request).get("data")
        if not isinstance(names, list):
            raise Status(INVALID)
        _check_count(names)
        if not all(name in PARAMETERS for name in names):
            raise Status(INVALID)
        return {name: self.config.effective(name) for name in names}

    def _export(self, request: Request, data: dict[str, Any]) -> None:
        kinds = {"ConfigFiles": ["Config"], "All": ["Config", "Web", "Local"]} | {
            layer: [layer] for layer in ("Local", "Web", "Device")
        }
        url, kind = data.get("Url"), data.get("ConfigType")
        if not isinstance(url, str) or "://" not in url or kind not in kinds:
            raise Status(INVALID)
        self._push(url, self.config.as_xml(kinds[kind]))

    def _capture(self, request: Request, data: dict[str, Any]) -> Answer | None:
        names = ("diags.pcap.enabled", "diags.pcap.background.enabled")
        if any(self.config.effective(name)["value"] != "1" for name in names):
            return Answer(404)
        now = self.clock.now()
        if self.captured_at is not None and now - self.captured_at < PAUSE_OF_CAPTURES:
            raise Status(BUSY)
        url = data.get("url", self.provisioned_from)
        if not isinstance(url, str) or "://" not in url:
            raise Status(INVALID)
        self.captured_at = now
        self._push(url, b"\xd4\xc3\xb2\xa1 captured packets")
        return None

    def _push(self, url: str, content: bytes) -> None:
        try:
            status = self.push(url, content)
        except OSError as error:
            raise Status(EXPORT_FAILED) from error
        if not 200 <= status < 300:
            raise Status(EXPORT_FAILED)
        self.pushed.append((url, len(content)))

    def _update(self, request: Request, data: dict[str, Any]) -> dict[str, str]:
        """Fetch from the provisioning server."""
        if self.busy:
            raise Status(BUSY)
        self.fetches += 1
        self.config.layers["Config"].update(self.server_files)
        return {"ProvisioningState": "0"}

    def _set_transfer_type(self, request: Request, data: dict[str, Any]) -> None:
        if data.get("Type") not in ("Consultative", "Blind", "Safe"):
            raise Status(INVALID)
        self.transfer_type = data["Type"]

    # --- Skype for Business ---

    def _sign_in(self, request: Request, data: dict[str, Any]) -> None:
        if not self.skype:
            raise Status(NOT_SUPPORTED)
        if not all(isinstance(data.get(name), str) for name in ("Address", "User", "Password", "Domain")):
            raise Status(INVALID)
        if self.signed_in:
            raise Status(NOT_ALLOWED)
        time.sleep(self.sign_in_seconds)
        self.signed_in = True

    def _sign_out(self, request: Request, data: dict[str, Any]) -> None:
        if not self.skype:
            raise Status(NOT_SUPPORTED)
        if not self.signed_in:
            raise Status(NOT_ALLOWED)
        self.signed_in = False

    # --- The screen ---

    def _touch(self, request: Request, data: dict[str, Any]) -> None:
        positions, kind = data.get("Positions"), data.get("Type")
        if kind not in ("Tap", "Press", "Release", "Swipe") or not isinstance(positions, list):
            raise Status(INVALID)
        least, most = (2, 5) if kind == "Swipe" else (1, 1)
        if len(positions) > most:
            raise Status(TOO_MUCH)
        if len(positions) < least or not all(map(poly_facts.is_on_screen, positions)):
            raise Status(INVALID)
        self.touched.append(data)

    def _type(self, request: Request, data: dict[str, Any]) -> None:
        if not isinstance(data.get("Value"), str):
            raise Status(INVALID)
        self.touched.append(data)

    def _press(self, request: Request, data: dict[str, Any]) -> None:
        if str(data.get("Type")).strip() != "Tap" or data.get("KeyName") not in ("MicMute", "VolDown", "VolUp"):
            raise Status(INVALID)
        self.touched.append(data)


def _body(request: Request) -> dict[str, Any]:
    if not request.body.strip():
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(as_json({"Status": INVALID})) from error
    if not isinstance(body, dict):
        raise Refusal(as_json({"Status": INVALID}))
    return body


def _data(request: Request) -> dict[str, Any]:
    data = _body(request).get("data", {})
    return data if isinstance(data, dict) else {}


def _check_count(parameters: Any) -> None:
    if not parameters:
        raise Status(INVALID)
    if len(parameters) > MAX_PARAMETERS:
        raise Status(TOO_MUCH)
