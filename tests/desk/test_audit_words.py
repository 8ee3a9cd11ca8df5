"""What staff read of the audit log: names, MACs with colons, and no words of the code."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Group, User
from audit.models import Entry
from devices.models import Access, DeniedCertificate, Device, Import, Selection
from locations.models import Location
from tests.conftest import Cast, make_access, make_device, make_group, make_location, make_operator, make_user
from tests.desk.test_admin import browser_of, sent_by, text_of
from tests.desk.test_roles import make_colleague

AUDIT = "/admin/audit/entry/"


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of(make_operator(login="boss"))


def whats(client: Client) -> list[str]:
    """The last column of the audit log, newest first."""
    cells = re.findall(r"<td[^>]*field-what[^>]*>(.*?)</td>", client.get(AUDIT).text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", cell).replace("&#x27;", "'").split()) for cell in cells]


def test_changes_are_told_with_names_and_in_the_words_of_the_forms(operator: Client, cast: Cast):
    old, new = (make_location(cast.provider, f"https://{name}.example/") for name in ("old", "new"))
    device = make_device(cast.provider, "00A0C914C829", old)
    address = f"/admin/devices/device/{device.pk}/change/"
    assert operator.post(address, sent_by(operator, address, location=new.pk)).status_code == 302
    assert whats(operator)[0] == (
        "Changed device 00:A0:C9:14:C8:29: location https://old.example/ → https://new.example/"
    )
    device.delete()
    assert whats(operator)[0].startswith("Deleted device 00:A0:C9:14:C8:29: MAC 00:A0:C9:14:C8:29 → nothing, ")
    assert "group Berlin Phones → nothing" in whats(operator)[0]
    user = make_user(cast.provider, "Monitor", login="eva")
    user.force_change_password, user.group = True, cast.sibling
    user.set_password("quiet river 9 lantern")
    user.save()
    told = whats(operator)[0]
    assert told.startswith("User moved eva: ")
    for change in (
        "group Berlin Phones → Munich Phones",
        "must change the password at the next login off → on",
        "password",
    ):
        assert change in re.split(": |, ", told)
    new.delete()
    assert "location https://old.example/ → a location that was deleted" in " ".join(whats(operator))
    make_colleague("agent", login="grace")
    assert whats(operator)[0].endswith("groups nothing → Support agent")
    Role.objects.create(name="Night shift")
    assert whats(operator)[0].startswith("Created staff role Night shift")


def test_the_page_of_an_entry_is_called_in_words(operator: Client, cast: Cast):
    make_device(cast.provider, "00A0C914C829")
    entry = Entry.objects.latest("pk")
    page = text_of(operator.get(f"{AUDIT}{entry.pk}/change/"))
    assert "Created device 00:A0:C9:14:C8:29" in page
    assert "00A0C914C829" not in page


def test_messages_spell_a_mac_with_colons(operator: Client, cast: Cast):
    sent = {"mac": "00a0c914c829", "group": cast.provider.pk}
    for address, values, done in (
        ("/admin/devices/device/add/", sent, "added"),
        ("/admin/devices/device/{}/change/", {"description": "Lobby"}, "changed"),
        ("/admin/devices/device/{}/delete/", {"post": "yes"}, "deleted"),
    ):
        device = Device.objects.first()
        address = address.format(device.pk if device else "")
        told = text_of(operator.post(address, values, follow=True))
        assert re.search(f"The device “ ?00:A0:C9:14:C8:29 ?” was {done} successfully", told)


def test_the_statements_of_the_log_do_not_grow_with_its_entries(operator: Client, cast: Cast):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            operator.get(AUDIT)
        return len(captured)

    make_device(make_group("First"), location=None)
    make_location(cast.provider)
    make_device(cast.provider, location=make_location(cast.provider))
    statements()
    few = statements()
    for number in range(5):
        group = make_group(f"Group {number}")
        make_device(group, location=make_location(group))
    assert statements() == few


def test_no_name_of_the_code_is_read_by_staff(operator: Client, cast: Cast):
    location = make_location(cast.provider, mutual_auth=True)
    device = make_device(cast.provider, location=location, last_access_status="Fail", last_access=timezone.now())
    make_access(device)
    user = make_user(cast.provider, user_block_time=timezone.now(), fail_login_attempts=10)
    for row in (cast.provider, user, location, device):
        row.description = "changed"
        row.save()
    location.mutual_auth, user.is_active, user.force_change_password = False, False, True
    location.save()
    user.save()
    denied = DeniedCertificate.objects.create(name="1 CN=CA", reason="lost")
    models = (Group, User, Location, Device, Access, Entry, DeniedCertificate, Import, Selection)
    fields = [field for model in models for field in model._meta.get_fields()]
    names = {name for field in fields for name in (field.name, getattr(field, "attname", "")) if "_" in name}
    assert {"location_id", "last_access_status", "mutual_auth"} <= names
    pages = ["/admin/", f"{AUDIT}?q={device.mac}", AUDIT, f"{AUDIT}{Entry.objects.latest('pk').pk}/change/"]
    rows: list[tuple[str, Any]] = [
        ("accounts/group", cast.provider),
        ("accounts/user", user),
        ("locations/location", location),
        ("devices/device", device),
        ("devices/deniedcertificate", denied),
        ("auth/group", Role.objects.earliest("pk")),
    ]
    for table, row in rows:
        pages += [f"/admin/{table}/", f"/admin/{table}/add/"]
        pages += [f"/admin/{table}/{row.pk}/{page}/" for page in ("change", "history", "delete")]
    pages += ["/admin/devices/access/", "/admin/devices/device/import/", "/admin/accounts/user/add-staff/"]
    pages += [f"/admin/accounts/user/{user.pk}/password/", "/admin/find/?q=berlin"]
    for page in pages:
        html = re.sub(r"<(script|style)\b.*?</\1>", " ", operator.get(page, follow=True).text, flags=re.DOTALL)
        words = set(re.findall(r"\w+", re.sub(r"<[^>]*>", " ", html)))
        assert not words & names, page
