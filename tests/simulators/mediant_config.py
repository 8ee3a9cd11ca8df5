"""The configuration of a simulated Mediant: as ini parameters and as command lines, running and saved.

Source: LTRT-41762, 6.2 and 6.3. An upload is read and written anew, so a download differs from what was uploaded.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field

SECTION = re.compile(r"\[ ?(\\?[\w !]+?) ?\]")
PARAMETER = re.compile(r"\w+ *= *.*|FORMAT \w+ *= *.*|\w+ \d+ *= *.*;?")
# First words of lines that set something. What asks the user or takes long is refused in an incremental script.
CONTEXTS = ("configure", "activate", "exit", "no")
ACTIONS = ("copy", "reload", "write", "erase", "debug", "ping", "traceroute", "telnet", "ssh", "nslookup")


class BadFile(ValueError):
    """An upload that the device cannot read; ``str()`` is what it says."""


@dataclass
class Configuration:
    """Sections of the ini file by name, and the lines of the command line's view, each with those above it."""

    ini: dict[str, dict[str, str]] = field(default_factory=dict)
    cli: dict[tuple[str, ...], None] = field(default_factory=dict)

    def copy(self) -> "Configuration":
        """To be saved, or to go back to."""
        return copy.deepcopy(self)

    # --- The ini file ---

    def load_ini(self, data: bytes, *, incremental: bool) -> None:
        """Replace all, or add to it; raises BadFile and changes nothing."""
        read = _read_ini(data)
        if not incremental:
            self.ini, self.cli = {}, {}
        for section, parameters in read.items():
            self.ini.setdefault(section, {}).update(parameters)

    def ini_text(self, header: dict[str, str]) -> bytes:
        """As the device writes it: its own header, sections and parameters in order."""
        lines = [";*************", ";** Ini File **", ";*************", ""]
        lines += [f";{name}: {value}" for name, value in header.items()]
        for section in sorted(self.ini):
            lines += ["", f"[{section}]", ""]
            lines += [f"{name} = {value}" for name, value in sorted(self.ini[section].items())]
        return ("\r\n".join(lines) + "\r\n").encode()

    # --- The command line ---

    def load_cli(self, data: bytes) -> None:
        """Replace all by a script of configuration commands; raises BadFile and changes nothing."""
        lines = list(_read_cli(data))
        for path in lines:
            if path[0].split()[0] not in CONTEXTS:
                raise BadFile(f"Invalid command: {path[0][:80]}")
        self.ini, self.cli = {}, dict.fromkeys(lines)

    def run_cli(self, data: bytes, show: Callable[[str], str]) -> str:
        """Run a script of configuration and show commands, and return its output; raises BadFile."""
        output, new = [], dict(self.cli)
        for path in _read_cli(data):
            word = path[0].split()[0]
            if path[-1].split()[0] == "show":
                output.append(show(path[-1]))
            elif word in ACTIONS or word not in CONTEXTS:
                raise BadFile(f"Invalid command: {path[-1][:80]}")
            else:
                new[path] = None
        self.cli = new
        return "\r\n".join(output)

    def cli_text(self) -> bytes:
        """As `show running-config` writes it."""
        lines, shown = ["# Running Configuration", ""], set()
        for path in sorted(self.cli):
            for depth in range(len(path)):
                if path[: depth + 1] not in shown:
                    shown.add(path[: depth + 1])
                    lines.append("  " * depth + path[depth])
        return ("\r\n".join(lines) + "\r\n").encode()


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadFile("File is incorrect") from error
    if not text.strip() or "\0" in text:
        raise BadFile("File is incorrect")
    return text


def _read_ini(data: bytes) -> dict[str, dict[str, str]]:
    section, read = "SYSTEM Params", dict[str, dict[str, str]]()
    for number, line in enumerate(_text(data).splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(";"):
            continue
        if found := SECTION.fullmatch(line):
            section = found[1]
        elif PARAMETER.fullmatch(line):
            name, _, value = line.partition("=")
            read.setdefault(section, {})[name.strip()] = value.strip()
        else:
            raise BadFile(f"Incorrect ini file, line {number}")
    return read


def _read_cli(data: bytes) -> list[tuple[str, ...]]:
    """Each command with those that it stands under, by its indentation."""
    commands: list[tuple[str, ...]] = []
    open_lines: list[tuple[int, str]] = []
    for line in _text(data).splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "!")):
            continue
        indent = len(line) - len(line.lstrip())
        while open_lines and open_lines[-1][0] >= indent:
            open_lines.pop()
        open_lines.append((indent, text))
        if text.split()[0] not in ("exit", "activate"):
            commands.append(tuple(command for _, command in open_lines))
    if not commands:
        raise BadFile("File is incorrect")
    return commands


def version_text(product: str, serial: str, version: str, mac: str) -> str:
    """What `show system version` prints, as far as anything reads it."""
    pairs = ":".join(mac[i : i + 2].lower() for i in range(0, 12, 2))
    return "\r\n".join(
        [
            "",
            "Version info:",
            "-----",
            f";Board: {product}",
            ";Board Type: 73",
            f";Serial Number: {serial}",
            f";Software Version: {version}",
            ";MAC Addresses in use:",
            ";-----",
            f";GROUP_1 - {pairs}",
            ";-----",
            "",
        ]
    )


def version_of_load(data: bytes) -> str:
    """The version of a software load, which a simulated one says after `MEDIANT-CMP `; raises BadFile."""
    found = re.match(rb"MEDIANT-CMP (\S{1,40})", data)
    if not found:
        raise BadFile("Software load is incorrect")
    return found[1].decode("latin-1")
