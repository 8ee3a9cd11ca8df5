from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0002_keep_device_and_location_in_one_group"),
    ]

    operations = [
        migrations.CreateModel(
            name="Access",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("time", models.DateTimeField()),
                ("mac", models.CharField(max_length=12)),
                ("device_id", models.BigIntegerField(null=True)),
                ("group_id", models.BigIntegerField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("Redirected", "Redirected"),
                            ("NoLocation", "No Location"),
                            ("CertificateRequired", "Certificate Required"),
                            ("CertificateMismatch", "Certificate Mismatch"),
                            ("Unknown", "Unknown"),
                        ],
                        max_length=19,
                    ),
                ),
                ("address", models.CharField(max_length=45)),
                ("user_agent", models.CharField(max_length=200)),
                ("certificate_subject", models.CharField(max_length=500, null=True)),
                ("location_url", models.CharField(max_length=1273, null=True)),
                ("counted", models.BooleanField(default=True)),
            ],
            options={
                "verbose_name_plural": "accesses",
                "indexes": [
                    models.Index(fields=["device_id", "time"], name="access_of_device"),
                    models.Index(condition=models.Q(("counted", False)), fields=["time"], name="access_uncounted"),
                    models.Index(
                        condition=models.Q(("device_id", None)), fields=["time"], name="access_of_unknown_mac"
                    ),
                ],
            },
        ),
    ]
