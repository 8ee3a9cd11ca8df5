"""Demo data for a newcomer: two resellers with all that hangs on them, and logins to try it with."""

import os
import re
import secrets
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from auditlog.context import disable_auditlog
from django.conf import settings
from django.contrib.auth.models import Group as Role
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import Group, GroupType, Level, User
from devices import claims
from devices.models import Access, AccessStatus, Device, Outcome
from locations.models import Location
from redirect.db.time import now

OPERATOR = "demo-operator"
SUPPORT = "demo-support"

# The word that the logins and hosts of a group begin with, its name, and its providers.
RESELLERS = {
    ("north", "Northern Telecom Demo"): {
        "harbour": "Harbour Hotels",
        "hospital": "City Hospital",
        "school": "Lakeside School & College",
    },
    ("south", "Southern Voice Demo"): {
        "bank": "Mountain Bank",
        "depot": "Valley Depot",
    },
}
DEVICES_OF_A_RESELLER = 10
DEVICES_OF_A_PROVIDER = 60
PASSWORD = "Password of all demo users: "  # noqa: S105
FIRST_MAC = 0x00908FDE0000  # 00908F: AudioCodes
OTHER_MAKERS = {"Grandstream GXP2135": "000B82DE0001", "Polycom VVX 411": "0004F2DE0001"}
FIRST_UNKNOWN_MAC = FIRST_MAC + 0xF000

# Devices of a provider with a story of their own, by their number.
LOCATED_SINCE, SENT_ELSEWHERE_SINCE, MOVED_SINCE, ENTERED_SINCE, FOREIGN_CERTIFICATE = 11, 14, 17, 21, 38


@dataclass
class Demo:
    """The rows to be made, and what the newcomer reads about them."""

    password: str
    people: dict[str, str] = field(default_factory=dict)  # by login, who it is
    users: list[User] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of each device in its group

    def add_user(self, login: str, who: str, **attributes: Any) -> None:
        """A user with the password of the demo."""
        first_name, _, last_name = login.partition("-")
        user = User(login=login, first_name=first_name.title(), last_name=last_name.title(), **attributes)
        user.set_password(self.password)
        self.users.append(user)
        self.people[login] = who

    def add_tenant(self, word: str, group: Group, devices: int) -> None:
        """All that a group has: a user of each level, locations, devices."""
        for level in Level:
            who = f"{level} of the {group.group_type} {group.name}"
            self.add_user(f"{word}-{level.lower()}", who, group=group, permission_level=level)
        locations = [
            Location(
                group=group,
                url=f"https://config.{word}.example/{{CUSTOMER NAME}}/{{MAC ADDRESS}}.cfg",
                description="Phones",
            ),
            Location(
                group=group, url=f"http://boot.{word}.example:8080/get?mac={{MAC ADDRESS}}", description="Gateways"
            ),
            Location(
                group=group,
                url=f"https://secure.{word}.example/{{MAC ADDRESS}}.cfg",
                description="Phones with a client certificate only",
                mutual_auth=True,
            ),
            Location(group=group, url=f"https://spare.{word}.example/", description="No devices yet"),
        ]
        self.locations += locations
        # Of ten devices six are phones, two gateways, one needs a certificate, and one has no location.
        places = [*[locations[0]] * 6, *[locations[1]] * 2, locations[2], None]
        for number in range(devices):
            self._add_device(group, places[number % 10], number)

    def add_phones_of_other_makers(self, word: str, group: Group) -> None:
        """Phones that ask for files of their own, and the location that serves these."""
        location = Location(
            group=group, url=f"https://files.{word}.example/", description="Phones of other makers"
        )
        self.locations.append(location)
        for number, (maker, mac) in enumerate(OTHER_MAKERS.items()):
            self.devices.append(Device(mac=mac, group=group, location=location, description=maker))
            self.numbers.append(DEVICES_OF_A_PROVIDER + number)

    def _add_device(self, group: Group, location: Location | None, number: int) -> None:
        device = Device(
            mac=f"{FIRST_MAC + len(self.devices):012X}",
            group=group,
            location=location,
            description=f"Room {100 + number}" if number % 2 else None,
        )
        if number % 3 == 2:
            redirected = location is not None and not location.mutual_auth and number != LOCATED_SINCE
            device.num_requests = 1 + number % 7
            device.last_access = now() - timedelta(minutes=5 + 25 * number)  # some of those that fail, today
            device.last_access_status = AccessStatus.SUCCESS if redirected else AccessStatus.FAIL
            if location is not None and redirected:
                location.last_access = max(location.last_access or device.last_access, device.last_access)
        self.devices.append(device)
        self.numbers.append(number)

    def accesses(self, now: datetime) -> Iterator[Access]:
        """The requests of the phones over some days, and some with an unknown MAC."""
        for device, number in zip(self.devices, self.numbers, strict=True):
            for back in range(device.num_requests):
                assert device.last_access is not None
                time = device.last_access - back * timedelta(hours=11 + number % 7)
                yield self._access(device, number, time, newest=back == 0)
            if number == ENTERED_SINCE:
                yield _unknown_access(device.mac, now - timedelta(hours=2))
        for number in range(5):
            for back in range(3):
                mac = f"{FIRST_UNKNOWN_MAC + number:012X}"
                yield _unknown_access(mac, now - timedelta(minutes=7 + 13 * number, hours=20 * back))

    def _access(self, device: Device, number: int, time: datetime, *, newest: bool) -> Access:
        location, subject = device.location, None
        url = location.url if location else None
        if location is None or number == LOCATED_SINCE:
            outcome, url = Outcome.NO_LOCATION, None
        elif not location.mutual_auth:
            outcome = Outcome.REDIRECTED
        elif number == FOREIGN_CERTIFICATE:
            outcome, subject = Outcome.CERTIFICATE_MISMATCH, f"O=ACL,CN=Client_{self.devices[0].mac}"
        elif newest:
            outcome = Outcome.CERTIFICATE_REQUIRED
        else:
            outcome, subject = Outcome.REDIRECTED, f"O=ACL,CN=Client_{device.mac}"
        return Access(
            time=time,
            mac=device.mac,
            device_id=device.pk,
            group_id=(self.devices[0] if number == MOVED_SINCE else device).group.pk,
            outcome=outcome,
            address=f"198.51.100.{10 + number}",
            user_agent="AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1",
            certificate_subject=subject,
            location_url="https://old.example/{MAC ADDRESS}.cfg" if number == SENT_ELSEWHERE_SINCE else url,
        )

    @property
    def untouched_phone(self) -> Device:
        """One that awaits its first access, and will be redirected."""
        return next(device for device in self.devices if device.location and device.last_access is None)


def _unknown_access(mac: str, time: datetime) -> Access:
    return Access(
        time=time,
        mac=mac,
        outcome=Outcome.UNKNOWN,
        address="203.0.113.9",
        user_agent="AUDC/3.4.6.604 AUDC-IPPhone",
    )


class Command(BaseCommand):
    """Fills an empty database; leaves any other as it is."""

    help = (
        "Fill an empty database with demo data: resellers, providers, users of every level, locations, devices. "
        "The logins are printed once and kept in var/demo-logins.txt. A database in use is left as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="where the service will answer; default from HOST and PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        file = settings.VAR_DIR / "demo-logins.txt"
        if User.objects.get_queryset().named(OPERATOR).exists():
            self.stdout.write(f"Demo data is there; {_whereabouts(file)}")
            return
        if Group.objects.exists() or User.objects.get_queryset().exists():
            self.stdout.write("The database has groups or users of its own: no demo data was added.")
            return
        try:
            with transaction.atomic(), disable_auditlog():  # no user did what the demo shows
                demo = _seed(_kept_password(file) or secrets.token_urlsafe(12))
                told = _tell(demo, (options["url"] or _own_url()).rstrip("/"))
                # Before the commit: a crash in between would leave users with a lost password.
                _write_privately(file, told)
        except OSError as error:
            raise CommandError(f"Cannot write {_shown(file)}: {error.strerror}.") from error
        self.stdout.write(f"{told}\nThese lines are kept in {_shown(file)}; only you can read it.")


def _seed(password: str) -> Demo:
    demo = Demo(password)
    operator = {"is_superuser": True, "is_staff": True, "permission_level": Level.ADMINISTRATOR}
    demo.add_user(OPERATOR, "platform operator: may do everything, also in the admin", **operator)
    demo.add_user(SUPPORT, "support staff: may look at everything in the admin", is_staff=True)
    for (word, name), providers in RESELLERS.items():
        reseller = Group.objects.create(name=name, group_type=GroupType.RESELLER)
        demo.add_tenant(word, reseller, DEVICES_OF_A_RESELLER)
        for provider_word, provider_name in providers.items():
            provider = Group.objects.create(name=provider_name, group_type=GroupType.PROVIDER, reseller=reseller)
            demo.add_tenant(provider_word, provider, DEVICES_OF_A_PROVIDER)
    demo.add_phones_of_other_makers("harbour", Group.objects.get(name="Harbour Hotels"))
    User.objects.bulk_create(demo.users)
    Location.objects.bulk_create(demo.locations)
    limits = claims.lock({device.group_id for device in demo.devices})
    Device.objects.bulk_create(demo.devices)
    limits.check(Counter(device.group_id for device in demo.devices))
    Access.objects.bulk_create(demo.accesses(timezone.now()))
    User.objects.get(login=SUPPORT).groups.set(Role.objects.filter(name="Support reader"))
    return demo


def _tell(demo: Demo, url: str) -> str:
    """What a newcomer needs, with commands that work when pasted."""
    width = max(map(len, demo.people))
    people = "\n".join(f"  {login:{width}}  {who}" for login, who in demo.people.items())
    administrator = next(user.login for user in demo.users if user.group)
    return f"""\
Demo data: {len(RESELLERS)} resellers, {sum(map(len, RESELLERS.values()))} providers, {len(demo.users)} users, \
{len(demo.locations)} locations, {len(demo.devices)} devices.

{PASSWORD}{demo.password}
{people}

Log in to the API:
  curl -s -H 'Content-Type: application/json' \
-d '{{"userName": "{administrator}", "password": "{demo.password}"}}' {url}/api/v1/login
What a phone gets that boots:
  curl -i {url}/{demo.untouched_phone.mac}
Admin:             {url}/admin/ (as {OPERATOR})
API documentation: {url}/api/v1/docs
"""


def _own_url() -> str:
    """Where `make run` will serve; a server that listens everywhere is also here."""
    host = os.environ.get("HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{os.environ.get('PORT') or '8000'}"


def _kept_password(file: Path) -> str | None:
    """The password of another database's demo, so that the file is true of both."""
    found = re.search(rf"^{PASSWORD}(\S+)$", file.read_text("utf-8"), re.MULTILINE) if file.exists() else None
    return found[1] if found else None


def _write_privately(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)  # an old one may be readable by others
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def _whereabouts(file: Path) -> str:
    if file.exists():
        return f"logins stand in {_shown(file)}."
    return f"its logins are lost. Give one a new password: manage.py changepassword {OPERATOR}"


def _shown(file: Path) -> str:
    return os.path.relpath(file, settings.BASE_DIR) if file.is_relative_to(settings.BASE_DIR) else str(file)
