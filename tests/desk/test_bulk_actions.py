"""What staff do to many rows at once: counted first, confirmed, then done, large selections by a job."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.models import Group, TokenFamily, User
from audit import history, recording
from audit.models import Entry, Event
from boot.postgresql import count_deferred
from devices import bulk
from devices import selection as selections
from devices.models import Access, Device, Selection, SelectionPiece
from jobs import runner
from jobs.models import Job
from locations.models import Location
from redirect.errors import ChangedMeanwhile
from tests.conftest import (
    Api,
    Cast,
    make_access,
    make_device,
    make_location,
    make_operator,
    make_user,
    run_due_jobs,
)

DEVICES = "/admin/devices/device/"
USERS = "/admin/accounts/user/"
EVERYTHING: dict[str, Any] = {"select_across": "1", "_selected_action": [0], "index": "0"}  # as the page sends it


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of(make_operator())


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_devices(group: Group, count: int, location: Location | None = None, prefix: str = "00908F") -> None:
    macs = [f"{prefix}{number:06X}" for number in range(count)]
    Device.objects.bulk_create(Device(mac=mac, group=group, location=location) for mac in macs)


def select(client: Client, action: str, *devices: Device, query: str = "") -> str:
    """Choose an action for these devices, or for all of the list; the address of the page that asks."""
    chosen = {"_selected_action": [device.pk for device in devices]} if devices else EVERYTHING
    answer = client.post(f"{DEVICES}{query}", {"action": action, **chosen})
    assert answer.status_code == 302
    return str(answer["Location"])


def start(client: Client, page: str, **sent: Any) -> Any:
    return client.post(page, {"start": "yes", **sent}, follow=True)


def text_of(response: Any) -> str:
    """What a person reads."""
    without_tags = re.sub(r"<[^>]*>", " ", response.text)
    return " ".join(without_tags.replace("&#x27;", "'").split())


def places() -> dict[str, tuple[str, str | None]]:
    """The group and the location of each device."""
    rows = Device.objects.values_list("mac", "group__name", "location__url")
    return {mac: (group, url) for mac, group, url in rows}


# --- Each action ------------------------------------------------------------------------------------------------


def test_devices_are_associated(operator: Client, cast: Cast):
    old, new = make_location(cast.provider, "https://old.example/"), make_location(cast.provider)
    chosen = [make_device(cast.provider), make_device(cast.provider, location=old)]
    other = make_device(cast.provider)
    page = select(operator, "associate", *chosen)
    shown = text_of(operator.get(page))
    assert "Associate 2 devices with a location?" in shown
    assert "2 devices of Berlin Phones" in shown
    assert all(re.sub("..", r"\g<0>:", device.mac)[:-1] in shown for device in chosen)
    assert not Device.objects.filter(location=new).exists()  # nothing before it is confirmed
    assert "2 devices associated with the location." in text_of(start(operator, page, location=new.pk))
    assert set(Device.objects.filter(location=new)) == set(chosen)
    assert Device.objects.get(pk=other.pk).location is None


@pytest.mark.parametrize(("whose", "sentence"), [("sibling", "not one of the available"), (None, "required")])
def test_devices_get_a_location_of_their_own_group_only(operator: Client, cast: Cast, whose, sentence):
    location = make_location(getattr(cast, whose)).pk if whose else ""
    device = make_device(cast.provider)
    assert sentence in text_of(start(operator, select(operator, "associate", device), location=location))
    assert Device.objects.get().location is None


def test_the_locations_offered_are_the_groups(operator: Client, cast: Cast):
    make_location(cast.sibling, "https://sibling.example/")
    make_location(cast.provider, "https://provider.example/")
    page = operator.get(select(operator, "associate", make_device(cast.provider))).text
    (address,) = re.findall(r'data-ajax--url="([^"]+)"', page)
    query = "app_label=devices&model_name=device&field_name=location"
    offered = operator.get(f"{address}&{query}").json()["results"]
    assert [entry["text"] for entry in offered] == ["https://provider.example/"]
    assert operator.get(f"/admin/autocomplete/?{query}").json()["results"] == []
    for nonsense in ("", "x", "-1", "9" * 40, "²"):
        answer = operator.get(
            "/admin/autocomplete/", {"group": nonsense} | dict(part.split("=") for part in query.split("&"))
        )
        assert answer.json()["results"] == []


def test_locations_are_taken_away_whosever_they_are(operator: Client, cast: Cast):
    for group in (cast.provider, cast.sibling):
        make_device(group, location=make_location(group))
    page = select(operator, "take_away_location")
    shown = text_of(operator.get(page))
    assert "1 device of Berlin Phones" in shown
    assert "1 device of Munich Phones" in shown
    assert "2 devices left without a location." in text_of(start(operator, page))
    assert not Device.objects.exclude(location=None).exists()


def test_devices_are_removed(operator: Client, cast: Cast):
    gone, kept = make_device(cast.provider), make_device(cast.provider)
    page = select(operator, "remove", gone)
    assert "This cannot be taken back." in text_of(operator.get(page))
    assert "1 device removed." in text_of(start(operator, page))
    assert Device.objects.get() == kept


def test_a_filtered_list_is_what_is_acted_on(operator: Client, cast: Cast):
    for group in (cast.provider, cast.sibling):
        make_device(group, location=make_location(group))
    kept = make_device(cast.provider)
    page = select(operator, "remove", query=f"?group__id__exact={cast.sibling.pk}")
    start(operator, page)
    assert sorted(group for group, _ in places().values()) == ["Berlin Phones", "Berlin Phones"]
    start(operator, select(operator, "remove", query="?location__isempty=0"))
    assert Device.objects.get() == kept


# --- A disputed MAC ---------------------------------------------------------------------------------------------


def move(client: Client, target: Group, *devices: Device, **sent: Any) -> Any:
    page = select(client, "move", *devices)
    assert "New group" in text_of(client.get(page))
    return start(client, f"{page}?group={target.pk}", **sent)


def test_a_disputed_mac_moves_with_a_reason_that_both_groups_keep(operator: Client, cast: Cast):
    device = make_device(
        cast.provider,
        "00908F000001",
        make_location(cast.provider),
        last_access=timezone.now(),
        last_access_status="Success",
        num_requests=7,
        description="Room of the old owner",
    )
    access = make_access(device)
    location = make_location(cast.strangers_provider)
    target = cast.strangers_provider
    told = text_of(move(operator, target, device, location=location.pk, reason="Invoice 77 shows it."))
    assert "1 device moved to the other group." in told
    moved = Device.objects.get(pk=device.pk)
    assert (moved.group, moved.location) == (target, location)
    # The new owner sees nothing of what the phone did for the old one.
    assert (moved.num_requests, moved.last_access, moved.last_access_status) == (0, None, "Await access")
    assert moved.description is None
    assert Access.objects.get(pk=access.pk).group_id == cast.provider.pk
    for address in (
        f"{DEVICES}{device.pk}/history/",
        f"/admin/accounts/group/{cast.provider.pk}/history/",
        f"/admin/accounts/group/{target.pk}/history/",
    ):
        history = text_of(operator.get(address))
        assert "Devices moved (1 moved) to Foreign Phones. Reason: Invoice 77 shows it." in history
    owner, stranger = Api(make_user(cast.provider)), Api(make_user(target))
    assert owner.get("/devices/00908F000001").status_code == 204
    assert stranger.get("/devices/00908F000001").json()["numRequests"] == 0


@pytest.mark.parametrize("reason", ["", "why", "     ", "x" * 501])
def test_a_move_needs_a_reason(operator: Client, cast: Cast, reason):
    device = make_device(cast.provider)
    answer = move(operator, cast.sibling, device, reason=reason)
    assert re.search("This field is required|at least 5 characters|at most 500 characters", text_of(answer))
    assert Device.objects.get().group == cast.provider
    assert not Entry.objects.filter(event=Event.DEVICES_MOVED).exists()


def test_a_move_may_leave_the_location_open_but_takes_none_of_another_group(operator: Client, cast: Cast):
    own = make_location(cast.provider)
    device = make_device(cast.provider, location=own)
    refused = move(operator, cast.sibling, device, reason="It is theirs.", location=own.pk)
    assert "not one of the available choices" in text_of(refused)
    move(operator, cast.sibling, device, reason="It is theirs.")
    assert list(places().values()) == [("Munich Phones", None)]


@pytest.mark.parametrize("target", ["own", "0", "x", "²", "9" * 30, ""])
def test_a_group_that_is_none_is_asked_for_again(operator: Client, cast: Cast, target):
    page = select(operator, "move", make_device(cast.provider))
    address = f"{page}?group={cast.provider.pk if target == 'own' else target}"
    for answer in (operator.get(address), start(operator, address, reason="It is theirs.")):
        assert answer.status_code == 200
        assert "New group" in text_of(answer)
    assert Device.objects.get().group == cast.provider


def test_the_device_page_offers_the_move_and_its_form_does_not(operator: Client, cast: Cast):
    device = make_device(cast.provider)
    page = operator.get(f"{DEVICES}{device.pk}/change/").text
    assert "Move to another group" in page
    assert 'name="group"' not in page
    operator.post(f"{DEVICES}{device.pk}/change/", {"group": cast.sibling.pk, "description": "Lobby"})
    device.refresh_from_db()
    assert (device.group, device.description) == (cast.provider, "Lobby")


# --- Counted, and confirmed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["associate", "move"])
def test_mixed_groups_are_told_and_one_is_chosen(operator: Client, cast: Cast, action):
    ours = [make_device(cast.provider) for _ in range(2)]
    make_device(cast.sibling)
    page = select(operator, action)
    shown = text_of(operator.get(page))
    assert "different groups" in shown
    assert "2 devices of Berlin Phones" in shown
    # Nothing can be confirmed as long as they are mixed.
    location = make_location(cast.provider)
    sent = {"location": location.pk, "reason": "It is theirs."}
    start(operator, f"{page}?group={cast.stranger.pk}", **sent)
    assert not Device.objects.filter(location=location).exists()
    assert operator.post(page, {"only": "999999"}).status_code == 404
    operator.post(page, {"only": str(cast.provider.pk)})
    if action == "associate":
        start(operator, page, location=location.pk)
    else:
        start(operator, f"{page}?group={cast.stranger.pk}", reason="It is theirs.")
    changed = Device.objects.exclude(location=None) | Device.objects.filter(group=cast.stranger)
    assert set(changed) == set(ours)


def test_a_large_number_is_typed_to_confirm_it(operator: Client, cast: Cast):
    make_devices(cast.provider, 1001)
    page = select(operator, "remove")
    shown = text_of(operator.get(page))
    assert "Remove 1,001 devices?" in shown
    assert "Type 1,001 to confirm" in shown
    assert "and 981 more" in shown
    for wrong in ({}, {"number": ""}, {"number": "1000"}, {"number": "yes"}):
        assert start(operator, page, **wrong).status_code == 200
        assert Device.objects.count() == 1001
    start(operator, page, number="1,001")
    assert not Device.objects.exists()


def test_what_has_changed_since_it_was_counted_is_asked_again(operator: Client, cast: Cast):
    devices = [make_device(cast.provider) for _ in range(3)]
    page = select(operator, "remove")
    Device.objects.filter(pk=devices[0].pk).delete()
    new = make_device(cast.provider)  # was not counted
    Device.objects.filter(pk=devices[1].pk).update(group=cast.sibling)
    told = text_of(start(operator, page))
    assert "Others have changed some of these devices since they were counted." in told
    assert "Remove 2 devices?" in told
    assert "1 device of Munich Phones" in told
    assert Device.objects.count() == 3
    start(operator, page)
    assert Device.objects.get() == new


CHANGES_OF_OTHERS = {
    "group": ("group", "it is a device of Munich Phones now"),
    "location": ("location", "its location is https://theirs.example/ now"),
    "description": ("description", "its description was changed"),
}


@pytest.mark.parametrize("kind", CHANGES_OF_OTHERS)
@pytest.mark.parametrize("action", ["associate", "take_away_location", "move", "remove"])
def test_what_others_changed_before_it_was_confirmed_is_shown(operator: Client, cast: Cast, action, kind):
    attribute, sentence = CHANGES_OF_OTHERS[kind]
    old = make_location(cast.provider)
    devices = [make_device(cast.provider, location=old) for _ in range(2)]
    page = select(operator, action, *devices) + (f"?group={cast.stranger.pk}" if action == "move" else "")
    changes: dict[str, dict[str, Any]] = {
        "group": {"group": cast.sibling, "location": None},
        "location": {"location": make_location(cast.provider, "https://theirs.example/")},
        "description": {"description": "Do not touch"},
    }
    Device.objects.filter(pk=devices[0].pk).update(**changes[attribute])
    now = places()
    told = text_of(start(operator, page, location=old.pk if action == "associate" else "", reason="Contract 12"))
    assert f"{devices[0].spelled}: " in told
    assert sentence in told
    assert places() == now


def test_what_others_change_while_a_job_works_is_left_alone(operator: Client, cast: Cast):
    devices = [make_device(cast.provider) for _ in range(2)]
    page = select(operator, "remove", *devices)
    selection = Selection.objects.get(pk=int(page.split("/")[-2]))
    selections.start(selection)
    Device.objects.filter(pk=devices[0].pk).update(description="Do not touch")
    selection = selections.do_next_piece(selection)
    assert (selection.done, selection.left_alone) == (1, 1)
    assert Device.objects.get() == devices[0]


def test_a_selection_of_an_older_version_is_done(operator: Client, cast: Cast):
    device = make_device(cast.provider)
    page = select(operator, "remove", device)
    SelectionPiece.objects.update(devices=[[device.pk, device.group_id]])
    assert "1 device removed." in text_of(start(operator, page))


def test_nothing_is_left_of_a_selection(operator: Client, cast: Cast):
    make_device(cast.provider)
    page = select(operator, "remove")
    Device.objects.all().delete()
    assert "None of the selected devices is left" in text_of(start(operator, page))
    assert start(operator, page).status_code == 200


def test_a_location_that_goes_while_it_is_confirmed_is_a_sentence(operator: Client, cast: Cast, monkeypatch):
    location, device = make_location(cast.provider), make_device(cast.provider)
    page = select(operator, "associate", device)
    associate = bulk.associate

    def associate_too_late(*args: Any, **kwargs: Any) -> Any:
        Location.objects.all().delete()
        return associate(*args, **kwargs)

    monkeypatch.setattr(bulk, "associate", associate_too_late)
    told = start(operator, page, location=location.pk)
    assert told.status_code == 200
    assert "Nothing was done" in text_of(told)
    assert SelectionPiece.objects.count() == 1


def test_a_selection_is_seen_by_whoever_made_it_and_is_confirmed_once(operator: Client, cast: Cast):
    make_device(cast.provider)
    page = select(operator, "remove")
    other = browser_of(make_operator())
    assert other.get(page).status_code == 404
    assert other.post(page, {"start": "yes"}).status_code == 404
    start(operator, page)
    make_device(cast.provider)
    for sent in ({"start": "yes"}, {"next": "yes"}, {"only": str(cast.provider.pk)}, {}):
        assert operator.post(page, sent, follow=True).status_code == 200
    assert Device.objects.count() == 1


def test_whoever_has_lost_the_permission_goes_on_with_nothing(cast: Cast):
    user = make_operator()
    client = browser_of(user)
    make_device(cast.provider)
    page = select(client, "remove")
    User.objects.get_queryset().filter(pk=user.pk).update(is_superuser=False)
    assert client.get(page).status_code == 403
    assert client.post(page, {"start": "yes"}).status_code == 403
    assert Device.objects.exists()


# --- In pieces --------------------------------------------------------------------------------------------------


def statements(client: Client, page: str, sent: dict[str, Any], **headers: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.post(page, sent, headers=headers).status_code in (200, 302)
    return len(captured)


class Killed(BaseException):
    """The process of the job ends: nothing is cleaned up."""


def test_thousands_are_done_in_pieces_by_a_job_that_is_taken_up(operator: Client, cast: Cast, monkeypatch):
    make_devices(cast.provider, 12_000)
    page = select(operator, "remove")
    told = text_of(start(operator, page, number="12000"))
    assert "0 of 12,000 devices" in told
    assert "Go on" not in told
    assert Device.objects.count() == 12_000  # confirmed, and nothing done yet

    # The process of the job dies in the middle of the second piece.
    remove, pieces = bulk.remove, []

    def killed(*args: Any, **kwargs: Any) -> int:
        pieces.append(remove(*args, **kwargs))
        if len(pieces) == 2:
            raise Killed
        return pieces[-1]

    monkeypatch.setattr(bulk, "remove", killed)
    run_due_jobs()
    assert Device.objects.count() == 7_000
    assert min(places()) == f"00908F{5_000:06X}"  # in the order of MACs
    told = text_of(operator.get(DEVICES))
    assert "Unfinished: Remove 12,000 devices; 5,000 of them done so far." in told
    assert f'href="{page}"' in operator.get(DEVICES).text
    scripted = {"accept": "application/json"}
    assert operator.get(page, headers=scripted).json() == {
        "done": 5_000,
        "total": 12_000,
        "text": "5,000 of 12,000 devices",
        "stalled": False,
        "state": "Running",
    }

    # Others take some of those that are left; then another process goes on.
    taken = list(Device.objects.order_by("mac").values_list("pk", flat=True)[:10])
    Device.objects.filter(pk__in=taken[:4]).delete()
    Device.objects.filter(pk__in=taken[4:]).update(group=cast.sibling)
    Job.objects.update(heartbeat=timezone.now() - 2 * runner.SILENT_AT_MOST)
    run_due_jobs()
    assert {group for group, _ in places().values()} == {"Munich Phones"}
    assert operator.get(page, headers=scripted).json()["state"] == "Done"
    told = text_of(operator.get(page))
    assert "11,990 devices removed." in told
    assert "10 devices left alone, since others changed them" in told
    assert "Unfinished" not in text_of(operator.get(DEVICES))
    entries = Entry.objects.filter(event=Event.DEVICES_REMOVED)
    assert {(entry.source, entry.remote_addr) for entry in entries} == {("Admin", "127.0.0.1")}
    assert {entry.actor for entry in entries} == {Selection.objects.get().user}


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another transaction holds what each piece needs."""
    kept = bulk.associate

    def refused(*args: Any, **kwargs: Any) -> Any:
        kept(*args, **kwargs)
        raise ChangedMeanwhile

    monkeypatch.setattr(bulk, "associate", refused)


def test_a_piece_that_fails_is_done_later(operator: Client, cast: Cast, monkeypatch):
    make_devices(cast.provider, 5_001)
    location = make_location(cast.provider)
    page = select(operator, "associate")
    start(operator, page, location=location.pk, number="5001")
    with monkeypatch.context() as patched:
        refuse(patched)
        for _ in range(runner.ATTEMPTS):
            DBTaskResult.objects.update(run_after=timezone.now())  # the delay is over
            run_due_jobs()
    assert not Device.objects.filter(location=location).exists()
    assert operator.get(page, headers={"accept": "application/json"}).json()["stalled"] is True
    told = text_of(operator.get(page))
    assert "Nothing of this piece was done" in told
    assert "Go on" in told
    operator.post(page, {"next": "yes"})
    run_due_jobs()
    assert Device.objects.filter(location=location).count() == 5_001


def test_a_small_selection_that_fails_is_done_by_a_job_once_it_is_told_to_go_on(
    operator: Client, cast: Cast, monkeypatch
):
    location, device = make_location(cast.provider), make_device(cast.provider)
    page = select(operator, "associate", device)
    with monkeypatch.context() as patched:
        refuse(patched)
        told = text_of(start(operator, page, location=location.pk))
    assert "Nothing was done" in told
    assert "Go on" in told
    for _ in range(2):
        operator.post(page, {"next": "yes"})
    assert Job.objects.count() == 1
    run_due_jobs()
    assert Device.objects.get().location == location


def test_a_job_does_nothing_for_a_user_who_may_not_do_it_any_more(operator: Client, cast: Cast):
    make_devices(cast.provider, 5_001)
    page = select(operator, "remove")
    start(operator, page, number="5001")
    User.objects.get_queryset().update(is_superuser=False)
    run_due_jobs()
    assert Device.objects.count() == 5_001
    assert Job.objects.get().problem == "You may not do this any more."


@pytest.mark.parametrize("action", ["associate", "take_away_location", "move", "remove"])
def test_the_statements_do_not_grow_with_the_devices(operator: Client, cast: Cast, action):
    target, location = cast.stranger, make_location(cast.provider)
    sent = {"start": "yes", "reason": "It is theirs."}
    if action == "associate":
        sent["location"] = str(location.pk)
    counts = []
    for number in (1, 2, 900):  # the first fills Django's cache of content types
        make_devices(cast.provider, number, location)
        chosen = statements(
            operator, f"{DEVICES}?group__id__exact={cast.provider.pk}", {"action": action, **EVERYTHING}
        )
        selection = Selection.objects.latest("pk")
        page = f"{DEVICES}selection/{selection.pk}/?group={target.pk}"
        with CaptureQueriesContext(connection) as shown:
            assert operator.get(page).status_code == 200
        done = statements(operator, page, sent)
        selection.refresh_from_db()
        assert selection.done == number
        counts.append((chosen, len(shown), done))
        Device.objects.all()._raw_delete("default")
    assert counts[1] == counts[2]


def test_old_selections_are_forgotten(operator: Client, cast: Cast):
    make_device(cast.provider)
    select(operator, "remove")
    Selection.objects.update(created_at=timezone.now() - timedelta(days=2))
    page = select(operator, "remove")
    assert page == f"{DEVICES}selection/{Selection.objects.get().pk}/"
    assert SelectionPiece.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_phones_are_answered_while_devices_are_moved(client: Client, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; a phone waits for a piece to be done")
    from tests.conftest import make_group

    provider, sibling = make_group("Berlin Phones", make_group("Acme")), make_group("Other")
    make_devices(provider, 3, make_location(provider))
    operator = browser_of(make_operator())
    page = select(operator, "move")
    locked, asked = threading.Event(), threading.Event()
    tell = recording.record_list

    def tell_after_the_phone(*args: Any, **kwargs: Any) -> Any:
        locked.set()
        assert asked.wait(60)
        return tell(*args, **kwargs)

    monkeypatch.setattr("devices.moving.record_list", tell_after_the_phone)

    def act() -> None:
        try:
            start(operator, f"{page}?group={sibling.pk}", reason="It is theirs.")
        finally:
            connections.close_all()

    acting = threading.Thread(target=act)
    acting.start()
    try:
        assert locked.wait(60)
        answer = client.get("/00908F000001")  # its row is locked, its old place still stands
        assert answer.status_code == 302
    finally:
        asked.set()
        acting.join()
    assert client.get("/00908F000001").status_code == 404
    # What it did for the old group is not counted for the new one.
    count_deferred()
    device = Device.objects.get(mac="00908F000001")
    assert (device.group, device.num_requests, device.last_access_status) == (sibling, 1, "Fail")


# --- Users ------------------------------------------------------------------------------------------------------


def act_on(client: Client, action: str, *users: User, **sent: Any) -> Any:
    chosen = {"_selected_action": [user.pk for user in users]} if users else EVERYTHING
    return client.post(USERS, {"action": action, **chosen, **sent}, follow=True)


def test_all_tokens_of_users_end_once_that_is_confirmed(operator: Client, cast: Cast):
    users = [make_user(cast.provider) for _ in range(2)]
    apis = [Api(user) for user in users]
    other = Api(make_user(cast.provider))
    asked = act_on(operator, "end_tokens", *users)
    assert "End all tokens of 2 users?" in text_of(asked)
    assert all(user.login in text_of(asked) for user in users)
    assert all(api.get("/users/me").status_code == 200 for api in apis)
    assert "All tokens ended: 2." in text_of(act_on(operator, "end_tokens", *users, confirmed="2"))
    assert all(api.get("/users/me").status_code == 401 for api in apis)
    assert other.get("/users/me").status_code == 200
    assert "Tokens ended" in text_of(operator.get(f"{USERS}{users[0].pk}/history/"))


def test_another_number_of_users_is_asked_again(operator: Client, cast: Cast):
    user = make_user(cast.provider)
    Api(user)
    asked = act_on(operator, "end_tokens", user, confirmed="3")
    assert "The number of users has changed since they were counted." in text_of(asked)
    assert TokenFamily.objects.exists()


def test_the_page_of_a_user_has_buttons_that_lead_back_to_it(operator: Client, cast: Cast):
    user = make_user(cast.provider, user_block_time=timezone.now(), fail_login_attempts=10)
    page = operator.get(f"{USERS}{user.pk}/change/").text
    for action in ("unblock", "force_password_change", "end_tokens"):
        assert f'name="action" value="{action}"' in page
    answer = operator.post(USERS, {"action": "unblock", "_selected_action": user.pk, "row": user.pk})
    assert answer["Location"] == f"{USERS}{user.pk}/change/"
    user.refresh_from_db()
    assert (user.user_block_time, user.fail_login_attempts) == (None, 0)


@pytest.mark.parametrize("action", ["unblock", "force_password_change", "end_tokens"])
def test_the_statements_do_not_grow_with_the_users(operator: Client, cast: Cast, action):
    counts = []
    for number in (1, 2, 300):  # the first fills Django's cache of content types
        operator.force_login(make_operator())  # who is among those whose sessions end
        users = User.objects.bulk_create(
            User(
                login=f"u{number}-{each}",
                group=cast.provider,
                permission_level="Monitor",
                password="!",
                fail_login_attempts=3,
            )
            for each in range(number)
        )
        TokenFamily.objects.bulk_create(
            TokenFamily(user=user, refresh_jti="x", expires_at=timezone.now()) for user in users
        )
        everybody = User.objects.get_queryset().count()
        sent = {"action": action, "confirmed": everybody, **EVERYTHING}
        counts.append(statements(operator, USERS, sent))
        assert history.of(users[-1]).count() == 1
    assert counts[1] == counts[2]
