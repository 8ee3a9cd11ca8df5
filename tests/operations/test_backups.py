"""A backup holds everything of one moment, and a restored database is proven to be as it was."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections

from devices.models import Device
from operations.backups import manifest
from operations.management.commands.backup import back_up
from operations.management.commands.restore import differences, restore
from tests.conftest import Cast, make_access, make_device, make_location

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def devices(cast: Cast) -> list[Device]:
    location = make_location(cast.provider)
    made = [make_device(cast.provider, location=location) for _ in range(3)]
    make_access(made[0])
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Any]:
    """A connection to an empty database beside that of the tests."""
    values = dict(connection.settings_dict)
    if connection.vendor == "postgresql":
        values["NAME"] = f"{values['NAME']}_restored"
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{values["NAME"]}" TEMPLATE template0')
    else:
        values["NAME"] = str(tmp_path / "restored.sqlite3")
    values["OPTIONS"] = {name: value for name, value in values["OPTIONS"].items() if name != "pool"}
    # By the alias that the tests may use.
    other = type(connections["default"])(values, "default")
    yield other
    other.close()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{values["NAME"]}"')


def test_what_was_backed_up_is_restored(devices: list[Device], empty: Any, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "nightly"
    call_command("backup", str(folder))
    assert "devices_device" in (folder / "manifest.json").read_text()
    assert f"are in {folder} (" in capsys.readouterr().out
    Device.objects.all().delete()  # what comes after is no part of it

    made = manifest.read(folder)
    assert made.rows["devices_device"] == 3
    assert made.rows["devices_access"] == 1
    restore(empty, folder, made)
    assert differences(empty, made) == []
    with empty.cursor() as cursor:
        cursor.execute("SELECT mac FROM devices_device ORDER BY id")
        assert [mac for (mac,) in cursor.fetchall()] == [device.mac for device in devices]
        cursor.execute("SELECT count(*) FROM django_migrations")
        assert cursor.fetchone()[0] > 20


def test_the_folder_is_its_owners_alone(devices: list[Device], tmp_path: Path) -> None:
    back_up(connection, tmp_path / "nightly")
    assert stat.S_IMODE((tmp_path / "nightly").stat().st_mode) == 0o700
    (data,) = [file for file in (tmp_path / "nightly").iterdir() if file.name != "manifest.json"]
    assert stat.S_IMODE(data.stat().st_mode) == 0o600


def test_nothing_is_restored_over_what_is_there(devices: list[Device], tmp_path: Path) -> None:
    back_up(connection, tmp_path / "nightly")
    with pytest.raises(CommandError, match=r"has \d+ tables already"):
        call_command("restore", str(tmp_path / "nightly"))
    assert Device.objects.count() == 3


def test_what_differs_is_named(devices: list[Device], tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "nightly"
    back_up(connection, folder)
    call_command("restore", str(folder), "--check")
    assert "are as in the backup of " in capsys.readouterr().out
    devices[0].delete()
    with pytest.raises(CommandError, match=r"devices_device: 3 rows in the backup, 2 rows here\."):
        call_command("restore", str(folder), "--check")

    told = json.loads((folder / "manifest.json").read_text())
    told["definitions"]["index lost"] = "CREATE INDEX lost"
    told["rows"]["devices_device"] = 2
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(CommandError, match=r"The index lost is not as in the backup\."):
        call_command("restore", str(folder), "--check")


def test_a_damaged_backup_is_refused(devices: list[Device], empty: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nightly"
    made = back_up(connection, folder)
    with (folder / made.data).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(CommandError, match="is damaged: it is not what was written"):
        call_command("restore", str(folder))


def test_a_folder_that_is_no_backup(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"is no backup: .*manifest\.json cannot be read"):
        call_command("restore", str(tmp_path))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(CommandError, match="is no manifest of a backup"):
        call_command("restore", str(tmp_path))


def test_no_folder_is_left_where_nothing_could_be_made(
    devices: list[Device], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(CommandError, match=r"exists\. Name a folder that does not"):
        call_command("backup", str(tmp_path / "there"))
    monkeypatch.setattr("operations.backups.manifest.Manifest.write", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("backup", str(tmp_path / "nightly"))
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


def test_without_the_program_of_postgresql(devices: list[Device], tmp_path: Path, monkeypatch: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite needs no program")
    monkeypatch.setattr("operations.backups.postgresql.DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="pg_dump is not installed"):
        call_command("backup", str(tmp_path / "nightly"))
