"""MACs that only a User-Agent carries, for staff to read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0015_log_path_and_kind")]

    operations = [
        migrations.CreateModel(
            name="Hint",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("mac", models.CharField(max_length=12, unique=True)),
                ("time", models.DateTimeField()),
                ("path", models.CharField(max_length=200)),
                ("address", models.CharField(max_length=45)),
                ("user_agent", models.CharField(max_length=200)),
            ],
            options={"default_permissions": ()},
        ),
    ]
