"""What a phone's certificate proved, why not, and which certificates are denied."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0012_choose_sheets_and_restore_numbers"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeniedCertificate",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(max_length=600, unique=True, verbose_name="certificate")),
                ("reason", models.CharField(max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="denied at"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddField(
            model_name="access",
            name="certificate_fingerprint",
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.AddField(
            model_name="access",
            name="certificate_problem",
            field=models.CharField(max_length=100, null=True),
        ),
        migrations.AddField(
            model_name="device",
            name="certificate_seen",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="good certificate seen"
            ),
        ),
    ]
