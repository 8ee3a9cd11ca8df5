"""The roles of support staff: groups of Django's permissions. Tenants' levels have no meaning here.

`manage.py migrate` makes the roles, and adds what is new in the table below to installations that have them
already. What it gave once it never gives again: a permission that an operator has taken from a role stays away,
and so does a role that an operator has deleted.
"""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import transaction

READER = (
    "accounts.view_group",
    "accounts.view_user",
    "accounts.view_apikey",
    "locations.view_location",
    "devices.view_device",
    "devices.view_access",
    "audit.view_entry",
    "webhooks.view_alert",
    "devices.view_deniedcertificate",
    "management.view_endpoint",
    "management.view_operation",
    "management.view_artefact",
)
AGENT = (
    *READER,
    "locations.add_location",
    "locations.change_location",
    "devices.add_device",
    "devices.change_device",
    "devices.delete_device",
    "devices.associate_device",
    "devices.import_device",
    "accounts.unblock_user",
    "accounts.force_password_user",
    "management.operate_endpoint",
)
LEAD = (
    *AGENT,
    "devices.move_device",
    "devices.dispute_claim",
    "devices.add_deniedcertificate",
    "devices.change_deniedcertificate",
    "devices.delete_deniedcertificate",
    "locations.delete_location",
    "accounts.add_group",
    "accounts.change_group",
    "accounts.delete_group",
    "accounts.add_user",
    "accounts.change_user",
    "accounts.delete_user",
    "accounts.end_tokens_user",
    "accounts.reset_second_factor_user",
    "accounts.delete_apikey",
    "webhooks.add_alert",
    "webhooks.change_alert",
    "webhooks.delete_alert",
    "management.add_endpoint",
    "management.change_endpoint",
    "management.delete_endpoint",
    "management.administer_endpoint",
    "management.download_artefact",
)

# The key in the database, the name that an operator sees (and may change), and the permissions.
ROLES = {
    "reader": ("Support reader", READER),
    "agent": ("Support agent", AGENT),
    "lead": ("Support lead", LEAD),
}


def complete(using: str, apps: Any = installed, **_: Any) -> None:
    """Make the roles that were never made, and give each what it was never given. Called after each `migrate`.

    Permissions that do not exist (yet) are left for later.
    """
    try:
        StaffRole = apps.get_model("desk", "StaffRole")
    except LookupError:  # migrated back to before there were roles
        return
    Role, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for app in sorted({permission.split(".")[0] for permission in LEAD}):
        if installed.is_installed(app):  # Django makes them app by app, and later than this
            create_permissions(installed.get_app_config(app), verbosity=0, using=using, apps=apps)
    rows = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    known = {f"{app}.{codename}": pk for app, codename, pk in rows}
    with transaction.atomic(using=using):
        for key, (title, permissions) in ROLES.items():
            made = StaffRole.objects.using(using).filter(key=key).first()
            if made is None:
                role, _ = Role.objects.using(using).get_or_create(name=title)
                made = StaffRole(key=key, role=role, given=[])
            if made.role is None:
                continue
            new = [name for name in permissions if name in known and name not in made.given]
            made.role.permissions.add(*(known[name] for name in new))
            made.given += new
            made.save(using=using)
