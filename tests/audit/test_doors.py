"""What comes through the admin and by commands; that no secret is kept; how long entries are."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as StaffRole
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.management.commands import changepassword
from accounts.models import Group, User
from api import tokens
from audit import context, recording, retention, tracking
from audit.context import Source
from audit.models import Entry, EntryGroup, EntryObject, Event
from devices.models import Device
from locations.models import Location
from tests.conftest import PASSWORD, Api, Cast, make_device, make_location, make_operator, make_user

NEW_PASSWORD = "quiet river 9 lantern"


@pytest.fixture
def admin(db: None) -> Client:
    """A browser in which the platform operator `root` has logged in."""
    client = Client()
    client.force_login(make_operator(login="root"))
    Entry.objects.all().delete()
    return client


def entries() -> list[Any]:
    return list(Entry.objects.order_by("id"))


def only() -> Any:
    (entry,) = entries()
    return entry


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    answer = client.post(f"/admin/{path}", body, REMOTE_ADDR="192.0.2.9")
    assert answer.status_code == 302, answer.content
    return answer


def text_of(response: Any) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def select(client: Client, action: str, *devices: Device) -> str:
    """Choose devices in the list for an action; the page that asks for confirmation."""
    chosen = {"action": action, "_selected_action": [device.pk for device in devices]}
    page: str = post(client, "devices/device/", chosen)["Location"]
    return page.removeprefix("/admin/")


# --- The admin ------------------------------------------------------------------------------------------------


def test_a_form_says_who_from_where_and_what(admin: Client, cast: Cast):
    Entry.objects.all().delete()
    answer = post(
        admin, f"accounts/group/{cast.provider.pk}/change/", {"name": "New", "reseller": cast.reseller.pk}
    )
    entry = only()
    assert (entry.source, entry.actor_login, entry.remote_addr) == (Source.ADMIN, "root", "192.0.2.9")
    assert entry.cid == answer["X-Request-ID"]
    assert entry.actor.login == "root"
    assert entry.changes["name"] == ["Berlin Phones", "New"]


def test_a_user_with_staff_roles_is_one_entry(admin: Client, cast: Cast):
    role = StaffRole.objects.create(name="support reader")
    user = make_user(None, None, is_staff=True, login="sam")
    tokens.open_family(user)
    Entry.objects.all().delete()
    post(
        admin,
        f"accounts/user/{user.pk}/change/",
        {"first_name": "Sam", "last_name": "Byron", "is_active": "on", "groups": [role.pk]},
    )
    entry = only()
    assert entry.event == Event.CHANGED
    assert entry.changes == {
        "first_name": ["Ada", "Sam"],
        "is_staff": [True, False],
        "groups": [[], ["support reader"]],
    }


def test_a_new_user_is_one_entry(admin: Client, cast: Cast):
    Entry.objects.all().delete()
    body = {"login": "newcomer", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "group": cast.provider.pk}
    post(admin, "accounts/user/add/", body | {"permission_level": "Monitor"})
    entry = only()
    assert (entry.event, entry.group_id, entry.object_repr) == (Event.CREATED, cast.provider.pk, "newcomer")
    assert entry.changes["password"] == [None, "***"]


def test_a_new_password_that_ends_a_block_and_tokens_is_one_entry(admin: Client, cast: Cast):
    user = make_user(cast.provider, fail_login_attempts=9)
    tokens.open_family(user)
    Entry.objects.all().delete()
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    post(admin, f"accounts/user/{user.pk}/password/", new)
    entry = only()
    assert (entry.event, entry.changes) == (Event.PASSWORD_CHANGED, {"password": ["***", "***"]})


def test_a_password_of_ones_own_is_one_entry(admin: Client):
    sent = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    post(admin, "password_change/", sent)
    assert (only().event, only().actor_login) == (Event.PASSWORD_CHANGED, "root")


def test_an_action_is_one_entry_for_each_user_that_it_changes(admin: Client, cast: Cast):
    blocked = make_user(cast.provider, fail_login_attempts=9, user_block_time=timezone.now())
    free = make_user(cast.provider)
    Entry.objects.all().delete()
    post(admin, "accounts/user/", {"action": "unblock", "_selected_action": [blocked.pk, free.pk]})
    assert (only().event, only().object_id) == (Event.UNBLOCKED, blocked.pk)


def test_a_device_is_moved_and_deleted(admin: Client, cast: Cast):
    device = make_device(cast.provider)
    Entry.objects.all().delete()
    page = select(admin, "move", device)
    post(admin, f"{page}?group={cast.stranger.pk}", {"start": "yes", "reason": "Invoice 77"})
    post(admin, f"devices/device/{device.pk}/delete/", {"post": "yes"})
    moved, deleted = entries()
    assert moved.additional_data["reason"] == "Invoice 77"
    assert (moved.event, moved.group_id, moved.other_group_id) == (
        Event.DEVICES_MOVED,
        cast.provider.pk,
        cast.stranger.pk,
    )
    assert (deleted.event, deleted.group_id) == (Event.DELETED, cast.stranger.pk)


def test_deleting_selected_devices_is_one_entry(admin: Client, cast: Cast):
    devices = [make_device(cast.provider), make_device(cast.sibling)]
    Entry.objects.all().delete()
    post(admin, select(admin, "remove", *devices), {"start": "yes"})
    assert only().event == Event.DEVICES_REMOVED
    assert not Device.objects.exists()


def test_why_a_login_failed_is_told_to_staff_alone(admin: Client, cast: Cast):
    due = make_user(cast.provider, force_change_password=True)
    administrator = Api(make_user(cast.provider))
    Entry.objects.all().delete()
    for password in (PASSWORD, "wrong"):
        Api().post("/login", {"userName": due.login, "password": password})
    told = text_of(admin.get("/admin/audit/entry/"))
    assert "Reason: the password is right, and must be changed first" in told
    assert "Reason: wrong password" in told
    answer = administrator.get("/audit")
    assert answer.json()["pages"]["totalElements"] == 2
    assert "password" not in answer.content.decode()


def test_the_page_of_an_entry_tells_its_devices_and_groups(admin: Client, cast: Cast):
    devices = [make_device(cast.provider), make_device(cast.sibling)]
    Entry.objects.all().delete()
    post(admin, select(admin, "remove", *devices), {"start": "yes"})
    page = text_of(admin.get(f"/admin/audit/entry/{only().pk}/change/"))
    for words in ("Berlin Phones, Munich Phones", *(device.spelled for device in devices)):
        assert words in page


def test_a_role_that_gets_a_permission_leaves_an_entry(db: None):
    role = StaffRole.objects.create(name="support reader")
    Entry.objects.all().delete()
    role.permissions.add(Permission.objects.get(codename="view_device"))
    assert only().group_id is None
    assert "permissions" in only().changes


def test_a_failed_login_of_the_admin(db: None):
    make_operator(login="root")
    Entry.objects.all().delete()
    Client().post("/admin/login/", {"username": "root", "password": "wrong"})
    entry = only()
    assert (entry.event, entry.source, entry.actor_login) == (Event.LOGIN_FAILED, Source.ADMIN, None)


def test_the_log_is_to_be_read_only(admin: Client, cast: Cast):
    page = "/admin/audit/entry/"
    make_device(cast.provider)
    entry = Entry.objects.latest("id")
    assert admin.get(page).status_code == 200
    assert admin.get(f"{page}{entry.pk}/change/").status_code == 200
    for path in ("add/", f"{entry.pk}/change/", f"{entry.pk}/delete/"):
        assert admin.post(page + path, {"post": "yes", "event": "x"}).status_code == 403
    admin.post(page, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert Entry.objects.filter(pk=entry.pk).exists()


@pytest.mark.parametrize(
    ("term", "number"),
    [("00:90:8f:00:00:aa", 2), ("ada", 1), ("192.0.2.9", 0), ("127.0.0.1", 1), ("nonsense'", 0), ("berl", 1)],
)
def test_the_log_is_searched(admin: Client, cast: Cast, term: str, number: int):
    cast.provider.description = "Moved"
    cast.provider.save()
    api = Api(make_user(cast.provider, login="ada"))
    make_device(cast.provider, "00908F0000AA")
    api.post("/devices/remove", {"macList": ["00908F0000AA"]})
    Entry.objects.filter(object_repr="ada").delete()
    page = admin.get("/admin/audit/entry/", {"q": term})
    assert page.status_code == 200
    assert page.context["cl"].result_count == number


# --- Commands -------------------------------------------------------------------------------------------------


def test_changepassword_is_one_entry(cast: Cast, monkeypatch: Any):
    user = make_user(cast.provider, login="ada", fail_login_attempts=3)
    tokens.open_family(user)
    Entry.objects.all().delete()
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *args, **kwargs: NEW_PASSWORD)
    call_command("changepassword", "ada", stdout=io.StringIO())
    entry = only()
    assert (entry.event, entry.source, entry.object_repr) == (Event.PASSWORD_CHANGED, Source.COMMAND, "ada")
    assert (entry.actor, entry.actor_login, entry.remote_addr) == (None, "manage.py changepassword", None)


def test_createsuperuser_leaves_an_entry_with_the_command(db: None, monkeypatch: Any):
    monkeypatch.setattr("sys.argv", ["/srv/redirect/manage.py", "createsuperuser", "--secret=x"])
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW_PASSWORD)
    call_command("createsuperuser", login="root", interactive=False, stdout=io.StringIO())
    entry = only()
    assert (entry.event, entry.object_repr, entry.actor_login) == (
        Event.CREATED,
        "root",
        "manage.py createsuperuser",
    )
    assert entry.changes["is_superuser"] == [None, True]


def test_demo_data_is_nobodys_doing(db: None, settings: Settings, tmp_path: Any):
    settings.VAR_DIR = tmp_path
    call_command("seed_demo", stdout=io.StringIO())
    assert Device.objects.exists()
    assert entries() == []


def test_outside_of_a_request_each_write_has_an_entry_of_its_own(cast: Cast):
    location = make_location(cast.provider)
    Entry.objects.all().delete()
    for text in ("one", "two"):
        location.description = text
        location.save()
    assert [entry.changes for entry in entries()] == [
        {"description": [None, "one"]},
        {"description": ["one", "two"]},
    ]


def test_a_write_and_its_opposite_in_one_request_are_told_together(cast: Cast):
    with context.of_command("test"):
        location = make_location(cast.provider)
        location.url = "https://other.example/"
        location.save()
        location.delete()
    deleted = Entry.objects.latest("id")
    assert (deleted.event, deleted.object_repr) == (Event.DELETED, "https://other.example/")


# --- What is watched, and what is never kept --------------------------------------------------------------------

UNTOLD = {
    Group: set(),
    User: {"last_login", "last_login_status", "fail_login_attempts", "user_block_time"},
    Location: {"last_access"},
    Device: {"last_access_status", "last_access", "num_requests", "certificate_seen", "claimed_at"},
}


@pytest.mark.parametrize("model", UNTOLD, ids=lambda model: model.__name__)
def test_every_column_is_told_or_named_here(model: Any):
    columns = {field.name for field in model._meta.concrete_fields} - {"id"}
    assert columns == {*tracking.ATTRIBUTES[model], *UNTOLD[model]}


def test_no_secret_is_ever_kept(admin: Client, cast: Cast):
    """After a tour through all doors no table of the log holds a password, a hash or a token."""
    user = make_user(cast.provider, login="ada")
    answer = Api().post("/login", {"userName": "ada", "password": PASSWORD}).json()
    secrets = [answer[name] for name in ("access_token", "refresh_token", "id_token")]
    Api().post("/login", {"userName": "ada", "password": "mistyped secret"})
    Api().post("/login", {"userName": "password in the login field", "password": "x"})
    secrets += ["mistyped secret", "password in the login field"]
    refreshed = Api().post("/refresh", {"refresh_token": answer["refresh_token"]}).json()
    secrets += [refreshed["refresh_token"], refreshed["access_token"]]
    api = Api(make_user(cast.reseller))
    body = {"firstName": "N", "lastName": "C", "permissionLevel": "Monitor", "group": cast.provider.pk}
    made = api.post("/users", body | {"login": "newcomer", "password": "secret number 1"})
    api.put(f"/users/{made.json()['id']}", {"password": "secret number 2"})
    changed = {"userName": "ada", "oldPassword": PASSWORD, "newPassword": "secret number 3"}
    assert Api().post("/changePassword", changed).status_code == 200
    new = {"password1": "secret number 4", "password2": "secret number 4"}
    post(admin, f"accounts/user/{user.pk}/password/", new)
    body = {"login": "other", "password1": "secret number 5", "password2": "secret number 5"}
    post(admin, "accounts/user/add/", body)
    assert {e.event for e in entries()} >= {Event.PASSWORD_CHANGED, Event.CREATED, Event.LOGIN_FAILED}

    secrets += [PASSWORD, *(f"secret number {n}" for n in range(1, 6)), "md5$"]
    secrets += User.objects.get_queryset().values_list("password", flat=True)
    kept = "\n".join(
        str(list(model._default_manager.values_list())) for model in apps.get_app_config("audit").get_models()
    )
    assert [secret for secret in secrets if secret in kept] == []


# --- Retention ------------------------------------------------------------------------------------------------


def test_housekeeping_prunes_what_is_too_old(cast: Cast, settings: Settings, monkeypatch: Any):
    settings.AUDIT_LOG_DAYS = 10
    monkeypatch.setattr(retention, "PIECE", 2)
    Entry.objects.all().delete()
    EntryObject.objects.all().delete()
    parts = [recording.Part(group.pk, "Removed", ["00908F000001"]) for group in (cast.provider,)]
    parts.append(recording.Part(cast.sibling.pk, "Removed", ["00908F000002"]))
    for days in (12, 11, 11, 11, 11, 9):
        recording.record_list(Event.DEVICES_REMOVED, Device, parts)
        entry = Entry.objects.latest("id")
        Entry.objects.filter(pk=entry.pk).update(timestamp=timezone.now() - timedelta(days=days))
    out = io.StringIO()
    call_command("housekeeping", stdout=out)
    assert "Audit log: 5 entries deleted\n" in out.getvalue()
    assert (Entry.objects.count(), EntryObject.objects.count(), EntryGroup.objects.count()) == (1, 2, 2)
    call_command("housekeeping", stdout=out)
    assert "Audit log: 0 entries deleted\n" in out.getvalue()


def test_no_command_empties_it(cast: Cast) -> None:
    make_device(cast.provider)
    entries = Entry.objects.count()
    with pytest.raises(CommandError, match="it would empty the audit log"):
        call_command("flush", interactive=False)
    assert Entry.objects.count() == entries > 0


def test_auditlogs_own_table_is_not_made(db: None):
    assert "auditlog_logentry" not in connection.introspection.table_names()
