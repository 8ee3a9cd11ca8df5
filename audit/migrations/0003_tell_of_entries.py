"""How far an entry has been told to those who subscribe. The index is made while the log is written to."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

INDEX = "audit_untold ON audit_entry (id) WHERE untold_from IS NOT NULL"


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    concurrently = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"CREATE INDEX {concurrently} IF NOT EXISTS {INDEX}")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP INDEX IF EXISTS audit_untold")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0002_claims")]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="untold_from",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="entry",
                    index=models.Index(
                        condition=models.Q(("untold_from__isnull", False)), fields=["id"], name="audit_untold"
                    ),
                ),
            ],
            database_operations=[migrations.RunPython(add, drop)],
        ),
    ]
