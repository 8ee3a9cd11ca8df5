"""On PostgreSQL the access log is partitioned by day: old days are dropped as tables, not row by row."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# Rows of a day without a partition of its own land in the default one, so that no phone ever waits for
# housekeeping. No primary key: nothing looks a row up by its id, and an index costs every boot.
PARTITIONED = """
DROP TABLE devices_access;
CREATE SEQUENCE devices_access_id_seq;
CREATE TABLE devices_access (
    id bigint NOT NULL DEFAULT nextval('devices_access_id_seq'),
    time timestamptz NOT NULL,
    mac varchar(12) NOT NULL,
    device_id bigint,
    group_id bigint,
    outcome varchar(19) NOT NULL,
    address varchar(45) NOT NULL,
    user_agent varchar(200) NOT NULL,
    certificate_subject varchar(500),
    location_url varchar(1273),
    counted boolean NOT NULL
) PARTITION BY RANGE (time);
ALTER SEQUENCE devices_access_id_seq OWNED BY devices_access.id;
CREATE INDEX access_of_device ON devices_access (device_id, time);
CREATE INDEX access_uncounted ON devices_access (time) WHERE NOT counted;
CREATE INDEX access_of_unknown_mac ON devices_access (time) WHERE device_id IS NULL;
CREATE TABLE devices_access_default PARTITION OF devices_access DEFAULT;
"""


def partition(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(PARTITIONED)


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_create_access_log")]

    operations = [migrations.RunPython(partition, migrations.RunPython.noop)]
