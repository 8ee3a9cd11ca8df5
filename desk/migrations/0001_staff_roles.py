"""The roles of support staff. The roles themselves are made and completed by desk/roles.py after each `migrate`:
Django makes the rows of permissions only then."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaffRole",
            fields=[
                ("key", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("given", models.JSONField()),
                (
                    "role",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="auth.group"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
