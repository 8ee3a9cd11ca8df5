"""Settings of a simulated sipXcom: by the address of what they are of, and by path."""

from dataclasses import dataclass, field
from typing import Any

# Path: type, default and label, of whatever the settings are of.
KNOWN = {
    "named-config/forwarders/forwarder_0": ("string", "192.168.1.31", "Primary External DNS server"),
    "named-config/forwarders/forwarder_1": ("string", None, "Secondary External DNS server"),
    "sys/unmanaged": ("boolean", "0", "Unmanaged Service"),
    "itsp-account/user-name": ("string", "5568", None),
    "itsp-account/password": ("string", "password-of-itsp", None),
    "itsp-account/registration-interval": ("integer", "600", None),
    "moh-config/MOH_SOURCE": ("enum", "FILES_SRC", "Source"),
    "line/reg/label": ("string", "", "Label"),
    "line/auth/password": ("string", "password-of-line", "Password"),
}


@dataclass
class Settings:
    """Values by scope and path; what is not there has its default."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, scope: str, path: str) -> list[dict[str, Any]]:
        """The settings at a path and below it; all, if it is empty."""
        written = {known for of, known in self.values if of == scope}
        found = []
        for known in sorted({*KNOWN, *written}):
            if path in ("", known) or known.startswith(f"{path}/"):
                kind, default, label = KNOWN.get(known, ("string", None, None))
                value = self.values.get((scope, known), default)
                found.append(
                    {"path": known, "type": kind, "options": None, "value": value, "defaultValue": default,
                     "label": label, "description": None}
                )  # fmt: skip
        return found

    def write(self, scope: str, path: str, value: str) -> None:
        """One setting."""
        self.values[scope, path] = value

    def reset(self, scope: str, path: str) -> None:
        """Back to the default, at a path and below it."""
        for of, known in list(self.values):
            if of == scope and (path in ("", known) or known.startswith(f"{path}/")):
                del self.values[of, known]
