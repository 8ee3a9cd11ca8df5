"""No reserved MAC is written any more: all zeros names a file that all phones of a maker ask for, and a MAC whose first
octet is odd is a group address.

Devices that have one stay, so that staff and their groups can see and remove them, but no request finds them. A CHECK
constraint would refuse every later change of such a row, such as the removal of its location; a trigger looks only at
a MAC that is written.

SQLite: Django rebuilds a table to alter it, and that drops the table's triggers; see migration 0002.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

RESERVED = r"^(0{12}|[0-9A-F][13579BDF])"
SHOWN = 20

ON_POSTGRESQL = """
CREATE FUNCTION refuse_reserved_mac() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'device_mac_is_not_reserved: %', NEW.mac
        USING ERRCODE = 'check_violation', CONSTRAINT = 'device_mac_is_not_reserved', TABLE = 'devices_device';
END $$;
CREATE TRIGGER device_mac_is_not_reserved BEFORE INSERT OR UPDATE OF mac ON devices_device
    FOR EACH ROW WHEN (NEW.mac ~ '^(0{12}|[0-9A-F][13579BDF])') EXECUTE FUNCTION refuse_reserved_mac();
"""

ON_SQLITE = {
    "device_mac_is_not_reserved_on_insert": "BEFORE INSERT ON devices_device",
    "device_mac_is_not_reserved_on_update": "BEFORE UPDATE OF mac ON devices_device",
}
TRIGGER = """
CREATE TRIGGER {name} {when}
WHEN NEW.mac = '000000000000' OR NEW.mac GLOB '[0-9A-F][13579BDF]*'
BEGIN
    SELECT RAISE(ABORT, 'device_mac_is_not_reserved');
END
"""


def name_existing(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Tell the operator which devices are not answered any more."""
    devices = apps.get_model("devices", "Device").objects.using(schema_editor.connection.alias)
    reserved = devices.filter(mac__regex=RESERVED)
    if number := reserved.count():
        shown = reserved.order_by("mac").values_list("mac", "group__name")[:SHOWN]
        named = ", ".join(f"{mac} ({group})" for mac, group in shown)
        print(  # noqa: T201 - where the operator who migrates looks
            f"\n  {number} devices have a reserved MAC, which no phone can have. They are kept and no longer answered; "
            f"the admin lists them (Devices, filter MAC): {named}{', ...' if number > SHOWN else ''}"
        )


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL, params=None)  # it holds a %
        return
    for name, when in ON_SQLITE.items():
        schema_editor.execute(TRIGGER.format(name=name, when=when))


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER device_mac_is_not_reserved ON devices_device")
        schema_editor.execute("DROP FUNCTION refuse_reserved_mac()")
        return
    for name in ON_SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("devices", "0010_keep_imports_by_jobs")]

    operations = [
        migrations.RunPython(name_existing, migrations.RunPython.noop),
        migrations.RunPython(add, drop),
    ]
