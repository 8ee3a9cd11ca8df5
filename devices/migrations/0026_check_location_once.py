"""PostgreSQL looks a device's location up once, not twice: by the key of location and group (migration 0002).

That key refuses all that Django's own key of the location refuses, as no device is without a group, and is not deferred.
To drop the other takes an exclusive lock of devices and locations for a moment. SQLite's key stays: it has no second.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NAME = "devices_device_location_id_f68ffd9a_fk_locations_location_id"

DROP = f"ALTER TABLE devices_device DROP CONSTRAINT {NAME}"
ADD = f"""
ALTER TABLE devices_device ADD CONSTRAINT {NAME} FOREIGN KEY (location_id)
    REFERENCES locations_location (id) DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE devices_device VALIDATE CONSTRAINT {NAME};
"""


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ADD)


class Migration(migrations.Migration):
    dependencies = [("devices", "0025_keep_running_claims_by_devices")]

    operations = [migrations.RunPython(drop, add)]
