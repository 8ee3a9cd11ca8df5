"""Texts that people type have one form, by whatever door they come: API, admin, import, rows that are older."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Group
from devices.models import Device
from redirect.db.texts import normalize_rows
from tests.conftest import Api, Cast, make_device, make_group, make_operator
from tests.desk.test_admin import browser_of, text_of
from tests.desk.test_import_pages import checked, confirm

TYPED, KEPT = " M\u0075\u0308ller\u00a0& Sons\r\nsecond line ", "M\u00fcller & Sons\nsecond line"


@pytest.fixture
def browser(db: None) -> Client:
    return browser_of(make_operator())


def test_a_text_is_kept_alike_by_all_doors(cast: Cast, administrator: Api, browser: Client) -> None:
    macs = ["00:90:8F:00:00:0A"]
    body: dict[str, Any] = {"group": cast.provider.pk, "macList": macs, "overrideCurrentAssociation": False}
    assert administrator.post("/devices", body | {"description": TYPED}).status_code == 201
    page = "/admin/devices/device/add/"
    form = {"mac": "00:90:8F:00:00:0B", "group": cast.provider.pk, "location": "", "description": TYPED}
    assert browser.post(page, form).status_code == 302
    data = f'mac,group,description\n00:90:8F:00:00:0C,{cast.provider.pk},"{TYPED}"\n'.encode()
    assert confirm(checked(browser, data))
    make_device(cast.provider, "00908F00000D", description=TYPED)
    assert list(Device.objects.order_by("mac").values_list("description", flat=True)) == [KEPT] * 4


def test_a_name_has_one_form(cast: Cast, browser: Client) -> None:
    operator = Api(make_operator())
    made = operator.post("/groups", {"groupType": "Reseller", "name": " New\u00a0Voice "})
    assert made.status_code == 201
    assert operator.get(made.json()["url"].removeprefix("/api/v1")).json()["name"] == "New Voice"
    again = operator.post("/groups", {"groupType": "Reseller", "name": "New Voice\u00a0"})
    assert again.status_code == 409, "the two look alike"
    assert Group.objects.filter(name="\u00a0New Voice").exists(), "and are found alike"


def test_the_admin_refuses_control_characters_as_the_api_does(cast: Cast, browser: Client) -> None:
    form = {"mac": "00:90:8F:00:00:0B", "group": cast.provider.pk, "location": "", "description": "a\x07b"}
    answer = browser.post("/admin/devices/device/add/", form)
    assert "Remove the control character U+0007." in text_of(answer)
    assert not Device.objects.exists()


def test_rows_that_are_older_than_the_form_get_it(cast: Cast) -> None:
    old, taken = make_group("Old"), make_group("Taken")
    with connection.cursor() as cursor:
        sql = "UPDATE accounts_group SET name = %s, description = %s WHERE id = %s"
        cursor.execute(sql, [" Old\u00a0Voice", "a\r\nb", old.pk])
        cursor.execute(sql, [" Acme Voice", None, taken.pk])
    normalize_rows(Group, "name", "description")
    assert Group.objects.filter(pk=old.pk).values_list("name", "description").get() == ("Old Voice", "a\nb")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM accounts_group WHERE id = %s", [taken.pk])
        assert cursor.fetchone() == (" Acme Voice",), "a name that is taken stays"
