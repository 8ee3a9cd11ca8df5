"""The app of groups and users."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """accounts"""

    name = "accounts"

    def ready(self) -> None:
        from accounts.models import ApiKey, Group, User
        from audit.tracking import track

        # lastLogin is the last attempt, also a failed one; accounts/login.py keeps it.
        user_logged_in.disconnect(dispatch_uid="update_last_login")

        quotas = ("device_quota", "total_device_quota", "mac_prefixes")
        track(Group, "name", "group_type", "reseller", "address", "description", *quotas)
        track(ApiKey, "name", "group", "permission_level", "expires_at", "allowed_networks")
        staff = ("is_active", "is_staff", "is_superuser")
        contact = ("first_name", "last_name", "email", "description", "phone1", "phone2")
        track(
            User,
            *("login", "group", "permission_level", "force_change_password", "password", *contact, *staff),
            lists={"groups", "user_permissions"},
            secrets={"password"},
        )
