"""What a sipXcom can do, with which arguments. Source: sipXcom's REST API Reference."""

from collections.abc import Mapping

from management.drivers.base import PASSTHROUGH, Argument, Capability, Support

MAC = Argument(required=True, most=17)
NAME = Argument(most=200)
SERVICES = ("dns", "mwi", "moh", "proxy", "registrar", "saa", "imbot", "restserver", "ivr")
WHERE = {
    "scope": Argument(
        required=True, choices=("phone", "line", "group_model", "gateway", "gateway_port", *SERVICES)
    ),
    "path": Argument(most=300),
    "mac": Argument(most=17),
    **dict.fromkeys(("line", "group", "model", "gateway", "port"), Argument(most=100)),
}
BY = ("user", "serialNo", "ip", "callId", "server")


def _native(note: str = "", /, **arguments: Argument) -> Capability:
    return Capability(Support.NATIVE, arguments, note)


def _none(note: str) -> Capability:
    return Capability(Support.NONE, note=note)


CAPABILITIES: Mapping[str, Capability] = {
    "probe": _native(),
    "identity": Capability(Support.PARTIAL, {}, "The server tells neither version nor name."),
    "status": _native(),
    "health": _native("With the id of a server, what the DNS advisor misses.", server=NAME),
    "provisioning": _none("It is a server: what it sends phones is their `profile`."),
    "find_phone": _native(mac=MAC),
    "import_phones": _native(
        "Without `macs`, all devices of the location. Those that the server knows are left alone.",
        model=Argument(required=True, most=100),
        macs=Argument(list, most=5000),
        description=NAME,
    ),
    "update_phone": _native(mac=MAC, model=Argument(most=100), description=NAME),
    "delete_phone": _native(mac=MAC),
    "phone_models": _native(),
    "groups": _native(
        "In the order in which their settings count; of one phone, with `mac`.", mac=Argument(most=17)
    ),
    "join_group": _native(mac=MAC, group=Argument(required=True, most=200)),
    "leave_group": _native("Without `group`, all groups.", mac=MAC, group=NAME),
    "lines": _native("Passwords are not shown.", mac=MAC),
    "settings_get": _native(**WHERE),
    "settings_put": _native(value=Argument(required=True, secret=True, most=20_000), **WHERE),
    "settings_reset": _native("To the default.", **WHERE),
    "profile": _native("Kept as a file: it holds passwords.", mac=MAC, file=Argument(required=True, most=120)),
    "restart_phone": _native("The phone gets its profile, and restarts.", mac=MAC),
    "registrations": _native(by=Argument(choices=("all", *BY)), value=NAME),
    "drop_registrations": _native(by=Argument(required=True, choices=BY), value=Argument(required=True, most=200)),
    "passthrough": PASSTHROUGH,
    "consistency": _native("The lists that the comparison of the location is made of."),
}
