"""A simulated AudioCodes Mediant, by its manuals: LTRT-41762 (firmware 7.2) and LTRT-41761 (firmware 7.0).

Where the manuals are silent or contradict themselves: legal JSON, addresses that lead where they say, items of the
history under /alarms/history; names of measurements in any case; a certificate of another key is taken, but is not
valid.
"""

import copy
import secrets
import threading
from collections.abc import Callable
from typing import Any

from tests.simulators import mediant_routes
from tests.simulators.device import (
    BINARY,
    JSON,
    Answer,
    Device,
    Refusal,
    Request,
    as_json,
    described,
    multipart_parts,
)
from tests.simulators.mediant_alarms import Alarms
from tests.simulators.mediant_config import BadFile, Configuration, version_of_load, version_text
from tests.simulators.mediant_tls import TlsContext, TlsError, new_key

SECURITY_ADMINISTRATOR = "Security Administrator"
STANDALONE, SYNCHRONIZING, OPERATIONAL = "stand-alone", "synchronizing", "operational"
BUSY = "Device is currently performing HA synchronization"
RESET_FOR = "Device will reset now to activate new {}"
TOKEN_SECONDS = 10


class Mediant(Device):
    """Firmware 7.2, or 7.0."""

    realm = "Mediant"

    def __init__(
        self,
        firmware: str = "7.2",
        *,
        mac: str = "00908FA16301",
        serial: str = "101780235059663",
        user: str = "Admin",
        password: str = "Admin",
        reset_seconds: float = 0.3,
        key: bytes | None = None,
    ) -> None:
        super().__init__()
        self.is_7_2 = firmware == "7.2"
        self.mac, self.serial = mac.upper(), serial
        self.version = "7.20A.200.014" if self.is_7_2 else "7.00A.013.006"
        self.product = "Mediant SW"
        self.users = {user: (password, SECURITY_ADMINISTRATOR)}
        self.ha = STANDALONE
        self.calls = 0  # a graceful reset waits for them
        self.reset_seconds = reset_seconds
        self.booted = self.clock.now() - 161446
        self.running = Configuration({"SYSTEM Params": {"SyslogServerIP": "10.4.0.9", "EnableSyslog": "1"}})
        self.tls: dict[str, TlsContext] = {"0": TlsContext("default", key or new_key(1024))}
        self.tls["0"].self_sign({"subjectName": f"ACL_{serial}"})
        self.saved = self._snapshot()
        self.alarms = Alarms()
        self.license_key = "jCx6r5tovCIKaBBbhPtT53Yj"
        self.files: dict[str, bytes] = {}  # what was uploaded to the slots
        self.tokens: dict[str, tuple[float, dict[str, Any]]] = {}
        self.measurements = {"ActiveContextCount": [0], "NetUtilKBytes": [0, 1], "NetUtilPackets": [0, 1]}
        self.provisioned_from: str | None = None  # where the redirect service sent it
        self.resets = 0
        self.routes = mediant_routes.routes(self)

    @property
    def user_agent(self) -> str:
        """What it says when it boots."""
        return f"Mozilla/4.0 (compatible; AudioCodes; {self.product};{self.version};{self.mac})"

    # --- State --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "mac": self.mac,
            "serial": self.serial,
            "version": self.version,
            "ha": self.ha,
            "calls": self.calls,
            "resets": self.resets,
            "upTime": int(self.clock.now() - self.booted),
            "listening": self.listener is not None and self.listener.is_open,
            "unsaved": self._snapshot() != self.saved,
            "files": {name: len(data) for name, data in self.files.items()},
            "tls": {id: {"name": c.name, "size": c.size, "valid": c.valid} for id, c in self.tls.items()},
            "provisionedFrom": self.provisioned_from,
        }

    def configure(self, values: dict[str, Any]) -> None:
        now = self.clock.now()
        for name, value in values.items():
            match name:
                case "ha" if value in (STANDALONE, SYNCHRONIZING, OPERATIONAL):
                    self.ha = value
                case "mac" | "serial" | "version" | "calls" | "reset_seconds":
                    setattr(self, name, value)
                case "users":
                    self.users = {user: (password, level) for user, (password, level) in value.items()}
                case "raiseAlarm":
                    usual = {"severity": "Major", "source": "Board#1", "oid": "1.3.6.1.4.1.5003.9.10.1.21.2.0.1"}
                    self.alarms.raise_alarm(now, **(usual | value))
                case "clearAlarm":
                    self.alarms.clear_alarm(now, value)
                case "tlsContext":
                    self.tls[value["id"]] = TlsContext(value["name"], new_key(1024))
                case _:
                    raise ValueError(f"{name} cannot be set to {value!r}.")

    def _snapshot(self) -> tuple[Configuration, dict[str, TlsContext]]:
        return self.running.copy(), copy.deepcopy(self.tls)

    def save(self) -> None:
        """Write what runs to the non-volatile memory."""
        self.saved = self._snapshot()

    def reset(self) -> None:
        """Go down, and come back with what was saved; connections are refused meanwhile."""
        self.running, self.tls = copy.deepcopy(self.saved)
        self.alarms.reset()
        self.tokens.clear()
        self.resets += 1
        if self.listener is None:
            self._is_up()
            return
        self.listener.close()
        self._later(self.reset_seconds, self._comes_back)

    @staticmethod
    def _later(seconds: float, work: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        timer.start()

    def _comes_back(self) -> None:
        self._is_up()
        self.listener.open()

    def _is_up(self) -> None:
        self.booted = self.clock.now()

    # --- Requests -----------------------------------------------------------------------------------------------

    def respond_openly(self, request: Request) -> Answer | None:
        if request.path == "/index.html" and "authToken" in request.query:
            return self._open_web_page(request.query["authToken"])
        return None

    def respond(self, request: Request, level: str) -> Answer:
        for route in self.routes:
            found = route.pattern.fullmatch(request.path)
            if not found:
                continue
            if level != SECURITY_ADMINISTRATOR:
                return described("Forbidden", 403)
            method = "GET" if request.method == "HEAD" else request.method
            handle = route.methods.get(method)
            if handle is None:
                answer = described("Method Not Allowed", 405)
                answer.headers["Allow"] = ", ".join(route.methods)
                return answer
            if not request.accepts(BINARY if method in route.files else JSON):
                return described("Not Acceptable", 406)
            try:
                return handle(request, *found.groups())
            except (BadFile, TlsError) as error:
                return described(str(error), 400)
        return described("Not Found", 404)

    def check_idle(self) -> None:
        """Raises the 409 of a device that is synchronizing."""
        if self.ha == SYNCHRONIZING:
            raise Refusal(described(BUSY, 409))

    def uploaded(self, request: Request) -> bytes:
        """The file in a body: a part named `file` in 7.2, the whole body in 7.0."""
        self.check_idle()
        if not self.is_7_2:
            if request.content_type != BINARY:
                raise Refusal(described("File must be uploaded as application/octet-stream", 400))
            return request.body
        parts = multipart_parts(request)
        if "file" not in parts:
            raise Refusal(described("No part named file", 400))
        return parts["file"]

    # --- Top level and actions ----------------------------------------------------------------------------------

    def status(self, request: Request) -> Answer:
        """LTRT-41762, chapter 9."""
        alone = "Not Operational" if self.is_7_2 else "Stand Alone"
        shown: dict[str, Any] = {
            "localTimeStamp": "2010-01-17T17:29:15.000Z",
            "ipAddress": "10.4.219.229",
            "subnetMask": "255.255.0.0",
            "defaultGateway": "10.4.0.1",
            "productType": self.product,
            "versionID": self.version,
            "protocolType": "SIP",
            "operationalState": "UNLOCKED",
            "highAvailability": {STANDALONE: alone, SYNCHRONIZING: "Synchronizing"}.get(self.ha, "Operational"),
        }
        if self.is_7_2:
            shown["serialNumber"] = self.serial
            shown["macAddress"] = self.mac.lower()
            shown["systemUpTime"] = int(self.clock.now() - self.booted)
        return as_json(shown)

    def post_reset(self, request: Request) -> Answer:
        """LTRT-41762, 5.1."""
        body = mediant_routes.attributes(request, {"saveConfiguration": bool, "gracefulTimeout": int})
        if body.get("gracefulTimeout", 0) < 0:
            return described("Invalid gracefulTimeout", 400)
        self.check_idle()
        if body.get("saveConfiguration", True):
            self.save()
        timeout = body.get("gracefulTimeout", 0)
        if timeout and self.calls:
            # 1 waits for the end of all calls, which a test brings about by the control channel and a reset.
            after = None if timeout == 1 else lambda: self._later(timeout, self.reset)
            return described("Device will reset when all calls are finished", after=after)
        return described("Device will reset now", after=self.reset)

    def post_save(self, request: Request) -> Answer:
        """LTRT-41762, 5.2."""
        self.check_idle()
        self.save()
        return Answer(200)

    def post_token(self, request: Request) -> Answer:
        """LTRT-41762, 5.3."""
        wanted = {"username": str, "privLevel": str, "sessionTimeout": int, "crossHost": str}
        body = mediant_routes.attributes(request, wanted)
        if not body.get("username") or body.get("privLevel") not in ("admin", "operator", "monitor"):
            return described("Invalid username or privLevel", 400)
        token = secrets.token_hex(16)
        self.tokens[token] = (self.clock.now() + TOKEN_SECONDS, body)
        return as_json({"authToken": token, "description": "Authentication token successfully generated"})

    def _open_web_page(self, token: str) -> Answer:
        until, session = self.tokens.pop(token, (0.0, {}))  # once
        if self.clock.now() > until:
            return Answer(401, b"<h1>Login</h1>", "text/html")
        return Answer(200, f"<h1>Welcome {session['username']}</h1>".encode(), "text/html")

    # --- Files --------------------------------------------------------------------------------------------------

    def get_ini(self, request: Request) -> Answer:
        """LTRT-41762, 6.2.1."""
        header = {
            "Board": self.product,
            "Board Type": "73",
            "Serial Number": self.serial,
            "Slot Number": "1",
            "Software Version": self.version,
            "DSP Software Version": "SOFTDSP => 0.00",
            "Board IP Address": "10.4.219.229",
            "Board Subnet Mask": "255.255.0.0",
        }
        return Answer(200, self.running.ini_text(header), BINARY)

    def put_ini(self, request: Request) -> Answer:
        """LTRT-41762, 6.2.1."""
        self.running.load_ini(self.uploaded(request), incremental=False)
        self.save()
        return described(RESET_FOR.format("configuration"), after=self.reset)

    def put_ini_incremental(self, request: Request) -> Answer:
        """LTRT-41762, 6.2.2."""
        self.running.load_ini(self.uploaded(request), incremental=True)
        return Answer(200)

    def get_cli(self, request: Request) -> Answer:
        """LTRT-41762, 6.3.1."""
        return Answer(200, self.running.cli_text(), BINARY)

    def put_cli(self, request: Request) -> Answer:
        """LTRT-41762, 6.3.1."""
        self.running.load_cli(self.uploaded(request))
        self.save()
        return described(RESET_FOR.format("configuration"), after=self.reset)

    def put_cli_incremental(self, request: Request) -> Answer:
        """LTRT-41762, 6.3.2."""
        output = self.running.run_cli(self.uploaded(request), self._show)
        return as_json(
            {
                "description": "Incremental CLI script file was loaded"
                if not self.is_7_2
                else "Incremental CLI Script file was loaded.",
                "output": output.replace("\r\n", ". "),
            }
        )

    def _show(self, command: str) -> str:
        if command == "show running-config":
            return self.running.cli_text().decode()
        if command != "show system version":
            raise BadFile(f"Invalid command: {command[:80]}")
        return version_text(self.product, self.serial, self.version, self.mac)

    def put_software(self, request: Request) -> Answer:
        """LTRT-41762, 6.4. The load that is taken says its version after `MEDIANT-CMP `."""
        self.version = version_of_load(self.uploaded(request))
        return described(RESET_FOR.format("software load"), after=self.reset)

    def put_software_hitless(self, request: Request) -> Answer:
        """LTRT-41762, 6.4.1: of a pair alone; no reset."""
        version = version_of_load(self.uploaded(request))
        if self.ha != OPERATIONAL:
            return described("Hitless upgrade is possible in an HA configuration only", 400)
        self.version = version
        return described("Device will perform switchover to activate new software load")

    def put_slot(self, request: Request, slot: str) -> Answer:
        """LTRT-41762, 6.5."""
        data = self.uploaded(request)
        if not data:
            return described("File is incorrect", 400)
        self.files[slot] = data
        return described("File was successfully loaded")
