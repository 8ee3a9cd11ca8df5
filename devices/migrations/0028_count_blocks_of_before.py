"""The devices that there are, counted by block.

A migration of its own: what the triggers of 0027 call is committed. On PostgreSQL what they have counted meanwhile is
not counted again, as one statement sees devices and counts of one moment; and no total changes by it. On SQLite
triggers count on one row for each group and block.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FILL = """
INSERT INTO devices_devicecount (group_id, block, number)
SELECT group_id, block, sum(number) FROM (
    SELECT group_id, id >> 16 AS block, count(*) AS number FROM devices_device GROUP BY 1, 2
    UNION ALL
    SELECT group_id, block, -number FROM devices_devicecount
) AS side GROUP BY group_id, block HAVING sum(number) <> 0
"""


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        schema_editor.execute("DELETE FROM devices_devicecount")
    schema_editor.execute(FILL)


class Migration(migrations.Migration):
    dependencies = [("devices", "0027_count_devices_by_block")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
