"""Groups and users as rows of a file, in columns of these names.

A column is what it holds of a row. `viewer` is who reads it; None is support staff, who see all names.
"""

from accounts.models import Group
from accounts.scope import Viewer
from redirect.http.table_file import Columns, attribute, time_text


def group_name(group: Group | None, viewer: Viewer | None) -> str:
    """The name that the import takes: "Reseller / Provider", the second alone where the first is out of scope."""
    if group is None:
        return ""
    return group.full_name if _sees_reseller_of(group, viewer) else group.name


def _reseller_name(group: Group, viewer: Viewer | None) -> str:
    return group.reseller.name if group.reseller and _sees_reseller_of(group, viewer) else ""


def _sees_reseller_of(group: Group, viewer: Viewer | None) -> bool:
    return viewer is None or viewer.is_operator or group.reseller_id in viewer.groups_in_scope


GROUP_COLUMNS: Columns = {
    "name": attribute("name"),
    "groupType": attribute("group_type"),
    "reseller": _reseller_name,
    "address": attribute("address"),
    "description": attribute("description"),
}

# Nothing that helps to log in as one.
USER_COLUMNS: Columns = {
    "login": attribute("login"),
    "group": lambda user, viewer: group_name(user.group, viewer),
    "permissionLevel": attribute("permission_level"),
    "firstName": attribute("first_name"),
    "lastName": attribute("last_name"),
    "email": attribute("email"),
    "phone1": attribute("phone1"),
    "phone2": attribute("phone2"),
    "description": attribute("description"),
    "isActive": attribute("is_active"),
    "lastLogin": lambda user, viewer: time_text(user.last_login),
    "lastLoginStatus": attribute("last_login_status"),
}
