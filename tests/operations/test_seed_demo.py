"""`manage.py seed_demo`: what it makes, what it prints, and what it leaves alone."""

import json
import re
import shlex
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Group, GroupType, Level, User
from boot.diagnosis_facts import Severity
from desk import device_page
from devices.models import Access, AccessStatus, Device, Outcome
from locations.models import Location
from operations.management.commands.seed_demo import OTHER_MAKERS
from tests.conftest import make_group


@pytest.fixture(autouse=True)
def var(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for the logins."""
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def seed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command; what it printed."""

    def run(*arguments: str) -> str:
        call_command("seed_demo", *arguments)
        return capsys.readouterr().out

    return run


def everything() -> list[list[dict[str, Any]]]:
    models: tuple[Any, ...] = (Group, User, Location, Device)
    return [list(model.objects.order_by("pk").values()) for model in models]


def commands(printed: str) -> list[list[str]]:
    """The lines to paste, as a shell splits them."""
    return [shlex.split(line) for line in printed.splitlines() if line.lstrip().startswith("curl ")]


def test_the_login_works_as_printed(seed):
    login, _ = commands(seed())
    assert login[login.index("-H") + 1] == "Content-Type: application/json"
    body, url = login[login.index("-d") + 1], urlsplit(login[-1])
    assert (url.scheme, url.netloc) == ("http", "127.0.0.1:8000")
    answer = Client().post(url.path, json.loads(body), content_type="application/json")
    assert answer.status_code == 200
    token = answer.json()["access_token"]
    groups = Client().get("/api/v1/groups", headers={"Authorization": f"Bearer {token}"}).json()["groups"]
    assert len(groups) > 2


def test_the_phone_is_redirected_as_printed(seed):
    _, phone = commands(seed())
    path = urlsplit(phone[-1]).path
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"{path}.cfg")


def test_every_printed_login_opens_what_it_should(seed):
    printed = seed()
    password = re.findall(r"Password of all demo users: (\S+)", printed)[0]
    logins = re.findall(r"^  (\S+)  +(?!-)", printed.split("Log in to the API")[0], re.MULTILINE)
    assert len(logins) == User.objects.get_queryset().count()
    for login in logins:
        user = User.objects.get(login=login)
        assert user.check_password(password)
        validate_password(password, user)
        assert not user.force_change_password
    client = Client()
    assert client.post("/admin/login/", {"username": "demo-operator", "password": password}).status_code == 302
    assert client.get("/admin/devices/device/add/").status_code == 200


def test_support_staff_look_and_do_not_touch(seed):
    seed()
    client = Client()
    client.force_login(User.objects.get(login="demo-support"))
    for address in ("accounts/group/", "accounts/user/", "locations/location/", "devices/device/"):
        assert client.get(f"/admin/{address}").status_code == 200
        assert client.get(f"/admin/{address}add/").status_code == 403


def test_a_second_run_changes_nothing_and_prints_one_line(seed, var):
    seed()
    before, file = everything(), (var / "demo-logins.txt").read_text()
    with CaptureQueriesContext(connection) as queries:
        again = seed()
    assert len(queries) == 1
    assert again == f"Demo data is there; logins stand in {var / 'demo-logins.txt'}.\n"
    assert everything() == before
    assert (var / "demo-logins.txt").read_text() == file


def test_the_logins_are_kept_for_nobody_else(seed, var):
    file = var / "demo-logins.txt"
    file.write_text("an old one")
    file.chmod(0o644)
    printed = seed()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() in printed


def test_lost_logins_are_not_promised(seed, var):
    seed()
    (var / "demo-logins.txt").unlink()
    assert "manage.py changepassword demo-operator" in seed()


def test_the_password_differs_between_installations_and_not_between_their_databases(seed, var):
    def password() -> str:
        printed = seed()
        for model in (Device, Location, User):
            model._base_manager.all().delete()
        Group.objects.filter(group_type=GroupType.PROVIDER).delete()
        Group.objects.all().delete()
        return str(re.findall(r"Password of all demo users: (\S+)", printed)[0])

    first = password()
    assert password() == first  # another database of this installation
    (var / "demo-logins.txt").unlink()
    assert password() != first


@pytest.mark.parametrize("own", ["group", "user"])
def test_a_database_in_use_is_left_alone(seed, var, own):
    if own == "group":
        make_group("Acme Voice")
    else:
        User.objects.create_superuser("root", "correct horse 7 battery")
    before = everything()
    assert seed() == "The database has groups or users of its own: no demo data was added.\n"
    assert everything() == before
    assert list(var.iterdir()) == []


def test_without_a_place_for_the_logins_nothing_is_made(seed, settings, var):
    settings.VAR_DIR = var / "missing"
    with pytest.raises(CommandError, match=r"Cannot write .*demo-logins\.txt: No such file"):
        seed()
    assert not Group.objects.exists()


@pytest.mark.parametrize(
    ("environment", "arguments", "url"),
    [
        ({"HOST": "::", "PORT": "8001"}, (), "http://[::1]:8001/"),
        ({"HOST": "::1"}, (), "http://[::1]:8000/"),
        ({"HOST": "192.0.2.1", "PORT": ""}, (), "http://192.0.2.1:8000/"),
        ({"PORT": "8001"}, ("--url", "https://redirect.example/"), "https://redirect.example/"),
    ],
)
def test_the_lines_name_where_the_service_answers(seed, monkeypatch, environment, arguments, url):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    login, phone = commands(seed(*arguments))
    assert login[-1] == f"{url}api/v1/login"
    assert re.fullmatch(re.escape(url) + r"00908F[0-9A-F]{6}", phone[-1])


def test_the_demo_has_something_of_everything(seed):
    seed()
    assert Group.objects.filter(group_type=GroupType.RESELLER).count() == 2
    for group in Group.objects.all():
        assert {user.permission_level for user in group.users.all()} == set(Level)
        assert group.is_reseller is group.providers.exists()
    assert 200 <= Device.objects.count() <= 999
    others = [mac for mac in Device.objects.values_list("mac", flat=True) if not mac.startswith("00908F")]
    assert sorted(others) == sorted(OTHER_MAKERS.values())
    wanted: Any
    for wanted in (
        Location.objects.filter(url__contains="{MAC ADDRESS}"),
        Location.objects.filter(url__contains="{CUSTOMER NAME}"),
        Location.objects.filter(mutual_auth=True, devices__isnull=False),
        Location.objects.filter(devices=None),
        Location.objects.filter(last_access__isnull=False),
        Device.objects.filter(location=None),
        *(Device.objects.filter(last_access_status=status) for status in AccessStatus),
    ):
        assert wanted.exists()


def test_the_demo_keeps_the_rules(seed):
    seed()
    for model in (Group, User, Location, Device):
        for row in model._base_manager.all():
            row.full_clean()
    waiting = Device.objects.filter(last_access_status=AccessStatus.AWAIT)
    assert not waiting.filter(num_requests__gt=0).exists()
    assert not waiting.filter(last_access__isnull=False).exists()
    assert not Device.objects.exclude(last_access_status=AccessStatus.AWAIT).filter(num_requests=0).exists()
    for location in Location.objects.all():
        handed_out = location.devices.filter(last_access_status=AccessStatus.SUCCESS)
        last = handed_out.order_by("-last_access").values_list("last_access", flat=True).first()
        assert location.last_access == last


def test_the_demos_log_agrees_with_its_devices_and_has_every_diagnosis(seed):
    seed()
    assert set(Access.objects.values_list("outcome", flat=True)) == set(Outcome)
    told = set()
    for device in Device.objects.filter(group__name__in=("Harbour Hotels", "Northern Telecom Demo")):
        requests = Access.objects.filter(device_id=device.pk).order_by("-time")
        assert len(requests) == device.num_requests
        if requests:
            assert requests[0].time == device.last_access
            redirected = requests[0].outcome == Outcome.REDIRECTED
            assert redirected is (device.last_access_status == AccessStatus.SUCCESS)
        told.add(device_page.gather(device.pk, with_hint=True).diagnosis)
    headlines = "\n".join(diagnosis.headline for diagnosis in told)
    for words in (
        "never sent a request",
        "before the device was added",
        "nothing failed",
        "no location",
        "no certificate",
        "another device",
        "Corrected since",
        "has changed since",
        "since the device was moved",
    ):
        assert words in headlines
    assert {diagnosis.severity for diagnosis in told} == set(Severity)


def test_the_first_look_at_the_dashboard_shows_failures_of_today(seed):
    seed()
    client = Client()
    client.force_login(User.objects.get(login="demo-operator"))
    shown = client.get("/admin/").context
    assert len(shown["failing_devices"]) > 2
    assert len(shown["failing_groups"]) > 2
    assert len(shown["unknown_macs"]) > 2
