"""Calls of a simulated Poly Trio: WebCallControl of its manual."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulators.poly_config import Status

if TYPE_CHECKING:
    from tests.simulators.poly import PolyTrio

_handles = itertools.count(0x9577DD30)
INVALID, NOT_ALLOWED, NO_SUCH_CALL = "4000", "4003", "4007"
OFFERING, CONNECTED, HELD = "Offering", "Connected", "Hold"


@dataclass
class Call:
    """One call."""

    handle: str
    kind: str
    state: str
    line: str
    number: str
    began: float
    protocol: str = "SIP"
    muted: bool = False
    digits: str = ""

    @classmethod
    def incoming(cls, now: float, number: str = "1171", line: str = "1") -> "Call":
        """One that rings."""
        return cls(f"{next(_handles):x}", "Incoming", OFFERING, line, number, now)

    def shown(self, now: float) -> dict[str, str]:
        """As Management.CallStatus has it."""
        return {
            "CallHandle": self.handle,
            "Type": self.kind,
            "Protocol": self.protocol,
            "CallState": self.state,
            "LineID": self.line,
            "RemotePartyName": self.number,
            "RemotePartyNumber": self.number,
            "DurationInSeconds": str(int(now - self.began)),
        }


def status(phone: "PolyTrio") -> dict[str, str]:
    """Management.CallStatus: the active call."""
    if not phone.calls:
        raise Status(NO_SUCH_CALL)
    return phone.calls[-1].shown(phone.clock.now())


def status_v2(phone: "PolyTrio", query: dict[str, str]) -> list[dict[str, str]]:
    """WebCallControl.CallStatus Version 2. Only handle, line, or line and sequence are accepted."""
    if set(query) not in (set(), {"handle"}, {"line"}, {"line", "sequence"}):
        raise Status(INVALID)
    shown, sequence = [], dict[str, int]()
    for call in phone.calls:
        sequence[call.line] = number = sequence.get(call.line, 0) + 1
        if query.get("handle", call.handle) != call.handle or query.get("line", call.line) != call.line:
            continue
        if query.get("sequence", str(number)) != str(number):
            continue
        active = "*" if call is phone.calls[-1] and call.state == CONNECTED else ""
        entry = call.shown(phone.clock.now()) | {
            "StartTime": f"{datetime.fromtimestamp(call.began, UTC):%Y-%m-%dT%H:%M:%S}",
            "CallSequence": str(number),
            "UIAppearanceIndex": f"{number}{active}",
            "Ringing": str(int(call.state == OFFERING)),
            "Muted": str(int(call.muted)),
            "RTPPort": "2262",
            "RTCPPort": "2263",
        }
        entry["DurationSeconds"] = entry.pop("DurationInSeconds")
        shown.append(entry)
    if query and not shown:
        raise Status(NO_SUCH_CALL)
    return shown


def _found(phone: "PolyTrio", data: dict[str, Any], *, required: bool = False) -> Call:
    """The call of `Ref`; without it the active one."""
    reference = data.get("Ref")
    if required and not isinstance(reference, str):
        raise Status(INVALID)
    for call in reversed(phone.calls):
        if reference in (None, call.handle):
            return call
    raise Status(NO_SUCH_CALL)


def _log(phone: "PolyTrio", kind: str, call: Call) -> None:
    now = phone.clock.now()
    phone.call_log[kind].append(
        {
            "LineNumber": call.line,
            "StartTime": f"{datetime.fromtimestamp(call.began, UTC):%Y-%m-%dT%H:%M:%S}",
            "RemotePartyName": call.number,
            "RemotePartyNumber": call.number,
            "Duration": str(int(now - call.began)),
        }
    )


def dial(phone: "PolyTrio", data: dict[str, Any]) -> None:
    """Accepted at once."""
    number, kind, line = data.get("Dest"), data.get("Type", "TEL"), data.get("Line", "1")
    if not isinstance(number, str) or not number.strip() or kind not in ("SIP", "H323", "TEL"):
        raise Status(INVALID)
    if line not in [each["LineNumber"] for each in phone.lines]:
        raise Status(INVALID)
    call = Call(f"{next(_handles):x}", "Outgoing", CONNECTED, line, number, phone.clock.now())
    call.protocol = "H323" if kind == "H323" else "SIP"
    phone.calls.append(call)
    _log(phone, "placed", call)


def end(phone: "PolyTrio", data: dict[str, Any]) -> None:
    """Not of a call on hold."""
    call = _found(phone, data, required=True)
    if call.state == HELD:
        raise Status(NOT_ALLOWED)
    phone.calls.remove(call)


def mute(phone: "PolyTrio", data: dict[str, Any]) -> None:
    """Of the active call."""
    if data.get("state") not in ("0", "1"):
        raise Status(INVALID)
    call = _found(phone, {})
    if call.state == HELD:
        raise Status(NOT_ALLOWED)
    call.muted = data["state"] == "1"


def transfer(phone: "PolyTrio", data: dict[str, Any]) -> None:
    """Always blind."""
    if not isinstance(data.get("TransferDest"), str):
        raise Status(INVALID)
    phone.calls.remove(_found(phone, data, required=True))


def digits(phone: "PolyTrio", data: dict[str, Any]) -> None:
    """In the active call."""
    if not isinstance(data.get("Digits"), str) or not data["Digits"]:
        raise Status(INVALID)
    _found(phone, {}).digits += data["Digits"]


def _change(new: str, *old: str) -> Callable[["PolyTrio", dict[str, Any]], None]:
    def change(phone: "PolyTrio", data: dict[str, Any]) -> None:
        call = _found(phone, data)
        if call.state not in old:
            raise Status(NOT_ALLOWED)
        call.state = new
        if old == (OFFERING,):
            _log(phone, "received", call)

    return change


def _decline(phone: "PolyTrio", data: dict[str, Any]) -> None:
    call = _found(phone, data)
    if call.state != OFFERING:
        raise Status(NOT_ALLOWED)
    phone.calls.remove(call)
    _log(phone, "missed", call)


COMMANDS: dict[str, Callable[["PolyTrio", dict[str, Any]], None]] = {
    "dial": dial,
    "endCall": end,
    "mute": mute,
    "transferCall": transfer,
    "sendDTMF": digits,
    "holdCall": _change(HELD, CONNECTED),
    "resumeCall": _change(CONNECTED, HELD),
    "answerCall": _change(CONNECTED, OFFERING),
    "ignoreCall": _decline,
    "rejectCall": _decline,
}
