"""The admin over HTTP: who gets in, what is found, what is refused, and what a change does."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command, get_commands
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, Group, Level, User
from accounts.sessions import end_tokens, force_password_change
from audit.models import Entry
from desk.admin.devices import DeviceForm
from devices.models import Access, DeniedCertificate, Device
from locations.models import Location
from management.models import Artefact, Endpoint, Operation
from tests.conftest import (
    PASSWORD,
    Api,
    Cast,
    make_access,
    make_alert,
    make_device,
    make_endpoint,
    make_group,
    make_key,
    make_location,
    make_operator,
    make_server,
    make_user,
)
from webhooks.models import Alert

NEW_PASSWORD = "quiet river 9 lantern"
GROUPS = "/admin/accounts/group/"
USERS = "/admin/accounts/user/"
LOCATIONS = "/admin/locations/location/"
DEVICES = "/admin/devices/device/"
ROLES = "/admin/auth/group/"
AUDIT = "/admin/audit/entry/"
ACCESSES = "/admin/devices/access/"
KEYS = "/admin/accounts/apikey/"
ALERTS = "/admin/webhooks/alert/"
DENIED = "/admin/devices/deniedcertificate/"
LISTS = [GROUPS, USERS, LOCATIONS, DEVICES]


@pytest.fixture
def operator(db: None) -> Client:
    """A browser in which a platform operator has logged in."""
    return browser_of(make_operator())


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_staff(*permissions: str, level: str | None = None, **attributes: Any) -> User:
    """Support staff with permissions such as `view_device`."""
    user = make_user(None, level, is_staff=True, **attributes)
    apps = ("accounts", "locations", "devices")
    allowed = Permission.objects.filter(codename__in=permissions, content_type__app_label__in=apps)
    assert allowed.count() == len(permissions)
    user.user_permissions.set(allowed)
    return user


def log_in(login: str, password: str, client: Client | None = None) -> Any:
    return (client or Client()).post(
        "/admin/login/?next=/admin/", {"username": login, "password": password, "next": "/admin/"}
    )


def text_of(response: Any) -> str:
    """What a person reads."""
    without_tags = re.sub(r"<[^>]*>", " ", response.content.decode())
    return " ".join(without_tags.replace("&#x27;", "'").split())


def fields_of(user: User, **changes: Any) -> dict[str, Any]:
    """What the form of a user sends; None is an empty box."""
    names = ("first_name", "last_name", "email", "phone1", "phone2", "description", "permission_level")
    values = {name: getattr(user, name) for name in names} | {"group": user.group_id}
    boxes = ("is_active", "force_change_password", "is_staff", "is_superuser")
    values |= {name: "on" for name in boxes if getattr(user, name)}
    values |= changes
    return {name: value for name, value in values.items() if value is not None}


# A row of each list, for the counting of statements.
ROWS: dict[type[Model], Callable[[Group, int], Any]] = {
    Group: lambda group, number: make_group(f"Under {number}", make_group(f"Above {number}")),
    User: lambda group, number: make_user(group),
    Location: lambda group, number: make_location(group),
    ApiKey: lambda group, number: make_key(group)[0],
    Alert: lambda group, number: make_alert(group),
    Device: lambda group, number: make_device(group, location=make_location(group)),
    Access: lambda group, number: make_access(make_device(group)),
    Role: lambda group, number: Role.objects.create(name=f"Role {number}"),
    Entry: lambda group, number: make_location(group),  # any write leaves one
    DeniedCertificate: lambda group, number: DeniedCertificate.objects.create(
        name=f"{number:x} CN=CA", reason="lost"
    ),
    Endpoint: lambda group, number: make_endpoint(make_device(group)),
    Operation: lambda group, number: make_server(make_location(group)),  # and an operation of it
    Artefact: lambda group, number: None,  # each device's endpoint has one
}

# --- The door -------------------------------------------------------------------------------------------------


def test_staff_log_in_and_their_own_name_is_shown(db):
    staff = make_staff("view_device")
    client = Client()
    assert log_in(staff.login.upper(), PASSWORD, client).status_code == 302
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "Redirect Service" in text_of(page)
    assert staff.login in text_of(page)


@pytest.mark.parametrize("level", Level)
def test_a_tenants_level_opens_nothing(cast: Cast, level):
    user = make_user(cast.reseller, level)
    refused = log_in(user.login, PASSWORD)
    assert refused.status_code == 200
    assert "for support staff" in text_of(refused)
    client = browser_of(user)
    for address in ["/admin/", *LISTS]:
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


def test_a_wrong_password_is_counted_once_on_the_counter_of_the_api(db, settings):
    settings.LOGIN_FAILURES_UNTIL_BLOCK = 4
    staff = make_staff()
    wrong = {"userName": staff.login, "password": "wrong"}
    for failures in (1, 3):
        assert "Login failed" in text_of(log_in(staff.login, "wrong"))
        staff.refresh_from_db()
        assert staff.fail_login_attempts == failures
        assert Api().post("/login", wrong).status_code == 401
    staff.refresh_from_db()
    assert staff.fail_login_attempts == 4
    assert staff.user_block_time is not None
    assert staff.last_login_status == "Fail"
    # Blocked: the right password is refused in the words of a wrong one.
    blocked, unknown = log_in(staff.login, PASSWORD), log_in("nobody", PASSWORD)
    sentence = "Login failed: the login name or password is wrong, or the user is blocked."
    assert sentence in text_of(blocked)
    assert sentence in text_of(unknown)


def test_a_login_sets_the_counter_to_zero(db):
    staff = make_staff(fail_login_attempts=3)
    assert log_in(staff.login, PASSWORD).status_code == 302
    staff.refresh_from_db()
    assert staff.fail_login_attempts == 0
    assert staff.last_login_status == "Success"


def test_a_user_who_is_not_active_stays_outside(db):
    staff = make_staff(is_active=False)
    assert "Login failed" in text_of(log_in(staff.login, PASSWORD))


def test_a_source_over_its_limit_is_told_when_to_come_back(db, settings):
    settings.LOGIN_LIMIT_PER_SOURCE = 1
    staff = make_staff()
    log_in(staff.login, "wrong")
    assert re.search(r"too many attempts\. Try again in \d+ seconds", text_of(log_in(staff.login, PASSWORD)))
    staff.refresh_from_db()
    assert staff.fail_login_attempts == 1


@pytest.mark.parametrize(
    "sent", [{"username": ""}, {"password": ""}, {"username": "a\0b"}, {"username": "x" * 5000}]
)
def test_nonsense_is_no_error_of_the_service(db, sent):
    assert Client().post("/admin/login/", {"username": "a", "password": "b", **sent}).status_code == 200


def test_createsuperuser_makes_an_operator_of_api_and_admin(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_LOGIN", "root@platform")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, verbosity=0)
    answer = Api().post("/login", {"userName": "root@platform", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"]["group"] is None
    client = Client()
    assert log_in("root@platform", PASSWORD, client).status_code == 302
    assert client.get(GROUPS).status_code == 200


def test_no_page_holds_a_script_that_the_content_policy_forbids(operator, cast: Cast):
    device = make_device(cast.provider)
    pages = ["/admin/", *LISTS, f"{DEVICES}{device.pk}/change/", f"{USERS}add/", "/admin/password_change/"]
    answers = [Client().get("/admin/login/"), *map(operator.get, pages)]
    for answer in answers:
        assert answer.status_code == 200
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert re.findall("script-src[^;]*", policy) == ["script-src 'self' 'unsafe-eval'"]
        assert re.search(rb"<script(?![^>]*\bsrc=)(?![^>]*json)|\son\w+=|\sstyle=", answer.content) is None


def test_whoever_logs_in_without_a_goal_sees_the_dashboard(db):
    staff = make_staff()
    answer = Client().post("/admin/login/", {"username": staff.login, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


# --- One's own password ---------------------------------------------------------------------------------------


def change_own(client: Client, old: str, new: str) -> Any:
    sent = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/admin/password_change/", sent)


def test_a_new_password_of_ones_own_ends_tokens_but_not_the_session(db):
    staff = make_staff()
    Api(staff)
    client = browser_of(staff)
    assert change_own(client, PASSWORD, NEW_PASSWORD).status_code == 302
    assert not staff.token_families.exists()
    assert client.get("/admin/").status_code == 200
    assert log_in(staff.login, NEW_PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "sentence", "failures"),
    [
        ("wrong", NEW_PASSWORD, "Login failed", 1),
        (PASSWORD, PASSWORD, "must differ from the old one", 0),
        (PASSWORD, "password", "too common", 0),
        (PASSWORD, "short", "too short", 0),
    ],
)
def test_a_change_of_ones_own_password_is_refused(db, old, new, sentence, failures):
    staff = make_staff()
    refused = change_own(browser_of(staff), old, new)
    assert refused.status_code == 200
    assert sentence in text_of(refused)
    staff.refresh_from_db()
    assert staff.check_password(PASSWORD)
    assert staff.fail_login_attempts == failures


# --- Lists ------------------------------------------------------------------------------------------------------


def statements(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_the_statements_of_a_list_do_not_grow_with_its_rows(operator, cast: Cast):
    searches = [f"{DEVICES}?q=0090", f"{LOCATIONS}?q=pbx", f"{GROUPS}?q=phones", f"{USERS}?q=user"]
    addresses = [
        *(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in ROWS),
        *searches,
        f"{GROUPS}{cast.reseller.pk}/delete/",
    ]
    for make in ROWS.values():
        make(cast.provider, 0)
    few = {address: statements(operator, address) for address in addresses}
    for number in range(1, 101):
        group = make_group(f"Phones {number}", cast.reseller)
        for make in ROWS.values():
            make(group, number)
    for address in addresses:
        many = statements(operator, address)
        assert len(many) == len(few[address]), many


def test_the_statements_of_each_list_are_counted():
    """A list that is new takes its place in ROWS."""
    assert set(admin.site._registry) == set(ROWS)


def test_a_list_counts_its_rows_no_more_than_once(operator, cast: Cast):
    make_device(cast.provider)
    for path, number in ((DEVICES, 0), (f"{DEVICES}?q=lobby", 1)):
        counts = [sql for sql in statements(operator, path) if "COUNT(" in sql]
        assert len(counts) == number, counts


@pytest.mark.parametrize(
    "term",
    [
        "00A0C914C829",
        "00a0c914c829",
        "00:a0:c9:14:c8:29",
        "00-A0-C9-14-C8-29",
        " 00:A0:C9:14:C8:29 ",
        "00A0C914C829.cfg",
        "00a0.c914.c829",
        "00 A0 C9 14 C8 29",
        "00a0c9-14c829",
        "0:a0:c9:14:c8:29",
        "00\u2013a0\u2013c9\u201314\u2013c8\u201329",
        "C9\u201114",
        "C9:14",
        "c914.c8",
        "14c8",
        "berlin",
        "PBX.example",
        "lobby",
    ],
)
def test_a_device_is_found(operator, cast: Cast, term):
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}")
    device = make_device(cast.provider, "00A0C914C829", location, description="Lobby")
    make_device(cast.sibling, "00A0C0000001")
    answer = operator.get(DEVICES, {"q": term})
    assert list(answer.context["cl"].queryset) == [device]
    assert "00:A0:C9:14:C8:29" in text_of(answer)


def test_what_is_not_there_is_not_found(operator, cast: Cast):
    make_device(cast.provider)
    for term in ("00:A0:C9:14:C8:29", "%", "_", "'"):
        assert not operator.get(DEVICES, {"q": term}).context["cl"].queryset


def test_a_whole_mac_is_looked_up_without_searching(operator, cast: Cast):
    make_device(cast.provider, "00A0C914C829")
    assert not any("LIKE" in sql for sql in statements(operator, f"{DEVICES}?q=00:a0:c9:14:c8:29"))


@pytest.mark.parametrize(
    ("address", "term", "found"),
    [
        (GROUPS, "acme", ["Acme Voice", "Berlin Phones", "Munich Phones"]),
        (USERS, "berlin", ["ada@berlin"]),
        (USERS, "ADA@", ["ada@berlin"]),
        (LOCATIONS, "pbx", ["https://pbx.example/cfg/"]),
        (LOCATIONS, "munich", ["https://pbx.example/cfg/"]),
    ],
)
def test_groups_users_and_locations_are_found(operator, cast: Cast, address, term, found):
    make_user(cast.provider, login="ada@berlin")
    make_location(cast.sibling)
    make_location(cast.stranger, "https://else.example/")
    queryset = operator.get(address, {"q": term}).context["cl"].queryset
    assert [str(row) for row in queryset] == found


@pytest.mark.parametrize(
    ("address", "query"),
    [
        (GROUPS, {"group_type__exact": "Reseller"}),
        (USERS, {"blocked": "yes"}),
        (USERS, {"permission_level__exact": "Monitor"}),
        (LOCATIONS, {"mutual_auth__exact": "1"}),
        (LOCATIONS, {"last_access__isempty": "1"}),
        (DEVICES, {"last_access_status__exact": "Fail"}),
        (DEVICES, {"location__isempty": "1"}),
        (DEVICES, {"last_access__isnull": "True"}),
    ],
)
def test_lists_are_filtered(operator, cast: Cast, address, query):
    location = make_location(cast.provider, last_access=timezone.now())
    make_location(cast.provider, mutual_auth=True)
    make_device(cast.provider, location=location, last_access=timezone.now(), last_access_status="Success")
    make_device(cast.provider, last_access_status="Fail")
    make_user(cast.provider, user_block_time=timezone.now())
    make_user(cast.provider, Level.MONITOR, user_block_time=timezone.now() - timedelta(days=1))
    everything = operator.get(address).context["cl"].result_count
    assert 0 < operator.get(address, query).context["cl"].result_count < everything


CHIPS = [
    (DEVICES, "q=00A0C914C829", ["Search: 00A0C914C829"]),
    (DEVICES, "group__id__exact={provider}", ["Group: Acme Voice / Berlin Phones"]),
    (DEVICES, "group__id__exact=999999999", ["Group: a group that was deleted"]),
    (DEVICES, "group__id__exact=many", ["Group: a group that was deleted"]),
    (DEVICES, "last_access_status__exact=Fail", ["Last access status: Fail"]),
    (DEVICES, "location__id__exact={location}", ["Location: https://one.example/"]),
    (
        DEVICES,
        "last_access__gte=2026-11-26T10:00:00Z&last_access_status__exact=Fail",
        ["Last access status: Fail", "Last access: since 2026-11-26 10:00:00 UTC"],
    ),
    (USERS, "blocked=yes&q=berlin", ["Search: berlin", "Blocked: Blocked now"]),
    (GROUPS, "reseller__id__exact={reseller}&has_devices=no", ["Reseller: Acme Voice", "Devices: Has none"]),
    (LOCATIONS, "mutual_auth__exact=1", ["Mutual auth: Yes"]),
    (AUDIT, "group__id__exact={provider}", ["Group: Acme Voice / Berlin Phones"]),
    (ACCESSES, "when=hour&outcome__exact=failed", ["Outcome: Not redirected", "Time: Last hour"]),
    (
        ACCESSES,
        "when=2026-11-26T10:00:00Z/2026-11-26T11:00:00Z",
        ["Time: 26 Nov 10:00:00 to 26 Nov 11:00:00"],
    ),
    (ACCESSES, "", []),
    (DEVICES, "o=1", []),
]


@pytest.mark.parametrize(("address", "query", "expected"), CHIPS)
def test_active_filters_are_shown_and_each_is_taken_away_alone(operator, cast: Cast, address, query, expected):
    location = make_location(cast.provider, "https://one.example/")
    query = query.format(provider=cast.provider.pk, reseller=cast.reseller.pk, location=location.pk)
    page = operator.get(f"{address}?{query}").content.decode()
    chips = re.findall(r'<a href="([^"]*)" aria-label="Remove the filter ([^"]*)">', page)
    assert [unescape(text) for _, text in chips] == expected
    for link, text in chips:
        left = operator.get(address + unescape(link)).content.decode()
        others = re.findall(r'aria-label="Remove the filter ([^"]*)">', left)
        assert others == [other for _, other in chips if other != text]


@pytest.mark.parametrize(
    ("address", "own"), [(DEVICES, make_device), (LOCATIONS, make_location), (USERS, make_user)]
)
def test_a_list_is_narrowed_to_a_group_that_is_looked_for_by_name(operator, cast: Cast, address, own):
    for number in range(30):
        make_group(f"Group {number}", cast.reseller)
    row, _ = own(cast.provider), own(cast.sibling)
    page = operator.get(address, {"q": ""})
    assert "Group 17" not in page.content.decode()  # none of ten thousand is listed
    assert 'name="group__id__exact"' in page.content.decode()
    narrowed = operator.get(address, {"group__id__exact": cast.provider.pk, "o": "1"})
    assert list(narrowed.context["cl"].queryset) == [row]
    assert '<input type="hidden" name="o" value="1">' in narrowed.content.decode()  # what else was chosen stays
    assert list(operator.get(address, {"group__id__exact": "x"}).context["cl"].queryset) == []


def test_requests_and_entries_are_those_of_a_group(operator, cast: Cast):
    mine, other = make_device(cast.provider), make_device(cast.sibling)
    for device in (mine, other):
        make_access(device)
    chosen = {"group__id__exact": cast.provider.pk}
    assert [access.mac for access in operator.get(ACCESSES, chosen).context["cl"].queryset] == [mine.mac]
    entries = operator.get(AUDIT, chosen).context["cl"].queryset
    named = {entry.object_repr for entry in entries}
    assert mine.mac in named
    assert other.mac not in named


def test_rows_lead_to_their_group(operator, cast: Cast):
    make_user(cast.provider)
    link = f'href="{GROUPS}{{}}/change/">{{}}</a>'
    assert link.format(cast.provider.pk, "Berlin Phones") in operator.get(USERS).content.decode()
    assert link.format(cast.reseller.pk, "Acme Voice") in operator.get(f"{GROUPS}?q=Berlin").content.decode()


def test_a_blocked_user_is_shown_as_long_as_the_block_lasts(operator, cast: Cast, settings):
    make_user(cast.provider, user_block_time=timezone.now())
    assert operator.get(USERS, {"blocked": "yes"}).context["cl"].result_count == 1
    settings.LOGIN_BLOCK = timedelta(0)
    assert operator.get(USERS, {"blocked": "yes"}).context["cl"].result_count == 0


def test_counts_lead_to_the_rows_they_count(operator, cast: Cast):
    make_device(cast.provider, "00A0C914C829", make_location(cast.provider))
    make_device(cast.sibling)
    for source, target in ((GROUPS, DEVICES), (GROUPS, LOCATIONS), (LOCATIONS, DEVICES)):
        links = re.findall(rf'href="({target}\?[^"]+)">1<', operator.get(source).content.decode())
        assert links
        for link in links:
            assert operator.get(link).context["cl"].result_count == 1


def test_where_a_reseller_is_to_be_chosen_none_but_resellers_are_offered(operator, cast: Cast):
    asked = {"app_label": "accounts", "model_name": "group", "field_name": "reseller"}
    offered = operator.get("/admin/autocomplete/", asked).json()["results"]
    assert [entry["text"] for entry in offered] == ["Acme Voice", "Foreign Telecom"]


# --- Forms ------------------------------------------------------------------------------------------------------


def refused(client: Client, address: str, sent: dict[str, Any], sentence: str) -> None:
    """The form comes back with this sentence."""
    answer = client.post(address, sent)
    assert answer.status_code == 200
    assert sentence in text_of(answer)


def test_a_group_is_created_and_changed(operator, cast: Cast):
    sent = {"name": "Cologne Phones", "group_type": "Provider", "reseller": cast.reseller.pk}
    assert operator.post(f"{GROUPS}add/", sent).status_code == 302
    group = Group.objects.get(name="Cologne Phones")
    assert group.reseller == cast.reseller
    sent = {
        "name": "Cologne",
        "reseller": cast.stranger.pk,
        "description": "two\r\nlines",
        "group_type": "Reseller",
    }
    assert operator.post(f"{GROUPS}{group.pk}/change/", sent).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.reseller, group.group_type) == ("Cologne", cast.stranger, "Provider")
    assert group.description == "two\nlines"  # texts are kept in one form


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"group_type": "Provider"}, "A Provider needs the Reseller that it belongs to."),
        ({"group_type": "Provider", "reseller": "provider"}, "Berlin Phones is a Provider; choose a Reseller."),
        ({"group_type": "Reseller", "reseller": "reseller"}, "Only a Provider has a reseller."),
        (
            {"group_type": "Provider", "reseller": "reseller", "name": "Berlin Phones"},
            "The reseller has a provider of this name.",
        ),
        ({"group_type": "Reseller", "name": "Acme Voice"}, "There is a reseller of this name."),
        ({"group_type": "Nothing"}, "not one of the available choices"),
        ({"group_type": "Reseller", "name": ""}, "This field is required."),
        ({"group_type": "Reseller", "name": "x" * 151}, "at most 150 characters"),
    ],
)
def test_a_group_is_refused(operator, cast: Cast, sent, sentence):
    reseller = {"reseller": getattr(cast, sent["reseller"]).pk} if "reseller" in sent else {}
    refused(operator, f"{GROUPS}add/", {"name": "New", **sent, **reseller}, sentence)
    assert not Group.objects.filter(name="New").exists()


def test_a_provider_keeps_a_reseller_and_a_reseller_gets_none(operator, cast: Cast):
    refused(operator, f"{GROUPS}{cast.provider.pk}/change/", {"name": "x"}, "A Provider needs the Reseller")
    sent = {"name": "x", "reseller": cast.stranger.pk}
    refused(operator, f"{GROUPS}{cast.reseller.pk}/change/", sent, "Only a Provider has a reseller.")


def test_a_location_is_created_and_changed(operator, cast: Cast):
    sent = {"group": cast.provider.pk, "url": "https://pbx.example/{MAC ADDRESS}.cfg", "mutual_auth": "on"}
    sent["answer"] = "redirect"
    assert operator.post(f"{LOCATIONS}add/", sent).status_code == 302
    location = Location.objects.get()
    assert (location.group, location.mutual_auth) == (cast.provider, True)
    sent = {"group": cast.sibling.pk, "url": "tftp://10.0.0.1/", "answer": "settings"}
    assert operator.post(f"{LOCATIONS}{location.pk}/change/", sent).status_code == 302
    location.refresh_from_db()
    # The group of a location is given once.
    assert (location.url, location.mutual_auth, location.group) == ("tftp://10.0.0.1/", False, cast.provider)


@pytest.mark.parametrize("url", ["https://pbx.example/", "tftp://10.0.0.1/"])
@pytest.mark.parametrize("page", ["change", "history", "delete"])
def test_the_url_of_a_location_keeps_its_case(operator, cast: Cast, url, page):
    location = make_location(cast.provider, url)
    text = unescape(text_of(operator.get(f"{LOCATIONS}{location.pk}/{page}/")))
    assert url in text
    assert url.capitalize() not in text


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("javascript://x/", "The protocol javascript is not allowed."),
        ("https://pbx.example/{NAME}", "Braces may stand in the path only as"),
        ("pbx.example", "A URL must look like protocol://host"),
        ("https://pbx.example/" + "x" * 1400, "at most"),
        ("", "This field is required."),
    ],
)
def test_a_location_is_refused(operator, cast: Cast, url, sentence):
    refused(operator, f"{LOCATIONS}add/", {"group": cast.provider.pk, "url": url}, sentence)
    assert not Location.objects.exists()


@pytest.mark.parametrize("group", ["abc", "-1", "1.5", "9" * 30, "\u0663", "1 "])
def test_a_group_that_no_page_sends_is_an_error_of_the_form(operator, cast: Cast, group):
    device = make_device(cast.provider)
    sent = {"mac": "00A0C914C829", "group": group, "url": "https://pbx.example/", "reason": "It is theirs."}
    pages = [f"{DEVICES}add/", f"{LOCATIONS}add/", f"{USERS}add/", f"{KEYS}add/", f"{ALERTS}add/"]
    for page in (*pages, f"{DEVICES}{device.pk}/dispute/"):
        answer = operator.post(page, sent)
        assert answer.status_code in (200, 403), page
    assert (Device.objects.count(), Location.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    "spelling",
    [
        "00a0c914c829",
        "00:A0:c9:14:C8:29",
        "00-a0-c9-14-c8-29",
        " 00A0C914C829 ",
        "00_a0_c9_14_c8_29",
        "0:a0:c9:14:c8:29",
        "00\u2013a0\u2013c9\u201314\u2013c8\u201329",
    ],
)
def test_a_device_is_created_from_any_spelling(operator, cast: Cast, spelling):
    location = make_location(cast.provider)
    sent = {"mac": spelling, "group": cast.provider.pk, "location": location.pk}
    assert operator.post(f"{DEVICES}add/", sent).status_code == 302
    device = Device.objects.get()
    assert (device.mac, device.group, device.location) == ("00A0C914C829", cast.provider, location)
    assert device.last_access_status == "Await access"


def test_a_device_is_changed_and_keeps_its_mac_and_its_group(operator, cast: Cast):
    device = make_device(cast.provider, "00A0C914C829")
    location = make_location(cast.provider)
    sent = {"mac": "00A0C9000000", "group": cast.sibling.pk, "location": location.pk, "num_requests": 7}
    assert operator.post(f"{DEVICES}{device.pk}/change/", sent).status_code == 302
    device.refresh_from_db()
    assert (device.mac, device.group, device.location) == ("00A0C914C829", cast.provider, location)
    assert device.num_requests == 0


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"mac": "00A0C914C8"}, "Expected a MAC address such as"),
        ({"mac": "00:A0:C9:14:C8:2"}, "Expected a MAC address such as"),
        ({"mac": "00:A0:C9:14:C8:29:00"}, "Expected a MAC address such as"),
        ({"mac": "00:A0-C9:14-C8:29"}, "Expected a MAC address such as"),
        ({"mac": "01a0.c914.c829"}, "01:A0:C9:14:C8:29 is reserved"),
        ({"mac": ""}, "This field is required."),
        ({"mac": "00:A0:C9:14:C8:29"}, "00:A0:C9:14:C8:29 is a device of Acme Voice / Berlin Phones already."),
        ({"mac": "00a0.c914.c829"}, "is a device of Acme Voice / Berlin Phones already."),
        ({"location": "foreign"}, "This location belongs to Munich Phones"),
        ({"location": 999999}, "not one of the available choices"),
        ({"group": 999999}, "not one of the available choices"),
        ({"group": ""}, "This field is required."),
    ],
)
def test_a_device_is_refused(operator, cast: Cast, sent, sentence):
    make_device(cast.provider, "00A0C914C829")
    if sent.get("location") == "foreign":
        sent = {"location": make_location(cast.sibling).pk}
    refused(operator, f"{DEVICES}add/", {"mac": "00A0C9000001", "group": cast.provider.pk, **sent}, sentence)
    assert Device.objects.count() == 1


def test_a_device_gets_no_location_of_another_group(operator, cast: Cast):
    device = make_device(cast.provider)
    location = make_location(cast.sibling)
    sent = {"location": location.pk}
    refused(operator, f"{DEVICES}{device.pk}/change/", sent, "This location belongs to Munich Phones")


def test_saving_a_device_does_not_undo_a_visit_that_came_in_between(operator, cast: Cast, monkeypatch):
    device = make_device(cast.provider)
    clean = DeviceForm.clean

    def clean_while_the_phone_boots(form: DeviceForm) -> Any:
        Device.objects.filter(pk=device.pk).update(num_requests=5, last_access_status="Fail")
        return clean(form)

    monkeypatch.setattr(DeviceForm, "clean", clean_while_the_phone_boots)
    sent = {"group": cast.provider.pk, "description": "Lobby"}
    assert operator.post(f"{DEVICES}{device.pk}/change/", sent).status_code == 302
    device.refresh_from_db()
    assert (device.description, device.num_requests, device.last_access_status) == ("Lobby", 5, "Fail")


@pytest.mark.parametrize("column", ["mac", "group"])
def test_a_race_that_only_the_database_sees_is_a_sentence(operator, cast: Cast, monkeypatch, column):
    device = make_device(cast.provider, "00A0C914C829", make_location(cast.provider))
    monkeypatch.setattr(Device, "full_clean", lambda *args, **kwargs: None)
    monkeypatch.setattr(DeviceForm, "clean", lambda form: form.cleaned_data)
    monkeypatch.setattr(DeviceForm, "clean_mac", lambda form: form.cleaned_data["mac"])
    if column == "mac":
        address, sent = f"{DEVICES}add/", {"mac": device.mac, "group": cast.sibling.pk}
    else:
        address = f"{DEVICES}{device.pk}/change/"
        sent = {"location": make_location(cast.sibling).pk}
    answer = operator.post(address, sent, follow=True)
    assert answer.status_code == 200
    assert "Changed by another request, try again." in text_of(answer)
    assert Device.objects.get().group == cast.provider


# --- Deleting ---------------------------------------------------------------------------------------------------


def test_what_others_need_is_not_deleted_and_the_page_counts_them(operator, cast: Cast):
    location = make_location(cast.reseller)
    for _ in range(3):
        make_device(cast.reseller, location=location)
    make_user(cast.reseller)
    expected = {
        f"{GROUPS}{cast.reseller.pk}/delete/": ["2 providers", "1 users", "1 locations", "3 devices"],
        f"{LOCATIONS}{location.pk}/delete/": ["3 devices"],
    }
    for address, counts in expected.items():
        for answer in (operator.get(address), operator.post(address, {"post": "yes"})):
            assert answer.status_code == 200
            for count in ("Cannot delete", *counts):
                assert count in text_of(answer)
    selected = {"action": "delete_selected", "_selected_action": [location.pk], "post": "yes"}
    assert "Cannot delete" in text_of(operator.post(LOCATIONS, selected))
    assert Location.objects.exists()


def test_what_is_needed_since_the_page_was_shown_is_not_deleted(operator, cast: Cast, monkeypatch):
    location = make_location(cast.provider)
    make_device(cast.provider, location=location)
    nothing: Any = ([], {}, set(), [])
    monkeypatch.setattr("desk.admin.base.TableAdmin.get_deleted_objects", lambda *args: nothing)
    selected = {"action": "delete_selected", "_selected_action": [location.pk], "post": "yes"}
    for address, sent in ((f"{LOCATIONS}{location.pk}/delete/", {"post": "yes"}), (LOCATIONS, selected)):
        answer = operator.post(address, sent, follow=True)
        assert answer.status_code == 200
        assert "Changed by another request, try again." in text_of(answer)
    assert Location.objects.exists()


def test_what_nobody_needs_is_deleted(operator, cast: Cast):
    location, user = make_location(cast.provider), make_user(cast.provider)
    device = make_device(cast.provider)
    Api(user)
    for address, row in ((LOCATIONS, location), (USERS, user), (DEVICES, device), (GROUPS, cast.sibling)):
        assert operator.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not type(row)._default_manager.filter(pk=row.pk).exists()


def test_nobody_deletes_their_own_user(db):
    operator = make_operator()
    client = browser_of(operator)
    assert client.post(f"{USERS}{operator.pk}/delete/", {"post": "yes"}).status_code == 403
    selected = {"action": "delete_selected", "_selected_action": [operator.pk], "post": "yes"}
    client.post(USERS, selected)
    assert User.objects.get_queryset().filter(pk=operator.pk).exists()


# --- Users ------------------------------------------------------------------------------------------------------


def new_user(**changes: Any) -> dict[str, Any]:
    return {"login": "eva@berlin", "password1": PASSWORD, "password2": PASSWORD, **changes}


def test_a_user_is_created_with_a_password(operator, cast: Cast):
    sent = new_user(group=cast.provider.pk, permission_level="Operator", first_name="Eva")
    assert operator.post(f"{USERS}add/", sent).status_code == 302
    answer = Api().post("/login", {"userName": "EVA@berlin", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user"]["firstName"] == "Eva"
    assert answer.json()["user"]["permissionLevel"] == "Operator"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"login": "eva berlin"}, "Use ASCII letters, digits and . _ @ + - only."),
        ({"login": "évà"}, "Use ASCII letters, digits and . _ @ + - only."),
        ({"login": "ADA"}, "There is a user of this login."),
        ({"login": "ada"}, "already exists"),
        ({"login": "x" * 151}, "at most 150 characters"),
        ({"login": ""}, "This field is required."),
        ({"password2": "other"}, "The two password fields didn"),
        ({"password1": "eva@BERLIN", "password2": "eva@BERLIN"}, "The password must not be the login."),
        ({"password1": "password", "password2": "password"}, "too common"),
        ({"password1": "x" * 129, "password2": "x" * 129}, "at most 128 characters"),
        ({"permission_level": ""}, "A user of a group needs a permission level."),
        ({"permission_level": "God"}, "not one of the available choices"),
        ({"email": "nowhere"}, "Enter a valid email address."),
    ],
)
def test_a_new_user_is_refused(operator, cast: Cast, sent, sentence):
    make_user(cast.stranger, login="ada")
    users = User.objects.get_queryset().count()
    sent = new_user(group=cast.provider.pk, permission_level="Monitor") | sent
    refused(operator, f"{USERS}add/", sent, sentence)
    assert User.objects.get_queryset().count() == users


def test_a_user_of_a_group_keeps_a_level_and_becomes_no_operator(operator, cast: Cast):
    user = make_user(cast.provider)
    address = f"{USERS}{user.pk}/change/"
    refused(operator, address, fields_of(user, permission_level=""), "A user of a group needs a permission level.")
    refused(operator, address, fields_of(user, is_superuser="on"), "A platform operator (superuser) has no group.")
    alone = fields_of(user, group="", permission_level="", is_superuser="on", is_staff="on")
    assert operator.post(address, alone).status_code == 302


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"first_name": "Eve"}, False),
        ({"force_change_password": "on"}, False),
        ({"permission_level": "Monitor"}, True),
        ({"group": "sibling"}, True),
        ({"is_active": None}, True),
        ({"is_staff": "on"}, True),
        ({"is_superuser": "on", "group": "", "permission_level": ""}, True),
    ],
)
def test_a_change_of_rights_ends_the_tokens(operator, cast: Cast, changes, end):
    user = make_user(cast.provider)
    api = Api(user)
    if changes.get("group") == "sibling":
        changes = {"group": cast.sibling.pk}
    assert operator.post(f"{USERS}{user.pk}/change/", fields_of(user, **changes)).status_code == 302
    assert api.get("/users/me").status_code == (401 if end else 200)
    assert user.token_families.exists() is not end


def test_the_login_and_the_counters_are_not_changed_by_hand(operator, cast: Cast):
    user = make_user(cast.provider, fail_login_attempts=3)
    changes = {"login": "other", "fail_login_attempts": "0", "last_login_status": "Success", "password": "x"}
    assert operator.post(f"{USERS}{user.pk}/change/", fields_of(user, **changes)).status_code == 302
    after = User.objects.get(pk=user.pk)
    assert (after.login, after.fail_login_attempts, after.last_login_status) == (user.login, 3, None)
    assert after.check_password(PASSWORD)


def test_a_new_password_ends_the_block_and_the_tokens(operator, cast: Cast):
    user = make_user(cast.provider, fail_login_attempts=10, user_block_time=timezone.now())
    Api(user)
    address = f"{USERS}{user.pk}/password/"
    sent = {"usable_password": "true", "password1": "short", "password2": "short"}
    refused(operator, address, sent, "too short")
    assert user.token_families.exists()
    sent |= {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert operator.post(address, sent).status_code == 302
    assert not user.token_families.exists()
    assert Api().post("/login", {"userName": user.login, "password": NEW_PASSWORD}).status_code == 200


def act(client: Client, action: str, *users: User) -> Any:
    return client.post(USERS, {"action": action, "_selected_action": [user.pk for user in users]}, follow=True)


def test_users_are_unblocked(operator, cast: Cast):
    now = timezone.now()
    users = [make_user(cast.provider, fail_login_attempts=10, user_block_time=now) for _ in range(2)]
    assert "Unblocked: 2." in text_of(act(operator, "unblock", *users))
    for user in users:
        assert Api().post("/login", {"userName": user.login, "password": PASSWORD}).status_code == 200
        assert "Unblocked" in text_of(operator.get(f"{USERS}{user.pk}/history/"))


def test_users_are_made_to_change_the_password(operator, cast: Cast):
    user = make_user(cast.provider)
    act(operator, "force_password_change", user)
    answer = Api().post("/login", {"userName": user.login, "password": PASSWORD})
    assert answer.status_code == 403
    assert answer.json()["forceChangePasswordNextLogin"] is True


# --- Permissions ------------------------------------------------------------------------------------------------


def test_only_djangos_permissions_count(cast: Cast):
    rows = {
        GROUPS: ("group", cast.sibling),
        USERS: ("user", make_user(cast.provider)),
        LOCATIONS: ("location", make_location(cast.provider)),
        DEVICES: ("device", make_device(cast.provider)),
    }
    for address, (name, row) in rows.items():
        pages = {
            "view": [address, f"{address}{row.pk}/change/"],
            "add": [f"{address}add/"],
            "delete": [f"{address}{row.pk}/delete/"],
        }
        for allowed in ("view", "change", "delete", "none"):
            # A level, even the highest, adds nothing.
            codes = () if allowed == "none" else (f"{allowed}_{name}",)
            client = browser_of(make_staff(*codes, level=Level.ADMINISTRATOR))
            for kind, addresses in pages.items():
                for page in addresses:
                    may = kind == allowed or (kind == "view" and allowed == "change")
                    assert client.get(page).status_code == (200 if may else 403), (allowed, page)
        viewer = browser_of(make_staff(f"view_{name}"))
        assert viewer.post(f"{address}{row.pk}/change/", {"name": "x"}).status_code == 403
        for action in ("delete_selected", "unblock", "force_password_change"):
            viewer.post(address, {"action": action, "_selected_action": [row.pk], "post": "yes"})
        unchanged = type(row)._default_manager.get(pk=row.pk)
        assert not getattr(unchanged, "force_change_password", False)


def test_who_may_change_users_makes_no_staff_and_changes_none(cast: Cast):
    rights = ("view_user", "add_user", "change_user", "delete_user", "force_password_user")
    client = browser_of(make_staff(*rights))
    tenant, operator, colleague = make_user(cast.provider), make_operator(), make_staff("view_user")
    sent = fields_of(tenant, first_name="Eve", is_staff="on", is_superuser="on", user_permissions=[1])
    assert client.post(f"{USERS}{tenant.pk}/change/", sent).status_code == 302
    tenant = User.objects.get(pk=tenant.pk)
    assert (tenant.first_name, tenant.is_staff, tenant.is_superuser) == ("Eve", False, False)
    assert not tenant.user_permissions.exists()
    for other in (operator, colleague):
        address = f"{USERS}{other.pk}/"
        assert client.get(f"{address}change/").status_code == 200
        assert client.post(f"{address}change/", fields_of(other, is_active=None)).status_code == 403
        assert client.post(f"{address}password/", {"password1": "x"}).status_code == 403
        assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    told = text_of(act(client, "force_password_change", tenant, operator, colleague))
    assert "2 left alone" in told
    forced = User.objects.get_queryset().filter(force_change_password=True)
    assert [user.pk for user in forced] == [tenant.pk]


def test_nobody_reads_or_writes_tokens_here(operator):
    for table in ("tokenfamily", "loginsource"):
        assert operator.get(f"/admin/accounts/{table}/").status_code == 404


@pytest.mark.parametrize("address", ["/api/v1/docs", "/api/v1/groups", "/api/v1/nothing", "/"])
def test_the_policy_is_relaxed_nowhere_else(db, address):
    assert "unsafe" not in Client().get(address)["Content-Security-Policy"]


# --- Two users on one page --------------------------------------------------------------------------------------


def sent_by(client: Client, opened: str, **values: Any) -> dict[str, Any]:
    """What a browser sends from this page: every value that it shows, some of them changed."""
    page = client.get(opened)
    assert page.status_code == 200
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    sent = {name: value for name, value in shown.items() if not isinstance(value, bool) or value}
    return {**sent, **values, "_seen": seen_on(page)}


def seen_on(page: Any) -> str:
    found = re.search(r'name="_seen" value="([^"]+)"', page.content.decode())
    assert found
    return found[1]


ROWS_OF_TWO = {
    "group": (lambda cast: cast.provider, "address", "Kirchstr. 1", "Marktplatz 2", "Address"),
    "user": (lambda cast: make_user(cast.provider), "email", "a@b.example", "c@d.example", "Email"),
    "location": (lambda cast: make_location(cast.provider), "description", "old", "new", "Description"),
    "device": (lambda cast: make_device(cast.provider), "description", "Lobby", "Bar", "Description"),
    "role": (lambda cast: Role.objects.create(name="Night shift"), "name", "Day", "Dusk", "Name"),
}


@pytest.mark.parametrize("kind", ROWS_OF_TWO)
def test_the_second_of_two_who_save_is_refused_and_shown_what_changed(operator, cast: Cast, kind):
    make, attribute, first, second, label = ROWS_OF_TWO[kind]
    row = make(cast)
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    colleague = browser_of(make_operator())
    mine = sent_by(operator, address, **{attribute: second})
    was = getattr(row, attribute)
    assert colleague.post(address, sent_by(colleague, address, **{attribute: first})).status_code == 302
    refused = operator.post(address, mine)
    shown = text_of(refused)
    assert "Another user changed this after you opened the page." in shown
    assert f"{label}: it was {f'“{was}”' if was else 'empty'}, and is now “{first}”." in shown
    row.refresh_from_db()
    assert getattr(row, attribute) == first
    assert second in refused.content.decode()  # what was typed is still in the form
    # Who has read it may save all the same.
    assert operator.post(address, {**mine, "_seen": seen_on(refused)}).status_code == 302
    row.refresh_from_db()
    assert getattr(row, attribute) == second


def test_counters_of_phones_and_logins_are_no_changes(operator, cast: Cast):
    device, user = make_device(cast.provider), make_user(cast.provider)
    pages = {f"{DEVICES}{device.pk}/change/": "Lobby", f"{USERS}{user.pk}/change/": "Night shift"}
    sent = {address: sent_by(operator, address, description=text) for address, text in pages.items()}
    Device.objects.update(num_requests=7, last_access=timezone.now(), last_access_status="Fail")
    User.objects.filter(pk=user.pk).update(fail_login_attempts=3, last_login=timezone.now())
    for address, values in sent.items():
        assert operator.post(address, values).status_code == 302
    device.refresh_from_db()
    assert (device.description, device.num_requests) == ("Lobby", 7)


def test_what_was_moved_meanwhile_is_not_deleted(operator, cast: Cast):
    device = make_device(cast.provider)
    address = f"{DEVICES}{device.pk}/delete/"
    sent = {"post": "yes", "_seen": seen_on(operator.get(address))}
    Device.objects.update(group=cast.stranger)
    shown = text_of(operator.post(address, sent))
    assert "Group: it was “Berlin Phones”, and is now “Foreign Telecom”." in shown
    assert Device.objects.filter(pk=device.pk).exists()
    sent["_seen"] = seen_on(operator.get(address))
    assert operator.post(address, sent).status_code == 302
    assert not Device.objects.exists()


ACTIONS_ON_ROWS = [
    (DEVICES, "associate", "device"),
    (DEVICES, "take_away_location", "device"),
    (DEVICES, "move", "device"),
    (DEVICES, "remove", "device"),
    (USERS, "unblock", "user"),
    (USERS, "force_password_change", "user"),
    (USERS, "end_tokens", "user"),
    (USERS, "reset_second_factor", "user"),
    (USERS, "delete_selected", "user"),
    (GROUPS, "delete_selected", "group"),
    (LOCATIONS, "delete_selected", "location"),
    (ROLES, "delete_selected", "role"),
    (DENIED, "delete_selected", "denied"),
    (KEYS, "delete_selected", "key"),
    (ALERTS, "delete_selected", "alert"),
]


def test_each_action_is_tried(operator):
    request = RequestFactory().get("/")
    request.user = make_operator()
    there = {
        (reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), action)
        for model, table in admin.site._registry.items()
        for action in table.get_actions(request)
    }
    assert there == {(address, action) for address, action, _ in ACTIONS_ON_ROWS}


def row_of_two(kind: str, cast: Cast) -> tuple[Any, str, str]:
    """A row, an attribute and how another user changes it."""
    if kind == "denied":
        return DeniedCertificate.objects.create(name="1 CN=CA", reason="lost"), "reason", "stolen"
    if kind == "key":
        return make_key(cast.provider)[0], "name", "theirs"
    if kind == "alert":
        return make_alert(cast.provider), "time_zone", "Europe/Berlin"
    make, attribute, first, *_ = ROWS_OF_TWO[kind]
    return make(cast), attribute, first


@pytest.mark.parametrize(("address", "action", "kind"), ACTIONS_ON_ROWS)
def test_an_action_on_what_another_user_has_changed_is_refused(operator, cast: Cast, address, action, kind):
    row, attribute, theirs = row_of_two(kind, cast)
    sent = {"action": action, "_selected_action": row.pk, "_seen": seen_on(operator.get(address))}
    type(row)._base_manager.filter(pk=row.pk).update(**{attribute: theirs})
    entries = Entry.objects.count()
    for more in ({}, {"post": "yes", "confirmed": "1"}):
        shown = text_of(operator.post(address, {**sent, **more}, follow=True))
        assert "Another user changed this after you opened the page, and nothing was done." in shown
        assert f"and is now “{theirs}”." in shown
    assert type(row)._base_manager.filter(pk=row.pk).exists()
    assert Entry.objects.count() == entries
    # Who has read it may act all the same.
    asked = operator.post(address, {**sent, "_seen": seen_on(operator.get(address))}, follow=True)
    assert "Another user changed" not in text_of(asked)


def test_what_changes_while_a_page_asks_is_not_done(operator, cast: Cast):
    """The pages between a list and its action: of end_tokens and of delete_selected."""
    for action, confirmed in (("end_tokens", {"confirmed": "1"}), ("delete_selected", {"post": "yes"})):
        user = make_user(cast.provider)
        Api(user)
        sent = {"action": action, "_selected_action": user.pk}
        asked = operator.post(USERS, sent)
        User.objects.get_queryset().filter(pk=user.pk).update(group=cast.sibling)
        refused = text_of(operator.post(USERS, {**sent, **confirmed, "_seen": seen_on(asked)}, follow=True))
        assert "Group: it was “Berlin Phones”, and is now “Munich Phones”." in refused
        assert user.token_families.exists()


def test_an_action_on_several_rows_names_the_row_that_was_changed(operator, cast: Cast):
    devices = [make_device(cast.provider) for _ in range(3)]
    other = make_device(cast.provider)
    sent = {
        "action": "remove",
        "_selected_action": [d.pk for d in devices],
        "_seen": seen_on(operator.get(DEVICES)),
    }
    Device.objects.filter(pk=other.pk).update(description="Not selected")
    assert operator.post(DEVICES, sent)["Location"] != DEVICES
    Device.objects.filter(pk=devices[1].pk).update(description="Lobby")
    shown = text_of(operator.post(f"{DEVICES}?q=", sent, follow=True))
    assert f"{devices[1].spelled}: Description: it was empty, and is now “Lobby”." in shown


def test_an_action_on_the_page_of_a_row_that_was_changed_leads_back_to_it(operator, cast: Cast):
    user = make_user(cast.provider, user_block_time=timezone.now(), fail_login_attempts=10)
    address = f"{USERS}{user.pk}/change/"
    page = operator.get(address).text
    token = re.search(r'aria-label="Actions".*?name="_seen" value="([^"]+)"', page, re.DOTALL)
    assert token
    User.objects.get_queryset().filter(pk=user.pk).update(is_active=False)
    sent = {"action": "unblock", "_selected_action": user.pk, "row": user.pk, "_seen": token[1]}
    answer = operator.post(USERS, sent, follow=True)
    assert answer.redirect_chain[-1][0] == address
    assert "Is active: it was on, and is now off." in text_of(answer)
    user.refresh_from_db()
    assert user.fail_login_attempts == 10


def test_a_password_is_not_set_over_another_users_change(operator, cast: Cast):
    user = make_user(cast.provider)
    address = f"{USERS}{user.pk}/password/"
    sent = {"password1": "Another-1-password", "password2": "Another-1-password"}
    mine = {**sent, "_seen": seen_on(operator.get(address))}
    colleague = browser_of(make_operator())
    theirs = {"password1": "Their-2-password", "password2": "Their-2-password"}
    assert colleague.post(address, {**theirs, "_seen": seen_on(colleague.get(address))}).status_code == 302
    refused = operator.post(address, mine)
    assert "Password: changed." in text_of(refused)
    user.refresh_from_db()
    assert user.check_password("Their-2-password")
    assert operator.post(address, {**sent, "_seen": seen_on(refused)}).status_code == 302
    user.refresh_from_db()
    assert user.check_password("Another-1-password")


def test_a_page_that_says_nothing_true_of_the_row_is_refused(operator, cast: Cast):
    address = f"{DEVICES}{make_device(cast.provider).pk}/change/"
    shown = text_of(operator.post(address, {"description": "Lobby", "_seen": "forged"}))
    assert "The page was not complete when it was sent." in shown


# --- The location of a device -----------------------------------------------------------------------------------


def offered(client: Client, **more: Any) -> list[str]:
    asked = {"app_label": "devices", "model_name": "device", "field_name": "location", **more}
    return [row["text"] for row in client.get("/admin/autocomplete/", asked).json()["results"]]


def test_the_locations_of_a_devices_owner_and_no_others_are_offered(operator, cast: Cast):
    make_location(cast.provider, "https://one.example/")
    make_location(cast.sibling, "https://other.example/")
    assert offered(operator, group=cast.provider.pk) == ["https://one.example/"]
    assert offered(operator, group=cast.provider.pk, term="other") == []
    for nothing in ({}, {"group": ""}, {"group": "x"}, {"group": "9" * 30}):
        assert offered(operator, **nothing) == []


def test_the_location_is_chosen_beside_the_diagnosis(operator, cast: Cast):
    device, location = make_device(cast.provider), make_location(cast.provider)
    address = f"{DEVICES}{device.pk}/change/"
    page = operator.get(address).content.decode()
    box = page[page.index("What to do") : page.index('aria-labelledby="known"')]
    assert f"?group={cast.provider.pk}" in box
    assert '<select name="location"' in box
    assert page.count('<select name="location"') == 1
    assert operator.post(address, sent_by(operator, address, location=location.pk)).status_code == 302
    device.refresh_from_db()
    assert device.location == location
    assert f'<option value="{location.pk}" selected>' in operator.get(address).content.decode()


# --- Names ------------------------------------------------------------------------------------------------------


def heading(answer: Any) -> str:
    found = re.search(r"<h1.*?</h1>", answer.content.decode(), re.DOTALL)
    assert found
    text = re.sub(r"<[^>]*>", " ", found[0]).replace("chevron_right", ">")
    return " ".join(text.split())


def test_pages_are_called_as_in_the_menu_and_macs_have_colons(operator, cast: Cast):
    device = make_device(cast.provider, "00A0C914C829")
    role = Role.objects.get(name="Support agent")
    for address, expected, title in [
        (f"{DEVICES}{device.pk}/change/", "Devices > 00:A0:C9:14:C8:29", "00:A0:C9:14:C8:29 | Change device"),
        (f"{DEVICES}{device.pk}/history/", "Devices > 00:A0:C9:14:C8:29", "History of 00:A0:C9:14:C8:29"),
        (f"{DEVICES}{device.pk}/delete/", "Devices > 00:A0:C9:14:C8:29", ""),
        ("/admin/devices/access/", "Requests of phones", "Requests of phones | "),
        ("/admin/audit/entry/", "Audit log", "Audit log | "),
        ("/admin/auth/group/", "Staff roles", "Staff roles | "),
        (f"/admin/auth/group/{role.pk}/change/", "Staff roles > Support agent", "Change staff role"),
    ]:
        answer = operator.get(address)
        assert heading(answer).startswith(expected), address
        assert title in answer.content.decode().split("</title>")[0]
        assert "Delete group" not in answer.content.decode()


# --- Blocked users and sessions ---------------------------------------------------------------------------------


def test_the_page_of_a_blocked_user_says_so_first_and_offers_to_unblock(operator, cast: Cast):
    blocked = make_user(cast.provider, user_block_time=timezone.now(), fail_login_attempts=10)
    free = make_user(cast.provider)
    page = operator.get(f"{USERS}{blocked.pk}/change/")
    assert "after 10 failed logins: no password is accepted until" in text_of(page)
    assert 'value="unblock"' in page.content.decode()
    page = operator.get(f"{USERS}{free.pk}/change/")
    assert "no password is accepted" not in text_of(page)
    assert 'value="unblock"' not in page.content.decode()


@pytest.mark.parametrize("act", [end_tokens, force_password_change])
def test_staff_lose_their_session_with_their_tokens_or_password(db, act):
    one, other = make_staff("view_device"), make_staff("view_device")
    browser, bystander = browser_of(one), browser_of(other)
    assert browser.get(DEVICES).status_code == 200
    act([one.pk])
    assert browser.get(DEVICES).status_code == 302
    assert bystander.get(DEVICES).status_code == 200


# --- Commands ---------------------------------------------------------------------------------------------------


def test_a_user_is_unblocked_by_a_command(cast: Cast, capsys):
    user = make_user(cast.provider, login="Anna", user_block_time=timezone.now(), fail_login_attempts=10)
    call_command("unblock", "anna")
    user.refresh_from_db()
    assert (user.blocked_since, user.fail_login_attempts) == (None, 0)
    assert "Anna was blocked and can log in again." in capsys.readouterr().out
    entry = Entry.objects.latest("pk")
    assert (entry.event, entry.object_pk, entry.actor_login) == ("Unblocked", str(user.pk), "manage.py unblock")
    with pytest.raises(CommandError, match="There is no user with the login nobody"):
        call_command("unblock", "nobody")


def test_no_command_empties_the_audit_log():
    assert not {"auditlogflush", "auditlogmigratejson"} & set(get_commands())


# --- The page of a customer -------------------------------------------------------------------------------------


def test_the_page_of_a_group_shows_what_is_known_and_what_may_be_done_next(operator, cast: Cast):
    location = make_location(cast.provider, "https://one.example/")
    failed: dict[str, Any] = {"last_access_status": "Fail", "last_access": timezone.now()}
    failing = make_device(cast.provider, location=location, **failed)
    make_device(cast.provider)
    make_device(cast.sibling, **failed)
    make_user(cast.provider, login="berlin.one", user_block_time=timezone.now())
    answer = operator.get(f"{GROUPS}{cast.provider.pk}/change/")
    page = answer.context["page"]
    assert page.numbers == {"devices": 2, "failing": 1, "awaiting": 1, "without_location": 1}
    text = text_of(answer)
    for words in (
        "Acme Voice / Berlin Phones",
        failing.spelled,
        "https://one.example/ 1 device",
        "berlin.one Administrator, blocked now",
        "Created",
    ):
        assert words in text
    for kind in ("devices/device", "locations/location", "accounts/user"):
        assert f'href="/admin/{kind}/add/?group={cast.provider.pk}"' in answer.content.decode()
    for link in re.findall(r'href="(/admin/devices/device/\?[^"]+)"', answer.content.decode()):
        assert operator.get(link.replace("&amp;", "&")).status_code == 200
    assert cast.provider.name in text_of(operator.get(f"{GROUPS}{cast.reseller.pk}/change/"))


def test_the_page_of_a_group_shows_no_more_than_one_may_see(cast: Cast):
    device = make_device(cast.provider, last_access_status="Fail", last_access=timezone.now())
    make_user(cast.provider, login="berlin.one")
    text = text_of(browser_of(make_staff("view_group")).get(f"{GROUPS}{cast.provider.pk}/change/"))
    assert device.spelled not in text
    assert "berlin.one" not in text


def test_a_list_of_devices_says_the_status_in_words_and_links_group_and_location(operator, cast: Cast):
    location = make_location(cast.provider)
    make_device(cast.provider, location=location, last_access_status="Fail")
    answer = operator.get(DEVICES)
    page = answer.content.decode()
    assert f'href="{GROUPS}{cast.provider.pk}/change/"' in page
    assert f'href="{LOCATIONS}{location.pk}/change/"' in page
    assert "bg-red-100" in page[page.index("field-status") :]
    assert "Fail" in text_of(answer)
