"""What Poly Trio phones can do, with which arguments. Source: REST API Reference Manual 5.9.1."""

from collections.abc import Mapping

from management.drivers.base import PASSTHROUGH, VERBS, Argument, Capability, Support


def _native(note: str = "", /, **arguments: Argument) -> Capability:
    return Capability(Support.NATIVE, arguments, note)


def _none(note: str) -> Capability:
    return Capability(Support.NONE, note=note)


_NO_FILES = "The phone fetches its files from the provisioning server."
_NO_TLS = "The phone's REST interface has nothing of certificates."

CAPABILITIES: Mapping[str, Capability] = {
    "probe": _native(),
    "identity": _native(),
    "status": _native("By HTTPS it also tells whether the phone is on a call."),
    "provisioning": _native(),
    "restart": _native(
        "Calls are ended first; the phone has no other way.",
        mode=Argument(choices=("graceful",)),
        command=Argument(choices=("safeRestart", "safeReboot")),
    ),
    "resync": _native("The phone fetches its configuration from the provisioning server."),
    "config_get": _native(
        "Twenty names go in one call; more are asked in batches.", names=Argument(list, required=True, most=1000)
    ),
    "config_set": _native(
        "Twenty parameters and 20 KB go in one call; more only with `batches`, which are not set as one.",
        values=Argument(dict, required=True, secret=True, most=400),
        batches=Argument(bool),
    ),
    "config_backup": _native(
        "The phone pushes the file to an address of the service: MANAGEMENT_RECEIVER. `All` has all but `Device`.",
        kind=Argument(choices=("ConfigFiles", "Local", "Web", "Device", "All")),
    ),
    "config_reset": _native(
        "What was set at the phone, on its web page or as device settings goes; `all` are the three.",
        scope=Argument(choices=("all", "local", "web", "device")),
    ),
    "config_apply": _none(_NO_FILES),
    "config_save": _none("The phone keeps what is set at once."),
    "factory_reset": _native(
        "`mac` repeats that of the device. Afterwards the phone's REST interface is off.",
        mac=Argument(required=True, most=17),
    ),
    "firmware_install": _none("The provisioning server decides on the firmware."),
    "file_put": _none(_NO_FILES),
    "passthrough": PASSTHROUGH,
    "run_cli": _none("The phone has no command line."),
    "alarms": _none("The phone tells of no alarms."),
    "alarm": _none("The phone tells of no alarms."),
    "metrics": _native(name=Argument(choices=("device", "network", "media"))),
    "license_get": _none("The phone has no licences."),
    "license_put": _none("The phone has no licences."),
    "lines": _native(line=Argument(most=3), sip=Argument(bool)),
    "ui_token": _none("The phone has no tokens."),
    "certify": _none(_NO_TLS),
    **dict.fromkeys([verb for verb in VERBS if verb.startswith("tls_")], _none(_NO_TLS)),
}
