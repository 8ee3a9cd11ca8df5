"""How many devices a group may claim, of which makers; who had a MAC; and what staff do about a disputed claim."""

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Group
from audit.models import Entry, Event
from devices.claim_history import of_macs
from devices.claims import Claim, parse_prefixes
from devices.models import Device
from tests.conftest import (
    Api,
    Cast,
    Form,
    make_device,
    make_group,
    make_key,
    make_location,
    make_operator,
    make_user,
    run_due_jobs,
)
from tests.desk.test_roles import make_colleague

MACS = [f"00908F{number:06X}" for number in range(0, 4000, 2)]  # no two in a row


@pytest.fixture
def desk(db: None) -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


def limit(group: Group, **limits: Any) -> None:
    Group.objects.filter(pk=group.pk).update(**limits)


def create(api: Api, group: Group, macs: list[str], **more: Any) -> Any:
    return api.post("/devices", {"group": group.pk, "macList": macs, "overrideCurrentAssociation": False} | more)


def bucket(answer: Any, name: str) -> list[str]:
    return [mac.replace(":", "") for mac in answer.json()[name]["macList"]]


# --- Quotas, at every door ---------------------------------------------------------------------------------------


def test_a_quota_is_full_to_the_last_device(administrator: Api, cast: Cast) -> None:
    limit(cast.provider, device_quota=3)
    assert create(administrator, cast.provider, MACS[:2]).status_code == 201
    assert create(administrator, cast.provider, MACS[1:3]).status_code == 201  # one of them it has already
    answer = create(administrator, cast.provider, MACS[2:5])
    assert answer.status_code == 409
    assert answer.json()["description"] == (
        "The group Berlin Phones has a quota of 3 devices, of which 3 are used: 2 more do not fit."
    )
    assert Device.objects.count() == 3
    assert create(administrator, cast.provider, MACS[:3]).status_code == 201  # nothing new


def test_a_refused_call_writes_nothing(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider)
    make_device(cast.provider, MACS[0])
    limit(cast.provider, device_quota=2)
    entries = Entry.objects.count()
    answer = create(administrator, cast.provider, MACS[:3], locationId=location.pk)
    assert answer.status_code == 409
    assert Device.objects.get().location is None
    assert (Entry.objects.count(), Claim.objects.count()) == (entries, 0)


def test_the_quota_of_a_reseller_counts_its_providers(administrator: Api, cast: Cast) -> None:
    limit(cast.reseller, total_device_quota=3)
    for group, mac in zip((cast.reseller, cast.provider, cast.sibling), MACS, strict=False):
        assert create(administrator, group, [mac]).status_code == 201
    for group in (cast.reseller, cast.provider, cast.sibling):
        answer = create(administrator, group, [MACS[9]])
        assert answer.status_code == 409
        assert "quota of 3 devices, of which 3 are used: 1 more does not fit" in answer.json()["description"]
    assert create(Api(make_user(cast.stranger)), cast.strangers_provider, MACS[9:12]).status_code == 201


HIDDEN = "The quota of the reseller, with its providers, has no room for these devices."


def test_a_provider_learns_no_number_of_its_reseller(administrator: Api, cast: Cast) -> None:
    """By any door; the reseller and the operator are told them."""
    device = make_device(cast.provider, MACS[8])
    for mac in MACS[10:17]:
        make_device(cast.sibling, mac)
    limit(cast.reseller, total_device_quota=9)
    told = "The reseller, with its providers, has a quota of 9 devices, of which 8 are used: 2 more do not fit."
    _, secret = make_key(cast.provider)
    keyed, owner = Api(key=secret), Api(make_user(cast.provider))
    for api in (owner, keyed):
        assert create(api, cast.provider, MACS[:2]).json() == {"description": HIDDEN}
    repeated = {"Idempotency-Key": "one"}
    owner.headers |= repeated
    for _ in range(2):
        assert create(owner, cast.provider, MACS[:2]).json() == {"description": HIDDEN}
    owner.headers.pop("Idempotency-Key")
    for api in (administrator, Api(make_operator())):
        assert create(api, cast.provider, MACS[:2]).json() == {"description": told}
    # An import of the provider, whoever confirms it: all who see it read the same problem.
    file = "mac,group\n" + "".join(f"{mac},Berlin Phones\n" for mac in MACS[:2])
    for sender, reader, problem in ((owner, administrator, HIDDEN), (administrator, administrator, told)):
        path = sender.post("/imports", Form(file=file)).json()["url"].removeprefix("/api/v1")
        run_due_jobs()
        assert reader.post(f"{path}/confirm").status_code == 200
        run_due_jobs()
        assert sender.get(path).json()["problem"] == f"Nothing was written. {problem}"
    assert Device.objects.filter(group=cast.provider).get() == device


def test_both_limits_are_told_if_both_bind(administrator: Api, cast: Cast) -> None:
    limit(cast.provider, device_quota=1)
    limit(cast.reseller, total_device_quota=0)
    own = "The group Berlin Phones has a quota of 1 devices, of which 0 are used: 2 more do not fit."
    whole = "The reseller, with its providers, has a quota of 0 devices, of which 0 are used: 2 more do not fit."
    refused = create(administrator, cast.provider, MACS[:2])
    assert refused.json()["description"] == f"{own} {whole}"
    refused = create(Api(make_user(cast.provider)), cast.provider, MACS[:2])
    assert refused.json()["description"] == f"{own} {HIDDEN}"


def test_staff_are_told_the_numbers_of_a_reseller(desk: Client, cast: Cast) -> None:
    """Where they add a device, move it, and settle a dispute."""
    make_device(cast.strangers_provider, MACS[0])
    limit(cast.stranger, total_device_quota=1)
    told = "The reseller, with its providers, has a quota of 1 devices, of which 1 are used: 1 more does not fit."
    added = desk.post(reverse("admin:devices_device_add"), {"mac": MACS[1], "group": cast.strangers_provider.pk})
    assert told in added.content.decode()
    device = make_device(cast.provider, MACS[2])
    assert told in dispute(desk, device, group=cast.strangers_provider.pk).content.decode()
    chosen = desk.post("/admin/devices/device/", {"action": "move", "_selected_action": [device.pk]})["Location"]
    chosen = f"{chosen}?group={cast.strangers_provider.pk}"
    assert told in desk.post(chosen, {"start": "yes", "reason": REASON}, follow=True).content.decode()


def test_the_settings_are_the_default_and_the_groups_own_quota_wins(
    administrator: Api, cast: Cast, settings: Any
) -> None:
    settings.DEVICE_QUOTA_PER_GROUP, settings.DEVICE_QUOTA_PER_RESELLER = 2, 5
    limit(cast.sibling, device_quota=4)
    assert create(administrator, cast.provider, MACS[:3]).status_code == 409
    assert create(administrator, cast.sibling, MACS[:4]).status_code == 201
    assert create(administrator, cast.provider, MACS[4:6]).status_code == 409  # six of the reseller's
    assert create(administrator, cast.provider, MACS[4:5]).status_code == 201
    limit(cast.provider, device_quota=0)
    assert create(administrator, cast.provider, MACS[5:6]).status_code == 409


def test_a_move_asks_for_the_quota_of_the_group_that_it_goes_to(administrator: Api, cast: Cast) -> None:
    for mac in MACS[:3]:
        make_device(cast.provider, mac)
    limit(cast.reseller, total_device_quota=1)  # over it already: a move within the reseller adds nothing
    limit(cast.sibling, device_quota=2)
    body = {"macList": MACS[:3], "group": cast.sibling.pk}
    refused = administrator.post("/devices/move", body)
    assert refused.status_code == 409
    assert Device.objects.filter(group=cast.provider).count() == 3
    assert administrator.post("/devices/move", body | {"macList": MACS[:2]}).status_code == 200


def test_a_device_that_staff_add_is_counted(desk: Client, cast: Cast) -> None:
    limit(cast.provider, device_quota=1)
    make_device(cast.provider, MACS[0])
    page = desk.post(reverse("admin:devices_device_add"), {"mac": MACS[1], "group": cast.provider.pk})
    assert "quota of 1 devices, of which 1 are used" in page.content.decode()
    assert Device.objects.count() == 1


def test_a_provider_brings_its_devices_to_another_reseller(desk: Client, cast: Cast) -> None:
    for mac in MACS[:2]:
        make_device(cast.provider, mac)
    limit(cast.stranger, total_device_quota=1)
    sent = {"name": "Berlin Phones", "reseller": cast.stranger.pk}
    page = desk.post(reverse("admin:accounts_group_change", args=[cast.provider.pk]), sent)
    assert "quota of 1 devices, of which 0 are used: 2 more do not fit" in page.content.decode()
    cast.provider.refresh_from_db()
    assert cast.provider.reseller_id == cast.reseller.pk


def test_an_import_writes_nothing_over_the_quota(db: None, cast: Cast, tmp_path: Path) -> None:
    limit(cast.provider, device_quota=2)
    file = tmp_path / "phones.csv"
    file.write_text("mac,group\n" + "".join(f"{mac},Berlin Phones\n" for mac in MACS[:3]))
    with pytest.raises(CommandError, match="quota of 2 devices, of which 0 are used: 3 more do not fit"):
        call_command("import_devices", str(file), stdout=io.StringIO())
    assert not Device.objects.exists()
    file.write_text("mac,group\n" + "".join(f"{mac},Berlin Phones\n" for mac in MACS[:2]))
    call_command("import_devices", str(file), stdout=io.StringIO())
    assert Device.objects.count() == 2


def test_the_demo_is_held_to_quotas_too(db: None, settings: Any) -> None:
    settings.DEVICE_QUOTA_PER_GROUP = 1
    with pytest.raises(Exception, match="quota of 1 devices"):
        call_command("seed_demo", stdout=io.StringIO())
    assert not Group.objects.exists()


# --- Makers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("00:90:8f, 000413", "00908F 000413"), ("", ""), ("00-90-8F-1\n00908F1", "00908F1")],
)
def test_prefixes_are_kept_in_one_spelling(typed: str, kept: str) -> None:
    assert parse_prefixes(typed) == kept


@pytest.mark.parametrize("typed", ["00908", "00908G", "00908F9D8992", "hello"])
def test_what_is_no_prefix_is_named(desk: Client, cast: Cast, typed: str) -> None:
    sent = {"name": "Berlin Phones", "reseller": cast.reseller.pk, "mac_prefixes": typed}
    page = desk.post(reverse("admin:accounts_group_change", args=[cast.provider.pk]), sent)
    assert f"{typed} is no prefix of MACs" in page.content.decode()


def test_staff_set_the_limits_of_a_group(desk: Client, cast: Cast) -> None:
    sent = {"name": "Acme Voice", "mac_prefixes": "00:90:8f 000413", "device_quota": 7, "total_device_quota": 9}
    desk.post(reverse("admin:accounts_group_change", args=[cast.reseller.pk]), sent)
    cast.reseller.refresh_from_db()
    kept = (cast.reseller.device_quota, cast.reseller.total_device_quota, cast.reseller.mac_prefixes)
    assert kept == (7, 9, "00908F 000413")
    assert Entry.objects.get(event=Event.CHANGED).changes.keys() == {
        "device_quota",
        "total_device_quota",
        "mac_prefixes",
    }


def test_a_mac_of_another_maker_is_invalid_for_the_group(administrator: Api, cast: Cast) -> None:
    make_device(cast.provider, "00156500000A")
    limit(cast.provider, mac_prefixes="000413 00908F0")
    make_device(cast.stranger, "00156500000B")
    sent = ["001565000001", "00908F000001", "00:15:65:00:00:0A", "000413000001", "00156500000B"]
    answer = create(administrator, cast.provider, sent)
    assert bucket(answer, "success") == ["00908F000001", "000413000001"]
    assert answer.json()["invalidMAC"] == {"count": 1, "macList": ["001565000001"]}
    assert bucket(answer, "duplicateMACSameGroup") == ["00156500000A"]  # what it has stays its own
    assert bucket(answer, "duplicateMACOtherGroup") == ["00156500000B"]


def test_a_move_of_another_makers_devices_is_refused_whole(administrator: Api, cast: Cast) -> None:
    for mac in ("001565000001", "00908F000001"):
        make_device(cast.provider, mac)
    limit(cast.sibling, mac_prefixes="00908F")
    body = {"macList": ["001565000001", "00908F000001"], "group": cast.sibling.pk}
    answer = administrator.post("/devices/move", body)
    assert answer.status_code == 409
    assert answer.json()["description"] == "MAC 00:15:65:00:00:01 is not of a maker that the group may claim."
    assert Device.objects.filter(group=cast.provider).count() == 2


def test_an_import_names_the_makers(cast: Cast, tmp_path: Path) -> None:
    limit(cast.provider, mac_prefixes="000413")
    file, errors = tmp_path / "phones.csv", tmp_path / "errors.csv"
    file.write_text("mac,group\n00:90:8F:00:00:01,Berlin Phones\n00:04:13:00:00:01,Berlin Phones\n")
    call_command("import_devices", str(file), "--skip-bad", "--errors", str(errors), stdout=io.StringIO())
    assert [device.mac for device in Device.objects.all()] == ["000413000001"]
    assert "may claim only MACs that begin with 000413" in errors.read_text()


# --- What is seen of large claims --------------------------------------------------------------------------------


def test_a_long_run_of_macs_is_told(administrator: Api, cast: Cast, settings: Any) -> None:
    settings.CLAIM_RUN_ALERT = 100
    run = [f"00908F{number:06X}" for number in range(100)]
    assert create(administrator, cast.provider, run[:99]).status_code == 201
    assert not Entry.objects.filter(event=Event.CLAIM_SUSPECTED).exists()
    assert create(administrator, cast.sibling, [mac.replace("00908F", "000413") for mac in run]).status_code == 201
    entry = Entry.objects.get(event=Event.CLAIM_SUSPECTED)
    assert (entry.group_id, entry.object_repr) == (cast.sibling.pk, "Munich Phones")
    assert entry.changes == {
        "first": [None, "00:04:13:00:00:00"],
        "last": [None, "00:04:13:00:00:63"],
        "consecutive": [None, 100],
    }


def test_a_long_run_in_a_file_is_told(administrator: Api, cast: Cast, settings: Any) -> None:
    """And many MACs of another group's; to the tenant, too, in its audit log."""
    settings.CLAIM_RUN_ALERT = 25
    for mac in MACS[:10]:
        make_device(cast.stranger, mac)
    rows = [f"000413{number:06X},Berlin Phones" for number in range(25)]
    rows += [f"{mac},Munich Phones" for mac in MACS[:12]]
    path = administrator.post("/imports", Form(file="mac,group\n" + "\n".join(rows))).json()["url"]
    path = path.removeprefix("/api/v1")
    run_due_jobs()
    assert not Entry.objects.filter(event=Event.CLAIM_SUSPECTED).exists()
    assert administrator.post(f"{path}/confirm").status_code == 200
    run_due_jobs()
    found = administrator.get("/audit", {"filter": "event='ClaimSuspected'", "sort": "object"}).json()["audit"]
    assert [(entry["object"], entry["changes"]) for entry in found] == [
        (
            "Berlin Phones",
            {
                "first": [None, "00:04:13:00:00:00"],
                "last": [None, "00:04:13:00:00:18"],
                "consecutive": [None, 25],
            },
        ),
        ("Munich Phones", {"foreign": [None, 10], "sent": [None, 12]}),
    ]


def test_many_macs_of_other_groups_are_told(administrator: Api, cast: Cast) -> None:
    for mac in MACS[:10]:
        make_device(cast.stranger, mac)
    create(administrator, cast.provider, MACS[:9])
    create(administrator, cast.provider, MACS[:40])
    assert not Entry.objects.filter(event=Event.CLAIM_SUSPECTED).exists()
    create(administrator, cast.provider, MACS[:20])
    entry = Entry.objects.get(event=Event.CLAIM_SUSPECTED)
    assert (entry.group_id, entry.changes) == (cast.provider.pk, {"foreign": [None, 10], "sent": [None, 20]})


# --- Who had it --------------------------------------------------------------------------------------------------


def claims_of(mac: str) -> list[tuple[int, bool]]:
    claims = of_macs([mac], 20).get(mac, [])[::-1]
    assert all(claim.began is not None for claim in claims)
    assert all(str(earlier.ended) <= str(later.began) for earlier, later in pairwise(claims))
    return [(claim.group_id, claim.ended is None) for claim in claims]


def test_a_claim_is_kept_from_its_begin_to_its_end(administrator: Api, cast: Cast) -> None:
    mac = MACS[0]
    create(administrator, cast.provider, MACS[:3])
    administrator.post("/devices/move", {"macList": [mac], "group": cast.sibling.pk})
    administrator.post("/devices/remove", {"macList": [mac]})
    assert claims_of(mac) == [(cast.provider.pk, False), (cast.sibling.pk, False)]
    create(administrator, cast.provider, [mac])
    assert claims_of(mac)[2:] == [(cast.provider.pk, True)]
    assert claims_of(MACS[1]) == [(cast.provider.pk, True)]


def test_what_is_written_around_the_models_is_kept_too(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO devices_device (mac, group_id, last_access_status, num_requests)"
            " VALUES (%s, %s, 'Await access', 0)",
            [MACS[0], cast.provider.pk],
        )
        cursor.execute("UPDATE devices_device SET num_requests = 7")
        cursor.execute("UPDATE devices_device SET group_id = group_id")
        assert claims_of(MACS[0]) == [(cast.provider.pk, True)]
        cursor.execute("UPDATE devices_device SET group_id = %s", [cast.sibling.pk])
        cursor.execute("DELETE FROM devices_device")
    assert claims_of(MACS[0]) == [(cast.provider.pk, False), (cast.sibling.pk, False)]


def as_before_0025(*devices: Device) -> None:
    """Their claims run since migration 0017 or before, and are rows of their own."""
    for at, device in enumerate(devices):
        began = None if at else device.claimed_at
        Claim.objects.create(mac=device.mac, group_id=device.group_id, began=began)
    Device.objects.filter(mac__in=[device.mac for device in devices]).update(claimed_at=None)


def test_claims_of_before_end_where_they_began(administrator: Api, cast: Cast) -> None:
    create(administrator, cast.provider, MACS[:4])
    as_before_0025(*Device.objects.filter(mac__in=MACS[:3]).order_by("mac"))
    administrator.post("/devices/move", {"macList": MACS[:2], "group": cast.sibling.pk})
    administrator.post("/devices/remove", {"macList": MACS[1:4]})
    assert claims_of(MACS[0]) == [(cast.provider.pk, False), (cast.sibling.pk, True)]
    found = of_macs(MACS[1:4], 20)
    told = {mac: [(claim.group_id, claim.began is None) for claim in found[mac]] for mac in MACS[1:4]}
    assert told == {
        MACS[1]: [(cast.sibling.pk, False), (cast.provider.pk, True)],
        MACS[2]: [(cast.provider.pk, True)],
        MACS[3]: [(cast.provider.pk, False)],
    }
    assert all(claim.ended for claims in found.values() for claim in claims)
    assert Claim.objects.count() == 5


def test_the_migration_of_running_claims_and_back(transactional_db: None) -> None:
    """Nothing is lost in either direction, and no claim is told twice."""
    reseller = make_group("Acme Voice")
    provider, sibling = make_group("Berlin Phones", reseller), make_group("Munich Phones", reseller)
    api = Api(make_user(reseller))

    def claims() -> dict[str, list[Any]]:
        return {
            mac: [(claim.group_id, claim.began, claim.ended) for claim in found]
            for mac, found in of_macs(MACS[:6], 20).items()
        }

    create(api, provider, MACS[:4])
    api.post("/devices/move", {"macList": MACS[:2], "group": sibling.pk})
    api.post("/devices/remove", {"macList": MACS[1:3]})
    before = claims()
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "devices"]
    try:
        executor.migrate([("devices", "0024_count_devices_of_before")])
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM devices_claim WHERE ended IS NULL")
            assert cursor.fetchone() == (2,)
            cursor.execute(
                "INSERT INTO devices_device (mac, group_id, last_access_status, num_requests)"
                " VALUES (%s, %s, 'Await access', 0)",
                [MACS[4], provider.pk],
            )
            cursor.execute("DELETE FROM devices_device WHERE mac = %s", [MACS[3]])
    finally:
        MigrationExecutor(connection).migrate(latest)
    create(api, provider, MACS[5:6])
    after = claims()
    assert {mac: after[mac] for mac in MACS[:3]} == {mac: before[mac] for mac in MACS[:3]}
    assert [claim[2] is None for mac in MACS[3:6] for claim in after[mac]] == [False, True, True]
    api.post("/devices/remove", {"macList": [MACS[0], *MACS[4:6]]})
    assert {mac: len(found) for mac, found in claims().items()} == dict(
        zip(MACS, [2, 2, 1, 1, 1, 1], strict=False)
    )
    assert not Claim.objects.filter(ended=None).exists()


def test_staff_see_who_had_a_mac(desk: Client, administrator: Api, cast: Cast) -> None:
    create(administrator, cast.provider, MACS[:1])
    administrator.post("/devices/move", {"macList": MACS[:1], "group": cast.sibling.pk})
    device = Device.objects.get()
    page = desk.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert "Acme Voice / Berlin Phones" in page
    assert "Dispute this claim" in page
    administrator.post("/devices/remove", {"macList": MACS[:1]})
    found = desk.get(reverse("admin:find"), {"q": MACS[0]}).content.decode()
    assert re.search("Munich Phones.*Berlin Phones", found, re.DOTALL)


# --- Disputes ----------------------------------------------------------------------------------------------------

REASON = "Invoice 4711 of the maker names Foreign Phones"


def dispute(browser: Client, device: Device, **sent: Any) -> Any:
    return browser.post(reverse("admin:devices_device_dispute", args=[device.pk]), {"reason": REASON} | sent)


def test_a_disputed_claim_goes_to_the_owner(desk: Client, cast: Cast) -> None:
    device = make_device(cast.provider, MACS[0], make_location(cast.provider), description="ours")
    assert dispute(desk, device, group=cast.strangers_provider.pk).status_code == 302
    device.refresh_from_db()
    assert (device.group_id, device.location_id, device.description) == (cast.strangers_provider.pk, None, None)
    entry = Entry.objects.get(event=Event.CLAIM_DISPUTED)
    assert (entry.group_id, entry.additional_data["reason"]) == (cast.provider.pk, REASON)
    current, ended = of_macs(MACS[:1], 20)[MACS[0]]
    assert (ended.dispute, current.dispute) == (REASON, None)
    page = desk.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert f"ended by support staff: {REASON}" in page


def test_a_disputed_claim_ends(desk: Client, cast: Cast) -> None:
    dispute(desk, make_device(cast.provider, MACS[0]))
    assert not Device.objects.exists()
    assert Claim.objects.get().dispute == REASON
    found = desk.get(reverse("admin:find"), {"q": MACS[0]}).content.decode()
    assert REASON in found


@pytest.mark.parametrize("sent", [{"reason": ""}, {"reason": "x"}, {"group": "provider"}, {"group": "full"}])
def test_what_a_dispute_refuses(desk: Client, cast: Cast, sent: dict[str, Any]) -> None:
    device = make_device(cast.provider, MACS[0])
    groups = {"provider": cast.provider.pk, "full": make_group("Full", cast.stranger, device_quota=0).pk}
    page = dispute(desk, device, **{name: groups.get(value, value) for name, value in sent.items()})
    assert page.status_code == 200
    assert Device.objects.get().group_id == cast.provider.pk
    assert not Entry.objects.filter(event=Event.CLAIM_DISPUTED).exists()


def test_an_agent_disputes_nothing(cast: Cast) -> None:
    client = Client()
    client.force_login(make_colleague("agent"))
    device = make_device(cast.provider, MACS[0])
    assert dispute(client, device).status_code == 403
    assert (
        "Dispute this claim"
        not in client.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    )


# --- The number of statements ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quotas", [False, True])
def test_statements_do_not_depend_on_the_number_of_devices(administrator: Api, cast: Cast, quotas: bool) -> None:
    if quotas:
        limit(cast.provider, device_quota=10_000, mac_prefixes="00908F")
        limit(cast.reseller, total_device_quota=10_000)
    counts = []
    for macs in (MACS[:1], MACS[1:]):
        with CaptureQueriesContext(connection) as queries:
            assert create(administrator, cast.provider, macs).status_code == 201
        counts.append(len(queries))
    assert counts[0] == counts[1], counts
