"""The configuration of a simulated Poly Trio: layers, the upper one wins, and each value tells its source."""

import contextlib
import http.client
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

DEFAULT_PASSWORD = "456"
LAYERS = ("Local", "Web", "Config", "Device")  # the first that has a value wins

# What is known, with its default; all others are invalid.
PARAMETERS = {
    "apps.restapi.enabled": "0",
    "log.level.change.restapi": "4",
    "device.prov.serverName": "",
    "device.prov.user": "",
    "diags.pcap.enabled": "0",
    "diags.pcap.background.enabled": "0",
    "lcl.ml.lang": "English_United_States",
    "reg.1.address": "",
    "reg.1.auth.password": "",
    "reg.1.auth.userId": "",
    "reg.1.label": "",
    "tcpIpApp.sntp.address": "",
    "tcpIpApp.sntp.gmtOffset": "0",
    "up.backlight.idleIntensity": "1",
    "voIpProt.server.1.address": "",
    **{f"softkey.{number}.label": "" for number in range(1, 41)},
}


class Status(Exception):
    """Raised while a command is done: its `Status`, when it is not 2000."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class PhoneConfiguration:
    """Values by layer and name."""

    layers: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in LAYERS})

    def effective(self, name: str) -> dict[str, str]:
        """The value that holds, and the layer that it comes from."""
        for layer in LAYERS:
            if name in self.layers[layer]:
                return {"value": self.layers[layer][name], "source": layer}
        return {"value": PARAMETERS[name], "source": "Default"}

    def as_xml(self, layers: list[str]) -> bytes:
        """A configuration file with what these layers hold."""
        values = {name: value for layer in layers for name, value in self.layers[layer].items()}
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in sorted(values.items()))
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        return f"{head}\n<PHONE_CONFIG><ALL{attributes}/></PHONE_CONFIG>\n".encode()


def push(url: str, content: bytes) -> int:
    """Send a file as the phone does, by PUT; the status. Raises OSError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(parts.netloc, timeout=10)) as connection:
        connection.request("PUT", parts.path, content, {"Content-Type": "application/octet-stream"})
        return connection.getresponse().status
