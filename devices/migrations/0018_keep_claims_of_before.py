"""The devices that there are, as claims that began before claims were kept.

A migration of its own: the triggers of 0017 are committed, so that a device that comes now is missed by neither, and
phones do not wait for the rows that are written here.
"""

from django.db import migrations

FILL = """
INSERT INTO devices_claim (mac, group_id) SELECT mac, group_id FROM devices_device WHERE true
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0017_keep_claims")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
