"""On PostgreSQL the access log is read on from an id: the block range index of times has ids, too.

One index in place of another, so a boot costs what it did. It is made while phones write.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from devices.access_log import change

HOW = "USING brin (time, id) WITH (autosummarize = on)"
# Partitions without a part of the new index: those that housekeeping makes from now on have one.
WITHOUT = """
SELECT inhrelid::regclass::text FROM pg_inherits
WHERE inhparent = 'devices_access'::regclass AND inhrelid NOT IN (
    SELECT i.indrelid FROM pg_inherits part JOIN pg_index i ON i.indexrelid = part.inhrelid
    WHERE part.inhparent = 'access_by_time_and_id'::regclass
)
"""


def exchange(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    change(f"CREATE INDEX IF NOT EXISTS access_by_time_and_id ON ONLY devices_access {HOW}")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(WITHOUT)
        for (partition,) in cursor.fetchall():
            name = f"{partition}_time_id"
            cursor.execute(f"DROP INDEX IF EXISTS {name}")  # of a run that was stopped, and so not valid
            cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON {partition} {HOW}")
            change(f"ALTER INDEX access_by_time_and_id ATTACH PARTITION {name}")
    change("DROP INDEX IF EXISTS access_by_time")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("devices", "0021_imports_of_groups")]

    operations = [migrations.RunPython(exchange, migrations.RunPython.noop)]
