"""How many devices each group has: the database keeps count, whoever writes to devices.

PostgreSQL: triggers by statement for devices that come and go, so that a bulk call writes one row a group, and one by
row for those that change their group: a trigger by statement would fire for each request of a phone.

SQLite: Django rebuilds a table to alter it, and that drops the table's triggers; see migration 0002.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ON_POSTGRESQL = """
CREATE FUNCTION count_devices_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id, number) SELECT group_id, count(*) FROM made GROUP BY group_id;
    RETURN NULL;
END $$;
CREATE FUNCTION count_devices_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id, number) SELECT group_id, -count(*) FROM gone GROUP BY group_id;
    RETURN NULL;
END $$;
CREATE FUNCTION count_device_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id, number) VALUES (OLD.group_id, -1), (NEW.group_id, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER device_count_made AFTER INSERT ON devices_device
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION count_devices_made();
CREATE TRIGGER device_count_gone AFTER DELETE ON devices_device
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_devices_gone();
CREATE TRIGGER device_count_moved AFTER UPDATE OF group_id ON devices_device FOR EACH ROW
    WHEN (OLD.group_id <> NEW.group_id) EXECUTE FUNCTION count_device_moved();
"""

# One row a group: there is one writer at a time.
CHANGE = """
INSERT INTO devices_devicecount (group_id, number)
    SELECT {0}.group_id, 0 WHERE NOT EXISTS (SELECT 1 FROM devices_devicecount WHERE group_id = {0}.group_id);
UPDATE devices_devicecount SET number = number {1} 1 WHERE group_id = {0}.group_id;
"""
COME, GO = CHANGE.format("NEW", "+"), CHANGE.format("OLD", "-")
ON_SQLITE = {
    "device_count_made": f"AFTER INSERT ON devices_device BEGIN {COME} END",
    "device_count_gone": f"AFTER DELETE ON devices_device BEGIN {GO} END",
    "device_count_moved": (
        f"AFTER UPDATE OF group_id ON devices_device WHEN OLD.group_id <> NEW.group_id BEGIN {GO} {COME} END"
    ),
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL)
        return
    for name, when_and_what in ON_SQLITE.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {when_and_what}")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in ON_SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name} ON devices_device")
        for name in ("count_devices_made", "count_devices_gone", "count_device_moved"):
            schema_editor.execute(f"DROP FUNCTION {name}")
        return
    for name in ON_SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_quotas_of_devices"),
        ("devices", "0022_find_accesses_by_id"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("number", models.BigIntegerField()),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.group",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(add, drop),
    ]
