"""Texts that were written before there was one form of them get it."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from redirect.db.texts import normalize_rows


def normalize(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    normalize_rows(apps.get_model("accounts", "Group"), "name", "address", "description")
    normalize_rows(
        apps.get_model("accounts", "User"), "first_name", "last_name", "phone1", "phone2", "description"
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_known_sources")]

    operations = [migrations.RunPython(normalize, migrations.RunPython.noop, elidable=True)]
