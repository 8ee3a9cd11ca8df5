"""The devices that there are, counted by group.

A migration of its own: the triggers of 0023 are committed. What they have counted meanwhile is not counted again, as
one statement sees devices and counts of one moment.
"""

from django.db import migrations

FILL = """
INSERT INTO devices_devicecount (group_id, number)
SELECT group_id, sum(number) FROM (
    SELECT group_id, count(*) AS number FROM devices_device GROUP BY group_id
    UNION ALL
    SELECT group_id, -number FROM devices_devicecount
) AS side GROUP BY group_id HAVING sum(number) <> 0
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0023_count_devices")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
