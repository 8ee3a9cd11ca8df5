"""Who may do what in the admin: each page and each action, by role. One without a row fails."""

from collections.abc import Iterator
from copy import deepcopy
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from accounts.models import Group, Level, SecondFactor, TokenFamily, User
from audit.models import Entry
from desk.models import StaffRole
from desk.roles import AGENT, LEAD, READER, ROLES
from devices.models import DeniedCertificate, Device, Import, ImportState, Selection
from locations.models import Location
from tests.conftest import (
    PASSWORD,
    Cast,
    make_access,
    make_alert,
    make_cast,
    make_device,
    make_endpoint,
    make_group,
    make_key,
    make_location,
    make_operator,
    make_second_factor,
    make_user,
)

WHO = ("operator", "lead", "agent", "reader", "staff", "tenant", "nobody")


@pytest.fixture(scope="module")
def shared_cast(shared_rows: None) -> Cast:
    return make_cast()


@pytest.fixture(scope="module")
def cookies(shared_cast: Cast) -> dict[str, SimpleCookie]:
    """Those of a browser for each kind of person, logged in where that is possible."""
    people: dict[str, User] = {
        "operator": make_operator(login="boss"),
        **{role: make_colleague(role) for role in ("lead", "agent", "reader")},
        "staff": make_user(None, None, is_staff=True),
        "tenant": make_user(shared_cast.reseller, Level.ADMINISTRATOR),
    }
    cookies = {"nobody": SimpleCookie()}
    for who, user in people.items():
        browser = Client()
        browser.force_login(user)
        cookies[who] = browser.cookies
    return cookies


@pytest.fixture
def cast(shared_cast: Cast, db: None) -> Cast:
    return deepcopy(shared_cast)


@pytest.fixture
def browsers(cookies: dict[str, SimpleCookie], db: None) -> dict[str, Client]:
    """A browser for each kind of person."""
    browsers = {who: Client() for who in cookies}
    for who, browser in browsers.items():
        browser.cookies = deepcopy(cookies[who])
    return browsers


def make_colleague(role: str, **attributes: Any) -> User:
    """Support staff of a role."""
    user = make_user(None, None, is_staff=True, **attributes)
    user.groups.add(Role.objects.get(name=ROLES[role][0]))
    return user


# --- Pages ------------------------------------------------------------------------------------------------------

# From the least of the roles that see a page; everybody above does too. "open": no login is asked.
ORDER = {"open": WHO, "staff": WHO[:5], "reader": WHO[:4], "agent": WHO[:3], "lead": WHO[:2], "operator": WHO[:1]}
NOT_THERE = "off"
NOBODY = "nobody at all"  # the page exists for the look's sake, and refuses everybody

PAGES = {
    "index": "staff",
    "find": "staff",
    "search": "staff",
    "login": "open",
    "logout": "open",
    "password_due": "open",
    "password_forgotten": "open",
    "password_new": "open",
    "single_sign_on": NOT_THERE,  # but where a provider is configured: see test_single_sign_on.py
    "single_sign_on_back": NOT_THERE,
    "second_factor": "staff",
    "second_factor_add": "staff",
    "second_factor_code": "open",
    "password_change": "staff",
    "password_change_done": "staff",
    "jsi18n": "staff",
    "view_on_site": "staff",
    "autocomplete": "reader",
    "app_list": "reader",
    "accounts_group_changelist": "reader",
    "accounts_group_history": "reader",
    "accounts_group_change": "reader",
    "accounts_group_add": "lead",
    "accounts_group_delete": "lead",
    "accounts_user_changelist": "reader",
    "accounts_user_history": "reader",
    "accounts_user_change": "reader",
    "accounts_user_add": "lead",
    "accounts_user_add_staff": "operator",
    "accounts_user_delete": "lead",
    "auth_user_password_change": "lead",
    "accounts_apikey_changelist": "reader",
    "accounts_apikey_history": "reader",
    "accounts_apikey_change": "reader",
    "accounts_apikey_add": NOBODY,
    "accounts_apikey_delete": "lead",
    "webhooks_alert_changelist": "reader",
    "webhooks_alert_history": "reader",
    "webhooks_alert_change": "reader",
    "webhooks_alert_add": "lead",
    "webhooks_alert_delete": "lead",
    "locations_location_changelist": "reader",
    "locations_location_history": "reader",
    "locations_location_change": "reader",
    "locations_location_add": "agent",
    "locations_location_delete": "lead",
    "devices_device_changelist": "reader",
    "devices_device_history": "reader",
    "devices_device_change": "reader",
    "devices_device_add": "agent",
    "devices_device_delete": "agent",
    "devices_device_selection": NOBODY,  # but whoever made it: see test_actions.py
    "devices_access_changelist": "reader",
    "devices_deniedcertificate_changelist": "reader",
    "devices_deniedcertificate_history": "reader",
    "devices_deniedcertificate_change": "reader",
    "devices_deniedcertificate_add": "lead",
    "devices_deniedcertificate_delete": "lead",
    "devices_device_look_up": "reader",
    "devices_device_dispute": "lead",
    "devices_device_export": "reader",
    "devices_import_upload": "agent",
    "devices_import_template": "agent",
    "devices_import_show": "agent",
    "devices_import_next": NOBODY,  # but its maker
    "devices_import_progress": "agent",
    "devices_import_confirm": NOBODY,  # but its maker
    "devices_import_sheet": NOBODY,  # but its maker
    "devices_import_numbers": NOBODY,  # but its maker
    "devices_import_again": NOBODY,  # but its maker
    "devices_import_discard": NOBODY,  # but its maker
    "devices_import_bad": "agent",
    "management_endpoint_changelist": "reader",
    "management_endpoint_history": "reader",
    "management_endpoint_change": "reader",
    "management_endpoint_add": "lead",
    "management_endpoint_delete": "lead",
    "management_endpoint_ask": "reader",
    "management_operation_changelist": "reader",
    "management_operation_history": "reader",
    "management_operation_change": "reader",
    "management_operation_add": NOBODY,
    "management_operation_delete": NOBODY,
    "management_operation_progress": "reader",
    "management_artefact_changelist": "reader",
    "management_artefact_history": "reader",
    "management_artefact_change": "reader",
    "management_artefact_add": NOBODY,
    "management_artefact_delete": NOBODY,
    "management_artefact_download": "lead",
    "accounts_group_export": "reader",
    "accounts_user_export": "reader",
    "locations_location_export": "reader",
    "audit_entry_changelist": "reader",
    "audit_entry_history": "reader",
    "audit_entry_change": "reader",
    "audit_entry_add": NOBODY,
    "audit_entry_delete": NOBODY,
    "devices_access_history": NOBODY,
    "devices_access_change": NOBODY,
    "devices_access_add": NOBODY,
    "devices_access_delete": NOBODY,
    "auth_group_changelist": "operator",
    "auth_group_history": "operator",
    "auth_group_change": "operator",
    "auth_group_add": "operator",
    "auth_group_delete": "operator",
}


def names_of_pages(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names_of_pages(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def test_each_page_has_a_row():
    assert set(names_of_pages(admin.site.urls[0])) == set(PAGES)


POSTED = (
    "logout",
    "devices_device_look_up",
    *(f"devices_import_{what}" for what in ("next", "confirm", "sheet", "numbers", "again", "discard")),
)


@pytest.mark.parametrize("page", PAGES)
def test_who_sees_a_page(browsers: dict[str, Client], cast: Cast, page: str, settings: Any):
    if page in ("password_forgotten", "password_new"):
        settings.EMAIL_URL = "smtp://mail.example"  # else they are not there
    device = make_device(cast.provider)
    endpoint = make_endpoint(make_device(cast.provider))
    rows: dict[str, Any] = {
        "management_endpoint": endpoint,
        "management_operation": endpoint.operations.first(),
        "management_artefact": endpoint.artefacts.first(),
        "accounts_group": cast.sibling,
        "accounts_user": make_user(cast.provider),
        "auth_user": make_user(cast.provider),
        "accounts_apikey": make_key(cast.provider)[0],
        "webhooks_alert": make_alert(cast.provider),
        "locations_location": make_location(cast.provider),
        "devices_device": device,
        "devices_access": make_access(device),
        "devices_deniedcertificate": DeniedCertificate.objects.create(name="1 CN=Some CA", reason="Stolen"),
        "auth_group": Role.objects.first(),
        "devices_device_selection": Selection.objects.create(
            user=make_operator(), action="Remove", counts={}, total=0
        ),
        "devices_import": Import.objects.create(file_name="phones.csv", state=ImportState.CHECKED),
        "audit_entry": Entry.objects.first(),
    }
    arguments: list[Any] = []
    if page == "app_list":
        arguments = ["accounts"]
    elif page == "view_on_site":
        arguments = [1, 1]
    elif page.endswith(("_export", "_template")):
        arguments = ["csv"]
    elif page.startswith("devices_import_") and page != "devices_import_upload":
        arguments = [rows["devices_import"].pk, *(["csv"] if page.endswith("_bad") else [])]
    elif page in ("devices_device_look_up", "devices_device_dispute"):
        arguments = [device.pk]
    elif (
        page.endswith(("_history", "_change", "_delete", "_selection", "_ask", "_progress", "_download"))
        and page != "password_change"
    ):
        table = page if page in rows else page.removesuffix("_password_change").rpartition("_")[0]
        arguments = [rows["auth_user" if page == "auth_user_password_change" else table].pk]
    address = reverse(f"admin:{page}", args=arguments)
    if page == "autocomplete":
        address += "?app_label=accounts&model_name=user&field_name=group"
    for who, browser in browsers.items():
        answer = browser.post(address) if page in POSTED else browser.get(address)
        if PAGES[page] == NOT_THERE:
            assert answer.status_code == 404, who
        elif who in ("tenant", "nobody") and PAGES[page] != "open":
            # Whatever it is, they are sent to the door.
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/"), who
        elif who in ORDER.get(PAGES[page], ()):
            assert answer.status_code < 400 or page == "view_on_site", (who, answer.status_code)
        else:
            refused = answer.status_code in (403, 404) or answer.get("Location") == "/admin/"  # is not there
            assert refused, (who, answer.status_code)


# --- Actions ----------------------------------------------------------------------------------------------------

ACTIONS = {
    ("accounts", "group", "delete_selected"): "lead",
    ("accounts", "user", "delete_selected"): "lead",
    ("accounts", "apikey", "delete_selected"): "lead",
    ("webhooks", "alert", "delete_selected"): "lead",
    ("accounts", "user", "unblock"): "agent",
    ("accounts", "user", "force_password_change"): "agent",
    ("accounts", "user", "end_tokens"): "lead",
    ("accounts", "user", "reset_second_factor"): "lead",
    ("locations", "location", "delete_selected"): "lead",
    ("devices", "device", "associate"): "agent",
    ("devices", "device", "take_away_location"): "agent",
    ("devices", "device", "move"): "lead",
    ("devices", "device", "remove"): "agent",
    ("devices", "deniedcertificate", "delete_selected"): "lead",
    ("auth", "group", "delete_selected"): "operator",
}


def test_each_action_has_a_row(db):
    request = RequestFactory().get("/admin/")
    request.user = make_operator()
    found = {
        (model._meta.app_label, model._meta.model_name, action)
        for model, page in admin.site._registry.items()
        for action in page.get_actions(request)
    }
    assert found == set(ACTIONS)


def user_with_tokens(cast: Cast) -> User:
    user = make_user(cast.provider, user_block_time=timezone.now())
    TokenFamily.objects.create(user=user, refresh_jti="x", expires_at=timezone.now())
    make_second_factor(user)
    return user


@pytest.mark.parametrize(("app", "table", "action"), ACTIONS)
def test_who_may_act(browsers: dict[str, Client], cast: Cast, app: str, table: str, action: str):
    allowed = ORDER[ACTIONS[app, table, action]]
    for who, browser in browsers.items():
        row: Any = {
            "accounts.group": lambda: make_group(f"Group of {who}", cast.reseller),  # noqa: B023 - called at once
            "accounts.user": lambda: user_with_tokens(cast),
            "accounts.apikey": lambda: make_key(cast.provider)[0],
            "webhooks.alert": lambda: make_alert(cast.provider),
            "locations.location": lambda: make_location(cast.provider),
            "devices.device": lambda: make_device(cast.provider),
            "devices.deniedcertificate": lambda: DeniedCertificate.objects.create(name=who),  # noqa: B023
            "auth.group": lambda: Role.objects.create(name=f"Role of {who}"),  # noqa: B023
        }[f"{app}.{table}"]()
        selections = Selection.objects.count()
        sent = {"action": action, "_selected_action": [row.pk], "post": "yes", "confirmed": "1"}
        browser.post(reverse(f"admin:{app}_{table}_changelist"), sent)
        after: Any = type(row)._default_manager.filter(pk=row.pk).first()
        if table == "device":
            acted = Selection.objects.count() > selections
        elif action == "delete_selected":
            acted = after is None
        elif action == "unblock":
            acted = after.user_block_time is None
        elif action == "reset_second_factor":
            acted = not SecondFactor.objects.filter(user=row).exists()
        elif action == "force_password_change":
            acted = after.force_change_password
        else:
            acted = not row.token_families.exists()
        assert acted == (who in allowed), who


@pytest.mark.parametrize(
    ("page", "sent", "least"),
    [
        ("accounts_group", {"name": "Renamed"}, "lead"),
        ("accounts_user", {"first_name": "Renamed"}, "lead"),
        ("locations_location", {"description": "Renamed"}, "agent"),
        ("devices_device", {"description": "Renamed"}, "agent"),
        ("auth_group", {"name": "Renamed"}, "operator"),
    ],
)
def test_who_may_change_a_row(
    browsers: dict[str, Client], cast: Cast, page: str, sent: dict[str, str], least: str
):
    rows: dict[str, Any] = {
        "accounts_group": cast.provider,
        "accounts_user": make_user(cast.provider),
        "locations_location": make_location(cast.provider),
        "devices_device": make_device(cast.provider),
        "auth_group": Role.objects.create(name="Night shift"),
    }
    row = rows[page]
    common: dict[str, dict[str, Any]] = {
        "accounts_group": {"reseller": cast.reseller.pk},
        "accounts_user": {"group": cast.provider.pk, "permission_level": "Monitor"},
        "locations_location": {"url": "https://pbx.example/", "answer": "redirect"},
        "devices_device": {},
        "auth_group": {},
    }
    (attribute,) = sent
    before = getattr(row, attribute)
    for who, browser in browsers.items():
        browser.post(reverse(f"admin:{page}_change", args=[row.pk]), common[page] | sent)
        row.refresh_from_db()
        assert (getattr(row, attribute) == "Renamed") == (who in ORDER[least]), who
        type(row)._default_manager.filter(pk=row.pk).update(**{attribute: before})


def test_a_lead_sets_the_password_of_a_tenant_but_not_of_staff(browsers: dict[str, Client], cast: Cast):
    new = "quiet river 9 lantern"
    sent = {"usable_password": "true", "password1": new, "password2": new}
    for who, user, expected in (
        ("lead", make_user(cast.provider), True),
        ("agent", make_user(cast.provider), False),
        ("lead", make_colleague("reader"), False),
        ("lead", User.objects.get(login="boss"), False),
    ):
        browsers[who].post(reverse("admin:auth_user_password_change", args=[user.pk]), sent)
        assert User.objects.get(pk=user.pk).check_password(new) is expected


def test_staff_are_within_reach_of_operators_only(browsers: dict[str, Client], cast: Cast):
    blocked: dict[str, Any] = {"user_block_time": timezone.now()}
    colleague, tenant = make_colleague("agent", **blocked), make_user(cast.provider, **blocked)
    sent = {"_selected_action": [colleague.pk, tenant.pk]}
    for who, action in (("agent", "unblock"), ("agent", "force_password_change"), ("lead", "end_tokens")):
        address = reverse("admin:accounts_user_changelist")
        told = browsers[who].post(address, sent | {"action": action, "confirmed": "1"}, follow=True).text
        assert "1 left alone: only platform operators change staff." in told
    colleague.refresh_from_db()
    tenant.refresh_from_db()
    assert (bool(colleague.user_block_time), colleague.force_change_password) == (True, False)
    assert (bool(tenant.user_block_time), tenant.force_change_password) == (False, True)
    # Their pages offer what may be done, and nothing else.
    offers = 'value="force_password_change"'
    assert offers in browsers["agent"].get(reverse("admin:accounts_user_change", args=[tenant.pk])).text
    assert offers not in browsers["agent"].get(reverse("admin:accounts_user_change", args=[colleague.pk])).text


def test_a_support_person_is_made_on_one_page(browsers: dict[str, Client], cast: Cast):
    address = "/admin/accounts/user/add-staff/"
    assert f'href="{address}"' in browsers["operator"].get("/admin/accounts/user/").text
    assert f'href="{address}"' not in browsers["lead"].get("/admin/accounts/user/").text
    role = Role.objects.get(name="Support agent")
    sent = {
        "login": "grace",
        "first_name": "Grace",
        "last_name": "Hopper",
        "role": role.pk,
        "password1": PASSWORD,
        "password2": PASSWORD,
        "force_change_password": "on",
    }
    assert browsers["lead"].post(address, sent).status_code == 403
    page = browsers["operator"].get(address)
    assert set(page.context["adminform"].form.fields) == {*sent, "email"}
    without_role = browsers["operator"].post(address, {**sent, "role": ""})
    assert "This field is required." in without_role.text
    assert browsers["operator"].post(address, sent).status_code == 302
    grace = User.objects.get_queryset().get(login="grace")
    assert (grace.is_staff, grace.is_superuser, grace.group, grace.permission_level) == (True, False, None, None)
    assert (grace.first_name, grace.last_name, grace.force_change_password) == ("Grace", "Hopper", True)
    assert list(grace.groups.all()) == [role]
    assert grace.has_perm("devices.change_device")
    assert not grace.has_perm("accounts.add_user")
    entry = Entry.objects.filter(object_id=grace.pk).earliest("pk")
    assert (entry.actor_login, entry.event) == ("boss", "Created")
    # Whatever else is sent makes no operator.
    more = {**sent, "login": "eve", "is_superuser": "on", "group": cast.provider.pk}
    assert browsers["operator"].post(address, more).status_code == 302
    eve = User.objects.get_queryset().get(login="eve")
    assert (eve.is_superuser, eve.group) == (False, None)


def test_readers_are_shown_nothing_of_a_password(browsers: dict[str, Client], cast: Cast):
    user = make_user(cast.provider)
    for who, shown in (("reader", False), ("agent", False), ("operator", True)):
        page = browsers[who].get(reverse("admin:accounts_user_change", args=[user.pk])).text
        assert ("md5" in page) is shown  # the hasher of the tests
        assert user.password not in page


# --- The roles themselves ---------------------------------------------------------------------------------------


def names(role: Role) -> set[str]:
    rows = role.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def existing() -> set[str]:
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def test_each_role_adds_to_the_one_before(db):
    for title, permissions in ROLES.values():
        assert names(Role.objects.get(name=title)) == set(permissions) & existing()
    assert set(READER) < set(AGENT) < set(LEAD)
    assert all(permission.partition(".")[2].startswith("view_") for permission in READER)


def test_no_role_makes_staff_or_roles(db):
    assert not any(permission.startswith(("auth.", "desk.", "admin.")) for permission in LEAD)


def test_what_an_operator_changed_stays(db):
    reader, agent = (Role.objects.get(name=ROLES[key][0]) for key in ("reader", "agent"))
    reader.permissions.remove(Permission.objects.get(codename="view_access"))
    reader.permissions.add(Permission.objects.get(codename="add_device"))
    reader.name = "Night shift"
    reader.save()
    agent.delete()
    call_command("migrate", verbosity=0)
    reader.refresh_from_db()
    assert "devices.view_access" not in names(reader)
    assert "devices.add_device" in names(reader)
    assert set(Role.objects.values_list("name", flat=True)) == {"Night shift", "Support lead"}


def test_what_is_new_in_the_table_reaches_roles_that_exist(db):
    lead = Role.objects.get(name="Support lead")
    row = StaffRole.objects.get(key="lead")
    row.given.remove("devices.move_device")  # as if it were new
    row.save()
    lead.permissions.remove(Permission.objects.get(codename="move_device"))
    call_command("migrate", verbosity=0)
    assert "devices.move_device" in names(lead)


# --- A password that is due -------------------------------------------------------------------------------------

NEW = "quiet river 9 lantern"
DUE = "/admin/password_due/"


def due(user: User, **changes: str) -> dict[str, str]:
    return {
        "username": user.login,
        "old_password": PASSWORD,
        "new_password1": NEW,
        "new_password2": NEW,
    } | changes


def test_staff_change_a_password_that_is_due_and_are_let_in(db):
    user = make_colleague("reader", force_change_password=True, fail_login_attempts=2)
    browser = Client()
    page = browser.post("/admin/login/", {"username": user.login, "password": PASSWORD})
    assert page.status_code == 200
    assert "The password must be changed before you go on." in page.text
    assert f'action="{DUE}"' in page.text
    assert f'value="{user.login}"' in page.text
    assert browser.get("/admin/").status_code == 302  # no session before the change
    assert browser.post(DUE, due(user))["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert (user.force_change_password, user.fail_login_attempts) == (False, 0)


@pytest.mark.parametrize(
    ("changes", "sentence", "failures"),
    [
        ({"old_password": "wrong"}, "Login failed", 1),
        ({"username": "nobody"}, "Login failed", 0),
        ({"new_password2": "other"}, "The two password fields didn", 0),
        ({"new_password1": PASSWORD, "new_password2": PASSWORD}, "must differ from the old one", 0),
        ({"new_password1": "short", "new_password2": "short"}, "too short", 0),
        ({"new_password1": "password", "new_password2": "password"}, "too common", 0),
        ({"old_password": ""}, "This field is required.", 0),
        ({"username": "a\0b"}, "Null characters are not allowed.", 0),
    ],
)
def test_a_change_that_is_due_is_refused(db, changes, sentence, failures):
    user = make_colleague("reader", force_change_password=True)
    browser = Client()
    answer = browser.post(DUE, due(user, **changes))
    assert answer.status_code == 200
    assert sentence in answer.text
    assert browser.get("/admin/").status_code == 302
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert user.fail_login_attempts == failures


def test_a_blocked_user_changes_nothing(db):
    user = make_colleague("reader", force_change_password=True, user_block_time=timezone.now())
    assert "Login failed" in Client().post(DUE, due(user)).text
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_a_tenants_user_gets_no_session_by_a_change_that_is_due(cast: Cast):
    user = make_user(cast.provider, force_change_password=True)
    browser = Client()
    told = browser.post("/admin/login/", {"username": user.login, "password": PASSWORD})
    assert "for support staff" in told.text
    assert browser.post(DUE, due(user))["Location"] == "/admin/login/"
    assert browser.get("/admin/").status_code == 302


def test_everything_is_refused_to_those_of_no_role(cast: Cast):
    """A colleague without a role is let in, and finds nothing there."""
    browser = Client()
    browser.force_login(make_user(None, None, is_staff=True))
    for model in (Group, User, Location, Device):
        meta = model._meta
        assert browser.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")).status_code == 403
