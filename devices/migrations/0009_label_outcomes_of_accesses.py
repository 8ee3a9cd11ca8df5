"""Outcomes have the labels that staff read; nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0008_create_imports"),
    ]

    operations = [
        migrations.AlterField(
            model_name="access",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("Redirected", "Redirected"),
                    ("NoLocation", "Refused: no location"),
                    ("CertificateRequired", "Refused: no certificate shown"),
                    ("CertificateMismatch", "Refused: certificate not accepted"),
                    ("Unknown", "Refused: unknown MAC"),
                ],
                max_length=19,
            ),
        ),
    ]
