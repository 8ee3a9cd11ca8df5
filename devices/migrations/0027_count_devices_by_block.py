"""How many devices each group has, by blocks of 65,536 ids: where in the list a page begins need not be walked to.

On PostgreSQL the triggers of 0023 stay, so that no phone waits for the table of devices: only what they call changes.
SQLite parses all triggers when it makes a table anew, so they go while that is done.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ON_POSTGRESQL = """
CREATE OR REPLACE FUNCTION count_devices_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id{block}, number)
        SELECT group_id{row}, count(*) FROM made GROUP BY group_id{row};
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_devices_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id{block}, number)
        SELECT group_id{row}, -count(*) FROM gone GROUP BY group_id{row};
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_device_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO devices_devicecount (group_id{block}, number) VALUES (OLD.group_id{old}, -1), (NEW.group_id{new}, 1);
    RETURN NULL;
END $$;
"""
BY_BLOCK = {"block": ", block", "row": ", id >> 16", "old": ", OLD.id >> 16", "new": ", NEW.id >> 16"}
BY_GROUP = dict.fromkeys(BY_BLOCK, "")

CHANGE = """
INSERT INTO devices_devicecount (group_id{block}, number) SELECT {of}.group_id{value}, 0
    WHERE NOT EXISTS (SELECT 1 FROM devices_devicecount WHERE group_id = {of}.group_id{same});
UPDATE devices_devicecount SET number = number {step} 1 WHERE group_id = {of}.group_id{same};
"""
TRIGGERS = {
    "device_count_made": "AFTER INSERT ON devices_device BEGIN {come} END",
    "device_count_gone": "AFTER DELETE ON devices_device BEGIN {go} END",
    "device_count_moved": (
        "AFTER UPDATE OF group_id ON devices_device WHEN OLD.group_id <> NEW.group_id BEGIN {go} {come} END"
    ),
}


def replace_by_blocks(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL.format(**BY_BLOCK))


def replace_by_groups(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL.format(**BY_GROUP))


def make_by_blocks(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _make(schema_editor, BY_BLOCK)


def make_by_groups(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _make(schema_editor, BY_GROUP)


def _make(schema_editor: BaseDatabaseSchemaEditor, words: dict[str, str]) -> None:
    if schema_editor.connection.vendor == "postgresql":
        return
    changes = {}
    for name, of, step in (("come", "NEW", "+"), ("go", "OLD", "-")):
        value = words[of.lower()]
        same = f" AND block = {value.removeprefix(', ')}" if value else ""
        changes[name] = CHANGE.format(block=words["block"], of=of, value=value, same=same, step=step)
    for name, when_and_what in TRIGGERS.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {when_and_what.format(**changes)}")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        for name in TRIGGERS:
            schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("devices", "0026_check_location_once")]

    operations = [
        migrations.RunPython(drop, make_by_groups),
        migrations.RunPython(migrations.RunPython.noop, replace_by_groups),
        migrations.AddField(
            model_name="devicecount",
            name="block",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunPython(replace_by_blocks, migrations.RunPython.noop),
        migrations.RunPython(make_by_blocks, drop),
    ]
