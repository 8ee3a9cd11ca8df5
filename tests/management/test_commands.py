"""The operators' commands: rotating keys, asking all devices, and what housekeeping deletes."""

import contextlib
import io
import signal
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from management import secrets
from management.drivers.base import DeviceError, Kind, Result
from management.drivers.poly_trio import PolyTrio
from management.management.commands import refresh_endpoints
from management.models import Artefact, Credential, Operation
from tests.certificates import make_ca, pem
from tests.conftest import Cast, make_device, make_endpoint
from tests.management.conftest import PASSWORD_OF_DEVICE, Managed, manage
from tests.simulators.mediant import Mediant
from tests.simulators.server import Served


def command(name: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


# --- Keys ------------------------------------------------------------------------------------------------------


def test_keys_are_rotated(managed: Managed, settings: Settings):
    managed.do("config_backup")
    waiting = managed.ask("status")
    old, new = settings.MANAGEMENT_KEYS[0], Fernet.generate_key().decode()
    settings.MANAGEMENT_KEYS = [new, old]
    assert managed.do("identity")["state"] == "done"
    managed.ask("status")
    assert command("rotate_credentials") == "3 encrypted anew.\n"
    settings.MANAGEMENT_KEYS = [new]
    assert secrets.decrypt(Credential.objects.get().secret).decode() == PASSWORD_OF_DEVICE
    assert secrets.decrypt(Artefact.objects.get().data).startswith(b";*")
    assert managed.operation(waiting)["state"] == "done"
    assert managed.do("status")["state"] == "done"
    settings.MANAGEMENT_KEYS = [old]
    with pytest.raises(secrets.SecretUnreadable):
        secrets.decrypt(Credential.objects.get().secret)


def test_what_no_key_reads_is_left_alone_and_told(managed: Managed, settings: Settings):
    settings.MANAGEMENT_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="0 encrypted anew; 1 were left alone"):
        command("rotate_credentials")
    operation = managed.do("status")
    assert (operation["state"], operation["kind"]) == ("failed", "precondition")
    assert "Set the login anew" in operation["message"]
    assert managed.device.journal == []


def test_the_number_of_statements_does_not_depend_on_that_of_secrets(cast: Cast):
    counts = []
    for _ in range(2):
        for _ in range(20):
            make_endpoint(make_device(cast.provider))
        with CaptureQueriesContext(connection) as queries:
            command("rotate_credentials")
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- Summaries -------------------------------------------------------------------------------------------------


def test_all_devices_are_asked(cast: Cast, managed: Managed, key: bytes):
    with Served(Mediant("7.0", mac="00908FA16309", key=key)) as other:
        old = manage(cast, other, "mediant-7.0")
        assert command("refresh_endpoints") == "2 of 2 devices answered.\n"
    for each in (managed, old):
        assert each.monitor.get(f"{each.path}/summary").json()["identity"]["ok"] is True


def test_a_device_that_refuses_the_login_is_not_asked_again_until_it_is_changed(managed: Managed):
    managed.device.users = {"Admin": ("another", "Security Administrator")}
    told = "0 of 1 devices answered.\n"
    assert command("refresh_endpoints") == f"{told}Did not answer (unauthenticated): 1.\n"
    assert command("refresh_endpoints") == (
        f"{told}Not asked, as the login was refused before (change it in the endpoint): 1.\n"
    )
    assert len(managed.device.journal) == 1
    anew = {
        "driver": "mediant-7.2",
        "baseUrl": managed.served.url,
        "mac": managed.endpoint.mac,
        "password": "another",
    }
    assert managed.administrator.put(managed.path, anew).status_code == 200
    assert command("refresh_endpoints") == "1 of 1 devices answered.\n"


def test_a_device_that_is_away_is_unreachable(managed: Managed):
    managed.served.listener.close()
    assert command("refresh_endpoints", "--at-once", "2") == (
        "0 of 1 devices answered.\nDid not answer (unreachable): 1.\n"
    )
    summary = managed.monitor.get(f"{managed.path}/summary").json()
    assert {part["kind"] for name, part in summary.items() if name != "refreshedAt"} == {"unreachable"}


def test_devices_are_asked_one_after_the_other_at_the_rate_that_is_told(
    managed: Managed, cast: Cast, key: bytes, monkeypatch: pytest.MonkeyPatch
):
    """By a clock that stands still but for what the command itself waits."""
    now = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds

    clock = SimpleNamespace(monotonic=lambda: now, sleep=pass_time)
    monkeypatch.setattr(refresh_endpoints, "time", clock)
    with contextlib.ExitStack() as others:
        for number in range(4):
            other = others.enter_context(Served(Mediant("7.2", mac=f"00908FA1640{number}", key=key)))
            manage(cast, other, "mediant-7.2")
        assert command("refresh_endpoints", "--a-second", "0.5", "--at-once", "1") == "5 of 5 devices answered.\n"
    assert now == 8.0


@pytest.mark.parametrize("rate", ["0", "-1", "inf", "nan", "many"])
def test_a_rate_is_a_number_above_0(rate: str):
    with pytest.raises(CommandError, match="--a-second"):
        command("refresh_endpoints", f"--a-second={rate}")


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "many"])
def test_a_number_of_devices_at_a_time_is_1_or_more(number: str):
    with pytest.raises(CommandError, match="--at-once"):
        command("refresh_endpoints", f"--at-once={number}")


def test_ctrl_c_keeps_what_was_answered_and_waits_for_no_device(
    managed: Managed, cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    """The second of three devices, a phone, does not answer before the test ends."""
    over = threading.Event()

    def hang(self: PolyTrio) -> Result:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        over.wait()
        raise DeviceError(Kind.TIMEOUT, "The device did not answer.")

    monkeypatch.setattr(PolyTrio, "probe", hang)
    phone = make_endpoint(make_device(cast.provider), driver="poly-trio", summary=None)
    third = make_endpoint(make_device(cast.provider), summary=None)
    # Where the suite is started in the background, it has inherited that this signal is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(CommandError) as ended:
            command("refresh_endpoints", "--at-once", "1")
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
    assert str(ended.value) == "Interrupted: 1 of 3 devices were asked, and their answers are kept."
    assert ended.value.returncode == 130
    assert managed.monitor.get(f"{managed.path}/summary").json()["identity"]["ok"] is True
    phone.refresh_from_db()
    third.refresh_from_db()
    assert (phone.leased_by, phone.summary, third.summary) == ("", None, None)


# --- What manage.py check refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", ""),
        ("https://redirect.example", ""),
        ("https://[::1]:8443", ""),
        ("https://other.example", "The host of MANAGEMENT_RECEIVER (https://other.example) is not one of ALLOWED"),
        ("https://", "The host of MANAGEMENT_RECEIVER (https://) is not one of ALLOWED_HOSTS"),
    ],
)
def test_the_receiver_is_one_of_the_hosts(settings: Settings, url: str, complaint: str):
    settings.ALLOWED_HOSTS, settings.MANAGEMENT_RECEIVER = ["redirect.example", "[::1]"], url
    assert checked(complaint)


def test_the_certificate_of_the_ca_can_be_read(settings: Settings, tmp_path: Path):
    file = tmp_path / "ca.pem"
    settings.MANAGEMENT_CA_CERTIFICATE = str(file)
    assert checked("No such file or directory")
    file.write_text("no certificate")
    assert checked("it holds no certificate as PEM")
    file.write_text(pem(make_ca("CA").certificate))
    assert checked("")
    settings.MANAGEMENT_CA_CERTIFICATE = str(tmp_path)
    assert checked("Is a directory")


def checked(complaint: str) -> bool:
    """Whether `manage.py check` says this, or nothing if there is nothing to say."""
    try:
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    except SystemCheckError as error:
        return bool(complaint) and complaint in str(error)
    return not complaint


# --- What goes -------------------------------------------------------------------------------------------------


def test_housekeeping_deletes_what_has_expired(managed: Managed, settings: Settings):
    managed.do("config_backup")
    fresh = managed.do("config_backup")
    old = timezone.now() - timedelta(days=settings.AUDIT_LOG_DAYS + 1)
    Artefact.objects.exclude(pk__in=fresh["artefacts"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    Operation.objects.exclude(pk=fresh["id"]).update(finished_at=old)
    said = command("housekeeping")
    assert "Device management: 1 artefacts and 1 operations deleted\n" in said
    assert [artefact.pk for artefact in Artefact.objects.all()] == fresh["artefacts"]
    assert Operation.objects.get().pk == fresh["id"]
