"""The log is looked through by MAC: also by one that nobody owns, or whose device is gone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0005_find_accesses_by_group_and_time")]

    operations = [
        migrations.RemoveIndex(model_name="access", name="access_of_device"),
        migrations.AddIndex(model_name="access", index=models.Index(fields=["mac", "time"], name="access_of_mac")),
    ]
