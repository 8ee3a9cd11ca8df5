"""The models whose rows leave an entry whenever one is saved or deleted, whoever does it.

A row that is written by a statement of its own (update, bulk_create, SQL) is seen by no signal: see recording.py.
"""

from auditlog.registry import auditlog
from django.contrib.auth.models import Group as StaffRole

from accounts.models import Group, User
from devices.models import Device
from locations.models import Location

# By model: what an entry tells of. Counters and times of logins and boots are no changes.
ATTRIBUTES = {
    Group: ["name", "group_type", "reseller", "address", "description"],
    User: [
        "login",
        "first_name",
        "last_name",
        "group",
        "permission_level",
        "email",
        "description",
        "phone1",
        "phone2",
        "force_change_password",
        "password",
        "is_active",
        "is_staff",
        "is_superuser",
    ],
    Location: ["group", "url", "description", "mutual_auth"],
    Device: ["mac", "group", "location", "description"],
    StaffRole: ["name"],
}
LISTS = {User: {"groups", "user_permissions"}, StaffRole: {"permissions"}}
SECRETS = ["password"]


def register() -> None:
    """Connect the signals."""
    for model, attributes in ATTRIBUTES.items():
        auditlog.register(
            model,
            include_fields=attributes,
            m2m_fields=LISTS.get(model, set()),
            mask_fields=[name for name in attributes if name in SECRETS],
            mask_callable="audit.models.hidden",
        )
