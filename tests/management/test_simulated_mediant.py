"""The simulated Mediants answer as the manuals LTRT-41762 (7.2) and LTRT-41761 (7.0) say: sections in brackets."""

import http.client
import json
import socket
import ssl
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.certificates import make_ca, named, pem
from tests.simulators.control import Control
from tests.simulators.device import Fault
from tests.simulators.mediant import Mediant
from tests.simulators.server import Authority, Served

V1 = "/api/v1"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
TLS = f"{V1}/files/tls/0"


@dataclass
class Got:
    """An answer."""

    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def ask(
    served: Served,
    method: str,
    path: str,
    body: Any = None,
    *,
    kind: str | None = None,
    accept: str | None = None,
    login: str | None = "Admin:Admin",
    context: ssl.SSLContext | None = None,
) -> Got:
    place = urlsplit(served.url).netloc
    connection = (
        http.client.HTTPSConnection(place, timeout=60, context=context)
        if context
        else http.client.HTTPConnection(place, timeout=60)
    )
    headers = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login else {}
    if accept:
        headers["Accept"] = accept
    if isinstance(body, dict):
        body, kind = json.dumps(body).encode(), kind or "application/json"
    if kind:
        headers["Content-Type"] = kind
    with closing(connection):
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return Got(answer.status, answer.read(), answer.headers)


def form(content: bytes, name: str = "file", **more: str) -> bytes:
    """A file as the example in 6.1.1 encodes it."""
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in more.items()
    )
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="f.txt"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return parts.encode() + head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(served: Served, path: str, content: bytes, **more: str) -> Got:
    """A file in the encoding of the device's firmware."""
    assert isinstance(served.device, Mediant)
    if served.device.is_7_2:
        return ask(served, "PUT", V1 + path, form(content, **more), kind=MULTIPART)
    return ask(served, "PUT", V1 + path, content, kind="application/octet-stream")


def device_of(served: Served) -> Mediant:
    assert isinstance(served.device, Mediant)
    return served.device


@pytest.fixture(params=["7.2", "7.0"])
def either(request: pytest.FixtureRequest) -> Served:
    served: Served = request.getfixturevalue("mediant" if request.param == "7.2" else "old_mediant")
    return served


# --- Every request [2, 12] -------------------------------------------------------------------------------------


def test_each_request_needs_basic_authentication(either: Served):
    for login in (None, "Admin:wrong", "nobody:Admin"):
        for path in ("/api", f"{V1}/status"):
            got = ask(either, "GET", path, login=login)
            assert got.status == 401
            assert got.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_user_below_security_administrator_is_forbidden(either: Served):
    either.device.users["Monitor"] = ("secret", "Monitor")
    assert ask(either, "GET", f"{V1}/status", login="Monitor:secret").status == 403
    assert ask(either, "GET", f"{V1}/nothing", login="Monitor:secret").status == 404


def test_unknown_addresses_and_methods(either: Served):
    assert ask(either, "GET", f"{V1}/nothing").status == 404
    got = ask(either, "DELETE", f"{V1}/status")
    assert (got.status, got.headers["Allow"]) == (405, "GET")


def test_406_where_json_is_not_accepted(either: Served):
    assert ask(either, "GET", f"{V1}/status", accept="text/html").status == 406
    assert ask(either, "GET", f"{V1}/status", accept="text/html, application/*;q=0.5").status == 200
    assert ask(either, "GET", f"{V1}/files/ini", accept="application/octet-stream").status == 200


# --- Navigation [3 to 6, 8] ------------------------------------------------------------------------------------


def test_navigation_leads_to_what_exists(either: Served):
    root = ask(either, "GET", "/api").json
    assert root == {"versions": [{"id": "v1", "status": "stable", "url": V1}]}
    top = ask(either, "GET", V1).json["items"]
    assert [i["id"] for i in top] == ["actions", "alarms", "files", "license", "performanceMonitoring", "status"]
    for item in top:
        assert item["url"] == f"{V1}/{item['id']}"  # the manual's example sends alarms to actions
        assert ask(either, "GET", item["url"]).status == 200


def test_what_each_firmware_has(mediant: Served, old_mediant: Served):
    for served, is_new in ((mediant, True), (old_mediant, False)):
        actions = [entry["id"] for entry in ask(served, "GET", f"{V1}/actions").json["actions"]]
        assert ("authToken" in actions) == is_new
        files = [entry["id"] for entry in ask(served, "GET", f"{V1}/files").json["files"]]
        assert ({"tls", "sbcWizard", "configurationPackage"} <= set(files)) == is_new
        for method, path in (
            ("GET", "/files/tls"),
            ("GET", "/alarms/active/lastChange"),
            ("POST", "/actions/authToken"),
            ("PUT", "/files/sbcWizard"),
        ):
            assert (ask(served, method, V1 + path).status == 404) != is_new or path.endswith("lastChange")


# --- Status [9] ------------------------------------------------------------------------------------------------


def test_status(mediant: Served, old_mediant: Served):
    old, new = (ask(served, "GET", f"{V1}/status").json for served in (old_mediant, mediant))
    assert len(old) == 9
    assert len(new) == 12
    assert new["macAddress"] == "00908fa16301"
    assert new["serialNumber"] == "101780235059663"
    assert isinstance(new["systemUpTime"], int)
    assert (old["highAvailability"], new["highAvailability"]) == ("Stand Alone", "Not Operational")
    assert old["versionID"].startswith("7.00A")


# --- Actions [5] -----------------------------------------------------------------------------------------------


def test_reset_refuses_connections_and_comes_back_with_what_was_saved(either: Served):
    device = device_of(either)
    device.reset_seconds = 60
    upload(either, "/files/ini/incremental", b"[SYSTEM Params]\r\nNTPServerIP = 10.9.9.9\r\n")
    got = ask(either, "POST", f"{V1}/actions/reset", {"saveConfiguration": False, "gracefulTimeout": 0})
    assert got.json == {"description": "Device will reset now"}
    wait_until_closed(either)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", either.listener.port), timeout=60)
    device._comes_back()
    assert b"NTPServerIP" not in ask(either, "GET", f"{V1}/files/ini").body
    assert ask(either, "GET", f"{V1}/alarms/history").status == 204
    if device.is_7_2:
        assert ask(either, "GET", f"{V1}/status").json["systemUpTime"] < 60


def wait_until_closed(served: Served) -> None:
    while served.listener.is_open:  # the test's own deadline ends it
        time.sleep(0.001)


def test_reset_saves_by_default(either: Served):
    device_of(either).reset_seconds = 0
    upload(either, "/files/ini/incremental", b"NTPServerIP = 10.9.9.9")
    assert device_of(either).state()["unsaved"]
    assert ask(either, "POST", f"{V1}/actions/reset").status == 200
    assert not device_of(either).state()["unsaved"]


@pytest.mark.parametrize(
    "body", [{"gracefulTimeout": -1}, {"gracefulTimeout": "0"}, {"saveConfiguration": 1}, {"x": 1}]
)
def test_bad_attributes_of_a_reset(either: Served, body: dict[str, Any]):
    assert ask(either, "POST", f"{V1}/actions/reset", body).status == 400
    assert device_of(either).resets == 0


def test_a_graceful_reset_waits_for_calls(either: Served):
    device_of(either).calls = 3
    assert ask(either, "POST", f"{V1}/actions/reset", {"gracefulTimeout": 1}).status == 200
    assert device_of(either).resets == 0


def test_save_answers_without_a_body(either: Served):
    got = ask(either, "POST", f"{V1}/actions/saveConfiguration")
    assert (got.status, got.body) == (200, b"")


def test_a_device_that_synchronizes_answers_409(either: Served):
    device_of(either).ha = "synchronizing"
    for got in (
        ask(either, "POST", f"{V1}/actions/reset", {}),
        ask(either, "POST", f"{V1}/actions/saveConfiguration"),
        upload(either, "/files/ini", b"A = 1"),
        upload(either, "/files/cpt", b"tones"),
    ):
        assert got.status == 409
        assert got.json == {"description": "Device is currently performing HA synchronization"}
    assert ask(either, "GET", f"{V1}/status").status == 200


def test_a_token_opens_the_web_page_once_within_ten_seconds(mediant: Served):
    wanted = {"username": "john", "privLevel": "admin", "sessionTimeout": 180, "crossHost": "10.3.2.40"}

    def token() -> str:
        got = ask(mediant, "POST", f"{V1}/actions/authToken", wanted).json
        assert got["description"] == "Authentication token successfully generated"
        return f"/index.html?mode=web&authToken={got['authToken']}"

    page = token()
    assert b"john" in ask(mediant, "GET", page, login=None).body
    assert ask(mediant, "GET", page, login=None).status == 401
    late = token()
    mediant.device.clock.offset += 11
    assert ask(mediant, "GET", late, login=None).status == 401
    assert ask(mediant, "POST", f"{V1}/actions/authToken", wanted | {"privLevel": "root"}).status == 400


# --- Files [6] -------------------------------------------------------------------------------------------------


def test_upload_encodings(mediant: Served, old_mediant: Served):
    path = f"{V1}/files/ini/incremental"
    assert ask(mediant, "PUT", path, b"A = 1", kind="application/octet-stream").status == 400
    assert ask(mediant, "PUT", path, form(b"A = 1", name="other"), kind=MULTIPART).status == 400
    assert ask(mediant, "PUT", path, form(b"A = 1"), kind=MULTIPART).status == 200
    assert ask(old_mediant, "PUT", path, form(b"A = 1"), kind=MULTIPART).status == 400
    assert ask(old_mediant, "PUT", path, b"A = 1", kind="application/octet-stream").status == 200


def test_an_ini_file_is_written_anew_by_the_device(either: Served):
    sent = b"; my comment\r\n[SYSTEM Params]\r\nZebra = 1\r\nAlpha=2\r\n"
    device_of(either).reset_seconds = 60
    got = upload(either, "/files/ini", sent)
    assert got.json == {"description": "Device will reset now to activate new configuration"}
    wait_until_closed(either)
    device_of(either)._comes_back()
    read = ask(either, "GET", f"{V1}/files/ini")
    assert read.headers["Content-Type"] == "application/octet-stream"
    text = read.body.decode()
    assert text.startswith(";*")
    assert ";Serial Number: 101780235059663" in text
    assert "my comment" not in text
    assert text.index("Alpha = 2") < text.index("Zebra = 1")
    assert "SyslogServerIP" not in text  # a full file replaces all


def test_an_incremental_ini_file_adds_and_does_not_reset(either: Served):
    got = upload(either, "/files/ini/incremental", b"NTPServerIP = 10.9.9.9")
    assert (got.status, got.body, device_of(either).resets) == (200, b"", 0)
    text = ask(either, "GET", f"{V1}/files/ini").body
    assert b"NTPServerIP = 10.9.9.9" in text
    assert b"SyslogServerIP" in text


@pytest.mark.parametrize("path", ["/files/ini", "/files/ini/incremental", "/files/cliScript", "/files/software"])
def test_a_file_that_is_none(either: Served, path: str):
    assert upload(either, path, b"\x00\xff garbage").status == 400
    assert device_of(either).resets == 0


def test_a_script_answers_its_output(either: Served):
    got = upload(either, "/files/cliScript/incremental", b"show system version").json
    assert got["description"].startswith("Incremental CLI ")
    assert "Serial Number: 101780235059663" in got["output"]
    assert "00:90:8f:a1:63:01" in got["output"]
    assert "\n" not in got["output"]


def test_a_script_sets_and_is_written_anew(either: Served):
    script = b"configure system\n  ntp\n    primary-server 10.9.9.9\n  exit\n"
    assert upload(either, "/files/cliScript/incremental", script).status == 200
    assert b"    primary-server 10.9.9.9" in ask(either, "GET", f"{V1}/files/cliScript").body
    assert device_of(either).resets == 0


def test_commands_that_take_long_are_refused(either: Served):
    assert upload(either, "/files/cliScript/incremental", b"copy firmware from http://x/y.cmp").status == 400


def test_a_full_script_holds_no_show_command(either: Served):
    assert upload(either, "/files/cliScript", b"show system version").status == 400
    assert upload(either, "/files/cliScript", b"configure system\n  hostname x").status == 200


def test_software(either: Served):
    got = upload(either, "/files/software", b"MEDIANT-CMP 7.20A.250.003 ...")
    assert got.json == {"description": "Device will reset now to activate new software load"}
    assert device_of(either).version == "7.20A.250.003"


def test_hitless_software_is_for_pairs(either: Served):
    assert upload(either, "/files/software/hitless", b"MEDIANT-CMP 7.20A.250.003").status == 400
    device_of(either).ha = "operational"
    got = upload(either, "/files/software/hitless", b"MEDIANT-CMP 7.20A.250.003")
    assert got.json == {"description": "Device will perform switchover to activate new software load"}
    assert device_of(either).resets == 0


def test_other_files_are_uploaded_only(either: Served):
    assert upload(either, "/files/dialplan", b"plan").status == 200
    assert device_of(either).files == {"dialplan": b"plan"}
    assert ask(either, "GET", f"{V1}/files/dialplan").status == 405


# --- TLS [7] ---------------------------------------------------------------------------------------------------


def generate(served: Served, **body: Any) -> Got:
    return ask(served, "POST", f"{TLS}/privateKey/generate", body)


def test_contexts(mediant: Served):
    assert ask(mediant, "GET", f"{V1}/files/tls").json == {"tls": [{"id": "0", "name": "default", "url": TLS}]}
    items = ask(mediant, "GET", TLS).json["items"]
    assert [item["url"] for item in items] == [f"{TLS}/{n}" for n in ("privateKey", "certificate", "trustedRoot")]
    assert ask(mediant, "GET", f"{V1}/files/tls/7").status == 404


@pytest.mark.parametrize("size", [512, 768, 2048])
def test_a_key_is_made_on_the_device(mediant: Served, size: int):
    assert generate(mediant, size=size).json == {"description": "Private key was successfully generated"}
    # It is not the certificate's any more.
    assert ask(mediant, "GET", f"{TLS}/privateKey").json == {"size": size, "valid": False}
    assert ask(mediant, "POST", f"{TLS}/certificate/generate", {"subjectName": "x"}).status == 200
    assert ask(mediant, "GET", f"{TLS}/privateKey").json["valid"] is True


def test_sizes_of_keys(mediant: Served):
    assert generate(mediant).status == 200
    assert ask(mediant, "GET", f"{TLS}/privateKey").json["size"] == 1024
    assert generate(mediant, Size=1024).status == 200
    assert generate(mediant, size=1500).status == 400
    assert generate(mediant, size="2048").status == 400


def test_a_request_is_signed_by_the_devices_key(mediant: Served):
    body = {"subjectName": "00908FA16301", "companyName": "ACL", "signatureAlgorithm": "sha256"}
    got = ask(mediant, "POST", f"{TLS}/certificate/request", body)
    assert got.headers["Content-Type"] == "application/octet-stream"
    request = x509.load_pem_x509_csr(got.body)
    assert request.is_signature_valid
    assert isinstance(request.signature_hash_algorithm, SHA256)
    assert request.subject.rfc4514_string() == "O=ACL,CN=00908FA16301"
    key = request.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 1024


def test_a_request_is_signed_with_sha1_by_default(mediant: Served):
    request = x509.load_pem_x509_csr(
        ask(mediant, "POST", f"{TLS}/certificate/request", {"subjectName": "a/b"}).body
    )
    assert isinstance(request.signature_hash_algorithm, SHA1)
    assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "a/b"
    bad = {"signatureAlgorithm": "md5"}
    assert ask(mediant, "POST", f"{TLS}/certificate/request", bad).status == 400


def test_a_certificate_is_valid_if_it_is_of_the_key(mediant: Served):
    ca = make_ca("CA")
    request = x509.load_pem_x509_csr(ask(mediant, "POST", f"{TLS}/certificate/request", {"subjectName": "x"}).body)
    own, _ = ca.issue(request.subject, key=request)
    other, _ = ca.issue(named(CN="x"))
    for certificate, valid in ((own, True), (other, False)):
        got = upload(mediant, "/files/tls/0/certificate", pem(certificate).encode())
        assert got.json == {"description": "Certificate was successfully changed"}
        assert ask(mediant, "GET", f"{TLS}/privateKey").json["valid"] is valid
        assert ask(mediant, "GET", f"{TLS}/certificate").body.decode() == pem(certificate)
    assert upload(mediant, "/files/tls/0/certificate", b"no PEM").status == 400


def test_a_private_key_is_uploaded_and_never_shown(mediant: Served):
    key = rsa.generate_private_key(65537, 2048)
    protected = BestAvailableEncryption(b"open sesame")
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, protected)
    path = "/files/tls/0/privateKey"
    assert upload(mediant, path, sealed).status == 400
    assert upload(mediant, f"{path}?Password=open%20sesame", sealed).status == 200
    assert upload(mediant, path, sealed, Password="open sesame").status == 200
    assert ask(mediant, "GET", V1 + path).json == {"size": 2048, "valid": False}


def test_the_trust_store_is_replaced_or_added_to(mediant: Served):
    first, second, third = (pem(make_ca(name).certificate) for name in ("A", "B", "C"))
    path = "/files/tls/0/trustedRoot"
    assert ask(mediant, "GET", V1 + path).body == b""
    got = upload(mediant, path, (first + second).encode())
    assert got.json == {"description": "Trusted root store was successfully changed"}
    got = upload(mediant, f"{path}/incremental", third.encode())
    assert got.json == {"description": "Trusted root certificate was successfully added"}
    assert ask(mediant, "GET", V1 + path).body.decode() == first + second + third
    assert upload(mediant, path, b"none").status == 400


def test_tls_files_are_lost_by_a_reset_without_saving(mediant: Served):
    before = ask(mediant, "GET", f"{TLS}/certificate").body
    ask(mediant, "POST", f"{TLS}/certificate/generate", {"subjectName": "new"})
    assert ask(mediant, "GET", f"{TLS}/certificate").body != before
    device_of(mediant).reset_seconds = 60
    ask(mediant, "POST", f"{V1}/actions/reset", {"saveConfiguration": False})
    wait_until_closed(mediant)
    device_of(mediant)._comes_back()
    assert ask(mediant, "GET", f"{TLS}/certificate").body == before


# --- Alarms [8] ------------------------------------------------------------------------------------------------


def raise_alarms(served: Served, *texts: str) -> None:
    for text in texts:
        served.device.configure({"raiseAlarm": {"description": text}})


def test_alarms_in_pages(either: Served):
    path = f"{V1}/alarms/active"
    assert ask(either, "GET", path).status == 204
    raise_alarms(either, "one", "two", "three")
    page = ask(either, "GET", f"{path}?limit=2").json
    assert page["cursor"] == {"after": "2", "before": "-1"}
    assert page["alarms"][0] == {"id": "1", "description": "one", "url": f"{path}/1"}
    page = ask(either, "GET", f"{path}?after=2").json
    assert ([a["id"] for a in page["alarms"]], page["cursor"]) == (["3"], {"after": "-1", "before": "3"})
    assert ask(either, "GET", f"{path}?after=3").status == 204
    page = ask(either, "GET", f"{path}?before=3&limit=1").json
    assert ([a["id"] for a in page["alarms"]], page["cursor"]) == (["2"], {"after": "2", "before": "2"})
    assert ask(either, "GET", f"{path}?limit=x").status == 400


def test_twenty_alarms_by_default(either: Served):
    raise_alarms(either, *map(str, range(25)))
    assert len(ask(either, "GET", f"{V1}/alarms/active").json["alarms"]) == 20


def test_one_alarm(mediant: Served, old_mediant: Served):
    for served in (mediant, old_mediant):
        raise_alarms(served, "Trunk is down")
        shown = ask(served, "GET", f"{V1}/alarms/active/1").json
        assert (shown["severity"], shown["source"]) == ("Major", "Board#1")
        assert shown["date"].endswith("Z")
        assert ask(served, "GET", f"{V1}/alarms/active/9").status == 404
        with_oid = ask(served, "GET", f"{V1}/alarms/history/1?oid=1").json
        assert ("oid" in with_oid) == (served is mediant)
        assert with_oid["url"] == f"{V1}/alarms/history/1"


def test_history_tells_what_was_cleared(either: Served):
    raise_alarms(either, "Trunk is down")
    either.device.configure({"clearAlarm": 1})
    assert ask(either, "GET", f"{V1}/alarms/active").status == 204
    listed = ask(either, "GET", f"{V1}/alarms/history").json["alarms"]
    shown = [ask(either, "GET", entry["url"]).json["severity"] for entry in listed]
    assert shown == ["Major", "Cleared"]


def test_last_change(mediant: Served):
    path = f"{V1}/alarms/active/lastChange"
    assert ask(mediant, "GET", path).status == 404
    raise_alarms(mediant, "x")
    text = ask(mediant, "GET", path).json["lastChange"]
    assert len(text) == 25
    assert text[10] == " "
    assert text.endswith("+03:00")


# --- Measurements and licence [10, 11] -------------------------------------------------------------------------


def test_measurements(either: Served):
    path = f"{V1}/performanceMonitoring"
    assert "NetUtilPackets" in ask(either, "GET", path).json["items"]
    assert ask(either, "GET", f"{path}/netUtilPackets").json["indexes"] == [0, 1]
    assert ask(either, "GET", f"{path}/netUtilPackets?index=0").json["value"] == -1
    got = ask(either, "GET", f"{path}/netUtilPackets?index=100")
    assert (got.status, got.json) == (400, {"description": "Invalid index"})
    assert ask(either, "GET", f"{path}/nothing").status == 404


def test_license(either: Served):
    path = f"{V1}/license"
    shown = ask(either, "GET", path).json
    assert set(shown) == {"licenseVersion", "serialNumber", "key", "keyDescription"}
    good = {"licenseVersion": 1, "serialNumber": shown["serialNumber"], "key": "NewKey1234567890"}
    for bad in ({"licenseVersion": 2}, {"serialNumber": "1"}, {"key": ""}):
        assert ask(either, "PUT", path, good | bad).status == 400
    device_of(either).ha = "operational"
    assert ask(either, "PUT", path, good).status == 409
    lines = f"999999999 OtherKey12345\n{shown['serialNumber']} FileKey12345\n".encode()
    assert upload(either, "/license", lines).status == 200
    assert device_of(either).license_key == "FileKey12345"


def test_a_license_in_json_resets_a_single_device(either: Served):
    device_of(either).reset_seconds = 60
    got = ask(either, "PUT", f"{V1}/license", {"licenseVersion": 1, "key": "NewKey1234567890"})
    assert got.json == {"description": "Device will reset now to activate new license"}
    wait_until_closed(either)


# --- The simulator's own ---------------------------------------------------------------------------------------


def control(served: Served, method: str, path: str, body: Any = None) -> Any:
    with (
        Control([served]) as channel,
        closing(http.client.HTTPConnection(urlsplit(channel.url).netloc, timeout=60)) as connection,
    ):
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        read = answer.read()
    assert answer.status == 200, read
    return json.loads(read)


def test_the_control_channel_sets_state_and_clock_and_reads_the_journal(mediant: Served):
    assert control(mediant, "GET", "/")["devices"][0]["url"] == mediant.url
    assert control(mediant, "POST", "/devices/0/state", {"ha": "synchronizing"})["ha"] == "synchronizing"
    before = control(mediant, "GET", "/devices/0/state")["upTime"]
    control(mediant, "POST", "/devices/0/clock", {"advance": 1000})
    assert control(mediant, "GET", "/devices/0/state")["upTime"] >= before + 1000
    ask(mediant, "POST", f"{V1}/actions/reset", {})
    [entry] = control(mediant, "GET", "/devices/0/journal")["journal"]
    assert (entry["method"], entry["target"], entry["user"], entry["status"], entry["body"]) == (
        "POST", f"{V1}/actions/reset", "Admin", 409, "{}",
    )  # fmt: skip
    assert entry["began"] <= entry["ended"]
    control(mediant, "DELETE", "/devices/0/journal")
    assert mediant.device.journal == []


def test_the_control_channel_closes_the_listener(mediant: Served):
    control(mediant, "POST", "/devices/0/listener", {"open": False})
    with pytest.raises(ConnectionRefusedError):
        ask(mediant, "GET", f"{V1}/status")
    control(mediant, "POST", "/devices/0/listener", {"open": True})
    assert ask(mediant, "GET", f"{V1}/status").status == 200


SAVE = f"{V1}/actions/saveConfiguration"
INCREMENT = "/files/ini/incremental"


@pytest.mark.parametrize(
    ("kind", "processed"),
    [
        ("drop-before", False),
        ("drop-after", True),
        ("cut", True),
        ("garbage", True),
        ("noise", True),
        ("error", False),
    ],
)
def test_faults(mediant: Served, kind: str, processed: bool):
    control(mediant, "POST", "/devices/0/faults", {"kind": kind, "path": V1 + INCREMENT, "times": 1})
    failed: Any = None
    try:
        got = upload(mediant, INCREMENT, b"Fault = 1")
        failed = got.status == 500 or b"\xff" in got.body
    except (OSError, http.client.HTTPException):
        failed = True
    assert failed
    assert mediant.device.journal[0].processed is processed
    assert (b"Fault = 1" in ask(mediant, "GET", f"{V1}/files/ini").body) is processed
    assert upload(mediant, INCREMENT, b"A = 1").status == 200  # once


def test_a_fault_that_delays(mediant: Served):
    mediant.device.faults.append(Fault("delay", method="POST", seconds=0.05))
    assert ask(mediant, "POST", SAVE).status == 200
    [entry] = mediant.device.journal
    assert entry.ended is not None
    assert entry.ended - entry.began >= 0.05


def test_https_with_a_throw_away_ca(key: bytes):
    authority = Authority()
    with Served(Mediant(key=key), authority=authority) as served:
        context = ssl.create_default_context(cadata=authority.pem)
        assert ask(served, "GET", f"{V1}/status", context=context).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(served, "GET", f"{V1}/status", context=ssl.create_default_context())
