"""What the database itself keeps, whoever writes to it: these tests go around every model."""

import re
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from tests.conftest import Api, Cast, make_device, make_group, make_location, make_operator, make_user

MAC = "00908F9D8992"
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL has a composite key")
ON_SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has triggers")


def execute(sql: str, *parameters: Any) -> None:
    """Run a statement, and check what waits for the end of the transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        connection.check_constraints()


def insert(table: str, **columns: Any) -> None:
    places = ", ".join("%s" for _ in columns)
    execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", *columns.values())  # noqa: S608


def insert_device(group: Any, mac: str = MAC, location: Any = None) -> None:
    columns = {"mac": mac, "group_id": group.pk, "location_id": getattr(location, "pk", location)}
    insert("devices_device", **columns, last_access_status="Await access", num_requests=0)


def insert_group(name: str, group_type: str, reseller: Any = None) -> None:
    insert("accounts_group", name=name, group_type=group_type, reseller_id=getattr(reseller, "pk", None))


# --- Devices --------------------------------------------------------------------------------------------------


def test_a_device_is_inserted(cast: Cast) -> None:
    insert_device(cast.provider, MAC, make_location(cast.provider))
    assert Device.objects.get().mac == MAC


@pytest.mark.parametrize(
    "mac",
    ["", "00908F9D899", "00908F9D89922", "00908f9d8992", "00:90:8F:9D:89:92", "00908F9D899G", "00908F9D8992\n"],
)
def test_a_mac_is_12_upper_case_hexadecimal_digits(cast: Cast, mac: str) -> None:
    with pytest.raises(DatabaseError):
        insert_device(cast.provider, mac)


def test_a_mac_has_one_owner_in_the_whole_service(cast: Cast) -> None:
    make_device(cast.stranger, MAC)
    with pytest.raises(DatabaseError):
        insert_device(cast.provider)


def test_a_device_cannot_be_made_with_a_location_of_another_group(cast: Cast) -> None:
    for group in (cast.sibling, cast.reseller, cast.stranger):
        with pytest.raises(DatabaseError):
            insert_device(cast.provider, MAC, make_location(group))


def test_a_device_cannot_get_a_location_of_another_group(cast: Cast) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider))
    location = make_location(cast.sibling)
    with pytest.raises(DatabaseError):
        execute("UPDATE devices_device SET location_id = %s", location.pk)


def test_a_device_with_a_location_cannot_change_its_group(cast: Cast) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider))
    with pytest.raises(DatabaseError):
        execute("UPDATE devices_device SET group_id = %s", cast.sibling.pk)


def test_a_device_changes_group_and_location_together(cast: Cast) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider))
    location = make_location(cast.sibling)
    execute("UPDATE devices_device SET group_id = %s, location_id = %s", cast.sibling.pk, location.pk)
    assert Device.objects.get().location_id == location.pk


def test_a_location_with_devices_cannot_change_its_group(cast: Cast) -> None:
    make_device(cast.provider, MAC, make_location(cast.provider))
    with pytest.raises(DatabaseError):
        execute("UPDATE locations_location SET group_id = %s", cast.sibling.pk)


def test_a_location_without_devices_may_change_its_group(cast: Cast) -> None:
    location = make_location(cast.provider)
    execute("UPDATE locations_location SET group_id = %s", cast.sibling.pk)
    location.refresh_from_db()
    assert location.group_id == cast.sibling.pk


@pytest.mark.parametrize("table", ["locations_location", "accounts_group"])
def test_what_a_device_refers_to_cannot_be_deleted(cast: Cast, table: str) -> None:
    device = make_device(cast.provider, MAC, make_location(cast.provider))
    id = device.location_id if table == "locations_location" else device.group_id
    with pytest.raises(DatabaseError):
        execute(f"DELETE FROM {table} WHERE id = %s", id)  # noqa: S608


# --- Groups and users -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group_type", "with_reseller"), [("Provider", False), ("Reseller", True), ("Other", False)]
)
def test_a_provider_has_a_reseller_and_a_reseller_has_none(cast: Cast, group_type, with_reseller) -> None:
    with pytest.raises(DatabaseError):
        insert_group("New", group_type, cast.reseller if with_reseller else None)


def test_a_provider_cannot_lose_its_reseller(cast: Cast) -> None:
    with pytest.raises(DatabaseError):
        execute("UPDATE accounts_group SET reseller_id = NULL WHERE id = %s", cast.provider.pk)


def test_a_name_stands_once_under_a_reseller(cast: Cast) -> None:
    with pytest.raises(DatabaseError):
        insert_group("Berlin Phones", "Provider", cast.reseller)
    insert_group("Berlin Phones", "Provider", cast.stranger)


def test_a_name_stands_once_among_resellers(cast: Cast) -> None:
    """Resellers have no parent, and NULL is unequal to NULL in a plain unique constraint."""
    with pytest.raises(DatabaseError):
        insert_group("Acme Voice", "Reseller")


# --- The finished schema --------------------------------------------------------------------------------------


@ON_SQLITE
@pytest.mark.django_db
def test_the_triggers_are_in_the_finished_schema() -> None:
    """A later migration that alters a table on SQLite drops its triggers without a word."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        assert cursor.fetchall() == [
            ("device_claim_begins", "devices_device"),
            ("device_claim_ends", "devices_device"),
            ("device_claim_passes", "devices_device"),
            ("device_count_gone", "devices_device"),
            ("device_count_made", "devices_device"),
            ("device_count_moved", "devices_device"),
            ("device_in_group_of_location_on_insert", "devices_device"),
            ("device_in_group_of_location_on_update", "devices_device"),
            ("device_mac_is_not_reserved_on_insert", "devices_device"),
            ("device_mac_is_not_reserved_on_update", "devices_device"),
            ("location_in_group_of_devices_on_update", "locations_location"),
        ]


@ON_POSTGRESQL
@pytest.mark.django_db
def test_the_composite_foreign_key_is_in_the_finished_schema() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint"
            " WHERE conname = 'device_and_location_in_one_group' AND conrelid = 'devices_device'::regclass"
        )
        assert cursor.fetchall() == [
            ("FOREIGN KEY (location_id, group_id) REFERENCES locations_location(id, group_id)", True)
        ]


@ON_POSTGRESQL
@pytest.mark.django_db
def test_the_trigram_indexes_are_in_the_finished_schema() -> None:
    columns = {
        ("devices_device", "mac"),
        ("devices_device", "description"),
        ("locations_location", "url"),
        ("locations_location", "description"),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, indexdef FROM pg_indexes WHERE indexdef LIKE '%gin_trgm_ops%'")
        found = {
            (table, column) for table, made in cursor.fetchall() for column in re.findall(r"upper\(\(?(\w+)", made)
        }
    assert found >= columns


@pytest.fixture
def many(cast: Cast) -> None:
    """So many rows of the reseller, its provider and the stranger that reading them all is a bad plan."""
    groups = [cast.reseller.pk, cast.provider.pk, cast.stranger.pk]
    execute(
        "INSERT INTO devices_device (mac, group_id, description, last_access_status, num_requests)"
        " SELECT '00908F' || upper(lpad(to_hex(number), 6, '0')), (%s::bigint[])[1 + number %% 3],"
        " md5(number::text), 'Await access', 0 FROM generate_series(1, 6000) AS number",
        groups,
    )
    execute(
        "INSERT INTO locations_location (url, group_id, description, mutual_auth)"
        " SELECT 'https://' || md5(number::text) || '.example/', (%s::bigint[])[1 + number %% 3],"
        " md5(number::text), false FROM generate_series(1, 6000) AS number",
        groups,
    )
    for table in ("devices_device", "locations_location"):
        for name in ("description_trigram", "mac_trigram" if table == "devices_device" else "url_trigram"):
            execute("SELECT gin_clean_pending_list(%s)", f"{table.split('_')[1]}_{name}")
        execute(f"ANALYZE {table}")


@ON_POSTGRESQL
@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("path", "term", "indexes"),
    [
        ("/devices", "lobby", {"device_description_trigram"}),
        ("/devices", "9d:89:92", {"device_mac_trigram", "device_description_trigram"}),
        ("/devices", "123456", {"device_mac_trigram", "device_description_trigram"}),
        ("/locations", "lobby", {"location_url_trigram", "location_description_trigram"}),
    ],
)
def test_a_search_uses_the_trigram_indexes(cast: Cast, path: str, term: str, indexes: set[str]) -> None:
    for api in Api(make_operator()), Api(make_user(cast.reseller)):
        with CaptureQueriesContext(connection) as queries:
            assert api.get(path, {"filter": f"(search~'{term}')"}).status_code in (200, 204)
        counted = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]][-1]
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + counted)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert set(re.findall(r"Bitmap Index Scan on (\w+)", plan)) >= indexes, f"{counted}\n\n{plan}"


@ON_POSTGRESQL
@pytest.mark.django_db
def test_visits_touch_no_index() -> None:
    """So that PostgreSQL's updates of counters and times stay on the page of the row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename IN ('devices_device', 'locations_location')"
        )
        made = [definition for (definition,) in cursor.fetchall()]
    assert made
    assert not [text for text in made if "last_access" in text or "num_requests" in text]


def test_two_resellers_may_have_providers_of_one_name(cast: Cast) -> None:
    assert make_group("Munich Phones", cast.stranger).pk
