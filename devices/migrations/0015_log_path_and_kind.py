"""What a phone asked for, beside its MAC. NULL for requests that were logged before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0014_normalize_texts")]

    operations = [
        migrations.AddField(model_name="access", name="path", field=models.CharField(max_length=200, null=True)),
        migrations.AddField(model_name="access", name="kind", field=models.CharField(max_length=9, null=True)),
    ]
