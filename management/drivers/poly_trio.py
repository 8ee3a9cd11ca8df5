"""Poly Trio conference phones. Source: REST API Reference Manual for UC Software 5.9.1 (3725-85884-004A)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from management.drivers import restart
from management.drivers.base import DeviceError, Kind, Result
from management.drivers.poly_capabilities import CAPABILITIES
from management.drivers.poly_http import CONFIG, MAX_BODY, MGMT, QUICK, PolyHttp, check_size
from management.redaction import redact_json

AT_ONCE = 20  # parameters of one call
PUSHED_WITHIN = 60.0
OLD = (Kind.NOT_FOUND, Kind.UNSUPPORTED)  # what a phone without the second version of a call answers


class PolyTrio(PolyHttp):
    """One phone: it does one thing at a time, and answers 403 to a second one."""

    capabilities = CAPABILITIES
    name: ClassVar[str] = "poly-trio"
    one_at_a_time = True
    busy_for, busy_step = 60.0, 5.0
    _info: dict[str, Any] | None = None

    @classmethod
    def check(cls, verb: str, arguments: Mapping[str, Any]) -> None:
        if verb == "config_set":
            values = arguments["values"]
            if len(values) > AT_ONCE and not arguments.get("batches"):
                raise DeviceError(
                    Kind.INVALID,
                    f"The phone sets {AT_ONCE} parameters at once. With `batches` more are sent, one batch after "
                    "the other; then the first may be set and a later one refused.",
                    argument="values",
                )
            for batch in _batches(list(values)):
                check_size({"data": {name: values[name] for name in batch}}, "values")
        elif verb == "passthrough" and len(arguments.get("body", "").encode()) > MAX_BODY:
            raise DeviceError(Kind.TOO_LARGE, "The phone takes 20 KB at most in one call.", argument="body")
        elif verb == "config_get":
            for batch in _batches(arguments["names"]):
                check_size({"data": list(batch)}, "names")

    @classmethod
    def pause_between(cls, verb: str, arguments: Mapping[str, Any]) -> float:
        """Network.UploadBgCapture: not within 10 seconds of the last one."""
        is_capture = verb == "passthrough" and arguments["path"] == f"{MGMT}/network/uploadBgCapture"
        return 10.0 if is_capture else 0.0

    # --- What it is -------------------------------------------------------------------------------------------

    def identity(self) -> Result:
        """Management.DeviceInfo Version 2; of older software Version 1."""
        info = self._fresh_info()
        firmware = info.get("Firmware")
        spelled = re.sub(r"[:.\-\s]", "", str(info.get("MACAddress", ""))).upper()
        return Result(
            {
                "vendor": info.get("DeviceVendor", "Poly"),
                "model": _stripped(info).get("ModelNumber"),
                "mac": spelled if re.fullmatch("[0-9A-F]{12}", spelled) else None,
                "serial": None,
                "firmware": firmware.get("Application")
                if isinstance(firmware, dict)
                else info.get("FirmwareRelease"),
                "source": f"device/info {'v2' if isinstance(firmware, dict) else 'v1'}",
            }
        )

    def status(self) -> Result:
        """Management.DeviceInfo Version 2, and by HTTPS Management.PollForStatus."""
        info = self._info or self._fresh_info()
        shown = {
            "state": info.get("AppState"),
            "ready": _truth(info.get("ReadyToUse")),
            "canRestart": _truth(info.get("CanApplyShutdownRequest")),
            "upTime": _up_time(info),
            "driverGuess": self.name,
        }
        if self._transport.is_secure:
            poll = self._get(f"{MGMT}/pollForStatus")
            shown |= {"activity": poll.get("State"), "activityData": poll.get("StateData")}
        return Result(shown | {"raw": redact_json(info, self._secret)})

    def provisioning(self) -> Result:
        """Management.NetworkInfo, and the clean names of Management.RunningConfig."""
        network = self._get(f"{MGMT}/network/info")
        running = self._get(f"{MGMT}/device/runningConfig").get("Provisioning")
        running = running if isinstance(running, dict) else {}
        return Result(
            {
                "serverUrl": network.get("ProvServerAddress") or running.get("Server") or "",
                "serverType": network.get("ProvServerType") or running.get("ServerType") or "",
                "user": network.get("ProvServerUser") or running.get("User") or "",
                "ztpStatus": network.get("ZTPStatus"),
                "raw": redact_json({"network": network, "provisioning": running}, self._secret),
            }
        )

    def lines(self, line: str = "", sip: bool = False) -> Result:
        """Management.LineInfo Version 2, of older software Version 1; with `sip`, WebCallControl.SipStatus."""
        try:
            found = self._get_list("/api/v2/mgmt/lineInfo", {"line": line} if line else None)
        except DeviceError as error:
            if error.kind not in OLD or error.status == 4005:
                raise
            found = self._get_list(f"{MGMT}/lineInfo")
            found = [each for each in found if line in ("", str(each.get("LineNumber")))]
        shown = [
            {
                "line": each.get("ID", each.get("LineNumber")),
                "label": each.get("Label"),
                "user": each.get("Username", each.get("UserID")),
                "registered": str(each.get("RegistrationStatus")).lower() == "registered",
            }
            for each in found
        ]
        data: dict[str, Any] = {"lines": shown, "raw": redact_json(found, self._secret)}
        if sip:
            data["sip"] = redact_json(self._get("/api/v1/webCallControl/sipStatus"), self._secret)
        return Result(data)

    def metrics(self, name: str = "") -> Result:
        """Management.DeviceStats, NetworkStatistics and SessionStats."""
        paths = {"device": "device/stats", "network": "network/stats", "media": "media/sessionStats"}
        if not name:
            return Result({"items": list(paths)})
        return Result(
            {"name": name, "values": redact_json(self._ask("GET", f"{MGMT}/{paths[name]}"), self._secret)}
        )

    def _fresh_info(self) -> dict[str, Any]:
        try:
            self._info = self._get("/api/v2/mgmt/device/info")
        except DeviceError as error:
            if error.kind not in OLD:
                raise
            self._info = self._get(f"{MGMT}/device/info")
        return self._info

    # --- Actions ----------------------------------------------------------------------------------------------

    def restart(self, mode: str = "graceful", command: str = "safeRestart") -> Result:
        """Management.Restart and Management.Reboot: calls are ended first."""
        if self._info is None:
            self._fresh_info()
        self._do(f"{MGMT}/{command}")
        return Result({"back": self._is_back()})

    def resync(self) -> Result:
        """Management.UpdateConfiguration"""
        data = self._do(f"{MGMT}/updateConfiguration", seconds=CONFIG)
        return Result({"provisioningState": data.get("ProvisioningState") if isinstance(data, dict) else None})

    def factory_reset(self, mac: str) -> Result:
        """Management.FactoryReset. Afterwards the REST interface is off, as it is by default."""
        self._do(f"{MGMT}/factoryReset")
        return Result({"note": "The phone's REST interface is off until its configuration file switches it on."})

    def _is_back(self, up_time: int | None = None) -> bool | None:
        if up_time is None:
            up_time = _up_time(self._info or {})
        return restart.is_back(self._transport.pause, self._read_up_time, up_time)

    def _read_up_time(self) -> Any:
        for path in ("/api/v2/mgmt/device/info", f"{MGMT}/device/info"):
            try:
                data = self._read(self._transport.read(path, seconds=QUICK, pauses=()))
                return _up_time(data if isinstance(data, dict) else {})
            except DeviceError as error:
                if error.kind is Kind.BUSY:
                    return None
                if error.kind not in OLD:
                    raise
        raise DeviceError(Kind.UNREACHABLE, "The phone's REST interface is off.")

    # --- Configuration ----------------------------------------------------------------------------------------

    def config_get(self, names: list[str]) -> Result:
        """Management.GetConfig, twenty names at a time. What a name says is secret is not shown."""
        found: dict[str, Any] = {}
        for batch in _batches(names):
            data = self._do(f"{MGMT}/config/get", {"data": list(batch)}, changes=False)
            found |= data if isinstance(data, dict) else {}
        return Result({"parameters": redact_json(found, self._secret)})

    def config_set(self, values: dict[str, str], batches: bool = False) -> Result:
        """Management.SetConfig"""
        done = 0
        for batch in _batches(list(values)):
            self._do(f"{MGMT}/config/set", {"data": {name: values[name] for name in batch}})
            done += len(batch)
        return Result({"set": done})

    def config_reset(self, scope: str = "all") -> Result:
        """Management.ConfigReset"""
        self._do(f"{MGMT}/configReset" + ("" if scope == "all" else f"/{scope}"))
        return Result({})

    def config_backup(self, kind: str = "All") -> Result:
        """Management.ExportConfiguration: the phone pushes the file to an address of the service."""
        if self._receiver is None:
            raise DeviceError(
                Kind.PRECONDITION, "The phone pushes its configuration, and nothing receives it here."
            )
        url = self._receiver.open(f"configuration-{kind}", f"configuration-{kind}.cfg")
        self._do(f"{MGMT}/config/export", {"data": {"Url": url, "ConfigType": kind}}, seconds=CONFIG)
        if not self._receiver.arrived(PUSHED_WITHIN):
            raise DeviceError(Kind.TIMEOUT, "The phone took the order, and the file did not come within a minute.")
        return Result({})

    # --- After a write whose answer is missing ----------------------------------------------------------------

    def before(self, verb: str) -> dict[str, Any]:
        return {"upTime": _up_time(self._info or {})}

    def verify(self, verb: str, arguments: Mapping[str, Any], before: Mapping[str, Any]) -> bool | None:
        match verb:
            case "restart":
                return self._is_back(before.get("upTime"))
            case "config_set":
                wanted, found = arguments["values"], dict[str, Any]()
                for batch in _batches(list(wanted)):
                    data = self._do(f"{MGMT}/config/get", {"data": list(batch)}, changes=False)
                    found |= data if isinstance(data, dict) else {}
                return all(found.get(name, {}).get("value") == value for name, value in wanted.items())
            case "config_backup" if self._receiver is not None:
                return self._receiver.arrived(PUSHED_WITHIN) or None
            case _:
                return None


def _batches(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]


def _truth(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _stripped(info: Mapping[str, Any]) -> dict[str, Any]:
    """The manual prints one key with a blank behind it."""
    return {key.strip(): value for key, value in info.items()}


def _up_time(info: Mapping[str, Any]) -> int | None:
    """Seconds since its start, of both versions."""
    told = info.get("UpTime", info.get("UpTimeSinceLastReboot"))
    if isinstance(told, dict):
        parts = [str(told.get(name, "0")) for name in ("Days", "Hours", "Minutes", "Seconds")]
    else:
        parts = re.findall(r"\d+", str(told))
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return None
    days, hours, minutes, seconds = map(int, parts)
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
