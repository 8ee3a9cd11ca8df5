"""Every documented address of the devices, and what reaches each: a verb, or the pass-through.

A line is an address and, for each method, the verb that sends it; `pass`: the pass-through alone; `calls`: the
pass-through, where the deployment lets call control and personal data through. A name in braces is one segment of
the path; {path} and {settingPath} may be several. Reads that tell nothing secret pass through, too.

Sources: LTRT-41761, LTRT-41762, REST API Reference Manual 5.9.1 of Poly, REST API Reference of sipXcom.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from management.drivers.sipxcom_paths import SIPXCOM

PASS, CALLS = "pass", "calls"

MEDIANT = """
/api GET=status
/api/v1 GET=status
/api/v1/actions GET=status
/api/v1/actions/reset POST=restart
/api/v1/actions/saveConfiguration POST=config_save
/api/v1/files GET=status
/api/v1/files/ini GET=config_backup PUT=config_apply
/api/v1/files/ini/incremental PUT=config_apply
/api/v1/files/cliScript GET=config_backup PUT=config_apply
/api/v1/files/cliScript/incremental PUT=run_cli
/api/v1/files/software PUT=firmware_install
/api/v1/files/software/hitless PUT=firmware_install
/api/v1/files/amd PUT=file_put
/api/v1/files/castable PUT=file_put
/api/v1/files/codertable PUT=file_put
/api/v1/files/cpt PUT=file_put
/api/v1/files/dialplan PUT=file_put
/api/v1/files/prt PUT=file_put
/api/v1/files/voiceprompts PUT=file_put
/api/v1/alarms GET=status
/api/v1/alarms/active GET=alarms
/api/v1/alarms/active/{id} GET=alarm
/api/v1/alarms/history GET=alarms
/api/v1/alarms/history/{id} GET=alarm
/api/v1/status GET=identity
/api/v1/performanceMonitoring GET=metrics
/api/v1/performanceMonitoring/{pm} GET=metrics
/api/v1/license GET=license_get PUT=license_put
"""

MEDIANT_7_2 = """
/api/v1/actions/authToken POST=ui_token
/api/v1/files/configurationPackage PUT=file_put
/api/v1/files/sbcWizard PUT=file_put
/api/v1/files/tls GET=tls_contexts
/api/v1/files/tls/{id} GET=tls_contexts
/api/v1/files/tls/{id}/privateKey GET=tls_cert_get PUT=tls_key_put
/api/v1/files/tls/{id}/privateKey/generate POST=tls_key_generate
/api/v1/files/tls/{id}/certificate GET=tls_cert_get PUT=tls_cert_put
/api/v1/files/tls/{id}/certificate/generate POST=tls_cert_self_sign
/api/v1/files/tls/{id}/certificate/request POST=tls_csr
/api/v1/files/tls/{id}/trustedRoot GET=tls_trust_get PUT=tls_trust_replace
/api/v1/files/tls/{id}/trustedRoot/incremental PUT=tls_trust_add
/api/v1/alarms/active/lastChange GET=alarms
"""

POLY_TRIO = """
/api/v1/mgmt/safeRestart POST=restart
/api/v1/mgmt/safeReboot POST=restart
/api/v1/mgmt/configReset POST=config_reset
/api/v1/mgmt/configReset/local POST=config_reset
/api/v1/mgmt/configReset/web POST=config_reset
/api/v1/mgmt/configReset/device POST=config_reset
/api/v1/mgmt/factoryReset POST=factory_reset
/api/v1/mgmt/network/info GET=provisioning
/api/v1/mgmt/device/info GET=identity
/api/v1/mgmt/network/stats GET=metrics
/api/v1/mgmt/config/set POST=config_set
/api/v1/mgmt/config/get POST=config_get
/api/v1/callctrl/dial POST=calls
/api/v1/callctrl/endCall POST=calls
/api/v1/callctrl/mute POST=calls
/api/v1/callctrl/transferCall POST=calls
/api/v1/callctrl/sendDTMF POST=calls
/api/v1/mgmt/callLogs GET=calls
/api/v1/mgmt/callLogs/missed GET=calls
/api/v1/mgmt/callLogs/received GET=calls
/api/v1/mgmt/callLogs/placed GET=calls
/api/v1/mgmt/getPresence GET=calls
/api/v1/mgmt/network/uploadBgCapture POST=pass
/api/v1/webCallControl/sipStatus GET=lines
/api/v1/callctrl/holdCall POST=calls
/api/v1/callctrl/resumeCall POST=calls
/api/v1/callctrl/answerCall POST=calls
/api/v1/callctrl/ignoreCall POST=calls
/api/v1/callctrl/rejectCall POST=calls
/api/v1/mgmt/pollForStatus GET=status
/api/v1/mgmt/transferType/get GET=pass
/api/v1/mgmt/transferType/set POST=pass
/api/v1/mgmt/uixml GET=calls
/api/v1/mgmt/device/stats GET=metrics
/api/v1/mgmt/device/runningConfig GET=provisioning
/api/v1/mgmt/simulateTouch POST=calls
/api/v1/mgmt/skype/signIn POST=calls
/api/v1/mgmt/skype/signOut POST=calls
/api/v1/mgmt/webSignIn GET=calls
/api/v1/mgmt/webSignInCancel GET=calls
/api/v1/mgmt/media/communicationInfo GET=pass
/api/v1/mgmt/location/info GET=pass
/api/v1/mgmt/config/export POST=config_backup
/api/v1/mgmt/media/sessionStats GET=metrics
/api/v1/webCallControl/callStatus GET=calls
/api/v1/mgmt/lineInfo GET=lines
/api/v2/mgmt/lineInfo GET=lines
/api/v1/mgmt/updateConfiguration POST=resync
/api/v1/mgmt/simulateTextInput POST=calls
/api/v1/mgmt/simulateKeyEvent POST=calls
/api/v2/webCallControl/callStatus GET=calls
/api/v2/mgmt/device/info GET=identity
"""

# Answers that the pass-through does not tell: whole files, and keys of licences.
KEPT_BACK = ("/files/ini", "/files/cliScript", "/certificate", "/trustedRoot", "/license", "/profile/{name}")


@dataclass(frozen=True)
class Documented:
    """One method of one address. `template` has names in braces."""

    method: str
    template: str
    reach: str

    @property
    def passes(self) -> bool:
        """Whether the pass-through may send it, at least where a deployment lets call control through."""
        if self.reach in (PASS, CALLS):
            return True
        return self.method == "GET" and not self.template.endswith(KEPT_BACK)

    @property
    def is_of_calls(self) -> bool:
        """Call control, or what is a person's own: off unless a deployment switches it on."""
        return self.reach == CALLS

    @property
    def pattern(self) -> re.Pattern[str]:
        """What an address of it looks like."""
        return _pattern(self.template)


@lru_cache(maxsize=1000)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", _hole, re.escape(template)))


def _hole(match: re.Match[str]) -> str:
    return "(?:[^/]+/)*[^/]+" if match[1] in ("path", "settingPath") else "[^/]+"


def _read(text: str, base: str = "") -> Iterator[Documented]:
    for line in text.split("\n"):
        template, *methods = line.split() or [""]
        for entry in methods:
            method, _, reach = entry.partition("=")
            yield Documented(method, base + template, reach)


ENDPOINTS: dict[str, tuple[Documented, ...]] = {
    "mediant-7.0": tuple(_read(MEDIANT)),
    "mediant-7.2": tuple(_read(MEDIANT + MEDIANT_7_2)),
    "poly-trio": tuple(_read(POLY_TRIO)),
    "sipxcom": tuple(_read(SIPXCOM, "/sipxconfig")),
}


def seconds(path: str) -> float:
    """How long a write to an address may take, where it is longer than others."""
    return 160.0 if path.endswith("/skype/signIn") else 0.0


def find(driver: str, method: str, path: str) -> Documented | None:
    """The documented address that a path is; a fixed word wins over a name. None for any other path."""
    if not re.fullmatch(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*", path) or _is_tricky(path):
        return None
    found = [each for each in ENDPOINTS[driver] if each.method == method and each.pattern.fullmatch(path)]
    return min(found, key=lambda each: each.template.count("{"), default=None)


def _is_tricky(path: str) -> bool:
    """Whether a server could take it for another path than it looks like."""
    words = [unquote(word) for word in path.split("/")[1:]]
    return any(word in ("", ".", "..") or "/" in word or "\\" in word or not word.isprintable() for word in words)


def shown_path(found: Documented, path: str) -> str:
    """The path to be shown: without a PIN or password that stands in it."""
    names, words = found.template.split("/"), path.split("/")
    if "{path}" in names or "{settingPath}" in names:
        return path
    hidden = ["***" if name in ("{pin}", "{password}") else word for name, word in zip(names, words, strict=True)]
    return "/".join(hidden)
