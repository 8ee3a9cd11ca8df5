"""A device and its location are of one group: the database says so, whoever writes.

PostgreSQL: a composite foreign key. SQLite cannot add one to a table: triggers. Beware: Django rebuilds a table of
SQLite to alter it, and that drops the table's triggers without a word; a later migration that alters one of the
two tables has to run this one's SQL again (tests/devices/test_constraints.py looks for the triggers).
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# The free space keeps updates of counters and times on the page of the row (HOT), without touching any index.
ON_POSTGRESQL = """
ALTER TABLE devices_device
    ADD CONSTRAINT device_and_location_in_one_group
    FOREIGN KEY (location_id, group_id) REFERENCES locations_location (id, group_id);
ALTER TABLE devices_device SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE locations_location SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
"""

TRIGGER = """
CREATE TRIGGER {name} {when}
WHEN {broken}
BEGIN
    SELECT RAISE(ABORT, 'device_and_location_in_one_group');
END
"""

FOREIGN_LOCATION = """NEW.location_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM locations_location WHERE id = NEW.location_id AND group_id = NEW.group_id
)"""
FOREIGN_DEVICE = """EXISTS (
    SELECT 1 FROM devices_device WHERE location_id = NEW.id AND group_id <> NEW.group_id
)"""

ON_SQLITE = {
    "device_in_group_of_location_on_insert": ("BEFORE INSERT ON devices_device", FOREIGN_LOCATION),
    "device_in_group_of_location_on_update": (
        "BEFORE UPDATE OF group_id, location_id ON devices_device",
        FOREIGN_LOCATION,
    ),
    "location_in_group_of_devices_on_update": (
        "BEFORE UPDATE OF group_id ON locations_location",
        FOREIGN_DEVICE,
    ),
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL)
        return
    for name, (when, broken) in ON_SQLITE.items():
        schema_editor.execute(TRIGGER.format(name=name, when=when, broken=broken))


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE devices_device DROP CONSTRAINT device_and_location_in_one_group")
        return
    for name in ON_SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_create_devices")]

    operations = [migrations.RunPython(add, drop)]
