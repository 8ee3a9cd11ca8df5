"""A location may answer with settings instead of a redirect.

The column is added by SQL: Django would rebuild the table on SQLite, and that drops its triggers (devices 0002).
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("locations", "0002_normalize_texts")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE locations_location ADD COLUMN answer varchar(8) NOT NULL DEFAULT 'redirect'",
            "ALTER TABLE locations_location DROP COLUMN answer",
            state_operations=[
                migrations.AddField(
                    model_name="location",
                    name="answer",
                    field=models.CharField(
                        choices=[
                            ("redirect", "Redirect"),
                            ("settings", "Settings in the format of the phone's maker"),
                        ],
                        db_default="redirect",
                        default="redirect",
                        help_text="Settings are for phones that follow no redirect. A phone whose maker has no such settings is redirected.",
                        max_length=8,
                    ),
                ),
            ],
        ),
    ]
