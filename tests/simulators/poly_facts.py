"""What a simulated Poly Trio tells of itself: each GET of its manual but those of calls."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.simulators.device import Answer, Request
from tests.simulators.poly_config import Status

if TYPE_CHECKING:
    from tests.simulators.poly import PolyTrio

NOT_SUPPORTED = "4004"
SCREEN = (480, 800)
CIVIC = (
    "Country", "StreetGroup", "House Number", "State", "Place Type ", "District", "Add. Info", "Road SubSection",
    "City", "Neighbourhood Block", "Landmark", "Post Box", "Division", "Street", "Road Section", "Street1",
    "Street2", "Place Name", "House Num. Suff.", "Zip Code", "Road Pre Modifier", "Building", "Unit", "Floor",
    "Additional Code", "Room", "Postal Name", "Seat", "Road", "Road Branch", "Road Post Modifier",
)  # fmt: skip


def line(number: str, user: str, *, registered: bool = True) -> dict[str, str]:
    """A line as Management.LineInfo has it."""
    return {
        "LineNumber": number,
        "Protocol": "SIP",
        "SIPAddress": user,
        "ProxyAddress": "pbx.example",
        "UserID": user,
        "Label": user,
        "LineType": "Private",
        "RegistrationStatus": "Registered" if registered else "Unregistered",
        "Port": "5060",
    }


def is_on_screen(position: Any) -> bool:
    """Whether a touch hits the screen."""
    try:
        return 0 <= int(position["X"]) < SCREEN[0] and 0 <= int(position["Y"]) < SCREEN[1]
    except (KeyError, TypeError, ValueError):
        return False


def _up_time(phone: "PolyTrio") -> tuple[int, int, int, int]:
    minutes, seconds = divmod(int(phone.clock.now() - phone.booted), 60)
    hours, minutes = divmod(minutes, 60)
    return *divmod(hours, 24), minutes, seconds


def _server(phone: "PolyTrio") -> tuple[str, str]:
    """The type and the address of the provisioning server."""
    url = phone.provisioned_from or ""
    return urlsplit(url).scheme.upper(), url


def _network_info(phone: "PolyTrio", request: Request) -> Any:
    kind, server = _server(phone)
    return {
        "DHCP": "enabled",
        "DHCPServer": "10.4.0.1",
        "DHCPBootServerUseOption": "Custom",
        "DHCPBootServerOption": "160",
        "DHCPBootServerOptionType": "String",
        "DHCPOption60Format": "RFC3925 Binary",
        "IPV4Address": "10.4.219.31",
        "IPV6Address": "",
        "DefaultGateway": "10.4.0.1",
        "DNSServer": "10.4.0.2",
        "AlternateDNSServer": "",
        "DNSDomain": "example",
        "SNTPAddress": phone.config.effective("tcpIpApp.sntp.address")["value"],
        "SubnetMask": "255.255.0.0",
        "LANPortStatus": "active",
        "LANSpeed": "1000",
        "VLANID": "",
        "VLANIDOption": "",
        "CDPCompability": "enabled",
        "ProvServerAddress": server,
        "ProvServerUser": phone.config.effective("device.prov.user")["value"],
        "ProvServerType": kind,
        "UpgradeServer": "",
        "ZTPStatus": "disabled",
    }


def _device_info(phone: "PolyTrio", request: Request) -> Any:
    days, hours, minutes, seconds = _up_time(phone)
    return {
        "ModelNumber": "Trio 8800",
        "FirmwareRelease": phone.version,
        "DeviceType": "HardwareEndPoint",
        "DeviceVendor": "Poly",
        "UpTimeSinceLastReboot": f"{days} days {hours} hours {minutes} minutes {seconds} seconds",
        "IPV4Address": "10.4.219.31",
        "IPV6Address": "",
        "MACAddress": phone.mac,
        "AttachedHardware": {"Camera": False, "EM": []},
    }


def _device_info_v2(phone: "PolyTrio", request: Request) -> Any:
    names = ("Days", "Hours", "Minutes", "Seconds")
    return {
        "ModelNumber": "Trio 8800",
        "DeviceVendor": "Poly",
        "DeviceType": "HardwareEndpoint",
        "MACAddress": phone.mac,
        "Firmware": {"Application": phone.version, "Updater": "5.9.7.0", "BootBlock": "3.0.4.0"},
        "IPAddress": "10.4.219.31",
        "IPStack": "IPv4 Only",
        "PreferredNetwork": "IPv4",
        "IPv6Address": "",
        "IPv6LinkAddress": "",
        "IPv6ULAAddress": "",
        "UpTime": {name: str(value) for name, value in zip(names, _up_time(phone), strict=True)},
        "AttachedHardware": {"Camera": "False", "EM": []},
        "CanApplyShutdownRequest": str(not phone.calls),
        "IntendToShutdown": "False",
        "AppState": "AppStateMenu" if phone.ready else "AppStateStarting",
        "ReadyToUse": str(phone.ready),
    }


def _network_stats(phone: "PolyTrio", request: Request) -> Any:
    days, hours, minutes, seconds = _up_time(phone)
    return {"UpTime": f"{days}:{hours}:{minutes}:{seconds}", "RxPackets": 124523, "TxPackets": 88012}


def _call_logs(*kinds: str) -> Callable[["PolyTrio", Request], Any]:
    return lambda phone, request: {kind: phone.call_log[kind] for kind in kinds}


def _presence(phone: "PolyTrio", request: Request) -> Any:
    if not phone.skype:
        raise Status(NOT_SUPPORTED)
    return {"Presence": "Available" if phone.signed_in else "Offline"}


def _sip_status(phone: "PolyTrio", request: Request) -> Any:
    users = []
    for each in phone.lines:
        registered = each["RegistrationStatus"] == "Registered"
        event = {
            "Type": "Register",
            "Overlap": "120",
            "CallID": f"b8c9a1cb-cf11d4b-{each['LineNumber']}@10.4.219.31",
            "RegistrationState": each["RegistrationStatus"],
            "Expires": "6965" if registered else "0",
        }
        calls = [
            {"CallState": call.state, "CallID": f"{call.handle}@10.4.219.31"}
            for call in phone.calls
            if call.line == each["LineNumber"]
        ]
        users.append(
            {
                "Name": each["UserID"],
                "Number": each["LineNumber"],
                "TotalEvents": "1",
                "Events": [event],
                "TotalCalls": str(len(calls)),
                "Calls": calls,
            }
        )
    return {"User": users, "TotalUser": str(len(users))}


def _poll(phone: "PolyTrio", request: Request) -> Any:
    if phone.listener is None or not phone.listener.is_tls:
        return Answer(404)
    if not phone.ready:
        return {"State": "Error", "StateData": "All Phone applications are not ready."}
    if phone.calls:
        return {"State": "Active", "StateData": str(int(phone.clock.now() - phone.calls[-1].began))}
    return {"State": "Idle", "StateData": "2015-04-07T19:11:07"}


def _screen(phone: "PolyTrio", request: Request) -> Any:
    return '<?xml version="1.0"?><screen view-offset="0:0"><softkey x="10" y="20">New call</softkey></screen>'


def _device_stats(phone: "PolyTrio", request: Request) -> Any:
    sizes = {"uordblks": "1024000", "hblkhd": "0", "arena": "2048000", "fordblks": "1024000"}
    processes = {name: dict(sizes) for name in ("dbs", "ec", "pgui", "brow", "osd", "em")}
    return {"CPU": {"Current": "7", "Average": "9"}, **processes, "RAMDiskSize": "33554432"}


def _running_config(phone: "PolyTrio", request: Request) -> Any:
    kind, server = _server(phone)
    return {
        "Network": {"IPAddress": "10.4.219.31", "SubnetMask": "255.255.0.0", "IPGateway": "10.4.0.1",
                    "IPStack": "IPv4 Only", "VLAN": "", "CDP": "Enabled", "LLDP": "Enabled"},
        "DHCP": {"Feature": "Enabled", "BootServerOptionType": "String", "BootServerOption": "160"},
        "DNS": {"PrimaryServer": "10.4.0.2", "SecondaryServer": "", "Domain": "example"},
        "Provisioning": {"Server": server, "ServerType": kind,
                         "User": phone.config.effective("device.prov.user")["value"], "FileTxTries": "3",
                         "RetryWait": "1", "MaxServers": "8", "NetworkEnv": "LAN", "TagSerialNo": "Disabled"},
        "Syslog": {"Server": "", "Transport": "None", "RenderLevel": "4", "Facility": "16"},
        "SNTP": {"Server": phone.config.effective("tcpIpApp.sntp.address")["value"], "GMTOffsetHours": "0"},
        "TR069": {"Feature": "Disabled", "ACSURL": "", "ACSUsername": "", "CPEUsername": ""},
    }  # fmt: skip


def _transfer_type(phone: "PolyTrio", request: Request) -> Any:
    return {"Type": phone.transfer_type}


def _web_sign_in(phone: "PolyTrio", request: Request) -> Any:
    return {"Url": "http://aka.ms/sphone", "Code": "bpd9m42ul"}


def _web_sign_in_cancel(phone: "PolyTrio", request: Request) -> Any:
    return {"result": "Canceled"}


def _communication_info(phone: "PolyTrio", request: Request) -> Any:
    return {"CommunicationType": ["Audio"] if phone.calls else []}


def _location(phone: "PolyTrio", request: Request) -> Any:
    return dict.fromkeys(CIVIC, "") | {"Country": "DE", "City": "Berlin"}


def _session_stats(phone: "PolyTrio", request: Request) -> Any:
    stream = {"Ref": "1", "Category": "0:Voice", "PacketsReceived": "512", "PacketsSent": "498"}
    stream |= {"PacketsLost": "0", "Jitter": "2", "MaxJitter": "9", "Latency": "11"}
    stream |= {"RxCodec": "G722", "TxCodec": "G722", "RxMOSCQ": "4.2", "TxMOSCQ": "4.2"}
    return [
        {"Ref": call.handle, "SRTPCall": "False", "H235Call": "True", "H235DHKey": "0a1b2c3d", "Streams": [stream]}
        for call in phone.calls
    ]


def _line_info(phone: "PolyTrio", request: Request) -> Any:
    return phone.lines


def _line_info_v2(phone: "PolyTrio", request: Request) -> Any:
    wanted = request.query.get("line")
    shown = []
    for each in phone.lines:
        if wanted not in (None, each["LineNumber"]):
            continue
        server = {"ID": "1", "Address": each["ProxyAddress"], "RegistrationStatus": each["RegistrationStatus"],
                  "Port": each["Port"], "Expires": "3600", "Transport": "UdpOnly", "Working": "True"}  # fmt: skip
        shown.append(
            {
                "ID": each["LineNumber"],
                "Label": each["Label"],
                "Username": each["UserID"],
                "Assigned": "True",
                "RegistrationStatus": each["RegistrationStatus"],
                "Type": each["LineType"],
                "Active": "False",
                "DoNotDisturb": "False",
                "CallAppearances": [],
                "CallServers": [server],
                "ForwardingConfig": {"Always": "", "DoNotDisturb": "", "Busy": "", "NoAnswer": ""},
            }
        )
    if wanted is not None and not shown:
        raise Status("4005")
    return shown


MGMT = "/api/v1/mgmt"
READS: dict[str, Callable[["PolyTrio", Request], Any]] = {
    f"{MGMT}/network/info": _network_info,
    f"{MGMT}/device/info": _device_info,
    "/api/v2/mgmt/device/info": _device_info_v2,
    f"{MGMT}/network/stats": _network_stats,
    f"{MGMT}/callLogs": _call_logs("missed", "received", "placed"),
    f"{MGMT}/callLogs/missed": _call_logs("missed"),
    f"{MGMT}/callLogs/received": _call_logs("received"),
    f"{MGMT}/callLogs/placed": _call_logs("placed"),
    f"{MGMT}/getPresence": _presence,
    "/api/v1/webCallControl/sipStatus": _sip_status,
    f"{MGMT}/pollForStatus": _poll,
    f"{MGMT}/transferType/get": _transfer_type,
    f"{MGMT}/uixml": _screen,
    f"{MGMT}/device/stats": _device_stats,
    f"{MGMT}/device/runningConfig": _running_config,
    f"{MGMT}/webSignIn": _web_sign_in,
    f"{MGMT}/webSignInCancel": _web_sign_in_cancel,
    f"{MGMT}/media/communicationInfo": _communication_info,
    f"{MGMT}/location/info": _location,
    f"{MGMT}/media/sessionStats": _session_stats,
    f"{MGMT}/lineInfo": _line_info,
    "/api/v2/mgmt/lineInfo": _line_info_v2,
}
