"""The accesses of a tenant, newest first; and on PostgreSQL those of a time, for all tenants together."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def index_time(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # Rows come in the order of their time: a block range index costs a boot next to nothing.
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX access_by_time ON devices_access USING brin (time) WITH (autosummarize = on)"
        )


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_partition_access_log_by_day")]

    operations = [
        migrations.AddIndex(
            model_name="access", index=models.Index(fields=["group_id", "time"], name="access_of_group")
        ),
        migrations.RunPython(index_time, migrations.RunPython.noop),
    ]
