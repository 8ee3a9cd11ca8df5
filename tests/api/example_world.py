"""The world that the examples of the OpenAPI document speak of: reseller 2, its providers, and what they have."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

from accounts.models import ApiKey, Group, GroupType, Level, LoginStatus, User
from audit.context import Source
from audit.models import ACTIONS, Entry, EntryObject, Event, number_of
from devices.imports import mac_cell
from devices.models import Access, AccessStatus, Device, Import, ImportState, Outcome
from locations.models import Location
from tests.api import managed_world
from webhooks import secrets
from webhooks.models import Alert, Delivery, Webhook

PASSWORD = "correct horse 7"  # of the example
LISTED = ("00908F9D8992", "00908F9D8993")
BOOKED = datetime(2019, 4, 4, 9, 37, 4, tzinfo=UTC)
SHOWN = datetime(2019, 4, 28, 18, 16, 4, tzinfo=UTC)


def make() -> User:
    """Everything that an example names; returns the Administrator of reseller 2."""
    _groups()
    _locations_and_devices()
    administrator = _users()
    _logs()
    _imports()
    managed_world.make()
    _webhooks()
    _alerts()
    # The ids above were given by hand: the next ones must not be among them.
    with connection.cursor() as cursor:
        models: list[type[Model]] = [Group, User, ApiKey, Location, Device, Entry, Access, Import]
        models += [*managed_world.MODELS, Webhook, Delivery, Alert]
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
    return administrator


def _groups() -> None:
    reseller = Group.objects.create(id=2, name="reseller of id 2", group_type=GroupType.RESELLER)
    for id, name, address, description in (
        (1, "provider 1", None, None),
        (6, "provider 6 of reseller 2", "aaa", "second provider of reseller 2"),
    ):
        Group.objects.create(
            id=id,
            name=name,
            address=address,
            description=description,
            group_type=GroupType.PROVIDER,
            reseller=reseller,
        )


def _locations_and_devices() -> None:
    for id, group, url in (
        (1, 1, "http://location/of/configuration/1"),
        (2, 2, "https://www.google.co.il/"),
        (3, 2, "http://location/of/configuration/3"),
        (6, 6, "http://location/of/configuration/6"),
        (7, 2, "https://pbx.example.com/{CUSTOMER NAME}/{MAC ADDRESS}.cfg"),
    ):
        Location.objects.create(id=id, group_id=group, url=url)
    Device.objects.create(
        id=3,
        mac="102233444444",
        group_id=2,
        location_id=2,
        last_access_status=AccessStatus.SUCCESS,
        num_requests=3,
        last_access=BOOKED,
    )
    Device.objects.create(id=4, mac="00A0C914C82A", group_id=2)
    Device.objects.create(id=5, mac="00908F000001", group_id=1, location_id=1, description="Say hi there")
    Device.objects.create(id=6, mac="00908F000006", group_id=6, num_requests=4, last_access=BOOKED)
    for id, mac in enumerate(LISTED, 7):
        Device.objects.create(id=id, mac=mac, group_id=2, location_id=7)


def _users() -> User:
    aviu = User(
        id=1,
        login="aviu",
        first_name="avi",
        last_name="umaha",
        group_id=1,
        permission_level=Level.ADMINISTRATOR,
        email="aviu@mydomain.com",
        description="great",
        phone1="054852188445",
        last_login=SHOWN,
        last_login_status=LoginStatus.SUCCESS,
    )
    aviu.set_password(PASSWORD)
    aviu.save()
    ApiKey.objects.create(
        id=3,
        name="Billing import",
        group_id=1,
        permission_level=Level.OPERATOR,
        hint="prsk_7Hq2",
        digest="0",
        expires_at=datetime(2099, 1, 1, tzinfo=UTC),
        allowed_networks=["192.0.2.0/24", "2001:db8::/32"],
        last_used=SHOWN,
        last_address="192.0.2.7",
    )
    return User.objects.create(id=2, login="ada", group_id=2, permission_level=Level.ADMINISTRATOR)


def _imports() -> None:
    upload = Import.objects.create(
        id=5,
        group_id=2,
        by_job=True,
        file_name="devices.csv",
        ignored_columns="vendor",
        state=ImportState.CHECKED,
        total=2,
        checked=2,
        counts={"Created": 1, "InvalidMAC": 1},
        created_at=SHOWN,
    )
    cells = {"group_cell": "provider 1", "location_cell": "", "description_cell": "Lobby"}
    upload.rows.create(
        number=2, mac_cell="00908F9D8901", mac="00908F9D8901", group_id=1, verdict="Created", **cells
    )
    reading = mac_cell.read("00908F9D89", is_number=False, in_workbook=False)
    upload.rows.create(number=3, mac_cell="00908F9D89", verdict="InvalidMAC", problem=reading.problem, **cells)


def _webhooks() -> None:
    webhook = Webhook.objects.create(
        id=3,
        group_id=1,
        url="https://hooks.example.com/phones",
        events=["device.claimed", "device.removed"],
        description="Inventory",
        secret=secrets.encrypt(secrets.new()),
        created_at=SHOWN,
    )
    Delivery.objects.create(
        id=17,
        webhook=webhook,
        key=UUID("6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f"),
        event="device.claimed",
        mac="00908F9D8992",
        data={
            "mac": "00:90:8F:9D:89:92",
            "groupId": 1,
            "locationId": None,
            "time": "2019-04-28T18:16:04+0000",
        },
        attempts=1,
        last_status=500,
        last_problem="The receiver answers 500.",
        created_at=SHOWN,
        next_attempt=SHOWN + timedelta(seconds=5),
    )


def _alerts() -> None:
    Alert.objects.create(
        id=3,
        group_id=1,
        events=["device.failing", "device.recovered", "device.first_seen"],
        time_zone="Europe/Berlin",
        addresses=["noc@provider.example"],
        description="For the morning shift",
        created_at=SHOWN,
    )


def _logs() -> None:
    def entry(id: int, event: Event, row: type[Any], **more: Any) -> Entry:
        values = {"object_repr": "", "object_pk": "", "group_id": 2, "source": Source.API, "timestamp": SHOWN}
        values |= {"actor_login": "ada", "actor_group_id": 2, "remote_addr": "192.0.2.7"}
        values |= {"cid": "6c5b0d0b2a7c4c0b9d1f3e5a7b9c1d3f", "action": ACTIONS.get(event, 1)}
        content_type = ContentType.objects.get_for_model(row)
        return Entry(id=id, event=event, content_type=content_type, **values | more)

    # An entry that is saved alone says itself who wrote it.
    Entry.objects.all().delete()
    Entry.objects.bulk_create(
        [
            entry(15, Event.LOGIN_FAILED, User, object_repr="ada", timestamp=datetime(2026, 2, 1, tzinfo=UTC)),
            entry(
                16,
                Event.CHANGED,
                Group,
                object_id=2,
                object_repr="Acme Voice",
                changes={"address": ["1 Old Street", "2 New Street"]},
            ),
            entry(
                17,
                Event.DEVICES_CREATED,
                Device,
                changes={"location": [None, 7]},
                additional_data={"parts": [{"group": 2, "count": 2, "first": list(LISTED)}]},
            ),
        ]
    )
    EntryObject.objects.all().delete()
    EntryObject.objects.bulk_create(
        EntryObject(entry_id=17, number=number_of(mac), done=Event.DEVICES_CREATED) for mac in LISTED
    )
    asked = {"mac": "102233444444", "device_id": 3, "group_id": 2, "address": "192.0.2.7", "time": BOOKED}
    Access.objects.create(outcome=Outcome.NO_LOCATION, user_agent="AUDC/3.4.6.604", **asked)
    Access.objects.create(
        outcome=Outcome.REDIRECTED,
        user_agent="AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1",
        location_url="https://www.google.co.il/",
        path="/102233444444.cfg",
        kind="file",
        **asked,
    )


# --- What an operation finds -----------------------------------------------------------------------------------


def _both_devices() -> None:
    Device.objects.create(mac="00A0C914C829", group_id=2)


def _two_devices_of_a_provider() -> None:
    _both_devices()
    Device.objects.filter(mac__in=["00A0C914C829", "00908F9D8992"]).update(group=6, location=None)
    # Of one the new group has a location of the same URL.
    location = Location.objects.create(group_id=6, url="http://location/of/configuration/3")
    Device.objects.filter(mac="00A0C914C829").update(location=location)


def _three_devices_of_which_one_has_a_location() -> None:
    _both_devices()
    Device.objects.create(mac="00A0C914C82B", group_id=2, location_id=2)


def _both_devices_at_location_3() -> None:
    _both_devices()
    Device.objects.filter(mac__startswith="00A0C914C8").update(location=3)


def _only_location_3_is_in_use() -> None:
    Device.objects.exclude(location=None).update(location=None)
    Device.objects.filter(id=3).update(location=3)


def _no_user_aviu() -> None:
    User.objects.filter(id=1).delete()


def _group_6_is_empty() -> None:
    Device.objects.filter(group=6).delete()
    Location.objects.filter(group=6).delete()


# By the operation whose example works on something else than the world as it is made.
def _import_is_open() -> None:
    Import.objects.filter(id=5).update(state=ImportState.CHECKED)


BEFORE: dict[str, Callable[[], None]] = {
    "removeDevices": _both_devices,
    "moveDevices": _two_devices_of_a_provider,
    "associateDevices": _three_devices_of_which_one_has_a_location,
    "disassociateDevices": _both_devices_at_location_3,
    "removeLocations": _only_location_3_is_in_use,
    "createUser": _no_user_aviu,
    "createEndpoint": managed_world.no_endpoint_yet,
    "resumeOperation": managed_world.the_flow_has_failed,
    "deleteGroup": _group_6_is_empty,
    "confirmImport": _import_is_open,
}
