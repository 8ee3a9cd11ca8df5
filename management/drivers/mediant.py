"""AudioCodes Mediant gateways and SBCs. Source: LTRT-41762 (firmware 7.2) and LTRT-41761 (firmware 7.0)."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from management.drivers.base import DeviceError, File, Kind, Result
from management.drivers.mediant_capabilities import OF_7_0, OF_7_2
from management.drivers.mediant_http import (
    CONFIG,
    FILES,
    QUICK,
    V1,
    MediantHttp,
    described,
    json_object,
    tls_path,
)
from management.redaction import HIDDEN, redact

FOLDERS = ("/api", V1, f"{V1}/actions", f"{V1}/files", f"{V1}/alarms")
KEY_BITS = 2048  # of a new key, if the caller does not say
_MAC_OF_SCRIPT = re.compile(r"GROUP_1 - ((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})")


class Mediant(MediantHttp):
    """Firmware 7.2."""

    capabilities = OF_7_2
    name: ClassVar[str] = "mediant-7.2"

    # --- What it is -------------------------------------------------------------------------------------------

    def identity(self) -> Result:
        """LTRT-41762, chapter 9."""
        status = self._fresh_status()
        mac = str(status.get("macAddress", "")).upper()
        if not re.fullmatch("[0-9A-F]{12}", mac):
            raise DeviceError(
                Kind.UNSUPPORTED, "The device tells no MAC: its firmware is older than 7.2. Use mediant-7.0."
            )
        return Result(_identity(status, mac=mac, serial=status.get("serialNumber"), source="status"))

    def status(self, tree: bool = False) -> Result:
        """LTRT-41762, chapter 9; with `tree`, what the device lists by chapters 4, 5, 6 and 8."""
        status = self._status or self._fresh_status()
        shown = {
            "state": status.get("operationalState"),
            "highAvailability": status.get("highAvailability"),
            "upTime": status.get("systemUpTime"),
            "ready": status.get("operationalState") == "UNLOCKED",
            "driverGuess": "mediant-7.2" if "macAddress" in status else "mediant-7.0",
        }
        if tree:
            shown["tree"] = {path: self._get(path) for path in FOLDERS}
        return Result(shown | {"raw": status})

    def _fresh_status(self) -> dict[str, Any]:
        self._status = self._get(f"{V1}/status")
        return self._status

    # --- Actions: chapter 5 -----------------------------------------------------------------------------------

    def restart(self, mode: str = "immediate", wait: int = 60, save: bool = True) -> Result:
        """5.1. `wait` seconds for calls to end, in the mode graceful; 1 second cannot be asked for."""
        timeout = {"immediate": 0, "graceful": max(2, wait), "wait": 1}[mode]
        body = {"saveConfiguration": save, "gracefulTimeout": timeout}
        said = self._write("POST", f"{V1}/actions/reset", json=body, seconds=QUICK)
        return Result({**said, "back": self._is_back() if timeout == 0 else None})

    def config_save(self) -> Result:
        """5.2"""
        return Result(self._write("POST", f"{V1}/actions/saveConfiguration", seconds=QUICK))

    def ui_token(self, username: str, level: str = "monitor", sessionTimeout: int = 300) -> Result:
        """5.3. The address opens the device's web page within ten seconds; it is for the caller alone."""
        body = {"username": username, "privLevel": level, "sessionTimeout": sessionTimeout}
        said = self._write("POST", f"{V1}/actions/authToken", json=body, seconds=QUICK)
        if not re.fullmatch("[0-9A-Za-z]{8,128}", str(said.get("authToken"))):
            raise DeviceError(Kind.PROTOCOL, "The device's answer holds no token.")
        return Result({"path": f"/index.html?mode=web&authToken={said['authToken']}", "expiresIn": 10})

    # --- Files: chapter 6 -------------------------------------------------------------------------------------

    def config_backup(self, kind: str = "ini") -> Result:
        """6.2.1 and 6.3.1"""
        path = {"ini": "ini", "cli": "cliScript"}[kind]
        content = self._download(f"{V1}/files/{path}", CONFIG)
        firmware = str((self._status or {}).get("versionID", ""))
        return Result({}, (File(f"configuration-{kind}", f"configuration.{kind}", content, firmware),))

    def config_apply(self, kind: str, content: str, incremental: bool) -> Result:
        """6.2 and 6.3. A file that is not incremental replaces all, and the device resets."""
        path = {"ini": "ini", "cli": "cliScript"}[kind] + ("/incremental" if incremental else "")
        said = self._upload(f"{V1}/files/{path}", f"configuration.{kind}", content.encode(), CONFIG)
        said = {name: redact(str(text), self._secret) for name, text in said.items()}
        return Result(said if incremental else {**said, "back": self._is_back()})

    def run_cli(self, script: str) -> Result:
        """6.3.2"""
        said = self._upload(f"{V1}/files/cliScript/incremental", "script.txt", script.encode(), CONFIG)
        output = re.sub(r"\. (?=[;\w]|$)", "\n", str(said.get("output", "")))
        return Result({"output": redact(output, self._secret)[:200_000]})

    def firmware_install(self, content: bytes, hitless: bool = False) -> Result:
        """6.4"""
        path = f"{V1}/files/software" + ("/hitless" if hitless else "")
        said = self._upload(path, "software.cmp", content, FILES)
        return Result(said if hitless else {**said, "back": self._is_back()})

    def file_put(self, slot: str, content: bytes) -> Result:
        """6.5"""
        return Result(self._upload(f"{V1}/files/{slot}", f"{slot}.dat", content, FILES))

    # --- TLS contexts: chapter 7 ------------------------------------------------------------------------------

    def tls_contexts(self) -> Result:
        """7, 7.1 and 7.2: at most twenty of them."""
        found = []
        for entry in list(self._get(f"{V1}/files/tls").get("tls", ()))[:20]:
            id = str(entry.get("id"))
            key = self._get(f"{tls_path(id)}/privateKey")
            parts = [str(part.get("id")) for part in self._get(tls_path(id)).get("items", ())]
            found.append({"id": id, "name": entry.get("name"), "privateKey": key, "files": parts})
        return Result({"contexts": found})

    def tls_key_generate(self, context: str = "0", bits: int = KEY_BITS) -> Result:
        """7.2.1"""
        body = {"size": bits}
        return Result(self._write("POST", f"{tls_path(context)}/privateKey/generate", json=body, seconds=CONFIG))

    def tls_key_put(self, pem: str, context: str = "0", password: str = "") -> Result:
        """7.2"""
        query = {"Password": password} if password else None
        path = f"{tls_path(context)}/privateKey"
        return Result(self._upload(path, "key.pem", pem.encode(), QUICK, query=query))

    def tls_csr(
        self, subjectName: str, context: str = "0", signatureAlgorithm: str = "sha256", **more: str
    ) -> Result:
        """7.5"""
        body = {"subjectName": subjectName, "signatureAlgorithm": signatureAlgorithm, **more}
        answer = self._checked(
            self._transport.write("POST", f"{tls_path(context)}/certificate/request", json=body, seconds=CONFIG)
        )
        try:
            request = x509.load_pem_x509_csr(answer.content)
        except ValueError as error:
            raise DeviceError(Kind.PROTOCOL, "The device's answer is no signing request.") from error
        pem = request.public_bytes(Encoding.PEM)
        return Result({"csr": pem.decode()}, (File("csr", f"{subjectName}.csr", pem),))

    def tls_cert_get(self, context: str = "0") -> Result:
        """7.2 and 7.3"""
        pem = self._download(f"{tls_path(context)}/certificate", QUICK)
        key = self._get(f"{tls_path(context)}/privateKey")
        return Result({"certificates": described(pem), "privateKey": key})

    def tls_cert_put(self, pem: str, context: str = "0") -> Result:
        """7.3"""
        return Result(self._upload(f"{tls_path(context)}/certificate", "certificate.pem", pem.encode(), QUICK))

    def tls_cert_self_sign(self, subjectName: str, context: str = "0", **more: str) -> Result:
        """7.4"""
        body = {"subjectName": subjectName, **more}
        return Result(self._write("POST", f"{tls_path(context)}/certificate/generate", json=body, seconds=CONFIG))

    def tls_trust_get(self, context: str = "0") -> Result:
        """7.6"""
        return Result({"certificates": described(self._download(f"{tls_path(context)}/trustedRoot", QUICK))})

    def tls_trust_replace(self, pem: str, context: str = "0") -> Result:
        """7.6"""
        return Result(self._upload(f"{tls_path(context)}/trustedRoot", "trust.pem", pem.encode(), QUICK))

    def tls_trust_add(self, pem: str, context: str = "0") -> Result:
        """7.7"""
        return Result(
            self._upload(f"{tls_path(context)}/trustedRoot/incremental", "trust.pem", pem.encode(), QUICK)
        )

    # --- Alarms, measurements, licence: chapters 8, 10 and 11 -------------------------------------------------

    def alarms(self, which: str = "active", limit: int = 20, after: str = "", before: str = "") -> Result:
        """8.1, 8.1.2 and 8.2. An empty list where the device finds none."""
        query = {"limit": limit, "after": after, "before": before}
        page = self._get(f"{V1}/alarms/{which}", {name: value for name, value in query.items() if value})
        none = {"after": "-1", "before": "-1"}
        shown = {"alarms": page.get("alarms", []), "cursor": page.get("cursor", none)}
        return Result(shown | self._last_change(which))

    def _last_change(self, which: str) -> dict[str, Any]:
        if which != "active":
            return {}
        try:
            return {"lastChange": self._get(f"{V1}/alarms/active/lastChange").get("lastChange")}
        except DeviceError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            return {"lastChange": None}

    def alarm(self, id: str, which: str = "active") -> Result:
        """8.1.1 and 8.2.1"""
        return Result(self._get(f"{V1}/alarms/{which}/{quote(id, safe='')}", {"oid": 1}))

    def metrics(self, name: str = "", index: int | None = None, interval: int = 0) -> Result:
        """10 and 10.1: the names; the indexes of one; or the value of one index."""
        path = f"{V1}/performanceMonitoring"
        if not name:
            return Result(self._get(path))
        query = {} if index is None else {"index": index, "interval": interval}
        return Result(self._get(f"{path}/{quote(name, safe='')}", query))

    def license_get(self) -> Result:
        """11. The key itself is not shown."""
        return Result(self._get(f"{V1}/license") | {"key": HIDDEN})

    def license_put(self, key: str, serial: str = "", file: bool = False) -> Result:
        """11: one key, or the text of a file of keys. The device resets."""
        path = f"{V1}/license"
        if file:
            said = self._upload(path, "key.txt", key.encode(), CONFIG)
        else:
            body = {"licenseVersion": 1, "key": key} | ({"serialNumber": serial} if serial else {})
            said = self._write("PUT", path, json=body, seconds=CONFIG)
        return Result({**said, "back": self._is_back()})

    # --- After a write whose answer is missing ----------------------------------------------------------------

    def before(self, verb: str) -> dict[str, Any]:
        return {"upTime": (self._status or {}).get("systemUpTime")}

    def verify(self, verb: str, arguments: Mapping[str, Any], before: Mapping[str, Any]) -> bool | None:
        context = str(arguments.get("context", "0"))
        match verb:
            case "restart" if arguments.get("mode", "immediate") == "immediate":
                return self._is_back(before.get("upTime"))
            case "tls_key_generate":
                bits = int(arguments.get("bits", KEY_BITS))
                return self._has_new_key(context, bits, before.get("size"))
            case "tls_cert_put":
                return self._holds(f"{tls_path(context)}/certificate", str(arguments["pem"]))
            case "tls_trust_add" | "tls_trust_replace":
                return self._holds(f"{tls_path(context)}/trustedRoot", str(arguments["pem"]))
            case _:
                return None

    def _has_new_key(self, context: str, bits: int, before: Any) -> bool | None:
        """By its size: None if it was the same before, or what it was is not known."""
        size = self._get(f"{tls_path(context)}/privateKey").get("size")
        return None if size == bits and before in (None, bits) else size == bits


class OldMediant(Mediant):
    """Firmware 7.0: uploads are the body itself, and neither status nor TLS tell as much."""

    capabilities = OF_7_0
    name = "mediant-7.0"

    def identity(self) -> Result:
        """LTRT-41761: the serial number stands in the licence, the MAC in a show command alone."""
        status = self._fresh_status()
        serial = self._get(f"{V1}/license").get("serialNumber")
        answer = self._checked(
            self._transport.write(
                "PUT",
                f"{V1}/files/cliScript/incremental",
                content=b"show system version",
                seconds=CONFIG,
                changes=False,
            )
        )
        found = _MAC_OF_SCRIPT.search(str(json_object(answer).get("output", "")))
        mac = found[1].replace(":", "").upper() if found else None
        return Result(_identity(status, mac=mac, serial=serial, source="license and show system version"))

    def _last_change(self, which: str) -> dict[str, Any]:
        return {}

    def _upload(self, path: str, name: str, content: bytes, seconds: float, **more: Any) -> dict[str, Any]:
        return self._write("PUT", path, content=content, seconds=seconds, **more)


def _identity(status: Mapping[str, Any], *, mac: str | None, serial: Any, source: str) -> dict[str, Any]:
    return {
        "vendor": "AudioCodes",
        "model": status.get("productType"),
        "mac": mac,
        "serial": serial,
        "firmware": status.get("versionID"),
        "source": source,
    }
