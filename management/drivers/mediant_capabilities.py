"""What Mediants can do, with which arguments. Source: LTRT-41762 and LTRT-41761.

Weak values that the device would take, and takes by default, are not offered: keys under 2048 bits, SHA-1.
"""

from collections.abc import Mapping

from management.drivers.base import PASSTHROUGH, Argument, Capability, Support

CONTEXT = Argument(most=20)
PEM = Argument(required=True, certificates=True, most=100_000)
KIND = Argument(required=True, choices=("ini", "cli"))
FILE = Argument(required=True, base64=True)
WHICH = Argument(choices=("active", "history"))
NAME = Argument(most=200)
SUBJECT = {
    "subjectName": Argument(required=True, most=64),
    "context": CONTEXT,
    **dict.fromkeys(("organizationalUnit", "companyName", "localityName", "state"), Argument(most=64)),
    "countryCode": Argument(most=2),
}
SLOTS_7_0 = ("amd", "castable", "codertable", "cpt", "dialplan", "prt", "voiceprompts")
SLOTS_7_2 = (*SLOTS_7_0, "configurationPackage", "sbcWizard")


def _native(note: str = "", /, **arguments: Argument) -> Capability:
    return Capability(Support.NATIVE, arguments, note)


def _partial(note: str, /, **arguments: Argument) -> Capability:
    return Capability(Support.PARTIAL, arguments, note)


def _none(note: str) -> Capability:
    return Capability(Support.NONE, note=note)


_SMALL = "The file is sent within one call, so it may have 300 KB at most."
_RESETS = "The device resets."
_NO_TLS = "Firmware 7.0 has no files of TLS contexts; it came with 7.2."

OF_7_2: Mapping[str, Capability] = {
    "probe": _native(),
    "identity": _native(),
    "status": _native("With `tree`, also the addresses that the device lists.", tree=Argument(bool)),
    "provisioning": _none("The device does not tell where it was provisioned from."),
    "lines": _none("The device does not tell of registrations."),
    "resync": _none("The device has no such action; a restart is the nearest."),
    "config_get": _none("The device has no single parameters; back up the configuration."),
    "config_set": _none("The device has no single parameters; apply a part of a configuration."),
    "config_reset": _none("The device has no such action."),
    "factory_reset": _none("The device has no such action."),
    "restart": _native(
        mode=Argument(choices=("immediate", "graceful", "wait")),
        wait=Argument(int, least=2, most=86_400),
        save=Argument(bool),
    ),
    "config_save": _native(),
    "config_backup": _native(kind=Argument(choices=("ini", "cli"))),
    "config_apply": _native(
        "A file that is not incremental replaces the configuration, and the device resets.",
        kind=KIND,
        content=Argument(required=True, secret=True),
        incremental=Argument(bool, required=True),
    ),
    "passthrough": PASSTHROUGH,
    "run_cli": _native(
        "Configuration and show commands; none that asks back or takes long.",
        script=Argument(required=True, secret=True, most=100_000),
    ),
    "firmware_install": _partial(f"{_RESETS} {_SMALL}", content=FILE, hitless=Argument(bool)),
    "file_put": _partial(_SMALL, slot=Argument(required=True, choices=SLOTS_7_2), content=FILE),
    "alarms": _native(
        which=WHICH, limit=Argument(int, least=1, most=1000), after=Argument(most=20), before=Argument(most=20)
    ),
    "alarm": _native(id=Argument(required=True, most=20), which=WHICH),
    "metrics": _native(name=NAME, index=Argument(int, most=100_000), interval=Argument(int, choices=(0, 1, 2))),
    "license_get": _native("The key itself is not shown."),
    "license_put": _native(
        f"{_RESETS} A pair takes its keys from a file alone.",
        key=Argument(required=True, secret=True, most=100_000),
        serial=Argument(most=40),
        file=Argument(bool),
    ),
    "ui_token": _native(
        "By its own address: the token lives for ten seconds.",
        username=Argument(required=True, most=64),
        level=Argument(choices=("admin", "operator", "monitor")),
        sessionTimeout=Argument(int, least=10, most=86_400),
    ),
    "certify": _native(
        "Guided: key, request, certificate, installation, trust, saving, and proof that the redirect accepts it.",
        bits=Argument(int, choices=(2048, 4096)),
        signatureAlgorithm=Argument(choices=("sha256", "sha512")),
        trust=Argument(certificates=True, most=100_000),
        **{name: argument for name, argument in SUBJECT.items() if name != "subjectName"},
    ),
    "tls_contexts": _native(),
    "tls_key_generate": _native(context=CONTEXT, bits=Argument(int, choices=(2048, 4096))),
    "tls_key_put": _native(
        pem=Argument(required=True, secret=True, most=20_000),
        context=CONTEXT,
        password=Argument(secret=True, most=200),
    ),
    "tls_csr": _native(**SUBJECT, signatureAlgorithm=Argument(choices=("sha256", "sha512"))),
    "tls_cert_get": _native(context=CONTEXT),
    "tls_cert_put": _native(pem=PEM, context=CONTEXT),
    "tls_cert_self_sign": _native(**SUBJECT),
    "tls_trust_get": _native(context=CONTEXT),
    "tls_trust_replace": _native(pem=PEM, context=CONTEXT),
    "tls_trust_add": _native(pem=PEM, context=CONTEXT),
}

OF_7_0: Mapping[str, Capability] = {
    **{
        verb: _none(_NO_TLS) if verb.startswith(("tls_", "certify")) else capability
        for verb, capability in OF_7_2.items()
    },
    "identity": _partial("The MAC is read by a show command."),
    "file_put": _partial(_SMALL, slot=Argument(required=True, choices=SLOTS_7_0), content=FILE),
    "ui_token": _none("Firmware 7.0 has no tokens; they came with 7.2."),
}
