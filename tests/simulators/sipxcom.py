"""A simulated sipXcom, by its REST API Reference: the configuration server of phones, users and gateways.

HTTPS alone. Where the manual is silent: 401 without a login, 405 for an unsupported method, 200 for all that
succeeds; MACs are looked up whatever their case; what no other rule covers is kept as it was sent and told back.
Under /rest PUT creates on a collection and updates an item, and answers are XML unless JSON is asked for; under
/api POST creates and PUT updates, in JSON; single settings are text/plain, and DELETE makes them what they were.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from tests.simulators import sipxcom_phones as phones
from tests.simulators import sipxcom_rest as rest
from tests.simulators.device import JSON, Answer, Device, Request, as_json
from tests.simulators.sipxcom_paths import DOCUMENTED
from tests.simulators.sipxcom_settings import Settings

TEXT, XML = "text/plain", "application/xml"
BASE = "/sipxconfig"


class Route(NamedTuple):
    """An address with the methods that it takes."""

    template: str
    pattern: re.Pattern[str]
    methods: tuple[str, ...]


def _routes() -> list[Route]:
    """Those with more fixed segments first: a fixed word wins over an id."""
    found = []
    for line in DOCUMENTED.split("\n"):
        methods, _, template = line.strip().partition(" ")
        if template:
            pattern = re.sub(r"\\\{(\w+)\\\}", _hole, re.escape(BASE + template))
            found.append(Route(template, re.compile(pattern), tuple(methods.split(","))))
    return sorted(found, key=lambda route: (route.template.count("{"), -len(route.template)))


def _hole(match: re.Match[str]) -> str:
    spans = match[1] in ("path", "settingPath")
    return f"(?P<{match[1]}>{'.+' if spans else '[^/]+'})"


@dataclass
class Phone:
    """A phone that the server knows."""

    id: int
    mac: str
    model: str
    description: str = ""
    groups: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)


class Sipxcom(Device):
    """The server of one domain."""

    realm = "sipXcom"

    def __init__(
        self, *, mac: str = "", user: str = "superadmin", password: str = "superadmin-password"
    ) -> None:  # fmt: skip
        super().__init__()
        self.users = {user: (password, "administrator"), "200": ("200-password", "user")}
        self.phones: list[Phone] = []
        self.groups = ["sales", "lobby"]  # of phones, in order
        self.registrations: list[dict[str, Any]] = []
        self.settings = Settings()
        self.sent_profiles: list[str] = []  # MACs of phones that were told to restart
        self.restarted: Callable[[str], None] = lambda mac: None  # pokes a simulated phone, for demos
        self.missing_records = ""  # what the DNS advisor finds
        self.special_mode, self.special_attendant = False, "afterhour"
        self.stores: dict[str, Any] = {}  # what was sent to addresses that have no rule
        self.next_id = 1
        self.routes = _routes()

    # --- State --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "mac": "",
            "phones": [phones.shown(self, phone) for phone in self.phones],
            "groups": self.groups,
            "registrations": self.registrations,
            "sentProfiles": self.sent_profiles,
            "specialMode": self.special_mode,
            "listening": self.listener is not None and self.listener.is_open,
        }

    def configure(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            match name:
                case "addPhone":
                    self.add_phone(**value)
                case "register":
                    self.registrations.append(phones.registration(**value))
                case "missing_records" | "special_mode" | "groups":
                    setattr(self, name, value)
                case "users":
                    self.users = {user: (password, level) for user, (password, level) in value.items()}
                case _:
                    raise ValueError(f"{name} cannot be set to {value!r}.")

    def add_phone(self, mac: str, model: str = "polycomTrio8800", description: str = "") -> Phone:
        """A phone that the server knows from now on."""
        phone = Phone(self.new_id(), mac.replace(":", "").lower(), model, description)
        self.phones.append(phone)
        return phone

    def new_id(self) -> int:
        """An id that nothing has."""
        self.next_id += 1
        return self.next_id - 1

    # --- Requests -----------------------------------------------------------------------------------------------

    def respond_openly(self, request: Request) -> Answer | None:
        """Over plain http there is nothing."""
        return None if self.listener is None or self.listener.is_tls else Answer(404)

    def respond(self, request: Request, level: str) -> Answer:
        for route in self.routes:
            found = route.pattern.fullmatch(request.path)
            if found is None:
                continue
            if level != "administrator" and not route.template.startswith(("/rest/my/", "/rest/call/")):
                return Answer(403)
            if request.method not in route.methods:
                return Answer(405, headers={"Allow": ", ".join(route.methods)})
            return self._answer(request, route.template, found.groupdict())
        return Answer(404)

    def _answer(self, request: Request, template: str, holes: dict[str, str]) -> Answer:
        handle = phones.HANDLERS.get(template) or rest.HANDLERS.get(template)
        if handle is not None:
            return handle(self, request, **holes)
        if "/settings" in template:
            return self._of_settings(request, template, holes)
        return self._of_store(request, template)

    def _of_settings(self, request: Request, template: str, holes: dict[str, str]) -> Answer:
        """One setting, or the subtree of a path, or all of a service."""
        path = holes.get("settingPath") or holes.get("path") or ""
        scope = request.path.removesuffix(f"/{path}") if path else request.path
        if request.method == "GET":
            found = self.settings.read(scope, path)
            return as_json({"settings": found}) if found else Answer(404)
        if request.method == "PUT":
            if request.content_type != TEXT:
                return Answer(415)
            self.settings.write(scope, path, request.body.decode())
        else:
            self.settings.reset(scope, path)
        return Answer(200)

    def _of_store(self, request: Request, template: str) -> Answer:
        """Kept as it was sent."""
        kept = self.stores.setdefault(template, {})
        match request.method:
            case "GET":
                return self.shown(request, template, kept.get(request.path, {}))
            case "DELETE":
                kept.pop(request.path, None)
                return Answer(200)
            case _:
                kept[request.path] = read(request)
                if template.startswith("/rest/") and "{" not in template and "/my/" not in template:
                    return self.shown(request, template, rest.created(self.new_id()))
                return Answer(200)

    @staticmethod
    def shown(request: Request, template: str, value: Any) -> Answer:
        """JSON under /api; under /rest XML, unless JSON alone is accepted."""
        accepts_xml = request.accepts(XML) and "json" not in request.headers.get("Accept", "")
        if template.startswith("/api/") or not accepts_xml:
            return as_json(value)
        return Answer(200, as_xml(value).encode(), XML)


def read(request: Request) -> Any:
    """A body in JSON; any other as text."""
    if request.content_type == JSON:
        try:
            return json.loads(request.body)
        except ValueError:
            return {}
    return request.body.decode("latin-1")


def as_xml(value: Any, name: str = "") -> str:
    """An object as elements, a list as an element each."""
    if isinstance(value, dict):
        inner = "".join(as_xml(each, key) for key, each in value.items())
    elif isinstance(value, list):
        return "".join(as_xml(each, name) for each in value)
    else:
        inner = escape("" if value is None else str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}>{inner}</{name}>" if name else inner
