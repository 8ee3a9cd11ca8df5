"""The tenants, locations and phones that everything is measured on, and what was counted of their requests."""

import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from tqdm import tqdm

from rig import ROOT
from rig.processes import parents
from rig.service import manage

LOGIN_OPERATOR, LOGIN_RESELLER, PASSWORD = "bench-operator", "bench-reseller", "a bench needs no secret"
MULTICAST = 1 << 40  # the bit of a MAC that makes it a group address
HOT_PHONES_SHARE = 50  # one hot phone more for each so many

# Reseller 1 has half of all groups below it, ten others share the rest. Each group has five locations, each
# of them a hundred phones; these ask in the storm. One more location has 20,000 phones (for a million): the skew.
GROUPS = """
INSERT INTO accounts_group (id, name, group_type, reseller_id)
SELECT n, 'Reseller ' || lpad(n::text, 4, '0') || ' Telecom', 'Reseller', NULL FROM generate_series(1, 11) n
UNION ALL
SELECT n, 'Provider ' || lpad(n::text, 4, '0') || ' Networks', 'Provider',
       CASE WHEN n > %(groups)s / 2 THEN 1 ELSE 2 + n %% 10 END
FROM generate_series(12, %(groups)s) n
"""
LOCATIONS = """
INSERT INTO locations_location (id, group_id, url, description, mutual_auth)
SELECT n, 1 + (n - 1) %% %(groups)s,
       'https://pbx' || n || '.example.net/{CUSTOMER NAME}/{MAC ADDRESS}.cfg', 'Site ' || n, false
FROM generate_series(1, 5 * %(groups)s) n
UNION ALL
SELECT 5 * %(groups)s + 1, 1, 'https://callcentre.example.net/{MAC ADDRESS}.cfg', 'The large one', false
"""
# A MAC of any maker; with the low bit of the first octet it would be a group address, which is no device's.
MAC = """upper(overlay(left(md5({text}), 12)
      placing translate(substr(md5({text}), 2, 1), '13579bdf', '02468ace') from 2))"""
# One phone in eight has the common word "Lobby" in its description, one in 27,000 the rare word "defibrillator".
DEVICES = """
INSERT INTO devices_device (mac, group_id, location_id, description)
SELECT {unicast}, 1 + n %% %(groups)s,
       1 + n %% %(groups)s + %(groups)s * (n / %(groups)s %% 5),
       (ARRAY['Lobby', 'Office', 'Warehouse', 'Kitchen', 'Reception', 'Workshop', 'Class', 'Ward'])[1 + n / 7 %% 8]
       || ' on floor ' || n %% 40 || ', desk ' || n %% 977
       || CASE WHEN n %% 27000 = 13 THEN ', next to the defibrillator' ELSE '' END
FROM generate_series(%(first)s::int, %(last)s::int) n
""".replace("{unicast}", MAC.replace("{text}", "'phone ' || n"))
HOT_DEVICES = """
INSERT INTO devices_device (mac, group_id, location_id, description)
SELECT {unicast}, 1, 5 * %(groups)s + 1, 'Call centre, seat ' || n
FROM generate_series(1, %(hot)s) n
""".replace("{unicast}", MAC.replace("{text}", "'hot phone ' || n"))
SEQUENCES = """
SELECT setval(pg_get_serial_sequence('accounts_group', 'id'), (SELECT max(id) FROM accounts_group)),
       setval(pg_get_serial_sequence('locations_location', 'id'), (SELECT max(id) FROM locations_location))
"""
RESELLER_USER = """
INSERT INTO accounts_user (login, password, group_id, permission_level, is_superuser, is_active, is_staff,
                           force_change_password, fail_login_attempts)
SELECT %(login)s, password, 1, 'Administrator', false, true, false, false, 0
FROM accounts_user WHERE login = %(operator)s
"""


def random_macs(number: int) -> list[str]:
    """So many MACs that devices can have, 12 hexadecimal digits each; one may come twice in 2 ** 47."""
    return [f"{random.getrandbits(48) & ~MULTICAST:012X}" for _ in range(number)]


@dataclass(frozen=True)
class Counts:
    """What the database knows of the phones' requests."""

    requests: int
    log_rows: int

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(self.requests - other.requests, self.log_rows - other.log_rows)


class Data:
    """The database under test, and the checkout whose manage.py makes its tables."""

    def __init__(self, url: str, devices: int, folder: Path = ROOT) -> None:
        self.url = url
        self.folder = folder
        self.devices = devices
        self.groups = max(devices // 500, 30)
        self.locations = 5 * self.groups + 1
        self.hot = devices // HOT_PHONES_SHARE
        self.files = ROOT / "var/bench"
        self.files.mkdir(parents=True, exist_ok=True)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the bench's own."""
        return psycopg.connect(self.url, autocommit=True)

    def one(self, statement: str, **parameters: Any) -> Any:
        """The one value that a statement yields."""
        with self.connect() as connection:
            row = connection.execute(statement, parameters or None).fetchone()
        return row[0] if row else None

    def postmaster(self) -> int:
        """The first process of the database server; ends the program if that is on another machine."""
        with self.connect() as connection:
            found = parents().get(connection.info.backend_pid)
        if found is None:
            sys.exit("The database server must run on this machine: its processor time is read from /proc.")
        return found

    def prepare(self, environment: dict[str, str]) -> float:
        """Make the tables and fill them; how many seconds that took. A database that has other data is refused."""
        began = time.monotonic()
        self._manage(environment, "migrate", "-v0")
        held = self.one("SELECT count(*) FROM devices_device")
        if held == 0:
            self._manage(environment, "createsuperuser", "--noinput", f"--login={LOGIN_OPERATOR}")
            self._load()
        elif held != self.devices + self.hot or self.one("SELECT count(*) FROM accounts_group") != self.groups:
            sys.exit(f"The database has {held} devices that are not the bench's: give it an empty one.")
        self._manage(environment, "housekeeping")
        self._manage(environment, "collectstatic", "--noinput", "-v0")  # pages name their files as they are then
        self._write_macs()
        return time.monotonic() - began

    def _manage(self, environment: dict[str, str], *arguments: str) -> None:
        try:
            manage({**environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}, *arguments, folder=self.folder)
        except RuntimeError as error:
            sys.exit(str(error))

    def _load(self) -> None:
        size = {"groups": self.groups, "hot": self.hot}
        step = 20_000
        with self.connect() as connection, tqdm(total=self.devices, desc="Loading phones", unit="") as bar:
            connection.execute(GROUPS, size)
            connection.execute(LOCATIONS, size)
            for first in range(1, self.devices + 1, step):
                last = min(first + step - 1, self.devices)
                connection.execute(DEVICES, {**size, "first": first, "last": last})
                bar.update(last - first + 1)
            connection.execute(HOT_DEVICES, size)
            connection.execute(SEQUENCES)
            connection.execute(RESELLER_USER, {"login": LOGIN_RESELLER, "operator": LOGIN_OPERATOR})
            bar.set_description("Vacuum, analyze, checkpoint")
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def vacuum(self) -> None:
        """What autovacuum would have done a little later."""
        with self.connect() as connection:
            connection.execute("VACUUM (ANALYZE) devices_device, locations_location, devices_access")

    def _write_macs(self) -> None:
        """The MACs for the load generator, 12 characters each and nothing between them."""
        with self.connect() as connection:
            for path, comparison in ((self.macs, "<="), (self.hot_macs, ">")):
                rows = connection.execute(
                    f"SELECT mac FROM devices_device WHERE location_id {comparison} %s",  # noqa: S608
                    [5 * self.groups],
                )
                path.write_text("".join(row[0] for row in rows))

    @property
    def macs(self) -> Path:
        """All phones of the storm."""
        return self.files / "macs"

    @property
    def hot_macs(self) -> Path:
        """The phones of the one large location."""
        return self.files / "macs-hot"

    def counts(self) -> Counts:
        """What is counted now."""
        return Counts(
            int(self.one("SELECT coalesce(sum(num_requests), 0) FROM devices_device")),
            int(self.one("SELECT count(*) FROM devices_access WHERE outcome = 'Redirected'")),
        )
