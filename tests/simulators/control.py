"""The control channel: another port, on which state, faults and clock are set and the journal is read.

GET  /                          {"devices": [{"number", "url", "kind"}]}
GET  /devices/0/state           what the device shows; POST the same to change it
GET  /devices/0/journal         the requests; DELETE empties it
GET  /devices/0/faults          POST {"kind", "method", "path", "times", "seconds"}; DELETE takes all away
POST /devices/0/boot            {"service": URL, "ca": FILE}: the device asks the redirect service again
POST /devices/0/clock           {"advance": seconds}
POST /devices/0/listener        {"open": false}: connections are refused
GET  /certificate               the CA of the devices' HTTPS, as PEM
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

from tests.simulators.boot import boot
from tests.simulators.device import Answer, Device, Fault, Refusal, Request, as_json, described
from tests.simulators.mediant import Mediant
from tests.simulators.poly import PolyTrio
from tests.simulators.server import Listener, Served, handler_of

THERE = (
    "GET /, GET /certificate, GET and POST /devices/0/state, GET and DELETE /devices/0/journal, "
    "GET, POST and DELETE /devices/0/faults, POST /devices/0/boot, POST /devices/0/clock, "
    "POST /devices/0/listener."
)


class Control(Device):
    """The control channel of some devices. It asks for no login: it listens on this machine alone."""

    def __init__(self, devices: Sequence[Served], *, port: int = 0) -> None:
        super().__init__()
        self.devices = devices
        self._listener = Listener(handler_of(self), port=port)

    def __enter__(self) -> Self:
        self._listener.open()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.port}"

    def respond_openly(self, request: Request) -> Answer:
        try:
            return self._respond(request)
        except (ValueError, TypeError, KeyError) as error:
            raise Refusal(described(str(error), 400)) from error

    def _respond(self, request: Request) -> Answer:
        words = request.path.strip("/").split("/")
        if words == [""] and request.method == "GET":
            listed = [
                {"number": number, "url": served.url, "kind": type(served.device).__name__}
                for number, served in enumerate(self.devices)
            ]
            return as_json({"devices": listed})
        if words == ["certificate"] and self.devices[0].authority:
            return Answer(200, self.devices[0].authority.pem.encode(), "application/x-pem-file")
        if len(words) != 3 or words[0] != "devices" or not words[1].isdigit():
            return described(f"Not found. There is: {THERE}", 404)
        if int(words[1]) >= len(self.devices):
            return described("No such device", 404)
        served = self.devices[int(words[1])]
        body = json.loads(request.body) if request.body else {}
        if (words[2], request.method) == ("boot", "POST"):
            return _boot(served.device, body)
        with served.device.lock:
            return self._of_device(served, words[2], request.method, body)

    def _of_device(self, served: Served, what: str, method: str, body: dict[str, Any]) -> Answer:
        device = served.device
        match what, method:
            case "state", "GET":
                return as_json(device.state())
            case "state", "POST":
                device.configure(body)
                return as_json(device.state())
            case "journal", "GET":
                return as_json({"journal": [asdict(entry) for entry in device.journal]})
            case "journal", "DELETE":
                device.journal.clear()
            case "faults", "GET":
                return as_json({"faults": [asdict(fault) for fault in device.faults]})
            case "faults", "POST":
                device.faults.append(Fault(**body))
            case "faults", "DELETE":
                device.faults.clear()
            case "clock", "POST":
                device.clock.offset += float(body["advance"])
            case "listener", "POST":
                (served.listener.open if body["open"] else served.listener.close)()
            case _:
                return described(f"Not found. There is: {THERE}", 404)
        return as_json({})


def _boot(device: Device, body: dict[str, Any]) -> Answer:
    """What the redirect service answered, and where it sent the device."""
    if not isinstance(device, Mediant | PolyTrio):
        raise ValueError("A server does not boot.")
    try:
        status, sent_to = boot(device, body["service"], ca=body.get("ca"))
    except OSError as error:
        return described(f"The service cannot be reached: {error}", 502)
    return as_json({"status": status, "location": sent_to})
