"""Small configuration files that point a phone to its server, for makers whose phones may not follow a redirect.

Each is what the maker's public provisioning templates hold for that setting; the URL is escaped for the format, so
that nothing in it can become another setting. Where a form cannot say a URL, or the file that was asked for is of
another format, there is no body, and the phone is redirected like any other.

Sources: templates of FusionPBX, FS PBX, wazo-provd-plugins and sipXecs; service.snom.com; Polycom SIP 3.1 and
Panasonic KX-HDV230 administration guides.
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

XML = "text/xml; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
# What stays as it is in a URL. The rest is percent-encoded: quotes, line ends, what a format reads as its own.
_SAFE = "%:/?#@!&+;=~*"


class Server(NamedTuple):
    """A URL that is known to be of use to a phone, in the pieces that formats want."""

    url: str
    https: bool
    host: str
    path: str
    mac: str

    @property
    def is_directory(self) -> bool:
        """Whether the phone finds its files below the URL, instead of one at it."""
        return self.path.endswith("/") and "?" not in self.path

    def file(self, name: str) -> str:
        """The URL of a file; ``name`` may hold what the phone fills in itself."""
        return self.url + name if self.is_directory else self.url


def body(maker: str, url: str, mac: str, file_name: str = "") -> tuple[bytes, str] | None:
    """The body and its content type that point a maker's phone to a URL, or None where there is none.

    ``url`` is that of the phone's location (a directory ends in a slash, with no file behind it); ``mac`` is
    normalized; ``file_name`` is what the phone asked for, "" if it asked for no file.

    >>> body("Algo", "http://pbx.example/algo/", "0022EE0A0B0C", "algom0022ee0a0b0c.conf")[1]
    'text/plain; charset=utf-8'
    """
    form = FORMS.get(maker)
    server = _server(url, mac)
    if form is None or server is None or not re.fullmatch(form.names, file_name, re.IGNORECASE):
        return None
    text = form.write(server)
    return None if text is None else (text.encode("ascii"), form.content_type)


def _server(url: str, mac: str) -> Server | None:
    safe = quote(url, safe=_SAFE, errors="replace")
    protocol, _, rest = safe.partition("://")
    host, slash, path = rest.partition("/")
    if protocol.lower() not in ("http", "https") or not host:
        return None
    return Server(safe, protocol.lower() == "https", host, slash + path, mac)


def _snom(server: Server) -> str:
    url = escape(server.file("{mac}.xml"))
    return (
        f'{_DECLARATION}<settings><phone-settings><setting_server perm="">{url}</setting_server></phone-settings>'
        "</settings>\n"
    )


def _grandstream(server: Server) -> str | None:
    if not server.is_directory:
        return None
    values = {"P212": "2" if server.https else "1", "P237": (server.host + server.path).rstrip("/")}
    settings = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
    return f'{_DECLARATION}<gs_provision version="1"><config version="1">{settings}</config></gs_provision>\n'


def _htek(server: Server) -> str | None:
    if not server.is_directory:
        return None
    return (
        f'{_DECLARATION}<hl_provision version="1"><config version="1">'
        f'<P212 para="FirmwareUpGrade.UrgrateMode">{"3" if server.https else "1"}</P212>'
        f'<P237 para="FirmwareUpGrade.ConfigServerPath">{escape(server.url)}</P237></config></hl_provision>\n'
    )


def _yealink(server: Server) -> str:
    return f"#!version:1.0.0.1\nstatic.auto_provision.server.url = {server.url}\n"


def _fanvil(server: Server) -> str:
    path, mark, query = server.path.partition("?")
    directory, _, name = path.rpartition("/")
    address = server.url.partition("://")[0] + f"://{server.host}{directory}/"
    return (
        f"{_DECLARATION}<sysConf><Version>2.0000000000</Version><ap><FlashServerIP>{escape(address)}</FlashServerIP>"
        f"<FlashFileName>{escape(name + mark + query) or '$mac.cfg'}</FlashFileName>"
        f"<FlashProtocol>{'5' if server.https else '4'}</FlashProtocol><FlashMode>1</FlashMode></ap></sysConf>\n"
    )


def _poly(server: Server) -> str:
    # The master file names others, and may name them by whole URLs.
    url = server.file(f"{server.mac.lower()}-phone.cfg")
    return f'<?xml version="1.0" standalone="yes"?>\n<APPLICATION CONFIG_FILES={quoteattr(url)}/>\n'


def _cisco(server: Server) -> str:
    url = escape(server.file("$MA.xml"))
    return f'{_DECLARATION}<flat-profile><Profile_Rule ua="na">{url}</Profile_Rule></flat-profile>\n'


def _panasonic(server: Server) -> str:
    # The first line is a signature of 44 bytes, and the last one has to be empty.
    lines = [
        "# Panasonic SIP Phone Standard Format File #",
        f'CFG_STANDARD_FILE_PATH="{server.file("Config{MAC}.cfg")}"',
    ]
    return "\r\n".join([*lines, "", ""])


def _mitel(server: Server) -> str | None:
    if not server.is_directory:
        return None
    protocol = "https" if server.https else "http"
    return (
        f"download protocol: {protocol.upper()}\n{protocol} server: {server.host}\n"
        f"{protocol} path: {server.path.rstrip('/') or '/'}\n"
    )


def _gigaset(server: Server) -> str:
    return (
        f'{_DECLARATION}<provisioning version="1.1" productID="e2"><nvm><param '
        f'name="Provisioning.global.ProvisioningServer" value={quoteattr(server.url)}/></nvm></provisioning>\n'
    )


def _gigaset_n510(server: Server) -> str:
    # Nothing is done by a file whose MAC is not the device's. The URL is a quoted string in an attribute, and
    # without its scheme.
    url = server.file(f"{server.mac}.xml").partition("://")[2]
    return (
        f'{_DECLARATION}<ProviderFrame><Provider><MAC_ADDRESS value="{server.mac}"/>'
        f'<S_CONFIGFILE_URL class="string" value=\'"{escape(url)}"\'/></Provider></ProviderFrame>\n'
    )


def _algo(server: Server) -> str | None:
    if not server.is_directory:
        return None
    return (
        f"prov.server.method = static\nprov.server.static = {server.host}\n"
        f"prov.download.cfgpath = {server.path}\nprov.download.method = {'https' if server.https else 'http'}\n"
    )


def _avaya_12xx(server: Server) -> str:
    return f"{_DECLARATION}<redirect>{escape(server.file(f'SIP{server.mac}.cfg'))}</redirect>\n"


class Form(NamedTuple):
    """How to write a maker's file, and the names by which it is asked for; "" is a request without a file."""

    names: str
    content_type: str
    write: Callable[[Server], str | None]


FORMS: dict[str, Form] = {
    "Snom": Form(r"|.*\.(?:xml|htm|html|php)", XML, _snom),
    "Grandstream": Form(r".*\.xml", XML, _grandstream),
    "Htek": Form(r".*\.xml", XML, _htek),
    "Sangoma": Form(r".*\.(?:xml|cfg)", XML, _htek),
    "Yealink": Form(r".*\.cfg", TEXT, _yealink),
    "Flyingvoice": Form(r".*\.cfg", TEXT, _yealink),
    "Fanvil": Form(r".*\.(?:cfg|xml)", XML, _fanvil),
    "Poly": Form(r"[0-9a-f]{12}\.cfg", XML, _poly),
    # SPA and MPP phones; those of Call Manager ask for .cnf.xml, which is another format.
    "Cisco": Form(r".*(?<!\.cnf)\.(?:xml|cfg)", XML, _cisco),
    "Panasonic": Form(r".*\.cfg", TEXT, _panasonic),
    "Mitel": Form(r".*\.cfg", TEXT, _mitel),
    "Gigaset Nx70": Form(r".*\.xml", XML, _gigaset),
    "Gigaset N510": Form(r".*\.xml", XML, _gigaset_n510),
    "Algo": Form(r".*\.conf", TEXT, _algo),
    "Avaya 12xx": Form(r".*\.(?:xml|cfg)", XML, _avaya_12xx),
}
