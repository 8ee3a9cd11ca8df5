"""Reserved MACs: no device gets one by any way in, and devices that have one from before harm nothing."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import Client

from audit.models import Entry
from devices.imports import imports
from devices.models import Access, Device
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator

RESERVED = ["000000000000", "FFFFFFFFFFFF", "01005E000001", "333300000001"]
DEVICES = "/admin/devices/device/"
MIGRATION = import_module("devices.migrations.0011_refuse_reserved_macs")


def execute(statement: str, params: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


EDITOR: Any = SimpleNamespace(connection=connection, execute=execute)  # Django's own wants no open transaction


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


@pytest.fixture
def before(cast: Cast) -> Device:
    """A device that was added before reserved MACs were refused."""
    MIGRATION.drop(apps, EDITOR)
    device = make_device(cast.provider, "000000000000", make_location(cast.provider))
    MIGRATION.add(apps, EDITOR)
    return device


# --- Refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mac", RESERVED)
def test_the_api_lists_it_as_invalid(administrator: Api, cast: Cast, mac: str) -> None:
    spelled = ":".join(mac[at : at + 2] for at in range(0, 12, 2)).lower()
    body = {
        "group": cast.provider.pk,
        "macList": [mac, spelled, "00908F000001"],
        "overrideCurrentAssociation": True,
    }
    answer = administrator.post("/devices", body).json()
    assert answer["invalidMAC"] == {"count": 2, "macList": [mac, spelled]}
    assert answer["success"]["count"] == 1


def test_an_import_refuses_it_and_says_why(cast: Cast) -> None:
    lines = ["mac,group", *(f"{mac},{cast.provider.name}" for mac in RESERVED)]
    upload = imports.receive(None, "phones.csv", "\n".join(lines).encode(), move=False)
    imports.read_here(upload)
    problems = upload.rows.values_list("problem", flat=True)
    assert len(problems) == len(RESERVED)
    assert all("is reserved: no device has a MAC of zeros only" in problem for problem in problems)


@pytest.mark.parametrize("mac", RESERVED)
def test_the_admin_refuses_it_and_says_why(staff: Client, cast: Cast, mac: str) -> None:
    answer = staff.post(f"{DEVICES}add/", {"mac": mac, "group": cast.provider.pk})
    assert "is reserved: no device has a MAC of zeros only" in answer.content.decode()
    assert not Device.objects.exists()


@pytest.mark.parametrize("mac", RESERVED)
def test_the_database_refuses_it(cast: Cast, mac: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        make_device(cast.provider, mac)
    device = make_device(cast.provider)
    with pytest.raises(DatabaseError), transaction.atomic():
        Device.objects.filter(pk=device.pk).update(mac=mac)


@pytest.mark.parametrize("suffix", ["", ".cfg"])
@pytest.mark.parametrize("mac", RESERVED)
def test_a_file_of_that_name_is_not_looked_up(db: None, mac: str, suffix: str) -> None:
    assert Client().get(f"/{mac}{suffix}").status_code == 404
    assert not Access.objects.exists()


# --- Devices from before ----------------------------------------------------------------------------------------


def test_find_leads_to_it_and_says_what_it_is(staff: Client, before: Device) -> None:
    page = f"{DEVICES}{before.pk}/change/"
    assert staff.get("/admin/find/", {"q": before.mac})["Location"] == page
    answer = staff.get("/admin/find/", {"q": f"{before.mac} 00908F000001"}).content.decode()
    assert "This MAC is reserved" in answer
    assert page in answer


def test_it_is_not_answered_any_more(before: Device) -> None:
    assert Client().get(f"/{before.mac}.cfg").status_code == 404
    before.refresh_from_db()
    assert before.num_requests == 0


def test_its_group_sees_it_and_can_change_and_remove_it(before: Device, administrator: Api) -> None:
    assert administrator.get("/devices").json()["devices"][0]["mac"] == "00:00:00:00:00:00"
    assert administrator.get(f"/devices/{before.mac}").json()["id"] == before.pk
    assert administrator.get("/devices?filter=(mac='00:00:00:00:00:00')").status_code == 200
    macs = {"macList": [before.mac]}
    location = make_location(before.group)
    associated = macs | {"overrideCurrentAssociation": True}
    assert administrator.post(f"/locations/{location.pk}/devices/associate", associated).status_code == 200
    assert administrator.post(f"/locations/{location.pk}/devices/disassociate", macs).status_code == 200
    assert administrator.post("/devices/remove", macs).status_code == 200
    assert not Device.objects.exists()


def test_staff_find_it_by_a_filter_and_its_page_says_what_to_do(before: Device, staff: Client, cast: Cast) -> None:
    other = make_device(cast.provider)
    listed = staff.get(f"{DEVICES}?reserved=yes").content.decode()
    assert "00:00:00:00:00:00" in listed
    assert other.spelled not in listed
    page = staff.get(f"{DEVICES}{before.pk}/change/").content.decode()
    assert "No phone can have this MAC: requests for it are not answered." in page
    assert "404 Not Found" in staff.post(f"{DEVICES}{before.pk}/look-up/").content.decode()
    saved = staff.post(f"{DEVICES}{before.pk}/change/", {"description": "to be removed", "location": ""})
    assert saved.status_code == 302
    before.refresh_from_db()
    assert (before.description, before.location) == ("to be removed", None)
    assert Entry.objects.get_for_object(before).exists()


def test_the_migration_names_those_that_there_are(
    before: Device, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    make_device(make_group("Another", cast.reseller))
    MIGRATION.name_existing(apps, EDITOR)
    told = capsys.readouterr().out
    assert "1 devices have a reserved MAC" in told
    assert f"000000000000 ({before.group.name})" in told
