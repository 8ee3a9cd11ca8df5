"""sipXcom, the server of phones at a location. Source: sipXcom's REST API Reference.

The manual's samples of bodies are placeholders: what is sent is what its tables of properties say, and what comes
is read liberally. MACs go as its one sample has them: 12 lower-case digits.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from management.drivers.base import DeviceError, Driver, File, Kind, Result
from management.drivers.sipxcom_capabilities import CAPABILITIES
from management.redaction import redact, redact_json
from management.transport import MAX_FILE, Answer, Transport

API, REST = "/sipxconfig/api", "/sipxconfig/rest"
QUICK, CONFIG = 15.0, 60.0  # seconds until an answer must be whole
PAGE, MOST = 1000, 20_000  # registrations

KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    406: Kind.PRECONDITION,
    409: Kind.CONFLICT,
    415: Kind.INVALID,
    422: Kind.INVALID,
    743: Kind.DEVICE_FAILED,
    744: Kind.DEVICE_FAILED,
    745: Kind.DEVICE_FAILED,
    747: Kind.INVALID,
}


class Sipxcom(Driver):
    """The configuration server of a domain."""

    capabilities = CAPABILITIES
    name: ClassVar[str] = "sipxcom"
    is_server = True
    parts: ClassVar[Mapping[str, str]] = {**Driver.parts, "registration": "consistency"}
    _transport: Transport

    @classmethod
    def check(cls, verb: str, arguments: Mapping[str, Any]) -> None:
        if verb.startswith("settings_"):
            settings_path(**{name: value for name, value in arguments.items() if name != "value"})
        if verb == "registrations" and arguments.get("by", "all") != "all" and not arguments.get("value"):
            text = "`value` is needed to look for registrations by it."
            raise DeviceError(Kind.INVALID, text, argument="value")

    # --- How it does ------------------------------------------------------------------------------------------

    def health(self, server: str = "") -> Result:
        """Whether it answers; with the id of a server, what the DNS advisor misses (nothing when all is well)."""
        data: dict[str, Any] = {"time": self._text(f"{REST}/my/time")}
        if server:
            missing = self._text(f"{API}/dns/advisor/server/{_part(server)}")
            data |= {"dns": missing, "dnsIsRight": not missing.strip()}
        return Result(data)

    def identity(self) -> Result:
        """The server tells neither version nor name: the time is all that shows that it is one."""
        self._text(f"{REST}/my/time")
        return Result({"vendor": "sipXcom", "model": None, "mac": None, "serial": None, "firmware": None,
                       "source": "my/time"})  # fmt: skip

    def status(self) -> Result:
        """As `health`."""
        return Result({"state": "answers", "ready": True, "driverGuess": self.name, "raw": self.health().data})

    def probe(self) -> Result:
        """How many phones there are, and how many are registered, instead of all of them."""
        parts = super().probe().data
        if parts["registration"]["ok"]:
            counts = {name: len(found) for name, found in parts["registration"]["data"].items()}
            parts["registration"] = {"ok": True, "data": counts}
        return Result(parts)

    # --- Phones -----------------------------------------------------------------------------------------------

    def find_phone(self, mac: str) -> Result:
        """View or modify a phone: by MAC"""
        return Result({"phone": self._get(self._phone(mac))})

    def import_phones(self, model: str, macs: list[str], description: str = "") -> Result:
        """Create a phone, for each MAC that the server does not know; what became of each. In order."""
        outcome: dict[str, str] = {}
        hint: str | None = None
        for mac in macs:
            if self._knows(mac):
                outcome[mac] = "known"
                continue
            try:
                body = {"serialNumber": mac.lower(), "model": model, "description": description}
                self._write("POST", f"{API}/phones", json=body)
                outcome[mac] = "created"
            except DeviceError as error:
                if error.sent or error.kind not in (Kind.INVALID, Kind.CONFLICT):
                    raise
                if hint is None and error.kind is Kind.INVALID:
                    hint = self._hint_of_model(model)
                outcome[mac] = "known" if error.kind is Kind.CONFLICT else f"refused: {error}{hint}"
        counts = {word: sum(told.startswith(word) for told in outcome.values()) for word in
                  ("created", "known", "refused")}  # fmt: skip
        return Result({**counts, "phones": outcome})

    def _hint_of_model(self, model: str) -> str:
        """What to add to a refusal of phones, if the server does not know their model."""
        try:
            listed = self.phone_models().data["models"]
        except DeviceError:
            return ""
        known = {str(each.get("modelId")) for each in listed if isinstance(each, dict)}
        if model in known or not 0 < len(known) < PAGE:
            return ""
        return f" It does not know the model {model}: `phone_models` tells those that it knows."

    def update_phone(self, mac: str, model: str = "", description: str | None = None) -> Result:
        """View or modify a phone: PUT"""
        body: dict[str, Any] = {"serialNo": mac.lower()}
        body |= {"model": model} if model else {}
        body |= {} if description is None else {"description": description}
        return Result(self._write("PUT", self._phone(mac), json=body))

    def delete_phone(self, mac: str) -> Result:
        """View or modify a phone: DELETE"""
        return Result(self._write("DELETE", self._phone(mac)))

    def phone_models(self) -> Result:
        """View all phone models; page and size are required."""
        query = {"page": 1, "pagesize": PAGE}
        return Result({"models": self._list(f"{API}/phones/models", "models", query)})

    def profile(self, mac: str, file: str) -> Result:
        """Retrieve a phone profile: what the phone will fetch. It holds passwords, so it is kept as a file."""
        answer = self._checked(
            self._transport.read(f"{self._phone(mac)}/profile/{_part(file)}", seconds=CONFIG, cap=MAX_FILE)
        )
        return Result({"size": len(answer.content)}, (File("profile", file, answer.content),))

    def restart_phone(self, mac: str) -> Result:
        """Send a phone profile: the phone gets its profile, and restarts."""
        return Result(self._write("PUT", f"{self._phone(mac)}/sendProfile/restart"))

    # --- Groups and lines -------------------------------------------------------------------------------------

    def groups(self, mac: str = "") -> Result:
        """View phone groups: all in their order, or those of one phone"""
        path = f"{self._phone(mac)}/groups" if mac else f"{API}/phoneGroups"
        return Result({"groups": self._list(path, "groups")})

    def join_group(self, mac: str, group: str) -> Result:
        """Delete or add phones in groups: POST"""
        return Result(self._write("POST", f"{self._phone(mac)}/groups/{_part(group)}"))

    def leave_group(self, mac: str, group: str = "") -> Result:
        """Delete or add phones in groups: DELETE; without a group, all of them"""
        path = f"{self._phone(mac)}/groups" + (f"/{_part(group)}" if group else "")
        return Result(self._write("DELETE", path))

    def lines(self, mac: str) -> Result:
        """Delete or add lines to a phone ID: GET, without the passwords"""
        return Result({"lines": self._list(f"{self._phone(mac)}/lines", "lines")})

    # --- Settings ---------------------------------------------------------------------------------------------

    def settings_get(self, **where: str) -> Result:
        """A setting, or all below its path"""
        return Result({"settings": self._list(settings_path(**where), "settings")})

    def settings_put(self, value: str, **where: str) -> Result:
        """Plain text"""
        more = {"content": value.encode(), "content_type": "text/plain"}
        return Result(self._write("PUT", settings_path(**where), **more))

    def settings_reset(self, **where: str) -> Result:
        """DELETE: to its default"""
        return Result(self._write("DELETE", settings_path(**where)))

    # --- Registrations ----------------------------------------------------------------------------------------

    def registrations(self, by: str = "all", value: str = "") -> Result:
        """View all registrations, or those of a user, MAC, address, call or server"""
        return Result({"registrations": self._registrations(by, value)})

    def drop_registrations(self, by: str, value: str) -> Result:
        """Registrations: DELETE"""
        return Result(self._write("DELETE", f"{API}/registrations/{by}/{_key(by, value)}"))

    def _registrations(self, by: str = "all", value: str = "") -> list[Any]:
        if by != "all":
            query = {"start": 0, "limit": PAGE} if by == "user" else None
            return self._list(f"{API}/registrations/{by}/{_key(by, value)}", "registrations", query)
        found: list[Any] = []
        while len(found) < MOST:
            page = self._list(f"{API}/registrations", "registrations", {"start": len(found), "limit": PAGE})
            found += page
            if len(page) < PAGE:
                break
        return found

    def consistency(self) -> Result:
        """What the comparison of a location needs: MACs that the server knows, and MACs that are registered."""
        phones = self._list(f"{API}/phones", "phones")
        return Result({"phones": _macs(phones), "registered": _macs(self._registrations())})

    # --- After a write whose answer is missing ----------------------------------------------------------------

    def verify(self, verb: str, arguments: Mapping[str, Any], before: Mapping[str, Any]) -> bool | None:
        match verb:
            case "import_phones":
                return all(self._knows(mac) for mac in arguments["macs"])
            case "delete_phone":
                return not self._knows(arguments["mac"])
            case "join_group":
                groups = self._list(f"{self._phone(arguments['mac'])}/groups", "groups")
                return any(isinstance(group, dict) and group.get("name") == arguments["group"] for group in groups)
            case _:
                return None

    def _knows(self, mac: str) -> bool:
        try:
            self._get(self._phone(mac))
        except DeviceError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return True

    # --- How it is asked --------------------------------------------------------------------------------------

    @staticmethod
    def _phone(mac: str) -> str:
        return f"{API}/phones/{_part(_plain(mac))}"

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        for tries in (1, 2):
            answer = self._checked(self._transport.read(path, query=query, seconds=QUICK))
            try:
                return redact_json(json.loads(answer.content), self._secret) if answer.content else {}
            except ValueError as error:
                if tries == 2:
                    text = "The server's answer cannot be read: it is no JSON."
                    raise DeviceError(Kind.PROTOCOL, text) from error
        raise AssertionError

    def _list(self, path: str, name: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        """A list, or an object with one: the manual shows both."""
        found = self._get(path, query)
        if isinstance(found, dict):
            found = found.get(name, [])
        if not isinstance(found, list):
            raise DeviceError(Kind.PROTOCOL, "The server's answer cannot be read: it holds no list.")
        return found

    def _text(self, path: str) -> str:
        answer = self._checked(self._transport.read(path, seconds=QUICK))
        return redact(answer.content.decode("utf-8", "replace"), self._secret)[:100_000]

    def _write(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self._checked(self._transport.write(method, path, seconds=CONFIG, **more))
        try:
            said = json.loads(answer.content) if answer.content else {}
        except ValueError as error:
            if "json" in answer.content_type.lower():
                text = "The server's answer cannot be read: it is no JSON."
                raise DeviceError(Kind.PROTOCOL, text, sent=True) from error
            said = {}  # XML, or a word: that it succeeded is all that counts
        return redact_json(said, self._secret) if isinstance(said, dict) else {}

    def check_answer(self, answer: Answer) -> None:
        self._checked(answer)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status in (200, 201, 202, 204):
            return answer
        kind = KINDS.get(answer.status, Kind.DEVICE_FAILED if answer.status >= 500 else Kind.PROTOCOL)
        raise DeviceError(kind, f"The server answers {answer.status}.", status=answer.status)


def _part(text: str) -> str:
    return quote(text, safe="")


def _plain(mac: str) -> str:
    return mac.replace(":", "").replace("-", "").lower()


def _key(by: str, value: str) -> str:
    return _part(_plain(value) if by == "serialNo" else value)


def _macs(found: list[Any]) -> list[str]:
    """12 upper-case digits of each; of whatever attribute the server has them in."""
    macs = set()
    for each in found:
        if isinstance(each, dict):
            told = _plain(str(each.get("serialNo") or each.get("serialNumber") or each.get("instrument") or ""))
            if len(told) == 12 and all(digit in "0123456789abcdef" for digit in told):
                macs.add(told.upper())
    return sorted(macs)


NEEDED = {
    "phone": ("mac",),
    "line": ("mac", "line"),
    "group_model": ("group", "model"),
    "gateway": ("gateway",),
    "gateway_port": ("gateway", "port"),
}


def settings_path(scope: str, path: str = "", **of: str) -> str:
    """The address of settings; raises DeviceError where the scope needs what is missing, or has no use for it."""
    needed = NEEDED.get(scope, ())
    for name in needed:
        if not of.get(name):
            text = f"`{name}` is needed for settings of the scope {scope}."
            raise DeviceError(Kind.INVALID, text, argument=name)
    for name in of:
        if name not in needed:
            text = f"`{name}` has no meaning for settings of the scope {scope}."
            raise DeviceError(Kind.INVALID, text, argument=name)
    parts = {name: _part(_plain(value) if name == "mac" else value) for name, value in of.items()}
    base = {
        "phone": "/phones/{mac}/settings",
        "line": "/phones/{mac}/lines/{line}/settings",
        "group_model": "/phoneGroups/{group}/model/{model}/settings",
        "gateway": "/gateways/{gateway}/settings",
        "gateway_port": "/gateways/{gateway}/port/{port}/settings",
    }.get(scope, f"/{scope}/settings")
    if scope in ("phone", "line") and not path:
        raise DeviceError(Kind.INVALID, f"`path` is needed for settings of the scope {scope}.", argument="path")
    tail = f"/{quote(path.strip('/'), safe='/')}" if path else ""
    return API + base.format(**parts) + tail
