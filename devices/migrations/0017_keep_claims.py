"""Which group has, or had, the device of which MAC: the database writes it down, whoever writes to devices.

PostgreSQL: triggers by statement for devices that come and go, so that a bulk call pays little, and one by row for
those that change their group or MAC. A phone's request, which writes neither, fires none of them.

SQLite: Django rebuilds a table to alter it, and that drops the table's triggers; see migration 0002.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

ON_POSTGRESQL = """
CREATE FUNCTION begin_claims() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO devices_claim (mac, group_id, began) SELECT mac, group_id, moment FROM made;
    RETURN NULL;
END $$;
CREATE FUNCTION end_claims() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    UPDATE devices_claim SET ended = moment FROM gone WHERE devices_claim.mac = gone.mac AND ended IS NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION pass_claim_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    UPDATE devices_claim SET ended = moment WHERE mac = OLD.mac AND ended IS NULL;
    INSERT INTO devices_claim (mac, group_id, began) VALUES (NEW.mac, NEW.group_id, moment);
    RETURN NULL;
END $$;
CREATE TRIGGER device_claim_begins AFTER INSERT ON devices_device
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION begin_claims();
CREATE TRIGGER device_claim_ends AFTER DELETE ON devices_device
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION end_claims();
CREATE TRIGGER device_claim_passes AFTER UPDATE OF mac, group_id ON devices_device FOR EACH ROW
    WHEN (OLD.mac <> NEW.mac OR OLD.group_id <> NEW.group_id) EXECUTE FUNCTION pass_claim_on();
"""

NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
BEGIN = f"INSERT INTO devices_claim (mac, group_id, began) VALUES (NEW.mac, NEW.group_id, {NOW});"  # noqa: S608 - the words of a trigger
END = f"UPDATE devices_claim SET ended = {NOW} WHERE mac = OLD.mac AND ended IS NULL;"  # noqa: S608
ON_SQLITE = {
    "device_claim_begins": f"AFTER INSERT ON devices_device BEGIN {BEGIN} END",
    "device_claim_ends": f"AFTER DELETE ON devices_device BEGIN {END} END",
    "device_claim_passes": (
        "AFTER UPDATE OF mac, group_id ON devices_device"
        f" WHEN OLD.mac <> NEW.mac OR OLD.group_id <> NEW.group_id BEGIN {END} {BEGIN} END"
    ),
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL)
        return
    for name, when_and_what in ON_SQLITE.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {when_and_what}", params=None)  # it holds a %


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in ON_SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name} ON devices_device")
        for name in ("begin_claims", "end_claims", "pass_claim_on"):
            schema_editor.execute(f"DROP FUNCTION {name}")
        return
    for name in ON_SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0016_keep_hints_of_user_agents"),
    ]

    operations = [
        migrations.CreateModel(
            name="Claim",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("mac", models.CharField(max_length=12)),
                ("group_id", models.BigIntegerField()),
                ("began", models.DateTimeField(null=True)),
                ("ended", models.DateTimeField(null=True)),
                ("dispute", models.TextField(null=True)),
            ],
            options={
                "permissions": [("dispute_claim", "Can end or move claims that are disputed")],
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["mac", "began"], name="claim_of_mac"),
                    models.Index(fields=["group_id", "began"], name="claim_of_group"),
                    models.Index(
                        condition=models.Q(("ended__isnull", False)),
                        fields=["group_id", "ended"],
                        name="claim_ended_of_group",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended", None)), fields=("mac",), name="claim_one_at_a_time"
                    )
                ],
            },
        ),
        migrations.RunPython(add, drop),
    ]
