"""A claim that runs is told by its device: since when is a column of it. Only a claim that ends is a row of its own.

So a bulk call that makes devices writes nothing beside them, and one that removes them writes each claim once.

Claims that run when this is applied stay where they are, and end there: such a device has NULL in the column. So no
row of a large table is written, and ALTER TABLE needs its exclusive lock of devices for a moment only.

SQLite: Django rebuilds a table to alter it, and that drops the table's triggers (see migration 0002): ADD COLUMN does
not, and a trigger is the column's default.
"""

from importlib import import_module

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models.functions import Now

BEFORE = import_module("devices.migrations.0017_keep_claims")

ON_POSTGRESQL = """
ALTER TABLE devices_device ADD COLUMN claimed_at timestamptz;
ALTER TABLE devices_device ALTER COLUMN claimed_at SET DEFAULT statement_timestamp();
DROP TRIGGER device_claim_begins ON devices_device;
DROP FUNCTION begin_claims;
CREATE FUNCTION begin_claim_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claimed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION end_claims() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO devices_claim (mac, group_id, began, ended)
        SELECT mac, group_id, claimed_at, moment FROM gone WHERE claimed_at IS NOT NULL;
    IF EXISTS (SELECT FROM gone WHERE claimed_at IS NULL) THEN
        UPDATE devices_claim SET ended = moment FROM gone
            WHERE gone.claimed_at IS NULL AND devices_claim.mac = gone.mac AND ended IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION pass_claim_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.claimed_at IS NULL THEN
        UPDATE devices_claim SET ended = NEW.claimed_at WHERE mac = OLD.mac AND ended IS NULL;
    ELSE
        INSERT INTO devices_claim (mac, group_id, began, ended)
            VALUES (OLD.mac, OLD.group_id, OLD.claimed_at, NEW.claimed_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER device_claim_begins BEFORE UPDATE OF mac, group_id ON devices_device FOR EACH ROW
    WHEN (OLD.mac <> NEW.mac OR OLD.group_id <> NEW.group_id) EXECUTE FUNCTION begin_claim_anew();
"""
FROM_POSTGRESQL = """
DROP TRIGGER device_claim_begins ON devices_device;
DROP TRIGGER device_claim_ends ON devices_device;
DROP TRIGGER device_claim_passes ON devices_device;
DROP FUNCTION begin_claim_anew;
DROP FUNCTION end_claims;
DROP FUNCTION pass_claim_on;
"""

NOW = BEFORE.NOW
END = f"""
    INSERT INTO devices_claim (mac, group_id, began, ended)
        SELECT OLD.mac, OLD.group_id, OLD.claimed_at, {NOW} WHERE OLD.claimed_at IS NOT NULL;
    UPDATE devices_claim SET ended = {NOW} WHERE OLD.claimed_at IS NULL AND mac = OLD.mac AND ended IS NULL;
"""  # noqa: S608 - the words of a trigger
BEGIN = f"UPDATE devices_device SET claimed_at = {NOW} WHERE id = NEW.id;"  # noqa: S608
ON_SQLITE = {
    "device_claim_begins": f"AFTER INSERT ON devices_device WHEN NEW.claimed_at IS NULL BEGIN {BEGIN} END",
    "device_claim_ends": f"AFTER DELETE ON devices_device BEGIN {END} END",
    "device_claim_passes": (
        "AFTER UPDATE OF mac, group_id ON devices_device"
        f" WHEN OLD.mac <> NEW.mac OR OLD.group_id <> NEW.group_id BEGIN {END} {BEGIN} END"
    ),
}

TO_ROWS = """
INSERT INTO devices_claim (mac, group_id, began)
SELECT mac, group_id, claimed_at FROM devices_device WHERE claimed_at IS NOT NULL
"""


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL)
        return
    schema_editor.execute("ALTER TABLE devices_device ADD COLUMN claimed_at datetime")
    for name, when_and_what in ON_SQLITE.items():
        schema_editor.execute(f"DROP TRIGGER {name}")
        schema_editor.execute(f"CREATE TRIGGER {name} {when_and_what}", params=None)  # it holds a %


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("LOCK TABLE devices_device IN SHARE ROW EXCLUSIVE MODE")
        schema_editor.execute(FROM_POSTGRESQL)
    else:
        for name in ON_SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")
    schema_editor.execute(TO_ROWS)
    schema_editor.execute("ALTER TABLE devices_device DROP COLUMN claimed_at")
    BEFORE.add(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("devices", "0024_count_devices_of_before")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="device",
                    name="claimed_at",
                    field=models.DateTimeField(db_default=Now(), editable=False, null=True),
                ),
            ],
            database_operations=[migrations.RunPython(add, drop)],
        ),
    ]
