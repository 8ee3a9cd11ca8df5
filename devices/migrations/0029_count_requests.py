"""Sums of the access log, for the dashboard: they begin empty, and the worker or housekeeping fills them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0028_count_blocks_of_before")]

    operations = [
        migrations.CreateModel(
            name="CountedLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("read_to", models.BigIntegerField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="FailureCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("hour", models.DateTimeField()),
                ("group_id", models.BigIntegerField()),
                ("outcome", models.CharField(max_length=19)),
                ("number", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "group_id", "outcome"), name="failurecount_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RequestCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("minute", models.DateTimeField()),
                ("outcome", models.CharField(max_length=19)),
                ("number", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("minute", "outcome"), name="requestcount_once")],
            },
        ),
    ]
