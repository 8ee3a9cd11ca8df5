"""The app of groups and users."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """accounts"""

    name = "accounts"

    def ready(self) -> None:
        # lastLogin tells of the last attempt, also a failed one; accounts/login.py keeps it.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
